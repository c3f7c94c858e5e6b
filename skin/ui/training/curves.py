"""The curves of the Training tab: the watched run's history, and those of other runs over it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import gradio as gr
from markupsafe import Markup

from skin.errors import UserError
from skin.plots.training import PLAIN, CurveStyle, histories_figure, history_figure
from skin.run import Epoch, Run, best_epoch
from skin.theme import RUN_COLOURS
from skin.ui.components.context import AppContext
from skin.ui.components.notices import paragraph, status_line
from skin.ui.components.tables import folded, rows_table
from skin.ui.training.events import UNQUEUED_EVENT
from skin.ui.training.run_snapshot import RunsSnapshot

MAX_OTHERS = len(RUN_COLOURS) - 1
KEY = "Solid: validation. Dotted: train. Star: the best epoch, whose weights are kept. Diamond: the start of stage 2."
FAINT = "Faint: not smoothed."

HEAD = (
    "Run",
    "Epoch",
    "Train loss",
    "Validation loss",
    "Train accuracy",
    "Validation accuracy",
    "Balanced accuracy",
    "Learning rate",
)


@dataclass(frozen=True)
class CurveSelection:
    """All that decides what the curves show: the runs, each with when its history changed, in the order of their colours.

    `watched` is the name of the watched one; `choices` are the other runs that have a history.
    """

    watched: str = ""
    runs: tuple[tuple[Run, float], ...] = ()
    style: CurveStyle = PLAIN
    choices: tuple[str, ...] = ()


def build(context: AppContext, snapshot: gr.State) -> dict[str, Any]:
    """Lay out the curves of `snapshot`, the RunsSnapshot that the page shows; returns the listener that draws what has changed."""
    with gr.Column(visible=False) as content:
        with gr.Accordion("Curves: compare with other runs, smooth, log scale", open=False), gr.Row():
            others = gr.Dropdown(
                [], value=[], multiselect=True, max_choices=MAX_OTHERS, label="Compare with", min_width=220, scale=2
            )
            smoothing = gr.Slider(0, 0.95, value=0, step=0.05, label="Smoothing", min_width=220, elem_id="smoothing")
            log_loss = gr.Checkbox(False, label="Log scale of the loss", min_width=160)
        key = gr.HTML(elem_classes="report")
        figure = gr.Plot(label="Loss, accuracies and learning rate by epoch", show_label=False, elem_id="history")
        table = gr.HTML(elem_classes="report", elem_id="history-table")
    last_selection = gr.State(None)
    listener: dict[str, Any] = {
        "fn": partial(draw, context.read_only),
        "inputs": [snapshot, others, smoothing, log_loss, last_selection],
        "outputs": [last_selection, content, others, key, figure, table],
        **UNQUEUED_EVENT,
    }
    gr.on([others.input, smoothing.input, log_loss.input], **listener)
    return listener


def draw(
    read_only: bool,
    snapshot: RunsSnapshot | None,
    others: Sequence[str],
    smoothing: float,
    log_loss: bool,
    last_selection: CurveSelection | None,
) -> Any:
    """The curves, where they are not those already drawn; nothing at all is sent where they are."""
    selection = _to_draw(snapshot, others, CurveStyle(smoothing or 0, log_loss))
    if selection == last_selection:
        return gr.skip()
    histories, problems = _read(selection, read_only)
    fresh = last_selection is None or selection.choices != last_selection.choices
    alone = list(histories) == [selection.watched]
    chosen = [run.name for run, _ in selection.runs if run.name in selection.choices]
    return [
        selection,
        gr.Column(visible=bool(histories or problems)),
        gr.Dropdown(list(selection.choices), value=chosen, multiselect=True) if fresh else gr.skip(),
        _key(problems, alone, selection.style),
        _figure(histories, alone, selection.style),
        folded("The curves as a table", _table(histories)) if histories else "",
    ]


def _to_draw(snapshot: RunsSnapshot | None, others: Sequence[str], style: CurveStyle) -> CurveSelection:
    if snapshot is None or snapshot.run is None:
        return CurveSelection(style=style)
    known = {run.name: (run, changed) for run, changed in snapshot.histories if changed}
    watched = snapshot.run.name
    names = [name for name in dict.fromkeys([watched, *others]) if name in known]
    return CurveSelection(
        watched,
        tuple(known[name] for name in names[: MAX_OTHERS + (watched in known)]),
        style,
        tuple(name for name in known if name != watched),
    )


def _read(last_selection: CurveSelection, read_only: bool) -> tuple[dict[str, list[Epoch]], list[str]]:
    """The histories that have an epoch, and a sentence on each that cannot be read."""
    histories: dict[str, list[Epoch]] = {}
    problems = []
    for run, _ in last_selection.runs:
        try:
            history = run.history()
        except UserError as error:
            problems.append(f"The run {run.name} is damaged." if read_only else str(error))
        else:
            if history:
                histories[run.name] = history
    return histories, problems


def _key(problems: Sequence[str], alone: bool, style: CurveStyle) -> Markup:
    """The errors of reading, and the meaning of lines and marks where the figure's own legend does not say."""
    meanings = [KEY] * (not alone) + [FAINT] * (style.smoothing > 0)
    return Markup().join([*map(status_line, problems), *([paragraph(" ".join(meanings))] if meanings else [])])


def _figure(histories: Mapping[str, Sequence[Epoch]], alone: bool, style: CurveStyle) -> gr.Plot:
    if not histories:
        return gr.Plot(visible=False)
    history = next(iter(histories.values()))
    return gr.Plot(history_figure(history, style) if alone else histories_figure(histories, style), visible=True)


def _table(histories: Mapping[str, Sequence[Epoch]]) -> Markup:
    rows = [row for name, history in histories.items() for row in _rows(name, history)]
    return rows_table(HEAD, rows, "As measured, not smoothed. The best epoch is that of the lowest validation loss.")


def _rows(name: str, history: Sequence[Epoch]) -> Iterator[list[str]]:
    for which, epoch in (("best", best_epoch(history)), ("last", history[-1])):
        if epoch is not None:
            yield [
                f"{name}, {which}",
                f"{epoch.epoch} of stage {epoch.stage}",
                f"{epoch.loss:.3f}",
                f"{epoch.val_loss:.3f}",
                f"{epoch.accuracy:.1%}",
                f"{epoch.val_accuracy:.1%}",
                f"{epoch.val_balanced_accuracy:.1%}",
                f"{epoch.learning_rate:.2g}",
            ]
