"""All runs and the watched one at one moment, which tells whether the page has anything new to show."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from skin import jobs, notes
from skin.errors import UserError
from skin.notes import Notes
from skin.run import Run, State, Status, list_runs
from skin.ui.training import config_checks
from skin.workspace import Workspace

LATEST_RUN = ""
"""The choice that shows whichever run trains now, else the newest."""


@dataclass(frozen=True)
class RunsSnapshot:
    """All that decides what the monitor shows: where two are equal, there is nothing to send to the browser.

    `histories` holds every run with when its history changed, 0 where it has none; `log` changes with that file,
    `noted` with the notes on any run and `reported` with any report; `states` holds the name and state of every run;
    `obstacle` is why a run that ended early cannot be resumed as things are, "" where it can.
    """

    run: Run | None
    status: Status | None
    problem: str
    histories: tuple[tuple[Run, float], ...]
    log: tuple[str, float]
    queue: tuple[str, ...]
    states: tuple[tuple[str, str], ...]
    obstacle: str = ""
    noted: tuple[float, ...] = ()
    reported: tuple[float, ...] = ()

    @property
    def can_resume(self) -> bool:
        """True where a training can go on from where the run ended."""
        return self.status is not None and ended_early(self.status) and not self.obstacle


def ended_early(status: Status) -> bool:
    return not status.is_running and status.state is not State.FINISHED


def take_snapshot(workspace: Workspace, chosen: str) -> RunsSnapshot:
    """The chosen run, or the one to follow, as it is now."""
    all_runs = list_runs(workspace)
    living = jobs.living_runs(workspace)
    run = _chosen(all_runs, chosen) if chosen else next(iter([*(run for run, _ in living), *all_runs]), None)
    status, problem = None, "" if run or not chosen else f"There is no run {chosen!r} any more: choose another one."
    if run is not None:
        try:
            status = run.sound_status()
        except UserError as error:
            problem = str(error)
    return RunsSnapshot(
        run,
        status,
        problem,
        histories=tuple((run, _modified(run.history_path)) for run in all_runs),
        log=(run.name, _modified(run.log_path)) if run else ("", 0.0),
        queue=tuple(run.name for run, status in living[1:] if status.state is State.QUEUED),
        states=tuple((run.name, state_of(run)) for run in all_runs),
        obstacle=_obstacle(run) if run and status and ended_early(status) else "",
        noted=tuple(_modified(run.notes_path) for run in all_runs),
        reported=tuple(_modified(run.report_path) for run in all_runs),
    )


def _obstacle(run: Run) -> str:
    try:
        return " ".join(config_checks.problems(run.config).values())
    except UserError as error:
        return str(error)


def _chosen(all_runs: Sequence[Run], name: str) -> Run | None:
    return next((run for run in all_runs if run.name == name), None)


def _modified(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def state_of(run: Run) -> str:
    """The run's state in a word."""
    try:
        return run.sound_status().state
    except UserError:
        return "damaged"


def run_choices(snapshot: RunsSnapshot | None = None) -> list[tuple[str, str]]:
    """The runs that can be watched, as labels and values."""
    names = [(f"{name} ({state})", name) for name, state in snapshot.states] if snapshot else []
    return [("The one that trains, or the newest", LATEST_RUN), *names]


def readable_notes(run: Run) -> Notes | None:
    """The notes on the run, None where they are damaged."""
    try:
        return notes.load(run)
    except UserError:
        return None
