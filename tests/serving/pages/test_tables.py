import csv
import io

import pandas as pd

from serving.pages.asked import Asked, paged
from serving.pages.charts import chart, sparkline
from serving.pages.tables import Column, Table, to_csv

NOW = pd.Timestamp("2026-06-01", tz="UTC")


def test_a_file_holds_numbers_in_full_and_times_as_iso() -> None:
    row = {"p": 0.1 + 0.2, "at": NOW, "none": None, "flags": ["a", "b"], "low": 1.5, "high": None}
    columns = [Column("p", "chance", low="low", high="high"), Column("at"), Column("none")]
    text = to_csv(Table("t", [*columns, Column("flags")], [row]))
    heads, values = csv.reader(io.StringIO(text.removeprefix("\ufeff")))
    assert heads == ["p", "low", "high", "at", "none", "flags"]
    assert float(values[0]) == 0.1 + 0.2
    assert values[1:] == ["1.5", "", "2026-06-01T00:00:00Z", "", "a; b"]


def test_a_name_is_no_formula_for_a_spreadsheet() -> None:
    text = to_csv(Table("t", [Column("name")], [{"name": '=HYPERLINK("x")'}, {"name": "ดี=ดี"}]))
    assert "'=HYPERLINK" in text
    assert "\r\nดี=ดี" in text


def test_links_keep_the_filters_and_turn_back_to_the_first_page() -> None:
    asked = Asked("/", {"owner": "Ada & Co", "page": "3"}, NOW)
    assert asked.link(stage="won?") == "/?owner=Ada+%26+Co&stage=won%3F"
    assert asked.link(page=4) == "/?owner=Ada+%26+Co&page=4"
    assert asked.link(owner=None) == "/"
    assert asked.file("deals") == "/today.csv?owner=Ada+%26+Co&table=deals"


def test_an_address_that_makes_no_sense_gives_the_usual_answer() -> None:
    asked = Asked("/", {"page": "-1", "size": "9" * 30, "sort": "x", "n": "٣"}, NOW)
    assert asked.number("page", 1, 1, 10) == 1
    assert asked.number("size", 25, 1, 200) == 25
    assert asked.number("n", 1, 1, 10) == 3
    assert asked.choice("sort", ("a", "b"), "a") == "a"


def test_paging_covers_every_row_once() -> None:
    seen = []
    for page in range(1, 9):
        where = paged(61, Asked("/", {"page": str(page), "size": "10"}, NOW))
        seen += range(where["first"], where["last"] + 1) if where["page"] == page else []
    assert seen == list(range(1, 62))
    assert paged(0, Asked("/", {}, NOW)) == {
        "page": 1, "pages": 1, "first": 1, "last": 0, "count": 0,
    }  # fmt: skip


def test_what_is_no_number_is_null_in_a_chart() -> None:
    assert '"x": [1.0, null]' in chart([1.0, float("nan")], [])


def test_a_line_of_equal_values_is_flat_and_one_value_is_none() -> None:
    assert sparkline([2.0, 2.0]) == "2.0,16.0 62.0,16.0"
    assert sparkline([1.0]) == sparkline([]) == ""
