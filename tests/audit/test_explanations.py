"""Explanations that are compared with each other and with those of networks that have forgotten everything."""

import numpy as np
import pytest

from skin.audit.explanations import FORGETTING, GRID, Explanations, judge_maps
from skin.inference.predictor import SHIPPED
from skin.models.onnx import OnnxNetwork
from skin.models.randomised import shuffling
from skin.records import checked, from_plain, to_plain
from skin.run import Run
from skin.workspace import PROJECT

RUN = Run(PROJECT / "checkpoints" / SHIPPED["multimodal"])


def drawn(seed: int, n: int = 30) -> np.ndarray:
    return np.random.default_rng(seed).random((n, GRID, GRID)).astype(np.float32)


@pytest.fixture
def record() -> Explanations:
    """The same maps by both explanations; with the head forgotten, of one nothing is left and the other stays."""
    learnt = drawn(0)
    maps = {("", "grad-cam"): learnt, ("", "occlusion"): learnt}
    for name in FORGETTING:
        maps |= {(name, "grad-cam"): drawn(1), (name, "occlusion"): learnt}
    maps["head", "grad-cam"] = np.zeros_like(learnt)
    return judge_maps(maps)


def test_maps_that_are_the_same_agree_and_others_by_chance(record: Explanations) -> None:
    (pair,) = record.agreements
    assert (pair.first, pair.second) == ("grad-cam", "occlusion")
    assert pair.same_image.correlation.value == pytest.approx(1)
    assert pair.same_image.agree.value == pair.same_image.overlap.value == 1
    assert pair.other_image.correlation.value == pytest.approx(0, abs=0.05)
    assert pair.other_image.overlap.value == pytest.approx(0.2, abs=0.05)
    assert pair.other_image.agree.value == 0


def test_an_explanation_that_does_not_mind_the_network_is_found_out(record: Explanations) -> None:
    assert record.randomised["grad-cam"]["head"].correlation.value == 0
    assert record.randomised["grad-cam"]["everything"].correlation.value == pytest.approx(0, abs=0.05)
    assert record.randomised["occlusion"]["everything"].correlation.value == pytest.approx(1)


def test_the_record_is_read_as_it_was_written(record: Explanations) -> None:
    assert checked(from_plain(Explanations, to_plain(record))) == record
    with pytest.raises(ValueError, match="'lime' is not known"):
        from_plain(Explanations, {**to_plain(record), "randomised": {"lime": {}}})


def test_a_network_forgets_what_is_shuffled_and_keeps_the_rest() -> None:
    pixels = np.random.default_rng(0).integers(256, size=(2, 160, 160, 3), dtype=np.uint8)
    trained = OnnxNetwork(RUN.onnx_path, RUN.task)
    head, everything, again = (
        OnnxNetwork(RUN.onnx_path, RUN.task, shuffling(1, of_encoder)) for of_encoder in (False, True, True)
    )
    patients = np.repeat(RUN.task.unknown[None], 2, axis=0)
    features = trained.encode(pixels)
    assert np.array_equal(head.encode(pixels).embedding, features.embedding)
    assert not np.allclose(head.classify(features.embedding, patients), trained.classify(features.embedding, patients))
    assert not np.allclose(head.grad_cam(features, patients), trained.grad_cam(features, patients))
    assert not np.allclose(everything.encode(pixels).embedding, features.embedding)
    assert np.array_equal(everything.encode(pixels).embedding, again.encode(pixels).embedding)
