from dataclasses import replace

import numpy as np
import pytest

from serving.names import UnknownNameError, find_ids
from serving.ranking import described, listed, rank
from serving.view import View
from training.reasons import Reason

NAMES = {"O1": ["O1", "Ångström"], "O2": ["O2", "สมชาย"], "O3": ["O3", "สมชาย"]}


def test_a_name_is_found_in_any_case_and_any_way_of_writing_it() -> None:
    assert find_ids("owner", "  ÅNGSTRÖM ", NAMES) == {"O1"}


def test_two_owners_of_one_name_are_both_meant() -> None:
    assert find_ids("owner", "สมชาย", NAMES) == {"O2", "O3"}


def test_an_identifier_goes_before_a_name_that_another_has() -> None:
    assert find_ids("owner", "O2", {"O1": ["O2"], "O2": ["Bo"]}) == {"O2"}


def test_an_unknown_name_tells_the_close_ones() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'Ångström'") as error:
        find_ids("owner", "Angstrom", NAMES)
    assert error.value.close == ["Ångström"]


def test_open_deals_come_by_priority_and_closed_ones_do_not(small_view: View) -> None:
    found = rank(small_view.bundle, small_view.scored, small_view.history)
    assert sorted(found["deal_id"]) == ["O", "R", "S"]
    assert found["rank"].tolist() == [1, 2, 3]
    assert (np.diff(found["priority"]) <= 0).all()


def test_equal_priorities_come_by_identifier(small_view: View) -> None:
    columns = small_view.scored.columns
    equal = {**columns, "priority": np.ones(len(columns["deal_id"]))}
    scored = replace(small_view.scored, columns=equal)
    rows = listed(scored, small_view.history)
    assert scored.frame["deal_id"].iloc[rows].tolist() == ["O", "R", "S"]


def test_an_owner_is_asked_by_identifier_or_name_and_a_team_by_name(small_view: View) -> None:
    asked = ({"owner": "ann"}, {"owner": "ANN"}, {"team": "North"})
    view = small_view
    found = [rank(view.bundle, view.scored, view.history, **who)["deal_id"] for who in asked]
    assert [each.tolist() for each in found] == [["O"], ["O"], ["O"]]


def test_an_unknown_team_is_an_error_with_the_teams_there_are(small_view: View) -> None:
    with pytest.raises(UnknownNameError) as error:
        rank(small_view.bundle, small_view.scored, small_view.history, team="norht")
    assert "north" in error.value.close


def test_the_pages_of_a_list_are_the_list(small_view: View) -> None:
    view = small_view
    whole = rank(view.bundle, view.scored, view.history)
    parts = [rank(view.bundle, view.scored, view.history, top=1, skip=n) for n in range(4)]
    assert [p["deal_id"].tolist() for p in parts[:3]] == [[d] for d in whole["deal_id"]]
    assert parts[2]["rank"].tolist() == [3]
    assert parts[3].empty


def test_flags_say_what_a_rep_should_mend(small_view: View) -> None:
    found = described(small_view.scored, small_view.history).set_index("deal_id")["flags"]
    assert found["S"] == ["no amount", "stale"]
    assert "silent" not in found["S"]


def test_a_close_date_that_passed_is_overdue(small_view: View) -> None:
    history = small_view.history
    code = small_view.scored.snapshots.deal
    promised = small_view.as_of - np.array([0.5, 1.0, 30.0])[: len(code)] * 86_400e6

    class Promised:
        def last(self, *_: object) -> np.ndarray:
            return promised

    told = replace(history, changes={**history.changes, "expected_close_date": Promised()})
    flags = described(small_view.scored, told)["flags"]
    assert ["overdue" in each for each in flags] == [False, True, True]


def test_reasons_are_asked_for_the_rows_shown_alone(small_view: View) -> None:
    asked = []

    def explain(rows: np.ndarray) -> list[list[Reason]]:
        asked.extend(rows.tolist())
        return [[Reason("stage", 0.4, "late"), Reason("age", -0.2, "old")] for _ in rows]

    view = small_view
    found = rank(view.bundle, view.scored, view.history, top=2, reasons=explain)
    assert len(asked) == 2
    assert found["reasons_for"].tolist() == [["late"], ["late"]]
    assert found["reasons_against"].tolist() == [["old"], ["old"]]


def test_accounts_and_owners_are_called_by_name_and_else_by_identifier(small_view: View) -> None:
    found = described(small_view.scored, small_view.history).set_index("deal_id")
    assert found.loc["O", ["name", "account", "owner"]].tolist() == ["O", "A1", "Ann"]


@pytest.mark.slow
def test_the_reasons_of_a_deal_do_not_depend_on_how_many_are_shown(engine) -> None:
    view = engine.view()
    few = rank(view.bundle, view.scored, view.history, top=2)
    many = rank(view.bundle, view.scored, view.history, top=30)
    assert few["reasons_for"].tolist() == many["reasons_for"].tolist()[:2]
