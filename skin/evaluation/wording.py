"""Estimates in words, as sentences say them."""

import math

from skin.evaluation.metrics import Estimate


def percent(estimate: Estimate) -> str:
    """A share with its interval in percent."""
    if math.isnan(estimate.value):
        return "undefined"
    return f"{estimate.value:.1%}" + _interval(100 * estimate.low, 100 * estimate.high, "{:.1f}")


def points(estimate: Estimate) -> str:
    """A difference of shares with its interval in points, both signed."""
    if math.isnan(estimate.value):
        return "undefined"
    return f"{100 * estimate.value:+.1f} points" + _interval(100 * estimate.low, 100 * estimate.high, "{:+.1f}")


def number(estimate: Estimate) -> str:
    """A number with its interval."""
    if math.isnan(estimate.value):
        return "undefined"
    return f"{estimate.value:.2f}" + _interval(estimate.low, estimate.high, "{:.2f}")


def is_beyond_chance(difference: Estimate) -> bool:
    """True where the interval leaves out zero."""
    return difference.low > 0 or difference.high < 0


def _interval(low: float, high: float, form: str) -> str:
    return "" if math.isnan(low) else f" ({form.format(low)} to {form.format(high)})"
