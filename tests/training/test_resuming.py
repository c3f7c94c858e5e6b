"""A training that is killed or stopped, and resumed."""

import dataclasses
import signal
import subprocess
import time
from collections.abc import Callable

import numpy as np
import pytest
from commands import command
from small import SMALL

from skin.config import TrainConfig
from skin.data.dataset import Dataset
from skin.errors import UserError
from skin.evaluation.predictions import load_predictions
from skin.run import Epoch, Run, State
from skin.training.loop import train
from skin.training.outcome import Stopped, StopSignal
from skin.workspace import PROJECT, Workspace

pytestmark = pytest.mark.slow


def wait() -> None:
    """A minute, in which a signal is heard ten times a second."""
    for _ in range(600):
        time.sleep(0.1)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_stop_that_python_drops_is_raised_again() -> None:
    class Finalized:
        def __del__(self) -> None:
            signal.raise_signal(signal.SIGTERM)  # what is raised in here is printed, and lost

    before = signal.getsignal(signal.SIGTERM)
    stops = StopSignal()
    try:
        Finalized()
        with pytest.raises(Stopped):
            wait()
    finally:
        stops.restore()
    assert signal.getsignal(signal.SIGTERM) is before


def learned(history: list[Epoch]) -> list[dict[str, float]]:
    """What the epochs say of the network, without how long they took."""
    timed = {"seconds", "images_per_second"}
    return [{key: value for key, value in dataclasses.asdict(epoch).items() if key not in timed} for epoch in history]


def killed(process: subprocess.Popen[bytes], run: Run, is_due: Callable[[], bool]) -> None:
    """Kill the process without a word as soon as `is_due`."""
    while not is_due():
        assert process.poll() is None, run.log_tail()
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.wait()


def test_a_run_killed_in_each_stage_ends_as_an_undisturbed_one(trained_run: Run, shared_workspace: Workspace) -> None:
    """The last time also with its newest checkpoint cut short and its history gone."""
    run = Run.create(shared_workspace, "killed", trained_run.config)
    for lines in (1, 4):  # in stage 1 after its first epoch, in stage 2 after its first epoch
        with run.log_path.open("ab") as log:
            words = command(shared_workspace, "resume", run.name)
            process = subprocess.Popen(words, cwd=PROJECT, stdout=log, stderr=log)
        killed(process, run, lambda lines=lines: len(run.history()) >= lines)
        assert run.status().state is State.INTERRUPTED
        assert len(run.history()) < 5
    newest = max(run.state_paths, key=lambda path: path.stat().st_mtime_ns)
    newest.write_bytes(newest.read_bytes()[:-1000])
    run.history_path.unlink()
    subprocess.run(command(shared_workspace, "resume", run.name), cwd=PROJECT, check=True, capture_output=True)
    assert f"Resuming after epoch 3 of stage 1 ({newest.name}: it is damaged" in "\n".join(run.log_tail())
    assert learned(run.history()) == learned(trained_run.history())
    for part, predictions in load_predictions(run.predictions_path).items():
        undisturbed = load_predictions(trained_run.predictions_path)[part]
        np.testing.assert_array_equal(predictions.probabilities, undisturbed.probabilities)


@pytest.mark.exhaustive  # tests/engines/test_engine.py stops a training, too
def test_a_stop_is_said_and_resumed(shared_workspace: Workspace, demo: Dataset) -> None:
    endless = {"stage1_epochs": 1000, "stage1_patience": 0}  # so that it cannot end before it is stopped
    config = TrainConfig.from_preset("demo", dataset=demo.name, **{**SMALL, **endless})
    run = Run.create(shared_workspace, "stopped", config)
    process = subprocess.Popen(command(shared_workspace, "resume", run.name), cwd=PROJECT, stderr=subprocess.DEVNULL)
    while not run.history():
        time.sleep(0.01)
    subprocess.run(command(shared_workspace, "stop", run.name), cwd=PROJECT, check=True, capture_output=True)
    assert process.wait() == 1
    assert run.status().state is State.STOPPED
    assert any(path.exists() for path in run.state_paths)


def test_a_run_without_a_whole_checkpoint_refuses_to_go_on(workspace: Workspace, demo: Dataset) -> None:
    config = TrainConfig.from_preset("demo", dataset=str(demo.images[0].path.parent.parent), **SMALL)
    run = Run.create(workspace, "cut", config)
    run.append_history(Epoch(1, 1, 1.0, 0.5, 1.0, 0.5, 0.5, 1e-3, 1.0, 100.0))
    with pytest.raises(UserError, match="no checkpoint of it is whole"):
        train(run, workspace)
    assert run.status().state is State.FAILED
    assert "start a new run with its settings" in run.status().message
    assert len(run.history()) == 1
