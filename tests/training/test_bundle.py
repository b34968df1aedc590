from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from training.bundle import FILES, FORMAT, BundleError, load_bundle, save_bundle
from training.scoring import score

TIERS = ("table", "logistic", "blend", "full")


@pytest.fixture
def saved(bundles, tmp_path):
    return save_bundle(bundles["blend"], tmp_path / "bundle")


def edited(folder, name, change):
    path = folder / name
    content = json.loads(path.read_text(encoding="utf-8"))
    change(content)
    path.write_text(json.dumps(content), encoding="utf-8")


@pytest.mark.parametrize("tier", TIERS)
def test_bundle_read_back_gives_the_same_scores_to_the_last_bit(
    bundles, history, cut, tmp_path, tier
):
    again = load_bundle(save_bundle(bundles[tier], tmp_path / "bundle"))
    before, after = (score(each, history, cut).frame for each in (bundles[tier], again))
    assert before.to_csv() == after.to_csv()
    assert again.features == bundles[tier].features
    assert (again.cut, again.version, again.tier) == (cut, "1", tier)
    assert dict(again.card) == json.loads(json.dumps(bundles[tier].card))


def test_bundle_written_again_is_the_same_to_the_last_byte(saved, tmp_path):
    again = save_bundle(load_bundle(saved), tmp_path / "again")
    for name in FILES:
        assert (saved / name).read_bytes() == (again / name).read_bytes()


def test_bundle_is_plain_text_without_a_pickle(saved):
    assert sorted(path.name for path in saved.iterdir()) == sorted(FILES)
    for path in saved.iterdir():
        assert json.loads(path.read_text(encoding="utf-8"))
        assert not path.read_bytes().startswith(b"\x80")


@pytest.mark.parametrize("name", FILES)
def test_lost_file_is_told_with_the_remedy(saved, name):
    (saved / name).unlink()
    with pytest.raises(BundleError, match=rf"{name} cannot be read.*dealcast train"):
        load_bundle(saved)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("keep", [0, 0.5, 0.999])
def test_file_that_was_cut_short_is_told_with_the_remedy(saved, name, keep):
    content = (saved / name).read_bytes()
    (saved / name).write_bytes(content[: int(len(content) * keep)])
    with pytest.raises(BundleError, match=rf"{name} cannot be read.*dealcast train"):
        load_bundle(saved)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"[]", b"{}", b"null", b'"text"'])
def test_file_that_holds_something_else_is_told_with_the_remedy(saved, name, content):
    (saved / name).write_bytes(content)
    with pytest.raises(BundleError, match="dealcast train"):
        load_bundle(saved)


def test_other_format_is_told_with_both_numbers_and_the_remedy(saved):
    edited(saved, "bundle.json", lambda head: head.update(format=FORMAT + 1))
    with pytest.raises(BundleError, match=rf"format {FORMAT + 1}.*reads {FORMAT}.*dealcast train"):
        load_bundle(saved)


def test_features_that_have_changed_their_meaning_are_told_with_the_remedy(saved):
    edited(saved, "bundle.json", lambda head: head.update(fingerprint="0" * 12))
    with pytest.raises(BundleError, match=r"trained on features 000000000000.*dealcast train"):
        load_bundle(saved)


def test_fingerprint_depends_on_the_features_and_their_order(bundles):
    bundle = bundles["full"]
    other = replace(bundle, features=bundle.features[::-1])
    assert bundle.fingerprint == replace(bundle, version="9").fingerprint
    assert other.fingerprint != bundle.fingerprint


def test_save_that_is_interrupted_leaves_nothing_and_the_next_one_works(
    bundles, tmp_path, monkeypatch
):
    write, written = Path.write_text, []

    def stop_at_the_second(path, *arguments, **named):
        written.append(path)
        if len(written) == 2:
            raise KeyboardInterrupt
        return write(path, *arguments, **named)

    monkeypatch.setattr(Path, "write_text", stop_at_the_second)
    with pytest.raises(KeyboardInterrupt):
        save_bundle(bundles["table"], tmp_path / "bundle")
    assert not (tmp_path / "bundle").exists()
    save_bundle(bundles["table"], tmp_path / "bundle")
    assert load_bundle(tmp_path / "bundle").tier == "table"
    assert [path.name for path in tmp_path.iterdir()] == ["bundle"]


def test_value_that_is_no_plain_type_is_refused(bundles, tmp_path):
    card = {"count": np.int64(3), "shares": np.array([0.5])}
    folder = save_bundle(replace(bundles["table"], card=card), tmp_path / "one")
    assert load_bundle(folder).card == {"count": 3, "shares": [0.5]}
    with pytest.raises(TypeError, match="plain types, got object"):
        save_bundle(replace(bundles["table"], card={"odd": object()}), tmp_path / "two")


def test_words_in_any_script_come_back(bundles, tmp_path):
    card = {"reason": "ลูกค้า عميل Größe 🙂"}
    folder = save_bundle(replace(bundles["table"], card=card), tmp_path / "bundle")
    assert load_bundle(folder).card == card
