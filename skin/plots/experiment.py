"""Figures of an experiment: every fold and seed, the differences between two variants, and how the runs learn.

Plotly takes a name for markup, so that names are escaped.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from itertools import cycle
from textwrap import wrap
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray
from plotly.subplots import make_subplots

from skin.evaluation.metrics import METRICS, Estimate
from skin.plots.comparison import RUN_STYLES
from skin.plots.report import defined, legend_below, whiskers
from skin.plots.style import styled
from skin.plots.training import MAX_TICKS
from skin.run import Epoch
from skin.theme import ACCENT, GREY, NEUTRAL, translucent

SPREAD = 0.3
"""The points of a row lie so far above and below its middle, which is 1 from the next one's."""

TITLE_WIDTH = 24
"""Letters in a line of an axis' title, for which a phone has room."""

CURVES = {"val_loss": "loss (nats)", "val_balanced_accuracy": "balanced accuracy"}
"""Columns of the histories that are drawn, measured on the validation part, and the titles of their axes."""

STAGES = {1: "stage 1,<br>the head", 2: "stage 2, the<br>whole network"}
"""Titles of the learning curves, in lines of which two stand beside each other on a phone."""


@dataclass(frozen=True)
class Row:
    """A figure, or a difference, over folds and seeds.

    `whole` has the widest interval that is known, `lesions` that over lesions alone; `runs` holds the value of each fold
    and seed by its name. `is_clear` fills the mark of a difference.
    """

    label: str
    whole: Estimate
    lesions: Estimate
    runs: Mapping[str, float] = field(default_factory=dict)
    is_clear: bool = False


def every_run(metrics: Mapping[str, Sequence[Row]]) -> go.Figure:
    """Each metric, on an axis of its own, of every run as a point, and the pooled value with its interval as a diamond.

    `metrics` maps a row of METRICS to the variants.
    """
    figure = make_subplots(
        rows=len(metrics),
        cols=1,
        subplot_titles=[METRICS[name].label for name in metrics],
        vertical_spacing=0.4 / max(len(metrics), 1),
    )
    for place, rows in enumerate(metrics.values(), start=1):
        for height, (row, style) in enumerate(zip(rows, cycle(RUN_STYLES), strict=False)):
            points = _points(row, height, style.colour)
            pooled = _pooled(row, height, row.whole, style.colour)
            figure.add_scatter(**points, row=place, col=1)
            figure.add_scatter(**pooled, row=place, col=1)
        _label_rows(figure, [row.label for row in rows], row=place)
    figure.update_annotations(x=0, xanchor="left", xref="paper", font={"size": 13})
    figure.update_layout(title_text="Every fold and seed", showlegend=False)
    rows_in_all = sum(len(rows) for rows in metrics.values())
    return styled(figure, 70 + 56 * len(metrics) + 26 * rows_in_all).update_layout(margin_t=70)


def forest(rows: Sequence[Row], title: str, baseline: str, filled: str) -> go.Figure:
    """Differences from a baseline in points: of each fold and seed, and pooled, on a bar that is the interval over lesions.

    A point is a hundredth, of the log loss, too. `filled` tells what the filled marks have, those of the rows that are clear.
    """
    figure = go.Figure()
    in_points = [_times_100(row) for row in rows]
    runs = [_points(row, height, NEUTRAL) for height, row in enumerate(in_points)]
    if any(trace["x"] for trace in runs):
        joined = {key: [value for trace in runs for value in trace[key]] for key in ("x", "y", "text")}
        figure.add_scatter(**{**runs[0], **joined}, name="a fold with a seed")
    figure.add_scatter(**_bars([row.lesions for row in in_points]), name="95% interval over lesions")
    figure.add_scatter(
        x=defined([row.whole.value for row in in_points]),
        y=list(range(len(rows))),
        mode="markers",
        showlegend=False,
        error_x=whiskers([row.whole for row in in_points]),
        marker={
            "size": 10,
            "color": ACCENT,
            "symbol": ["circle" if row.is_clear else "circle-open" for row in rows],
        },
        text=[escape(row.label) for row in rows],
        hovertemplate="%{text}: %{x:+.1f} points<extra></extra>",
    )
    figure.add_vline(x=0, line={"color": GREY, "width": 1.5})
    knows_seeds = any(row.whole.low < row.lesions.low for row in rows)
    for name, symbol in (("over lesions and seeds" if knows_seeds else "pooled", "circle-open"), (filled, "circle")):
        marker = {"size": 10, "color": ACCENT, "symbol": symbol}
        figure.add_scatter(x=[None], y=[None], mode="markers", name=name, marker=marker)
    _label_rows(figure, [row.label for row in rows])
    figure.update_layout(title_text=escape(title))
    figure.update_xaxes(
        title="<br>".join(map(escape, wrap(f"points over {baseline}", TITLE_WIDTH, break_on_hyphens=False))),
        zeroline=False,
    )
    drawn = legend_below(styled(figure, 180 + 34 * len(rows)), room=140)
    return drawn.update_layout(margin_t=44, legend_xref="container")


def learning_curves(histories: Mapping[str, Sequence[Sequence[Epoch]]]) -> go.Figure:
    """The mean over the runs of each variant by epoch, in a band from the lowest to the highest run.

    A curve ends where fewer than half of the runs went on: their mean would be of other runs than before.
    """
    stages = [stage for stage in STAGES if any(epoch.stage == stage for epoch in _epochs(histories))]
    figure = make_subplots(
        rows=len(CURVES),
        cols=max(len(stages), 1),
        shared_xaxes=True,
        column_titles=[STAGES[stage] for stage in stages] if len(stages) > 1 else None,
        vertical_spacing=0.08,
        horizontal_spacing=0.12,
    )
    for (variant, runs), style in zip(histories.items(), cycle(RUN_STYLES), strict=False):
        line = {"color": style.colour, "dash": style.dash, "width": 2}
        name = f"{escape(variant)} ({len(runs)} run{'s' * (len(runs) != 1)})"
        for row, column in enumerate(CURVES, start=1):
            for col, stage in enumerate(stages, start=1):
                for trace in _band(_by_epoch(runs, stage, column), line):
                    figure.add_scatter(**trace, name=name, legendgroup=name, row=row, col=col)
                figure.data[-1].showlegend = (row, col) == (1, 1)
    figure.update_layout(title_text="Learning curves, range of the runs", hovermode="x unified")
    for row, title in enumerate(CURVES.values(), start=1):
        figure.update_yaxes(title=title, row=row, col=1)
    figure.update_xaxes(title="epoch", row=len(CURVES))
    for col, stage in enumerate(stages, start=1):
        longest = max(epoch.epoch for epoch in _epochs(histories) if epoch.stage == stage)
        figure.update_xaxes(dtick=1 if longest <= MAX_TICKS else None, col=col)
    if len(stages) > 1:
        figure.update_layout(margin_t=88)  # room for their titles
    return legend_below(styled(figure, 520), room=110)


def _points(row: Row, height: float, colour: str) -> dict[str, Any]:
    """The trace of the runs of a row, side by side in the order in which they are given."""
    offsets = np.linspace(-SPREAD, SPREAD, len(row.runs)) if len(row.runs) > 1 else np.zeros(len(row.runs))
    return {
        "x": defined(list(row.runs.values())),
        "y": [height + offset for offset in offsets],
        "text": [f"{escape(row.label)}, {escape(run)}" for run in row.runs],
        "mode": "markers",
        "marker": {"size": 6, "color": colour, "opacity": 0.55},
        "hovertemplate": "%{text}: %{x:.3~f}<extra></extra>",
    }


def _pooled(row: Row, height: float, estimate: Estimate, colour: str) -> dict[str, Any]:
    return {
        "x": defined([estimate.value]),
        "y": [height],
        "text": [escape(row.label)],
        "mode": "markers",
        "error_x": whiskers([estimate]),
        "marker": {"size": 11, "color": colour, "symbol": "diamond", "line": {"color": GREY, "width": 1}},
        "hovertemplate": "%{text}, pooled: %{x:.3f}<extra></extra>",
    }


def _label_rows(figure: go.Figure, labels: Sequence[str], row: int | None = None) -> None:
    """Names in the place of heights, the first on top."""
    ticks = {"tickvals": list(range(len(labels))), "ticktext": [_wrapped(label) for label in labels]}
    figure.update_yaxes(
        **ticks, range=[len(labels) - 0.5, -0.5], showgrid=False, zeroline=False, row=row, col=row and 1
    )


def _wrapped(label: str) -> str:
    """The label with what is in brackets on a line of its own, as a phone has room for."""
    return escape(label).replace(" (", "<br>(")


def _times_100(row: Row) -> Row:
    whole, lesions = (Estimate(*(100 * bound for bound in vars(own).values())) for own in (row.whole, row.lesions))
    return Row(row.label, whole, lesions, {run: 100 * value for run, value in row.runs.items()}, row.is_clear)


def _bars(estimates: Sequence[Estimate]) -> dict[str, Any]:
    """The intervals as bars, a row each."""
    ends = [bound for own in estimates for bound in (own.low, own.high, np.nan)]
    heights = [height for height in range(len(estimates)) for _ in range(3)]
    line = {"color": translucent(ACCENT, 0.45), "width": 7}
    return {"x": defined(ends), "y": heights, "mode": "lines", "line": line, "hoverinfo": "skip"}


def _epochs(histories: Mapping[str, Sequence[Sequence[Epoch]]]) -> list[Epoch]:
    return [epoch for runs in histories.values() for history in runs for epoch in history]


def _by_epoch(runs: Sequence[Sequence[Epoch]], stage: int, column: str) -> NDArray[np.floating[Any]]:
    """The values of the runs in a stage, of shape (n_runs, n_epochs); NaN after the last epoch of a run."""
    own = [[getattr(epoch, column) for epoch in history if epoch.stage == stage] for history in runs]
    table = np.full((len(own), max(map(len, own), default=0)), np.nan)
    for row, values in enumerate(own):
        table[row, : len(values)] = values
    going_on = np.isfinite(table).sum(axis=0)
    return table[:, going_on >= max(1, len(runs) / 2)]


def _band(values: NDArray[np.floating[Any]], line: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The traces of the range, and of the mean above it."""
    if not values.size:
        return [{"x": [], "y": [], "line": line}]
    epochs = list(range(1, values.shape[1] + 1))
    low, high, mean = (function(values, axis=0).tolist() for function in (np.nanmin, np.nanmax, np.nanmean))
    edge = {"x": epochs, "mode": "lines", "line": {"width": 0}, "hoverinfo": "skip", "showlegend": False}
    fill = {"fill": "tonexty", "fillcolor": translucent(line["color"], 0.2)}
    return [{**edge, "y": low}, {**edge, "y": high, **fill}, {"x": epochs, "y": mean, "mode": "lines", "line": line}]
