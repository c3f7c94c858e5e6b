"""Figures of a sweep; plotly takes a name for markup, so that names are escaped."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from textwrap import wrap
from typing import Self

import numpy as np
import plotly.graph_objects as go
from plotly.colors import sample_colorscale

from skin.plots.style import styled
from skin.theme import F1_SCALE, GREY, NEUTRAL

MANY_TIMES = 10
"""From this ratio of the largest value to the smallest on, an axis is one of logarithms."""

N_TICKS = 3
"""Texts along an axis of numbers; a phone has room for three names, too."""

LABEL_WIDTH = 13
"""Letters in a line of an axis' label."""


@dataclass(frozen=True)
class Axis:
    """A setting, and its value in each trial."""

    label: str
    values: Sequence[str | int | float | bool]


@dataclass(frozen=True)
class _Scale:
    """The places of an axis' values along it, from 0 to 1, and the texts at some of its places."""

    places: Sequence[float]
    ticks: Sequence[tuple[float, str]]

    @classmethod
    def of(cls, values: Sequence[str | int | float | bool]) -> Self:
        """Names in their order, numbers by their size or, where that varies much, by its logarithm."""
        if any(isinstance(value, str | bool) for value in values):
            names = sorted({str(value) for value in values})
            place = dict(zip(names, np.linspace(0, 1, len(names)).tolist(), strict=True))
            return cls([place[str(value)] for value in values], [(place[name], escape(name)) for name in names])
        numbers = np.array(values, np.float64)
        low, high = numbers.min(), numbers.max()
        is_wide = low > 0 and high >= MANY_TIMES * low
        shown = np.geomspace(low, high, N_TICKS) if is_wide else np.linspace(low, high, N_TICKS)
        scaled = np.log(numbers / low) / np.log(high / low) if is_wide else (numbers - low) / ((high - low) or 1)
        ticks = np.linspace(0, 1, N_TICKS).tolist() if high > low else [0]
        return cls(scaled.tolist(), [(place, f"{value:.2g}") for place, value in zip(ticks, shown, strict=False)])


def parallel_coordinates(axes: Sequence[Axis], scores: Sequence[float], score: str) -> go.Figure:
    """A line for each trial through its settings, a row each, down to its score; orange is poor, blue is good.

    The axes lie on their sides, so that a phone has room for their labels.
    """
    rows = [*axes, Axis(score, scores)]
    scales = [_Scale.of(row.values) for row in rows]
    colours = sample_colorscale(list(map(list, F1_SCALE)), scales[-1].places)
    figure = go.Figure()
    for trial in np.argsort(scores, kind="stable"):  # the best on top
        settings = "<br>".join(f"{escape(row.label)}: {escape(_shown(row.values[trial]))}" for row in rows)
        figure.add_scatter(
            x=[scale.places[trial] for scale in scales],
            y=list(range(len(rows))),
            mode="lines+markers",
            line={"color": colours[trial], "width": 1.5},
            marker={"size": 5},
            showlegend=False,
            hovertemplate=f"{settings}<extra></extra>",
        )
    for number, scale in enumerate(scales):
        _draw_axis(figure, number, scale)
    labels = ["<br>".join(map(escape, wrap(row.label, LABEL_WIDTH))) for row in rows]
    figure.update_yaxes(
        tickvals=list(range(len(rows))), ticktext=labels, range=[len(rows) - 0.4, -0.3], showgrid=False, zeroline=False
    )
    figure.update_xaxes(visible=False, range=[-0.04, 1.04])
    figure.update_layout(title_text="Settings of each trial")
    return styled(figure, 90 + 76 * len(rows))


def _shown(value: str | int | float | bool) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _draw_axis(figure: go.Figure, number: int, scale: _Scale) -> None:
    """The line of an axis, and its texts below it; many texts alternate between two heights."""
    figure.add_shape(type="line", x0=0, x1=1, y0=number, y1=number, line={"color": GREY, "width": 1}, layer="below")
    for index, (place, text) in enumerate(scale.ticks):
        side = "left" if place == 0 else "right" if place == 1 else "center"
        lower = 14 * (len(scale.ticks) > N_TICKS and index % 2)
        figure.add_annotation(
            x=place, y=number, text=text, showarrow=False, xanchor=side, yanchor="top", yshift=-4 - lower
        )


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
