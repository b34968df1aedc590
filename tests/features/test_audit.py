"""No feature sees the future, and the audit would tell if one did."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data.settings import Settings
from data.tables import Tables
from features.at import At
from features.audit import AuditReport, audit
from features.catalogue import Feature
from features.groups import mean
from features.windows import NEVER, Floats, Timeline

BPIC = Path(__file__).parents[2].parent / "shared" / "data" / "bpic2012"
INSTANTS = ("2024-09-02", "2025-01-13T08:30:00", "2025-04-07")
Instant = Callable[[str], int]


@pytest.fixture(scope="module")
def with_customs(demo_tables: Tables) -> Tables:
    """The demo CRM with custom properties (number, date, text) and columns, fixed and leaking."""
    deals, rng = demo_tables.deals, np.random.default_rng(0)
    ids = deals["deal_id"].sample(150, random_state=1)
    created = deals.set_index("deal_id")["created_at"].loc[ids]
    made = [
        pd.DataFrame(
            {
                "deal_id": ids.array,
                "property": name,
                "value": values(len(ids)),
                "changed_at": (created + pd.to_timedelta(rng.uniform(2, 60, len(ids)), "D")).array,
            }
        )
        for name, values in (
            ("seats", lambda n: rng.integers(1, 99, n).astype(str)),
            ("renewal", lambda n: rng.choice(["2025-03-01", "2026-01-15"], n)),
            ("rival", lambda n: rng.choice(["Ωmega", "บริษัท"], n)),
        )
    ]
    history = pd.concat([demo_tables.deal_history, *made], ignore_index=True)
    end = deals["created_at"].max()
    known = history["changed_at"] <= end + pd.Timedelta(days=1)
    columns = {
        "product": rng.choice(["basic", "pro"], len(deals)),
        "win_reason": rng.choice(["price", "fit"], len(deals)),
        "kickoff": "2025-05-05",
    }
    return Tables.of(
        {
            **dict(demo_tables.items()),
            "deals": deals.assign(**columns),
            "deal_history": history[known],
        }
    )


SETTINGS = Settings(fixed_at_creation=["deals.product", "deals.kickoff"], rates={"USD": 0.9})


def audit_demo(tables: Tables, instant: Instant, **options: object) -> AuditReport:
    return audit(tables, SETTINGS, [instant(text) for text in INSTANTS], seed=3, **options)


def test_no_feature_sees_the_future_of_the_demo_crm(
    with_customs: Tables, instant: Instant
) -> None:
    report = audit_demo(with_customs, instant)
    assert report.passed, "\n".join(report.lines())
    assert report.features > 170
    assert report.snapshots > 50


@pytest.mark.parametrize("seed", [1, 2])
def test_no_feature_sees_the_future_of_a_real_crm(instant: Instant, seed: int) -> None:
    if not BPIC.is_dir():
        pytest.skip(f"no real data at {BPIC}")
    files = {path.name.split(".")[0]: pd.read_csv(path) for path in BPIC.glob("*.csv.gz")}
    tables = Tables.of(
        {
            name: frame.astype("str") if name == "deal_history" else frame
            for name, frame in files.items()
        }
    )
    some = tables.deals["deal_id"].sample(2500, random_state=seed)
    as_of = [instant("2011-11-20"), instant("2012-01-15T12:00:00")]
    report = audit(tables.select(some), Settings(), as_of, seed, most=100)
    assert report.passed, "\n".join(report.lines())
    assert report.snapshots > 100


def current_amount(at: At) -> Floats:
    return at.history.tables.deals["amount"].to_numpy(float)[at.deal]


def activities_by_when_they_happened(at: At) -> Floats:
    events = at.history.activities
    by_time = Timeline.of(events.group, events.values["happened"], groups=at.history.size)
    return by_time.count(at.deal, at.time)


def closings_by_when_they_happened(at: At) -> Floats:
    found = at.history.closings
    everyone = np.zeros(len(found.time), np.int64)
    by_time = Timeline.of(
        everyone,
        found.values["happened"].astype(np.int64),
        groups=1,
        won=found.values["outcome"] == 1,
    )
    seen = by_time.seen(np.zeros(at.size, np.int64), at.time)
    return mean(seen.total("won"), seen.count())


def known_at_the_instant_itself(at: At) -> Floats:
    return at.history.stages.count(at.deal, at.time + 1)


def all_time_win_rate(at: At) -> Floats:
    return np.full(at.size, float((at.history.closings.values["outcome"] == 1).mean()))


def time_of_the_next_activity(at: At) -> Floats:
    activities = at.history.activities
    return np.append(activities.time, NEVER)[activities.next_index(at.deal, at.time)].astype(float)


def win_reason(at: At) -> Floats:
    return (at.history.tables.deals["win_reason"] == "price").to_numpy(float)[at.deal]


@pytest.mark.parametrize(
    "leaking",
    [
        current_amount,
        activities_by_when_they_happened,
        closings_by_when_they_happened,
        known_at_the_instant_itself,
        all_time_win_rate,
        time_of_the_next_activity,
        win_reason,
    ],
)
def test_planted_leak_is_caught_by_name(
    with_customs: Tables, instant: Instant, leaking: Callable[[At], Floats]
) -> None:
    name = leaking.__name__
    planted = {name: Feature(name, "size", "", "", leaking)}
    report = audit_demo(with_customs, instant, planted=planted)
    assert not report.passed
    assert report.leaking == (name,)
    assert report.lines()[0].startswith(f"leaking: {name} ")


def test_leak_names_deal_instant_and_both_values(with_customs: Tables, instant: Instant) -> None:
    planted = {"amount_now": Feature("amount_now", "size", "", "", current_amount)}
    leak = audit_demo(with_customs, instant, planted=planted).leaks[0]
    assert leak.feature == "amount_now"
    assert leak.deal_id in set(with_customs.deals["deal_id"])
    assert "2024-09-02" in str(leak)
    assert repr(leak.before) in str(leak)


def test_audit_of_nothing_does_not_pass(with_customs: Tables, instant: Instant) -> None:
    report = audit(with_customs, SETTINGS, [instant("1999-01-01")])
    assert not report.passed
    assert "nothing audited" in report.lines()[0]


def test_same_seed_gives_the_same_report(with_customs: Tables, instant: Instant) -> None:
    planted = {"now": Feature("now", "size", "", "", current_amount)}
    one, two = (audit_demo(with_customs, instant, planted=planted) for _ in range(2))
    assert one.lines() == two.lines()
