"""Figures of a run's history."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from skin.plots.style import styled
from skin.run import Epoch, best_epoch

TRAIN_COLOUR = "#e08a1e"
VALIDATION_COLOUR = "#3b82c4"
MAX_POINTS = 500
MAX_TICKS = 12
"""Epochs up to which each has its own tick: of so few, plotly would also mark halves."""


def history_figure(history: Sequence[Epoch]) -> go.Figure:
    """Loss above accuracy by epoch, train and validation, with the start of stage 2 and the best epoch marked.

    Of a long history MAX_POINTS epochs are drawn, the first, the last and the best among them.
    """
    figure = make_subplots(rows=2, cols=1, shared_xaxes=True, vertical_spacing=0.08)
    kept = _thinned(history)
    for row, measure in enumerate(("loss", "accuracy"), start=1):
        _add_curves(figure, history, kept, row, measure)
    _mark_stage_2(figure, history)
    figure.update_yaxes(title="loss (nats)", row=1, col=1)
    figure.update_yaxes(title="accuracy", tickformat=".0%", row=2, col=1)
    figure.update_xaxes(title="epoch", row=2, col=1)
    figure.update_xaxes(dtick=1 if len(history) <= MAX_TICKS else None)
    figure.update_layout(hovermode="x unified", legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0})
    return styled(figure, height=460)


def _thinned(history: Sequence[Epoch]) -> list[int]:
    """Indices of the epochs that are drawn."""
    if len(history) <= MAX_POINTS:
        return list(range(len(history)))
    even = np.linspace(0, len(history) - 1, MAX_POINTS - 1).round().astype(int)
    return sorted({*even.tolist(), _best_index(history)})


def _best_index(history: Sequence[Epoch]) -> int:
    best = best_epoch(list(history))
    return history.index(best) if best else 0


def _add_curves(figure: go.Figure, history: Sequence[Epoch], kept: list[int], row: int, measure: str) -> None:
    numbers = [index + 1 for index in kept]
    for name, field, colour, dash in (
        ("train", measure, TRAIN_COLOUR, "dot"),
        ("validation", f"val_{measure}", VALIDATION_COLOUR, "solid"),
    ):
        values = [getattr(history[index], field) for index in kept]
        figure.add_scatter(
            x=numbers,
            y=values,
            name=name,
            legendgroup=name,
            showlegend=row == 1,
            mode="lines+markers" if len(kept) < 4 else "lines",
            line={"color": colour, "dash": dash, "width": 2},
            row=row,
            col=1,
        )
    if history:
        _mark_best(figure, history, row, f"val_{measure}")


def _mark_best(figure: go.Figure, history: Sequence[Epoch], row: int, field: str) -> None:
    best = _best_index(history)
    figure.add_scatter(
        x=[best + 1],
        y=[getattr(history[best], field)],
        name="best epoch (kept)",
        legendgroup="best",
        showlegend=row == 1,
        mode="markers",
        marker={"symbol": "star", "size": 13, "color": VALIDATION_COLOUR, "line": {"color": "white", "width": 1}},
        hoverinfo="skip",
        row=row,
        col=1,
    )


def _mark_stage_2(figure: go.Figure, history: Sequence[Epoch]) -> None:
    stages = [epoch.stage for epoch in history]
    if 1 not in stages or 2 not in stages:
        return
    start = stages.index(2) + 0.5
    figure.add_vline(x=start, line={"color": "#8a8f98", "dash": "dash", "width": 1.5})
    figure.add_annotation(
        text="stage 2: fine-tuning",
        x=start,
        xanchor="left" if start < len(history) / 2 else "right",
        y=1,
        yref="y domain",
        yanchor="top",
        showarrow=False,
    )
