"""The network that a training exports, on either backend and in mixed precision."""

import os
import subprocess
from pathlib import Path

import numpy as np
import onnx
import pytest
from commands import command
from small import SMALL

from skin.config import TrainConfig
from skin.data.dataset import Dataset
from skin.evaluation.predictions import load_predictions
from skin.evaluation.report import load_report
from skin.inference.predictor import Predictor
from skin.models.onnx import open_session
from skin.run import Run, State
from skin.training.exporting import export_run
from skin.training.loop import train
from skin.workspace import PROJECT, Workspace

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def mixed_run(shared_workspace: Workspace, demo: Dataset) -> Run:
    """As the trained run, in bfloat16."""
    config = TrainConfig.from_preset(
        "demo", dataset=demo.name, **{**SMALL, "stage2_epochs": 1}, mixed_precision="bfloat16"
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


@pytest.mark.exhaustive
def test_what_was_trained_in_mixed_precision_exports_again(mixed_run: Run, shared_workspace: Workspace) -> None:
    image = np.zeros((1, SMALL["image_size"], SMALL["image_size"], 3), np.uint8)
    before = open_session(mixed_run.onnx_path).run(["probabilities"], {"image": image})
    export_run(mixed_run, shared_workspace)
    np.testing.assert_allclose(
        open_session(mixed_run.onnx_path).run(["probabilities"], {"image": image}), before, atol=1e-6
    )


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
    quick = "--xla_backend_optimization_level=0"  # to compile
    environment = {**os.environ, "KERAS_BACKEND": "jax", "PYTHONPATH": str(tmp_path), "XLA_FLAGS": quick}
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
