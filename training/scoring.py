"""Scores: a row a deal with probabilities by date, revenue, close dates and priority."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.at import as_codes
from features.facts import as_texts, as_times
from features.fiscal import days_to_quarter_end
from features.history import History
from features.pipeline import as_index, compute_features
from features.snapshots import Snapshots, is_stale, open_deals
from features.windows import DAY, Floats, Ints
from training.bundle import Bundle
from training.incidence import Incidence
from training.learners import places

Columns = Mapping[str, Any]
"""Arrays of one length by name: of numpy, texts or times."""
Objects = npt.NDArray[np.object_]
Times = npt.NDArray[np.datetime64]
Matrix = npt.NDArray[np.float32]
HORIZONS = (30, 60, 90, 180)
FACTS = (
    "activities_count",
    "activities_30d_count",
    "days_since_last_activity",
    "days_since_last_inbound",
    "unanswered_count",
    "meetings_ahead_count",
    "days_since_last_meeting",
    "contacts_count",
    "contacts_90d_count",
    "stage_position",
    "days_in_stage",
    "stage_usual_stay",
    "age_days",
    "age_against_cycle",
    "days_to_close_date",
    "pushes_count",
    "amount_against_segment",
    "amount_missing_flag",
    "owner_win_rate",
    "owner_open_count",
    "segment_win_rate",
    "segment_win_rate_lift",
    "account_won_count",
    "quarter_end_days",
)
"""Features that sentences about a deal are made of, whether or not the model reads them."""
QUANTILES = {"p10": 0.1, "p50": 0.5, "p90": 0.9}


@dataclass(frozen=True)
class Scored:
    """Deals scored as of one instant, with what reasons and forecast need besides the columns.

    Attributes
    ----------
    columns : of a score, a value a deal, in the order of `snapshots`: numbers, texts as objects
        (None where missing), times in UTC
    told : (n, FACTS) what sentences about a deal are made of
    """

    snapshots: Snapshots
    features: pd.DataFrame
    incidence: Incidence
    expected_amount: Floats
    columns: Columns
    told: Matrix

    @cached_property
    def frame(self) -> pd.DataFrame:
        """The columns as a table, made when it is asked for: for one deal it costs most of all."""
        return as_frame(self.columns)

    @cached_property
    def facts(self) -> pd.DataFrame:
        """What sentences about a deal are made of, its stage among it, as a table."""
        facts = pd.DataFrame(self.told, columns=as_index(FACTS))
        return facts.assign(stage=as_texts(self.columns["stage"]))

    def fact(self, name: str) -> Matrix:
        """(n,) one of FACTS."""
        return self.told[:, FACTS.index(name)]


def as_frame(columns: Columns) -> pd.DataFrame:
    """Columns of scores as a table: texts and times in the types that the tables have."""
    return pd.DataFrame({name: _typed(column) for name, column in columns.items()})


def _typed(column: Any) -> Any:
    if isinstance(column, np.ndarray) and column.dtype.kind == "M":
        return as_times(column.view(np.int64))
    holds_texts = isinstance(column, np.ndarray) and column.dtype == object
    holds_lists = holds_texts and len(column) > 0 and isinstance(column[0], list)
    return as_texts(column) if holds_texts and not holds_lists else column


def score(bundle: Bundle, history: History, as_of: int, deals: Ints | None = None) -> Scored:
    """Score the deals open at `as_of` (microseconds), or those among `deals` (codes)."""
    snapshots = open_deals(history, as_of)
    if deals is not None:
        snapshots = snapshots.take(np.isin(snapshots.deal, deals))
    features, told = _features(bundle, history, snapshots)
    incidence = bundle.close.incidence(features)
    known = history.changes["amount"].last("value", snapshots.deal, snapshots.time)
    amount = bundle.amount.expected(features, known)
    columns = _columns(bundle, history, snapshots, incidence, amount, known)
    return Scored(snapshots, features, incidence, amount, columns, told)


def _features(
    bundle: Bundle, history: History, snapshots: Snapshots
) -> tuple[pd.DataFrame, Matrix]:
    """What the model reads and what sentences are made of, by one call: much of it is shared."""
    names = tuple(dict.fromkeys([*bundle.features, *FACTS]))
    matrix = compute_features(history, bundle.vocabulary, snapshots, names).to_numpy()
    read = matrix[:, : len(bundle.features)]
    features = pd.DataFrame(read, columns=as_index(names[: len(bundle.features)]))
    return features, matrix[:, places(names, FACTS)]


def _columns(
    bundle: Bundle,
    history: History,
    snapshots: Snapshots,
    incidence: Incidence,
    amount: Floats,
    known: Floats,
) -> Columns:
    as_of = snapshots.time[:1]
    end = days_to_quarter_end(as_of, history.settings.fiscal_year_start_month)
    horizons = (*HORIZONS, float(end.max(initial=0.0)))
    named = [*HORIZONS, "quarter"]
    won_days = bundle.won_days(int(as_of.max(initial=0)), horizons)
    columns: dict[str, Any] = {
        "deal_id": objects([history.deal_ids[code] for code in snapshots.deal.tolist()])
    }
    for side, curve in (
        ("won", incidence.won_by(won_days)),
        ("lost", incidence.lost_by(horizons)),
    ):
        columns |= {f"p_{side}_{by}": curve[:, k] for k, by in enumerate(named)}
        ever = incidence.won if side == "won" else incidence.lost
        columns[f"p_{side}"] = ever[:, -1]
    revenue = columns["p_won_90"] * amount
    columns |= {"amount": known, "expected_amount": amount, "expected_revenue_90": revenue}
    columns |= _close_dates(incidence, snapshots.time)
    columns["priority"] = np.where(np.isnan(revenue), columns["p_won_90"], revenue)
    columns |= context(history, snapshots)
    for name, told in (("tier", bundle.tier), ("model_version", bundle.version)):
        columns[name] = objects([told] * len(snapshots))
    columns["as_of"] = snapshots.time.view("M8[us]")
    return columns


def objects(values: Sequence[Any]) -> Objects:
    """(n,) values as objects, whatever they are."""
    found = np.empty(len(values), object)
    found[:] = values
    return found


def _close_dates(incidence: Incidence, time: Ints) -> dict[str, Times]:
    """Quantiles of the day of winning, given a win within the longest horizon (midnight UTC)."""
    days = np.concatenate([np.arange(0, 200, 2), np.arange(200, incidence.longest + 1, 7)])
    days = days[days <= incidence.longest]
    curve = incidence.won_by(days)
    share = curve / np.maximum(curve[:, -1:], 1e-12) if len(curve) else curve
    dates = {}
    for name, q in QUANTILES.items():
        first = np.argmax(share >= q, axis=1) if len(share) else np.zeros(0, int)
        at = time + (days[first] * DAY).astype(np.int64)
        dates[f"close_date_{name}"] = (at // DAY * DAY).view("M8[us]")
    return dates


def context(history: History, snapshots: Snapshots) -> dict[str, Any]:
    """What a person wants to see beside a score: stage, owner, age, silence, flags."""
    stage = history.stages.last("stage", snapshots.deal, snapshots.time)
    names = np.array([*history.stage_names, ""], dtype=object)
    owner = _owners(history, snapshots)
    last = history.activities.largest("happened", snapshots.deal, snapshots.time)
    silent = (snapshots.time - last) / DAY
    known = history.changes["amount"].last("value", snapshots.deal, snapshots.time)
    age = (snapshots.time - history.created[snapshots.deal]) / DAY
    return {
        "stage": names[as_codes(stage)],
        "owner_id": owner,
        "team": objects(_teams(history, owner)),
        "age_days": age,
        "days_since_activity": silent,
        "amount_missing": ~(known > 0),
        "stale": is_stale(history, snapshots),
    }


def current_owner(history: History, snapshots: Snapshots) -> pd.Series:
    """(n,) owner known as of each snapshot, or the export's where the history tells none.

    For showing and rolling up only: no feature reads the export's value.
    """
    return pd.Series(_owners(history, snapshots), dtype="str")


def _owners(history: History, snapshots: Snapshots) -> Objects:
    """(n,) the same; NaN where there is none."""
    code = history.changes["owner_id"].last("value", snapshots.deal, snapshots.time)
    names = np.array([*history.owners.names, None], object)
    owner = names[as_codes(code)]
    exported = history.told("owner_id", snapshots.deal)
    found: Objects = np.where(np.isnan(code), exported, owner)
    return found


def team_of(history: History, owner: pd.Series) -> pd.Series:
    """(n,) team of each owner; missing where there is none."""
    return pd.Series(_teams(history, owner.to_numpy(object)), owner.index, dtype="str")


def _teams(history: History, owner: Objects) -> list[str | None]:
    whole = history.whole
    teams = whole.index("team_names", lambda: _team_names(whole.tables.owners))
    return [teams.get(each) for each in owner]


def _team_names(owners: pd.DataFrame) -> dict[str, str]:
    """Team of each owner, by the first row that names it."""
    teams: dict[str, str] = {}
    for name, team in owners[["owner_id", "team"]].itertuples(index=False):
        teams.setdefault(name, team)
    return teams
