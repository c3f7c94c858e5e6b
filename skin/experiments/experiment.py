"""The folder of an experiment: its plan and its runs, copied, deleted and shipped as a whole.

| file | what it holds |
|---|---|
| `experiment.json` | the Plan, and the time when it was made |
| `control.json` | the job that drives it, and the wish to stop |
| `experiment.log` | the output of a driver that the page started |
| `runs/` | a run folder for each member |

Everything else is told by the runs.
"""

import json
import shutil
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path

from skin import run as runs
from skin.config import TrainConfig
from skin.engines.engine import Job
from skin.engines.resources import Resources
from skin.errors import UsageError, UserError
from skin.experiments.plan import Member, Plan
from skin.files import locked, parse_json, partial_path, read_content, read_json, unwritten, write_atomically
from skin.records import LARGEST, checked, from_plain, to_plain
from skin.run import Run, State, Status
from skin.task import Task
from skin.workspace import Workspace

FORMAT = 1
"""The version of experiment.json."""

LOCK_SECONDS = 120
"""The wait for the folder; whoever holds it hands one run to an engine."""

MISSING, DAMAGED, EARLY = "missing", "damaged", "stopped early"
"""States of a member that no run can tell of itself; the last is that of a poor run of a sweep, which is done."""


@dataclass(frozen=True)
class MemberStatus:
    """The state of a member: a State of its run, MISSING, DAMAGED or EARLY, and what there is to say about it."""

    member: Member
    state: str
    message: str
    status: Status | None = None

    @property
    def is_running(self) -> bool:
        """True while a living job trains it, or waits to."""
        return self.status is not None and self.status.is_running

    @property
    def retries(self) -> int:
        """The times that its job died and another one was started in its place."""
        return self.status.retries if self.status else 0

    @property
    def ending(self) -> str:
        """The reason why the last job that died did, "" where none did or its engine does not know."""
        return self.status.ending if self.status else ""

    @property
    def where(self) -> str:
        """The place where it trains, "" where it does not."""
        return self.status.job.where if self.status and self.status.job and self.is_running else ""


@dataclass(frozen=True)
class Control:
    """The job that drives the experiment, True for `stop` once it was asked to, and the names of runs to stop early."""

    driver: Job | None = None
    stop: bool = False
    early: tuple[str, ...] = ()


@dataclass(frozen=True)
class Summary:
    """The state of an experiment as a whole, and of each member.

    `is_driven` is True while a driver hands over the runs that wait.
    """

    state: State
    members: tuple[MemberStatus, ...]
    is_driven: bool

    @property
    def counts(self) -> dict[str, int]:
        """The number of members in each state."""
        return dict(Counter(row.state for row in self.members))

    @property
    def problems(self) -> list[str]:
        """A sentence for each member that is missing, damaged, failed or dead, and that was begun again."""
        told = (MISSING, DAMAGED, State.FAILED, State.INTERRUPTED)
        ended = [f"{row.member.name} is {row.state}: {row.message}" for row in self.members if row.state in told]
        return ended + [_retried(row) for row in self.members if row.retries]


@dataclass(frozen=True)
class Experiment:
    """An experiment's folder."""

    folder: Path

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.folder.name

    @property
    def plan_path(self) -> Path:
        return self.folder / "experiment.json"

    @property
    def control_path(self) -> Path:
        return self.folder / "control.json"

    @property
    def log_path(self) -> Path:
        return self.folder / "experiment.log"

    @property
    def runs_folder(self) -> Path:
        return self.folder / "runs"

    @cached_property
    def plan(self) -> Plan:
        """Its plan, which never changes. Raises UserError when the file is missing or damaged."""
        try:
            return _plan(self.name, read_content(self.plan_path))
        except (ValueError, TypeError, KeyError, AttributeError, UserError) as error:
            raise UserError(
                f"{self.plan_path} is no experiment ({error}): restore it, or delete the experiment. Its runs can be "
                "used as any other run."
            ) from error

    @property
    def created(self) -> float:
        """The time when it was made, in seconds since the epoch; 0 where the file is missing or damaged."""
        with suppress(ValueError, TypeError, KeyError):
            created = read_json(self.plan_path)["created"]
            return float(created) if 0 <= created <= LARGEST else 0.0
        return 0.0

    def run(self, member: Member) -> Run:
        """The run of a member, which may be missing."""
        return Run(self.runs_folder / member.name)

    @property
    def all_runs(self) -> list[Run]:
        """The runs that its folder holds, whatever the plan says."""
        found = self.runs_folder.iterdir() if self.runs_folder.is_dir() else []
        return [Run(path) for path in sorted(found) if path.is_dir() and not path.name.startswith(".")]

    def status(self) -> Summary:
        """Its state now. Raises UserError when its plan is missing or damaged."""
        members = tuple(self._status_of(member) for member in self.plan.members)
        is_driven = self.driver is not None
        return Summary(_state_of_all(members, is_driven, self.control.stop), members, is_driven)

    def _status_of(self, member: Member) -> MemberStatus:
        run = self.run(member)
        if not run.folder.is_dir():
            return MemberStatus(member, MISSING, "its folder is gone; it has to be trained anew.")
        try:
            status = run.sound_status()
        except UserError as error:
            return MemberStatus(member, DAMAGED, str(error))
        if status.state in (State.STOPPED, State.INTERRUPTED) and member.name in self.control.early:
            return MemberStatus(member, EARLY, "Others did better on the validation part.", status)
        return MemberStatus(member, status.state, status.message, status)

    @property
    def running(self) -> list[Run]:
        """The runs that a living job trains, or that wait for one."""
        return [run for run in self.all_runs if _is_running(run)]

    @property
    def control(self) -> Control:
        """Its control; nobody drives it where the file is missing or damaged."""
        with suppress(ValueError, TypeError, AttributeError):
            return checked(from_plain(Control, read_json(self.control_path)))
        return Control()

    @property
    def driver(self) -> Job | None:
        """The living job that drives it, if there is one."""
        driver = self.control.driver
        with suppress(OSError):
            return driver if driver and driver.is_alive(self.control_path.stat().st_mtime) else None
        return None

    def write_control(self, control: Control) -> None:
        """Replace it. Raises UserError when the disk is full."""
        write_atomically(self.control_path, json.dumps(to_plain(control), indent=1).encode())

    def mark_early(self, name: str) -> None:
        """Note that the run of this name is stopped early, and so is done. Raises UserError when the disk is full."""
        with self.locked():
            self.write_control(replace(self.control, early=(*self.control.early, name)))

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keeps other processes from driving or stopping it meanwhile. Raises UserError when the folder cannot be written to."""
        with locked(self.folder / ".lock", LOCK_SECONDS):
            yield

    def write_plan(self, plan: Plan, created: float) -> None:
        """Replace the plan. Raises UserError when the disk is full."""
        fields = {name: value for name, value in to_plain(plan).items() if name != "name"}  # the folder has it
        content = {"version": FORMAT, "created": created, **fields}
        write_atomically(self.plan_path, json.dumps(content, indent=1).encode())


@lru_cache(maxsize=32)
def _plan(name: str, text: bytes) -> Plan:
    """The plan in a file's content, which pages read every second.

    Raises KeyError, TypeError, ValueError or UsageError when it holds none.
    """
    values = parse_json(text)
    if values["version"] != FORMAT:
        raise ValueError(f"its version is {values['version']!r}, and {FORMAT} is known here")
    members = tuple(checked(from_plain(Member, row)) for row in values["members"])
    names = {runs.checked_name(member.name) for member in members}
    if len(names) < len(members) or not members:
        raise ValueError("it names no runs, or one twice")
    recipe = TrainConfig.parse(values["recipe"])
    resources = checked(from_plain(Resources, values["resources"]))
    plan = checked(Plan(name, recipe, members, values["kind"], values["engine"], resources))
    _ = plan.configs  # raises UsageError where a member cannot be trained
    return plan


_BUSY = (State.TRAINING, State.EVALUATING, State.PREPARING)
_ENDED = (State.STOPPED, State.FAILED)
"""States of a member that are the state of all, the first that occurs: while some run, and when none does."""


def _state_of_all(members: tuple[MemberStatus, ...], is_driven: bool, is_to_stop: bool) -> State:
    states = {row.state for row in members}
    if State.FINISHED in states and states <= {State.FINISHED, EARLY}:
        return State.FINISHED
    running = {row.state for row in members if row.is_running}
    if running or is_driven:
        return next((state for state in _BUSY if state in running), State.QUEUED)
    if is_to_stop:
        return State.STOPPED
    return next((state for state in _ENDED if state in states), State.INTERRUPTED)


def _retried(row: MemberStatus) -> str:
    times = f"{row.retries} times" if row.retries > 1 else "once"
    why = f" ({row.ending})" if row.ending else ""
    return f"{row.member.name} died {times}{why}, and another job went on from its last epoch."


def create(workspace: Workspace, plan: Plan, task: Task) -> Experiment:
    """Make the folder of an experiment with all its runs, or nothing.

    Raises UsageError when a name is no folder name or is taken, UserError when the disk is full or refuses.
    """
    check_free(workspace, plan.name)
    folder = workspace.experiments / plan.name
    new = Experiment(partial_path(folder))
    try:
        new.runs_folder.mkdir(parents=True)
        for name, config in plan.configs.items():
            Run.create(workspace, name, config, new.runs_folder).keep_task(task)
        new.write_plan(plan, time.time())
        new.folder.rename(folder)
    except OSError as error:
        raise unwritten(folder, error) from error
    finally:
        shutil.rmtree(new.folder, ignore_errors=True)
    return Experiment(folder)


def check_free(workspace: Workspace, name: str) -> None:
    """Raise UsageError where `name` cannot name an experiment, or names one already."""
    if find(workspace, runs.checked_name(name, "an experiment")) is not None:
        raise UsageError(f"An experiment named {name!r} exists already: choose another name, or delete it first.")


def free_name(workspace: Workspace, base: str) -> str:
    """`base` made fit to name an experiment and, where it is taken, numbered."""
    return runs.first_free(base, lambda name: find(workspace, name) is None)


def list_experiments(workspace: Workspace) -> list[Experiment]:
    """The user's experiments, newest first, then the shipped ones."""
    own = sorted(_experiments_in(workspace.experiments), key=lambda found: found.created, reverse=True)
    names = {experiment.name for experiment in own}
    shipped = sorted(_experiments_in(workspace.shipped_experiments), key=lambda found: found.created)
    return own + [experiment for experiment in shipped if experiment.name not in names]


def _experiments_in(folder: Path) -> Iterator[Experiment]:
    for path in folder.glob("[!.]*"):
        experiment = Experiment(path)
        if experiment.plan_path.exists() or experiment.runs_folder.is_dir():
            yield experiment


def find(workspace: Workspace, name: str) -> Experiment | None:
    """The experiment of this name, the user's own before a shipped one, or None."""
    return next((found for found in list_experiments(workspace) if found.name == name), None)


def get(workspace: Workspace, name: str) -> Experiment:
    """The experiment of this name. Raises UserError that names the experiments there are."""
    found = find(workspace, name)
    if found is None:
        names = ", ".join(experiment.name for experiment in list_experiments(workspace)) or "none yet"
        raise UserError(f"There is no experiment {name!r}. Experiments: {names}.")
    return found


def is_shipped(experiment: Experiment) -> bool:
    """True where it came with the project (it says so in a file `LICENSE`)."""
    return (experiment.folder / "LICENSE").is_file()


def check_own(experiment: Experiment) -> None:
    """Raise UserError where it came with the project."""
    if is_shipped(experiment):
        raise UserError(f"{experiment.name} came with the project and is not changed here.")


def check_idle_and_own(experiment: Experiment) -> None:
    """Raise UserError where it is shipped or at work, and so is not deleted."""
    check_own(experiment)
    if experiment.driver is not None or experiment.running:
        raise UserError(f"{experiment.name} is at work: stop it first.")


def delete(experiment: Experiment) -> None:
    """Delete an experiment of the user's own with all its runs. Raises UserError while it is at work."""
    check_idle_and_own(experiment)
    try:
        shutil.rmtree(experiment.folder)
    except OSError as error:
        raise unwritten(experiment.folder, error) from error


def _is_running(run: Run) -> bool:
    try:
        return run.status().is_running
    except UserError:  # a damaged run goes with the others
        return False
