"""The predictors of finished runs, loaded once and shared by everyone who asks."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from skin.config import MODELS
from skin.errors import UserError
from skin.evaluation.chosen import DecisionChoice
from skin.inference.lesion_gate import GATE
from skin.inference.neighbours import INDEX
from skin.inference.predictor import SHIPPED, Predictor, default_run, multimodal_run
from skin.patient import Patient
from skin.run import Run, is_shipped, list_runs
from skin.task import HAM10000, Task, listed
from skin.workspace import Workspace

AUTOMATIC = "automatic"
BOTH = "both"
IMAGE_ONLY = "image only"


def inputs_in_words(run: Run) -> str:
    """The inputs of the run's model, in words."""
    fields = listed([field.words for field in run.task.fields]) or "nothing else"
    return IMAGE_ONLY if run.config.model == "image" else f"image with {fields}"


_MAX_LOADED = 4
"""Networks in memory."""


def _load(folder: Path, changed: tuple[int, ...]) -> Predictor:  # noqa: ARG001 (what was replaced makes another one)
    return Predictor(Run(folder))


def _changed(path: Path) -> int:
    """The time of change of a file that may be missing."""
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


@dataclass(frozen=True)
class Predictors:
    """The finished runs of a workspace, ready to predict."""

    workspace: Workspace
    _loaded: Callable[[Path, tuple[int, ...]], Predictor] = field(
        default_factory=lambda: lru_cache(maxsize=_MAX_LOADED)(_load)
    )

    def runs(self) -> list[Run]:
        """The finished runs: the shipped ones, then the newest first."""
        ready = [run for run in list_runs(self.workspace) if run.can_predict]
        return sorted(ready, key=lambda run: not is_shipped(run))

    def choices(self) -> list[tuple[str, str]]:
        """The models that can be chosen, as labels and values."""
        runs = self.runs()
        both = {run.config.model for run in runs} == set(MODELS)
        return [
            ("Automatic", AUTOMATIC),
            *([("Both models side by side", BOTH)] if both else []),
            *((f"{run.name} ({inputs_in_words(run)})", run.name) for run in runs),
        ]

    def choose(self, choice: object, patient: Patient, decision: DecisionChoice = DecisionChoice()) -> list[Predictor]:
        """One predictor, or two where both models are asked, that decide as chosen.

        Raises UserError when there is none of that name, or no such decision.
        """
        return [self.open(run).deciding(decision) for run in self._chosen_runs(choice, patient)]

    def _chosen_runs(self, choice: object, patient: Patient) -> list[Run]:
        if choice in (None, "", AUTOMATIC):
            return [default_run(self.workspace, patient)]
        if choice == BOTH:
            return [self._of_kind(kind) for kind in MODELS]
        return [self.named(choice)]

    def task(self, choice: object) -> Task:
        """The task whose fields are asked for, which are those of the chosen model. Raises UserError when there is none."""
        if choice in (None, "", AUTOMATIC):
            return multimodal_run(self.workspace).task
        return (self._of_kind("multimodal") if choice == BOTH else self.named(choice)).task

    def task_or_default(self, choice: object) -> Task:
        """As `task`, HAM10000 where that cannot be told: a form must show something before anything can be asked."""
        try:
            return self.task(choice)
        except UserError:
            return HAM10000

    def named(self, name: object) -> Run:
        """The finished run of this name. Raises UserError when there is none."""
        for run in self.runs():
            if run.name == name:
                return run
        raise UserError("There is no finished run of this name: it was renamed or deleted, so choose another model.")

    def _of_kind(self, kind: str) -> Run:
        runs = [run for run in self.runs() if run.config.model == kind]
        if not runs:
            raise UserError(f"There is no finished model of the kind {kind!r} yet: train one, or choose another model.")
        return next((run for run in runs if run.name == SHIPPED[kind]), runs[0])

    def open(self, run: Run) -> Predictor:
        """The run's predictor, loaded anew where its network or its audit was replaced.

        Raises UserError when it cannot be had.
        """
        if not run.onnx_path.is_file():
            raise UserError(f"The network of run {run.name!r} is gone: choose another model.")
        files = run.onnx_path, run.audit_folder / GATE, run.audit_folder / INDEX
        return self._loaded(run.folder, tuple(map(_changed, files)))
