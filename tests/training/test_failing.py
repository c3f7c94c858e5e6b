"""A training that cannot go on, and what its run then says."""

import subprocess

import pytest
from commands import command
from small import SMALL, SmallDisk

from skin.config import TrainConfig
from skin.data.dataset import Dataset
from skin.engines.engine import Job
from skin.errors import UserError
from skin.run import Run, State
from skin.training.callbacks import Monitor
from skin.training.loop import train
from skin.workspace import PROJECT, Workspace

pytestmark = pytest.mark.slow


def test_a_disk_that_is_full_of_weights_fails_the_run_in_a_sentence_and_it_can_be_resumed(
    small_disk: SmallDisk, demo: Dataset
) -> None:
    """16 MB hold the images, their features and the head's checkpoints, but not the weights of the network."""
    disk = small_disk("16m")
    workspace = Workspace(disk)
    only_the_head = {**SMALL, "stage1_epochs": 1, "stage2_epochs": 0, "image_size": 32}
    dataset = str(demo.images[0].path.parent.parent)
    run = Run.create(workspace, "large", TrainConfig.from_preset("demo", dataset=dataset, **only_the_head))

    words = command(workspace, "resume", run.name)
    ended = subprocess.run(words, cwd=PROJECT, capture_output=True, text=True, check=False)

    assert ended.returncode == 1, ended.stderr
    assert "could not be written (No space left on device): free some space" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert run.status().state is State.FAILED
    assert "network.weights.h5 could not be written" in run.status().message
    assert not list(run.folder.glob(".*.h5"))
    subprocess.run(["mount", "-o", "remount,size=200m", str(disk)], check=True)
    subprocess.run(words, cwd=PROJECT, capture_output=True, check=True)
    assert run.status().state is State.FINISHED
    assert len(run.history()) == 1


def test_a_run_whose_images_are_gone_fails_with_a_sentence(workspace: Workspace, trained_run: Run) -> None:
    run = Run.create(workspace, "orphan", trained_run.config)
    run.split_path.write_text(
        "image_id,part\nDEMO_0000001,train\nGONE_1,train\nDEMO_0000002,validation\nDEMO_0000003,test\n"
    )
    with pytest.raises(UserError, match="GONE_1 first, are gone"):
        train(run, workspace)
    assert run.status().state is State.FAILED
    assert "GONE_1" in run.status().message


def test_a_status_that_is_damaged_while_the_run_trains_is_told_again(workspace: Workspace) -> None:
    """Else another process might take the run for one that nobody trains."""
    run = Run.create(workspace, "first", TrainConfig())
    monitor = Monitor(run)
    monitor.enter(State.TRAINING)
    run.status_path.write_bytes(b"\xff")
    monitor.begin_epoch(run.config.stages[0], 1, 10)
    status = run.status()
    assert status.state is State.TRAINING
    assert status.job
    assert Job.here(status.job) is status.job
