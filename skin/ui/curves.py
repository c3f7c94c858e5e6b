"""The curves of the Training tab: the watched run's history, and those of other runs over it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from html import escape
from typing import Any

import gradio as gr

from skin.errors import UserError
from skin.plots.training import PLAIN, RUN_COLOURS, Look, histories_figure, history_figure
from skin.run import Epoch, Run, best_epoch
from skin.ui.comparison_html import folded
from skin.ui.monitor import Sight
from skin.ui.page import Page
from skin.ui.report_html import rows_table
from skin.ui.training_form import QUIET

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
class Drawn:
    """All that decides what the curves show: the runs, each with when its history changed, in the order of their colours.

    `watched` is the name of the watched one; `choices` are the other runs that have a history.
    """

    watched: str = ""
    runs: tuple[tuple[Run, float], ...] = ()
    look: Look = PLAIN
    choices: tuple[str, ...] = ()


def build(page: Page, seen: gr.State) -> dict[str, Any]:
    """Lay out the curves of `seen`, the Sight that the page shows; returns the listener that draws what has changed."""
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
    drawn = gr.State(None)
    drawing: dict[str, Any] = {
        "fn": partial(draw, page.read_only),
        "inputs": [seen, others, smoothing, log_loss, drawn],
        "outputs": [drawn, content, others, key, figure, table],
        **QUIET,
    }
    gr.on([others.input, smoothing.input, log_loss.input], trigger_mode="always_last", **drawing)
    return drawing


def draw(
    read_only: bool, seen: Sight | None, others: Sequence[str], smoothing: float, log_loss: bool, drawn: Drawn | None
) -> Any:
    """The curves, where they are not those already drawn; nothing at all is sent where they are."""
    now = _to_draw(seen, others, Look(smoothing or 0, log_loss))
    if now == drawn:
        return gr.skip()
    histories, problems = _read(now, read_only)
    fresh = drawn is None or now.choices != drawn.choices
    alone = list(histories) == [now.watched]
    chosen = [run.name for run, _ in now.runs if run.name in now.choices]
    return [
        now,
        gr.Column(visible=bool(histories or problems)),
        gr.Dropdown(list(now.choices), value=chosen, multiselect=True) if fresh else gr.skip(),
        _key(problems, alone, now.look),
        _figure(histories, alone, now.look),
        folded("The curves as a table", _table(histories)) if histories else "",
    ]


def _to_draw(seen: Sight | None, others: Sequence[str], look: Look) -> Drawn:
    if seen is None or seen.run is None:
        return Drawn(look=look)
    known = {run.name: (run, changed) for run, changed in seen.histories if changed}
    watched = seen.run.name
    names = [name for name in dict.fromkeys([watched, *others]) if name in known]
    return Drawn(
        watched,
        tuple(known[name] for name in names[: MAX_OTHERS + (watched in known)]),
        look,
        tuple(name for name in known if name != watched),
    )


def _read(drawn: Drawn, read_only: bool) -> tuple[dict[str, list[Epoch]], list[str]]:
    """The histories that have an epoch, and a sentence on each that cannot be read."""
    histories: dict[str, list[Epoch]] = {}
    problems = []
    for run, _ in drawn.runs:
        try:
            history = run.history()
        except UserError as error:
            problems.append(f"The run {run.name} is damaged." if read_only else str(error))
        else:
            if history:
                histories[run.name] = history
    return histories, problems


def _key(problems: Sequence[str], alone: bool, look: Look) -> str:
    """What could not be read, and what the lines and marks mean where the figure's own legend does not say."""
    alerts = "".join(f'<p role="status">{escape(problem)}</p>' for problem in problems)
    meanings = [KEY] * (not alone) + [FAINT] * (look.smoothing > 0)
    return alerts + (f"<p>{' '.join(meanings)}</p>" if meanings else "")


def _figure(histories: Mapping[str, Sequence[Epoch]], alone: bool, look: Look) -> gr.Plot:
    if not histories:
        return gr.Plot(visible=False)
    history = next(iter(histories.values()))
    return gr.Plot(history_figure(history, look) if alone else histories_figure(histories, look), visible=True)


def _table(histories: Mapping[str, Sequence[Epoch]]) -> str:
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
