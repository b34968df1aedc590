"""The truth: what a deal's chances and the firm's revenue really are, by living on many times."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from data.demo.accounts import Accounts
from data.demo.calendar import Floats, Ints
from data.demo.firm import Firm
from data.demo.lexicon import LOST, WON
from data.demo.log import Log
from data.demo.simulate import Simulated, live
from data.demo.state import ASLEEP

EVER_DAYS = 1095
"""Days after which a deal that is still open counts as never closed."""
MAX_COPIES = 200_000


def true_incidence(
    simulated: Simulated,
    as_of: pd.Timestamp,
    horizons_days: Sequence[float],
    draws: int = 400,
    seed: int = 0,
) -> pd.DataFrame:
    """Estimate the true chances of every deal that is open, and known to be, at an instant.

    The history is lived again to the midnight at or before `as_of`; from that state, hidden
    parts included, every deal lives on `draws` times, each time in a market of its own. A
    chance is the share of futures in which the deal's next closing falls in
    ``[as_of, as_of + horizon)`` and is a win (a loss).

    Parameters
    ----------
    simulated
        What ``simulate`` returned.
    as_of
        Midnight UTC; another instant is taken as the midnight before it.
    horizons_days
        Whole days, for the columns ``p_won_<h>`` and ``p_lost_<h>``.
    draws
        Futures of each deal; the standard error of a chance is at most 0.5 / sqrt(draws).
    seed
        Of the futures, not of the firm.

    Returns
    -------
    deal_id, p_won_<h> ..., p_lost_<h> ..., p_won and p_lost (ever, up to three years on),
    one row a deal.
    """
    day = _day(simulated, as_of)
    firm = live(simulated, day, Log(frozenset()))
    known = _known_open(simulated.tables["deal_history"], as_of)
    names = np.array(simulated.tables["deals"]["deal_id"], dtype=object)
    is_open = firm.deals.status != ASLEEP
    is_open &= np.isin(names[firm.deals.index], np.array(sorted(known), dtype=object))
    deals = firm.deals.take(is_open)
    world = replace(firm.world, reopen_share=0.0)
    firm = replace(firm, world=world, deals=deals, intensity=0.0)
    rounds = enumerate(_rounds(draws, len(deals)))
    ends = pd.concat([_futures(firm, size, (seed, 2, k)) for k, size in rounds])
    shares = _shares(deals.index, ends.assign(after=ends["day"] - day), horizons_days, draws)
    return pd.DataFrame({"deal_id": pd.Series(names[deals.index], dtype="str")} | shares)


def true_revenue(
    simulated: Simulated, as_of: pd.Timestamp, months: int = 6, draws: int = 200, seed: int = 0
) -> pd.DataFrame:
    """Draw the revenue of the months to come from the true process, new deals included.

    Parameters
    ----------
    months
        Calendar months; month 0 is the rest of the current one, from `as_of` on.
    draws
        Paths, each with a market of its own.

    Returns
    -------
    path, month and revenue (main currency, all wins of the month), draws x months rows.
    """
    won = true_wins(simulated, as_of, months, draws, seed)
    cells = won["path"] * months + won["month"]
    revenue = np.bincount(cells, weights=won["revenue"], minlength=draws * months)
    path, month = np.divmod(np.arange(draws * months), months)
    return pd.DataFrame({"path": path, "month": month, "revenue": revenue})


def true_wins(
    simulated: Simulated, as_of: pd.Timestamp, months: int = 6, draws: int = 200, seed: int = 0
) -> pd.DataFrame:
    """Draw the wins of the months to come: path, month, deal_id and revenue, a row a win.

    `deal_id` is missing for deals created from `as_of` on. Parameters are those of `true_revenue`.
    """
    day = _day(simulated, as_of)
    firm = live(simulated, day, Log(frozenset()))
    ends = _month_ends(simulated, day, months)
    log = Log(frozenset({"closed"}))
    future = _branch(firm, draws, extra=ends[-1] - day, seed=seed)
    future.run(int(ends[-1]), (seed, 3), log)
    won = log.frame("closed").query("won")
    names = np.array([*simulated.tables["deals"]["deal_id"], None], dtype=object)
    deal = np.where(won["deal"] < firm.born, won["deal"], -1)
    return pd.DataFrame(
        {
            "path": won["path"].to_numpy(),
            "month": np.searchsorted(ends, won["day"], side="right"),
            "deal_id": pd.Series(names[deal], dtype="str"),
            "revenue": np.exp(won["amount"].to_numpy()),
        }
    )


def _day(simulated: Simulated, as_of: pd.Timestamp) -> int:
    """Days from the start to the midnight before `as_of`; ValueError outside the history."""
    day = int((as_of - simulated.start) // pd.Timedelta(days=1))
    if not 0 < day <= simulated.days:
        raise ValueError(
            f"as_of {as_of} is outside the simulated history; "
            f"allowed is {simulated.start} to {simulated.end}"
        )
    return day


def _known_open(history: pd.DataFrame, as_of: pd.Timestamp) -> set[str]:
    """Deals which, by what was recorded before `as_of`, are there and not closed."""
    known = history[(history["property"] == "stage") & (history["recorded_at"] < as_of)]
    last = known.sort_values("changed_at", kind="stable").drop_duplicates("deal_id", keep="last")
    return set(last.loc[~last["value"].isin([WON, LOST]), "deal_id"])


def _rounds(draws: int, deals: int) -> list[int]:
    """Split the draws so that not too many copies of deals live at once."""
    size = max(1, min(draws, MAX_COPIES // max(deals, 1)))
    return [size] * (draws // size) + ([draws % size] if draws % size else [])


def _futures(firm: Firm, paths: int, seed: tuple[int, ...]) -> pd.DataFrame:
    """Let every deal live on in `paths` markets; the closings."""
    log = Log(frozenset({"closed"}))
    future = _branch(firm, paths, extra=0, seed=0)
    future.run(firm.day + EVER_DAYS, seed, log)
    return log.frame("closed")


def _branch(firm: Firm, paths: int, extra: int, seed: int) -> Firm:
    """Copy a firm into many paths that share its past; fresh accounts for `extra` days."""
    pace = firm.intensity * firm.calendar.arrivals[firm.day : firm.day + extra].sum()
    size = int(1.5 * pace * paths) + 1000
    fresh = Accounts.draw(firm.world, size, np.random.default_rng([seed, 4]))
    return replace(
        firm,
        book=firm.book.extended(fresh),
        market=np.repeat(firm.market, paths),
        deals=firm.deals.repeat(paths),
    )


def _month_ends(simulated: Simulated, day: int, months: int) -> Ints:
    """First day after each month, in days from the start."""
    first = (simulated.start + pd.Timedelta(days=day)).tz_localize(None).to_period("M")
    ends = [(first + k + 1).start_time.tz_localize("UTC") for k in range(months)]
    return np.array([(end - simulated.start).days for end in ends])


def _shares(
    index: Ints, ends: pd.DataFrame, horizons: Sequence[float], draws: int
) -> dict[str, Floats]:
    """Count the futures of each deal that were won or lost by each horizon."""
    columns = {}
    place = np.searchsorted(index, ends["deal"])
    for horizon, label in [*((h, f"_{h:g}") for h in horizons), (float(EVER_DAYS), "")]:
        soon = ends["after"] < horizon
        for outcome, which in (("won", ends["won"]), ("lost", ~ends["won"])):
            hits = place[(soon & which).to_numpy()]
            columns[f"p_{outcome}{label}"] = np.bincount(hits, minlength=len(index)) / draws
    return columns
