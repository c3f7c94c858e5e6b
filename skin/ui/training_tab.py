"""Start, watch, stop and resume trainings, and keep order among the runs."""

from dataclasses import dataclass
from functools import partial
from typing import Any

import gradio as gr

from skin import jobs
from skin import run as runs
from skin.errors import UsageError
from skin.run import Run, State
from skin.ui import curves, form, monitor, training_form, view
from skin.ui.facts import message
from skin.ui.monitor import FOLLOW, Sight
from skin.ui.page import OWN_MACHINE, Page, spoken
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

    @property
    def listener(self) -> dict[str, Any]:
        """What `refresh` reads and writes."""
        buttons = [self.stop, self.resume, *self.open_in.values()]
        outputs = [self.seen, self.chosen, self.table, self.card, self.log, *buttons]
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
    for tab, button in parts.open_in.items():
        # Other tabs hear of a change only, so that a run that is opened again is first put away.
        button.click(put_away, None, page.opened, **view.QUIET).then(
            partial(open_in, tab), parts.seen, [page.opened, page.tabs], **view.QUIET
        )
    if not page.read_only:
        started = training_form.wire_start(page, form_parts, parts.chosen)
        started.then(**refreshing).then(**form_parts.checking(page.workspace))
        _wire_jobs(page, parts, refreshing)
        load = _wire_housekeeping(page, parts, refreshing)
        loaded = load.click(spoken(partial(load_settings, page.workspace)), parts.seen, form_parts.recipe, **QUIET)
        loaded.success(**form_parts.checking(page.workspace))


def _lay_out_monitor(page: Page) -> MonitorParts:
    may_change = not page.read_only
    gr.Markdown("### Runs")
    chosen = gr.Dropdown(_choices(), value=FOLLOW, label="Watch", elem_id="watch")
    card = gr.HTML(elem_id="card")
    with gr.Row(elem_classes="actions"):
        small: dict[str, Any] = {"size": "md", "min_width": 90, "interactive": False}
        stop = gr.Button(STOP, variant="stop", visible=may_change, elem_id="stop", **small)
        resume = gr.Button("Resume", visible=may_change, **small)
        open_in = {key: gr.Button(title, **small) for key, title in OPEN_IN.items()}
    seen = gr.State(None)
    drawing = curves.build(page, seen)
    log = gr.HTML(elem_id="log")
    table = gr.Dataframe(
        label="All runs: choose a row to watch it",
        interactive=False,
        max_height=400,
        elem_id="runs",
        render=False,
    )
    return MonitorParts(chosen, card, stop, resume, open_in, log, table, seen, drawing)


def _wire_jobs(page: Page, parts: MonitorParts, refreshing: dict[str, Any]) -> None:
    for button, handler, named_by in ((parts.stop, stop, parts.stop), (parts.resume, resume, parts.seen)):
        button.click(spoken(partial(handler, page.workspace)), named_by, None, **JOBS).then(**refreshing)


def _wire_housekeeping(page: Page, parts: MonitorParts, refreshing: dict[str, Any]) -> gr.Button:
    """Returns the button that loads the watched run's settings into the form."""
    with gr.Accordion("The watched run: use its settings, rename it, delete it", open=False):
        with gr.Row(elem_classes="housekeeping"):
            load = gr.Button("Load its settings into the form", size="md")
            name = gr.Textbox("", label="New name", max_length=80)
            rename = gr.Button("Rename", size="md")
            delete = gr.Button("Delete …", size="md")
        with gr.Row(visible=False, elem_classes="housekeeping") as asking:
            question = gr.Markdown()
            doomed = gr.State("")
            confirm = gr.Button("Delete for good", variant="stop", size="md")
            keep = gr.Button("Keep it", size="md")
    bound = page.workspace
    rename.click(spoken(partial(rename_run, bound)), [parts.seen, name], [parts.chosen, name], **JOBS).then(
        **refreshing
    )
    delete.click(spoken(ask), parts.seen, [asking, question, doomed], **QUIET)
    keep.click(close, None, asking, **QUIET)
    confirm.click(spoken(partial(delete_run, bound)), doomed, [parts.chosen, asking], **JOBS).then(**refreshing)
    return load


def refresh(workspace: Workspace, read_only: bool, chosen: str, seen: Sight | None) -> Any:
    """What has changed since `seen`; nothing at all is sent where nothing has."""
    sight = monitor.look(workspace, chosen)
    if sight == seen:
        return gr.skip()

    def has_changed(field: str) -> bool:
        return seen is None or getattr(sight, field) != getattr(seen, field)

    return (
        sight,
        gr.Dropdown(_choices(sight)) if has_changed("states") else gr.skip(),
        monitor.table(workspace) if has_changed("states") else gr.skip(),
        monitor.card(sight, show_details=not read_only),
        monitor.log(sight) if has_changed("log") and not read_only else gr.skip(),
        *_buttons(sight),
    )


def _choices(sight: Sight | None = None) -> list[tuple[str, str]]:
    names = [(f"{name} ({state})", name) for name, state in sight.states] if sight else []
    return [("The one that trains, or the newest", FOLLOW), *names]


def _buttons(sight: Sight) -> list[gr.Button]:
    status = sight.status
    runs_now = status is not None and status.is_running
    is_done = status is not None and status.state is State.FINISHED
    stop = gr.Button(f"{STOP} {sight.run.name}" if sight.run and runs_now else STOP, interactive=runs_now)
    return [stop, *(gr.Button(interactive=on) for on in (sight.can_resume, *[is_done] * len(OPEN_IN)))]


def _watched(workspace: Workspace, seen: Sight | None) -> Run:
    """The run that the page shows. Raises UserError when there is none, or none any more."""
    if seen is None or seen.run is None:
        raise UsageError("Choose a run first.")
    return runs.get(workspace, seen.run.name)


def stop(workspace: Workspace, label: str) -> None:
    """Stop the run that the button named when it was pressed, whichever is watched by now."""
    run = runs.get(workspace, label.removeprefix(f"{STOP} "))
    jobs.stop(run)
    gr.Info(f"Asked {run.name} to stop: it keeps every finished epoch.")


def resume(workspace: Workspace, seen: Sight | None) -> None:
    """Resume the run that is watched."""
    run = _watched(workspace, seen)
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


def load_settings(workspace: Workspace, seen: Sight | None) -> list[Any]:
    """The preset nearest to the watched run's configuration, and all its settings."""
    preset, values = form.config_values(_watched(workspace, seen).config)
    return [preset, *values.values()]


def rename_run(workspace: Workspace, seen: Sight | None, name: str) -> tuple[gr.Dropdown, str]:
    """Give the watched run another name; watches it under that name and empties the field."""
    run = runs.rename(workspace, _watched(workspace, seen), (name or "").strip())
    return gr.Dropdown(_choices(monitor.look(workspace, run.name)), value=run.name), ""


def ask(seen: Sight | None) -> tuple[gr.Row, str, str]:
    """Ask before the watched run is deleted; keeps its name, because the page may come to watch another."""
    if seen is None or seen.run is None:
        raise UsageError("Choose a run first.")
    name = seen.run.name
    return gr.Row(visible=True), f"Delete **{name}** with its weights, log and report?", name


def close() -> gr.Row:
    """Take the question away."""
    return gr.Row(visible=False)


def delete_run(workspace: Workspace, name: str) -> tuple[str, gr.Row]:
    """Delete the run that the question was about."""
    runs.delete(workspace, runs.get(workspace, name))
    gr.Info(f"Deleted {name}.")
    return FOLLOW, gr.Row(visible=False)
