"""Files that are written whole or not at all, by one writer or several at once."""

from pathlib import Path

import pytest

from data.whole import whole, write_whole


def test_text_takes_the_place_of_what_was(tmp_path: Path) -> None:
    path = tmp_path / "โฟลเดอร์" / "told.json"
    for text in ("ก่อน", "หลัง 🚀"):
        assert write_whole(text, path) == path
        assert path.read_text(encoding="utf-8") == text
    assert list(path.parent.iterdir()) == [path]


def test_file_is_as_it_was_until_the_block_ends(tmp_path: Path) -> None:
    path = write_whole("before", tmp_path / "told.txt")
    with whole(path) as partial:
        partial.write_text("after", encoding="utf-8")
        assert path.read_text(encoding="utf-8") == "before"
    assert path.read_text(encoding="utf-8") == "after"


def test_failure_leaves_what_was_and_nothing_beside_it(tmp_path: Path) -> None:
    path = write_whole("before", tmp_path / "told.txt")
    with pytest.raises(UnicodeEncodeError):
        write_whole("hal\ud800", path)
    assert path.read_text(encoding="utf-8") == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_two_writers_at_once_leave_the_later_ones_file(tmp_path: Path) -> None:
    path = tmp_path / "told.txt"
    with whole(path) as first:
        first.write_text("first", encoding="utf-8")
        write_whole("second", path)
        assert path.read_text(encoding="utf-8") == "second"
    assert path.read_text(encoding="utf-8") == "first"
    assert list(tmp_path.iterdir()) == [path]
