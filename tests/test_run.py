"""The run folder as a channel between processes."""

import dataclasses
import json
import os
import threading
import time
from pathlib import Path

import psutil
import pytest

from skin import files
from skin import run as runs
from skin.config import TrainConfig
from skin.engines import local
from skin.engines.engine import LOCAL, Job
from skin.engines.heartbeat import SILENT_SECONDS
from skin.errors import UsageError, UserError
from skin.run import Epoch, Run, State, Status
from skin.workspace import Workspace

EPOCH = Epoch(1, 1, 1.5, 0.5, 1.4, 0.6, 0.5, 1e-3, 2.0, 100.0)


@pytest.fixture
def run(workspace: Workspace) -> Run:
    return Run.create(workspace, "first", TrainConfig())


def test_a_new_run_is_queued_with_its_recipe(run: Run) -> None:
    assert run.status().state is State.QUEUED
    assert Run(run.folder).config == TrainConfig()
    assert run.history() == []
    assert run.log_tail() == []


@pytest.mark.parametrize("name", ["", "..", "../up", "a/b", ".hidden", "-flag", "x" * 81, "name with spaces", "ü"])
def test_names_that_are_no_folder_names_are_refused(workspace: Workspace, name: str) -> None:
    with pytest.raises(UsageError, match="cannot name a run"):
        Run.create(workspace, name, TrainConfig())
    assert not workspace.runs.exists() or list(workspace.runs.iterdir()) == []


def test_a_taken_name_is_refused_and_nothing_is_harmed(workspace: Workspace, run: Run) -> None:
    run.append_history(EPOCH)
    with pytest.raises(UsageError, match="exists already"):
        Run.create(workspace, "first", TrainConfig(seed=1))
    assert run.history() == [EPOCH]


def test_history_survives_a_line_that_a_crash_cut_short(run: Run) -> None:
    run.append_history(EPOCH)
    with run.history_path.open("a") as file:
        file.write('{"stage": 1, "epo')
    assert run.history() == [EPOCH]
    second = dataclasses.replace(EPOCH, epoch=2)
    run.append_history(second)
    assert run.history() == [EPOCH, second]


def test_a_dead_process_means_interrupted_and_a_recycled_pid_does_not_help(run: Run) -> None:
    run.write_status(Status(State.TRAINING, job=Job(LOCAL, local.handle_of(os.getpid(), 1.0))))
    assert run.status().state is State.INTERRUPTED


def test_a_status_of_version_0_1_still_names_its_process(run: Run) -> None:
    """As that version wrote it: a living process, a dead one and none."""
    process = psutil.Process()
    known = {"state": "training", "created": 1.0, "heartbeat": 1.0}
    for started, state in ((process.create_time(), State.TRAINING), (1.0, State.INTERRUPTED)):
        run.status_path.write_text(json.dumps({**known, "pid": process.pid, "pid_started": started}))
        assert run.status().state is state
    run.status_path.write_text(json.dumps({**known, "state": "queued", "pid": None, "pid_started": None}))
    assert (run.status().state, run.status().job) == (State.QUEUED, None)


@pytest.mark.parametrize("job", [Job(LOCAL, "7 1.0 another-machine"), Job("an engine of tomorrow", "x")])
def test_a_job_that_cannot_be_looked_at_lives_as_long_as_its_status_is_touched(run: Run, job: Job) -> None:
    old = time.time() - 2 * SILENT_SECONDS
    run.write_status(Status(State.TRAINING, job=job, heartbeat=old))
    assert run.status().state is State.TRAINING  # the file was written just now

    os.utime(run.status_path, (old, old))
    assert run.status().state is State.INTERRUPTED

    os.utime(run.status_path)
    assert run.status().state is State.TRAINING


DAMAGED = [
    "",
    "{",
    "[]",
    "[" * 100_000,
    "{}",
    '{"state": "dancing", "created": 1}',
    '{"state": "queued", "created": 1, "colour": 1}',
    '{"state": "queued", "created": NaN}',
    '{"state": "queued", "created": 1e300}',
    '{"state": "queued", "created": 1, "step": true}',
]


@pytest.mark.parametrize("content", DAMAGED)
def test_a_damaged_status_is_told_from_the_rest(run: Run, content: str) -> None:
    run.status_path.write_text(content)
    assert run.status().state is State.INTERRUPTED
    assert "Its status was damaged" in run.status().message
    assert run.status().created == run.config_path.stat().st_mtime
    for path in (run.report_path, run.predictions_path, run.onnx_path):
        path.write_text("x")
    assert run.status().state is State.FINISHED


def test_a_status_that_cannot_be_told_from_anything_is_a_sentence(run: Run) -> None:
    run.status_path.write_bytes(b"\xff")
    run.config_path.unlink()
    with pytest.raises(UserError, match="'first' has neither status nor settings: delete it"):
        run.status()


def test_a_folder_without_settings_is_listed_as_the_damaged_run_that_it_is(workspace: Workspace, run: Run) -> None:
    run.config_path.unlink()
    assert run in runs.list_runs(workspace)
    with pytest.raises(UserError, match="no run configuration"):
        run.sound_status()
    assert not run.can_predict


@pytest.mark.parametrize("content", ["", "{", "7", "[]", '{"hat": 1}', '{"seed": "x"}'])
def test_a_damaged_recipe_is_a_sentence(run: Run, content: str) -> None:
    run.config_path.write_text(content)
    with pytest.raises(UserError, match="no run configuration"):
        _ = Run(run.folder).config


@pytest.mark.parametrize("content", [b"nonsense\n", b"\xff\xfe\n", b"[1]\n", b"[" * 100_000 + b"\n", b'{"stage": 1}\n'])
def test_a_damaged_history_is_a_sentence(run: Run, content: bytes) -> None:
    run.history_path.write_bytes(content)
    with pytest.raises(UserError, match="is damaged"):
        run.history()


def test_a_reader_never_sees_half_a_status(run: Run) -> None:
    done = threading.Event()

    def write() -> None:
        for step in range(300):
            run.write_status(Status(State.STOPPED, step=step, message="x" * 5000))
        done.set()

    writer = threading.Thread(target=write)
    writer.start()
    while not done.is_set():
        run.status()
    writer.join()
    assert run.status().step == 299


def test_a_failed_write_says_so_and_keeps_what_was_there(run: Run) -> None:
    def full_disk(partial: Path) -> None:
        partial.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    before = run.status_path.read_bytes()
    with pytest.raises(UserError, match=r"No space left on device.*free some space"):
        files.replace_file(run.status_path, full_disk)
    assert run.status_path.read_bytes() == before
    assert {path.name for path in run.folder.iterdir()} == {"config.json", "status.json"}


def test_runs_are_found_by_name_or_path_and_listed_newest_first(workspace: Workspace, run: Run) -> None:
    second = Run.create(workspace, "second", TrainConfig())
    own = [listed for listed in runs.list_runs(workspace) if listed.folder.parent == workspace.runs]
    assert own == [second, run]
    assert runs.get(workspace, "first") == run
    assert runs.get(workspace, str(run.folder)).folder == run.folder
    with pytest.raises(UserError, match=r"no run 'third'\. Runs: second, first"):
        runs.get(workspace, "third")
    assert runs.find(workspace, "..") is None


def test_rename_and_delete(workspace: Workspace, run: Run) -> None:
    renamed = runs.rename(workspace, run, "better")
    assert runs.find(workspace, "first") is None
    assert renamed.status().state is State.QUEUED
    runs.delete(workspace, renamed)
    assert runs.find(workspace, "better") is None


def test_a_living_run_is_neither_renamed_nor_deleted(workspace: Workspace, run: Run) -> None:
    run.update_status(state=State.TRAINING, job=Job.here())
    for change in (lambda: runs.delete(workspace, run), lambda: runs.rename(workspace, run, "other")):
        with pytest.raises(UserError, match="stop it first"):
            change()


def test_a_shipped_run_is_neither_renamed_nor_deleted(workspace: Workspace, run: Run) -> None:
    (run.folder / "LICENSE").write_text("CC BY-NC-SA 4.0")
    with pytest.raises(UserError, match="came with the project"):
        runs.delete(workspace, run)


def test_free_name_numbers_what_is_taken(workspace: Workspace, run: Run) -> None:
    assert runs.free_name(workspace, "new") == "new"
    assert runs.free_name(workspace, run.name) == "first-2"
    assert runs.free_name(workspace, "../my data!") == "my-data"
    Run.create(workspace, "pair-image", TrainConfig())
    assert runs.free_name(workspace, "pair", ["-image", "-multimodal"]) == "pair-2"


def test_best_epoch_has_the_lowest_validation_loss() -> None:
    epochs = [dataclasses.replace(EPOCH, epoch=number, val_loss=loss) for number, loss in enumerate([3.0, 1.0, 2.0], 1)]
    best = runs.best_epoch(epochs)
    assert best is not None
    assert best.epoch == 2
    assert runs.best_epoch([]) is None
