"""The network of a trained run: its weights saved and loaded, and exported to run without Keras."""

from __future__ import annotations

import dataclasses
import io
import logging
from pathlib import Path

import keras
import numpy as np
from keras.src.saving import saving_lib  # `save_weights` takes paths alone

from skin.config import TrainConfig
from skin.errors import UserError
from skin.evaluation.calibration import load_temperature
from skin.files import write_atomically
from skin.models import export
from skin.models.classifier import Classifier, build_classifier
from skin.models.network import KerasNetwork, Network
from skin.models.onnx import OnnxNetwork, load_model
from skin.run import Run
from skin.task import Task
from skin.workspace import Workspace

LOG = logging.getLogger("skin.training")


def in_float32(classifier: Classifier, config: TrainConfig, task: Task, workspace: Workspace) -> Classifier:
    """The classifier with the weights it has now, to be run in float32 throughout, whatever it is trained in."""
    if config.mixed_precision == "off":
        return classifier
    config = dataclasses.replace(config, weights="none", mixed_precision="off")
    plain = build_classifier(config, task, workspace)
    plain.network.set_weights(classifier.network.get_weights())
    return plain


def inference_network(run: Run, classifier: Classifier) -> Network:
    """The trained network for inference: exported where the backend can, else Keras itself."""
    if keras.backend.backend() != "tensorflow":
        LOG.info(
            "Keras runs on %s: `python -m skin export %s` exports the network later.",
            keras.backend.backend(),
            run.name,
        )
        return KerasNetwork(classifier)
    export.export(classifier.for_inference(), run.onnx_path, run.task)
    return OnnxNetwork(run.onnx_path, run.task)


def export_run(run: Run, workspace: Workspace, half: bool = False, output: Path | None = None) -> Path:
    """Export the network of a trained run and return the file; `half` stores the weights as float16.

    Written into the run's folder where no output is named. A run without Keras weights, like the shipped ones, gives the
    network that it was exported to before. Raises UserError when it has neither, when weights, temperature or network are
    damaged, or when Keras runs on a backend that cannot export.
    """
    path = output or run.onnx_path
    if run.weights_path.exists():
        _export_weights(run, workspace, path)
    elif not run.onnx_path.exists():
        raise UserError(f"Run {run.name!r} has no trained weights: train it to its end first.")
    elif output is None:
        load_model(path)  # as it is, unless it is damaged
    else:
        export.copy(run.onnx_path, output, run.task)
    if half:
        export.halve(path)
    return path


def _export_weights(run: Run, workspace: Workspace, path: Path) -> None:
    if keras.backend.backend() != "tensorflow":
        raise UserError("The export needs Keras on TensorFlow: unset KERAS_BACKEND, or set it to tensorflow.")
    temperature = load_temperature(run.calibration_path)
    plain = dataclasses.replace(run.config, weights="none", mixed_precision="off")
    classifier = build_classifier(plain, run.task, workspace)
    load_weights(classifier.network, run.weights_path)
    export.export(classifier.for_inference(), path, run.task, temperature)


def save_weights(network: keras.Model, path: Path) -> None:
    """Write the weights as Keras does, but in memory first: on a full disk HDF5 takes the whole process down."""
    content = io.BytesIO()
    store = saving_lib.H5IOStore(content, mode="w")
    saving_lib._save_state(network, store, assets_store=None, inner_path="", visited_saveables=set())
    store.close()
    write_atomically(path, content.getvalue())


def load_weights(network: keras.Model, path: Path) -> None:
    """Put the saved weights into the network. Raises UserError when they are damaged or another network's."""
    try:
        network.load_weights(path)
        fits = all(np.isfinite(weights).all() for weights in network.get_weights())
    except Exception as error:  # of HDF5, of Keras or of the disk
        raise UserError(f"The weights {path} cannot be loaded: restore the file, or train the run again.") from error
    if not fits:
        raise UserError(f"The weights {path} are not all numbers: restore the file, or train the run again.")
