"""Pictures made worse, or sharper; tests/audit/test_robustness.py has how much worse."""

from collections.abc import Callable
from functools import partial

import numpy as np
import pytest

from skin.data import corruptions
from skin.data.corruptions import Picture
from skin.data.synthetic.camera import photograph
from skin.data.synthetic.canvas import Canvas
from skin.data.synthetic.morphology import paint


@pytest.fixture(scope="module")
def picture() -> Picture:
    """A drawn lesion."""
    rng = np.random.default_rng(3)
    return np.asarray(photograph(paint("mel", Canvas(rng)), rng, (96, 96)))


def edges(picture: Picture) -> float:
    """The mean difference of neighbouring pixels."""
    return float(np.abs(np.diff(picture.astype(float), axis=0)).mean())


@pytest.mark.parametrize(
    ("function", "sharper"),
    [
        (partial(corruptions.downscale, share=0.3), False),
        (partial(corruptions.blur, width=0.02), False),
        (partial(corruptions.sharpen, strength=1.0), True),
    ],
)
def test_edges_fade_or_grow(picture: Picture, function: Callable[[Picture], Picture], sharper: bool) -> None:
    changed = function(picture)
    assert (changed.shape, changed.dtype) == (picture.shape, np.uint8)
    assert (edges(changed) > 1.1 * edges(picture)) if sharper else (edges(changed) < 0.9 * edges(picture))
    assert abs(changed.mean() - picture.mean()) < 2


def test_sharpening_by_nothing_changes_nothing(picture: Picture) -> None:
    assert np.array_equal(corruptions.sharpen(picture, 0), picture)


def test_light_and_tint_keep_within_the_range(picture: Picture) -> None:
    assert corruptions.brighten(picture, 10).max() == 255
    tinted = corruptions.tint(picture, 0.1).astype(float).mean(axis=(0, 1)) / picture.mean(axis=(0, 1))
    np.testing.assert_allclose(tinted, [1.1, 1, 0.9], atol=0.02)
