"""Inference without Keras: export a trained network once, run it with ONNX Runtime anywhere."""

from __future__ import annotations

import contextlib
import io
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from skin.data.views import orient
from skin.errors import UserError
from skin.files import write_atomically
from skin.lesion import CODES
from skin.patient import WIDTH
from skin.progress import Progress, silent

if TYPE_CHECKING:
    import keras
    import onnx
    import onnxruntime

_OUTPUTS = ("logits", "embedding", "heatmap")
_BATCH = 4
"""Few enough images for the activations to stay in the processor's cache: 32 at once take a fifth longer."""

_LARGEST_SIZE = 512
"""Largest side of an image that a network may ask for, in pixels: the largest that can be trained."""

_HALF_MINIMUM = 1024
"""Weights of fewer numbers stay float32: they cost little and some carry scales."""


@dataclass(frozen=True)
class Outputs:
    """What the network says of n images.

    `probabilities` have shape (n, 7), `embedding` (n, channels), `heatmap` (n, height, width, 7), not negative.
    """

    probabilities: NDArray[np.float32]
    embedding: NDArray[np.float32]
    heatmap: NDArray[np.float32]


class OnnxNetwork:
    """A network that was exported by `export`. May be called from several threads.

    Raises UserError when the file is missing or damaged, or holds another kind of network.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._session = open_session(path)
        inputs = {node.name: node.shape for node in self._session.get_inputs()}
        self.takes_patient = "patient" in inputs
        self.image_size = _image_size(inputs, path)
        self(np.zeros((1, self.image_size, self.image_size, 3), np.uint8), np.zeros((1, WIDTH), np.float32))

    def __call__(self, images: NDArray[np.uint8], patients: NDArray[np.float32]) -> Outputs:
        """Run images of shape (n, size, size, 3) with encoded patients of shape (n, WIDTH).

        Raises UserError when what the network says cannot be probabilities.
        """
        inputs: dict[str, Any] = {"image": np.ascontiguousarray(images)}
        if self.takes_patient:
            inputs["patient"] = patients
        try:
            outputs = Outputs(*self._session.run(["probabilities", "embedding", "heatmap"], inputs))
        except Exception as error:  # ONNX Runtime's exceptions share no base class
            raise _foreign(self._path, "it does not run") from error
        if complaint := _complaint(outputs, len(images)):
            raise _foreign(self._path, complaint)
        return outputs


def _image_size(inputs: dict[str, Any], path: Path) -> int:
    """Side of the image that the network takes, in pixels."""
    shape = inputs.get("image", ())
    size = shape[1] if len(shape) == 4 else None
    if inputs.keys() - {"image", "patient"} or not isinstance(size, int) or not 0 < size <= _LARGEST_SIZE:
        raise _foreign(path, "it takes other inputs")
    return size


def _complaint(outputs: Outputs, n: int) -> str:
    """Why these cannot be what a network of ours says of n images, "" where they can."""
    probabilities, heatmap = outputs.probabilities, outputs.heatmap
    if probabilities.shape != (n, len(CODES)) or heatmap.ndim != 4 or heatmap.shape[-1] != len(CODES):
        return f"it does not tell the {len(CODES)} diagnoses apart"
    are_shares = (probabilities >= 0).all() and np.allclose(probabilities.sum(axis=1), 1, atol=1e-3)
    return "" if are_shares and np.isfinite(heatmap).all() else "what it says are no probabilities"


def _foreign(path: Path, complaint: str) -> UserError:
    return UserError(
        f"The network {path} cannot be used ({complaint}): run `python -m skin export` on its run, or restore the file."
    )


def open_session(path: Path) -> onnxruntime.InferenceSession:
    """An ONNX Runtime session on the CPU. Raises UserError when the file is missing or damaged."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's exceptions share no base class
        raise _foreign(path, "it cannot be loaded") from error


class KerasNetwork:
    """A Classifier's `for_inference` network run by Keras, for the backends that cannot export."""

    def __init__(self, network: keras.Model) -> None:
        self._network = network

    def __call__(self, images: NDArray[np.uint8], patients: NDArray[np.float32]) -> Outputs:
        """As OnnxNetwork, at temperature 1."""
        inputs = [images, patients][: len(self._network.inputs)]
        logits, embedding, heatmap = (np.asarray(output) for output in self._network.predict_on_batch(inputs))
        return Outputs(softmax(logits, axis=-1), embedding, heatmap)


Network = Callable[[NDArray[np.uint8], NDArray[np.float32]], Outputs]
"""Anything that runs images of shape (n, size, size, 3) with encoded patients of shape (n, WIDTH)."""


def view_probabilities(
    network: Network,
    pixels: NDArray[np.uint8],
    patients: NDArray[np.float32],
    rows: NDArray[np.int64],
    views: int = 1,
    progress: Progress = silent,
) -> NDArray[np.float32]:
    """Probabilities of shape (views, n_rows, 7): those rows of pixels and patients in their first orientations."""
    step = max(1, _BATCH // views)
    batches = [rows[start : start + step] for start in range(0, len(rows), step)]

    def predicted(batch: NDArray[np.int64]) -> NDArray[np.float32]:
        images = np.concatenate([orient(pixels[batch], view) for view in range(views)])
        probabilities = network(images, np.tile(patients[batch], (views, 1))).probabilities
        return probabilities.reshape(views, len(batch), -1)

    shown = progress(batches, desc="Predicting", total=len(batches))
    return np.concatenate([predicted(batch) for batch in shown], axis=1)


def export(network: keras.Model, path: Path, temperature: float = 1.0) -> None:
    """Write a Classifier's `for_inference` network as ONNX with outputs probabilities, embedding and heatmap.

    The temperature divides the logits before the softmax (Guo et al. 2017).
    """
    import onnx

    with tempfile.TemporaryDirectory() as folder:
        raw = Path(folder) / "raw.onnx"
        export_model(network, raw)
        model = onnx.load(raw)
    _name_outputs(model)
    _append_softmax(model, temperature)
    _save(model, path)


def export_model(model: keras.Model, path: Path) -> None:
    """Write any Keras model as ONNX, quietly."""
    model(model.inputs)  # Keras exports only what was called once
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        model.export(str(path), format="onnx", verbose=False)


def set_temperature(path: Path, temperature: float) -> None:
    """Change the temperature of an exported network in place. Raises UserError when the file is damaged."""
    import onnx

    model = _load(path)
    found = [tensor for tensor in model.graph.initializer if tensor.name == "temperature"]
    if len(found) != 1:
        raise _foreign(path, "it has no temperature")
    found[0].CopyFrom(onnx.numpy_helper.from_array(np.array(temperature, np.float32), "temperature"))
    _save(model, path)


def halve(path: Path) -> None:
    """Store the weights of an exported network as float16 behind Cast nodes, which the runtime folds when it loads.

    Raises UserError when the file is damaged.
    """
    import onnx

    model = _load(path)
    casts = []
    for tensor in model.graph.initializer:
        weights = onnx.numpy_helper.to_array(tensor)
        if weights.dtype == np.float32 and weights.size >= _HALF_MINIMUM:
            name = tensor.name
            tensor.CopyFrom(onnx.numpy_helper.from_array(weights.astype(np.float16), f"{name}_half"))
            casts.append(onnx.helper.make_node("Cast", [tensor.name], [name], to=onnx.TensorProto.FLOAT))
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    _save(model, path)


def _load(path: Path) -> onnx.ModelProto:
    import onnx

    try:
        model = onnx.load(path)
        onnx.checker.check_model(model)
    except Exception as error:  # of protobuf, of the checker or of the disk
        raise _foreign(path, "it cannot be loaded") from error
    return model


def _name_outputs(model: onnx.ModelProto) -> None:
    names = dict(zip((output.name for output in model.graph.output), _OUTPUTS, strict=True))
    for node in model.graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
        node.output[:] = [names.get(name, name) for name in node.output]
    for output in model.graph.output:
        output.name = names[output.name]


def _append_softmax(model: onnx.ModelProto, temperature: float) -> None:
    import onnx

    graph = model.graph
    graph.initializer.append(onnx.numpy_helper.from_array(np.array(temperature, np.float32), "temperature"))
    graph.node.append(onnx.helper.make_node("Div", ["logits", "temperature"], ["calibrated_logits"]))
    graph.node.append(onnx.helper.make_node("Softmax", ["calibrated_logits"], ["probabilities"], axis=-1))
    logits = graph.output[0]
    logits.name = "probabilities"


def _save(model: onnx.ModelProto, path: Path) -> None:
    import onnx

    onnx.checker.check_model(model)
    write_atomically(path, model.SerializeToString())
