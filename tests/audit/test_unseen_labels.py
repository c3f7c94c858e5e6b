"""Nothing that is fitted or chosen has seen a diagnosis of the test part."""

import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pytest

from skin.audit.audit import AUDITS
from skin.audit.inputs import AuditInput
from skin.data.dataset import Dataset
from skin.data.splits import Split
from skin.evaluation.operating_point import choose_thresholds
from skin.evaluation.predictions import load_predictions, save_predictions
from skin.files import read_arrays
from skin.run import Run
from skin.workspace import Workspace

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def permuted(audited: Run, demo: Dataset, shared_workspace: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The audited run, fitted anew where the diagnoses of the test images are dealt out at random."""
    run = Run(tmp_path_factory.mktemp("permuted") / "permuted")
    shutil.copytree(audited.folder, run.folder, ignore=shutil.ignore_patterns("audit"))
    rng, test = np.random.default_rng(0), set(Split.load(run.split_path).test)
    rows = [row for row, image in enumerate(demo.images) if image.image_id in test]
    dealt = dict(zip(rows, rng.permutation([demo.images[row].diagnosis for row in rows]).tolist(), strict=True))
    images = [
        dataclasses.replace(image, diagnosis=dealt.get(row, image.diagnosis)) for row, image in enumerate(demo.images)
    ]
    parts = load_predictions(run.predictions_path)
    diagnoses = {image.image_id: image.diagnosis for image in images}
    truth = np.array([run.task.index(diagnoses[image_id]) for image_id in parts["test"].image_ids])
    assert (truth != parts["test"].truth).any()
    save_predictions(run.predictions_path, {**parts, "test": dataclasses.replace(parts["test"], truth=truth)})
    inputs = AuditInput.load(run, dataclasses.replace(demo, images=tuple(images)), shared_workspace)
    for step in AUDITS.values():
        if step.arrays:
            step.compute(inputs)
    return run


@pytest.mark.parametrize("file", [file for step in AUDITS.values() for file in step.arrays])
def test_no_gate_and_no_index_changes(audited: Run, permuted: Run, file: str) -> None:
    before, after = (read_arrays(Path(run.audit_folder) / file) for run in (audited, permuted))
    assert before.keys() == after.keys()
    for name, array in before.items():
        np.testing.assert_array_equal(after[name], array)


def test_no_threshold_changes(audited: Run, permuted: Run) -> None:
    before, after = (load_predictions(run.predictions_path)["validation"] for run in (audited, permuted))
    assert choose_thresholds(before) == choose_thresholds(after)
