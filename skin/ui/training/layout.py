"""The Training tab: start, watch, stop and resume trainings, and keep order among the runs."""

from dataclasses import dataclass
from functools import partial
from typing import Any

import gradio as gr

from skin.ui.components.context import RUN_LOCALLY, AppContext
from skin.ui.components.events import PRIVATE_EVENT, keep_run_in_address, with_gradio_errors
from skin.ui.components.notices import notice
from skin.ui.training import curves, notifications, run_actions, run_files, run_snapshot, start_form
from skin.ui.training.events import JOB_EVENT, UNQUEUED_EVENT
from skin.ui.training.handlers import (
    ALL_ROWS,
    OPEN_IN,
    STOP,
    clear_opened,
    look_for_change,
    open_in_tab,
    refresh,
    resume,
    stop,
    watch_clicked_row,
    watch_latest_run,
    watch_opened_experiment,
    watch_opened_run,
)
from skin.ui.training.run_snapshot import LATEST_RUN

READ_ONLY = f"This page is read-only: no run can be started, stopped or deleted here. {RUN_LOCALLY}"


@dataclass(frozen=True)
class RunMonitor:
    """The components that follow the runs."""

    chosen: gr.Dropdown
    card: gr.HTML
    stop: gr.Button
    resume: gr.Button
    open_in: dict[str, gr.Button]
    all_runs: gr.Button
    log: gr.HTML
    table: gr.Dataframe
    last_snapshot: gr.State
    drawing: dict[str, Any]
    changed_at: gr.Textbox
    ended: gr.Textbox
    files: list[gr.Button]
    actions: run_actions.RunActionParts | None

    @property
    def watching(self) -> dict[str, Any]:
        """The settings of a listener that is told what the page shows."""
        # Unprocessed, a choice that the page is about to offer is taken, too: a run or experiment that was just started.
        return {"inputs": [self.chosen, self.last_snapshot], "preprocess": False, **UNQUEUED_EVENT}

    @property
    def listener(self) -> dict[str, Any]:
        """The listener that `refresh` is called by."""
        buttons = [self.stop, self.resume, *self.open_in.values(), self.all_runs]
        followers = [self.ended, *self.files, *(self.actions.followers if self.actions else [])]
        outputs = [self.last_snapshot, self.chosen, self.table, self.card, self.log, *buttons, *followers]
        return {"outputs": outputs, **self.watching}


def build(context: AppContext) -> None:
    """Lay out and wire the tab; where the page is read-only, what changes anything is not there to be called."""
    if context.read_only:
        gr.HTML(notice(READ_ONLY, "note"), elem_classes="flush")
    with gr.Row(equal_height=False, elem_id="training"):
        if not context.read_only:
            with gr.Column(scale=4, min_width=320):
                form_parts = start_form.lay_out_form()
        with gr.Column(scale=5, min_width=320, elem_id="monitor"):
            parts = _lay_out_monitor(context)
    parts.table.render()  # type: ignore[no-untyped-call]
    refreshing = {"fn": partial(refresh, context.workspace, context.read_only), **parts.listener}
    gr.on([context.blocks.load, parts.changed_at.change, parts.chosen.change], **refreshing).then(**parts.drawing)
    # A tick has one output, for Gradio's page works on each even where nothing is sent to it.
    ticking = {**parts.watching, "trigger_mode": "once"}  # one that comes while another is answered needs no answer
    context.timer.tick(partial(look_for_change, context.workspace), outputs=parts.changed_at, **ticking)
    context.opened_run.change(
        partial(watch_opened_run, context.workspace), context.opened_run, parts.chosen, **UNQUEUED_EVENT
    )
    context.opened_experiment.change(
        partial(watch_opened_experiment, context.workspace), context.opened_experiment, parts.chosen, **UNQUEUED_EVENT
    )
    parts.table.select(watch_clicked_row, None, parts.chosen, **{**UNQUEUED_EVENT, "trigger_mode": "multiple"})
    parts.all_runs.click(watch_latest_run, None, parts.chosen, **UNQUEUED_EVENT)
    parts.chosen.change(None, parts.chosen, js=keep_run_in_address("training"), api_visibility="private")
    parts.ended.change(partial(notifications.notify_ended, context.workspace), parts.ended, **PRIVATE_EVENT)
    run_files.wire_downloads(context.workspace, context.read_only, parts.files, parts.last_snapshot)
    for tab, button in parts.open_in.items():
        # Other tabs hear of a change only, so that a run that is opened again is first put away.
        opened = [context.opened_run, context.opened_experiment]
        button.click(clear_opened, None, opened, **PRIVATE_EVENT).then(
            partial(open_in_tab, tab), parts.last_snapshot, [*opened, context.tabs], **PRIVATE_EVENT
        )
    if parts.actions:
        started = start_form.wire_start(context, form_parts, parts.chosen)
        started.then(**refreshing).then(**form_parts.checking(context.workspace))
        _wire_jobs(context, parts, refreshing)
        run_actions.wire_actions(context.workspace, parts.actions, parts.chosen, parts.last_snapshot, refreshing)
        load_settings = with_gradio_errors(partial(run_actions.load_settings, context.workspace))
        loaded = parts.actions.load.click(load_settings, parts.last_snapshot, form_parts.recipe, **UNQUEUED_EVENT)
        loaded.success(**form_parts.checking(context.workspace))


def _lay_out_monitor(context: AppContext) -> RunMonitor:
    may_change = not context.read_only
    gr.Markdown("## Runs")
    chosen = gr.Dropdown(run_snapshot.run_choices(), value=LATEST_RUN, label="Watch", elem_id="watch")
    card = gr.HTML(elem_id="card")
    with gr.Row(elem_classes="actions"):
        small: dict[str, Any] = {"size": "md", "min_width": 90, "interactive": False}
        stop = gr.Button(STOP, variant="stop", visible=may_change, elem_id="stop", **small)
        resume = gr.Button("Resume", visible=may_change, **small)
        open_in = {key: gr.Button(title, **small) for key, title in OPEN_IN.items()}
        all_runs = gr.Button("All runs", visible=False, size="md", min_width=90)
    last_snapshot = gr.State(None)
    drawing = curves.build(context, last_snapshot)
    log = gr.HTML(elem_id="log")
    files = run_files.lay_out_downloads(context.read_only)
    actions = None if context.read_only else run_actions.lay_out_actions()
    table = gr.Dataframe(
        label=ALL_ROWS,
        interactive=False,
        max_height=400,
        elem_id="runs",
        show_search="filter",
        render=False,
    )
    changed_at, ended = (gr.Textbox(visible="hidden", label=label) for label in ("Changed at", "Ended"))
    followers = (last_snapshot, drawing, changed_at, ended, files, actions)
    return RunMonitor(chosen, card, stop, resume, open_in, all_runs, log, table, *followers)


def _wire_jobs(context: AppContext, parts: RunMonitor, refreshing: dict[str, Any]) -> None:
    for button, handler, named_by in ((parts.stop, stop, parts.stop), (parts.resume, resume, parts.last_snapshot)):
        button.click(with_gradio_errors(partial(handler, context.workspace)), named_by, None, **JOB_EVENT).then(
            **refreshing
        )
