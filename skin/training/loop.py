"""Train a run in two stages: the head on the frozen backbone's features, then the whole network.

`train` continues a run from wherever it is, so starting, resuming after a stop and resuming after a crash are one thing.
After every epoch a checkpoint goes to disk, then the epoch's line in the history; whatever kills the process, at most the
epoch in progress is lost, and what comes of the run is the same to the last bit.
"""

from __future__ import annotations

import dataclasses
import logging
import time
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax
from sklearn.metrics import balanced_accuracy_score

from skin import device
from skin import run as runs
from skin.audit.audit import run_audit
from skin.config import Stage, TrainConfig
from skin.data.datasheet import Datasheet
from skin.data.groups import group
from skin.errors import UserError
from skin.evaluation.calibration import cross_entropy, fit_temperature, save_temperature, tempered
from skin.evaluation.predictions import save_predictions
from skin.evaluation.report import Evaluation, evaluate_parts, save_report
from skin.files import refusals_said
from skin.inference.predictor import predictions_of
from skin.models import export
from skin.models.classifier import Classifier, build_classifier
from skin.models.network import row_probabilities
from skin.optimization import IMBALANCES, OPTIMIZERS, SCHEDULES, Imbalance, Loss
from skin.progress import Progress, silent
from skin.run import Epoch, Run, State
from skin.task import Task
from skin.training import checkpoint, devices
from skin.training.batches import Batches, Examples
from skin.training.callbacks import LastWeights, Monitor, arrays_of
from skin.training.checkpoint import Arrays, Checkpoint
from skin.training.data import Material, load_material
from skin.training.exporting import in_float32, inference_network, save_weights
from skin.training.features import features_path, frozen_features
from skin.training.outcome import logging_to, telling_outcome
from skin.workspace import Workspace

LOG = logging.getLogger("skin.training")
STEPS_A_CALL = {1: 16, 2: 1}
"""Steps of each stage that Keras takes before it comes back to Python: one of the head is over sooner than that."""
_BATCH = 64


def train(run: Run, workspace: Workspace, progress: Progress = silent) -> None:
    """Continue the run from wherever it is to its end: trained, exported, evaluated, reported.

    Raises UserError when it cannot go on; the run then says "failed" and why, and can be resumed. On SIGTERM or
    Ctrl-C it says "stopped" and returns.
    """
    with logging_to(run), telling_outcome(run), refusals_said(run.folder):
        runs.sweep(workspace)
        LOG.info(device.sentence(_machine(), _count_gpus()))
        devices.check(run.config.devices)
        if run.config.devices > 1:
            LOG.info(devices.sentence(run.config.devices))
        monitor = Monitor(run, progress)
        monitor.enter(State.PREPARING)
        material = load_material(run, workspace, monitor.progress)
        start = checkpoint.resume(run)
        if start:
            LOG.info("Resuming %s.", start.title)
        with devices.sharing(run.config.devices):
            classifier = build_classifier(run.config, material.dataset.task, workspace)
        fit = Fit(run, material, classifier, monitor, start)
        _train_head(fit, workspace)
        _train_network(fit)
        monitor.enter(State.EVALUATING)
        _finish(fit, workspace)
        _audit(fit, workspace)


def _machine() -> device.Machine:
    """This machine, with the backend that Keras took, which `~/.keras/keras.json` may name, too."""
    return dataclasses.replace(device.look(), backend=keras.backend.backend())


def _count_gpus() -> int:
    return sum(name.startswith("gpu") for name in keras.distribution.list_devices())


@dataclass(frozen=True)
class Fit:
    """The parts that both stages need."""

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

    @property
    def imbalance(self) -> Imbalance:
        """The configured treatment of rare classes."""
        return IMBALANCES[self.config.imbalance]

    @cached_property
    def loss(self) -> Loss:
        """The configured loss, which knows the training part's class shares."""
        return self.imbalance.loss(self.offsets.astype(np.float32), self.config.label_smoothing)

    @cached_property
    def offsets(self) -> NDArray[np.float64]:
        """Offsets of the logits, of shape (n_classes,), from the class shares in the training part, as configured."""
        return self.config.imbalance_strength * np.log(self._shares)

    @cached_property
    def weights(self) -> NDArray[np.float32]:
        """Weight of each image by its class, of mean 1 over the training part."""
        of_class = self._shares**-self.imbalance.weight_exponent
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
        """The validation part as Keras wants it, filled up so that the devices can share it."""
        rows = devices.filled_up(self.material.rows("validation"), self.config.devices)
        patients = [self.material.patients[rows]] if self.config.model == "multimodal" else []
        return [inputs[rows], *patients]


def _train_head(fit: Fit, workspace: Workspace) -> None:
    """Stage 1: the head learns from features that the frozen backbone computed once."""
    if fit.config.stage1_epochs == 0 or _has_reached(fit.run, 2):
        return
    features = frozen_features(
        in_float32(fit.classifier, fit.config, fit.task, workspace).backbone,
        fit.material.pixels,
        features_path(fit.config, fit.material.dataset, workspace),
        fit.monitor.progress,
    )
    with devices.sharing(fit.config.devices):
        _train_stage(fit, fit.config.stages[0], fit.classifier.head, features)


def _train_network(fit: Fit) -> None:
    """Stage 2: everything learns from the pixels."""
    if fit.config.stage2_epochs:
        with devices.sharing(fit.config.devices):
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
    best = _restored(fit, stage, model) or arrays_of(model.weights)
    while (number := _next_epoch(fit.run, stage)) is not None:
        record, weights = _train_epoch(fit, stage, number, model, examples, validation)
        history = (*fit.run.history(), record)
        if runs.best_epoch(history) == record:
            best = arrays_of(model.weights)
        _assign(model.weights, weights)
        checkpoint.save(fit.run, Checkpoint(history, weights, arrays_of(model.optimizer.variables), best))
        fit.run.write_history(history)
        LOG.info(_EPOCH_LINE.format(**dataclasses.asdict(record), epochs=stage.epochs))
    _assign(model.weights, best)


def build_optimizer(config: TrainConfig, stage: Stage, steps: int) -> keras.optimizers.Optimizer:
    """The configured optimizer for a stage whose epochs have so many steps."""
    steps_of_stage = steps * stage.epochs
    warmup = min(int(config.warmup_epochs * steps), steps_of_stage - 1)
    rate = SCHEDULES[config.schedule](stage.learning_rate, steps_of_stage, warmup)
    optimizer = OPTIMIZERS[config.optimizer](rate, config.weight_decay)
    if config.weight_averaging:
        optimizer.use_ema = True
        optimizer.ema_momentum = 1 - 1 / (config.weight_averaging * steps + 1)
    return optimizer


def _train_epoch(
    fit: Fit, stage: Stage, number: int, model: keras.Model, examples: Examples, validation: list[NDArray[Any]]
) -> tuple[Epoch, Arrays]:
    """The finished epoch, which leaves the model with what it validated, and the weights that training goes on from.

    The two differ where weights are averaged: at the end of `fit` Keras puts the averages in their place.
    """
    batches = Batches(examples, fit.config, stage.number, number)
    fit.monitor.begin_epoch(stage, number, len(batches))
    _seed_dropout(model, (fit.config.seed, stage.number, number))
    started = time.monotonic()
    last = LastWeights()
    logs = model.fit(batches, verbose=0, shuffle=False, callbacks=[fit.monitor, last]).history
    seconds = time.monotonic() - started
    record = Epoch(
        stage=stage.number,
        epoch=number,
        loss=logs["loss"][0],
        accuracy=logs["categorical_accuracy"][0],
        **_validate(fit, model.predict(validation, batch_size=_BATCH * fit.config.devices, verbose=0)),
        learning_rate=float(keras.ops.convert_to_numpy(model.optimizer.learning_rate)),
        seconds=time.monotonic() - started,
        images_per_second=len(batches) * batches.batch_size / seconds,
    )
    return record, last.weights


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
    logits, truth = logits[: len(rows)], fit.material.truth[rows]
    targets = np.eye(len(fit.task), dtype=np.float32)[truth]
    losses = keras.ops.convert_to_numpy(fit.loss(targets, logits))
    predicted = logits.argmax(axis=1)
    calibrated = {}
    if fit.config.kept_by == "calibrated-loss":
        views = softmax(logits, axis=1)[None]
        calibrated["val_calibrated_loss"] = cross_entropy(views, truth, fit_temperature(views, truth))
    return {
        **calibrated,
        "val_loss": float(np.mean(losses * fit.weights[rows])),
        "val_accuracy": float((predicted == truth).mean()),
        "val_balanced_accuracy": float(balanced_accuracy_score(truth, predicted)),
    }


def _seed_dropout(model: keras.Model, seed: tuple[int, int, int]) -> None:
    """Make an epoch's dropout a function of the seed alone, so that a resumed epoch draws what it would have drawn."""
    state = np.random.SeedSequence(seed).generate_state(2)
    seeds = [variable for variable in model.non_trainable_variables if variable.name == "seed_generator_state"]
    for index, variable in enumerate(seeds):
        variable.assign(state + np.uint32(index))


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
    """Take the class shares out of a network that learned them, where so configured."""
    if fit.imbalance.corrects_bias:
        bias = fit.classifier.head.get_layer("logits").bias
        bias.assign(keras.ops.convert_to_numpy(bias) - fit.offsets)


def _finish(fit: Fit, workspace: Workspace) -> None:
    """Export the network, choose the temperature on validation, predict and report validation and test."""
    run, material, dataset = fit.run, fit.material, fit.material.dataset
    Datasheet.of(dataset, material.split).save(run.datasheet_path)
    _adjust(fit)
    save_weights(fit.classifier.network, run.weights_path)
    network = inference_network(run, in_float32(fit.classifier, fit.config, fit.task, workspace))
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
    reports = evaluate_parts(predictions, group(dataset), temperature)
    evaluation = Evaluation.now(dataset)
    save_report(
        run.report_path,
        {part: dataclasses.replace(report, evaluation=evaluation) for part, report in reports.items()},
    )


def _audit(fit: Fit, workspace: Workspace) -> None:
    """Audit the run, where that is asked for and its network exported. The training is done, whatever comes of it."""
    run = fit.run
    if not (fit.config.audit and run.onnx_path.exists()):
        LOG.info("Not audited; `%s` does it later.", run.audit_command)
        return
    try:
        run_audit(run, fit.material.dataset, workspace, fit.monitor.progress)
        LOG.info("Audited.")
    except Exception as error:
        LOG.error(  # noqa: TRY400 (a user error needs no traceback)
            "The audit was not finished (%s); `%s` goes on with it.",
            error,
            run.audit_command,
            exc_info=not isinstance(error, UserError),
        )
