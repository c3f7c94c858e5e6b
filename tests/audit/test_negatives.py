"""What is no lesion, and what may lie on one, drawn alike from the same seed."""

import numpy as np
import pytest
from PIL import Image

from skin.audit.negatives import DECORATIONS, NEGATIVES, SIZE
from skin.data.synthetic.dataset import draw_lesion


@pytest.fixture(scope="module")
def lesions() -> list[Image.Image]:
    return [draw_lesion(code, np.random.default_rng(7)) for code in ("nv", "mel", "bcc")]


@pytest.mark.parametrize("kind", NEGATIVES)
def test_each_kind_draws_many_pictures_the_same_from_a_seed(kind: str, lesions: list[Image.Image]) -> None:
    drawn = [[NEGATIVES[kind](rng, lesions) for _ in range(8)] for rng in map(np.random.default_rng, (0, 0))]
    assert all((picture.size, picture.mode) == (SIZE, "RGB") for picture in drawn[0])
    pixels = [[picture.tobytes() for picture in pictures] for pictures in drawn]
    assert pixels[0] == pixels[1]
    assert len(set(pixels[0])) > 5


@pytest.mark.parametrize("kind", DECORATIONS)
def test_a_decoration_leaves_most_of_the_lesion_to_be_seen(kind: str, lesions: list[Image.Image]) -> None:
    rng = np.random.default_rng(0)
    for lesion in lesions:
        plain = np.asarray(lesion.resize(SIZE), np.float64)
        changed = np.abs(np.asarray(DECORATIONS[kind](rng, lesion), np.float64) - plain).max(axis=-1) > 60
        assert 0.001 < changed.mean() < 0.35


def test_skin_alone_is_cut_from_where_no_lesion_is(lesions: list[Image.Image]) -> None:
    rng = np.random.default_rng(1)
    for _ in range(10):
        skin = np.asarray(NEGATIVES["skin without a lesion"](rng, lesions), np.float64)
        assert skin.std(axis=(0, 1)).max() < np.asarray(lesions[1], np.float64).std(axis=(0, 1)).max()
