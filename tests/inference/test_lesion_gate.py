"""The lesion gate: refuses what is strange or a poor picture, lets lesions pass, and is never trusted blindly."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from skin.config import TrainConfig
from skin.errors import UserError
from skin.inference.lesion_gate import GATE, LesionGate
from skin.inference.out_of_distribution import METHODS, Ensemble, Mahalanobis
from skin.inference.picture_checks import CHECKS, measure
from skin.run import Run
from skin.workspace import Workspace

SIZE = 96


def embeddings(n: int, seed: int = 0, away: float = 0.0) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Embeddings of three classes in a space of ten directions out of sixty; `away` leads out of it."""
    rng, fixed = np.random.default_rng(seed), np.random.default_rng(99)
    centres, axes, out = fixed.normal(0, 1, (3, 60)), fixed.normal(0, 0.3, (10, 60)), fixed.normal(0, 1, 60)
    truth = rng.integers(0, 3, n)
    found = 3 + centres[truth] + rng.normal(0, 1, (n, 10)) @ axes + rng.normal(0, 0.02, (n, 60)) + away * out
    return found.astype(np.float32), truth


def lesion(side: float = 0.3, at: tuple[float, float] = (0.5, 0.5)) -> NDArray[np.uint8]:
    """A dark, speckled square on light, speckled skin."""
    rng = np.random.default_rng(0)
    pixels = np.full((SIZE, SIZE, 3), (215, 170, 150), float)
    left, top = (int((place - side / 2) * SIZE) for place in at)
    pixels[max(0, top) : top + int(side * SIZE), max(0, left) : left + int(side * SIZE)] = (110, 70, 50)
    return np.clip(pixels + rng.normal(0, 12, (SIZE, SIZE, 1)), 0, 255).astype(np.uint8)


@pytest.fixture
def gate(workspace: Workspace) -> LesionGate:
    """A gate that was written and read again."""
    score = Ensemble.fit(*embeddings(600))
    threshold = float(np.quantile(score(embeddings(300, seed=1)[0]), 0.98))
    bounds = {"brightness": 60.0, "sharpness": 8.0, "filled": 0.02, "free border": 0.6}
    run = Run.create(workspace, "mine", TrainConfig.from_preset("demo"))
    LesionGate(score, threshold, bounds, 48).save(run.audit_folder / GATE)
    return LesionGate.load(run)


@pytest.mark.parametrize("method", METHODS)
def test_each_score_tells_what_leads_out_of_the_space(method: str) -> None:
    score = METHODS[method](*embeddings(600))
    usual, strange = score(embeddings(200, seed=1)[0]), score(embeddings(200, seed=2, away=1.0)[0])
    assert usual.shape == (200,)
    assert np.median(strange) > np.quantile(usual, 0.99)


def test_the_distance_is_mahalanobis_to_the_nearest_class_mean() -> None:
    found, truth = embeddings(600)
    score = Mahalanobis.fit(found, truth, 59)
    means = np.stack([found[truth == label].mean(axis=0) for label in range(3)])
    within = found - means[truth]
    inverse = np.linalg.inv((within.T @ within / len(within)).astype(float))
    exact = np.min([np.einsum("ni,ij,nj->n", found[:40] - mean, inverse, found[:40] - mean) for mean in means], axis=0)
    np.testing.assert_allclose(score(found[:40]), exact, rtol=0.05)


def test_what_is_like_the_training_part_passes_and_what_is_strange_does_not(gate: LesionGate) -> None:
    usual, strange = embeddings(1, seed=5)[0][0], embeddings(1, seed=5, away=0.5)[0][0]
    assert gate.judge(usual, lesion(), (400, 300)).in_scope
    refused = gate.judge(strange, lesion(), (400, 300))
    assert refused.is_refused
    assert "learned from" in refused.reason


@pytest.mark.parametrize(
    ("pixels", "size", "reason"),
    [
        (lesion() // 6, (400, 300), "darker than those that this model learned from"),
        (np.asarray(Image.fromarray(lesion()).resize((6, 6)).resize((SIZE, SIZE))), (400, 300), "too blurred"),
        (lesion(side=0.08), (400, 300), "too little of the picture"),
        (lesion(side=1.6, at=(0.9, 0.9)), (400, 300), "cut off"),
        (lesion(), (64, 40), "too small: 64 by 40 pixels, and its shorter side must have 48"),
    ],
    ids=["dark", "blurred", "far", "cut off", "small"],
)
def test_a_poor_picture_is_refused_with_its_fault(
    gate: LesionGate, pixels: NDArray[np.uint8], size: tuple[int, int], reason: str
) -> None:
    answer = gate.judge(embeddings(1, seed=5)[0][0], pixels, size)
    assert answer.is_refused
    assert reason in answer.reason


def test_the_checks_measure_what_they_say() -> None:
    values = measure(lesion(side=0.3))
    assert list(values) == list(CHECKS)
    assert values["filled"] == pytest.approx(0.09, abs=0.02)
    assert values["free border"] == 1
    assert measure(lesion(side=1, at=(0, 0.5)))["free border"] == pytest.approx(0.5, abs=0.1)
    assert measure(np.zeros((SIZE, SIZE, 3), np.uint8))["filled"] == 0


@pytest.mark.usefixtures("gate")
@pytest.mark.parametrize("content", [None, b"", b"PK\x03\x04", b"\x80\x04"], ids=["gone", "empty", "cut", "pickle"])
def test_a_gate_that_cannot_be_read_is_told_with_the_command(workspace: Workspace, content: bytes | None) -> None:
    run = Run(workspace.runs / "mine")
    path = run.audit_folder / GATE
    path.unlink() if content is None else Path(path).write_bytes(content)
    with pytest.raises(UserError, match=r"not checked.*`python -m skin audit mine`"):
        LesionGate.load(run)


@pytest.mark.usefixtures("gate")
@pytest.mark.parametrize(
    "change",
    ["whole.means", "whole.basis", "direction.variances", "direction.rest", "discriminant.bias", "scales", "limits"],
)
def test_arrays_that_do_not_fit_are_refused(workspace: Workspace, change: str) -> None:
    run = Run(workspace.runs / "mine")
    path = run.audit_folder / GATE
    with np.load(path) as file:
        arrays = dict(file)
    wrong = {
        "whole.means": arrays["whole.means"][:, 1:],
        "whole.basis": arrays["whole.basis"] * np.nan,
        "direction.variances": -arrays["direction.variances"],
        "direction.rest": np.array(0.0),
        "discriminant.bias": arrays["discriminant.bias"][1:],
        "scales": np.zeros((3, 2)),
        "limits": np.array("[]"),
    }
    np.savez(path, **{**arrays, change: wrong[change]})
    with pytest.raises(UserError, match="is damaged"):
        LesionGate.load(run)
