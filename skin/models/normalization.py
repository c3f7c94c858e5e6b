"""Batch normalisation that trains half as fast again on TensorFlow."""

from typing import Any

import keras
from keras import layers, ops


class BatchNormalization(layers.BatchNormalization):
    """Keras' layer, with its training step in TensorFlow's one fused kernel where Keras runs on TensorFlow.

    Keras composes the step of a dozen operations, each of which reads and writes the whole activation, and a network
    of many small convolutions spends a third of its time there. Weights, statistics and results are those of Keras;
    its class name too, by which weight files know a layer. Only for channels in the last axis of four.
    """

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        if not (training and self.trainable) or keras.backend.backend() != "tensorflow":
            return super().call(inputs, training=training, mask=mask)
        import tensorflow as tf

        outputs, mean, variance = tf.compat.v1.nn.fused_batch_norm(
            inputs, self.gamma, self.beta, epsilon=self.epsilon, is_training=True
        )
        n = ops.cast(ops.size(inputs) / inputs.shape[-1], "float32")
        biased = variance * (n - 1) / n  # the kernel's is the unbiased one
        for moving, value in ((self.moving_mean, mean), (self.moving_variance, biased)):
            moving.assign(moving * self.momentum + value * (1 - self.momentum))
        return outputs
