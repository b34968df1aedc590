from __future__ import annotations

import pandas as pd
import pytest

from commands.changes import GROUPS, picture
from commands.forecasts import chance_text
from features.windows import DAY
from training.standing import Span
from training.waterfall import BARS, Waterfall

SPAN = Span.named("2024-Q2")


def waterfall(begin, moves, unit="revenue"):
    rows = [{"bar": bar, "deal_id": f"D{bar}", "owner": "", "cents": c} for bar, c in moves]
    frame = pd.DataFrame(rows, columns=["bar", "deal_id", "owner", "cents"])
    owners = pd.DataFrame({"begin": [begin], "end": [begin + frame["cents"].sum()]}, index=[""])
    end = begin + int(frame["cents"].sum())
    return Waterfall(SPAN, SPAN.begin, SPAN.begin + 10 * DAY, begin, end, frame, owners, unit)


def test_picture_begins_and_ends_with_the_forecast_and_names_every_bar_that_moved():
    found = picture(waterfall(100_000, [("won", 50_000), ("lost", -20_000)]), 0)
    assert len(found) == 4
    assert found[0].split()[:2] == ["2024-04-01", "1,000"]
    assert found[1].split()[:2] == ["won", "+500"]
    assert found[2].split()[:2] == ["lost", "-200"]
    assert found[3].split()[1] == "1,300"


def test_bars_float_from_the_level_before_to_the_level_after():
    begin, won, lost, end = picture(waterfall(100_000, [("won", 100_000), ("lost", -100_000)]), 0)
    assert won.rindex("█") == lost.rindex("░")
    assert begin.rindex("█") == end.rindex("█") == won.index("█") - 1
    assert "█" not in lost


def test_bar_too_small_to_see_is_a_tick():
    line = picture(waterfall(10_000_000, [("created", 1)]), 0)[1]
    assert "│" in line
    assert "1 deals" in line


def test_negative_and_empty_forecasts_have_a_picture():
    assert len(picture(waterfall(0, [("model changed", -500)]), 0)) == 3
    assert len(picture(waterfall(0, []), 1)) == 2


def test_columns_of_the_owners_hold_every_bar_once():
    assert sorted(bar for bars in GROUPS.values() for bar in bars) == sorted(BARS)


@pytest.mark.parametrize(
    ("chance", "text"),
    [(0.0, "0%"), (0.001, "<1%"), (0.5, "50%"), (0.999, ">99%"), (1.0, "100%")],
)
def test_what_is_neither_sure_nor_impossible_is_not_told_as_such(chance, text):
    assert chance_text(chance) == text
