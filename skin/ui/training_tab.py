"""Start, watch, stop and resume trainings, and keep order among the runs."""

from dataclasses import dataclass
from functools import partial
from typing import Any

import gradio as gr

from skin import jobs
from skin import run as runs
from skin.run import State
from skin.ui import curves, endings, housekeeping, monitor, run_files, training_form, view
from skin.ui.facts import message
from skin.ui.monitor import FOLLOW, Sight
from skin.ui.page import OWN_MACHINE, Page, remember_run, spoken
from skin.ui.training_form import JOBS, QUIET
from skin.workspace import Workspace

READ_ONLY = f"This page is read-only: no run can be started, stopped or deleted here. {OWN_MACHINE}"
STOP = "Stop"
"""What the button says, before the name of the run that it stops."""

OPEN_IN = {"performance": "Report", "comparison": "Compare", "predict": "Predict"}
"""Tabs that a finished run is opened in, and what the button says."""


@dataclass(frozen=True)
class MonitorParts:
    """The components that follow the runs."""

    chosen: gr.Dropdown
    card: gr.HTML
    stop: gr.Button
    resume: gr.Button
    open_in: dict[str, gr.Button]
    log: gr.HTML
    table: gr.Dataframe
    seen: gr.State
    drawing: dict[str, Any]
    ended: gr.Textbox
    files: list[gr.Button]
    keeping: housekeeping.Parts | None

    @property
    def listener(self) -> dict[str, Any]:
        """What `refresh` reads and writes."""
        buttons = [self.stop, self.resume, *self.open_in.values()]
        followers = [self.ended, *self.files, *(self.keeping.followers if self.keeping else [])]
        outputs = [self.seen, self.chosen, self.table, self.card, self.log, *buttons, *followers]
        return {"inputs": [self.chosen, self.seen], "outputs": outputs, **QUIET}


def build(page: Page) -> None:
    """Lay out and wire the tab; where the page is read-only, what changes anything is not there to be called."""
    if page.read_only:
        gr.HTML(message(READ_ONLY, "note"), elem_classes="flush")
    with gr.Row(equal_height=False, elem_id="training"):
        if not page.read_only:
            with gr.Column(scale=4, min_width=320):
                form_parts = training_form.lay_out()
        with gr.Column(scale=5, min_width=320, elem_id="monitor"):
            parts = _lay_out_monitor(page)
    parts.table.render()  # type: ignore[no-untyped-call]
    refreshing = {"fn": partial(refresh, page.workspace, page.read_only), **parts.listener}
    gr.on([page.blocks.load, page.timer.tick, parts.chosen.change], **refreshing).then(**parts.drawing)
    page.opened.change(partial(follow, page.workspace), page.opened, parts.chosen, **QUIET)
    parts.table.select(pick, None, parts.chosen, **QUIET)
    parts.chosen.change(None, parts.chosen, js=remember_run("training"), api_visibility="private")
    parts.ended.change(partial(endings.tell, page.workspace), parts.ended, **view.QUIET)
    run_files.wire(page.workspace, page.read_only, parts.files, parts.seen)
    for tab, button in parts.open_in.items():
        # Other tabs hear of a change only, so that a run that is opened again is first put away.
        button.click(put_away, None, page.opened, **view.QUIET).then(
            partial(open_in, tab), parts.seen, [page.opened, page.tabs], **view.QUIET
        )
    if parts.keeping:
        started = training_form.wire_start(page, form_parts, parts.chosen)
        started.then(**refreshing).then(**form_parts.checking(page.workspace))
        _wire_jobs(page, parts, refreshing)
        housekeeping.wire(page.workspace, parts.keeping, parts.chosen, parts.seen, refreshing)
        load_settings = spoken(partial(housekeeping.load_settings, page.workspace))
        loaded = parts.keeping.load.click(load_settings, parts.seen, form_parts.recipe, **QUIET)
        loaded.success(**form_parts.checking(page.workspace))


def _lay_out_monitor(page: Page) -> MonitorParts:
    may_change = not page.read_only
    gr.Markdown("## Runs")
    chosen = gr.Dropdown(monitor.choices(), value=FOLLOW, label="Watch", elem_id="watch")
    card = gr.HTML(elem_id="card")
    with gr.Row(elem_classes="actions"):
        small: dict[str, Any] = {"size": "md", "min_width": 90, "interactive": False}
        stop = gr.Button(STOP, variant="stop", visible=may_change, elem_id="stop", **small)
        resume = gr.Button("Resume", visible=may_change, **small)
        open_in = {key: gr.Button(title, **small) for key, title in OPEN_IN.items()}
    seen = gr.State(None)
    drawing = curves.build(page, seen)
    log = gr.HTML(elem_id="log")
    files = run_files.lay_out(page.read_only)
    keeping = None if page.read_only else housekeeping.lay_out()
    table = gr.Dataframe(
        label="All runs: choose a row to watch it",
        interactive=False,
        max_height=400,
        elem_id="runs",
        show_search="filter",
        render=False,
    )
    ended = gr.Textbox(visible="hidden", label="Ended", elem_id="ended")
    return MonitorParts(chosen, card, stop, resume, open_in, log, table, seen, drawing, ended, files, keeping)


def _wire_jobs(page: Page, parts: MonitorParts, refreshing: dict[str, Any]) -> None:
    for button, handler, named_by in ((parts.stop, stop, parts.stop), (parts.resume, resume, parts.seen)):
        button.click(spoken(partial(handler, page.workspace)), named_by, None, **JOBS).then(**refreshing)


def refresh(workspace: Workspace, read_only: bool, chosen: str, seen: Sight | None) -> Any:
    """What has changed since `seen`; nothing at all is sent where nothing has."""
    sight = monitor.look(workspace, chosen)
    if sight == seen:
        return gr.skip()

    def has_changed(field: str) -> bool:
        return seen is None or getattr(sight, field) != getattr(seen, field)

    return (
        sight,
        gr.Dropdown(monitor.choices(sight)) if has_changed("states") else gr.skip(),
        monitor.table(workspace) if any(map(has_changed, ("states", "noted", "reported"))) else gr.skip(),
        monitor.card(sight, show_details=not read_only),
        monitor.log(sight) if has_changed("log") and not read_only else gr.skip(),
        *_buttons(sight),
        endings.ended(workspace, seen, sight) or gr.skip(),
        *run_files.follow(sight, read_only),
        *([] if read_only else housekeeping.follow(workspace, sight)),
    )


def _buttons(sight: Sight) -> list[gr.Button]:
    status = sight.status
    runs_now = status is not None and status.is_running
    is_done = status is not None and status.state is State.FINISHED
    stop = gr.Button(f"{STOP} {sight.run.name}" if sight.run and runs_now else STOP, interactive=runs_now)
    return [stop, *(gr.Button(interactive=on) for on in (sight.can_resume, *[is_done] * len(OPEN_IN)))]


def stop(workspace: Workspace, label: str) -> None:
    """Stop the run that the button named when it was pressed, whichever is watched by now."""
    run = runs.get(workspace, label.removeprefix(f"{STOP} "))
    jobs.stop(run)
    gr.Info(f"Asked {run.name} to stop: it keeps every finished epoch.")


def resume(workspace: Workspace, seen: Sight | None) -> None:
    """Resume the run that is watched."""
    run = housekeeping.watched(workspace, seen)
    jobs.resume(workspace, run)
    gr.Info(f"Resumed {run.name}.")


def follow(workspace: Workspace, opened: str) -> Any:
    """Watch a run that was opened elsewhere."""
    return opened if any(run.name == opened for run in runs.list_runs(workspace)) else gr.skip()


def pick(event: gr.SelectData) -> Any:
    """Watch the run of the row that was clicked."""
    return event.row_value[0]


def put_away() -> str:
    """No run is open elsewhere."""
    return ""


def open_in(tab: str, seen: Sight | None) -> tuple[str, gr.Tabs]:
    """Open the run that is watched in another tab."""
    return (seen.run.name if seen and seen.run else ""), gr.Tabs(selected=tab)
