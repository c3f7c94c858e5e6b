"""Training processes: started apart from whoever asked, waiting for their turn, found again by their run folders.

A process is known by its pid and start time in the run's status, its turn by when the run was queued. There is no other
record, so that the app and the command line see the same runs, and a run outlives both.
"""

import os
import signal
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import BinaryIO

import numpy as np
import psutil

from skin.config import TrainConfig
from skin.errors import UserError
from skin.experiments.experiment import Experiment
from skin.files import unwritten
from skin.models import pace
from skin.run import Epoch, Run, State, Status, delete, is_shipped, list_runs
from skin.workspace import PROJECT, Workspace

POLL_SECONDS = 1.0
STOP_SECONDS = 5.0


def start(workspace: Workspace, experiment: Experiment) -> list[Run]:
    """Make the experiment's runs and start a process for each; they train one after the other, in this order.

    Raises UsageError, and starts none, when a name is no folder name or is taken.
    """
    runs = create(workspace, experiment)
    for run in runs:
        with run.locked():
            _launch(workspace, run)
    return runs


def create(workspace: Workspace, experiment: Experiment) -> list[Run]:
    """Make the experiment's runs, or none.

    Raises UsageError when a name is no folder name or is taken.
    """
    runs: list[Run] = []
    try:
        for name, config in experiment.configs.items():
            runs.append(Run.create(workspace, name, config))
    except UserError:
        for run in runs:
            delete(workspace, run)
        raise
    return runs


def resume(workspace: Workspace, run: Run) -> None:
    """Start a process that trains an interrupted, stopped or failed run to its end.

    Raises UserError when there is nothing to resume.
    """
    with run.locked():
        status = run.status()
        if status.state is State.FINISHED:
            raise UserError(f"{run.name} is finished: start a new run to train longer.")
        if status.is_running:
            raise UserError(f"{run.name} is {status.state} already.")
        run.update_status(state=State.QUEUED, message="", queued=time.time(), pid=None, pid_started=None)
        _launch(workspace, run)


def _launch(workspace: Workspace, run: Run) -> None:
    """Start the process of a run that is locked."""
    command = [sys.executable, "-m", "skin", "resume", run.name, "--home", str(workspace.home)]
    with _opened_log(run) as log:
        process = subprocess.Popen(
            command, cwd=PROJECT, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
    try:
        _record(run, process.pid)
    finally:  # nobody else waits for the process: without this it would stay a zombie when it ends
        threading.Thread(target=process.wait, daemon=True).start()


def _opened_log(run: Run) -> BinaryIO:
    try:
        return run.log_path.open("ab")
    except OSError as error:
        raise unwritten(run.log_path, error) from error


def claim(run: Run, pid: int | None = None) -> None:
    """Record in the run's status that process `pid`, or this one, trains it.

    A run that is queued keeps its place; any other queues behind those that wait.

    Of two processes that claim a run at once, one gets it. Raises UserError when another living process has it.
    """
    with run.locked():
        _record(run, pid or os.getpid())


def _record(run: Run, pid: int) -> None:
    """`claim` of a run that is locked."""
    status = run.status()
    if status.is_running and status.pid != pid:
        raise UserError(f"{run.name} is {status.state} already, in process {status.pid}.")
    queued = status.queued if status.state is State.QUEUED else time.time()
    started = psutil.Process(pid).create_time()
    run.update_status(state=State.QUEUED, message="", queued=queued, pid=pid, pid_started=started)


def stop(run: Run) -> None:
    """Ask the run's process to save its state and end; it may take until the end of a step.

    Raises UserError when none runs.
    """
    status = run.status()
    if not status.is_running:
        raise UserError(f"{run.name} is {status.state}: there is nothing to stop.")
    with suppress(psutil.NoSuchProcess, psutil.TimeoutExpired):
        process = psutil.Process(status.pid)
        process.send_signal(signal.SIGTERM)
        process.wait(STOP_SECONDS)
    if run.status().state is State.INTERRUPTED:  # it had not begun, and so had nothing to save
        run.update_status(state=State.STOPPED, message="Stopped on request.")


def wait_for_turn(run: Run, workspace: Workspace) -> None:
    """Return when no other run trains and none that is still alive was queued before this one.

    The run is then preparing, so that whoever is queued later waits for it.
    """
    message = ""
    while ahead := runs_ahead(run, workspace):
        if message != (message := f"Waiting for {', '.join(other.name for other in ahead)}."):
            run.update_status(message=message)
        time.sleep(POLL_SECONDS)
    run.update_status(state=State.PREPARING, message="Loading the training libraries.")


def runs_ahead(run: Run, workspace: Workspace) -> list[Run]:
    """The living runs that train, or were queued before this one, in their order."""
    own = run.status()
    others = [(status, other) for other, status in living_runs(workspace) if other != run]
    return [other for status, other in others if status.state is not State.QUEUED or status.queued < own.queued]


def living_runs(workspace: Workspace) -> list[tuple[Run, Status]]:
    """The runs that have a living process, in the order of their turns."""
    living = []
    for run in list_runs(workspace):
        with suppress(UserError):  # a damaged folder stands in nobody's way
            status = run.status()
            if status.is_running:
                living.append((run, status))
    return sorted(living, key=lambda pair: pair[1].queued)


STARTUP_SECONDS = 40.0
"""Until TensorFlow is loaded and the graphs of both stages are built."""


def estimate_seconds(config: TrainConfig, n_train_images: int, workspace: Workspace) -> float:
    """How long a training may take, in seconds, from the speed of earlier runs or else of a common 2-core machine.

    Only an estimate: early stopping ends a run sooner and a busy machine later.
    """
    epochs = list(_earlier_epochs(config, workspace))
    fine_tuning = _typical_rate(epochs, 2, pace.fine_tuning_rate(config))
    head = _typical_rate(epochs, 1, pace.HEAD_RATE)
    return STARTUP_SECONDS + n_train_images * sum(pace.seconds_per_image(config, head, fine_tuning))


def _earlier_epochs(config: TrainConfig, workspace: Workspace) -> Iterator[Epoch]:
    """What this machine measured with the same network."""
    for run in list_runs(workspace):
        with suppress(UserError):
            network = (run.config.backbone, run.config.image_size)
            if network == (config.backbone, config.image_size) and not is_shipped(run):
                yield from run.history()


def _typical_rate(epochs: Iterable[Epoch], stage: int, default: float) -> float:
    rates = [
        epoch.images_per_second for epoch in epochs if epoch.stage == stage and 0 < epoch.images_per_second < np.inf
    ]
    return statistics.median(rates) if rates else default
