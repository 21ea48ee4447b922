"""How the page writes numbers; what is not known is a dash."""

from __future__ import annotations

from math import log10

UNKNOWN = "–"
_MINUS = "\N{MINUS SIGN}"
_LARGE = ((1e12, "T"), (1e9, "G"), (1e6, "M"))


def rate(value: float | None) -> str:
    """Return a share or a score to three places: ``0.437``."""
    return UNKNOWN if value is None else f"{value:.3f}".replace("-", _MINUS)


def rate_range(interval: list[float] | None) -> str:
    """Return an interval of rates: ``0.421–0.453``."""
    return "" if interval is None else f"{rate(interval[0])}–{rate(interval[1])}"


def signed(value: float | None) -> str:
    """Return a difference with its sign: ``+0.012``."""
    return UNKNOWN if value is None else f"{value:+.3f}".replace("-", _MINUS)


def signed_range(interval: list[float] | None) -> str:
    """Return an interval of differences: ``−0.004 to +0.027``."""
    return "" if interval is None else f"{signed(interval[0])} to {signed(interval[1])}"


def probability(value: float | None) -> str:
    """Return a p-value to three places, or that it is below the last of them."""
    if value is None:
        return UNKNOWN
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def count(value: float | None) -> str:
    """Return how many; a mean to one place, where that is not 0."""
    return UNKNOWN if value is None else f"{value:,.1f}".removesuffix(".0")


def large(value: float | None) -> str:
    """Return a large count to three digits: ``2.26 M``."""
    if value is None:
        return UNKNOWN
    for size, letter in _LARGE:
        if value >= size:
            return f"{measure(value / size)} {letter}"
    return count(value)


def measure(value: float | None) -> str:
    """Return a quantity to three digits, or in whole units where those are more: ``0.0512``, ``4.20``, ``1,234``."""
    if value is None:
        return UNKNOWN
    if value == 0:
        return "0"
    places = max(0, 2 - int(log10(abs(value)) // 1))
    return f"{value:,.{min(places, 4)}f}".replace("-", _MINUS)


def percent(value: float | None) -> str:
    """Return a share in whole per cent, without the sign."""
    return UNKNOWN if value is None else f"{value:.0%}".removesuffix("%")


def signed_percent(value: float | None) -> str:
    """Return a difference of shares in whole points, with its sign where it is not 0."""
    if value is None:
        return UNKNOWN
    text = f"{value:+.0%}".removesuffix("%").replace("-", _MINUS)
    return "0" if text[1:] == "0" else text
