"""How figures are written for people: money, chances, shares, counts."""

from __future__ import annotations

import math

from jinja2 import Environment

SIGNS = {"EUR": "€", "USD": "$", "GBP": "£", "THB": "฿", "JPY": "¥", "INR": "₹", "KRW": "₩"}
MISSING = "–"
WHOLE = 1e-6
LONGEST_WORD = 28


def add_figures(templates: Environment) -> None:
    """Make the figures known to templates as filters."""
    filters = (
        times,
        money,
        chance,
        share,
        points,
        signed,
        signed4,
        count,
        decimal,
        figures,
        short,
        written,
    )
    templates.filters.update({each.__name__: each for each in filters})
    templates.tests["long_word"] = long_word


def long_word(value: object) -> bool:
    """Tell whether a text holds a word that is too long to stand in a column unbroken.

    >>> long_word("deal_type_won_amount_lift of all"), long_word("x" * 29), long_word(None)
    (False, True, False)
    """
    return isinstance(value, str) and max(map(len, value.split()), default=0) > LONGEST_WORD


def money(value: float | None, currency: str | None = "") -> str:
    """Write an amount with thousands separators and its currency.

    >>> money(1234567.8, "EUR"), money(950, "CHF"), money(-3, "EUR"), money(None)
    ('€1,234,568', 'CHF 950', '-€3', '–')
    """
    if value is None or not math.isfinite(value):
        return MISSING
    sign = SIGNS.get(currency or "", f"{currency} " if currency else "")
    return f"{'-' if round(value) < 0 else ''}{sign}{abs(value):,.0f}"


def short(value: float | None, currency: str | None = "") -> str:
    """Write an amount in few characters.

    >>> short(1234567.8, "EUR"), short(45_300), short(950, "CHF"), short(None)
    ('€1.23M', '45.3k', 'CHF 950', '–')
    """
    if value is None or not math.isfinite(value):
        return MISSING
    sign = SIGNS.get(currency or "", f"{currency} " if currency else "")
    for size, unit in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{'-' if value < 0 else ''}{sign}{abs(value) / size:.3g}{unit}"
    return money(value, currency)


def chance(p: float | None) -> str:
    """Write a probability in per cent, never as a certainty that it is not.

    >>> chance(0.314), chance(0.001), chance(0.9999), chance(0.0), chance(None)
    ('31%', '<1%', '>99%', '0%', '–')
    """
    if p is None or not math.isfinite(p):
        return MISSING
    if 0 < p < 0.01:
        return "<1%"
    return ">99%" if 0.99 < p < 1 else f"{p:.0%}"


def share(value: float | None) -> str:
    """Write a part of a whole in per cent.

    >>> share(0.4567), share(None)
    ('46%', '–')
    """
    return f"{value:.0%}" if value is not None and math.isfinite(value) else MISSING


def points(value: float | None) -> str:
    """Write a difference of shares in percentage points, with its sign.

    >>> points(0.043), points(-0.1), points(0.001), points(None)
    ('+4', '−10', '0', '–')
    """
    if value is None or not math.isfinite(value):
        return MISSING
    whole = round(100 * value)
    return "0" if whole == 0 else f"{'+' if whole > 0 else '−'}{abs(whole)}"


def signed(value: float | None) -> str:
    """Write a number with its sign.

    >>> signed(0.318), signed(-1.2)
    ('+0.32', '−1.20')
    """
    if value is None or not math.isfinite(value):
        return MISSING
    return f"{'−' if value < 0 else '+'}{abs(value):.2f}"


def signed4(value: float | None) -> str:
    """Write a small number with its sign.

    >>> signed4(0.01305)
    '+0.0130'
    """
    if value is None or not math.isfinite(value):
        return MISSING
    return f"{'−' if value < 0 else '+'}{abs(value):.4f}"


def count(value: float | None) -> str:
    """Write a number of things, which may be a fraction where it is expected.

    >>> count(12.345), count(3), count(None)
    ('12.3', '3', '–')
    """
    if value is None or not math.isfinite(value):
        return MISSING
    whole_number = abs(value - round(value)) < WHOLE
    return f"{round(value):,}" if whole_number else f"{value:,.1f}"


def times(value: float | None) -> str:
    """Write a ratio.

    >>> times(2.305), times(None)
    ('2.31×', '–')
    """
    return f"{value:,.2f}×" if value is not None and math.isfinite(value) else MISSING


def whole(value: float | None) -> str:
    """Write a number without places.

    >>> whole(47.27)
    '47'
    """
    return f"{value:,.0f}" if value is not None and math.isfinite(value) else MISSING


def decimal(value: float | None, places: int = 2) -> str:
    """Write a number with two places, or as many as asked.

    >>> decimal(1.2345), decimal(-0.001), decimal(None)
    ('1.23', '0.00', '–')
    """
    if value is None or not math.isfinite(value):
        return MISSING
    return f"{round(value, places) + 0.0:,.{places}f}"


def figures(value: float | None) -> str:
    """Write a number of any size with three figures.

    >>> figures(-0.00412), figures(1234.5), figures(34.0), figures(None)
    ('-0.00412', '1,234', '34', '–')
    """
    if value is None or not math.isfinite(value):
        return MISSING
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def written(value: float | None, kind: str, currency: str = "") -> str:
    """Write a bound of an interval as its column is written.

    >>> written(0.25, "share"), written(12.0, "decimal")
    ('25%', '12.00')
    """
    if kind == "money":
        return short(value, currency)
    kinds = {
        "chance": chance,
        "share": share,
        "points": points,
        "count": count,
        "days": whole,
        "times": decimal,
    }
    return kinds.get(kind, decimal)(value)
