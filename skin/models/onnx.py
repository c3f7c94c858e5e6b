"""Inference without Keras: a network that was exported once runs anywhere with ONNX Runtime."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from skin.engines.resources import allowed_threads
from skin.errors import UserError
from skin.models.network import Features
from skin.task import Task

if TYPE_CHECKING:
    import onnx
    import onnxruntime

_LARGEST_SIZE = 512
"""Largest side of an image that a network may ask for, in pixels: the largest that can be trained."""

_POOLING = ("GlobalAveragePool", "ReduceMean")
"""Operators by which backbones are pooled, as exporters write it."""


class OnnxNetwork:
    """A `network.Network` from a file that `export.export` wrote. May be called from several threads.

    The file holds one graph, which is cut in memory into encoder, head and Grad-CAM. Raises UserError when it is missing
    or damaged, or holds another kind of network, and so does every call that gives what a network of ours cannot.
    `change` may alter the graph in memory before it is cut.
    """

    def __init__(self, path: Path, task: Task, change: Callable[[onnx.ModelProto], None] = lambda _: None) -> None:
        self._path = path
        self._task = task
        model = load_model(path)
        change(model)
        shapes = {
            value.name: [dim.dim_value for dim in value.type.tensor_type.shape.dim] for value in model.graph.input
        }
        self.takes_patient = "patient" in shapes
        if self.takes_patient and shapes["patient"][-1:] != [task.width]:
            raise foreign(path, f"it takes another patient than of {task.width} columns, which the run's task has")
        self.image_size = _image_size(shapes, path)
        self._encoder, self._head, self._grad_cam = self._cut(model)
        self._try_out()

    def _cut(self, model: onnx.ModelProto) -> list[onnxruntime.InferenceSession]:
        """Sessions of the encoder, the head and Grad-CAM."""
        import onnx

        try:
            feature_map = _pooled(model.graph)
            model.graph.value_info.append(
                onnx.helper.make_tensor_value_info(feature_map, onnx.TensorProto.FLOAT, [None] * 4)
            )
            patient = ["patient"] if self.takes_patient else []
            cut = onnx.utils.Extractor(model).extract_model
            parts = [
                cut(["image"], [feature_map, "embedding"]),
                cut(["embedding", *patient], ["probabilities"]),
                cut([feature_map, "embedding", *patient], ["heatmap"]),
            ]
        except Exception as error:  # what a foreign graph lacks
            raise foreign(self._path, "it has no encoder and head") from error
        encoder, *small = (part.SerializeToString() for part in parts)
        return [open_session(self._path, encoder), *(open_session(self._path, part, threads=1) for part in small)]

    def _try_out(self) -> None:
        """Ask once, so that a network that cannot answer is refused here."""
        features = self.encode(np.zeros((1, self.image_size, self.image_size, 3), np.uint8))
        self.classify(features.embedding, self._task.unknown[None])
        self.grad_cam(features, self._task.unknown[None])

    def encode(self, images: NDArray[np.uint8]) -> Features:
        """As Network.encode."""
        return Features(*self._run(self._encoder, [np.ascontiguousarray(images)]))

    def classify(self, embedding: NDArray[np.float32], patients: NDArray[np.float32]) -> NDArray[np.float32]:
        """As Network.classify."""
        (probabilities,) = self._run(self._head, [embedding, patients])
        if probabilities.shape != (len(embedding), len(self._task)):
            raise foreign(self._path, f"it does not tell the {len(self._task)} diagnoses apart")
        if not ((probabilities >= 0).all() and np.allclose(probabilities.sum(axis=1), 1, atol=1e-3)):
            raise foreign(self._path, _NO_PROBABILITIES)
        return probabilities

    def grad_cam(self, features: Features, patients: NDArray[np.float32]) -> NDArray[np.float32]:
        """As Network.grad_cam."""
        (heatmap,) = self._run(self._grad_cam, [features.feature_map, features.embedding, patients])
        if heatmap.ndim != 4 or heatmap.shape[-1] != len(self._task):
            raise foreign(self._path, f"it does not tell the {len(self._task)} diagnoses apart")
        if not np.isfinite(heatmap).all():
            raise foreign(self._path, _NO_PROBABILITIES)
        return heatmap

    def _run(self, session: onnxruntime.InferenceSession, values: list[NDArray[Any]]) -> list[NDArray[np.float32]]:
        """The session's outputs for its inputs in their order; a patient that it does not take comes last."""
        inputs = dict(zip((node.name for node in session.get_inputs()), values, strict=False))
        try:
            return session.run(None, inputs)
        except Exception as error:  # ONNX Runtime's exceptions share no base class
            raise foreign(self._path, "it does not run") from error


_NO_PROBABILITIES = "what it says are no probabilities"


def _image_size(shapes: dict[str, list[int]], path: Path) -> int:
    """Side of the image that the network takes, in pixels."""
    shape = shapes.get("image", [])
    size = shape[1] if len(shape) == 4 else 0
    if shapes.keys() - {"image", "patient"} or not 0 < size <= _LARGEST_SIZE:
        raise foreign(path, "it takes other inputs")
    return size


def _pooled(graph: onnx.GraphProto) -> str:
    """Name of the feature map: the tensor whose mean over the places is the embedding.

    Raises LookupError where there is none.
    """
    makers = {output: node for node in graph.node for output in node.output}
    name = "embedding"
    for _ in makers:
        node = makers[name]
        name = node.input[0]
        if node.op_type in _POOLING:
            return name
    raise LookupError(name)


def foreign(path: Path, complaint: str) -> UserError:
    """The refusal of a network file for this reason."""
    return UserError(
        f"The network {path} cannot be used ({complaint}): run `python -m skin export` on its run, or restore the file."
    )


def load_model(path: Path) -> onnx.ModelProto:
    """The exported model as ONNX describes it. Raises UserError when the file is missing or damaged."""
    import onnx

    try:
        model = onnx.load(path)
        onnx.checker.check_model(model)
    except Exception as error:  # of protobuf, of the checker or of the disk
        raise foreign(path, "it cannot be loaded") from error
    return model


def open_session(path: Path, content: bytes | None = None, threads: int = 0) -> onnxruntime.InferenceSession:
    """An ONNX Runtime session on the CPU, of a model file or a part of it; 0 threads are as many as the process may have.

    Raises UserError when it is missing or damaged.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = threads or allowed_threads()
    try:
        return onnxruntime.InferenceSession(content or path, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's exceptions share no base class
        raise foreign(path, "it cannot be loaded") from error
