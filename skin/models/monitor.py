"""Telling a run's status what its training does."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

import keras
import psutil

from skin.config import Stage
from skin.progress import Item, Progress, silent
from skin.run import Run, State

_REPORT_SECONDS = 1.0


class Monitor(keras.callbacks.Callback):
    """Tells the run's status what happens, about once a second."""

    def __init__(self, run: Run, progress: Progress = silent) -> None:
        super().__init__()
        self._run = run
        self._progress = progress
        self._stage: Stage | None = None
        self._epoch = 0
        self._steps = 0
        self._epoch_started = 0.0
        self._reported = 0.0
        self._phase: dict[str, Any] = {}

    def enter(self, state: State) -> None:
        """Say that another phase of the run begins."""
        process = psutil.Process()
        # Said anew with every report, so that a status that is damaged meanwhile costs nothing.
        self._phase = {"state": state, "pid": process.pid, "pid_started": process.create_time()}
        self._run.update_status(**self._phase, message="", step=0, steps=0, images_per_second=None, eta_seconds=None)

    def begin_epoch(self, stage: Stage, epoch: int, steps: int) -> None:
        """Say that an epoch begins."""
        self._stage, self._epoch, self._steps = stage, epoch, steps
        self._epoch_started = time.time()
        # Before the first step, because building a stage's graph takes up to a minute.
        self._run.update_status(
            **self._phase, stage=stage.number, epoch=epoch, epochs=stage.epochs, step=0, steps=steps
        )

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:  # noqa: ARG002 (Keras' signature)
        """Report the step, the speed and the time left in this stage."""
        if not self._is_due() or self._stage is None:
            return
        elapsed = time.time() - self._epoch_started
        step = batch + 1
        steps_left = self._steps - step + self._steps * (self._stage.epochs - self._epoch)
        self._run.update_status(
            **self._phase,
            stage=self._stage.number,
            epoch=self._epoch,
            epochs=self._stage.epochs,
            step=step,
            steps=self._steps,
            images_per_second=step * self._stage.batch_size / elapsed,
            eta_seconds=steps_left * elapsed / step,
            memory_mb=psutil.Process().memory_info().rss / 1e6,
        )

    def progress(self, iterable: Iterable[Item], *, desc: str, total: int) -> Iterable[Item]:
        """A Progress that also tells the status."""
        for step, item in enumerate(self._progress(iterable, desc=desc, total=total)):
            if self._is_due():
                self._run.update_status(**self._phase, message=desc, step=step, steps=total)
            yield item

    def _is_due(self) -> bool:
        due = time.time() - self._reported >= _REPORT_SECONDS
        if due:
            self._reported = time.time()
        return due
