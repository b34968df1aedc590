from __future__ import annotations

from pathlib import Path

import pytest

from data.register import HIDDEN, Setting, settings_markdown, settings_of
from data.settings import FILE, Settings

DOCS = Path(__file__).parents[2] / "docs" / "settings.md"


def found(workspace: Path) -> dict[str, Setting]:
    return {each.name: each for each in settings_of(workspace)}


def test_the_docs_are_those_of_the_register() -> None:
    assert DOCS.read_text(encoding="utf-8") == settings_markdown()


def test_every_setting_is_in_the_register_with_its_help(tmp_path: Path) -> None:
    register = found(tmp_path)
    assert list(register) == list(Settings.model_fields)
    assert all(each.help and each.kind for each in register.values())
    assert register["rate_burst"].environment == "DEALCAST_RATE_BURST"


def test_it_tells_where_each_value_comes_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / FILE).write_text('currency = "EUR"\ntimezone = "Asia/Bangkok"\n')
    monkeypatch.setenv("DEALCAST_CURRENCY", "THB")
    register = found(tmp_path)
    told = [
        (register[n].value, register[n].origin) for n in ("currency", "timezone", "rate_burst")
    ]
    assert told == [("THB", "environment"), ("Asia/Bangkok", "file"), (100, "default")]


def test_secrets_are_not_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEALCAST_DATABASE_URL", "postgresql://me:geheim@db/deals")
    row = found(tmp_path)["database_url"]
    assert (row.value, row.origin) == (HIDDEN, "environment")
    assert "geheim" not in repr(settings_of(tmp_path))
    assert found(tmp_path)["session_secret"].value == ""


def test_the_docs_do_not_hold_the_values_of_who_writes_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = settings_markdown()
    monkeypatch.setenv("DEALCAST_CURRENCY", "THB")
    assert settings_markdown() == before
