"""The command that predicts the diagnosis of images."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Annotated

import typer

from skin import DISCLAIMER
from skin import run as runs
from skin.cli.options import AsJson, Home, pairs
from skin.cli.output import print_json, print_table
from skin.errors import UsageError, UserError
from skin.files import write_atomically
from skin.inference import batch
from skin.inference.predictor import RISK_RULE, Predictor, default_run, multimodal_run
from skin.patient import Patient
from skin.progress import console
from skin.table import write_table
from skin.task import Task
from skin.workspace import Workspace


def predict(
    images: Annotated[list[Path], typer.Argument(metavar="IMAGE...", help="Image files, and folders of images.")],
    age: Annotated[str | None, typer.Option(help="Years.")] = None,
    sex: Annotated[str | None, typer.Option(help="female or male.")] = None,
    site: Annotated[str | None, typer.Option(help="Body site, such as back or lower extremity.")] = None,
    fields: Annotated[
        list[str] | None,
        typer.Option("--field", metavar="NAME=VALUE", help="Any other field that the run knows; may be repeated."),
    ] = None,
    patients: Annotated[
        Path | None,
        typer.Option(
            help="CSV with a column image (file names) and any of the run's fields, such as age, sex and site."
        ),
    ] = None,
    run: Annotated[
        str | None,
        typer.Option(help="Default: the shipped multimodal run if a patient field is given, else image-only."),
    ] = None,
    csv: Annotated[Path | None, typer.Option(help="Write the answers to this file instead of showing them.")] = None,
    as_json: AsJson = False,
    home: Home = None,
) -> None:
    """Predict the diagnosis of images. For research and education only, not for diagnosis.

    An image that cannot be read has its error in its row, and the rest goes on.
    """
    workspace = Workspace.locate(home)
    given = {"age": age, "sex": sex, "site": site, **pairs(fields or [], "--field", "NAME")}
    task = (runs.get(workspace, run) if run else multimodal_run(workspace)).task
    named = batch.find_images(images)
    known = _patients(patients, task, task.parse(given), named)
    rows = batch.predict_all(_models(workspace, run), named, known, console)
    if csv:
        write_atomically(csv, write_table(batch.to_frame(rows)).encode())
    if as_json:
        print_json(rows)
    elif csv:
        print(f"{csv}: {batch.summary(rows, known)}")
    else:
        _show_answers(rows, batch.summary(rows, known))
    if errors := [row["error"] for row in rows if "error" in row]:
        raise UserError(errors[0] if len(rows) == 1 else f"{len(errors)} of {len(rows)} images have no answer.")


def _patients(table: Path | None, task: Task, patient: Patient, images: Sequence[batch.Named]) -> batch.Patients:
    """The patient of each image: the table's or, without one, always this one."""
    if table is None:
        return {name.lower(): patient for name, _ in images}
    if not patient.is_unknown:
        raise UsageError("Give either --patients or --age, --sex, --site and --field, not both.")
    try:
        return batch.read_patients(table.name, table.read_bytes(), task)
    except OSError as error:
        raise UserError(f"{table} cannot be read ({error.strerror}): check the path.") from error


def _models(workspace: Workspace, name: str | None) -> batch.Choose:
    """Choice of the predictors: the run of this name, else the one that fits what is known of the patient."""
    named = runs.get(workspace, name) if name else None
    opened = lru_cache(Predictor)
    return lambda patient: [opened(named or default_run(workspace, patient))]


def _show_answers(rows: Sequence[batch.Row], summary: str) -> None:
    print_table(
        ["image", "diagnosis", "probability", "90% set", "malignancy", "risk", "model"],
        [_cells(row) for row in rows],
    )
    print(summary)
    rule = f"Risk is {RISK_RULE}. " if any(row.get("risk") for row in rows) else ""
    print(f"{rule}{DISCLAIMER}")


def _cells(row: batch.Row) -> list[str]:
    """An answer as a row of the table; an error takes the rest of it."""
    if "error" in row:
        return [row["image"], "-", "", "", "", "", row["error"]]
    share = row["probabilities"][row["diagnosis"]]
    behaviour = [row["malignancy"] or "", row["risk"] or ""]
    return [row["image"], row["name"], f"{share:.2f}", ", ".join(row["prediction_set"]), *behaviour, row["run"]]
