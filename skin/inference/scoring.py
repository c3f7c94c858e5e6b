"""A large folder of images predicted block by block, on this machine or a cluster, into one table.

Whatever ends it, the finished blocks stay, and the same call goes on with the rest.
"""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from skin import run as runs
from skin.engines import workers
from skin.engines.resources import Resources
from skin.errors import UserError
from skin.evaluation.chosen import DecisionChoice
from skin.inference import answer_table
from skin.inference.batch import Choose, Patients, Row, answer, patient_of, summary
from skin.inference.lesion_gate import GATE
from skin.inference.parts import Parts
from skin.inference.predictor import Predictor, default_run, multimodal_run
from skin.patient import Patient, Value
from skin.progress import Progress, silent
from skin.run import Run
from skin.task import Task
from skin.workspace import Workspace

BLOCK = 64
"""Images of a block, the least that a kill can lose: some ten seconds' work of a core."""

FORMAT = 2
"""The version of the parts; those of another one are not gone on with."""


@dataclass(frozen=True)
class Models:
    """The folders of the runs that answer, where something is known of a patient and where nothing is, and how they decide."""

    known: Path
    unknown: Path
    choice: DecisionChoice = field(default_factory=DecisionChoice)

    @classmethod
    def of(cls, workspace: Workspace, name: str | None = None, choice: DecisionChoice = DecisionChoice()) -> "Models":
        """The run of this name or, without one, those that `default_run` gives. Raises UserError where there is none."""
        if name:
            folder = runs.get(workspace, name).folder
            return cls(folder, folder, choice)
        return cls(multimodal_run(workspace).folder, default_run(workspace, Patient()).folder, choice)

    @property
    def task(self) -> Task:
        """The task whose fields a patient has."""
        return Run(self.known).task

    def of_patient(self, patient: Patient) -> Path:
        """The folder of the run that is asked."""
        return self.unknown if patient.is_unknown else self.known

    def opened(self) -> Choose:
        """The predictors, each opened when it is first asked."""
        open_once = lru_cache(lambda folder: Predictor(Run(folder)).deciding(self.choice))
        return lambda patient: [open_once(self.of_patient(patient))]


@dataclass(frozen=True)
class Block:
    """Some images: the name of each, its path, and what is known of the patient."""

    number: int
    images: tuple[tuple[str, Path, dict[str, Value]], ...]


@dataclass(frozen=True)
class BlockScorer:
    """Makes what answers a block: its number and its rows. A worker opens its predictors once."""

    models: Models
    needs: tuple[Path, ...]

    def __call__(self) -> Any:
        """As Maker."""
        choose = self.models.opened()

        def score_block(block: Block) -> tuple[int, list[Row]]:
            return block.number, list(
                answer(choose, [(name, path, Patient(known)) for name, path, known in block.images])
            )

        return score_block


@dataclass(frozen=True)
class Outcome:
    """The end of a scoring: a sentence or two on the answers, and the images that have none."""

    summary: str
    failed: tuple[str, ...]


@dataclass(frozen=True)
class Scoring:
    """A table of answers for these images, by name, that is to be made; `patients` says whose they are."""

    table: Path
    images: Sequence[tuple[str, Path]]
    patients: Patients
    models: Models

    def run(self, engine: str, resources: Resources, progress: Progress = silent) -> Outcome:
        """Predict what is not predicted yet, then write the table and remove the parts.

        Raises UserError: the table is there, the parts are of another one, no cluster answers, the disk is full, and more.
        """
        answer_table.check_format(self.table)
        workers.check_engine(engine)
        parts = Parts(self.table)
        if self.table.exists() and not parts.folder.exists():
            raise UserError(f"{self.table} exists already: delete it, or give another --out.")
        columns = self._columns()
        with parts.claimed(self._key()):
            done = parts.done()
            left = [block for block in self._blocks if block.number not in done]
            rows = self._answered(left, parts, engine, resources)
            n_left = sum(len(block.images) for block in left)
            for _ in progress(rows, desc=f"Predicting ({len(self.images) - n_left:,} done before)", total=n_left):
                pass
            answer_table.write(self.table, columns, map(parts.rows, range(len(self._blocks))))
            return self._outcome(parts)

    def _columns(self) -> answer_table.Columns:
        """The columns of the answers. Raises UserError where a run that is asked cannot predict."""
        choose = self.models.opened()
        return answer_table.columns_of(choose(patient)[0].task for patient in self._patient_of_each_run.values())

    def _answered(self, left: list[Block], parts: Parts, engine: str, resources: Resources) -> Iterator[Row]:
        """The rows of these blocks, each of them kept before they come."""
        if not left:
            return
        scorer = BlockScorer(self.models, (*self._patient_of_each_run, left[0].images[0][1].absolute()))
        with closing(workers.answers(engine, scorer, left, resources)) as answered:
            for number, rows in answered:
                parts.keep(number, rows)
                yield from rows

    def _outcome(self, parts: Parts) -> Outcome:
        failed: list[str] = []

        def every() -> Iterator[Row]:
            for row in (row for block in self._blocks for row in parts.rows(block.number)):
                failed.extend([row["image"]] if "error" in row else [])
                yield row

        return Outcome(summary(every(), self.patients), tuple(failed))

    @cached_property
    def _blocks(self) -> list[Block]:
        asked = [
            (name, path.absolute(), dict(patient.known))
            for (name, path), patient in zip(self.images, self._patients, strict=True)
        ]
        return [
            Block(number, tuple(asked[start : start + BLOCK]))
            for number, start in enumerate(range(0, len(asked), BLOCK))
        ]

    @cached_property
    def _patients(self) -> list[Patient]:
        return [patient_of(name, self.patients) for name, _ in self.images]

    @cached_property
    def _patient_of_each_run(self) -> dict[Path, Patient]:
        """A patient for whom each run is asked, by the run's folder."""
        return {self.models.of_patient(patient): patient for patient in self._patients}

    def _key(self) -> dict[str, object]:
        """Digests of everything that the answers depend on, by the word for it."""
        return {
            "format": [FORMAT, BLOCK],
            "runs": [_of_run(Run(folder)) for folder in sorted(self._patient_of_each_run)],
            "images": _digest([(name, *_of_file(path)) for name, path in self.images]),
            "decisions": repr(self.models.choice),
            "patients": _digest([sorted(patient.known.items()) for patient in self._patients]),
        }


def _of_run(run: Run) -> list[str]:
    """A run's name, and the digest of what its answers depend on."""
    files = (run.onnx_path, run.predictions_path, run.config_path, run.task_path, run.audit_folder / GATE)
    return [run.name, _digest([path.read_bytes() for path in files if path.exists()])]


def _of_file(path: Path) -> tuple[int, int]:
    """Size and time of change; zeros of a file that is not there, which is the same as long as it is not."""
    try:
        status = path.stat()
    except OSError:
        return 0, 0
    return status.st_size, status.st_mtime_ns


def _digest(facts: list[Any]) -> str:
    digest = hashlib.sha256()
    for fact in facts:
        digest.update(fact if isinstance(fact, bytes) else repr(fact).encode())
    return digest.hexdigest()
