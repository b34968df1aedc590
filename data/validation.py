"""Validation: the accepted rows, and every rejected one with its reason.

It never stops at the first problem and never drops a row in silence. Rules are in `data.rules`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from data.checks import check_rows, with_words
from data.contract import CONTRACT, Table
from data.findings import Findings
from data.links import Links, check_links
from data.oddities import tell_oddities
from data.parsing import parse
from data.sources import RawTables
from data.tables import Tables, conform

REPEATABLE = {"deal_history": "first", "contacts": "last", "targets": "last"}
"""Tables in which a repeated key is normal dirt, and which of the rows is kept."""


@dataclass(frozen=True)
class Validated:
    """The judgement on a source.

    Attributes
    ----------
    tables : the accepted rows, typed
    rejected : a line for each value that broke a rule: table, row (line in the file, the header is
        line 1), column, value, rule, reason, remedy
    counts : rows rejected by (table, rule)
    warnings : what is odd but accepted: table, rule, count, message
    files : file name by table
    """

    tables: Tables
    rejected: pd.DataFrame
    counts: Mapping[tuple[str, str], int]
    warnings: pd.DataFrame
    files: Mapping[str, str]


def validate(
    raw: RawTables, now: pd.Timestamp, known: Tables | None = None, *, odd: bool = True
) -> Validated:
    """Judge every row of a source as of `now`.

    Parameters
    ----------
    raw : the source as text
    now : facts later than this lie in the future; time zone aware
    known : what the store holds already: deals, stages and other rows that a source may refer to
    odd : whether to look for what is odd but accepted, which takes a third of the time
    """
    frames = with_words({name: _typed(raw, table) for name, table in CONTRACT.items()})
    known = known or Tables.empty()
    findings = Findings(raw)
    check_rows(frames, now, findings)
    check_links(Links(frames, known), findings)
    accepted = {name: frame[~findings.bad(name)] for name, frame in frames.items()}
    accepted = {name: _collapse(name, frame, findings) for name, frame in accepted.items()}
    if odd:
        tell_oddities(Links(accepted, known), findings)
    return Validated(
        tables=Tables(**{name: conform(accepted[name], CONTRACT[name]) for name in CONTRACT}),
        rejected=findings.rejected(),
        counts=findings.counts(),
        warnings=findings.warnings(),
        files={name: table.file for name, table in raw.tables.items()},
    )


def _typed(raw: RawTables, table: Table) -> pd.DataFrame:
    text = raw.tables[table.name].frame if table.name in raw.tables else pd.DataFrame()
    return parse(text, table)


def _collapse(name: str, frame: pd.DataFrame, findings: Findings) -> pd.DataFrame:
    """Keep one row a key where repeats are normal dirt, and say how many went."""
    if name not in REPEATABLE:
        return frame
    keep = REPEATABLE[name]
    again = frame.duplicated(list(CONTRACT[name].key), keep="first" if keep == "first" else "last")
    count = int(again.sum())
    message = f"{count} rows repeat an identifier; the {keep} row of each was kept"
    findings.warn(name, "repeated_key", count, message)
    return frame[~again]


def problems_text(validated: Validated, limit: int = 10) -> str:
    """Lines a person can act on: file, column, reason, remedy and count, then the first rows.

    Parameters
    ----------
    limit : rows shown of each rule; how many more there are is said
    """
    lines: list[str] = []
    groups = validated.rejected.groupby(["table", "column", "rule"], sort=False)
    for (table, column, _), rows in groups:
        first = rows.iloc[0]
        lines.append(f"{validated.files[str(table)]}, column {column}: {first['reason']}")
        lines.append(f"    {len(rows):,} in all; {first['remedy']}")
        shown = rows.head(limit)
        pairs = zip(shown["row"], shown["value"], strict=True)
        lines += [f"    row {row}: {value!r}" for row, value in pairs]
        if len(rows) > limit:
            lines.append(f"    ... and {len(rows) - limit} more")
    return "\n".join(lines)
