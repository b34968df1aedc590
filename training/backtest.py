"""The backtest: every contender refitted at every origin, asked about the month that followed.

Gives one row a (origin, snapshot) with what is known of the deal and what came of it, and beside
it the answers of each contender, so that figures, reports and comparisons are questions to one
table. Contenders that are slow may be asked at some origins and horizons only; their answers are
NaN elsewhere, and every comparison with them is on the rows that both have answered.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from scipy.stats import spearmanr

from features.dimensions import closing_amount
from features.history import WON, History
from features.snapshots import Snapshots, open_deals
from features.windows import DAY, Bools, Floats
from training.close import Progress
from training.origins import Answer, Contender, Known, Past
from training.scoring import current_owner

STABILITY_HORIZON = 90


@dataclass(frozen=True)
class Entry:
    """A contender with where it is asked.

    Attributes
    ----------
    every : it is asked at the newest origin and each so-manieth before it
    horizons : the only horizons it is asked; empty: all
    """

    contender: Contender
    every: int = 1
    horizons: tuple[int, ...] = ()


@dataclass(frozen=True)
class Backtest:
    """Answers of all contenders.

    Attributes
    ----------
    horizons : days; 0 stands for ever
    rows : a row a snapshot asked: origin and time (microseconds), deal (code), deal_id, stage,
        stage_place, age_days, pipeline, source, owner, amount (known then), won_amount (of the
        win that came, else NaN), `label_<h>` (1 won within h, 0 not, NaN not mature)
    answers : contender -> (rows, horizons) P(won within h), NaN where it was not asked
    stability : a row a contender and origin: how far answers moved over a day without events
    seconds : contender -> seconds of fitting
    absent : contender -> why it is not there
    """

    as_of: int
    horizons: tuple[int, ...]
    rows: pd.DataFrame
    answers: Mapping[str, Floats]
    stability: pd.DataFrame
    seconds: Mapping[str, float]
    absent: Mapping[str, str] = field(default_factory=dict)

    @property
    def origins(self) -> list[int]:
        """Data cuts, oldest first."""
        return sorted(int(cut) for cut in self.rows["origin"].unique())

    def labels(self, horizon: int) -> Floats:
        """(rows,) outcomes; NaN where not mature."""
        return self.rows[f"label_{horizon}"].to_numpy(float)

    def p(self, name: str, horizon: int) -> Floats:
        """(rows,) answers of a contender."""
        return self.answers[name][:, self.horizons.index(horizon)]

    def judged(self, name: str, horizon: int) -> Bools:
        """(rows,) mature, and answered by the contender."""
        found: Bools = np.isfinite(self.labels(horizon)) & np.isfinite(self.p(name, horizon))
        return found

    def to_frame(self) -> pd.DataFrame:
        """Rows, with times as such and a column `p_<h> | <contender>` for each answer."""
        answers = {
            f"p_{horizon or 'ever'} | {name}": found[:, column]
            for name, found in self.answers.items()
            for column, horizon in enumerate(self.horizons)
        }
        times = {n: pd.to_datetime(self.rows[n], unit="us", utc=True) for n in ("origin", "time")}
        rows = self.rows.drop(columns=["deal"]).assign(**times)
        return pd.concat([rows, pd.DataFrame(answers)], axis=1)


def run_backtest(
    past: Past,
    cuts: Sequence[int],
    entries: Sequence[Entry],
    horizons: Sequence[int],
    progress: Progress = lambda _: None,
    absent: Mapping[str, str] | None = None,
) -> Backtest:
    """Refit at each origin, oldest first; `progress` is told of origins x entries fits."""
    asked = tuple(horizons)
    found, stability, seconds = [], [], dict.fromkeys((e.contender.name for e in entries), 0.0)
    ordered = sorted(cuts)
    for number, cut in enumerate(ordered, 1):
        known = past.at(cut)
        quiet = _quiet_day(known)
        part: dict[str, Floats] = {}
        for entry in entries:
            name = entry.contender.name
            progress(f"origin {number} of {len(ordered)}: {name}")
            if (len(ordered) - number) % entry.every:
                part[name] = np.full((len(known.asked), len(asked)), np.nan)
                continue
            started = time.perf_counter()
            wanted = entry.horizons or asked
            answer = entry.contender.fit(known, wanted)
            seconds[name] += time.perf_counter() - started
            part[name] = _placed(answer(known.features), wanted, asked)
            if quiet is not None and STABILITY_HORIZON in wanted:
                column = wanted.index(STABILITY_HORIZON)
                stability.append({"origin": cut, "name": name, **_moved(answer, column, *quiet)})
        found.append((_rows(past, known, asked), part))
    answers = {name: np.concatenate([part[name] for _, part in found]) for name in seconds}
    rows = pd.concat([rows for rows, _ in found], ignore_index=True)
    moved = pd.DataFrame(stability)
    return Backtest(past.as_of, asked, rows, answers, moved, seconds, dict(absent or {}))


def _placed(found: Floats, wanted: Sequence[int], asked: tuple[int, ...]) -> Floats:
    """Answers in the columns of all horizons."""
    out = np.full((len(found), len(asked)), np.nan)
    out[:, [asked.index(h) for h in wanted]] = found
    return out


def _rows(past: Past, known: Known, horizons: tuple[int, ...]) -> pd.DataFrame:
    """What is known of the snapshots asked, and what came of them."""
    history, asked, later = known.history, known.asked, known.later
    names = np.array([*history.stage_names, ""], dtype=object)
    place = past.vocabulary.positions(history.stage_names)
    stage = history.stages.last("stage", asked.deal, asked.time)
    columns = {
        "origin": np.full(len(asked), known.cut),
        "deal": asked.deal,
        "deal_id": np.array(history.deal_ids, dtype=object)[asked.deal],
        "time": asked.time,
        "stage": names[np.nan_to_num(stage, nan=-1).astype(int)],
        "stage_place": np.append(place, np.nan)[np.nan_to_num(stage, nan=-1).astype(int)],
        "age_days": (asked.time - history.created[asked.deal]) / DAY,
        "pipeline": _attribute(history, "pipeline", asked),
        "source": _attribute(history, "source", asked),
        "owner": current_owner(history, asked).fillna("").to_numpy(object),
        "amount": history.changes["amount"].last("value", asked.deal, asked.time),
        "won_amount": _won_amount(history, known),
        "days": later.days,
        "watched": (past.as_of - asked.time) / DAY,
    }
    return pd.DataFrame(columns | {f"label_{h}": known.labels(h) for h in horizons})


def _attribute(history: History, column: str, asked: Snapshots) -> object:
    values = history.attribute("deals", column)
    return values.astype(object).where(values.notna(), "")[asked.deal].to_numpy(object)


def _won_amount(history: History, known: Known) -> Floats:
    """(n,) amount of the win that came of a snapshot; NaN where none came or none was known."""
    if not len(history.closings.time):
        return np.full(len(known.asked), np.nan)
    won = known.later.kind == WON
    return np.where(won, closing_amount(history)[known.later.closing], np.nan)


def _quiet_day(known: Known) -> tuple[pd.DataFrame, pd.DataFrame] | None:
    """Features at the origin and a day later of the deals to which nothing happened between."""
    history = known.history
    today = open_deals(history, known.cut)
    tomorrow = Snapshots(today.deal, today.time + DAY)
    facts = [history.activities, history.stages, *history.changes.values()]
    quiet = np.ones(len(today), bool)
    for events in facts:
        quiet &= events.count(today.deal, today.time) == events.count(today.deal, tomorrow.time)
    if not quiet.any():
        return None
    return known.compute(today.take(quiet)), known.compute(tomorrow.take(quiet))


def _moved(
    answer: Answer, column: int, today: pd.DataFrame, tomorrow: pd.DataFrame
) -> dict[str, float]:
    """How far a quiet day moved the answers, in probability, and how much of the order is left."""
    before, after = answer(today)[:, column], answer(tomorrow)[:, column]
    step = np.abs(after - before)
    same = len(before) < 3 or np.ptp(before) == 0 or np.ptp(after) == 0
    return {
        "deals": float(len(step)),
        "mean": float(step.mean()),
        "p95": float(np.quantile(step, 0.95)),
        "over_5_points": float((step > 0.05).mean()),
        "rank_correlation": 1.0 if same else float(spearmanr(before, after).statistic),
    }
