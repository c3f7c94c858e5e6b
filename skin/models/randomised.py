"""An exported network that has forgotten what it learnt, to see what of its explanations is left (Adebayo et al. 2018)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import onnx


def shuffling(seed: int, of_encoder: bool) -> Callable[[onnx.ModelProto], None]:
    """Changes the graph of an exported network in place: the numbers of each weight of the head change places at random.

    With `of_encoder` those of every weight do. Each keeps its numbers and so its scale, by which activations stay finite.
    """

    def shuffle(model: onnx.ModelProto) -> None:
        import onnx

        encoder = onnx.utils.Extractor(model).extract_model(["image"], ["embedding"]).graph
        learnt_by_encoder = {tensor.name for tensor in encoder.initializer}
        rng = np.random.default_rng(seed)
        for tensor in model.graph.initializer:
            weights = onnx.numpy_helper.to_array(tensor)
            if weights.dtype.kind == "f" and weights.size > 1 and (of_encoder or tensor.name not in learnt_by_encoder):
                shuffled = rng.permutation(weights.ravel()).reshape(weights.shape)
                tensor.CopyFrom(onnx.numpy_helper.from_array(shuffled, tensor.name))

    return shuffle
