"""Facts printed as JSON and as tables."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from skin.evaluation.metrics import Estimate
from skin.evaluation.summary import NOT_COMPUTED


def print_json(facts: object) -> None:
    """Print the facts as indented JSON."""
    print(json.dumps(facts, indent=1, default=str))


def print_table(header: list[str], rows: list[list[Any]]) -> None:
    """Print the rows in columns as wide as their widest cell."""
    lines = [header, *([str(cell) for cell in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def interval(estimate: Estimate | None) -> str:
    """An estimate with its interval, a dash where it is undefined."""
    if estimate is None:
        return NOT_COMPUTED
    if np.isnan(estimate.low):
        return "-"
    return f"{estimate.value:.3f} ({estimate.low:.3f} to {estimate.high:.3f})"


def text(value: object) -> str:
    """A cell: numbers with three decimals, nothing for None."""
    return "" if value is None else f"{value:.3f}" if isinstance(value, float) else str(value)
