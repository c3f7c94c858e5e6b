"""The fast batch normalisation is Keras' own in all but speed."""

import keras
import numpy as np
import pytest
from keras import layers

from skin.models.normalization import BatchNormalization

pytestmark = pytest.mark.slow

IMAGES = np.random.default_rng(0).normal(3, 2, (4, 5, 6, 8)).astype(np.float32)
TARGETS = np.random.default_rng(1).normal(size=(4, 5, 6, 8)).astype(np.float32)


def trained(layer: keras.Layer) -> tuple[list[np.ndarray], np.ndarray]:
    """The layer's variables after some steps, and its predictions."""
    model = keras.Sequential([keras.Input(IMAGES.shape[1:]), layer, layers.Dense(8, kernel_initializer="identity")])
    model.compile(keras.optimizers.SGD(0.1), "mse")
    for _ in range(5):
        model.train_on_batch(IMAGES, TARGETS)
    return model.get_weights(), model.predict_on_batch(IMAGES)


@pytest.mark.parametrize("trainable", [True, False])
def test_training_is_that_of_keras(trainable: bool) -> None:
    ours, predicted = trained(BatchNormalization(epsilon=1e-3, trainable=trainable))
    theirs, expected = trained(layers.BatchNormalization(epsilon=1e-3, trainable=trainable))
    for mine, yours in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(mine, yours, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(predicted, expected, rtol=1e-4, atol=1e-5)
