from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from experiments.bpic2012 import lines_of, run, split_of, weighted_auc
from experiments.bpic2012_data import LONGEST, OUTCOMES, as_history, prefixes, read_events
from experiments.sections import write_section

START = pd.Timestamp("2011-10-01", tz="UTC")


def course(case, end):
    """Events of one application: sent in, an offer, calls, the answer, and something after it."""
    steps = ["A_SUBMITTED", "A_PARTLYSUBMITTED", "O_SENT", "W_Nabellen offertes"]
    # Those who accept are called more often: something to learn.
    steps += ["W_Nabellen offertes"] * (3 if end == "O_ACCEPTED" else case % 2)
    steps += [end, "A_REGISTERED"]
    at = [START + pd.Timedelta(hours=3 * case) + pd.Timedelta(hours=2 * n) for n in range(99)]
    return [
        {
            "case_id": case,
            "AMOUNT_REQ": 1000 + case,
            "REG_DATE": at[0].isoformat(),
            "resource": 100 + case % 5 if n else None,
            "lifecycle": "COMPLETE",
            "activity": step,
            # The first two come at one instant, as in the log.
            "timestamp": at[max(n, 1)].isoformat(),
        }
        for n, step in enumerate(steps)
    ]


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    ends = [*OUTCOMES, "O_SENT_BACK"]
    rows = [row for case in range(120) for row in course(case, ends[case % 4])]
    path = tmp_path_factory.mktemp("log") / "events.csv.gz"
    pd.DataFrame(rows).to_csv(path, index=False)
    return path


@pytest.fixture(scope="module")
def events(log):
    return read_events(log)


@pytest.fixture(scope="module")
def asked(events):
    return prefixes(events, as_history(events))


def test_events_of_a_case_come_one_after_the_other(events):
    gaps = events.groupby("case_id")["at"].diff().dropna()
    assert (gaps > pd.Timedelta(0)).all()
    assert (gaps == pd.Timedelta("1us")).sum() == events["case_id"].nunique()


def test_only_cases_with_an_outcome_are_asked(asked):
    assert len(np.unique(asked.deal)) == 90
    assert set(asked.label) == set(OUTCOMES)
    assert asked.length.max() <= LONGEST


def test_a_prefix_sees_its_own_events_and_no_later_one(events, asked):
    history = as_history(events)
    seen = history.changes["events"].last("value", asked.deal, asked.time)
    assert seen.tolist() == asked.length.tolist()


def test_cases_that_start_first_teach_and_the_split_is_the_start_of_the_next(asked):
    split, taught = split_of(asked)
    starts = pd.Series(asked.start).groupby(asked.deal).first()
    assert len(taught) == 72
    assert starts[taught].max() < split
    assert split == starts.drop(taught).min()


def test_the_auc_of_each_length_counts_by_its_prefixes():
    labels = np.array([1.0, 0.0, 1.0, 0.0, 1.0, 0.0, 1.0])
    scores = np.array([2.0, 1.0, 2.0, 1.0, 1.0, 2.0, 9.0])
    length = np.array([1, 1, 1, 1, 2, 2, 3])
    # Four prefixes ranked rightly, two wrongly; the last length holds one kind alone.
    assert weighted_auc(labels, scores, length) == pytest.approx(4 / 6)
    assert np.isnan(weighted_auc(labels[:1], scores[:1], length[:1]))


@pytest.mark.slow
def test_what_can_be_learned_is_and_the_honest_split_asks_less(log):
    found = run(log)
    assert found.published[0] > 0.7
    assert found.counts["taught_honest"] < found.counts["taught"]
    assert found.counts["tested_honest"] < found.counts["tested"]
    text = "\n".join(lines_of(found))
    assert "leak" in text
    assert f"| **dealcast** | {found.published[0]:.3f} |" in text


def test_a_section_replaces_itself_and_leaves_the_others_alone(tmp_path):
    page = tmp_path / "benchmarks.md"
    write_section(page, "One", ["first"])
    write_section(page, "Two", ["second"])
    write_section(page, "One", ["first", "again"])
    text = page.read_text(encoding="utf-8")
    assert text == "# Benchmarks\n\n## One\n\nfirst\nagain\n\n## Two\n\nsecond\n"
