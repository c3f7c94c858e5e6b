"""Runs with reports, made without training: what the pages show is what is written here."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from ham import CODES

from skin.config import TrainConfig
from skin.data.dataset import Dataset
from skin.data.splits import SPLITTERS
from skin.evaluation.predictions import Predictions, save_predictions
from skin.evaluation.report import evaluate_parts, save_report
from skin.run import Epoch, Run, State
from skin.ui import shell
from skin.ui.access import access_of
from skin.workspace import Workspace

AddRun = Callable[..., Run]


def _predictions(dataset: Dataset, ids: tuple[str, ...], skill: float) -> Predictions:
    images = {image.image_id: image for image in dataset.images}
    truth = np.array([CODES.index(images[image_id].diagnosis) for image_id in ids])
    rng = np.random.default_rng(round(100 * skill))
    probabilities = rng.dirichlet(np.ones(7), len(ids)) + skill * rng.random((len(ids), 1)) * np.eye(7)[truth]
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    lesion_ids = tuple(images[image_id].lesion_id for image_id in ids)
    return Predictions(ids, lesion_ids, truth, probabilities.astype(np.float32))


@pytest.fixture
def add_run(workspace: Workspace, demo: Dataset) -> AddRun:
    """Adds a finished run of some skill on the drawn data set to the workspace."""

    def add(name: str, skill: float = 1.0, **settings: object) -> Run:
        run = Run.create(workspace, name, TrainConfig.from_preset("demo", **settings))
        split = SPLITTERS["by-lesion"](demo.images, run.config.seed)
        parts = {part: _predictions(demo, split.parts[part], skill) for part in ("validation", "test")}
        save_predictions(run.predictions_path, parts)
        save_report(run.report_path, evaluate_parts(parts))
        for stage, epoch, loss, accuracy in ((1, 1, 1.0, 0.5), (1, 2, 0.8, 0.6), (2, 1, 0.7, 0.65)):
            run.append_history(Epoch(stage, epoch, loss, accuracy, loss, accuracy, accuracy - 0.1, 1e-3, 2.0, 100.0))
        run.update_status(state=State.FINISHED)
        return run

    return add


@pytest.fixture
def url(two_models: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of the whole app, in which two models can predict and nothing can be trained."""
    uploads = tmp_path / "uploads"
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(uploads))
    access = access_of(True, False, {})
    blocks = shell.build(two_models, access.read_only)
    _, address, _ = blocks.launch(prevent_thread_lock=True, quiet=True, **shell.launch_settings(access, uploads))
    yield address
    blocks.close(verbose=False)
