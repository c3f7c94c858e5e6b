"""Answers that change when the picture is turned."""

import numpy as np
import pytest
from simulated import simulated

from skin.audit.orientations import Orientations, _seen, judge_orientations
from skin.data.views import ORIENTATIONS, orient
from skin.evaluation.operating_point import choose_thresholds
from skin.records import checked, from_plain, to_plain

PREDICTIONS = simulated(400)
THRESHOLDS = choose_thresholds(PREDICTIONS)


def judged(views: np.ndarray, n_views: int = 8) -> Orientations:
    return judge_orientations(PREDICTIONS, views.astype(np.float32), n_views, THRESHOLDS)


def same() -> np.ndarray:
    return np.repeat(PREDICTIONS.probabilities[None], ORIENTATIONS, axis=0)


def test_answers_that_are_the_same_change_nowhere() -> None:
    record = judged(same())
    assert record.one_view.diagnosis.value == record.one_view.malignant.value == 0
    assert {figures["accuracy"].value for figures in record.figures} == {
        np.mean(PREDICTIONS.predicted == PREDICTIONS.truth)
    }


def test_an_image_that_is_seen_otherwise_in_one_orientation_counts() -> None:
    views = same()
    changed = np.flatnonzero(PREDICTIONS.truth == 5)[:40]  # nevi
    views[3, changed] = np.roll(views[3, changed], 1, axis=-1)
    record = judged(views, n_views=1)
    assert record.one_view.diagnosis.value == pytest.approx(40 / 400)
    assert record.one_view.by_diagnosis["nv"].value == pytest.approx(40 / (PREDICTIONS.truth == 5).sum())
    assert record.one_view.by_diagnosis["mel"].value == 0
    assert to_plain(record.as_predicted) == to_plain(record.one_view)


def test_the_mean_over_all_eight_is_the_same_however_the_picture_lies() -> None:
    rng = np.random.default_rng(0)
    views = rng.dirichlet(np.ones(7), (ORIENTATIONS, 400))
    record = judged(views)
    assert record.one_view.diagnosis.value > 0.9
    assert record.as_predicted.diagnosis.value == record.as_predicted.malignant.value == 0
    assert "the same however the picture lies" in record.sentences()[-1]
    assert judged(views, n_views=4).as_predicted.diagnosis.value > 0  # a mirrored one is another one
    assert to_plain(judged(views, n_views=4).one_view) == to_plain(record.one_view)


@pytest.mark.parametrize("n_views", [1, 4, 8])
def test_a_turned_picture_is_seen_in_the_orientations_that_are_named(n_views: int) -> None:
    picture = np.random.default_rng(0).integers(256, size=(6, 6, 3), dtype=np.uint8)
    for turned in range(ORIENTATIONS):
        seen = [orient(orient(picture, turned), view) for view in range(n_views)]
        assert np.array_equal(seen, [orient(picture, view) for view in _seen(turned, n_views)])


def test_the_record_is_read_as_it_was_written() -> None:
    record = judged(same())
    assert to_plain(checked(from_plain(Orientations, to_plain(record)))) == to_plain(record)
    with pytest.raises(ValueError, match="not 8 orientations"):
        from_plain(Orientations, {**to_plain(record), "figures": []})
