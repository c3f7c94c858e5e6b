"""The eight orientations."""

import numpy as np

from skin.data.views import ORIENTATIONS, orient, orient_back

IMAGE = np.random.default_rng(0).integers(0, 256, (4, 4, 3), np.uint8)


def test_orientations_differ_and_the_first_is_upright() -> None:
    views = {orient(IMAGE, orientation).tobytes() for orientation in range(ORIENTATIONS)}
    assert len(views) == ORIENTATIONS
    assert np.array_equal(orient(IMAGE, 0), IMAGE)


def test_a_batch_is_turned_image_by_image() -> None:
    batch = np.stack([IMAGE, IMAGE[::-1]])
    assert np.array_equal(orient(batch, 5)[1], orient(IMAGE[::-1], 5))


def test_turning_back_undoes_every_orientation() -> None:
    for orientation in range(ORIENTATIONS):
        assert np.array_equal(orient_back(orient(IMAGE, orientation), orientation), IMAGE)
