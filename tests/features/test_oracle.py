"""An independent oracle: features across the families in plain SQL (DuckDB), equal to 1e-9."""

# ruff: noqa: E501, S608 - queries are constants, and read best as the lines of a table

from __future__ import annotations

from collections.abc import Callable, Iterator

import duckdb
import numpy as np
import pandas as pd
import pytest

from data.tables import Tables
from features.at import At
from features.catalogue import CATALOGUE
from features.history import History
from features.pipeline import available_features
from features.snapshots import panel
from features.vocabulary import learn_vocabulary

DAY = "86400e6"
VIEWS = f"""
CREATE VIEW facts AS
SELECT deal_id, property, value, epoch_us(changed_at) AS happened,
       epoch_us(greatest(coalesce(recorded_at, changed_at), changed_at)) AS known
FROM deal_history;

CREATE VIEW acts AS
SELECT activity_id, deal_id, type, direction, contact_id, epoch_us(occurred_at) AS happened,
       epoch_us(coalesce(recorded_at, occurred_at)) AS recorded,
       epoch_us(greatest(coalesce(recorded_at, occurred_at), occurred_at)) AS known
FROM activities;

CREATE VIEW places AS
SELECT stage, max(position) AS position, any_value(outcome) AS outcome FROM stages GROUP BY stage;

-- Late entries about a time before a change that was already known no longer hold; closings always do.
CREATE VIEW dated AS
SELECT facts.*, coalesce(outcome, 'open') AS outcome, coalesce(position, 0) AS place,
       CASE WHEN property = 'stage' AND coalesce(outcome, 'open') <> 'open' THEN known
            ELSE happened END AS since
FROM facts LEFT JOIN places ON property = 'stage' AND stage = value;

CREATE TABLE changes AS
SELECT * FROM (
  SELECT *, row_number() OVER w AS turn,
         max(since) OVER (w ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS latest
  FROM dated
  WINDOW w AS (PARTITION BY deal_id, property
               ORDER BY known, happened, CASE outcome WHEN 'open' THEN 0 WHEN 'won' THEN 1 ELSE 2 END, place)
) WHERE since >= coalesce(latest, since) OR since = known AND outcome <> 'open';

CREATE VIEW births AS
SELECT d.deal_id, epoch_us(d.created_at) AS created, d.source, d.account_id,
       greatest(epoch_us(d.created_at), coalesce(min(f.known), 0)) AS known_from
FROM deals d LEFT JOIN facts f
  ON f.deal_id = d.deal_id AND f.happened < epoch_us(d.created_at) + {DAY}
GROUP BY d.deal_id, d.created_at, d.source, d.account_id;

-- What was known when a deal closed; of one entered when all was over, what held before it closed.
CREATE VIEW closings AS
SELECT c.deal_id, c.known, c.happened, (c.outcome = 'won')::INT AS won, b.source, b.account_id, b.created,
  coalesce(arg_max(o.value, o.turn) FILTER (o.property = 'owner_id' AND o.known < c.known),
           arg_max(o.value, o.turn) FILTER (o.property = 'owner_id' AND o.happened < c.happened)) AS owner,
  coalesce(arg_max(o.value, o.turn) FILTER (o.property = 'amount' AND o.known < c.known),
           arg_max(o.value, o.turn) FILTER (o.property = 'amount' AND o.happened < c.happened))::DOUBLE AS amount
FROM changes c JOIN births b USING (deal_id) LEFT JOIN changes o ON o.deal_id = c.deal_id AND o.known <= c.known
WHERE c.property = 'stage' AND c.outcome <> 'open'
GROUP BY c.deal_id, c.turn, c.known, c.happened, c.outcome, b.source, b.account_id, b.created;

CREATE VIEW state AS
SELECT q.row, q.deal_id, q.t, b.created, b.source, b.account_id,
  (SELECT arg_max(value, turn) FROM changes c WHERE c.property = 'stage' AND c.deal_id = q.deal_id AND known < q.t) AS stage,
  (SELECT arg_max(happened, turn) FROM changes c WHERE c.property = 'stage' AND c.deal_id = q.deal_id AND known < q.t) AS entered,
  (SELECT arg_max(value, turn) FROM changes c WHERE c.property = 'owner_id' AND c.deal_id = q.deal_id AND known < q.t) AS owner,
  (SELECT arg_max(value, turn) FROM changes c WHERE c.property = 'amount' AND c.deal_id = q.deal_id AND known < q.t)::DOUBLE AS amount
FROM asked q JOIN births b USING (deal_id);

CREATE VIEW instants AS SELECT DISTINCT t FROM asked;
CREATE TABLE firm AS
SELECT t, (coalesce(sum(won), 0) + 1.0) / (count(won) + 2.0) AS base,
       median(CASE WHEN won = 1 THEN ln(1 + greatest(happened - created, 0) / {DAY}) END) AS median_log,
       avg(CASE WHEN won = 1 AND amount > 0 THEN ln(amount) END) AS log_amount,
       avg(CASE WHEN won = 1 THEN ln(1 + greatest(happened - created, 0) / {DAY}) END) AS log_days
FROM instants LEFT JOIN closings ON known < t GROUP BY t;

CREATE TABLE open_then AS
SELECT i.t, b.deal_id, b.account_id,
  (SELECT arg_max(value, turn) FROM changes c WHERE c.property = 'owner_id' AND c.deal_id = b.deal_id AND known < i.t) AS owner
FROM instants i JOIN births b ON b.known_from < i.t
WHERE coalesce((SELECT arg_max(outcome, turn) FROM changes c
                WHERE c.property = 'stage' AND c.deal_id = b.deal_id AND known < i.t), 'open') = 'open';
"""


def counted(condition: str) -> str:
    return f"SELECT row, count(a.deal_id) FROM asked q LEFT JOIN acts a ON a.deal_id = q.deal_id AND a.known < q.t AND {condition} GROUP BY row"


def changed(what: str, properties: str) -> str:
    return f"SELECT row, {what} FROM asked q LEFT JOIN (SELECT *, lag(value) OVER (PARTITION BY deal_id, property ORDER BY turn) AS old FROM changes WHERE property = '{properties}' AND value IS NOT NULL) c ON c.deal_id = q.deal_id AND c.known < q.t GROUP BY row, q.t"


def record(group: str, what: str) -> str:
    return f"SELECT row, {what} FROM state s JOIN firm f USING (t) LEFT JOIN closings c ON c.known < s.t AND c.{group} = s.{group} GROUP BY row, base, s.t, s.created, f.log_days, f.median_log, f.log_amount"


def shrunk(statistic: str, counted: str, firm: str) -> str:
    return f"(coalesce({statistic}(x), 0) * count(x) + 20 * {firm}) / (count(x) + 20)".replace(
        "x", f"CASE WHEN {counted} END"
    )


LIFE = f"won = 1 THEN ln(1 + greatest(c.happened - c.created, 0) / {DAY})"
PRICE = "won = 1 AND c.amount > 0 THEN ln(c.amount)"
RATE = "(coalesce(sum(won), 0) + 20 * base) / (count(won) + 20)"
ORACLE = {
    "activities_30d_count": counted(f"a.happened >= q.t - 30 * {DAY}"),
    "emails_7d_count": counted(f"a.happened >= q.t - 7 * {DAY} AND type = 'email'"),
    "inbound_90d_count": counted(f"a.happened >= q.t - 90 * {DAY} AND direction = 'inbound'"),
    "outbound_calls_90d_count": counted(
        f"a.happened >= q.t - 90 * {DAY} AND direction = 'outbound' AND type = 'call'"
    ),
    "meetings_count": counted("type = 'meeting'"),
    "days_since_last_inbound": f"SELECT row, (q.t - max(a.happened)) / {DAY} FROM asked q LEFT JOIN acts a ON a.deal_id = q.deal_id AND a.known < q.t AND direction = 'inbound' GROUP BY row, q.t",
    "inbound_share": "SELECT row, avg((direction = 'inbound')::INT) FROM asked q LEFT JOIN acts a ON a.deal_id = q.deal_id AND a.known < q.t AND direction IS NOT NULL GROUP BY row",
    "contacts_90d_count": f"SELECT row, count(DISTINCT contact_id) FROM asked q LEFT JOIN acts a ON a.deal_id = q.deal_id AND a.known < q.t AND a.happened >= q.t - 90 * {DAY} GROUP BY row",
    "contacts_count": "SELECT row, count(DISTINCT contact_id) FROM asked q LEFT JOIN acts a ON a.deal_id = q.deal_id AND a.known < q.t GROUP BY row",
    "meetings_ahead_count": "SELECT row, count(a.deal_id) FROM asked q LEFT JOIN acts a ON a.deal_id = q.deal_id AND type = 'meeting' AND a.recorded < q.t AND a.happened >= q.t GROUP BY row",
    "owner_attention_share": f"""
        SELECT s.row, count(*) FILTER (a.deal_id = s.deal_id) / greatest(count(a.deal_id) FILTER (a.owner = s.owner), 1.0)
        FROM state s LEFT JOIN (
          SELECT a.*, (SELECT arg_max(c.value, c.turn) FROM changes c WHERE c.property = 'owner_id'
                       AND c.deal_id = a.deal_id AND c.known <= a.known) AS owner FROM acts a
        ) a ON a.known < s.t AND a.happened >= s.t - 30 * {DAY} GROUP BY s.row""",
    "log_amount": "SELECT row, CASE WHEN amount > 0 THEN ln(amount) END FROM state",
    "amount_raises_count": changed("count(*) FILTER (value::DOUBLE > old::DOUBLE)", "amount"),
    "pushes_count": changed("count(*) FILTER (value::DATE > old::DATE)", "expected_close_date"),
    "days_to_close_date": changed(
        f"(epoch_us(arg_max(value, turn)::TIMESTAMP) - q.t) / {DAY}", "expected_close_date"
    ),
    "reopened_count": "SELECT row, count(c.deal_id) FROM asked q LEFT JOIN closings c ON c.deal_id = q.deal_id AND c.known < q.t GROUP BY row",
    "days_in_stage": f"SELECT row, (t - coalesce(entered, created)) / {DAY} FROM state",
    "age_days": f"SELECT row, (t - created) / {DAY} FROM state",
    "age_against_cycle": f"SELECT row, ln(1 + (s.t - s.created) / {DAY}) - log_days FROM state s JOIN firm USING (t)",
    "source_win_rate": record("source", RATE),
    "source_won_log_days": record("source", shrunk("avg", LIFE, "f.log_days")),
    "source_won_median_days": record(
        "source", f"exp({shrunk('median', LIFE, 'f.median_log')}) - 1"
    ),
    "source_won_amount_lift": record(
        "source", f"{shrunk('avg', PRICE, 'f.log_amount')} - f.log_amount"
    ),
    "source_won_days_trend": record(
        "source",
        f"(coalesce(sum(CASE WHEN c.happened >= s.t - 365 * {DAY} AND {LIFE} END), 0) + 20 * avg(CASE WHEN {LIFE} END))"
        f" / (count(CASE WHEN c.happened >= s.t - 365 * {DAY} AND {LIFE} END) + 20) - avg(CASE WHEN {LIFE} END)",
    ),
    "source_closed_log_count": record("source", "ln(1 + count(won))"),
    "owner_win_rate_lift": record("owner", f"{RATE} - base"),
    "account_won_count": record("account_id", "coalesce(sum(won), 0)"),
    "account_lost_count": record("account_id", "coalesce(sum(1 - won), 0)"),
    "year_win_rate_trend": f"""
        SELECT row, (coalesce(y.won, 0) + 20 * e.rate) / (coalesce(y.n, 0) + 20) - e.rate FROM asked
        JOIN (SELECT t, (coalesce(sum(won), 0) + 20 * base) / (count(won) + 20) AS rate
              FROM firm LEFT JOIN closings ON known < t GROUP BY t, base) e USING (t)
        LEFT JOIN (SELECT t, sum(won) AS won, count(*) AS n FROM instants
                   JOIN closings ON known < t AND happened >= t - 365 * {DAY} GROUP BY t) y USING (t)""",
    "stage_win_rate": """
        SELECT s.row, (coalesce(sum(v.won), 0) + 20 * base) / (count(v.won) + 20)
        FROM state s JOIN firm USING (t) LEFT JOIN (
          SELECT DISTINCT v.value AS stage, c.deal_id, c.known, c.won FROM changes v JOIN closings c USING (deal_id)
          WHERE v.property = 'stage' AND v.outcome = 'open' AND c.known >= v.known
            AND NOT EXISTS (SELECT 1 FROM closings e WHERE e.deal_id = c.deal_id AND e.known >= v.known AND e.known < c.known)
        ) v ON v.stage = s.stage AND v.known < s.t GROUP BY s.row, base""",
    "team_win_rate_lift": f"""
        SELECT row, {RATE} - base FROM state s JOIN firm f USING (t) LEFT JOIN owners mine ON mine.owner_id = s.owner
        LEFT JOIN (SELECT c.known, c.won, o.team FROM closings c JOIN owners o ON o.owner_id = c.owner) c
          ON c.known < s.t AND c.team = mine.team GROUP BY row, base""",
    "team_source_win_rate_lift": f"""
        SELECT row, (coalesce(sum(won) FILTER (c.source = s.source), 0) + 20 * {RATE})
                    / (count(won) FILTER (c.source = s.source) + 20) - base
        FROM state s JOIN firm f USING (t) LEFT JOIN owners mine ON mine.owner_id = s.owner
        LEFT JOIN (SELECT c.known, c.won, c.source, o.team FROM closings c JOIN owners o ON o.owner_id = c.owner) c
          ON c.known < s.t AND c.team = mine.team GROUP BY row, base""",
    "team_tenure_days": f"""
        SELECT row, (s.t - avg(epoch_us(w.hired_at::TIMESTAMP))) / {DAY} FROM state s LEFT JOIN owners mine ON mine.owner_id = s.owner
        LEFT JOIN owners w ON w.team = mine.team AND epoch_us(w.hired_at::TIMESTAMP) < s.t GROUP BY row, s.t""",
    "team_open_count": """
        SELECT row, count(o.deal_id) FROM state s LEFT JOIN owners mine ON mine.owner_id = s.owner
        LEFT JOIN (SELECT o.t, o.deal_id, w.team FROM open_then o JOIN owners w ON w.owner_id = o.owner) o
          ON o.t = s.t AND o.team = mine.team GROUP BY row""",
    "stay_against_won": f"""
        SELECT s.row, ln(1 + greatest((s.t - coalesce(s.entered, s.created)) / {DAY}, 0))
                      - avg(CASE WHEN v.stage IS NOT NULL THEN ln(1 + greatest(v.until - v.happened, 0) / {DAY}) END)
        FROM state s LEFT JOIN (
          SELECT v.value AS stage, v.happened, c.known,
                 (SELECT arg_min(n.happened, n.turn) FROM changes n WHERE n.property = 'stage'
                  AND n.deal_id = v.deal_id AND n.turn > v.turn) AS until
          FROM changes v JOIN closings c USING (deal_id)
          WHERE v.property = 'stage' AND v.outcome = 'open' AND c.known >= v.known AND c.won = 1
            AND NOT EXISTS (SELECT 1 FROM closings e WHERE e.deal_id = c.deal_id AND e.known >= v.known AND e.known < c.known)
        ) v ON v.stage = s.stage AND v.known < s.t GROUP BY s.row, s.t, s.entered, s.created""",
    "owner_open_count": "SELECT row, count(o.deal_id) FROM state s LEFT JOIN open_then o ON o.t = s.t AND o.owner = s.owner GROUP BY row",
    "account_open_beside_count": "SELECT row, count(o.deal_id) FROM state s LEFT JOIN open_then o ON o.t = s.t AND o.account_id = s.account_id AND o.deal_id <> s.deal_id GROUP BY row",
    "year_trend": """SELECT row, date_part('year', make_timestamp(t)) - 2000
        + (t - epoch_us(date_trunc('year', make_timestamp(t)))) / (epoch_us(date_trunc('year', make_timestamp(t)) + INTERVAL 1 YEAR) - epoch_us(date_trunc('year', make_timestamp(t)))) FROM asked""",
    "month_end_days": f"SELECT row, (epoch_us(date_trunc('month', make_timestamp(t)) + INTERVAL 1 MONTH) - t) / {DAY} FROM asked",
    # Rows lie at 7:00: a part of the first and of the last day is ahead.
    "quarter_rush_62d_days": f"""SELECT row, coalesce(sum(least(epoch_us(d) + {DAY}, t + 62 * {DAY}) - greatest(epoch_us(d), t)) FILTER (WHERE d IS NOT NULL), 0) / {DAY}
        FROM asked LEFT JOIN (SELECT unnest(generate_series(TIMESTAMP '2020-01-01', TIMESTAMP '2027-01-01', INTERVAL 1 DAY)) AS d)
        ON date_trunc('quarter', d + INTERVAL 7 DAY) > d AND epoch_us(d) > t - {DAY} AND epoch_us(d) < t + 62 * {DAY} GROUP BY row""",
}


@pytest.fixture(scope="module")
def asked(demo_tables: Tables, instant: Callable[[str], int]) -> At:
    """A panel of the demo CRM, every fourth week."""
    history, cut = History.of(demo_tables), instant("2025-05-19T07:00:00")
    assert not history.closings.values["told"].any()
    rows, words = panel(history, cut, every=4), learn_vocabulary(history, cut)
    assert set(ORACLE) <= set(available_features(history, words))
    return At(history, words, rows.deal, rows.time)


@pytest.fixture(scope="module")
def database(demo_tables: Tables, asked: At) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        for name, frame in demo_tables.items():
            plain = frame.copy()
            for column in plain.select_dtypes("datetimetz"):
                plain[column] = plain[column].dt.tz_localize(None)
            connection.register(
                name, plain.astype(dict.fromkeys(plain.select_dtypes("str"), object))
            )
        ids = [asked.history.deal_ids[deal] for deal in asked.deal]
        questions = pd.DataFrame({"row": np.arange(asked.size), "deal_id": ids, "t": asked.time})
        connection.register("asked", questions.astype({"deal_id": object}))
        connection.execute(VIEWS)
        yield connection


@pytest.mark.parametrize("name", ORACLE)
def test_feature_equals_plain_sql(
    database: duckdb.DuckDBPyConnection, asked: At, name: str
) -> None:
    query = f"SELECT row, value::DOUBLE AS value FROM ({ORACLE[name]}) answers(row, value) ORDER BY row"
    expected = database.execute(query).df()["value"].to_numpy(float)
    with np.errstate(divide="ignore", invalid="ignore"):
        found = CATALOGUE[name].compute(asked)
    assert len(expected) == asked.size > 300
    assert len(np.unique(expected)) > 1
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-9)


def test_oracle_covers_at_least_15_features_of_every_family_but_custom() -> None:
    families = {CATALOGUE[name].family for name in ORACLE}
    assert families == {
        "engagement",
        "source",
        "size",
        "momentum",
        "people",
        "account",
        "calendar",
    }
    assert len(ORACLE) >= 15
