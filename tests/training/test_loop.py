"""A training run from its first second to its report."""

import re
import shutil
from collections.abc import Iterator

import numpy as np
import pytest
from ham import CODES
from small import SMALL

from skin.audit.audit import missing_steps
from skin.config import TrainConfig
from skin.data import splits
from skin.data.dataset import Dataset
from skin.evaluation.predictions import load_predictions
from skin.evaluation.report import load_report
from skin.inference.predictor import Predictor
from skin.run import Run, State, best_epoch
from skin.training.loop import train
from skin.workspace import Workspace

pytestmark = pytest.mark.slow


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


def test_the_kept_weights_are_those_of_the_best_epoch(trained_run: Run) -> None:
    best = best_epoch(trained_run.history())
    assert best is not None
    validation = load_report(trained_run.report_path)["validation"]
    assert validation.headline["accuracy"].value == pytest.approx(best.val_accuracy, abs=1e-6)
    losses = [epoch.val_calibrated_loss for epoch in trained_run.history()]
    assert best.val_calibrated_loss == min(losses)
    assert validation.headline["log_loss"].value == pytest.approx(best.val_calibrated_loss, abs=1e-4)


HEAD_ALONE = {
    **SMALL,
    "stage2_epochs": 0,
    "audit": True,
    "imbalance": "none",
    "calibrate": False,
    "imbalance_strength": 0.5,
}


def test_a_training_ends_with_the_audit(audited: Run, trained_run: Run) -> None:
    assert missing_steps(audited) == []
    assert "Audited." in audited.log_tail()[-2]
    assert not trained_run.audit_folder.exists()
    assert f"`{trained_run.audit_command}` does it later" in "\n".join(trained_run.log_tail())


@pytest.fixture(scope="module")
def unaudited(shared_workspace: Workspace, demo: Dataset) -> Iterator[Run]:
    """A run of the head alone whose audit could not be written."""
    run = Run.create(shared_workspace, "unaudited", TrainConfig.from_preset("demo", dataset=demo.name, **HEAD_ALONE))
    run.audit_folder.write_text("a file in the place of the folder")
    train(run, shared_workspace)
    yield run
    shutil.rmtree(run.folder)


def test_an_audit_that_fails_leaves_a_finished_run_and_the_command(unaudited: Run) -> None:
    assert unaudited.is_finished
    assert f"`{unaudited.audit_command}` goes on with it" in "\n".join(unaudited.log_tail())


def test_post_hoc_adjustment_takes_the_class_shares_out_of_the_same_network(
    unaudited: Run, shared_workspace: Workspace, demo: Dataset
) -> None:
    config = TrainConfig.from_preset(
        "demo", dataset=demo.name, **{**HEAD_ALONE, "audit": False, "imbalance": "post-hoc-adjustment"}
    )
    run = Run.create(shared_workspace, "adjusted", config)
    train(run, shared_workspace)
    log_probabilities = [
        np.log(load_predictions(each.predictions_path)["test"].probabilities) for each in (unaudited, run)
    ]

    ratio = log_probabilities[0] - log_probabilities[1]
    train_part = set(splits.Split.load(run.split_path).train)
    diagnoses = [image.diagnosis for image in demo.images if image.image_id in train_part]
    counts = np.array([diagnoses.count(code) for code in CODES])
    expected = np.tile(0.5 * np.log(counts / counts[0]), (len(ratio), 1))
    np.testing.assert_allclose(ratio - ratio[:, :1], expected, atol=1e-4)
