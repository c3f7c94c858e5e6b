"""Figures of a sweep; plotly takes a name for markup, so that names are escaped."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
import plotly.graph_objects as go

from skin.plots.style import styled
from skin.theme import F1_SCALE, GREY, NEUTRAL

MANY_TIMES = 10
"""From this ratio of the largest value to the smallest on, an axis is one of logarithms."""


@dataclass(frozen=True)
class Axis:
    """A setting, and its value in each trial."""

    label: str
    values: Sequence[str | int | float | bool]


def parallel_coordinates(axes: Sequence[Axis], scores: Sequence[float], score: str) -> go.Figure:
    """A line for each trial through its settings to its score; orange is poor, blue is good."""
    dimensions = [*(_dimension(axis) for axis in axes), {"label": escape(score), "values": list(scores)}]
    figure = go.Figure(
        go.Parcoords(
            dimensions=dimensions,
            line={"color": list(scores), "colorscale": F1_SCALE},
            labelfont={"color": GREY, "size": 13},
            tickfont={"color": GREY, "size": 12},
            rangefont={"color": GREY, "size": 1},
            labelangle=-20 if len(dimensions) > 3 else 0,
        )
    )
    figure.update_layout(title_text="Settings of each trial", margin={"l": 70, "r": 80, "t": 110, "b": 24})
    return styled(figure, 420)


def _dimension(axis: Axis) -> dict[str, Any]:
    values = axis.values
    if any(isinstance(value, str | bool) for value in values):
        names = sorted({str(value) for value in values})
        places = [names.index(str(value)) for value in values]
        ticks = {"tickvals": list(range(len(names))), "ticktext": [escape(name) for name in names]}
        return {"label": escape(axis.label), "values": places, **ticks}
    numbers = np.array(values, np.float64)
    if numbers.min() > 0 and numbers.max() >= MANY_TIMES * numbers.min():
        shown = np.geomspace(numbers.min(), numbers.max(), 4)
        ticks = {"tickvals": np.log10(shown).tolist(), "ticktext": [f"{value:.2g}" for value in shown]}
        return {"label": escape(axis.label), "values": np.log10(numbers).tolist(), **ticks}
    return {"label": escape(axis.label), "values": numbers.tolist()}


def influences(shares: Mapping[str, float]) -> go.Figure:
    """The share of each setting in what is explained of the scores, the largest on top."""
    ordered = sorted(shares.items(), key=lambda pair: pair[1])
    figure = go.Figure(
        go.Bar(
            x=[share for _, share in ordered],
            y=[escape(label) for label, _ in ordered],
            orientation="h",
            marker_color=NEUTRAL,
            text=[f"{share:.0%}" for _, share in ordered],
            textposition="outside",
            cliponaxis=False,
            hovertemplate="%{y}: %{x:.0%}<extra></extra>",
        )
    )
    figure.update_layout(title_text="Settings that matter most")
    figure.update_xaxes(title="share of what is explained", tickformat=".0%", range=[0, 1.1])
    return styled(figure, 130 + 34 * len(ordered))
