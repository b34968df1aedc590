from serving.pages.steps import next_step

QUIET = {"days_since_last_inbound": 40.0, "days_since_last_activity": 30.0}


def test_a_buyer_who_spoke_last_is_answered_first() -> None:
    facts = {"days_since_last_inbound": 3.2, "days_since_last_activity": 3.2}
    step = next_step(facts, ["overdue", "no amount"])
    assert (step.key, step.number, step.urgent) == ("answer", 3, True)


def test_a_meeting_booked_ahead_is_prepared() -> None:
    assert next_step({**QUIET, "meetings_ahead_count": 1.0}, ["silent"]).key == "meeting"


def test_a_silent_deal_asks_for_a_touch_and_a_stale_one_for_a_decision() -> None:
    assert next_step(QUIET, ["silent"]).key == "reach"
    assert next_step(QUIET, ["stale"]).key == "decide"
    assert next_step({}, ["stale"]).key == "decide_unknown"
    assert next_step({}, ["silent"]).key == "first"


def test_an_overdue_date_is_set_anew() -> None:
    step = next_step({"days_to_close_date": -4.0}, ["overdue"])
    assert (step.key, step.number) == ("redate", 4)


def test_upkeep_comes_last() -> None:
    assert next_step({"unanswered_count": 4.0}, ["no amount"]).key == "channel"
    assert next_step({"contacts_90d_count": 1.0}, ["no amount"]).key == "amount"
    assert next_step({"contacts_90d_count": 1.0}, []).key == "widen"
    assert next_step({}, []).key == "keep"
