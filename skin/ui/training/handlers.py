"""Handlers of the Training tab that follow, stop, resume and open runs."""

from typing import Any

import gradio as gr

from skin import jobs
from skin import run as runs
from skin.run import State
from skin.ui.training import notifications, run_actions, run_card, run_files, run_snapshot, run_table
from skin.ui.training.run_snapshot import RunsSnapshot
from skin.workspace import Workspace

STOP = "Stop"
"""The button's text before the name of the run that it stops."""

OPEN_IN = {"performance": "Report", "comparison": "Compare", "predict": "Predict"}
"""Tabs that a finished run is opened in, and what the button says."""


def refresh(workspace: Workspace, read_only: bool, chosen: str, last_snapshot: RunsSnapshot | None) -> Any:
    """The changes since `last_snapshot`; nothing at all is sent where nothing has."""
    snapshot = run_snapshot.take_snapshot(workspace, chosen)
    if snapshot == last_snapshot:
        return gr.skip()

    def has_changed(field: str) -> bool:
        return last_snapshot is None or getattr(snapshot, field) != getattr(last_snapshot, field)

    return (
        snapshot,
        gr.Dropdown(run_snapshot.run_choices(snapshot)) if has_changed("states") else gr.skip(),
        run_table.run_table(workspace) if any(map(has_changed, ("states", "noted", "reported"))) else gr.skip(),
        run_card.run_card(snapshot, show_details=not read_only),
        run_card.log_tail(snapshot) if has_changed("log") and not read_only else gr.skip(),
        *_buttons(snapshot),
        notifications.ended_runs(workspace, last_snapshot, snapshot) or gr.skip(),
        *run_files.download_updates(snapshot, read_only),
        *([] if read_only else run_actions.action_updates(workspace, snapshot)),
    )


def _buttons(snapshot: RunsSnapshot) -> list[gr.Button]:
    status = snapshot.status
    runs_now = status is not None and status.is_running
    is_done = status is not None and status.state is State.FINISHED
    stop = gr.Button(f"{STOP} {snapshot.run.name}" if snapshot.run and runs_now else STOP, interactive=runs_now)
    return [stop, *(gr.Button(interactive=on) for on in (snapshot.can_resume, *[is_done] * len(OPEN_IN)))]


def stop(workspace: Workspace, label: str) -> None:
    """Stop the run that the button named when it was pressed, whichever is watched by now."""
    run = runs.get(workspace, label.removeprefix(f"{STOP} "))
    jobs.stop(run)
    gr.Info(f"Asked {run.name} to stop: it keeps every finished epoch.")


def resume(workspace: Workspace, last_snapshot: RunsSnapshot | None) -> None:
    """Resume the run that is watched."""
    run = run_actions.watched_run(workspace, last_snapshot)
    jobs.resume(workspace, run)
    gr.Info(f"Resumed {run.name}.")


def watch_opened_run(workspace: Workspace, opened_run: str) -> Any:
    """Watch a run that was opened elsewhere."""
    return opened_run if any(run.name == opened_run for run in runs.list_runs(workspace)) else gr.skip()


def watch_clicked_run(event: gr.SelectData) -> Any:
    """Watch the run of the row that was clicked."""
    return event.row_value[0]


def clear_opened_run() -> str:
    """No run is open elsewhere."""
    return ""


def open_in_tab(tab: str, last_snapshot: RunsSnapshot | None) -> tuple[str, gr.Tabs]:
    """Open the run that is watched in another tab."""
    return (last_snapshot.run.name if last_snapshot and last_snapshot.run else ""), gr.Tabs(selected=tab)
