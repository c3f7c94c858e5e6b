"""The lesion gate that an audit fits: few lesions are refused, what is no lesion is, and the thresholds keep their promise."""

import numpy as np
import pytest

from skin.audit.audit import load_step
from skin.audit.negatives import DECORATIONS, NEGATIVES
from skin.audit.scope import MOST_REFUSED, Pictures, choose_gate, refusals
from skin.data.dataset import Dataset
from skin.data.pixels import prepare
from skin.inference.lesion_gate import LesionGate
from skin.inference.out_of_distribution import METHODS, Ensemble
from skin.inference.picture_checks import CHECKS
from skin.inference.predictor import Predictor
from skin.run import Run

pytestmark = pytest.mark.slow


def pictures(n: int, seed: int) -> Pictures:
    rng = np.random.default_rng(seed)
    values = rng.uniform(0.1, 1, (n, len(CHECKS)))
    return Pictures(rng.normal(3, 1, (n, 12)).astype(np.float32), values, rng.integers(200, 400, n))


@pytest.mark.parametrize("n", [30, 300, 1503])
def test_no_more_of_the_validation_part_is_refused_than_may_be(n: int) -> None:
    score = Ensemble.fit(pictures(500, 0).embeddings, np.arange(500) % 3)
    validation = pictures(n, 1)
    gate = choose_gate(score, validation, 160)
    refused = np.mean([bool(reason) for reason in refusals(gate, validation)])
    assert refused <= MOST_REFUSED
    assert refused > MOST_REFUSED - 1 / n
    assert gate.bounds["filled"] <= CHECKS["filled"].limit
    assert gate.min_side == 80


def test_the_record_tells_every_kind_by_every_method(audited: Run) -> None:
    scope = load_step(audited, "scope")
    assert list(scope.negatives) == list(NEGATIVES)
    assert list(scope.decorated) == list(DECORATIONS)
    assert all(list(own.auroc) == list(METHODS) for own in scope.negatives.values())
    assert scope.validation_refused <= MOST_REFUSED
    assert sum(scope.test_reasons.values()) == round(scope.test_refused * scope.test_images)


def test_a_run_on_drawn_lesions_refuses_photographs_and_no_drawn_lesion(audited: Run) -> None:
    scope = load_step(audited, "scope")
    assert scope.test_refused <= 0.1  # of some sixty images
    assert scope.negatives["photographs"].auroc[scope.method] > 0.9


def test_the_page_judges_as_the_audit_does(audited: Run, demo: Dataset) -> None:
    predictor, gate = Predictor(audited), LesionGate.load(audited)
    for image in demo.images[:10]:
        encoded = predictor.encode(image.path)
        pixels = prepare(image.path, predictor.network.image_size)
        assert predictor.scope(encoded) == gate.judge(encoded.views.embedding[0], pixels, encoded.source_size)
