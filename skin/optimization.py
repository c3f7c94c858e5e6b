"""The optimizers, the learning-rate schedules and the treatments of rare classes: a table each.

A configuration offers their names, and so Keras is imported where one is built: the names cost nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class Crossentropy:
    """Cross-entropy of logits to which an offset per class, of shape (n_classes,), was added; a loss that Keras takes.

    Labels are smoothed towards what the offsets make of equal logits, which is uniform where there are none. Smoothed
    towards uniform, an adjusted target would ask for hardly any margin over a rare class: with 1% of the images against
    67%, and a tenth of the label spread over seven classes, for none.
    """

    offsets: NDArray[np.float32]
    label_smoothing: float

    def __call__(self, y_true: Any, y_pred: Any) -> Any:
        """The loss of each image in nats, of shape (n,), from one-hot labels and logits of shape (n, n_classes)."""
        import keras

        targets = (1 - self.label_smoothing) * y_true + self.label_smoothing * softmax(self.offsets)
        return keras.losses.categorical_crossentropy(targets, y_pred + self.offsets, from_logits=True)


Loss = Callable[[Any, Any], Any]
"""From labels and logits of shape (n, n_classes) to a loss for each image, of shape (n,)."""


def plain_loss(offsets: NDArray[np.float32], label_smoothing: float) -> Loss:
    """Cross-entropy."""
    return Crossentropy(np.zeros_like(offsets), label_smoothing)


def adjusted_loss(offsets: NDArray[np.float32], label_smoothing: float) -> Loss:
    """Cross-entropy that learns logits for balanced classes: logit adjustment, Menon et al. 2021, equation 10."""
    return Crossentropy(offsets, label_smoothing)


@dataclass(frozen=True)
class Imbalance:
    """A row of IMBALANCES.

    `loss` makes the loss from the log of the class shares, of shape (n_classes,), and the label smoothing. An image
    weighs as much as the share of its class to the power of minus `weight_exponent`. `corrects_bias` subtracts the log of
    the shares from the trained logits (Menon et al. 2021, equation 9).
    """

    loss: Callable[[NDArray[np.float32], float], Loss] = plain_loss
    weight_exponent: float = 0.0
    corrects_bias: bool = False


IMBALANCES: dict[str, Imbalance] = {
    "none": Imbalance(),
    "square-root": Imbalance(weight_exponent=0.5),
    "balanced": Imbalance(weight_exponent=1.0),
    "logit-adjustment": Imbalance(adjusted_loss),
    "post-hoc-adjustment": Imbalance(corrects_bias=True),
}
"""The treatments of rare classes by the name that a configuration uses."""


Schedule = Callable[[float, int, int], Any]
"""From a rate, the steps of a stage and those of its warm-up to what a Keras optimizer takes for its learning rate."""


def cosine(rate: float, steps: int, warmup: int) -> Any:
    """Up to the rate in a line, then down to 0 on half a cosine (Loshchilov & Hutter 2017)."""
    import keras

    return keras.optimizers.schedules.CosineDecay(
        0.0 if warmup else rate,
        steps - warmup,
        warmup_target=rate if warmup else None,
        warmup_steps=warmup,
    )


def constant(rate: float, steps: int, warmup: int) -> Any:  # noqa: ARG001 (a Schedule's signature)
    """The rate from the first step on."""
    return rate


SCHEDULES: dict[str, Schedule] = {"cosine": cosine, "constant": constant}
"""The learning-rate schedules by the name that a configuration uses."""


def adamw(rate: Any, weight_decay: float) -> keras.optimizers.Optimizer:
    """AdamW, which decays no bias and nothing of a normalisation."""
    import keras

    optimizer = keras.optimizers.AdamW(rate, weight_decay=weight_decay)
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return optimizer


def adam(rate: Any, weight_decay: float) -> keras.optimizers.Optimizer:  # noqa: ARG001 (the table's signature)
    """Adam, which decays nothing."""
    import keras

    return keras.optimizers.Adam(rate)


OPTIMIZERS: dict[str, Callable[[Any, float], keras.optimizers.Optimizer]] = {"adamw": adamw, "adam": adam}
"""The optimizers by the name that a configuration uses, from a learning rate and the weight decay."""
