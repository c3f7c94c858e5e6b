"""What a training minimises, and how."""

from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from skin.config import Stage, TrainConfig

STEPS_A_CALL = {1: 16, 2: 1}
"""Steps of each stage that Keras takes before it comes back to Python: one of the head is over sooner than that."""


class AdjustedCrossentropy(keras.losses.Loss):
    """Cross-entropy of logits to which an offset per class was added.

    With the log of the class shares as offsets the network learns logits for balanced classes: logit adjustment,
    Menon et al. 2021, equation 10.

    Labels are smoothed towards what the offsets make of equal logits, which is uniform where there are none. Smoothed
    towards uniform, an adjusted target would ask for hardly any margin over a rare class: with 1% of the images against
    67%, and a tenth of the label spread over seven classes, for none.
    """

    def __init__(self, offsets: NDArray[np.float64], label_smoothing: float) -> None:
        super().__init__(name="loss")
        self._offsets = offsets.astype(np.float32)
        self._smooth = label_smoothing * softmax(self._offsets)
        self._label_smoothing = label_smoothing

    def call(self, y_true: Any, y_pred: Any) -> Any:
        targets = (1 - self._label_smoothing) * y_true + self._smooth
        return keras.losses.categorical_crossentropy(targets, y_pred + self._offsets, from_logits=True)


def build_optimizer(config: TrainConfig, stage: Stage, steps: int) -> keras.optimizers.Optimizer:
    """The configured optimizer for a stage whose epochs have so many steps."""
    rate: Any = stage.learning_rate
    if config.schedule == "cosine":
        warmup = min(int(config.warmup_epochs * steps), steps * stage.epochs - 1)
        rate = keras.optimizers.schedules.CosineDecay(
            0.0 if warmup else rate,
            steps * stage.epochs - warmup,
            warmup_target=rate if warmup else None,
            warmup_steps=warmup,
        )
    if config.optimizer == "adam":
        return keras.optimizers.Adam(rate)
    optimizer = keras.optimizers.AdamW(rate, weight_decay=config.weight_decay)
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return optimizer
