"""The folder of an experiment: its plan and its runs, copied, deleted and shipped as a whole.

| file | what it holds |
|---|---|
| `experiment.json` | the Plan, and when it was made |
| `runs/` | a run folder for each member |

Everything else is told by the runs.
"""

import json
import shutil
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from skin import run as runs
from skin.config import TrainConfig
from skin.engines.resources import Resources
from skin.errors import UsageError, UserError
from skin.experiments.plan import Member, Plan
from skin.files import partial_path, read_json, unwritten, write_atomically
from skin.records import LARGEST, checked, from_plain, to_plain
from skin.run import Run, State, Status
from skin.task import Task
from skin.workspace import Workspace

FORMAT = 1
"""The version of experiment.json."""

MISSING, DAMAGED = "missing", "damaged"
"""States of a member that no run can tell of itself."""


@dataclass(frozen=True)
class MemberStatus:
    """What a member does: a State of its run, MISSING or DAMAGED, and what there is to say about it."""

    member: Member
    state: str
    message: str
    status: Status | None = None


@dataclass(frozen=True)
class Summary:
    """What an experiment does as a whole, and each of its members."""

    state: State
    members: tuple[MemberStatus, ...]

    @property
    def counts(self) -> dict[str, int]:
        """How many members are in each state."""
        return dict(Counter(row.state for row in self.members))

    @property
    def problems(self) -> list[str]:
        """A sentence for each member that is missing, damaged or failed."""
        told = (MISSING, DAMAGED, State.FAILED)
        return [f"{row.member.name} is {row.state}: {row.message}" for row in self.members if row.state in told]


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
    def runs_folder(self) -> Path:
        return self.folder / "runs"

    @cached_property
    def plan(self) -> Plan:
        """What it is made of; it never changes. Raises UserError when the file is missing or damaged."""
        try:
            return _plan(self.name, read_json(self.plan_path))
        except (ValueError, TypeError, KeyError, AttributeError, UserError) as error:
            raise UserError(
                f"{self.plan_path} is no experiment ({error}): restore it, or delete the experiment. Its runs can be "
                "used as any other run."
            ) from error

    @property
    def created(self) -> float:
        """When it was made, in seconds since the epoch; 0 where the file is missing or damaged."""
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
        """What it does now. Raises UserError when its plan is missing or damaged."""
        members = tuple(self._status_of(member) for member in self.plan.members)
        return Summary(_state_of_all([row.state for row in members]), members)

    def _status_of(self, member: Member) -> MemberStatus:
        run = self.run(member)
        if not run.folder.is_dir():
            return MemberStatus(member, MISSING, "its folder is gone; it has to be trained anew.")
        try:
            status = run.sound_status()
        except UserError as error:
            return MemberStatus(member, DAMAGED, str(error))
        return MemberStatus(member, status.state, status.message, status)

    def write_plan(self, plan: Plan, created: float) -> None:
        """Replace the plan. Raises UserError when the disk is full."""
        fields = {name: value for name, value in to_plain(plan).items() if name != "name"}  # the folder has it
        content = {"version": FORMAT, "created": created, **fields}
        write_atomically(self.plan_path, json.dumps(content, indent=1).encode())


def _plan(name: str, values: dict[str, Any]) -> Plan:
    """The plan that a file holds. Raises KeyError, TypeError, ValueError or UsageError when it holds none."""
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


_ORDER = (State.TRAINING, State.EVALUATING, State.PREPARING, State.QUEUED, State.FAILED, State.STOPPED)
"""The state of one member that is the state of all, the first of them that occurs."""


def _state_of_all(states: list[str]) -> State:
    if set(states) == {State.FINISHED}:
        return State.FINISHED
    return next((state for state in _ORDER if state in states), State.INTERRUPTED)


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
    """Whether it came with the project (it says so in a file `LICENSE`)."""
    return (experiment.folder / "LICENSE").is_file()


def check_own(experiment: Experiment) -> None:
    """Raise UserError where it came with the project."""
    if is_shipped(experiment):
        raise UserError(f"{experiment.name} came with the project and is not changed here.")


def delete(experiment: Experiment) -> None:
    """Delete an experiment of the user's own with all its runs. Raises UserError while one of them trains."""
    check_own(experiment)
    if running := [run.name for run in experiment.all_runs if _is_running(run)]:
        raise UserError(f"{running[0]} trains: stop the experiment {experiment.name} first.")
    try:
        shutil.rmtree(experiment.folder)
    except OSError as error:
        raise unwritten(experiment.folder, error) from error


def _is_running(run: Run) -> bool:
    try:
        return run.status().is_running
    except UserError:  # a damaged run goes with the others
        return False
