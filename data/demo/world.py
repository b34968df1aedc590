"""A firm's true parameters: what a model could know at best, were it told everything."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Self

import numpy as np

from data.demo import lexicon

Shares = dict[str, float]


@dataclass(frozen=True)
class World:
    """Every true parameter of an invented firm.

    Effects are on the log scale of the daily hazards: a *quality* effect of +1 multiplies the
    hazard of winning by e ** 0.55 and that of losing by e ** -0.5 (see ``data.demo.hazards``).

    Attributes
    ----------
    cycle_days
        Median days from creation to the win, roughly.
    win_rate
        Share of closed deals that are won, roughly.
    growth
        Growth of arrivals, a year: 0.2 is 20 %.
    arrival_season, win_season
        Twelve log effects, January first.
    month_end, quarter_end
        Log effect on winning on the last day; it fades going backwards in days.
    trend
        Log change of the win hazard a year.
    market_sd, market_days
        Standard deviation (log) and memory (days) of the climate all deals share.
    arrival_shape
        Gamma shape of the daily arrivals: the smaller, the more over-dispersed.
    stages
        Open stages of each pipeline, in order. The second pipeline, where there is one, takes
        renewals and expansions.
    source_share, segment_share, region_share
        Shares of new accounts' deals; each sums to 1.
    source_effect, segment_effect, industry_effect, type_effect
        Quality effects.
    segment_amount, amount_sd
        Median amount of a segment (main currency) and standard deviation of its log.
    repeat_share
        Share of deals that come from an account already known for half a year.
    account_sd, noise_sd, owner_sd
        Standard deviations of the quality of accounts, single deals and owners.
    rookie
        Quality a freshly hired owner lacks; halves every 83 days.
    size_effect
        Quality lost for an amount one standard deviation above what the account's size suggests.
    engagement_effect, engagement_days, engagement_sd
        Quality of one unit of engagement, its memory in days, its standard deviation undisturbed.
    answer_jump
        Rise of engagement when the buyer answers; a meeting gives half as much again.
    contact_effect, exec_effect
        Quality for each doubling of the contacts involved, and for having a chief among them.
    silence_effect
        Log rise of the loss hazard after a month of silence.
    hump
        Height of the hump of progress over the days in a stage.
    touches
        Outbound touches a deal and business day, before stage and diligence.
    few_share
        Share of deals of which hardly any activity is logged.
    amount_known
        Share of deals whose amount is entered at creation.
    discount, discount_size
        Log discount at the win, and its rise for each standard deviation of size.
    currency, other_currency, other_share, other_rate
        Main and other currency, share of the other, value of one unit of it in the main one.
    teams, deals_per_owner
        Number of teams; new deals a year an owner handles.
    stale_share
        Share of losses which the owner leaves open (flag ``stale``).
    reopen_share
        Share of losses reopened some weeks later (flag ``reopened``).
    drift_source, drift_shift
        Source whose quality shifts by so much in the last year (flag ``drift``).
    """

    cycle_days: float
    win_rate: float
    growth: float
    arrival_season: tuple[float, ...]
    win_season: tuple[float, ...]
    month_end: float
    quarter_end: float
    trend: float
    market_sd: float
    market_days: float
    arrival_shape: float
    stages: dict[str, tuple[str, ...]]
    source_share: Shares
    source_effect: Shares
    segment_share: Shares
    segment_effect: Shares
    segment_amount: Shares
    amount_sd: float
    industry_effect: Shares
    type_effect: Shares
    region_share: Shares
    repeat_share: float
    account_sd: float
    noise_sd: float
    owner_sd: float
    rookie: float
    size_effect: float
    engagement_effect: float
    engagement_days: float
    engagement_sd: float
    answer_jump: float
    contact_effect: float
    exec_effect: float
    silence_effect: float
    hump: float
    touches: float
    few_share: float
    amount_known: float
    discount: float
    discount_size: float
    currency: str
    other_currency: str
    other_share: float
    other_rate: float
    teams: int
    deals_per_owner: float
    stale_share: float
    reopen_share: float
    drift_source: str
    drift_shift: float

    @classmethod
    def draw(cls, seed: int) -> Self:
        """Draw a plausible firm; different seeds give really different firms."""
        rng = np.random.default_rng([seed, 0xF1])
        return cls(**_process(rng), **_mix(rng), **_latent(rng), **_paper(rng))

    @classmethod
    def demo(cls, seed: int = 7) -> Self:
        """Draw the firm of the demo: two pipelines, two months from creation to the win."""
        drawn = asdict(cls.draw(seed))
        return cls(
            **drawn
            | {
                "cycle_days": 60.0,
                "win_rate": 0.24,
                "growth": 0.25,
                "stages": _stages(two=True),
                "currency": "EUR",
                "other_currency": "USD",
                "other_share": 0.12,
                "other_rate": 0.92,
            }
        )

    def to_json(self) -> str:
        """Write all parameters as JSON text."""
        return json.dumps(asdict(self), indent=2, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what ``to_json`` wrote; a missing or unknown field is a TypeError.

        >>> World.from_json(World.demo().to_json()) == World.demo()
        True
        """
        raw: dict[str, Any] = json.loads(text)
        listed = {f.name for f in fields(cls) if str(f.type).startswith("tuple")}
        for name in listed & raw.keys():
            raw[name] = tuple(raw[name])
        raw["stages"] = {pipeline: tuple(names) for pipeline, names in raw["stages"].items()}
        return cls(**raw)


def _process(rng: np.random.Generator) -> dict[str, Any]:
    """Draw pace, win rate and calendar."""
    return {
        "cycle_days": float(np.exp(rng.uniform(np.log(20), np.log(120)))),
        "win_rate": float(rng.uniform(0.12, 0.40)),
        "growth": float(rng.uniform(-0.10, 0.60)),
        "arrival_season": _season(rng, float(rng.uniform(0.03, 0.25))),
        "win_season": _season(rng, float(rng.uniform(0.0, 0.15))),
        "month_end": float(rng.uniform(0.1, 0.7)),
        "quarter_end": float(rng.uniform(0.2, 1.3)),
        "trend": float(rng.normal(0, 0.06)),
        "market_sd": float(rng.uniform(0.03, 0.12)),
        "market_days": float(rng.uniform(60, 180)),
        "arrival_shape": float(rng.uniform(2, 12)),
        "stages": _stages(two=bool(rng.random() < 0.5)),
    }


def _mix(rng: np.random.Generator) -> dict[str, Any]:
    """Draw who buys, from where they come, and how much that matters."""
    amount = float(np.exp(rng.uniform(np.log(3e3), np.log(4e4))))
    strength = float(rng.uniform(0.15, 0.5))
    return {
        "source_share": _shares(rng, lexicon.SOURCES),
        "source_effect": _effects(rng, lexicon.SOURCES, strength),
        "segment_share": _shares(rng, lexicon.SEGMENTS),
        "segment_effect": _effects(rng, lexicon.SEGMENTS, 0.2),
        "segment_amount": {
            name: amount * float(rng.uniform(2.2, 4.5)) ** k
            for k, name in enumerate(lexicon.SEGMENTS)
        },
        "amount_sd": float(rng.uniform(0.5, 1.1)),
        "industry_effect": _effects(rng, lexicon.INDUSTRIES, float(rng.uniform(0.1, 0.35))),
        "type_effect": {
            "new": 0.0,
            "renewal": float(rng.uniform(0.5, 1.1)),
            "expansion": float(rng.uniform(0.2, 0.7)),
        },
        "region_share": _shares(rng, lexicon.REGIONS),
        "repeat_share": float(rng.uniform(0.15, 0.45)),
    }


def _latent(rng: np.random.Generator) -> dict[str, Any]:
    """Draw what stays hidden, and how activities and silence tell of it."""
    return {
        "account_sd": float(rng.uniform(0.2, 0.5)),
        "noise_sd": float(rng.uniform(0.3, 0.6)),
        "owner_sd": float(rng.uniform(0.1, 0.35)),
        "rookie": float(rng.uniform(0.1, 0.5)),
        "size_effect": float(rng.uniform(0.05, 0.3)),
        "engagement_effect": float(rng.uniform(0.3, 0.65)),
        "engagement_days": float(rng.uniform(8, 20)),
        "engagement_sd": float(rng.uniform(0.4, 0.7)),
        "answer_jump": float(rng.uniform(0.15, 0.4)),
        "contact_effect": float(rng.uniform(0.1, 0.35)),
        "exec_effect": float(rng.uniform(0.0, 0.4)),
        "silence_effect": float(rng.uniform(0.15, 0.5)),
        "hump": float(rng.uniform(0.6, 1.4)),
        "touches": float(np.exp(rng.uniform(np.log(0.12), np.log(0.4)))),
        "few_share": float(rng.uniform(0.05, 0.35)),
    }


def _paper(rng: np.random.Generator) -> dict[str, Any]:
    """Draw amounts, money, teams and the bad habits."""
    return {
        "amount_known": float(rng.uniform(0.5, 0.95)),
        "discount": float(rng.uniform(0.02, 0.10)),
        "discount_size": float(rng.uniform(0.0, 0.06)),
        "currency": str(rng.choice(["EUR", "USD", "THB", "JPY"])),
        "other_currency": "GBP",
        "other_share": float(rng.choice([0.0, 0.05, 0.15])),
        "other_rate": 1.17,
        "teams": int(rng.integers(3, 7)),
        "deals_per_owner": float(rng.uniform(60, 180)),
        "stale_share": float(rng.uniform(0.03, 0.15)),
        "reopen_share": float(rng.uniform(0.01, 0.06)),
        "drift_source": str(rng.choice(lexicon.SOURCES)),
        "drift_shift": float(rng.uniform(-1.2, -0.6)),
    }


def _season(rng: np.random.Generator, strength: float) -> tuple[float, ...]:
    """Twelve log effects of mean 0: one wave a year and what is peculiar to each month."""
    phase = rng.uniform(0, 2 * np.pi)
    wave = np.sin(2 * np.pi * np.arange(12) / 12 + phase) + rng.normal(0, 0.5, 12)
    return tuple(float(value) for value in strength * (wave - wave.mean()))


def _shares(rng: np.random.Generator, names: tuple[str, ...]) -> Shares:
    drawn = rng.dirichlet(np.full(len(names), 4.0))
    return dict(zip(names, map(float, drawn), strict=True))


def _effects(rng: np.random.Generator, names: tuple[str, ...], sd: float) -> Shares:
    """Effects of mean 0 and exactly this spread, so that `sd` says how much they matter."""
    drawn = rng.normal(0, 1, len(names))
    scaled = sd * (drawn - drawn.mean()) / drawn.std()
    return dict(zip(names, map(float, scaled), strict=True))


def _stages(*, two: bool) -> dict[str, tuple[str, ...]]:
    first: Mapping[str, tuple[str, ...]] = {"new_business": lexicon.STAGES}
    return dict(first) | ({"customers": lexicon.CUSTOMER_STAGES} if two else {})
