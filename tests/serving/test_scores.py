from pathlib import Path

import pandas as pd
import pytest

from data.locking import exclusive
from serving import scores as module
from serving.scores import NUMBERS, Scores, ScoresError
from serving.view import View
from training.scoring import score

DAY = pd.Timedelta(days=1)


@pytest.fixture
def scores(tmp_path: Path) -> Scores:
    return Scores(tmp_path)


def test_what_was_kept_comes_back_to_the_last_digit(scores: Scores, small_view: View) -> None:
    assert scores.keep(small_view.scored.frame, "d1", small_view.instant)
    frame = small_view.scored.frame.set_index("deal_id").sort_index()
    kept = scores.of_deals(list(frame.index)).set_index("deal_id").sort_index()
    for name in NUMBERS:
        pd.testing.assert_series_equal(
            kept[name], frame[name], check_dtype=False, check_exact=True
        )
    assert set(kept["as_of"]) == {small_view.instant}


def test_a_scoring_is_kept_once(scores: Scores, small_view: View) -> None:
    frame = small_view.scored.frame
    assert scores.keep(frame, "d1", small_view.instant)
    assert not scores.keep(frame, "d1", small_view.instant + pd.Timedelta(hours=1))
    assert scores.keep(frame, "d2", small_view.instant)
    assert len(scores.of_deals([frame["deal_id"][0]])) == 2


def test_the_scores_before_are_the_last_of_an_earlier_day(
    scores: Scores, small_view: View
) -> None:
    now = small_view.instant
    earlier = score(small_view.bundle, small_view.history, small_view.as_of - 3 * 86_400_000_000)
    scores.keep(earlier.frame, "d1", now - 3 * DAY)
    scores.keep(earlier.frame, "d2", now - 2 * DAY)
    scores.keep(small_view.scored.frame, "d2", now)
    before = scores.before(now)
    assert set(before["data_version"]) == {"d2"}
    assert set(before["as_of"]) == {now - 3 * DAY}
    assert scores.before(now - 4 * DAY).empty


def test_nothing_kept_yet_is_no_failure(scores: Scores) -> None:
    assert scores.of_deals(["D"]).empty
    assert scores.days() == []


def test_another_process_that_keeps_is_waited_for_and_told(
    scores: Scores, small_view: View, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "WAIT_SECONDS", 0.1)
    with exclusive(scores.root.with_suffix(".lock"), 1.0), pytest.raises(ScoresError):
        scores.keep(small_view.scored.frame, "d1", small_view.instant)
    assert scores.days() == []


def test_damaged_scores_say_so(scores: Scores, small_view: View) -> None:
    scores.keep(small_view.scored.frame, "d1", small_view.instant)
    for entry in (scores.root / "_delta_log").glob("*.json"):
        entry.write_text("{")
    with pytest.raises(ScoresError, match="cannot be read"):
        scores.days()
