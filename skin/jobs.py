"""The queue of trainings: runs that are handed to an engine, wait for their turn, and are found again by their folders.

A job is known by its engine and handle in the run's status, its turn by when the run was queued. There is no other record,
so that the app and the command line see the same runs, and a run outlives both.
"""

import statistics
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress

import numpy as np

from skin.config import TrainConfig
from skin.engines.engine import LOCAL, Job
from skin.engines.heartbeat import beating
from skin.engines.resources import Resources
from skin.errors import UserError
from skin.run import Epoch, Run, State, Status, delete, is_shipped, list_runs
from skin.training import pace
from skin.workspace import Workspace

POLL_SECONDS = 1.0


def start(
    workspace: Workspace,
    configs: Mapping[str, TrainConfig],
    engine: str = LOCAL,
    resources: Resources = Resources(),
) -> list[Run]:
    """Make a run of each configuration, by its name, and hand them to the engine in their order, on these resources each.

    Raises UsageError, and starts none, when a name is no folder name or is taken.
    """
    runs = create(workspace, configs)
    for run in runs:
        submit(workspace, run, engine, resources)
    return runs


def create(workspace: Workspace, configs: Mapping[str, TrainConfig]) -> list[Run]:
    """Make a run of each configuration, by its name, or none.

    Raises UsageError when a name is no folder name or is taken.
    """
    runs: list[Run] = []
    try:
        for name, config in configs.items():
            runs.append(Run.create(workspace, name, config))
    except UserError:
        for run in runs:
            delete(workspace, run)
        raise
    return runs


def submit(workspace: Workspace, run: Run, engine: str = LOCAL, resources: Resources = Resources()) -> None:
    """Hand a run that does not train to the engine, to be trained to its end. Raises UserError."""
    with run.locked():
        _submit(workspace, run, engine, resources)


def resume(workspace: Workspace, run: Run) -> None:
    """Hand an interrupted, stopped or failed run to the engine that it had, on what it had, to be trained to its end.

    Raises UserError when there is nothing to resume.
    """
    with run.locked():
        status = run.status()
        if status.state is State.FINISHED:
            raise UserError(f"{run.name} is finished: start a new run to train longer.")
        if status.is_running:
            raise UserError(f"{run.name} is {status.state} already.")
        _submit(workspace, run, status.engine, status.job.resources if status.job else Resources())


def _submit(workspace: Workspace, run: Run, engine: str, resources: Resources) -> None:
    """Hand a run that is locked to the engine."""
    command = [sys.executable, "-m", "skin", "resume", run.name, "--home", str(workspace.home)]
    _record(run, Job.submit(engine, command, run.log_path, resources))


@contextmanager
def claimed(runs: Sequence[Run]) -> Iterator[None]:
    """Claims the runs for this process, which inside gives signs of life for all of them. Raises UserError."""
    for run in runs:
        claim(run)
    with beating([run.status_path for run in runs]):
        yield


def claim(run: Run, job: Job | None = None) -> None:
    """Record in the run's status that the job, or else this process, trains it.

    A run that is queued keeps its place; any other queues behind those that wait.

    Of two processes that claim a run at once, one gets it. Raises UserError when another living job has it.
    """
    with run.locked():
        _record(run, job or Job.here(run.status().job))


def _record(run: Run, job: Job) -> None:
    """`claim` of a run that is locked."""
    status = run.status()
    if status.job and status.is_running and status.job != job:
        raise UserError(f"{run.name} is {status.state} already, in {status.job.where}.")
    queued = status.queued if status.state is State.QUEUED else time.time()
    run.update_status(state=State.QUEUED, message="", queued=queued, job=job)


def stop(run: Run) -> None:
    """Ask the run's job to save its state and end; it may take until the end of a step.

    Raises UserError when none runs, or its engine cannot be reached.
    """
    status = run.status()
    if not status.job or not status.is_running:
        raise UserError(f"{run.name} is {status.state}: there is nothing to stop.")
    status.job.stop()
    if run.status().state is State.INTERRUPTED:  # it had not begun, and so had nothing to save
        run.update_status(state=State.STOPPED, message="Stopped on request.", ending=status.ending)


def wait_for_turn(run: Run, workspace: Workspace) -> None:
    """Return when no run of this queue trains and none that is still alive was queued before this one.

    Or, where this one and all of those agree to train in parallel, when they leave a place. The run is then preparing, so
    that whoever is queued later waits for it.
    """
    message = ""
    while len(ahead := runs_ahead(run, workspace)) >= _places([run, *ahead]):
        if message != (message := f"Waiting for {', '.join(other.name for other in ahead)}."):
            run.update_status(message=message)
        time.sleep(POLL_SECONDS)
    run.update_status(state=State.PREPARING, message="Loading the training libraries.")


def _places(waiting: Sequence[Run]) -> int:
    """The number of these runs that may train at once: as many as each of them agreed to."""
    jobs = [run.status().job for run in waiting]
    return min(job.resources.parallel if job else 1 for job in jobs)


def runs_ahead(run: Run, workspace: Workspace) -> list[Run]:
    """The runs of the same queue that train, or were queued before this one, in their order."""
    own = run.status()
    others = [(status, other) for other, status in waiting_with(own.job, workspace) if other != run]
    return [other for status, other in others if status.state is not State.QUEUED or status.queued < own.queued]


def waiting_with(job: Job | None, workspace: Workspace) -> list[tuple[Run, Status]]:
    """The living runs whose jobs train one after the other with this one, in the order of their turns."""
    if job is None or job.queue is None:
        return []
    return [(run, status) for run, status in living_runs(workspace) if status.job and status.job.queue == job.queue]


def living_runs(workspace: Workspace) -> list[tuple[Run, Status]]:
    """The runs that have a living job, in the order of their turns."""
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
    """The seconds that a training may take, from the speed of earlier runs or else of a common 2-core machine.

    Only an estimate: early stopping ends a run sooner and a busy machine later.
    """
    epochs = list(_earlier_epochs(config, workspace))
    fine_tuning = _typical_rate(epochs, 2, pace.fine_tuning_rate(config))
    head = _typical_rate(epochs, 1, pace.HEAD_RATE)
    return STARTUP_SECONDS + n_train_images * sum(pace.seconds_per_image(config, head, fine_tuning))


def _earlier_epochs(config: TrainConfig, workspace: Workspace) -> Iterator[Epoch]:
    """The epochs that this machine measured with the same network."""
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
