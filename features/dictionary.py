"""The data dictionary: the catalogue as rows and as the page docs/features.md."""

from __future__ import annotations

from features import pipeline  # noqa: F401 - importing it registers every family
from features.catalogue import CATALOGUE, FAMILIES

TITLES = {
    "engagement": "Who talked with whom, how often, how lately",
    "source": "Where the deal came from, and how such deals ended",
    "size": "The amount as it was known, and how it moved",
    "momentum": "Where the deal stands, how long, how it got there",
    "people": "Who works the deal, with what record and load",
    "account": "The company, our past with it, its fit",
    "calendar": "Where the day stands in the month, quarter and year",
    "custom": "Columns of the firm's own",
}


def catalogue_rows() -> list[dict[str, str]]:
    """One row a feature, by family: family, name, unit, meaning, needs, why."""
    return [
        {
            "family": family,
            "name": feature.name,
            "unit": feature.unit,
            "meaning": feature.meaning,
            "needs": ", ".join(feature.needs),
            "why": feature.why,
        }
        for family in FAMILIES
        for feature in CATALOGUE.values()
        if feature.family == family
    ]


def catalogue_markdown() -> str:
    """Text of docs/features.md."""
    rows = catalogue_rows()
    lines = [
        "# Features",
        "",
        f"The {len(rows)} features that dealcast reads from a CRM's history, by family. Each",
        "sees only what was known strictly before the as-of instant. A feature whose columns are",
        "missing is switched off; nothing else is. Those marked * are for people and reasons:",
        "models do not read them, for they move with the age of the firm, or say in more detail",
        "what models read already. Written by `make features-doc` from the catalogue.",
    ]
    for family in FAMILIES:
        chosen = [row for row in rows if row["family"] == family]
        lines += ["", f"## {family}", "", f"{TITLES[family]}."]
        if not chosen:
            lines += [
                "",
                "Made for each firm from `fixed_at_creation` in the settings, and from every",
                "property of `deal_history` beside the standard ones: numbers, categories, dates.",
            ]
            continue
        lines += ["", "| feature | unit | meaning | needs | why |", "|---|---|---|---|---|"]
        lines += [_table_row(row) for row in chosen]
    return "\n".join(lines) + "\n"


def _table_row(row: dict[str, str]) -> str:
    name = f"`{row['name']}`" + ("" if CATALOGUE[row["name"]].for_models else " *")
    needs = row["needs"] or "deals"
    return f"| {name} | {row['unit']} | {row['meaning']} | {needs} | {row['why']} |"
