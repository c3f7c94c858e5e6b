import threading
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import keras
import numpy as np
import pytest

from skin.progress import Item
from skin.training.features import EXPORT_PAYS_FROM, frozen_features

pytestmark = pytest.mark.slow


def backbone() -> keras.Model:
    image = keras.Input((8, 8, 3), dtype="uint8", name="image")
    return keras.Model(image, keras.layers.Conv2D(4, 3)(keras.ops.cast(image, "float32")))


def test_of_runs_that_need_the_same_features_at_once_one_computes_them(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (5, 8, 8, 3)).astype(np.uint8)
    path, network, together, computed = tmp_path / "features" / "x.npy", backbone(), threading.Barrier(2), []

    def counted(iterable: Iterable[Item], *, desc: str, total: int) -> Iterable[Item]:  # noqa: ARG001 (a Progress)
        computed.append(desc)
        return iterable

    def ask() -> np.ndarray:
        together.wait()
        return frozen_features(network, pixels, path, counted)

    with ThreadPoolExecutor(2) as threads:
        first, second = (answer.result() for answer in [threads.submit(ask), threads.submit(ask)])

    assert computed == ["Computing features"]
    assert first.shape == (5, 4)
    np.testing.assert_array_equal(first, second)


def test_many_images_have_the_features_that_few_have(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (EXPORT_PAYS_FROM, 8, 8, 3)).astype(np.uint8)
    network = backbone()
    few, many = (frozen_features(network, pixels[:n], tmp_path / f"{n}.npy") for n in (5, EXPORT_PAYS_FROM))
    np.testing.assert_allclose(many[:5], few, rtol=1e-4, atol=1e-3)
