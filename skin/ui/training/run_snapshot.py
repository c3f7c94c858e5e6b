"""All runs and the watched one at one moment, which tells whether the page has anything new to show."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from skin import jobs, notes
from skin.errors import UserError
from skin.experiments.experiment import list_experiments
from skin.notes import Notes
from skin.run import Run, State, Status, list_runs
from skin.ui.training import config_checks, experiment_snapshot
from skin.ui.training.experiment_snapshot import ExperimentSnapshot
from skin.workspace import Workspace

LATEST_RUN = ""
"""The choice that shows whichever run trains now, else the newest."""


@dataclass(frozen=True)
class RunsSnapshot:
    """All that decides what the monitor shows: where two are equal, there is nothing to send to the browser.

    Without a run, `experiment` is what is watched; with one, `experiment` is the chosen run's, whose runs the page lists.
    `histories` holds every run that the watched one can be compared with, and when its history changed, 0 where it has
    none; `log` changes with that file; `states` holds the name and state of every run that is part of no experiment,
    `experiments` those of every experiment; `noted` and `reported` change with the notes on any listed run and with any
    report; `obstacle` is why a run that ended early cannot be resumed as things are, "" where it can.
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
    experiment: ExperimentSnapshot | None = None
    experiments: tuple[tuple[str, str], ...] = ()

    @property
    def watched_experiment(self) -> ExperimentSnapshot | None:
        """The experiment, where it is watched and not one of its runs."""
        return self.experiment if self.run is None else None

    @property
    def listed(self) -> tuple[object, ...]:
        """All that the table and the choices of the page depend on."""
        rows = (self.experiment.experiment, self.experiment.rows) if self.experiment else ()
        return self.states, self.experiments, rows, self.noted, self.reported

    @property
    def can_resume(self) -> bool:
        """True where a training can go on from where the run, or the experiment, ended."""
        if self.watched_experiment:
            return self.watched_experiment.can_resume
        return self.status is not None and ended_early(self.status) and not self.obstacle


def ended_early(status: Status) -> bool:
    return not status.is_running and status.state is not State.FINISHED


def take_snapshot(workspace: Workspace, chosen: str) -> RunsSnapshot:
    """The chosen run or experiment, or the run to follow, as it is now."""
    all_runs = list_runs(workspace)
    living = jobs.living_runs(workspace)
    experiments = {known.name: experiment_snapshot.take(known) for known in list_experiments(workspace)}
    run = _chosen(all_runs, chosen) if chosen else next(iter([*(run for run, _ in living), *all_runs]), None)
    experiment = experiments.get(_experiment_of(run, chosen)) if chosen else None
    status, problem = None, "" if run or experiment or not chosen else _gone(chosen)
    if run is not None:
        try:
            status = run.sound_status()
        except UserError as error:
            problem = str(error)
    listed = [known for known in all_runs if known.experiment is None or _is_of(known, experiment)]
    return RunsSnapshot(
        run,
        status,
        problem,
        histories=tuple((known, _modified(known.history_path)) for known in dict.fromkeys([*listed, *_one(run)])),
        log=_log(run, experiment),
        queue=tuple(run.name for run, status in living[1:] if status.state is State.QUEUED),
        states=tuple((known.name, state_of(known)) for known in all_runs if known.experiment is None),
        obstacle=_obstacle(run) if run and status and ended_early(status) else "",
        noted=tuple(_modified(known.notes_path) for known in listed),
        reported=tuple(_modified(known.report_path) for known in listed),
        experiment=experiment,
        experiments=tuple((name, known.state) for name, known in experiments.items()),
    )


def _one(run: Run | None) -> list[Run]:
    return [run] if run else []


def _experiment_of(run: Run | None, chosen: str) -> str:
    """The name of the experiment that was chosen, or a run of which was; "" for none."""
    return run.experiment.name if run and run.experiment else experiment_snapshot.name_in(chosen)


def _is_of(run: Run, experiment: ExperimentSnapshot | None) -> bool:
    return experiment is not None and run.experiment == experiment.experiment.folder


def _gone(chosen: str) -> str:
    name = experiment_snapshot.name_in(chosen)
    what = f"experiment {name!r}" if name else f"run {chosen!r}"
    return f"There is no {what} any more: choose another one."


def _log(run: Run | None, experiment: ExperimentSnapshot | None) -> tuple[str, float]:
    """The name of whatever wrote the log, and when it last did."""
    if run:
        return run.name, _modified(run.log_path)
    return (experiment.experiment.name, _modified(experiment.experiment.log_path)) if experiment else ("", 0.0)


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
    """The runs and experiments that can be watched, then the runs of the one that is listed, as labels and values."""
    choices = [("The one that trains, or the newest", LATEST_RUN)]
    if snapshot:
        choices += [(f"{name} ({state})", name) for name, state in snapshot.states]
        choices += [
            (f"{name} (experiment: {state})", experiment_snapshot.key_of(name)) for name, state in snapshot.experiments
        ]
        members = snapshot.experiment.rows if snapshot.experiment else ()
        choices += [(f"{name} ({state})", name) for name, state, _ in members]
    return choices


def readable_notes(run: Run) -> Notes | None:
    """The notes on the run, None where they are damaged."""
    try:
        return notes.load(run)
    except UserError:
        return None
