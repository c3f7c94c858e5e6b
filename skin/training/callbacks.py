"""Telling a run's status what its training does."""

from __future__ import annotations

import time
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

import keras
import numpy as np
import psutil

from skin.config import Stage
from skin.engines.engine import Job
from skin.errors import UserError
from skin.progress import Item, Progress, silent
from skin.run import Run, State
from skin.training import pace
from skin.training.checkpoint import Arrays

BUILDING = "building the network"

_REPORT_SECONDS = 1.0
_PHASES = {State.PREPARING: pace.PREPARING, State.EVALUATING: pace.EVALUATING}
"""States that are a phase of their own; the stages of training begin with their first epoch."""


def arrays_of(variables: Iterable[Any]) -> Arrays:
    """Copies of the values of Keras variables."""
    return [np.array(keras.ops.convert_to_numpy(variable)) for variable in variables]


class LastWeights(keras.callbacks.Callback):
    """Keeps the weights after an epoch's last step, which Keras replaces by their averages where it keeps any."""

    weights: Arrays = ()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:  # noqa: ARG002 (Keras' signature)
        self.weights = arrays_of(self.model.weights)


class Monitor(keras.callbacks.Callback):
    """Tells the run's status what happens, about once a second."""

    def __init__(self, run: Run, progress: Progress = silent) -> None:
        super().__init__()
        self._run = run
        self._progress = progress
        self._phase = pace.PREPARING
        self._share = 0.0
        self._job = Job.here()
        with suppress(UserError):  # a run that is resumed goes on from where its progress was
            status = run.status()
            self._share, self._job = status.share, Job.here(status.job)
        self._stage: Stage | None = None
        self._epoch = 0
        self._steps = 0
        self._epoch_started = 0.0
        self._reported = 0.0
        self._known: dict[str, Any] = {}

    def enter(self, state: State) -> None:
        """Say that another phase of the run begins."""
        self._phase = _PHASES.get(state, self._phase)
        self._known = {"state": state, "job": self._job}
        nothing = {"images_per_second": None, "eta_seconds": None, "run_eta_seconds": None}
        self._tell(0, message="", step=0, steps=0, **nothing)

    def begin_epoch(self, stage: Stage, epoch: int, steps: int) -> None:
        """Say that an epoch begins; before the first of a stage its graph is built, which takes up to a minute."""
        is_new = self._stage is None or self._stage.number != stage.number
        self._stage, self._epoch, self._steps = stage, epoch, steps
        self._phase = pace.STAGE_1 if stage.number == 1 else pace.STAGE_2
        self._epoch_started = time.monotonic()
        self._known |= {"stage": stage.number, "epoch": epoch, "epochs": stage.epochs, "steps": steps}
        self._tell((epoch - 1) / stage.epochs, message=BUILDING if is_new else "", step=0)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:  # noqa: ARG002 (Keras' signature)
        """Report the step, the speed and the time left, in this stage and in the whole run."""
        if self._stage is None or not self._is_due():
            return
        step = min(batch + 1, self._steps)  # Keras counts whole executions of several steps, past the last one, too
        seconds_a_step = (time.monotonic() - self._epoch_started) / step
        left = (self._steps - step + self._steps * (self._stage.epochs - self._epoch)) * seconds_a_step
        self._tell(
            (self._epoch - 1 + step / self._steps) / self._stage.epochs,
            message="",
            step=step,
            images_per_second=self._stage.batch_size / seconds_a_step,
            eta_seconds=left,
            run_eta_seconds=left + self._seconds_after(self._stage, seconds_a_step),
            memory_mb=psutil.Process().memory_info().rss / 1e6,
        )

    def _seconds_after(self, stage: Stage, seconds_a_step: float) -> float:
        """An estimate of what comes after the stage, from the speed of stage 2 once that is known."""
        config = self._run.config
        measured = stage.batch_size / seconds_a_step
        fine_tuning = measured if stage.number == 2 else pace.fine_tuning_rate(config)
        later = pace.seconds_per_image(config, pace.HEAD_RATE, fine_tuning)[self._phase + 1 :]
        return self._steps * stage.batch_size * sum(later)

    def progress(self, iterable: Iterable[Item], *, desc: str, total: int) -> Iterable[Item]:
        """A Progress that also tells the status."""
        for step, item in enumerate(self._progress(iterable, desc=desc, total=total)):
            if self._is_due():
                self._tell(step / total, message=desc, step=step, steps=total)
            yield item

    def _tell(self, share_of_phase: float, **changes: Any) -> None:
        """Update the status. The share of the whole run never falls, whatever a run that is resumed does again."""
        self._share = max(self._share, pace.share_done(self._run.config, self._phase, share_of_phase))
        # What is known is said anew with every report, so that a status that is damaged meanwhile costs nothing.
        self._run.update_status(**{**self._known, "share": self._share, **changes})

    def _is_due(self) -> bool:
        due = time.monotonic() - self._reported >= _REPORT_SECONDS
        if due:
            self._reported = time.monotonic()
        return due
