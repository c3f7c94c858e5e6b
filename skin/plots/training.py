"""Figures of the histories of runs; plotly takes a name for markup, so that names are escaped."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import cycle
from typing import Any

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from skin.plots.report import legend_below
from skin.plots.style import styled
from skin.run import Epoch, best_epoch
from skin.theme import GREY, RUN_COLOURS, TRAIN_COLOUR, VALIDATION_COLOUR, WHITE

MAX_POINTS = 500
MAX_TICKS = 12
"""Epochs up to which each has its own tick: of so few, plotly would also mark halves."""

HEIGHT = 640
FAINT = 0.25


@dataclass(frozen=True)
class Curve:
    """A column of a history, and how it is drawn: colour is that of a run which stands alone."""

    field: str
    name: str
    colour: str = VALIDATION_COLOUR
    dash: str = "solid"


def _train(field: str) -> Curve:
    return Curve(field, "train", TRAIN_COLOUR, "dot")


PANELS: Mapping[str, tuple[Curve, ...]] = {
    "loss (nats)": (_train("loss"), Curve("val_loss", "validation")),
    "accuracy": (_train("accuracy"), Curve("val_accuracy", "validation")),
    "balanced acc.": (Curve("val_balanced_accuracy", "validation"),),
    "learning rate": (Curve("learning_rate", "learning rate", GREY),),
}
"""The curves in each row of the figure, by the title of its axis; the loss is first."""

SCHEDULED = "learning_rate"
"""The column that is no measurement: it is not smoothed, and the best epoch is not marked on it."""


@dataclass(frozen=True)
class CurveStyle:
    """The look of the curves: the weight of the past in what is smoothed, from 0 to below 1, and the loss's axis."""

    smoothing: float = 0.0
    log_loss: bool = False


PLAIN = CurveStyle()


def history_figure(history: Sequence[Epoch], style: CurveStyle = PLAIN) -> go.Figure:
    """Loss, accuracies and learning rate by epoch, with the start of stage 2 and the best epoch marked.

    Of a long history MAX_POINTS epochs are drawn, the first, the last and the best among them.
    """
    figure = _panels(style)
    _add_run(figure, history, style)
    _mark_stage_2(figure, history)
    figure.update_xaxes(dtick=1 if len(history) <= MAX_TICKS else None)
    figure.update_layout(legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0})
    return styled(figure, HEIGHT)


def histories_figure(histories: Mapping[str, Sequence[Epoch]], style: CurveStyle = PLAIN) -> go.Figure:
    """The same of several runs, a colour each; train is dotted, and a diamond marks the start of stage 2."""
    figure = _panels(style)
    for (run, history), colour in zip(histories.items(), cycle(RUN_COLOURS), strict=False):
        _add_run(figure, history, style, escape(run), colour)
    room = 24 * len(histories)
    return legend_below(styled(figure, HEIGHT + room), room=50 + room)


def smoothed(values: Sequence[float], weight: float) -> list[float]:
    """Exponential moving average, rid of its bias towards the zero that it starts from, as TensorBoard does it."""
    average, result = 0.0, []
    for count, value in enumerate(values, start=1):
        average = weight * average + (1 - weight) * value
        result.append(average / (1 - weight**count))
    return result


def _panels(style: CurveStyle) -> go.Figure:
    figure = make_subplots(rows=len(PANELS), shared_xaxes=True, vertical_spacing=0.04, row_heights=[5, 4, 4, 3])
    for row, title in enumerate(PANELS, start=1):
        figure.update_yaxes(title=title, tickformat=".0%" if "acc" in title else None, row=row)
    kind = "log" if style.log_loss else "linear"  # a range that was zoomed into means something else on the other axis
    figure.update_yaxes(type=kind, uirevision=kind, row=1)
    if style.log_loss:  # plotly writes 0.5 as "5" there unless it is told how
        figure.update_yaxes(dtick="D2", tickformat="~g", row=1)
    figure.update_xaxes(title="epoch", row=len(PANELS))
    return figure.update_layout(hovermode="x unified")


def _thinned(history: Sequence[Epoch]) -> list[int]:
    """Indices of the epochs that are drawn."""
    if len(history) <= MAX_POINTS:
        return list(range(len(history)))
    even = np.linspace(0, len(history) - 1, MAX_POINTS - 1).round().astype(int)
    return sorted({*even.tolist(), _best_index(history)})


def _best_index(history: Sequence[Epoch]) -> int:
    best = best_epoch(list(history))
    return history.index(best) if best else 0


def _add_run(figure: go.Figure, history: Sequence[Epoch], style: CurveStyle, run: str = "", colour: str = "") -> None:
    """The curves and marks of a run; one that stands alone has neither name nor colour."""
    kept = _thinned(history)
    for row, curves in enumerate(PANELS.values(), start=1):
        for curve in curves:
            for trace in _curve(history, kept, curve, 0 if curve.field == SCHEDULED else style.smoothing):
                _add(figure, trace, row, curve, run, colour)
        if history and curve.field != SCHEDULED:
            _add(figure, _best_mark(history, curve.field), row, curve, run, colour)
    if run and (starts := _stage_2(history)):
        _add(figure, _diamond(history, starts), 1, PANELS["loss (nats)"][1], run, colour)


def _curve(history: Sequence[Epoch], kept: list[int], curve: Curve, smoothing: float) -> list[dict[str, Any]]:
    """The trace as measured and, where it is smoothed, faintly behind that."""
    measured = [getattr(epoch, curve.field) for epoch in history]
    line = {"x": [index + 1 for index in kept], "mode": "lines+markers" if len(kept) < 4 else "lines"}
    faint = {**line, "y": [measured[index] for index in kept], "opacity": FAINT, "hoverinfo": "skip"}
    drawn = smoothed(measured, smoothing)
    sharp = {**line, "y": [drawn[index] for index in kept], "name": curve.name}
    return [faint, sharp] if smoothing else [sharp]


def _best_mark(history: Sequence[Epoch], field: str) -> dict[str, Any]:
    best = _best_index(history)
    return {"name": "best epoch (kept)", **_mark(best + 1, getattr(history[best], field), "star", 13)}


def _diamond(history: Sequence[Epoch], start: int) -> dict[str, Any]:
    return _mark(start + 1, history[start].val_loss, "diamond", 10)


def _mark(x: int, y: float, symbol: str, size: int) -> dict[str, Any]:
    marker = {"symbol": symbol, "size": size, "line": {"color": WHITE, "width": 1}}
    return {"x": [x], "y": [y], "mode": "markers", "marker": marker, "hoverinfo": "skip"}


def _add(figure: go.Figure, trace: dict[str, Any], row: int, curve: Curve, run: str, colour: str) -> None:
    """Add a trace in the run's colour or, of a run that stands alone, the curve's; the legend names runs or curves."""
    name = trace.pop("name", "")
    told = run if curve.dash == "solid" else f"{run} (train)"
    line = {"color": colour or curve.colour, "dash": curve.dash, "width": 2}
    figure.add_scatter(
        **trace,
        name=told if run else name,
        legendgroup=run or name or curve.name,
        showlegend=_is_key(row, name, curve, bool(run)),
        row=row,
        col=1,
    )
    figure.data[-1].update({"marker_color": line["color"]} if trace["mode"] == "markers" else {"line": line})


def _is_key(row: int, name: str, curve: Curve, several: bool) -> bool:
    """True where the legend lists a trace: a run's validation loss where there are several, else each kind of curve."""
    if several:
        return row == 1 and name == "validation"
    return bool(name) and (row == 1 or curve.field == SCHEDULED)


def _stage_2(history: Sequence[Epoch]) -> int:
    """Index of the first epoch of stage 2, 0 where the run did not come to it from stage 1."""
    stages = [epoch.stage for epoch in history]
    return stages.index(2) if 1 in stages and 2 in stages else 0


def _mark_stage_2(figure: go.Figure, history: Sequence[Epoch]) -> None:
    if not (first := _stage_2(history)):
        return
    start = first + 0.5
    figure.add_vline(x=start, line={"color": GREY, "dash": "dash", "width": 1.5})
    figure.add_annotation(
        text="stage 2: fine-tuning",
        x=start,
        xanchor="left" if start < len(history) / 2 else "right",
        y=1,
        yref="y domain",
        yanchor="top",
        showarrow=False,
    )
