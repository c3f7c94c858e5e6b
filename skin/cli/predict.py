"""The command that predicts the diagnosis of images."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from skin import DISCLAIMER
from skin.cli.options import AsJson, Decision, Home, Prevalence, Target, pairs
from skin.cli.output import print_json, print_table
from skin.engines.engine import LOCAL
from skin.engines.resources import Resources
from skin.errors import UsageError, UserError
from skin.evaluation.chosen import DecisionChoice
from skin.evaluation.decision import DECISIONS, MOST_PROBABLE
from skin.evaluation.operating_point import TARGET
from skin.evaluation.prevalence import UNCHANGED, in_percent
from skin.inference import batch
from skin.inference.predictor import RISK_RULE
from skin.inference.scoring import Models, Scoring
from skin.patient import Patient
from skin.progress import console
from skin.task import Task
from skin.workspace import Workspace

_NAMED = 5
"""Images without an answer that are named; the table has them all."""


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
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "--csv",
            help="Write the answers to this .csv or .parquet file; what was ended before goes on where it was.",
        ),
    ] = None,
    engine: Annotated[str, typer.Option(help="With --out: local, or ray for a Ray cluster.")] = LOCAL,
    parallel: Annotated[
        int | None, typer.Option(min=1, help="With --out: workers; default: 1, on ray one for each CPU.")
    ] = None,
    address: Annotated[
        str,
        typer.Option(help="With --engine ray: auto, HOST:PORT or local; default: the one that is found, else local."),
    ] = "",
    decision: Decision = MOST_PROBABLE,
    target: Target = TARGET,
    prevalence: Prevalence = UNCHANGED,
    anyway: Annotated[
        bool, typer.Option("--anyway", help="Print the answer to a picture that is refused as no lesion, too.")
    ] = False,
    as_json: AsJson = False,
    home: Home = None,
) -> None:
    """Predict the diagnosis of images. For research and education only, not for diagnosis.

    An image that cannot be read has its error in its row, and the rest goes on. One that is refused as no picture of a
    lesion has the reason in its row; --json and --out give its answer all the same, with in_scope false.
    """
    models = Models.of(Workspace.locate(home), run, DecisionChoice(decision, target, prevalence))
    given = {"age": age, "sex": sex, "site": site, **pairs(fields or [], "--field", "NAME")}
    named = batch.find_images(images)
    known = _patients(patients, models.task, models.task.parse(given), named)
    if out and as_json:
        raise UsageError("Give either --out or --json, not both.")
    if out:
        _write_answers(Scoring(out, named, known, models), engine, _workers(engine, parallel, address))
    elif (engine, parallel, address) != (LOCAL, None, ""):
        raise UsageError("--engine, --parallel and --address are for a table: give --out FILE, too.")
    else:
        _show_answers(batch.predict_all(models.opened(), named, known, console), known, as_json, anyway)


def _workers(engine: str, parallel: int | None, address: str) -> Resources:
    if address and engine == LOCAL:
        raise UsageError("--address is that of a Ray cluster: give --engine ray, too.")
    return Resources(parallel=parallel or (1 if engine == LOCAL else 0), address=address)


def _write_answers(scoring: Scoring, engine: str, workers: Resources) -> None:
    try:
        outcome = scoring.run(engine, workers, console)
    except KeyboardInterrupt:
        raise UserError("Stopped. The same command goes on where it was.") from None
    print(f"{scoring.table}: {outcome.summary}")
    if failed := outcome.failed:
        names = ", ".join(failed[:_NAMED]) + f" and {len(failed) - _NAMED:,} more" * (len(failed) > _NAMED)
        raise UserError(f"{len(failed):,} of {len(scoring.images):,} images have no answer: {names}.")


def _patients(table: Path | None, task: Task, patient: Patient, images: Sequence[batch.Named]) -> batch.Patients:
    """The patient of each image: the table's or, without one, always this one."""
    if table is None:
        return {name.lower(): patient for name, _ in images}
    if not patient.is_unknown:
        raise UsageError("Give either --patients or --age, --sex, --site and --field, not both.")
    try:
        return batch.read_patients(table.name, table.read_bytes(), task, max_rows=None)
    except OSError as error:
        raise UserError(f"{table} cannot be read ({error.strerror}): check the path.") from error


def _show_answers(rows: Sequence[batch.Row], patients: batch.Patients, as_json: bool, anyway: bool) -> None:
    if as_json:
        print_json(rows)
    else:
        _show_table(rows, batch.summary(rows, patients), anyway)
    if errors := [row["error"] for row in rows if "error" in row]:
        raise UserError(errors[0] if len(rows) == 1 else f"{len(errors)} of {len(rows)} images have no answer.")


def _show_table(rows: Sequence[batch.Row], summary: str, anyway: bool) -> None:
    print_table(
        ["image", "diagnosis", "probability", "90% set", "malignancy", "risk", "model"],
        [_cells(row, anyway) for row in rows],
    )
    print(summary)
    _show_decision(next((row for row in rows if "error" not in row), {}))
    for row in rows:
        if batch.is_refused(row):
            print(f"{row['image']} is refused by {row['run']}. {row['reason']}")
    rule = f"Risk is {RISK_RULE}. " if any(row.get("risk") for row in rows) else ""
    print(f"{rule}{DISCLAIMER}")


def _show_decision(row: batch.Row) -> None:
    """Say the rule and the prevalence that are not the usual ones."""
    if (name := row.get("decision", MOST_PROBABLE)) != MOST_PROBABLE:
        print(f"Decided by the rule {name}: {DECISIONS[name].help}")
    if shares := row.get("prevalence"):
        print(f"Probabilities are for a prevalence of {in_percent(shares)}.")


def _cells(row: batch.Row, anyway: bool) -> list[str]:
    """An answer as a row of the table; an error takes the rest of it, and so does a refusal, unless told anyway."""
    if "error" in row:
        return [row["image"], "-", "", "", "", "", row["error"]]
    if batch.is_refused(row) and not anyway:
        return [row["image"], "refused", "", "", "", "", row["run"]]
    share = row["probabilities"][row["diagnosis"]]
    behaviour = [row["malignancy"] or "", row["risk"] or ""]
    return [row["image"], row["name"], f"{share:.2f}", ", ".join(row["prediction_set"]), *behaviour, row["run"]]
