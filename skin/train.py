"""Train a run in two stages: the head on the frozen backbone's features, then the whole network.

`train` continues a run from wherever it is, so starting, resuming after a stop and resuming after a crash are one thing.
After every epoch a checkpoint goes to disk, then the epoch's line in the history; whatever kills the process, at most the
epoch in progress is lost, and what comes of the run is the same to the last bit.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import io
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # must stand before the import: TensorFlow reads it once

import keras
import numpy as np
from keras.src.saving import saving_lib  # `save_weights` takes paths alone
from numpy.typing import NDArray
from sklearn.metrics import balanced_accuracy_score

from skin import checkpoint, device
from skin import run as runs
from skin.checkpoint import Arrays, Checkpoint
from skin.config import Stage, TrainConfig
from skin.data.batches import Batches, Examples
from skin.data.groups import group
from skin.data.material import Material, load_material
from skin.errors import UserError
from skin.evaluation.predictions import save_predictions
from skin.evaluation.report import Evaluation, evaluate_parts, save_report
from skin.files import refusals_said, unwritten, write_atomically
from skin.models import export
from skin.models.calibration import fit_temperature, load_temperature, save_temperature, tempered
from skin.models.classifier import Classifier, build_classifier
from skin.models.features import frozen_features
from skin.models.monitor import Monitor
from skin.models.network import KerasNetwork, Network, row_probabilities
from skin.models.objective import STEPS_A_CALL, AdjustedCrossentropy, build_optimizer
from skin.models.onnx import OnnxNetwork, load_model
from skin.predict import predictions_of
from skin.progress import Progress, silent
from skin.run import Epoch, Run, State
from skin.task import Task
from skin.workspace import Workspace

LOG = logging.getLogger("skin.train")
_BATCH = 64

AGAIN_SECONDS = 2.0
"""After which a stop that was not heard is raised again."""


class Stopped(BaseException):
    """The training was asked to stop. Not an Exception, so that nothing on the way takes it for a failure."""


def train(run: Run, workspace: Workspace, progress: Progress = silent) -> None:
    """Continue the run from wherever it is to its end: trained, exported, evaluated, reported.

    Raises UserError when it cannot go on; the run then says "failed" and why, and can be resumed. On SIGTERM or
    Ctrl-C it says "stopped" and returns.
    """
    with _logging(run), _outcome(run), refusals_said(run.folder):
        runs.sweep(workspace)
        LOG.info(device.sentence(_machine(), _count_gpus()))
        monitor = Monitor(run, progress)
        monitor.enter(State.PREPARING)
        material = load_material(run, workspace, monitor.progress)
        start = checkpoint.resume(run)
        if start:
            LOG.info("Resuming %s.", start.title)
        fit = Fit(run, material, build_classifier(run.config, material.dataset.task, workspace), monitor, start)
        _train_head(fit, workspace)
        _train_network(fit)
        monitor.enter(State.EVALUATING)
        _finish(fit, workspace)


def _machine() -> device.Machine:
    """This machine, with the backend that Keras took, which `~/.keras/keras.json` may name, too."""
    return dataclasses.replace(device.look(), backend=keras.backend.backend())


def _count_gpus() -> int:
    return sum(name.startswith("gpu") for name in keras.distribution.list_devices())


@contextlib.contextmanager
def _outcome(run: Run) -> Iterator[None]:
    """Writes how the run ended, whatever happens."""
    stops = StopSignal()
    try:
        yield
        stops.ignore()
        run.update_status(state=State.FINISHED, message="", eta_seconds=None)
        checkpoint.remove(run)
        LOG.info("Finished.")
    except (Stopped, KeyboardInterrupt):
        stops.ignore()
        run.update_status(state=State.STOPPED, message="Stopped; resume it to go on.", eta_seconds=None)
        LOG.info("Stopped after epoch %d; `python -m skin resume %s` goes on.", len(run.history()), run.name)
    except Exception as error:
        stops.ignore()
        with contextlib.suppress(OSError, UserError):  # a full disk must not hide the reason
            run.update_status(state=State.FAILED, message=str(error) or type(error).__name__, eta_seconds=None)
        LOG.error("Failed: %s", error, exc_info=not isinstance(error, UserError))  # noqa: TRY400 (a user error needs no traceback)
        raise
    finally:
        stops.restore()


class StopSignal:
    """Raises Stopped in the main thread on SIGTERM, and again until it is heard.

    Python drops what is raised in a finalizer or in the callback of a weak reference, and a signal may come in one.
    """

    def __init__(self) -> None:
        self._previous = signal.signal(signal.SIGTERM, self._raise)
        self._again: threading.Timer | None = None

    def _raise(self, *_: object) -> None:
        self._again = threading.Timer(AGAIN_SECONDS, signal.raise_signal, [signal.SIGTERM])
        self._again.daemon = True
        self._again.start()
        raise Stopped

    def ignore(self) -> None:
        """Let what ends the run now end undisturbed."""
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        if self._again is not None:
            self._again.cancel()

    def restore(self) -> None:
        """Leave the signal to whom it belonged before."""
        self.ignore()
        signal.signal(signal.SIGTERM, self._previous)


@contextlib.contextmanager
def _logging(run: Run) -> Iterator[None]:
    """Sends the log to standard error and to the run's own file, once where they are the same."""
    handlers: list[logging.Handler] = [logging.StreamHandler(sys.stderr)]
    if not (run.log_path.exists() and os.path.samestat(os.fstat(2), run.log_path.stat())):
        handlers.append(_log_file(run))
    LOG.setLevel(logging.INFO)
    for handler in handlers:
        handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%Y-%m-%d %H:%M:%S"))
        LOG.addHandler(handler)
    try:
        yield
    finally:
        for handler in handlers:
            LOG.removeHandler(handler)
            if isinstance(handler, logging.FileHandler):
                handler.close()


class _LogFile(logging.FileHandler):
    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 (logging's signature)
        """What a full disk refuses of the log is lost, and nothing else."""


def _log_file(run: Run) -> logging.Handler:
    try:
        return _LogFile(run.log_path)
    except OSError as error:
        raise unwritten(run.log_path, error) from error


@dataclass(frozen=True)
class Fit:
    """What both stages need."""

    run: Run
    material: Material
    classifier: Classifier
    monitor: Monitor
    start: Checkpoint | None

    @property
    def config(self) -> TrainConfig:
        return self.run.config

    @property
    def task(self) -> Task:
        return self.material.dataset.task

    @cached_property
    def loss(self) -> keras.losses.Loss:
        """Cross-entropy, adjusted to the training part's class shares where so configured."""
        offsets = self.offsets if self.config.imbalance == "logit-adjustment" else np.zeros(len(self.task))
        return AdjustedCrossentropy(offsets, self.config.label_smoothing)

    @cached_property
    def offsets(self) -> NDArray[np.float64]:
        """What the training part's class shares add to the logits of shape (n_classes,), to the configured strength."""
        return self.config.imbalance_strength * np.log(self._shares)

    @cached_property
    def weights(self) -> NDArray[np.float32]:
        """Weight of each image by its class, of mean 1 over the training part."""
        exponent = {"square-root": 0.5, "balanced": 1.0}.get(self.config.imbalance, 0.0)
        of_class = self._shares**-exponent
        mean = (of_class * self._shares).sum() / self._shares.sum()
        return (of_class / mean)[self.material.truth].astype(np.float32)

    @cached_property
    def _shares(self) -> NDArray[np.float64]:
        counts = np.bincount(self.material.truth[self.material.rows("train")], minlength=len(self.task))
        return np.maximum(counts, 0.5) / counts.sum()  # a class that is not there must not be infinitely rare

    def examples(self, inputs: NDArray[np.float32] | NDArray[np.uint8]) -> Examples:
        """The training part, drawn from features or pixels of all images."""
        rows = self.material.rows("train")
        targets = np.eye(len(self.task), dtype=np.float32)[self.material.truth[rows]]
        return Examples(inputs, rows, self.material.patients[rows], targets, self.weights[rows], self.task)

    def validation_inputs(self, inputs: NDArray[Any]) -> list[NDArray[Any]]:
        """The validation part as Keras wants it."""
        rows = self.material.rows("validation")
        patients = [self.material.patients[rows]] if self.config.model == "multimodal" else []
        return [inputs[rows], *patients]


def _train_head(fit: Fit, workspace: Workspace) -> None:
    """Stage 1: the head learns from features that the frozen backbone computed once."""
    if fit.config.stage1_epochs == 0 or _has_reached(fit.run, 2):
        return
    features = frozen_features(
        _in_float32(fit, workspace).backbone, fit.material.pixels, _features_path(fit, workspace), fit.monitor.progress
    )
    _train_stage(fit, fit.config.stages[0], fit.classifier.head, features)


def _features_path(fit: Fit, workspace: Workspace) -> Path:
    config = fit.config
    recipe = [fit.material.dataset.key, config.image_size, config.weights, config.scaling]
    if config.weights == "none":
        recipe.append(config.seed)
    elif config.weights != "imagenet":
        recipe.append(Path(config.weights).stat().st_mtime_ns)
    return workspace.features / f"{config.backbone}-{hashlib.sha256(repr(recipe).encode()).hexdigest()[:16]}.npy"


def _train_network(fit: Fit) -> None:
    """Stage 2: everything learns from the pixels."""
    if fit.config.stage2_epochs:
        _train_stage(fit, fit.config.stages[1], fit.classifier.network, fit.material.pixels)


def _has_reached(run: Run, stage: int) -> bool:
    return any(epoch.stage >= stage for epoch in run.history())


def _train_stage(fit: Fit, stage: Stage, model: keras.Model, inputs: NDArray[Any]) -> None:
    """Train `model` until the stage's epochs or its patience are used up, and leave it with its best weights."""
    examples = fit.examples(inputs)
    validation = fit.validation_inputs(inputs)
    optimizer = build_optimizer(fit.config, stage, len(Batches(examples, fit.config, stage.number, 1)))
    model.compile(
        optimizer,
        fit.loss,
        metrics=["categorical_accuracy"],
        steps_per_execution=STEPS_A_CALL[stage.number],
        jit_compile=keras.backend.backend() == "jax",
    )
    model.optimizer.build(model.trainable_variables)  # not `optimizer`: Keras wraps it to scale the loss of float16
    fit.monitor.enter(State.TRAINING)
    best = _restored(fit, stage, model) or _arrays(model.weights)
    while (number := _next_epoch(fit.run, stage)) is not None:
        record = _train_epoch(fit, stage, number, model, examples, validation)
        history = (*fit.run.history(), record)
        weights = _arrays(model.weights)
        if runs.best_epoch(history) == record:
            best = weights
        checkpoint.save(fit.run, Checkpoint(history, weights, _arrays(model.optimizer.variables), best))
        fit.run.write_history(history)
        LOG.info(_EPOCH_LINE.format(**dataclasses.asdict(record), epochs=stage.epochs))
    _assign(model.weights, best)


def _train_epoch(
    fit: Fit, stage: Stage, number: int, model: keras.Model, examples: Examples, validation: list[NDArray[Any]]
) -> Epoch:
    batches = Batches(examples, fit.config, stage.number, number)
    fit.monitor.begin_epoch(stage, number, len(batches))
    _seed_dropout(model, (fit.config.seed, stage.number, number))
    started = time.monotonic()
    logs = model.fit(batches, verbose=0, shuffle=False, callbacks=[fit.monitor]).history
    seconds = time.monotonic() - started
    return Epoch(
        stage=stage.number,
        epoch=number,
        loss=logs["loss"][0],
        accuracy=logs["categorical_accuracy"][0],
        **_validate(fit, model.predict(validation, batch_size=_BATCH, verbose=0)),
        learning_rate=float(keras.ops.convert_to_numpy(model.optimizer.learning_rate)),
        seconds=time.monotonic() - started,
        images_per_second=len(batches) * batches.batch_size / seconds,
    )


_EPOCH_LINE = (
    "stage {stage} epoch {epoch}/{epochs}: loss {loss:.4f}, accuracy {accuracy:.3f}; validation loss {val_loss:.4f}, "
    "accuracy {val_accuracy:.3f}, balanced accuracy {val_balanced_accuracy:.3f}; {images_per_second:.0f} images/s"
)


def _next_epoch(run: Run, stage: Stage) -> int | None:
    """The stage's next epoch, or None when its epochs or its patience are used up."""
    history = [epoch for epoch in run.history() if epoch.stage == stage.number]
    best = runs.best_epoch(history)
    is_patient = stage.patience == 0 or best is None or len(history) - best.epoch < stage.patience
    return len(history) + 1 if is_patient and len(history) < stage.epochs else None


def _validate(fit: Fit, logits: NDArray[np.float32]) -> dict[str, float]:
    rows = fit.material.rows("validation")
    truth = fit.material.truth[rows]
    targets = np.eye(len(fit.task), dtype=np.float32)[truth]
    loss = keras.ops.convert_to_numpy(fit.loss(targets, logits, sample_weight=fit.weights[rows]))
    predicted = logits.argmax(axis=1)
    return {
        "val_loss": float(loss),
        "val_accuracy": float((predicted == truth).mean()),
        "val_balanced_accuracy": float(balanced_accuracy_score(truth, predicted)),
    }


def _seed_dropout(model: keras.Model, seed: tuple[int, int, int]) -> None:
    """Make an epoch's dropout a function of the seed alone, so that a resumed epoch draws what it would have drawn."""
    state = np.random.SeedSequence(seed).generate_state(2)
    seeds = [variable for variable in model.non_trainable_variables if variable.name == "seed_generator_state"]
    for index, variable in enumerate(seeds):
        variable.assign(state + np.uint32(index))


def _arrays(variables: Iterable[Any]) -> Arrays:
    return [np.array(keras.ops.convert_to_numpy(variable)) for variable in variables]


def _assign(variables: Iterable[Any], arrays: Iterable[NDArray[Any]]) -> None:
    for variable, array in zip(variables, arrays, strict=True):
        variable.assign(array)


def _restored(fit: Fit, stage: Stage, model: keras.Model) -> Arrays | None:
    """The best weights so far, with the stage's last epoch back in the model; None where the stage begins."""
    start = fit.start
    if start is None or start.history[-1].stage != stage.number:
        return None
    _assign(model.weights, start.weights)
    _assign(model.optimizer.variables, start.optimizer)
    fit.run.update_status(message=f"Resumed {start.title}.")
    return start.best


def _adjust(fit: Fit) -> None:
    """Take the class shares out of a network that learned them: logit adjustment, Menon et al. 2021, equation 9."""
    if fit.config.imbalance == "post-hoc-adjustment":
        bias = fit.classifier.head.get_layer("logits").bias
        bias.assign(keras.ops.convert_to_numpy(bias) - fit.offsets)


def _finish(fit: Fit, workspace: Workspace) -> None:
    """Export the network, choose the temperature on validation, predict and report validation and test."""
    run, material, dataset = fit.run, fit.material, fit.material.dataset
    _adjust(fit)
    _save_weights(fit.classifier.network, run.weights_path)
    network = _inference_network(run, _in_float32(fit, workspace))
    predict = partial(row_probabilities, network, material.pixels, material.patients, views=fit.config.views)
    rows = {part: material.rows(part) for part in ("validation", "test")}
    views = {part: predict(rows[part], progress=fit.monitor.progress) for part in rows}
    temperature = (
        fit_temperature(views["validation"], material.truth[rows["validation"]]) if fit.config.calibrate else 1.0
    )
    save_temperature(run.calibration_path, temperature)
    if run.onnx_path.exists():
        export.set_temperature(run.onnx_path, temperature)
    predictions = {
        part: predictions_of(fit.task, [dataset.images[row] for row in rows[part]], tempered(views[part], temperature))
        for part in rows
    }
    save_predictions(run.predictions_path, predictions)
    reports = evaluate_parts(predictions, group(dataset))
    evaluation = Evaluation.now(dataset)
    save_report(
        run.report_path,
        {part: dataclasses.replace(report, evaluation=evaluation) for part, report in reports.items()},
    )


def _in_float32(fit: Fit, workspace: Workspace) -> Classifier:
    """The classifier with the weights it has now, to be run in float32 throughout, whatever it is trained in."""
    if fit.config.mixed_precision == "off":
        return fit.classifier
    config = dataclasses.replace(fit.config, weights="none", mixed_precision="off")
    plain = build_classifier(config, fit.task, workspace)
    plain.network.set_weights(fit.classifier.network.get_weights())
    return plain


def _inference_network(run: Run, classifier: Classifier) -> Network:
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
    _load_weights(classifier.network, run.weights_path)
    export.export(classifier.for_inference(), path, run.task, temperature)


def _save_weights(network: keras.Model, path: Path) -> None:
    """Write the weights as Keras does, but in memory first: on a full disk HDF5 takes the whole process down."""
    content = io.BytesIO()
    store = saving_lib.H5IOStore(content, mode="w")
    saving_lib._save_state(network, store, assets_store=None, inner_path="", visited_saveables=set())
    store.close()
    write_atomically(path, content.getvalue())


def _load_weights(network: keras.Model, path: Path) -> None:
    """Put the saved weights into the network. Raises UserError when they are damaged or another network's."""
    try:
        network.load_weights(path)
        fits = all(np.isfinite(weights).all() for weights in network.get_weights())
    except Exception as error:  # of HDF5, of Keras or of the disk
        raise UserError(f"The weights {path} cannot be loaded: restore the file, or train the run again.") from error
    if not fits:
        raise UserError(f"The weights {path} are not all numbers: restore the file, or train the run again.")
