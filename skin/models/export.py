"""A trained network written as ONNX, once, so that it can be run without Keras."""

from __future__ import annotations

import contextlib
import io
import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from skin.files import write_atomically
from skin.models.onnx import foreign, load_model
from skin.task import Task

if TYPE_CHECKING:
    import keras
    import onnx

_OUTPUTS = ("logits", "embedding", "heatmap")

_HALF_MINIMUM = 1024
"""Weights of fewer numbers stay float32: they cost little and some carry scales."""


def export(network: keras.Model, path: Path, task: Task, temperature: float = 1.0) -> None:
    """Write a Classifier's `for_inference` network as ONNX with outputs probabilities, embedding and heatmap.

    Its metadata hold the task, and name the classes and the columns of the patient. The temperature divides the logits before the softmax (Guo et al. 2017).
    """
    import onnx

    with tempfile.TemporaryDirectory() as folder:
        raw = Path(folder) / "raw.onnx"
        export_model(network, raw)
        model = onnx.load(raw)
    _name_outputs(model)
    _append_softmax(model, temperature)
    _describe(model, task)
    _save(model, path)


def copy(source: Path, path: Path, task: Task) -> None:
    """Write an exported network to another file, with the metadata that early ones lack.

    Raises UserError when the source is damaged.
    """
    write_atomically(path, described(source, task))


def described(source: Path, task: Task) -> bytes:
    """An exported network with the metadata that early ones lack. Raises UserError when the file is damaged."""
    model = load_model(source)
    _describe(model, task)
    content: bytes = model.SerializeToString()
    return content


def export_model(model: keras.Model, path: Path) -> None:
    """Write any Keras model as ONNX, quietly."""
    model(model.inputs)  # Keras exports only what was called once
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        model.export(str(path), format="onnx", verbose=False)


def set_temperature(path: Path, temperature: float) -> None:
    """Change the temperature of an exported network in place. Raises UserError when the file is damaged."""
    import onnx

    model = load_model(path)
    found = [tensor for tensor in model.graph.initializer if tensor.name == "temperature"]
    if len(found) != 1:
        raise foreign(path, "it has no temperature")
    found[0].CopyFrom(onnx.numpy_helper.from_array(np.array(temperature, np.float32), "temperature"))
    _save(model, path)


def halve(path: Path) -> None:
    """Store the weights of an exported network as float16 behind Cast nodes, which the runtime folds when it loads.

    Raises UserError when the file is damaged.
    """
    import onnx

    model = load_model(path)
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


def _name_outputs(model: onnx.ModelProto) -> None:
    names = dict(zip((output.name for output in model.graph.output), _OUTPUTS, strict=True))
    for node in model.graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
        node.output[:] = [names.get(name, name) for name in node.output]
    for output in model.graph.output:
        output.name = names[output.name]


def _describe(model: onnx.ModelProto, task: Task) -> None:
    import onnx

    headings = [heading for field in task.fields for heading in field.headings]
    facts = {"classes": json.dumps(task.codes), "patient_columns": json.dumps(headings), "task": task.to_json()}
    onnx.helper.set_model_props(model, facts)


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
