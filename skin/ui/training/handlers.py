"""Handlers of the Training tab that follow, stop, resume and open runs."""

import time
from typing import Any

import gradio as gr
from markupsafe import Markup

from skin import jobs
from skin import run as runs
from skin.experiments import driver
from skin.experiments import experiment as experiments
from skin.run import State
from skin.ui.training import (
    experiment_card,
    experiment_snapshot,
    notifications,
    run_actions,
    run_card,
    run_files,
    run_snapshot,
    run_table,
)
from skin.ui.training.run_snapshot import LATEST_RUN, RunsSnapshot
from skin.workspace import Workspace

STOP = "Stop"
"""The button's text before the name of the run that it stops."""

STOP_EXPERIMENT = f"{STOP} experiment"
"""Likewise before the name of an experiment: no name of a run holds a space."""

ALL_ROWS = "All runs and experiments: choose a row to watch it"

OPEN_IN = {"performance": "Report", "comparison": "Compare", "predict": "Predict"}
"""Tabs that a finished run is opened in, and what the button says."""

EXPERIMENT_OPENS_IN = ("comparison",)
"""Those of the tabs that show an experiment, too, once a run of it has finished."""


def look_for_change(workspace: Workspace, chosen: str, last_snapshot: RunsSnapshot | None) -> Any:
    """The time now where anything has changed since `last_snapshot`, for `refresh` to be called; else nothing."""
    return gr.skip() if run_snapshot.take_snapshot(workspace, chosen) == last_snapshot else repr(time.time())


def refresh(workspace: Workspace, read_only: bool, chosen: str, last_snapshot: RunsSnapshot | None) -> Any:
    """The changes since `last_snapshot`; nothing at all is sent where nothing has."""
    snapshot = run_snapshot.take_snapshot(workspace, chosen)
    if snapshot == last_snapshot:
        return gr.skip()

    def has_changed(field: str) -> bool:
        return last_snapshot is None or getattr(snapshot, field) != getattr(last_snapshot, field)

    return (
        snapshot,
        gr.Dropdown(run_snapshot.run_choices(snapshot)) if has_changed("listed") else gr.skip(),
        _table(workspace, snapshot) if has_changed("listed") else gr.skip(),
        _card(snapshot, show_details=not read_only),
        run_card.log_tail(snapshot) if has_changed("log") and not read_only else gr.skip(),
        *_buttons(snapshot),
        notifications.ended_runs(workspace, last_snapshot, snapshot) or gr.skip(),
        *run_files.download_updates(snapshot, read_only),
        *([] if read_only else run_actions.action_updates(workspace, snapshot)),
    )


def _table(workspace: Workspace, snapshot: RunsSnapshot) -> gr.Dataframe:
    """The runs of the experiment that is chosen, or that a run of is, else all."""
    experiment = snapshot.experiment
    label = f"Runs of {experiment.experiment.name}: choose a row to watch it" if experiment else ALL_ROWS
    return gr.Dataframe(run_table.run_table(workspace, experiment), label=label)


def _card(snapshot: RunsSnapshot, show_details: bool) -> Markup:
    if experiment := snapshot.watched_experiment:
        return experiment_card.experiment_card(experiment, show_details)
    return run_card.run_card(snapshot, show_details)


def _buttons(snapshot: RunsSnapshot) -> list[gr.Button]:
    """Stop, Resume, the tabs that a finished run is opened in, and the way back from an experiment's runs to all."""
    experiment, status = snapshot.watched_experiment, snapshot.status
    runs_now = experiment.is_at_work if experiment else status is not None and status.is_running
    has_finished = bool(experiment and experiment.summary and experiment.summary.counts.get(State.FINISHED))
    is_done = status is not None and status.state is State.FINISHED
    opens = [has_finished and tab in EXPERIMENT_OPENS_IN if experiment else is_done for tab in OPEN_IN]
    stop = gr.Button(_stop_label(snapshot) if runs_now else STOP, interactive=runs_now)
    others = [gr.Button(interactive=on) for on in (snapshot.can_resume, *opens)]
    return [stop, *others, gr.Button(visible=snapshot.experiment is not None)]


def _stop_label(snapshot: RunsSnapshot) -> str:
    if experiment := snapshot.watched_experiment:
        return f"{STOP_EXPERIMENT} {experiment.experiment.name}"
    return f"{STOP} {snapshot.run.name}" if snapshot.run else STOP


def stop(workspace: Workspace, label: str) -> None:
    """Stop the run or the experiment that the button named when it was pressed, whichever is watched by now."""
    if label.startswith(f"{STOP_EXPERIMENT} "):
        experiment = experiments.get(workspace, label.removeprefix(f"{STOP_EXPERIMENT} "))
        driver.stop(experiment)
        gr.Info(f"Stopped {experiment.name}: its runs keep every finished epoch.")
    else:
        run = runs.get(workspace, label.removeprefix(f"{STOP} "))
        jobs.stop(run)
        gr.Info(f"Asked {run.name} to stop: it keeps every finished epoch.")


def resume(workspace: Workspace, last_snapshot: RunsSnapshot | None) -> None:
    """Resume the run or the experiment that is watched."""
    if last_snapshot and (known := last_snapshot.watched_experiment):
        experiment = experiments.get(workspace, known.experiment.name)
        driver.start(workspace, experiment)
        gr.Info(f"Resumed {experiment.name}.")
    else:
        run = run_actions.watched_run(workspace, last_snapshot)
        jobs.resume(workspace, run)
        gr.Info(f"Resumed {run.name}.")


def watch_opened_run(workspace: Workspace, opened_run: str) -> Any:
    """Watch a run that was opened elsewhere."""
    return opened_run if any(run.name == opened_run for run in runs.list_runs(workspace)) else gr.skip()


def watch_opened_experiment(workspace: Workspace, opened_experiment: str) -> Any:
    """Watch an experiment that a link names."""
    known = opened_experiment and experiments.find(workspace, opened_experiment)
    return experiment_snapshot.key_of(opened_experiment) if known else gr.skip()


def watch_clicked_row(event: gr.SelectData) -> Any:
    """Watch the run or the experiment of the row that was clicked."""
    return run_table.key_in(event.row_value[0])


def watch_latest_run() -> str:
    """Watch whichever run trains, else the newest, beside the table of all."""
    return LATEST_RUN


def clear_opened() -> tuple[str, str]:
    """Neither a run nor an experiment is open elsewhere."""
    return "", ""


def open_in_tab(tab: str, last_snapshot: RunsSnapshot | None) -> tuple[str, str, gr.Tabs]:
    """Open the run or the experiment that is watched in another tab."""
    run = last_snapshot.run if last_snapshot else None
    known = last_snapshot.watched_experiment if last_snapshot else None
    return run.name if run else "", known.experiment.name if known else "", gr.Tabs(selected=tab)
