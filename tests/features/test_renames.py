"""Stages renamed midway: one step of the funnel under two names."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from data.tables import Tables
from features.history import History
from features.vocabulary import Vocabulary, learn_vocabulary

Ask = Callable[..., float]
Instant = Callable[[str], int]
START = pd.Timestamp("2024-01-01", tz="UTC")
WEEK = pd.Timedelta(days=7)
END = "2024-12-01"


def crm(
    stages: tuple[tuple[str, str], ...],
    *,
    deals: int = 40,
    since: int = 20,
    pipelines: tuple[str, str] = ("a", "a"),
    listed: dict[str, float] | None = None,
    relabelled: tuple[str, str] | None = None,
) -> Tables:
    """A deal a week, each a week in every stage, then won or lost in turn.

    `stages` gives each stage's name before and from the middle of the week before `since`;
    `pipelines` are those of deals created before and from that week; what stands in the stage
    `relabelled` moves to its new name on that day.
    """
    rows, heads, day = [], [], START + (since - 0.5) * WEEK
    for n in range(deals):
        created, stage = START + n * WEEK, ""
        heads.append((f"D{n}", created, pipelines[n >= since]))
        for place, names in enumerate(stages):
            at = created + place * WEEK
            stage = names[at >= day]
            rows.append((f"D{n}", stage, at))
            if relabelled == names and at < day < at + WEEK:
                rows.append((f"D{n}", names[1], day))
        closed = "closed_won" if n % 2 else "closed_lost"
        rows.append((f"D{n}", closed, created + len(stages) * WEEK))
    history = pd.DataFrame(rows, columns=["deal_id", "value", "changed_at"])
    frames = {
        "deals": pd.DataFrame(heads, columns=["deal_id", "created_at", "pipeline"]).assign(
            stage="closed_won"
        ),
        "deal_history": history.assign(property="stage"),
    }
    if listed:
        frames["stages"] = pd.DataFrame(
            {
                "pipeline": "a",
                "stage": list(listed),
                "position": list(listed.values()),
                "outcome": "open",
            }
        )
    return Tables.of(frames)


def learned(tables: Tables, cut: int) -> Vocabulary:
    return learn_vocabulary(History.of(tables), cut)


LEAD, OFFER, TALK = ("lead", "lead"), ("proposal", "offer"), ("negotiation", "negotiation")


def test_stage_that_takes_over_from_another_shares_its_place(instant: Instant) -> None:
    words = learned(crm((LEAD, OFFER, TALK)), instant(END))
    assert words.renamed == {"offer": "proposal"}
    assert words.stage_position == {"lead": 0, "proposal": 1, "negotiation": 2, "offer": 1}


def test_old_name_that_the_crm_no_longer_lists_stands_where_the_new_one_does(
    instant: Instant,
) -> None:
    listed = {"lead": 1.0, "demo": 2.0, "offer": 3.0, "negotiation": 4.0}
    words = learned(crm((LEAD, OFFER, TALK), listed=listed), instant(END))
    assert words.stage_position["proposal"] == words.stage_position["offer"] == 2


def test_stages_renamed_together_are_each_found(instant: Instant) -> None:
    words = learned(crm((("lead", "new"), OFFER, TALK)), instant(END))
    assert words.renamed == {"new": "lead", "offer": "proposal"}


def test_names_that_follow_one_another_lead_to_the_first(instant: Instant) -> None:
    tables = crm((LEAD, OFFER, TALK), deals=60)
    again = tables.deal_history["value"].where(
        ~((tables.deal_history["value"] == "offer") & (tables.deal_history["changed_at"] > END)),
        "bid",
    )
    tables.deal_history["value"] = again
    assert learned(tables, instant("2025-12-01")).renamed == {
        "offer": "proposal",
        "bid": "proposal",
    }


@pytest.mark.parametrize(
    "tables",
    [
        crm((LEAD, ("proposal", "proposal"), TALK)),
        crm((LEAD, OFFER, TALK), listed={"lead": 1, "proposal": 2, "offer": 3}),
        crm((LEAD, OFFER, TALK), since=36),
        crm((("lead", "inquiry"), TALK), pipelines=("a", "b")),
    ],
    ids=["one name", "two places listed", "hardly entered yet", "another pipeline"],
)
def test_other_stages_keep_to_themselves(tables: Tables, instant: Instant) -> None:
    assert learned(tables, instant(END)).renamed == {}


def test_stage_that_is_still_entered_was_not_renamed(instant: Instant) -> None:
    tables = crm((LEAD, OFFER, TALK))
    late = tables.deal_history["deal_id"].isin(["D30", "D35", "D38"])
    values = tables.deal_history["value"].mask(
        late, tables.deal_history["value"].replace("offer", "proposal")
    )
    tables.deal_history["value"] = values
    assert learned(tables, instant(END)).renamed == {}


def test_rename_after_the_cut_is_not_known(instant: Instant) -> None:
    assert learned(crm((LEAD, OFFER, TALK)), instant("2024-05-01")).renamed == {}


@pytest.mark.parametrize(
    "name",
    [
        "stage_win_rate",
        "stage_usual_stay",
        "stay_against_won",
        "stage_exit_30d_rate",
        "activities_against_won",
        "stage_code",
    ],
)
def test_record_of_a_stage_goes_on_under_its_new_name(ask: Ask, name: str) -> None:
    renamed, plain = crm((LEAD, OFFER, TALK)), crm((LEAD, ("proposal", "proposal"), TALK))
    as_of = str((START + 39.5 * WEEK).tz_localize(None))
    for deal in ("D38", "D39"):
        assert ask(renamed, name, deal, as_of) == ask(plain, name, deal, as_of)


def test_deal_moved_to_the_new_name_has_not_left_the_stage(ask: Ask) -> None:
    as_of = str((START + 39.5 * WEEK).tz_localize(None))
    tables = crm((LEAD, OFFER, TALK), relabelled=OFFER)
    # 38 deals went on: 37 after a week, the one moved counts from its move, half a week before.
    usual = (37 * np.log1p(7) + np.log1p(3.5)) / 38
    assert ask(tables, "stage_usual_stay", "D38", as_of) == pytest.approx(usual)
