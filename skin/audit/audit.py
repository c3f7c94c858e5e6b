"""The audit of a run: its steps, each computed once and kept in a file of its own below the run's folder."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from skin.audit import cases, explanations, orientations, permutation, robustness, scope, skin_tone, subgroups
from skin.audit.inputs import AuditInput
from skin.data.dataset import Dataset
from skin.errors import UserError
from skin.files import read_arrays, read_json, write_atomically
from skin.inference.lesion_gate import GATE
from skin.inference.neighbours import INDEX
from skin.progress import Progress, silent
from skin.records import checked, from_plain, to_plain
from skin.run import Run
from skin.task import listed
from skin.workspace import Workspace


@dataclass(frozen=True)
class Step:
    """A row of AUDITS.

    `compute` returns a frozen dataclass of the type `record`, and may write the `arrays`, files in the audit's folder.
    Nothing that it fits may see the test part. `version` is raised when its figures change their meaning.
    """

    title: str
    record: type
    compute: Callable[[AuditInput], Any]
    arrays: tuple[str, ...] = ()
    version: int = 1


AUDITS: dict[str, Step] = {
    "scope": Step("What it refuses", scope.Scope, scope.compute, (GATE,)),
    "cases": Step("Similar cases", cases.SimilarCases, cases.compute, (INDEX,)),
    "orientations": Step("Orientations", orientations.Orientations, orientations.compute),
    "robustness": Step("Worse pictures", robustness.Robustness, robustness.compute),
    "subgroups": Step("Groups of images", subgroups.Subgroups, subgroups.compute),
    "skin_tone": Step("Skin tone", skin_tone.SkinTone, skin_tone.compute),
    "permutation": Step("Fields of the patient", permutation.Permutation, permutation.compute),
    "explanations": Step("Explanations", explanations.Explanations, explanations.compute),
}
"""The steps of an audit by the names of their files, in the order in which they are computed."""


def run_audit(run: Run, dataset: Dataset, workspace: Workspace, progress: Progress = silent) -> dict[str, Any]:
    """Compute the steps of the audit that are not there yet, and return the records of all by their names.

    Each is kept as soon as it is done, so that an audit that was cut short goes on with the rest. Raises UserError where
    the run cannot predict, the data set lacks its images, or the disk is full.
    """
    missing = missing_steps(run)
    if missing:
        inputs = AuditInput.load(run, dataset, workspace, progress)
        for name in progress(missing, desc=f"Auditing {run.name}", total=len(missing)):
            _keep(run, name, AUDITS[name].compute(inputs))
    return {name: load_step(run, name) for name in AUDITS}


def missing_steps(run: Run) -> list[str]:
    """The names of the steps that are not there, or damaged, or of other predictions or another version."""
    return [name for name in AUDITS if load_step(run, name) is None]


def load_step(run: Run, name: str) -> Any | None:
    """The record of a step, None where it must be computed first."""
    step, folder = AUDITS[name], run.audit_folder
    try:
        kept = read_json(folder / f"{name}.json")
        if (kept["key"], kept["version"]) != (_key(run), step.version):
            return None
        for file in step.arrays:
            read_arrays(folder / file)
        return checked(from_plain(step.record, kept["record"]))
    except (UserError, ValueError, TypeError, KeyError, AttributeError, OSError):
        return None


def gap(run: Run) -> str:
    """A sentence on the steps that must be computed first, and by which command; "" where all are there."""
    titles = [AUDITS[name].title.lower() for name in missing_steps(run)]
    what = "them" if len(titles) > 1 else "it"
    return f"Not computed: {listed(titles)}. `{run.audit_command}` computes {what} from the images." if titles else ""


def _keep(run: Run, name: str, record: Any) -> None:
    kept = {"key": _key(run), "version": AUDITS[name].version, "record": to_plain(record)}
    write_atomically(run.audit_folder / f"{name}.json", json.dumps(kept, indent=1).encode())


def _key(run: Run) -> str:
    """16 hex digits that change with the run's split and predictions. Raises UserError when one of these is gone."""
    digest = hashlib.sha256()
    try:
        for path in (run.split_path, run.predictions_path):
            digest.update(path.read_bytes())
    except OSError as error:
        raise UserError(f"{run.name} has no {path.name}: train the run to its end first.") from error
    return digest.hexdigest()[:16]
