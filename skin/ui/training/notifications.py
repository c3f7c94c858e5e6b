"""Notifications of runs that the page saw at work and that have ended since."""

import json
from html import escape

import gradio as gr

from skin import run as runs
from skin.errors import UserError
from skin.run import State
from skin.ui.training.run_snapshot import RunsSnapshot
from skin.workspace import Workspace

SENTENCES = {
    State.FINISHED: (gr.Info, "is finished."),
    State.STOPPED: (gr.Info, "was stopped: it keeps every finished epoch."),
    State.FAILED: (gr.Warning, "failed: see what it says on the Training tab."),
    State.INTERRUPTED: (gr.Warning, "was interrupted: its process ended unexpectedly."),
}
"""The sentence on an end, after the run's name."""

_ACTIVE = {state for state in State if state.is_active}


def ended_runs(workspace: Workspace, last_snapshot: RunsSnapshot | None, snapshot: RunsSnapshot) -> str:
    """The runs that ended between the two snapshots, as JSON of names and the times of their last sign; "" for none.

    Of one end two calls say the same, so that a page that asks twice at once is told once.
    """
    before = dict(last_snapshot.states) if last_snapshot else {}
    names = [name for name, state in snapshot.states if state in SENTENCES and before.get(name) in _ACTIVE]
    ends = {name: run.status().heartbeat for name in names if (run := runs.find(workspace, name))}
    return json.dumps(ends) if ends else ""


def notify_ended(workspace: Workspace, ends: str) -> None:
    """Notify whoever looks; through the queue, because outside it Gradio shows no notification."""
    for name in json.loads(ends or "{}"):
        try:
            state = runs.get(workspace, str(name)).sound_status().state
        except UserError:
            continue
        if state in SENTENCES:
            notify, words = SENTENCES[state]
            notify(f"{escape(str(name))} {words}")
