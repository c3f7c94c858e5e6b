"""The mean of the weights over the last steps, which Keras keeps and a training validates."""

import keras
import numpy as np
import pytest

from skin.config import TrainConfig
from skin.training.callbacks import LastWeights
from skin.training.loop import build_optimizer

pytestmark = pytest.mark.slow

STEPS = 6
RNG = np.random.default_rng(0)
INPUTS = RNG.normal(size=(STEPS * 8, 5)).astype(np.float32)
TARGETS = INPUTS @ RNG.normal(size=(5, 2)).astype(np.float32)


class EveryStep(keras.callbacks.Callback):
    """The weights after every step."""

    def __init__(self) -> None:
        super().__init__()
        self.kernels: list[np.ndarray] = []

    def on_train_batch_end(self, batch: int, logs: object = None) -> None:  # noqa: ARG002 (Keras' signature)
        self.kernels.append(np.array(self.model.layers[-1].kernel))


def trained(averaging: float, epochs: int) -> tuple[list[np.ndarray], np.ndarray, np.ndarray]:
    """The kernel after every step, as it was last, and as `fit` leaves it; each epoch goes on from the last weights."""
    keras.utils.set_random_seed(1)
    config = TrainConfig.parse({"weight_averaging": averaging, "optimizer": "adam", "schedule": "constant"})
    model = keras.Sequential([keras.Input((5,)), keras.layers.Dense(2)])
    model.compile(build_optimizer(config, config.stages[0], STEPS), "mse")
    steps = EveryStep()
    for _ in range(epochs):
        last = LastWeights()
        model.fit(INPUTS, TARGETS, batch_size=8, shuffle=False, verbose=0, callbacks=[steps, last])
        left = np.array(model.layers[-1].kernel)
        for variable, value in zip(model.weights, last.weights, strict=True):
            variable.assign(value)
    return steps.kernels, np.array(last.weights[0]), left


@pytest.mark.parametrize("epochs", [1, 3])
def test_what_is_validated_is_the_mean_and_what_goes_on_is_the_last(epochs: int) -> None:
    steps, last, left = trained(averaging=0.5, epochs=epochs)
    plain, plain_last, plain_left = trained(averaging=0, epochs=epochs)
    np.testing.assert_array_equal(steps, plain)  # averaging changes nothing of the training itself
    np.testing.assert_array_equal(last, steps[-1])
    np.testing.assert_array_equal(plain_left, plain_last)
    momentum = 1 - 1 / (0.5 * STEPS + 1)
    mean = steps[0]
    for kernel in steps[1:]:
        mean = momentum * mean + (1 - momentum) * kernel
    np.testing.assert_allclose(left, mean, rtol=1e-5)
    assert np.abs(left - last).max() > 1e-4
