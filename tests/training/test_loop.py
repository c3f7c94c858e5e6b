"""A training run from its first second to its report, killed on the way and resumed."""

import dataclasses
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from ham import CODES
from small import SMALL, SmallDisk

from skin.audit.audit import missing_steps
from skin.config import TrainConfig
from skin.data import splits
from skin.data.dataset import Dataset
from skin.engines.engine import Job
from skin.errors import UserError
from skin.evaluation.predictions import load_predictions
from skin.evaluation.report import load_report
from skin.inference.predictor import Predictor
from skin.models.onnx import open_session
from skin.run import Epoch, Run, State, best_epoch
from skin.training.callbacks import Monitor
from skin.training.exporting import export_run
from skin.training.loop import train
from skin.training.outcome import Stopped, StopSignal
from skin.workspace import PROJECT, Workspace

pytestmark = pytest.mark.slow


def learned(history: list[Epoch]) -> list[dict[str, float]]:
    """What the epochs say of the network, without how long they took."""
    timed = {"seconds", "images_per_second"}
    return [{key: value for key, value in dataclasses.asdict(epoch).items() if key not in timed} for epoch in history]


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


def test_a_finished_run_has_everything_and_nothing_temporary(trained_run: Run) -> None:
    assert trained_run.status().state is State.FINISHED
    names = {path.name for path in trained_run.folder.iterdir()}
    assert names == {
        "config.json",
        "task.json",
        "status.json",
        "history.jsonl",
        "train.log",
        "split.csv",
        "datasheet.json",
        "network.weights.h5",
        "calibration.json",
        "model.onnx",
        "predictions.npz",
        "report.json",
    }


def test_both_stages_are_in_the_history(trained_run: Run) -> None:
    epochs = [(epoch.stage, epoch.epoch) for epoch in trained_run.history()]
    assert epochs == [(1, 1), (1, 2), (1, 3), (2, 1), (2, 2)]
    assert re.search(
        r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d stage 2 epoch 2/2", trained_run.log_path.read_text(), re.MULTILINE
    )


def test_the_report_judges_the_split_that_was_saved(trained_run: Run, demo: Dataset) -> None:
    split = splits.Split.load(trained_run.split_path)
    assert splits.audit(split, demo.images).shared_test_images == 0
    for part, predictions in load_predictions(trained_run.predictions_path).items():
        assert predictions.image_ids == split.parts[part]
    assert load_report(trained_run.report_path)["test"].n == len(split.test)


def test_the_network_learned_something(trained_run: Run) -> None:
    """Five epochs of 64 pixels are far from enough, but not nothing."""
    assert load_report(trained_run.report_path)["test"].headline["macro_auc"].value > 0.6


def test_training_and_prediction_share_one_way_in(trained_run: Run, demo: Dataset) -> None:
    saved = load_predictions(trained_run.predictions_path)["test"]
    images = {image.image_id: image for image in demo.images}
    predictor = Predictor(trained_run)
    for row in range(3):
        image = images[saved.image_ids[row]]
        prediction = predictor.predict(image.path.read_bytes(), image.patient)
        np.testing.assert_allclose(list(prediction.probabilities.values()), saved.probabilities[row], atol=1e-4)


def test_a_training_says_what_it_runs_on(trained_run: Run) -> None:
    assert re.search(r"Training runs on the (CPU|GPU)", trained_run.log_path.read_text())


@pytest.fixture(scope="module")
def mixed_run(shared_workspace: Workspace, demo: Dataset) -> Run:
    """As the trained run, in bfloat16."""
    config = TrainConfig.from_preset(
        "demo", dataset=demo.name, **{**SMALL, "stage2_epochs": 1, "audit": True}, mixed_precision="bfloat16"
    )
    run = Run.create(shared_workspace, "mixed", config)
    train(run, shared_workspace)
    return run


@pytest.mark.exhaustive
def test_what_is_trained_in_mixed_precision_predicts_in_float32(mixed_run: Run) -> None:
    assert load_report(mixed_run.report_path)["test"].headline["macro_auc"].value > 0.6
    types = {tensor.data_type for tensor in onnx.load(mixed_run.onnx_path).graph.initializer}
    assert onnx.TensorProto.FLOAT in types
    assert not types & {onnx.TensorProto.FLOAT16, onnx.TensorProto.BFLOAT16}


def test_a_training_ends_with_the_audit(mixed_run: Run, trained_run: Run) -> None:
    assert missing_steps(mixed_run) == []
    assert "Audited." in mixed_run.log_tail()[-2]
    assert not trained_run.audit_folder.exists()
    assert f"`{trained_run.audit_command}` does it later" in "\n".join(trained_run.log_tail())


def test_an_audit_that_fails_leaves_a_finished_run_and_the_command(shared_workspace: Workspace, demo: Dataset) -> None:
    short = {**SMALL, "stage1_epochs": 1, "stage2_epochs": 0, "audit": True}
    run = Run.create(shared_workspace, "unaudited", TrainConfig.from_preset("demo", dataset=demo.name, **short))
    run.audit_folder.write_text("a file in the place of the folder")
    train(run, shared_workspace)
    assert run.is_finished
    assert f"`{run.audit_command}` goes on with it" in "\n".join(run.log_tail())
    shutil.rmtree(run.folder)


@pytest.mark.exhaustive
def test_what_was_trained_in_mixed_precision_exports_again(mixed_run: Run, shared_workspace: Workspace) -> None:
    image = np.zeros((1, SMALL["image_size"], SMALL["image_size"], 3), np.uint8)
    before = open_session(mixed_run.onnx_path).run(["probabilities"], {"image": image})
    export_run(mixed_run, shared_workspace)
    np.testing.assert_allclose(
        open_session(mixed_run.onnx_path).run(["probabilities"], {"image": image}), before, atol=1e-6
    )


def test_the_kept_weights_are_those_of_the_best_epoch(trained_run: Run) -> None:
    best = best_epoch(trained_run.history())
    assert best is not None
    validation = load_report(trained_run.report_path)["validation"]
    assert validation.headline["accuracy"].value == pytest.approx(best.val_accuracy, abs=1e-6)
    losses = [epoch.val_calibrated_loss for epoch in trained_run.history()]
    assert best.val_calibrated_loss == min(losses)
    assert validation.headline["log_loss"].value == pytest.approx(best.val_calibrated_loss, abs=1e-4)


def command(workspace: Workspace, *words: str) -> list[str]:
    return [sys.executable, "-m", "skin", *words, "--home", str(workspace.home)]


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


def test_post_hoc_adjustment_takes_the_class_shares_out_of_the_same_network(
    shared_workspace: Workspace, demo: Dataset
) -> None:
    settings = {**SMALL, "stage2_epochs": 0, "calibrate": False, "imbalance_strength": 0.5}
    log_probabilities = []
    for imbalance in ("none", "post-hoc-adjustment"):
        config = TrainConfig.from_preset("demo", dataset=demo.name, **{**settings, "imbalance": imbalance})
        run = Run.create(shared_workspace, imbalance, config)
        train(run, shared_workspace)
        log_probabilities.append(np.log(load_predictions(run.predictions_path)["test"].probabilities))

    ratio = log_probabilities[0] - log_probabilities[1]
    train_part = set(splits.Split.load(run.split_path).train)
    diagnoses = [image.diagnosis for image in demo.images if image.image_id in train_part]
    counts = np.array([diagnoses.count(code) for code in CODES])
    expected = np.tile(0.5 * np.log(counts / counts[0]), (len(ratio), 1))
    np.testing.assert_allclose(ratio - ratio[:, :1], expected, atol=1e-4)


def test_export_writes_the_same_network_again(trained_run: Run, shared_workspace: Workspace) -> None:
    image = np.zeros((64, 64, 3), np.uint8)
    before = Predictor(trained_run).predict(image).probabilities
    trained_run.onnx_path.unlink()
    export_run(trained_run, shared_workspace)
    assert Predictor(trained_run).predict(image).probabilities == pytest.approx(before, abs=1e-6)


def test_jax_trains_without_tensorflow(workspace: Workspace, demo: Dataset, tmp_path: Path) -> None:
    """In a process of its own, in which TensorFlow cannot be imported."""
    pytest.importorskip("jax")
    only_the_head = {**SMALL, "stage1_epochs": 1, "stage2_epochs": 0}  # test_devices.py has JAX train a whole network
    config = TrainConfig.from_preset("demo", dataset=demo.name, model="multimodal", **only_the_head)
    run = Run.create(workspace, "jax", config)
    (tmp_path / "sitecustomize.py").write_text("import sys; sys.modules['tensorflow'] = None\n")
    environment = {**os.environ, "KERAS_BACKEND": "jax", "PYTHONPATH": str(tmp_path)}
    subprocess.run(
        command(workspace, "resume", run.name), cwd=PROJECT, env=environment, check=True, capture_output=True
    )
    assert run.status().state is State.FINISHED
    assert not run.onnx_path.exists()
    saved = load_predictions(run.predictions_path)["test"]
    export_run(run, workspace)
    images = {image.image_id: image for image in demo.images}
    image = images[saved.image_ids[0]]
    prediction = Predictor(run).predict(image.path, image.patient)
    np.testing.assert_allclose(list(prediction.probabilities.values()), saved.probabilities[0], atol=1e-4)
