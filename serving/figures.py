"""How figures are written for people: money, chances, dates."""

from __future__ import annotations

import math

import pandas as pd
from jinja2 import Environment

SIGNS = {"EUR": "€", "USD": "$", "GBP": "£", "THB": "฿", "JPY": "¥", "INR": "₹", "KRW": "₩"}
MISSING = "–"


def add_figures(templates: Environment) -> None:
    """Make the figures known to templates as filters."""
    filters = {"money": money, "chance": chance, "day": day, "days": days, "count": count}
    templates.filters.update(filters)


def money(value: float | None, currency: str = "") -> str:
    """Write an amount with thousands separators and its currency.

    >>> money(1234567.8, "EUR"), money(950, "CHF"), money(None)
    ('€1,234,568', 'CHF 950', '–')
    """
    if value is None or not math.isfinite(value):
        return MISSING
    sign = SIGNS.get(currency, f"{currency} " if currency else "")
    return f"{sign}{value:,.0f}"


def chance(p: float) -> str:
    """Write a probability in per cent, never as a certainty that it is not.

    >>> chance(0.314), chance(0.001), chance(0.9999), chance(0.0)
    ('31%', '<1%', '>99%', '0%')
    """
    if 0 < p < 0.01:
        return "<1%"
    return ">99%" if 0.99 < p < 1 else f"{p:.0%}"


def day(at: pd.Timestamp | None, *, year: int | None = None) -> str:
    """Write a day; the year only where it is not the one given.

    >>> day(pd.Timestamp("2026-03-05"), year=2026), day(pd.Timestamp("2027-03-05"), year=2026)
    ('5 Mar', '5 Mar 2027')
    """
    if at is None or pd.isna(at):
        return MISSING
    text = f"{at.day} {at:%b}"
    return text if year == at.year else f"{text} {at.year}"


def days(value: float) -> str:
    """Write a number of days.

    >>> days(1.2), days(30.7), days(float("nan"))
    ('1 day', '30 days', '–')
    """
    if math.isnan(value):
        return MISSING
    return "1 day" if int(value) == 1 else f"{int(value):,} days"


def count(value: float) -> str:
    """Write a number of wins, which may be a fraction.

    >>> count(12.345), count(3)
    ('12.3', '3')
    """
    return f"{value:,.1f}" if isinstance(value, float) else f"{value:,}"
