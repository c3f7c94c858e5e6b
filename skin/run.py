"""The run folder: the only channel between a training process, the app and the command line.

| file | what it holds |
|---|---|
| `config.json` | the TrainConfig |
| `task.json` | the Task; where it is missing, BEFORE_TASKS |
| `status.json` | the Status, replaced atomically; touched every few seconds by whoever trains the run |
| `history.jsonl` | an Epoch a line |
| `train.log` | what the training process printed |
| `train.end` | how the process of the last job ended, unless it was well |
| `split.csv` | image_id, part |
| `datasheet.json` | the Datasheet: the images of each part in counts |
| `state-0.npz`, `state-1.npz` | the last two checkpoints, while the run is unfinished |
| `network.weights.h5` | the best epoch's weights (a shipped run does without) |
| `calibration.json` | the temperature that divides the logits |
| `model.onnx` | the network for inference |
| `predictions.npz` | validation and test: image ids, lesion ids, truth, probabilities |
| `report.json` | the evaluation of both |
| `notes.json` | what its owner noted, and tags |
| `audit/` | what `skin.audit` computed from the images, a file a step, and the arrays that predictions read |

A checkpoint is a finished run folder. The runs of an experiment lie inside its folder, and are found by their names as others are.
"""

import contextlib
import dataclasses
import itertools
import json
import re
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, Self

from skin.config import TrainConfig
from skin.engines import local
from skin.engines.engine import LOCAL, Job
from skin.errors import UsageError, UserError
from skin.files import leftovers, locked, parse_json, partial_path, read_content, unwritten, write_atomically
from skin.records import LARGEST, checked, from_plain
from skin.task import BEFORE_TASKS, Task
from skin.workspace import Workspace

_TELLING = ("config.json", "status.json", "history.jsonl", "report.json", "model.onnx", "network.weights.h5")
"""Files of which any one tells that a folder is, or was, a run."""

LOST_STATUS = "Its status was damaged; resume goes on after the last epoch that was kept."

LOCK_SECONDS = 30
"""For so long a run's folder is waited for; whoever holds it does no more than start a process."""

_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}"


class State(StrEnum):
    """The state of a run."""

    QUEUED = "queued"
    PREPARING = "preparing"
    TRAINING = "training"
    EVALUATING = "evaluating"
    FINISHED = "finished"
    STOPPED = "stopped"
    FAILED = "failed"
    INTERRUPTED = "interrupted"

    @property
    def is_active(self) -> bool:
        """True where a living job is expected to stand behind the run."""
        return self in (State.QUEUED, State.PREPARING, State.TRAINING, State.EVALUATING)


@dataclass(frozen=True)
class Status:
    """The state of a run, and its job: None where it was never started.

    Times are seconds since the epoch, `heartbeat` that of the job's last sign of life. `eta_seconds` is of the stage,
    `run_eta_seconds` and `share`, from 0 to 1, of the whole run. `retries` is how often its job died and another one was
    started in its place, `ending` why the last one died, where its engine knows.
    """

    state: State = State.QUEUED
    message: str = ""
    created: float = 0.0
    queued: float = 0.0
    job: Job | None = None
    stage: int | None = None
    epoch: int = 0
    epochs: int = 0
    step: int = 0
    steps: int = 0
    images_per_second: float | None = None
    eta_seconds: float | None = None
    run_eta_seconds: float | None = None
    share: float = 0.0
    memory_mb: float | None = None
    heartbeat: float = 0.0
    retries: int = 0
    ending: str = ""

    @property
    def is_alive(self) -> bool:
        """True while the job runs, or waits to, as its engine says."""
        return self.job is not None and self.job.is_alive(self.heartbeat)

    @property
    def is_running(self) -> bool:
        """True while a living job trains the run, or waits to."""
        return self.state.is_active and self.is_alive

    @property
    def engine(self) -> str:
        """The name of the engine that trained the run last, or will."""
        return self.job.engine if self.job else LOCAL


@dataclass(frozen=True)
class Epoch:
    """One finished epoch. Losses are in nats, the rest are shares, except the learning rate and the speed."""

    stage: int
    epoch: int
    loss: float
    accuracy: float
    val_loss: float
    val_accuracy: float
    val_balanced_accuracy: float
    learning_rate: float
    seconds: float
    images_per_second: float
    val_calibrated_loss: float | None = None

    @property
    def deciding_loss(self) -> float:
        """The validation loss that tells which epoch is kept: after temperature scaling where that was computed."""
        return self.val_loss if self.val_calibrated_loss is None else self.val_calibrated_loss


@dataclass(frozen=True)
class Run:
    """A run folder."""

    folder: Path

    @classmethod
    def create(cls, workspace: Workspace, name: str, config: TrainConfig, among: Path | None = None) -> Self:
        """A new run in the workspace, queued and with nothing trained; `among` is the folder of an experiment's runs.

        Raises UsageError when the name is no folder name or is taken, UserError when the disk is full or refuses.
        """
        check_free(workspace, name)
        run = cls((among or workspace.runs) / name)
        new = cls(partial_path(run.folder))
        now = time.time()
        try:
            new.folder.mkdir(parents=True)
            write_atomically(new.config_path, config.to_json().encode())
            new.write_status(Status(created=now, queued=now, heartbeat=now))
            new.folder.rename(run.folder)
        except OSError as error:
            raise unwritten(run.folder, error) from error
        finally:
            shutil.rmtree(new.folder, ignore_errors=True)
        return run

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.folder.name

    @property
    def experiment(self) -> Path | None:
        """The folder of the experiment that the run is part of, None where it is of none."""
        runs, of_experiment = self.folder.parent, self.folder.parent.parent
        return of_experiment if (runs.name, of_experiment.parent.name) == ("runs", "experiments") else None

    @property
    def config_path(self) -> Path:
        return self.folder / "config.json"

    @property
    def task_path(self) -> Path:
        return self.folder / "task.json"

    @property
    def status_path(self) -> Path:
        return self.folder / "status.json"

    @property
    def history_path(self) -> Path:
        return self.folder / "history.jsonl"

    @property
    def log_path(self) -> Path:
        return self.folder / "train.log"

    @property
    def split_path(self) -> Path:
        return self.folder / "split.csv"

    @property
    def datasheet_path(self) -> Path:
        return self.folder / "datasheet.json"

    @property
    def state_paths(self) -> tuple[Path, Path]:
        return self.folder / "state-0.npz", self.folder / "state-1.npz"

    @property
    def weights_path(self) -> Path:
        return self.folder / "network.weights.h5"

    @property
    def onnx_path(self) -> Path:
        return self.folder / "model.onnx"

    @property
    def calibration_path(self) -> Path:
        return self.folder / "calibration.json"

    @property
    def predictions_path(self) -> Path:
        return self.folder / "predictions.npz"

    @property
    def report_path(self) -> Path:
        return self.folder / "report.json"

    @property
    def notes_path(self) -> Path:
        return self.folder / "notes.json"

    @property
    def audit_folder(self) -> Path:
        return self.folder / "audit"

    @property
    def audit_command(self) -> str:
        """The command that audits the run."""
        return f"python -m skin audit {self.name}"

    @cached_property
    def config(self) -> TrainConfig:
        """The recipe; it never changes. Raises UserError when the file is missing or damaged."""
        return TrainConfig.load(self.config_path)

    @property
    def task(self) -> Task:
        """The task that it was trained on. Raises UserError when the file is damaged or of an unknown kind."""
        return Task.load(self.task_path) if self.task_path.exists() else BEFORE_TASKS

    def keep_task(self, task: Task) -> None:
        """Write the task of a run that has none yet. Raises UserError when it has another one."""
        if not self.task_path.exists() and not self.history():
            write_atomically(self.task_path, task.to_json().encode())
        elif not self.task.asks_as(task):
            raise UserError(
                f"The run {self.name!r} tells apart {', '.join(self.task.codes)}, and its data set now says "
                f"{', '.join(task.codes)}, or other fields: restore the data set, or start a new run."
            )

    def status(self) -> Status:
        """The run's status now; "interrupted" where its job died without a word.

        Where the file is missing or damaged, the rest of the folder tells. Raises UserError when that cannot, either.
        """
        try:
            status = _status(read_content(self.status_path))
        except (ValueError, TypeError, KeyError, AttributeError):
            status = self._status_from_the_rest()
        if status.state.is_active and (job := status.job):
            status = self._with_last_sign(status)
            return status if status.is_alive else _interrupted(status, job.ending(self.log_path))
        return status

    def _with_last_sign(self, status: Status) -> Status:
        """The status with the time of the last touch of its file, where that is later."""
        with contextlib.suppress(OSError):
            return dataclasses.replace(status, heartbeat=max(status.heartbeat, self.status_path.stat().st_mtime))
        return status

    def _status_from_the_rest(self) -> Status:
        """A status made from the other files of a run whose own is missing or damaged."""
        try:
            made = self.config_path.stat().st_mtime
        except OSError as error:
            raise UserError(f"The run {self.name!r} has neither status nor settings: delete it.") from error
        networks = (self.onnx_path, self.weights_path)
        if self.report_path.is_file() and self.predictions_path.is_file() and any(path.is_file() for path in networks):
            return Status(State.FINISHED, created=made, queued=made, heartbeat=made)
        return Status(State.INTERRUPTED, LOST_STATUS, created=made, queued=made, heartbeat=made)

    def write_status(self, status: Status) -> None:
        """Replace the status atomically, so that a reader never sees half of it."""
        write_atomically(self.status_path, json.dumps(dataclasses.asdict(status), indent=1).encode())

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Keeps other processes from claiming the run meanwhile. Raises UserError when the folder cannot be written to."""
        with locked(self.folder / ".lock", LOCK_SECONDS):
            yield

    def update_status(self, **changes: Any) -> Status:
        """Change some fields of the status, and its heartbeat."""
        status = dataclasses.replace(self.status(), heartbeat=time.time(), **changes)
        self.write_status(status)
        return status

    def history(self) -> list[Epoch]:
        """The finished epochs in order; a half-written last line is not yet one."""
        if not self.history_path.exists():
            return []
        try:
            lines = self.history_path.read_bytes().split(b"\n")[:-1]
            return [checked(Epoch(**json.loads(line))) for line in lines if line.strip()]
        except (OSError, ValueError, TypeError, RecursionError) as error:
            raise UserError(
                f"The history of run {self.name!r} is damaged ({error}): resume the run, or remove history.jsonl."
            ) from error

    def append_history(self, epoch: Epoch) -> None:
        """Add a finished epoch; what a crash left half-written is dropped first."""
        self.write_history([*self.history(), epoch])

    def write_history(self, history: Iterable[Epoch]) -> None:
        """Replace the history."""
        text = "".join(f"{json.dumps(dataclasses.asdict(epoch))}\n" for epoch in history)
        write_atomically(self.history_path, text.encode())

    def log_tail(self, lines: int = 200) -> list[str]:
        """The last lines of the log."""
        try:
            with self.log_path.open("rb") as file:
                file.seek(max(0, self.log_path.stat().st_size - 256 * lines))
                return file.read().decode(errors="replace").splitlines()[-lines:]
        except OSError:
            return []

    def sound_status(self) -> Status:
        """The status of a run whose settings and task can be read, too. Raises UserError where one is damaged."""
        _ = self.config, self.task
        return self.status()

    @property
    def can_predict(self) -> bool:
        """True where the run is finished and exported, and its settings and task can be read."""
        try:
            return self.onnx_path.is_file() and self.sound_status().state is State.FINISHED
        except UserError:
            return False

    @property
    def is_finished(self) -> bool:
        """True where the run can predict and report."""
        return self.status().state is State.FINISHED


def _interrupted(status: Status, ending: str) -> Status:
    """The status of a run whose job died without a word of its own."""
    message = f"The training process ended unexpectedly{': ' * bool(ending)}{ending.rstrip('.')}."
    return dataclasses.replace(status, state=State.INTERRUPTED, message=message, ending=ending)


@lru_cache(maxsize=1024)
def _status(text: bytes) -> Status:
    """The status in a file's content; pages read those of all runs every second, and few of them change.

    Raises KeyError, TypeError, ValueError or AttributeError when it holds none.
    """
    values = parse_json(text)
    read = {**_of_today(values), "state": State(values["state"]), "created": values["created"]}
    status = checked(Status(**read))
    numbers = [value for value in vars(status).values() if isinstance(value, int | float)]
    if not all(0 <= number <= LARGEST for number in numbers):  # so that NaN is refused too
        raise ValueError("a number of the status is impossible")
    return status


def _of_today(values: dict[str, Any]) -> dict[str, Any]:
    """The fields of a status; version 0.1 kept the process of a run, which was always a local one, in two of their own."""
    fields = {**values}
    pid, started, job = (fields.pop(name, None) for name in ("pid", "pid_started", "job"))
    if job is not None:
        return {**fields, "job": from_plain(Job, job)}
    return fields if pid is None else {**fields, "job": Job(LOCAL, local.handle_of(pid, started or 0.0))}


def best_epoch(history: Sequence[Epoch]) -> Epoch | None:
    """The epoch with the lowest validation loss, calibrated where the run goes by that; its weights are kept."""
    return min(history, key=lambda epoch: epoch.deciding_loss, default=None)


def checked_name(name: str, what: str = "a run") -> str:
    """`name` if it can name such a folder, else UsageError."""
    if not re.fullmatch(_NAME, name):
        raise UsageError(
            f"{name!r} cannot name {what}: use up to 80 letters, digits, '.', '_' and '-', no other first than a letter or digit."
        )
    return name


def check_free(workspace: Workspace, name: str) -> None:
    """Raise UsageError where `name` cannot name a run, or names one already."""
    if find(workspace, checked_name(name)) is not None:
        raise UsageError(f"A run named {name!r} exists already: choose another name, or delete it first.")


def free_name(workspace: Workspace, base: str, endings: Sequence[str] = ("",)) -> str:
    """`base` made fit to name runs that end so and, where one of these is taken, numbered."""
    return first_free(base, lambda name: all(find(workspace, f"{name}{ending}") is None for ending in endings))


def first_free(base: str, is_free: Callable[[str], bool]) -> str:
    """`base` made fit to name a folder and, where that is not free, numbered."""
    fit = re.sub(r"[^A-Za-z0-9._-]+", "-", base).strip("._-")[:60] or "run"
    numbered = (f"{fit}-{number}" for number in itertools.count(2))
    return next(name for name in itertools.chain([fit], numbered) if is_free(name))


def list_runs(workspace: Workspace) -> list[Run]:
    """The user's runs, newest first, then the shipped ones; after all of these, the runs of experiments in the same order."""
    own = sorted(_runs_of(_own_folders(workspace)), key=_created, reverse=True)
    names = {run.name for run in own}
    shipped = [run for run in sorted(_runs_of(_shipped_folders(workspace)), key=_created) if run.name not in names]
    return sorted([*own, *shipped], key=lambda run: run.experiment is not None)


def _own_folders(workspace: Workspace) -> list[Path]:
    """The folders that the user's own runs lie in."""
    return [workspace.runs, *_of_experiments(workspace.experiments)]


def _shipped_folders(workspace: Workspace) -> list[Path]:
    return [workspace.shipped_runs, *_of_experiments(workspace.shipped_experiments)]


def _of_experiments(folder: Path) -> list[Path]:
    return [path / "runs" for path in sorted(folder.glob("[!.]*")) if path.is_dir()]


def _runs_of(folders: Iterable[Path]) -> list[Run]:
    return [run for folder in folders for run in _runs_in(folder)]


def _runs_in(folder: Path) -> Iterator[Run]:
    if folder.is_dir():
        for child in folder.iterdir():
            if not child.name.startswith(".") and any((child / name).exists() for name in _TELLING):
                yield Run(child)


def _created(run: Run) -> float:
    try:
        return run.status().created
    except UserError:
        return 0.0


def find(workspace: Workspace, name: str) -> Run | None:
    """The run of this name, the user's own before a shipped one, or None."""
    if not re.fullmatch(_NAME, name):
        return None
    for folder in (*_own_folders(workspace), *_shipped_folders(workspace)):
        if (folder / name).is_dir():
            return Run(folder / name)
    return None


def get(workspace: Workspace, name: str) -> Run:
    """The run with this name or, where it is a path, in this folder.

    Raises UserError that names the runs there are.
    """
    path = Path(name)
    if len(path.parts) > 1 and (path / "config.json").is_file():
        return Run(path.resolve())
    run = find(workspace, name) if len(path.parts) == 1 else None
    if run is None:
        own = [run.name for run in list_runs(workspace) if run.experiment is None]
        names = ", ".join(own) or "none yet; train one first"
        raise UserError(f"There is no run {name!r}. Runs: {names}.")
    return run


def rename(workspace: Workspace, run: Run, name: str) -> Run:
    """Give a run of the user's own another name. Raises UserError while it trains, UsageError for a bad name."""
    check_idle_and_own(workspace, run)
    if find(workspace, checked_name(name)) is not None:
        raise UsageError(f"A run named {name!r} exists already: choose another name.")
    try:
        return Run(run.folder.rename(workspace.runs / name))
    except OSError as error:
        raise unwritten(workspace.runs / name, error) from error


def delete(workspace: Workspace, run: Run) -> None:
    """Delete a run of the user's own. Raises UserError while it trains."""
    check_idle_and_own(workspace, run)
    try:
        shutil.rmtree(run.folder)
    except OSError as error:
        raise unwritten(run.folder, error) from error


def sweep(workspace: Workspace) -> None:
    """Remove what killed processes were writing."""
    parents = _own_folders(workspace)
    runs = [run.folder for run in _runs_of(parents)]
    experiments = [workspace.experiments, *(parent.parent for parent in parents[1:])]
    audits = [Run(folder).audit_folder for folder in runs]
    for folder in (*parents, *runs, *audits, *experiments, workspace.features, workspace.datasets):
        for path in leftovers(folder):
            shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)


def is_shipped(run: Run) -> bool:
    """True where the run came with the project (it, or its experiment, says so in a file `LICENSE`)."""
    return any((folder / "LICENSE").is_file() for folder in (run.folder, run.experiment) if folder)


def is_own(workspace: Workspace, run: Run) -> bool:
    """True where the run is one of the user's own, not one that came with the project."""
    is_within = run.folder.parent == workspace.runs
    if run.experiment is not None:
        is_within = run.experiment.parent == workspace.experiments
    return is_within and not is_shipped(run)


def check_own(workspace: Workspace, run: Run) -> None:
    """Raise UserError where the run is not the user's own."""
    if not is_own(workspace, run):
        raise UserError(f"{run.name} came with the project and is not changed here.")


def check_idle_and_own(workspace: Workspace, run: Run) -> None:
    """Raise UserError where a run is shipped, part of an experiment or trains, and so is neither renamed nor deleted."""
    check_own(workspace, run)
    if run.experiment is not None:
        raise UserError(
            f"{run.name} is part of the experiment {run.experiment.name}: it is neither renamed, nor deleted without it."
        )
    try:
        status = run.status()
    except UserError:
        return
    if status.is_running:
        raise UserError(f"{run.name} is {status.state}: stop it first.")
