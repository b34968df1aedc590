"""The report of a backtest: one HTML file that needs no network, and a folder of its tables."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from data.whole import whole, write_whole
from training.backtest import Backtest
from training.backtest_findings import Findings
from training.backtest_plots import plots
from training.backtest_words import said
from training.origins import named, within

HERE = Path(__file__).parent / "templates"
PAGE = "backtest.html"
ROWS = "predictions.parquet"


@dataclass(frozen=True)
class Column:
    """A column of a shown table: key, head and how a number is written."""

    key: str
    head: str
    form: str = ""

    def text(self, row: Any) -> str:
        """Cell as text; a dash where there is no figure."""
        value = row[self.key]
        if isinstance(value, str):
            return value
        return "-" if pd.isna(value) else format(value, self.form)


CONTENDERS = (
    Column("name", "contender"),
    Column("origins", "origins", ",.0f"),
    Column("deals", "deals", ",.0f"),
    Column("won_deals", "won", ",.0f"),
    Column("log_loss", "log-loss", ".4f"),
    Column("log_loss_skill", "skill", "+.1%"),
    Column("brier", "Brier", ".4f"),
    Column("brier_skill", "skill", "+.1%"),
    Column("auc", "AUC", ".3f"),
    Column("auc_skill", "skill", "+.1%"),
    Column("observed_expected", "O/E", ".2f"),
    Column("observed_expected_low", "from", ".2f"),
    Column("observed_expected_high", "to", ".2f"),
    Column("slope", "slope", ".2f"),
    Column("calibration_error", "cal. error", ".3f"),
    Column("calibration_error_of_a_perfect_model", "perfect", ".3f"),
)
SEGMENTS = (
    Column("dimension", "by"),
    Column("value", "value"),
    *(column for column in CONTENDERS if column.key not in {"name", "origins"}),
    Column("verdict", "O/E is"),
)
TERMINAL = tuple(
    column
    for column in CONTENDERS
    if column.key not in {"origins", "won_deals", "brier_skill", "auc_skill"}
)
"""What a terminal of usual width holds."""
DIFFERENCES = (
    Column("horizon_name", "won"),
    Column("other", "against"),
    Column("gain", "log-loss lower by", "+.4f"),
    Column("low", "from", "+.4f"),
    Column("high", "to", "+.4f"),
    Column("better", "better in", ".1%"),
    Column("deals", "deals", ",.0f"),
)
LISTS = (
    Column("name", "contender"),
    Column("origins", "origins", ",.0f"),
    Column("listed", "deals listed", ".0%"),
    Column("precision", "won of them", ".1%"),
    Column("won_share", "won of all", ".1%"),
    Column("wins_captured", "of all wins", ".1%"),
    Column("revenue_captured", "of all revenue", ".1%"),
)
STABILITY = (
    Column("name", "contender"),
    Column("deals", "quiet deals", ",.0f"),
    Column("mean", "moved on average", ".4f"),
    Column("p95", "95 of 100 below", ".4f"),
    Column("over_5_points", "by over 5 points", ".1%"),
    Column("rank_correlation", "order kept", ".3f"),
)


def show(frame: pd.DataFrame, columns: tuple[Column, ...]) -> dict[str, Any]:
    """Heads and cells of a table as text."""
    rows = [[column.text(row) for column in columns] for row in frame.to_dict("records")]
    left = {"name", "other", "dimension", "value", "horizon_name", "verdict"}
    heads = [{"text": c.head, "left": c.key in left} for c in columns]
    return {"heads": heads, "rows": rows}


def by_horizon(found: Findings) -> dict[int, dict[str, Any]]:
    """The table of contenders of each horizon."""
    return {
        h: show(found.summary[found.summary["horizon"] == h], CONTENDERS) for h in found.horizons
    }


def contrasts(found: Findings) -> pd.DataFrame:
    """Differences with the horizon in words."""
    if not len(found.differences):
        return found.differences
    return found.differences.assign(horizon_name=found.differences["horizon"].map(within))


def render(test: Backtest, found: Findings) -> str:
    """HTML of the report, everything inlined."""
    from plotly.offline import get_plotlyjs

    templates = Environment(
        loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined
    )
    figures = {
        name: figure.to_html(
            full_html=False,
            include_plotlyjs=False,
            default_width="100%",
            config={"displayModeBar": False, "responsive": True},
        )
        for name, figure in plots(found).items()
    }
    return templates.get_template(PAGE).render(
        plotly=get_plotlyjs(),
        plots=figures,
        said=said(found),
        found=found,
        test=test,
        within=within,
        contenders=by_horizon(found),
        segments={h: show(frame, SEGMENTS) for h, frame in found.segments.items()},
        differences=show(contrasts(found), DIFFERENCES),
        lists=show(found.lists, LISTS),
        stability=show(found.stability, STABILITY) if len(found.stability) else None,
        days=[_day(cut) for cut in test.origins],
        tiers=sorted(set(found.tiers.values())),
        as_of=_day(test.as_of),
    )


def _day(cut: int) -> str:
    return f"{pd.Timestamp(cut, unit='us', tz='UTC'):%Y-%m-%d}"


def write_report(test: Backtest, found: Findings, folder: Path) -> dict[str, Path]:
    """Write the page, the tables as CSV and the predictions, each whole or not at all.

    Returns
    -------
    Paths by file name.
    """
    page = render(test, found)
    tables = {
        "contenders.csv": found.summary,
        "differences.csv": found.differences,
        "top_tenth.csv": found.lists,
        **{f"segments_{named(h)}.csv": frame for h, frame in found.segments.items()},
    }
    with whole(folder / ROWS) as partial:
        test.to_frame().to_parquet(partial, index=False)
    texts = {PAGE: page, **{name: frame.to_csv(index=False) for name, frame in tables.items()}}
    written = {name: write_whole(text, folder / name) for name, text in texts.items()}
    return {ROWS: folder / ROWS, **written}
