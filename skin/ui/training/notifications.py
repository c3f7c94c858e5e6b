"""Notifications of runs and experiments that the page saw at work and that have ended since."""

import json
from html import escape

import gradio as gr

from skin import run as runs
from skin.errors import UserError
from skin.experiments import experiment as experiments
from skin.run import State
from skin.ui.training import experiment_snapshot
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
    """The runs and experiments that ended between the two snapshots, as JSON of keys and times of last signs; "" for none.

    Runs of an experiment are not among them: it is told of as a whole. Of one end two calls say the same, so that a page
    that asks twice at once is told once.
    """
    before = dict([*last_snapshot.states, *_keyed(last_snapshot)]) if last_snapshot else {}
    now = [*snapshot.states, *_keyed(snapshot)]
    ended = [
        key for key, state in now if _first_word(state) in SENTENCES and _first_word(before.get(key, "")) in _ACTIVE
    ]
    ends = {key: _last_sign(workspace, key) for key in ended}
    return json.dumps(ends) if ends else ""


def _keyed(snapshot: RunsSnapshot) -> list[tuple[str, str]]:
    return [(experiment_snapshot.key_of(name), state) for name, state in snapshot.experiments]


def _first_word(state: str) -> str:
    return state.partition(",")[0]


def _last_sign(workspace: Workspace, key: str) -> float:
    """The time of the last sign of life of a run, or of any run of an experiment; 0 where it is gone."""
    experiment = experiments.find(workspace, experiment_snapshot.name_in(key))
    found = experiment.all_runs if experiment else [run for run in [runs.find(workspace, key)] if run]
    return max((run.status().heartbeat for run in found), default=0.0)


def notify_ended(workspace: Workspace, ends: str) -> None:
    """Notify whoever looks; through the queue, because outside it Gradio shows no notification."""
    for key in json.loads(ends or "{}"):
        experiment = experiment_snapshot.name_in(str(key))
        try:
            state = _state_of(workspace, str(key))
        except UserError:
            continue
        if state in SENTENCES:
            notify, words = SENTENCES[state]
            notify(f"{'The experiment ' * bool(experiment)}{escape(experiment or str(key))} {words}")


def _state_of(workspace: Workspace, key: str) -> State:
    if experiment := experiment_snapshot.name_in(key):
        return experiments.get(workspace, experiment).status().state
    return runs.get(workspace, key).sound_status().state
