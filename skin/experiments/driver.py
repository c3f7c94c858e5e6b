"""The driver of an experiment: hands its runs to the engine, and again when their jobs die, until all are finished.

Any process can be the driver, one at a time. The runs do not need it: when it dies, those that were handed over go on, and
the next driver finds everything in the folder.
"""

import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import replace

from skin import jobs
from skin.engines.engine import LOCAL, Job
from skin.engines.heartbeat import beating
from skin.errors import UserError
from skin.experiments import kinds, sweep
from skin.experiments.experiment import EARLY, MISSING, Experiment, MemberStatus, Summary, check_own
from skin.experiments.plan import Plan
from skin.run import Epoch, Run, State
from skin.workspace import Workspace

RETRIES = 3
"""The times that a run whose job died is handed over again."""

AHEAD = 16
"""The most runs that wait in the queue of a cluster; stopping them takes seconds each."""


def start(workspace: Workspace, experiment: Experiment) -> None:
    """Drive the experiment from a process of its own, which outlives this one. Raises UserError."""
    check_own(experiment)
    command = [sys.executable, "-m", "skin", "experiment", "resume", experiment.name, "--home", str(workspace.home)]
    with experiment.locked():
        _check_undriven(experiment)
        driver = Job.submit(LOCAL, command, experiment.log_path)
        experiment.write_control(replace(experiment.control, driver=driver, stop=False))


def drive(workspace: Workspace, experiment: Experiment) -> Iterator[Summary]:
    """Train what is not finished, and yield what all do about once a second; ends when nothing more is to be done.

    Raises UserError when somebody drives it already, its plan is damaged or the engine cannot be reached.
    """
    check_own(experiment)
    with _claimed(experiment):
        _queue_anew(workspace, experiment)
        judged: set[tuple[str, int]] = set()
        while True:
            _hand_over(workspace, experiment)
            if kinds.is_search(experiment.plan):
                _stop_poor(experiment, judged)
            summary = experiment.status()
            yield summary
            if experiment.control.stop or not any(row.is_running or _is_due(row) for row in summary.members):
                break
            time.sleep(jobs.POLL_SECONDS)
    _keep_endings(experiment)
    if kinds.is_search(experiment.plan):
        sweep.keep_best(experiment)
    yield experiment.status()


@contextmanager
def _claimed(experiment: Experiment) -> Iterator[None]:
    """Claims the experiment for this process, which inside gives signs of life."""
    with experiment.locked():
        _check_undriven(experiment)
        control = experiment.control
        driver = Job.here(control.driver)
        is_to_stop = control.stop and control.driver == driver  # asked for since `start` made this process
        experiment.write_control(replace(control, driver=driver, stop=is_to_stop))
    try:
        with beating([experiment.control_path]):
            yield
    finally:
        with experiment.locked():
            experiment.write_control(replace(experiment.control, driver=None))


def _check_undriven(experiment: Experiment) -> None:
    driver = experiment.driver
    if driver and Job.here(driver) != driver:
        raise UserError(f"{experiment.name} is driven already, in {driver.where}.")


def _queue_anew(workspace: Workspace, experiment: Experiment) -> None:
    """Queue every run that is neither finished nor running, and make those anew that are missing."""
    for row in experiment.status().members:
        if row.state == MISSING:
            config = experiment.plan.config(row.member)
            Run.create(workspace, row.member.name, config, experiment.runs_folder)
        elif row.status and not row.is_running and row.state not in (State.FINISHED, EARLY):
            experiment.run(row.member).update_status(state=State.QUEUED, message="", job=None, retries=0, ending="")


def _hand_over(workspace: Workspace, experiment: Experiment) -> None:
    """Hand as many runs to the engine as there is room for, unless the experiment is to stop."""
    plan, summary = experiment.plan, experiment.status()
    due = [row for row in summary.members if _is_due(row)]
    for row in due[: max(0, _room(plan, summary))]:
        with experiment.locked():
            if experiment.control.stop:
                return
            run = experiment.run(row.member)
            if row.state == State.INTERRUPTED:
                run.update_status(retries=row.retries + 1)
            jobs.submit(workspace, run, plan.engine, plan.resources)


def _is_due(row: MemberStatus) -> bool:
    """True where a run waits to be handed over: for the first time, or because its job died."""
    if row.status is None:
        return False
    is_new = row.state == State.QUEUED and row.status.job is None
    return is_new or (row.state == State.INTERRUPTED and row.retries < RETRIES)


def _keep_endings(experiment: Experiment) -> None:
    """Write down why jobs died, which an engine may tell to nobody else than who saw them alive."""
    for row in experiment.status().members:
        if row.state == State.INTERRUPTED:
            experiment.run(row.member).update_status()


def _room(plan: Plan, summary: Summary) -> int:
    """The number of runs that the engine may be handed now."""
    running = [row for row in summary.members if row.is_running]
    if plan.engine == LOCAL:  # where one that waits is a process, too
        return plan.resources.parallel - len(running)
    return AHEAD - sum(row.state == State.QUEUED for row in running)


def _stop_poor(experiment: Experiment, judged: set[tuple[str, int]]) -> None:
    """Stop the runs of a search that are poor on the highest rung that they have reached; each is judged there once."""
    plan = experiment.plan
    known = {run.name: run for run in map(experiment.run, plan.members)}
    standings = {
        member.name: sweep.standings(plan.config(member), _history(known[member.name])) for member in plan.members
    }
    for run in experiment.running:
        own = standings.get(run.name)
        if not own or (run.name, max(own)) in judged:
            continue
        rung = max(own)
        judged.add((run.name, rung))
        others = [other[rung] for name, other in standings.items() if name != run.name and rung in other]
        if sweep.is_poor(own[rung], others):
            experiment.mark_early(run.name)
            _stopped(run)


def _history(run: Run) -> list[Epoch]:
    try:
        return run.history()
    except UserError:  # a damaged run is named by the experiment's status
        return []


def stop(experiment: Experiment) -> None:
    """Have no more runs begun, and those that train save their state and end, which takes seconds.

    Raises UserError when nothing of it runs, or some run cannot be stopped from here.
    """
    with experiment.locked():
        if experiment.driver is None and not experiment.running:
            raise UserError(f"Nothing of {experiment.name} runs: there is nothing to stop.")
        experiment.write_control(replace(experiment.control, stop=True))
    running = experiment.running
    with ThreadPoolExecutor(max(1, len(running))) as threads:
        refusals = [error for error in threads.map(_stopped, running) if error]
    if refusals:
        raise refusals[0]


def _stopped(run: Run) -> UserError | None:
    """Stop a run; what speaks against it, unless it has ended by itself."""
    try:
        jobs.stop(run)
    except UserError as error:
        with suppress(UserError):
            return error if run.status().is_running else None
    return None
