"""Figures of several runs beside each other; plotly takes a name for markup, so that names are escaped."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import cycle
from typing import Any

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from skin.evaluation.metrics import METRICS, Estimate
from skin.evaluation.report import Report
from skin.plots.report import defined, legend_below, whiskers
from skin.plots.style import styled
from skin.run import Epoch
from skin.theme import COMPARED_COLOURS, GREY, HATCHING


@dataclass(frozen=True)
class RunStyle:
    """The look that tells a run from the others, without colours too: in plotly's names of dashes and patterns."""

    colour: str
    dash: str
    hatching: str


RUN_STYLES: tuple[RunStyle, ...] = (
    RunStyle(COMPARED_COLOURS[0], "solid", ""),
    RunStyle(COMPARED_COLOURS[1], "dash", "/"),
    RunStyle(COMPARED_COLOURS[2], "dot", "x"),
    RunStyle(COMPARED_COLOURS[3], "dashdot", "."),
)


def difference_intervals(differences: Mapping[str, Mapping[str, Estimate]]) -> go.Figure:
    """The differences of each run from the first one in each metric, in points, with 95% intervals.

    `differences` maps a run to its differences. A filled mark is a difference whose interval leaves out zero.
    """
    figure = go.Figure()
    names = [name for name in METRICS if any(name in row for row in differences.values())]
    for (run, row), style in zip(differences.items(), cycle(RUN_STYLES[1:]), strict=False):
        estimates = [Estimate(*(100 * bound for bound in vars(row[name]).values())) for name in names]
        clear = [estimate.low > 0 or estimate.high < 0 for estimate in estimates]
        figure.add_scatter(
            x=defined([estimate.value for estimate in estimates]),
            y=[_direction(name) for name in names],
            name=escape(run),
            mode="markers",
            error_x=whiskers(estimates),
            marker={
                "color": style.colour,
                "size": 10,
                "symbol": ["circle" if sure else "circle-open" for sure in clear],
            },
            hovertemplate="%{y}: %{x:+.1f} points<extra>%{fullData.name}</extra>",
        )
    figure.add_vline(x=0, line={"color": GREY, "width": 1.5})
    figure.update_layout(
        title_text="Differences with 95% intervals", scattermode="group", showlegend=len(differences) > 1
    )
    figure.update_xaxes(title="points over the first run<br>filled: interval beside 0", zeroline=False)
    figure.update_yaxes(autorange="reversed")
    height = 140 + (28 + 8 * len(differences)) * len(names)
    return legend_below(styled(figure, height), room=98 + 20 * (len(differences) > 1))


def _direction(name: str) -> str:
    metric = METRICS[name]
    return metric.label if metric.higher_is_better else f"{metric.label}<br>(lower is better)"


def class_f1_by_run(reports: Mapping[str, Report]) -> go.Figure:
    """F1 of each diagnosis, a bar a run, with 95% intervals."""
    figure = go.Figure()
    for (run, report), style in zip(reports.items(), cycle(RUN_STYLES), strict=False):
        codes = list(report.task.codes)
        rows = [report.per_class[code] for code in codes]
        figure.add_bar(
            x=codes,
            y=defined([row.f1 for row in rows]),
            name=escape(run),
            marker={"color": style.colour, "pattern": _pattern(style)},
            error_y=whiskers([Estimate(row.f1, row.f1_low, row.f1_high) for row in rows]),
            hovertemplate="%{x}: F1 %{y:.2f}<extra>%{fullData.name}</extra>",
        )
    figure.update_layout(title_text="F1 with its 95% interval", barmode="group")
    figure.update_yaxes(range=[0, 1.02])
    return legend_below(styled(figure, 400), room=80)


def _pattern(style: RunStyle) -> dict[str, Any]:
    return {"shape": style.hatching, "fillmode": "overlay", "fgcolor": HATCHING, "size": 7}


def histories(by_run: Mapping[str, Sequence[Epoch]]) -> go.Figure:
    """Validation loss above validation accuracy by epoch, a line a run, with a mark where stage 2 begins."""
    figure = make_subplots(rows=2, shared_xaxes=True, vertical_spacing=0.08)
    for (run, history), style in zip(by_run.items(), cycle(RUN_STYLES), strict=False):
        for row, measure in enumerate(("val_loss", "val_accuracy"), start=1):
            figure.add_trace(_history_line(run, history, measure, style), row=row, col=1)
            figure.data[-1].showlegend = row == 1
    figure.update_layout(title_text="Histories (diamond: stage 2)")
    figure.update_yaxes(title="loss (nats)", row=1)
    figure.update_yaxes(title="accuracy", tickformat=".0%", row=2)
    figure.update_xaxes(title="epoch", row=2)
    return legend_below(styled(figure, 480), room=110)


def _history_line(run: str, history: Sequence[Epoch], measure: str, style: RunStyle) -> go.Scatter:
    starts = [i > 0 and epoch.stage == 2 and history[i - 1].stage == 1 for i, epoch in enumerate(history)]
    return go.Scatter(
        x=list(range(1, len(history) + 1)),
        y=[getattr(epoch, measure) for epoch in history],
        name=escape(run),
        legendgroup=escape(run),
        mode="lines+markers",
        line={"color": style.colour, "dash": style.dash, "width": 2},
        marker={"symbol": "diamond", "size": [11 if start else 0 for start in starts]},
    )
