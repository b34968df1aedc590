import re
from pathlib import Path

import pandas as pd
import pytest

from serving.pages import words
from serving.pages.words import LANGUAGES, catalogue, words_of

HERE = Path(words.__file__).parents[1]
USED = re.compile(r"""\bt\(\s*"([a-z][\w. ]*)"\s*[,)]|words\(\s*"([a-z][\w. ]*)"\s*[,)]""")


def test_every_language_has_every_text_with_the_same_values() -> None:
    for key, texts in catalogue().items():
        assert set(texts) == set(LANGUAGES), key
        assert all(texts.values()), key
        values = [set(re.findall(r"{(\w+)}", text)) for text in texts.values()]
        assert values[0] == values[1], key


def test_every_text_that_a_page_names_is_in_the_catalogue() -> None:
    sources = [*HERE.glob("templates/*.html"), *HERE.glob("pages/*.py"), HERE / "page.py"]
    named = {
        found
        for source in sources
        for pair in USED.findall(source.read_text(encoding="utf-8"))
        for found in pair
        if found and not found.endswith(".")
    }
    assert len(named) > 50
    assert named <= set(catalogue())


def test_a_text_that_is_not_there_is_an_error() -> None:
    with pytest.raises(KeyError):
        words_of("en")("no such text")


def test_days_and_periods_are_written_in_the_language() -> None:
    en, th = words_of("en"), words_of("th")
    at = pd.Timestamp("2026-03-05")
    assert (en.day(at, year=2026), en.day(at, year=2025)) == ("5 Mar", "5 Mar 2026")
    assert th.day(at) == "5 มี.ค. 2026"
    assert (en.period("2026-03"), en.period("2026-Q1")) == ("Mar 2026", "2026-Q1")
    assert (en.days(1.2), en.days(3000), en.days(None)) == ("1 day", "3,000 days", "–")
    assert en.day(None) == en.instant(pd.NaT) == "–"
