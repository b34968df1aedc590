from pathlib import Path

import pandas as pd

from data.rejections import Rejections, keep_rejections, read_rejections

NOW = pd.Timestamp("2026-06-01", tz="UTC")
LINES = pd.DataFrame(
    {
        "table": ["deals", "deals", "activities"],
        "row": [3, 9, 5],
        "column": ["amount", "amount", "deal_id"],
        "value": ["-5", "-ดี", "X"],
        "rule": ["negative", "negative", "unknown_deal"],
        "reason": ["is below zero"] * 2 + ["is no deal"],
        "remedy": ["correct it"] * 3,
    }
)


def test_what_was_left_out_is_kept_by_reason(tmp_path: Path) -> None:
    told = Rejections.of(LINES, "crm", NOW, imported=True)
    keep_rejections(tmp_path, told)
    assert read_rejections(tmp_path) == told
    assert [(each.table, each.rule, each.rows) for each in told.found] == [
        ("deals", "negative", 2),
        ("activities", "unknown_deal", 1),
    ]
    assert told.found[0].example == "row 3, amount = '-5'"


def test_nothing_kept_or_nothing_readable_is_none(tmp_path: Path) -> None:
    assert read_rejections(tmp_path) is None
    (tmp_path / "rejected.json").write_text("{", encoding="utf-8")
    assert read_rejections(tmp_path) is None


def test_a_clean_import_takes_the_place_of_the_one_before(tmp_path: Path) -> None:
    keep_rejections(tmp_path, Rejections.of(LINES, "crm", NOW, imported=False))
    keep_rejections(tmp_path, Rejections.of(LINES.iloc[:0], "crm", NOW, imported=True))
    found = read_rejections(tmp_path)
    assert found is not None
    assert found.found == ()
