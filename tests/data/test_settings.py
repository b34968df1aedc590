from __future__ import annotations

import pytest

from data.settings import FILE, Settings, SettingsFileError, load_settings


def write(folder, text):
    (folder / FILE).write_text(text, encoding="utf-8")
    return folder


def test_without_a_file_the_defaults_hold(tmp_path):
    assert load_settings(tmp_path) == Settings()
    assert Settings().fiscal_year_start_month == 1


def test_the_file_is_read(tmp_path):
    fields = 'fiscal_year_start_month = 4\nfixed_at_creation = ["deals.product"]\n'
    settings = load_settings(write(tmp_path, fields + "[rates]\nUSD = 0.9\n"))
    assert settings.fiscal_year_start_month == 4
    assert settings.fixed_at_creation == ["deals.product"]
    assert settings.rates == {"USD": 0.9}


def test_the_environment_wins_over_the_file(tmp_path, monkeypatch):
    monkeypatch.setenv("DEALCAST_CURRENCY", "THB")
    assert load_settings(write(tmp_path, 'currency = "EUR"')).currency == "THB"


def test_unknown_key_is_refused_and_the_allowed_ones_are_named(tmp_path):
    with pytest.raises(SettingsFileError, match=r"'currrency'; did you mean 'currency'\? allowed"):
        load_settings(write(tmp_path, 'currrency = "EUR"'))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("fiscal_year_start_month = 13", "fiscal_year_start_month: got 13"),
        ('timezone = "Mars"', "no time zone"),
        ('fixed_at_creation = ["product"]', "TABLE.COLUMN"),
        ("rates = {USD = -1}", "rates.USD: got -1"),
        ("currency = ", "not a TOML file"),
    ],
)
def test_value_that_is_not_allowed_is_named(tmp_path, text, told):
    with pytest.raises(SettingsFileError, match=told):
        load_settings(write(tmp_path, text))


def test_every_problem_is_told_at_once(tmp_path):
    with pytest.raises(SettingsFileError) as error:
        load_settings(write(tmp_path, 'colour = 1\nfiscal_year_start_month = 0\ntimezone = "x"'))
    assert str(error.value).count("\n- ") == 3


def test_broken_json_in_the_environment_is_told(tmp_path, monkeypatch):
    monkeypatch.setenv("DEALCAST_RATES", "{")
    with pytest.raises(SettingsFileError, match="rates"):
        load_settings(tmp_path)


def test_every_setting_has_a_description():
    assert all(field.description for field in Settings.model_fields.values())


def test_unknown_name_in_the_environment_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("DEALCAST_CURENCY", "EUR")
    with pytest.raises(SettingsFileError, match="did you mean 'currency'"):
        load_settings(tmp_path)


def test_names_of_ours_that_are_no_settings_are_let_through(tmp_path, monkeypatch):
    monkeypatch.setenv("DEALCAST_WORKSPACE", "somewhere")
    assert load_settings(tmp_path) == Settings()


def test_a_secret_that_is_refused_is_not_told(tmp_path):
    with pytest.raises(SettingsFileError, match="at least 32 characters") as error:
        load_settings(write(tmp_path, 'session_secret = "geheim"'))
    assert "geheim" not in str(error.value)
