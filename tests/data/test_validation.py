from __future__ import annotations

import pandas as pd
import pytest

from data.rules import RULES
from data.sources import raw_tables, read_source
from data.tables import Tables
from data.validation import problems_text, validate


def judge(frames, now, known=None):
    return validate(raw_tables(frames, "test"), now, known)


def with_cell(frames, table, row, column, value):
    """Frames in which one value is another."""
    frame = frames[table].copy()
    frame.loc[row, column] = value
    return {**frames, table: frame}


def with_rows(frames, table, *rows):
    """Frames in which a table has more rows, written as dictionaries."""
    more = pd.concat([frames[table], pd.DataFrame(rows, dtype="str")], ignore_index=True)
    return {**frames, table: more}


def warned(validated, rule):
    found = validated.warnings[validated.warnings["rule"] == rule]
    return int(found["count"].sum())


def many_deals(count, stage="qualified"):
    """Deals without a `stages` table, all in one stage."""
    ids = [f"D{number}" for number in range(count)]
    deals = pd.DataFrame({"deal_id": ids, "stage": stage, "created_at": "2024-01-01"})
    return {"deals": deals.astype("str")}


def test_five_deals_are_accepted_whole(five_frames, five_deals, now):
    validated = judge(five_frames, now)
    assert validated.counts == {}
    assert len(validated.rejected) == 0
    assert problems_text(validated) == ""
    for name, frame in five_deals.items():
        pd.testing.assert_frame_equal(validated.tables[name], frame)


def test_real_histories_are_accepted_whole(real_folder):
    validated = validate(read_source(real_folder), pd.Timestamp("2026-01-01", tz="UTC"))
    assert validated.counts == {}
    raw = read_source(real_folder)
    for name, table in raw.tables.items():
        assert len(validated.tables[name]) == len(table.frame)


@pytest.mark.parametrize(
    ("table", "row", "column", "value", "rule"),
    [
        ("deals", 2, "stage", None, "missing"),
        ("contacts", 0, "contact_id", "  ", "missing"),
        ("activities", 0, "occurred_at", None, "missing"),
        ("deal_history", 0, "value", None, "missing"),
        ("deals", 2, "created_at", "01/02/2024", "not_a_time"),
        ("deals", 2, "created_at", "2024-02-30", "not_a_time"),
        ("deals", 2, "created_at", "today", "not_a_time"),
        ("deals", 2, "expected_close_date", "soon", "not_a_time"),
        ("deals", 2, "amount", "1,200", "not_a_number"),
        ("deals", 2, "amount", "inf", "not_a_number"),
        ("deals", 2, "amount", "nan", "not_a_number"),
        ("accounts", 0, "employees", "many", "not_a_number"),
        ("deal_history", 1, "value", "a lot", "not_a_number"),
        ("deals", 0, "is_won", "perhaps", "not_a_bool"),
        ("deals", 2, "created_at", "2024-08-01", "future"),
        ("deals", 0, "closed_at", "2024-08-01", "future"),
        ("deal_history", 0, "changed_at", "2024-08-01", "future"),
        ("deal_history", 0, "recorded_at", "2024-08-01", "future"),
        ("activities", 0, "occurred_at", "2024-08-01", "future"),
        ("activities", 0, "recorded_at", "2024-08-01", "future"),
        ("deals", 2, "created_at", "1899-12-31", "absurd_time"),
        ("deals", 2, "expected_close_date", "2999-01-01", "absurd_time"),
        ("deals", 2, "amount", "-1", "negative_amount"),
        ("deal_history", 1, "value", "-1", "negative_amount"),
        ("deals", 2, "amount", "1e16", "absurd_amount"),
        ("targets", 0, "amount", "-3", "negative_amount"),
        ("deals", 0, "closed_at", "2024-01-07", "closed_before_created"),
        ("activities", 0, "type", "fax", "unknown_type"),
        ("activities", 0, "direction", "sideways", "unknown_direction"),
        ("stages", 0, "outcome", "maybe", "unknown_outcome"),
        ("deals", 4, "stage", "qualfied", "lone_stage"),
        ("deal_history", 0, "value", "qualfied", "lone_stage"),
        ("deal_history", 0, "deal_id", "X", "unknown_deal"),
        ("activities", 0, "deal_id", "X", "unknown_deal"),
        ("activities", 1, "activity_id", "1", "repeated_key"),
        ("owners", 1, "owner_id", "ann", "repeated_key"),
        ("accounts", 1, "account_id", "A1", "repeated_key"),
        ("stages", 1, "stage", "qualified", "repeated_key"),
    ],
)
def test_bad_value_is_rejected_with_its_place_and_remedy(
    five_frames, now, table, row, column, value, rule
):
    validated = judge(with_cell(five_frames, table, row, column, value), now)
    found = validated.rejected[validated.rejected["rule"] == rule]
    assert validated.counts[table, rule] == 1
    assert found[["table", "row"]].to_numpy().tolist() == [[table, row + 1]]
    assert found["value"].tolist() == [value or ""]
    assert found["remedy"].tolist() == [RULES[rule].remedy]
    others = {key for key in validated.counts if key != (table, rule)}
    assert all(key[1] == "deal_rejected" for key in others)
    assert len(validated.tables[table]) == len(five_frames[table]) - 1


@pytest.mark.parametrize(
    ("table", "row", "column", "value"),
    [
        ("deals", 2, "created_at", "2024-01-31T23:59:59.999999+07:00"),
        ("deals", 2, "created_at", "2024-02-01 09:30"),
        ("deals", 2, "created_at", "20240201"),
        ("deals", 2, "amount", "0"),
        ("deals", 2, "amount", " 12 "),
        ("deals", 2, "expected_close_date", "2031-01-01"),
        ("deals", 0, "is_won", "YES"),
        ("deals", 0, "closed_at", "2024-01-08"),
        ("deals", 0, "created_at", "2024-03-15T17:00:00Z"),
        ("activities", 0, "type", "Email"),
        ("activities", 0, "direction", "OUT"),
        ("deals", 2, "stage", "closed_lost"),
        ("owners", 0, "hired_at", "2031-01-01"),
    ],
)
def test_unusual_value_is_accepted(five_frames, now, table, row, column, value):
    frames = with_cell(five_frames, table, row, column, value)
    if value == "closed_lost":
        frames = with_cell(frames, "deals", row, "closed_at", "2024-06-01")
    assert judge(frames, now).counts == {}


def test_mixed_forms_of_time_in_one_column_are_the_right_instants(five_frames, now):
    frames = five_frames
    forms = ["2024-01-08", "2024-01-15T07:00:00+07:00", "2024-02-01 00:00:00.000000001Z"]
    for row, text in enumerate(forms):
        frames = with_cell(frames, "deals", row, "created_at", text)
    created = judge(frames, now).tables.deals["created_at"]
    assert created.tolist()[:3] == [
        pd.Timestamp(day, tz="UTC") for day in ("2024-01-08", "2024-01-15", "2024-02-01")
    ]


def test_activity_booked_ahead_is_accepted(five_frames, now):
    frames = with_cell(five_frames, "activities", 2, "occurred_at", "2024-07-20")
    frames = with_cell(frames, "activities", 2, "recorded_at", "2024-06-20")
    assert judge(frames, now).counts == {}


def test_words_are_written_as_the_contract_does(five_frames, now):
    frames = with_cell(five_frames, "activities", 0, "direction", " In ")
    frames = with_cell(frames, "activities", 0, "type", "EMAIL")
    frames = with_cell(frames, "stages", 0, "outcome", "Open")
    tables = judge(frames, now).tables
    assert tables.activities["direction"][0] == "inbound"
    assert tables.activities["type"][0] == "email"
    assert tables.stages["outcome"][0] == "open"


def test_exact_copy_of_a_deal_is_rejected_and_the_first_is_kept(five_frames, now):
    copy = five_frames["deals"].iloc[[2]]
    deals = pd.concat([five_frames["deals"], copy], ignore_index=True)
    validated = judge({**five_frames, "deals": deals}, now)
    assert validated.counts == {("deals", "repeated_key"): 1}
    assert validated.rejected["row"].tolist() == [6]
    assert len(validated.tables.deals) == 5


def test_rows_of_a_rejected_deal_are_left_out_and_counted_in_one_line(five_frames, now):
    frames = with_cell(five_frames, "deals", 0, "amount", "-1")
    frames = with_cell(frames, "activities", 0, "type", "fax")
    validated = judge(frames, now)
    assert validated.counts == {
        ("deals", "negative_amount"): 1,
        ("deal_history", "deal_rejected"): 5,
        ("activities", "deal_rejected"): 3,
    }
    assert len(validated.rejected) == 3
    assert "5 rows left out" in problems_text(validated)
    assert "W" not in set(validated.tables.deal_history["deal_id"])


def test_row_that_breaks_two_rules_is_told_twice(five_frames, now):
    frames = with_cell(five_frames, "activities", 0, "type", "fax")
    frames = with_cell(frames, "activities", 0, "occurred_at", "yesterday")
    validated = judge(frames, now)
    assert set(validated.rejected["rule"]) == {"unknown_type", "not_a_time"}
    assert len(validated.tables.activities) == 7


def test_closed_deal_without_a_time_anywhere_is_rejected(five_frames, now):
    deal = {"deal_id": "X", "stage": "closed_won", "created_at": "2024-01-01"}
    validated = judge(with_rows(five_frames, "deals", deal), now)
    assert validated.counts == {("deals", "closed_but_when"): 1}


def test_closed_deal_whose_history_tells_when_is_accepted(five_frames, now):
    assert judge(with_cell(five_frames, "deals", 0, "closed_at", None), now).counts == {}


def test_closed_deal_in_a_listed_stage_of_its_own_needs_a_time_too(five_frames, now):
    signed = {"pipeline": "default", "stage": "signed", "position": "5", "outcome": "won"}
    deal = {"deal_id": "X", "stage": "signed", "created_at": "2024-01-01"}
    frames = with_rows(with_rows(five_frames, "stages", signed), "deals", deal)
    assert judge(frames, now).counts == {("deals", "closed_but_when"): 1}


def test_stage_not_listed_but_used_by_several_deals_is_only_a_warning(five_frames, now):
    frames = with_cell(five_frames, "deals", 3, "stage", "qualification")
    frames = with_cell(frames, "deals", 4, "stage", "qualification")
    validated = judge(frames, now)
    assert validated.counts == {}
    assert warned(validated, "unlisted_stage") == 2


def test_stage_seen_once_among_twenty_deals_is_a_slip(now):
    frames = with_cell(many_deals(20), "deals", 3, "stage", "qualfied")
    assert judge(frames, now).counts == {("deals", "lone_stage"): 1}


def test_stage_seen_once_among_few_deals_is_accepted(now):
    assert judge(with_cell(many_deals(19), "deals", 3, "stage", "new"), now).counts == {}


def test_stage_seen_once_here_but_known_to_the_store_is_accepted(now):
    known = Tables.of(many_deals(30, stage="legal"))
    frames = with_cell(many_deals(20), "deals", 3, "stage", "legal")
    assert judge(frames, now, known).counts == {}


def test_deal_known_to_the_store_may_be_referred_to(five_frames, now):
    known = Tables.of({"deals": five_frames["deals"].head(0)})
    change = {**five_frames["deal_history"].iloc[0], "deal_id": "K", "changed_at": "2024-06-01"}
    frames = with_rows(five_frames, "deal_history", change)
    assert judge(frames, now, known).counts == {("deal_history", "unknown_deal"): 1}
    known = Tables.of(
        {"deals": pd.DataFrame({"deal_id": ["K"], "created_at": [now], "stage": ["qualified"]})}
    )
    assert judge(frames, now, known).counts == {}


def test_repeated_change_is_collapsed_with_a_warning(five_frames, now):
    again = five_frames["deal_history"].iloc[[0, 1]]
    history = pd.concat([five_frames["deal_history"], again], ignore_index=True)
    validated = judge({**five_frames, "deal_history": history}, now)
    assert validated.counts == {}
    assert warned(validated, "repeated_key") == 2
    assert len(validated.tables.deal_history) == 16


def test_repeated_contact_is_a_warning_and_the_last_row_is_kept(five_frames, now):
    frames = with_rows(five_frames, "contacts", {"contact_id": "C1", "title": "Chair"})
    validated = judge(frames, now)
    assert validated.counts == {}
    assert warned(validated, "repeated_key") == 1
    contacts = validated.tables.contacts.set_index("contact_id")
    assert contacts.loc["C1", "title"] == "Chair"


@pytest.mark.parametrize(
    ("table", "row", "column", "value", "rule"),
    [
        ("deals", 0, "account_id", "A9", "unknown_account_id"),
        ("deals", 0, "owner_id", "eve", "unknown_owner_id"),
        ("activities", 0, "contact_id", "C9", "unknown_contact_id"),
        ("deal_history", 5, "changed_at", "2024-01-14", "before_created"),
        ("activities", 0, "occurred_at", "2024-01-01", "before_created"),
        ("deal_history", 1, "recorded_at", "2024-01-07", "recorded_before_changed"),
        ("deals", 0, "closed_at", "2024-03-16", "closed_at_differs"),
        ("deals", 2, "stage", "qualified", "stage_differs"),
    ],
)
def test_oddity_is_accepted_with_a_warning(five_frames, now, table, row, column, value, rule):
    assert warned(judge(five_frames, now), rule) == 0
    validated = judge(with_cell(five_frames, table, row, column, value), now)
    assert validated.counts == {}
    assert warned(validated, rule) == 1


def test_missing_amounts_are_counted(five_frames, now):
    assert warned(judge(five_frames, now), "missing_amount") == 1


def test_references_into_an_absent_table_are_no_warning(five_frames, now):
    frames = {name: five_frames[name] for name in ("deals", "activities")}
    frames = with_cell(frames, "deals", 0, "closed_at", "2024-03-15")
    assert warned(judge(frames, now), "unknown_owner_id") == 0


def test_misspelt_optional_column_is_a_warning(five_frames, now):
    deals = five_frames["deals"].rename(columns={"amount": "ammount"})
    validated = judge({**five_frames, "deals": deals}, now)
    assert "did you mean `amount`?" in " ".join(validated.warnings["message"])


def test_unread_file_is_a_warning(five_folder, now):
    (five_folder / "activites.csv").write_text("x\n", encoding="utf-8")
    assert warned(validate(read_source(five_folder), now), "unread_file") == 1


def test_row_is_the_line_of_the_file(five_folder, now):
    path = five_folder / "activities.csv"
    path.write_text(path.read_text(encoding="utf-8").replace("meeting", "fax"), encoding="utf-8")
    validated = validate(read_source(five_folder), now)
    assert validated.rejected["row"].tolist() == [4]
    text = problems_text(validated)
    assert "activities.csv, column type" in text
    assert "row 4: 'fax'" in text
    assert "email, call, meeting, note, task" in text


def test_problems_are_shown_up_to_the_limit_and_the_others_counted(now):
    frames = many_deals(50)
    frames["deals"]["created_at"] = "tomorrow"
    text = problems_text(judge(frames, now), limit=3)
    assert text.count("row ") == 3
    assert "50 in all" in text
    assert "and 47 more" in text


def test_custom_columns_are_numbers_only_where_every_value_is_one(five_frames, now):
    deals = five_frames["deals"].assign(
        score=["1", "2.5", "-3e2", "0", None],
        code=["007", "1", "2", "3", "4"],
        long=["12345678901234567", "1", "2", "3", "4"],
        tier=["1", "2", "gold", "4", "5"],
        none=pd.Series([None] * 5, dtype="str"),
    )
    typed = judge({**five_frames, "deals": deals}, now).tables.deals
    assert str(typed["score"].dtype) == "float64"
    assert [str(typed[name].dtype) for name in ("code", "long", "tier", "none")] == ["str"] * 4
    assert typed["code"][0] == "007"


def test_accepted_and_rejected_rows_are_all_the_rows(five_frames, now):
    frames = with_cell(five_frames, "deals", 1, "created_at", "never")
    frames = with_cell(frames, "activities", 7, "type", "fax")
    validated = judge(frames, now)
    for table in ("deals", "deal_history", "activities"):
        dropped = sum(count for (name, _), count in validated.counts.items() if name == table)
        assert len(validated.tables[table]) + dropped == len(five_frames[table])
