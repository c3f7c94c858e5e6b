"""Figures of a run's audit, from plain estimates."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import cycle

import plotly.graph_objects as go

from skin.evaluation.metrics import Estimate
from skin.plots.report import defined, legend_below, whiskers
from skin.plots.style import styled
from skin.theme import GREY, RUN_COLOURS


@dataclass(frozen=True)
class _Look:
    """The look of a series, which tells it from the others without colours, too."""

    colour: str
    symbol: str
    dash: str


_LOOKS = (
    _Look(RUN_COLOURS[0], "circle", "solid"),
    _Look(RUN_COLOURS[1], "diamond", "dash"),
    _Look(RUN_COLOURS[2], "square", "dot"),
    _Look(RUN_COLOURS[3], "triangle-up", "dashdot"),
)


def level_curves(title: str, axis: str, levels: Sequence[str], series: Mapping[str, Sequence[Estimate]]) -> go.Figure:
    """Shares against the level of a perturbation, a line each with the intervals of its points.

    The levels stand at equal distances, as they are written; a series has an estimate for each.
    """
    figure = go.Figure()
    for name, estimates, look in _looks(series):
        figure.add_scatter(
            x=list(levels),
            y=defined([estimate.value for estimate in estimates]),
            name=escape(name),
            mode="lines+markers",
            line={"color": look.colour, "width": 2, "dash": look.dash},
            marker={"color": look.colour, "symbol": look.symbol, "size": 8},
            error_y=whiskers(list(estimates)),
            hovertemplate="%{x}: %{y:.1%}<extra>%{fullData.name}</extra>",
        )
    figure.update_layout(title_text=title)
    figure.update_yaxes(range=[0, 1.02], tickformat=".0%")
    figure.update_xaxes(title=axis, type="category")
    return legend_below(styled(figure, 340), room=100)


def dots(title: str, axis: str, rows: Mapping[str, Mapping[str, Estimate]], form: str = ".0%") -> go.Figure:
    """Estimates with their intervals along an axis: a row each, and in every row a mark for each series.

    `form` is d3's of the numbers.
    """
    figure = go.Figure()
    names = list(dict.fromkeys(name for row in rows.values() for name in row))
    by_series = {name: [row[name] for row in rows.values()] for name in names}
    for name, estimates, look in _looks(by_series):
        figure.add_scatter(
            x=defined([estimate.value for estimate in estimates]),
            y=[escape(row) for row in rows],
            name=escape(name),
            mode="markers",
            orientation="h",  # so that the marks of a row stand below each other
            marker={"color": look.colour, "symbol": look.symbol, "size": 9},
            error_x=whiskers(list(estimates)),
            hovertemplate=f"%{{y}}: %{{x:{form}}}<extra>%{{fullData.name}}</extra>",
        )
    figure.add_vline(x=0, line={"color": GREY, "width": 1})
    figure.update_layout(title_text=title, scattermode="group", scattergap=0.4, showlegend=len(names) > 1)
    figure.update_xaxes(title=axis, tickformat=form, zeroline=False)
    figure.update_yaxes(autorange="reversed", type="category")
    several = len(names) > 1
    return legend_below(
        styled(figure, 110 + 24 * len(rows) * max(1, len(names) - 1) + 30 * several), room=60 + 30 * several
    )


def _looks(series: Mapping[str, Sequence[Estimate]]) -> Iterator[tuple[str, Sequence[Estimate], _Look]]:
    """Every series with a look of its own, as far as there are enough."""
    for (name, estimates), look in zip(series.items(), cycle(_LOOKS), strict=False):
        yield name, estimates, look
