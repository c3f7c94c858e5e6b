"""The command line: everything the app does, and the facts as JSON for scripts."""

from __future__ import annotations

import dataclasses
import json
import os
import sys
from collections.abc import Callable, Sequence
from functools import lru_cache, wraps
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
import typer

from skin import __version__, batch, jobs
from skin import run as runs
from skin.config import PRESETS, TrainConfig
from skin.data import datasets, splits
from skin.data.dataset import Dataset
from skin.data.material import check_fields
from skin.errors import UsageError, UserError
from skin.evaluation.compare import Comparison
from skin.evaluation.compare import compare as compare_predictions
from skin.evaluation.evidence import warnings
from skin.evaluation.metrics import METRICS, Estimate, metrics_of
from skin.evaluation.origin import Origin
from skin.evaluation.predictions import load_predictions
from skin.evaluation.rebuild import rebuild
from skin.evaluation.report import Report, evaluation_command, load_report
from skin.evaluation.subgroups import subgroup_metrics
from skin.evaluation.summary import NOT_COMPUTED, best, challenging, scope
from skin.experiments.experiment import models_of, plan
from skin.external import evaluate_on
from skin.files import write_atomically
from skin.models.backbones import find_backbone
from skin.patient import UNKNOWN, Patient
from skin.predict import RISK_RULE, Predictor, default_run, multimodal_run
from skin.progress import console
from skin.run import Run, State
from skin.table import write_table
from skin.task import Task
from skin.workspace import Workspace

app = typer.Typer(
    help="Train, compare and explain skin-lesion classifiers. For research and education, never for diagnosis.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

Home = Annotated[
    Path | None,
    typer.Option(
        help="Folder of runs and caches; default: SKIN_HOME, else the checkout or, installed, your user data folder."
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the facts as JSON.")]
RunName = Annotated[str, typer.Argument(metavar="RUN", help="A run's name, or the path of a run folder.")]


def _command(function: Callable[..., None]) -> Callable[..., None]:
    """Register a command whose user errors end in one sentence and an exit code."""

    @app.command(function.__name__.rpartition("_")[2])
    @wraps(function)
    def command(*args: Any, **options: Any) -> None:
        try:
            function(*args, **options)
        except UserError as error:
            typer.secho(f"Error: {error}", err=True, fg="red")
            raise typer.Exit(error.exit_code) from None

    return command


def _print_version(is_asked: bool) -> None:
    if is_asked:
        print(f"Skin Lesion Lab {__version__}")
        raise typer.Exit


@app.callback()
def _every_command(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Options of the program itself."""


@_command
def open_app(
    host: Annotated[
        str | None,
        typer.Option(
            help="Address to listen on; default: this machine only. Read-only without SKIN_AUTH where others reach it."
        ),
    ] = None,
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Port to listen on; default: the first free one from 7860.")
    ] = None,
    share: Annotated[
        bool, typer.Option("--share", help="Also serve a public link; read-only without SKIN_AUTH.")
    ] = False,
    read_only: Annotated[
        bool, typer.Option("--read-only", help="No training, no deletion, no paths of this machine.")
    ] = False,
    home: Home = None,
) -> None:
    """Serve the web app until it is stopped."""
    from skin.ui.launch import launch  # Gradio takes a second to load

    launch(host, port, share, read_only, home)


@_command
def data(
    dataset: Annotated[
        str, typer.Argument(help="demo, kaggle, or a folder of images (HAM10000, ISIC, or a task.json of your own).")
    ] = "demo",
    seed: Annotated[int, typer.Option(help="Seed of the splits.")] = 42,
    as_json: AsJson = False,
    home: Home = None,
) -> None:
    """Describe a data set: counts, what is missing or was left out, the splits and what they leak."""
    loaded = datasets.load(dataset, Workspace.locate(home), console)
    facts = _data_facts(loaded, seed)
    if as_json:
        _print_json(facts)
        return
    print(f"{loaded.title}: {facts['images']} images of {facts['lesions']} lesions")
    _print_table(["diagnosis", "images"], [[code, count] for code, count in facts["diagnoses"].items()])
    print("missing:", ", ".join(f"{field} {count}" for field, count in facts["missing"].items()) or "no field")
    for finding in loaded.findings():
        print(finding)
    _print_table(
        ["split", "train", "validation", "test", "test images whose lesion is in train"],
        [[name, *split.values(), *[""] * (4 - len(split))] for name, split in facts["splits"].items()],
    )


def _data_facts(dataset: Dataset, seed: int) -> dict[str, Any]:
    frame = dataset.frame()
    return {
        "dataset": dataset.title,
        "task": dataset.task.name,
        "fingerprint": dataset.fingerprint,
        "synthetic": dataset.synthetic,
        "images": len(frame),
        "lesions": int(frame["lesion_id"].nunique()),
        "diagnoses": {code: int((frame["diagnosis"] == code).sum()) for code in dataset.task.codes},
        "missing": {field.name: _missing(frame[field.name]) for field in dataset.task.fields},
        "unknown_labels": dataset.unknown_labels,
        "dropped": [dataclasses.asdict(dropped) for dropped in dataset.dropped],
        "notes": list(dataset.notes),
        "splits": {name: _split_facts(dataset, name, seed) for name in splits.SPLITTERS},
    }


def _missing(values: pd.Series[Any]) -> int:
    """Number of the values of a field that are unknown."""
    return int((values.isna() | (values == UNKNOWN)).sum())


def _split_facts(dataset: Dataset, method: str, seed: int) -> dict[str, int | str]:
    try:
        split = splits.SPLITTERS[method](dataset.images, seed)
    except UserError as error:
        return {"error": str(error)}
    sizes = {part: len(image_ids) for part, image_ids in split.parts.items()}
    return {**sizes, "shared_test_images": splits.audit(split, dataset.images).shared_test_images}


@_command
def train(
    dataset: Annotated[
        str | None,
        typer.Option(help="demo, kaggle, or a folder of images (HAM10000, ISIC, or a task.json of your own)."),
    ] = None,
    preset: Annotated[str, typer.Option(help=f"One of {', '.join(PRESETS)}.")] = "standard",
    model: Annotated[str, typer.Option(help="image, multimodal, or both one after the other.")] = "both",
    backbone: Annotated[str | None, typer.Option(help="The pretrained network.")] = None,
    weights: Annotated[str | None, typer.Option(help="imagenet, none, or a weights file.")] = None,
    name: Annotated[
        str | None, typer.Option(help="Name of the run; with both models, their names begin with it.")
    ] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="FIELD=VALUE", help="Any other setting; may be repeated.")
    ] = None,
    home: Home = None,
) -> None:
    """Train one model, or both under one recipe, in two stages; then report, and compare the two."""
    workspace = Workspace.locate(home)
    fields = _settings(settings or [])
    given = {"dataset": dataset, "backbone": backbone, "weights": weights}
    fields |= {key: value for key, value in given.items() if value is not None}
    models = models_of(str(fields.pop("model", model)))
    recipe = TrainConfig.from_preset(preset, **fields, model=models[0])
    find_backbone(recipe.backbone)
    loaded = datasets.load(recipe.dataset, workspace, console)  # before anything is made: it may not be there
    recipe = dataclasses.replace(recipe, dataset=loaded.name)
    planned = plan(workspace, recipe, models, name, otherwise=f"{Path(loaded.name).name}-{preset}")
    for config in planned.configs.values():
        check_fields(config, loaded.task)
    created = jobs.create(workspace, planned)
    for run in created:
        run.keep_task(loaded.task)
    with jobs.claimed(created):
        for run in created:
            _train(run, workspace)
    if len(created) == 2:
        _show_comparison(_compare(created[0], created[1]))


def _settings(settings: list[str], option: str = "--set", what: str = "FIELD") -> dict[str, object]:
    pairs = [setting.partition("=") for setting in settings]
    if wrong := [field for field, equals, _ in pairs if not equals]:
        raise UsageError(f"{option} wants {what}=VALUE, not {wrong[0]!r}.")
    return {field: value for field, _, value in pairs}


def _train(run: Run, workspace: Workspace) -> None:
    """Wait until no other run trains, train this one to its end, and show its report."""
    jobs.wait_for_turn(run, workspace)
    os.environ.setdefault("KERAS_HOME", str(workspace.cache / "keras"))
    from skin.train import train as train_run  # Keras takes seconds to load, and waiting needs none of it

    train_run(run, workspace, console)
    if run.status().state is State.STOPPED:
        raise typer.Exit(1)
    _show_report(f"{run.name}, test", load_report(run.report_path)["test"])


@_command
def resume(run: RunName, home: Home = None) -> None:
    """Go on with a run that was stopped or interrupted, or that failed."""
    workspace = Workspace.locate(home)
    found = runs.get(workspace, run)
    if found.status().state is State.FINISHED:
        raise UserError(f"Run {found.name!r} is finished: start a new one to train longer.")
    with jobs.claimed([found]):
        _train(found, workspace)


@_command
def stop(run: RunName, home: Home = None) -> None:
    """Stop a training run; every finished epoch is kept, and `resume` goes on."""
    found = runs.get(Workspace.locate(home), run)
    jobs.stop(found)
    print(f"{found.name}: {found.status().state}")


@_command
def rename(
    run: RunName, name: Annotated[str, typer.Argument(metavar="NEW", help="Its new name.")], home: Home = None
) -> None:
    """Give a run of your own another name."""
    workspace = Workspace.locate(home)
    found = runs.get(workspace, run)
    print(f"{found.name} is now {runs.rename(workspace, found, name).name}.")


@_command
def delete(
    run: RunName, yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False, home: Home = None
) -> None:
    """Delete a run of your own, with its weights and its report."""
    workspace = Workspace.locate(home)
    found = runs.get(workspace, run)
    runs.check_idle_and_own(workspace, found)
    if not (yes or typer.confirm(f"Delete {found.name} with its weights and its report, for good?")):
        print(f"{found.name} is kept.")
        return
    runs.delete(workspace, found)
    print(f"{found.name} is deleted.")


@_command
def list_runs(as_json: AsJson = False, home: Home = None) -> None:
    """List the runs, what they do and what they achieved."""
    facts = [_run_facts(run) for run in runs.list_runs(Workspace.locate(home))]
    if as_json:
        _print_json(facts)
        return
    if not facts:
        print("No runs yet: `python -m skin train --dataset demo --preset demo` trains two in minutes.")
        return
    columns = ["name", "state", "model", "backbone", "image_size", "split", "dataset", "epochs", "accuracy"]
    _print_table(columns, [[_told(row, column) for column in columns] for row in facts])
    for command in (command for row in facts for command in row.get("not_computed", {}).values()):
        print(f"Not computed when the report was made: an accuracy; `{command}` computes it.")


def _told(row: dict[str, Any], column: str) -> str:
    return NOT_COMPUTED if column in row.get("not_computed", {}) else _text(row.get(column))


def _run_facts(run: Run) -> dict[str, Any]:
    try:
        status = run.status()
        facts = {"name": run.name, "state": status.state, "message": status.message, **dataclasses.asdict(run.config)}
        facts["task"], facts["epochs"] = run.task.name, len(run.history())
        if status.state is State.FINISHED:
            facts |= _accuracy(run)
    except UserError as error:
        return {"name": run.name, "state": "damaged", "message": str(error)}
    return facts


def _accuracy(run: Run) -> dict[str, Any]:
    """The accuracy on the test part or, in its place, that its report lacks it, and the command that adds it."""
    report = load_report(run.report_path)["test"]
    if "accuracy" in report.headline:
        return {"accuracy": report.headline["accuracy"].value}
    return {"accuracy": None, "not_computed": {"accuracy": evaluation_command(run)}}


@_command
def evaluate(
    run: RunName,
    dataset: Annotated[str | None, typer.Option(help="Predict the images of this data set anew.")] = None,
    part: Annotated[str, typer.Option(help="test or validation.")] = "test",
    groups: Annotated[
        bool, typer.Option("--groups", help="Also by the fields of the patient (age, sex, site) and confirmation.")
    ] = False,
    save: Annotated[
        bool,
        typer.Option(
            "--save", help="Make the run's report.json anew from its saved predictions; --dataset adds groups."
        ),
    ] = False,
    as_json: AsJson = False,
    home: Home = None,
) -> None:
    """Report how well a run does, from its saved report or, with --dataset, from the images.

    Of a data set that the run was trained on only the asked part counts; of one that it never saw, every image.
    """
    workspace = Workspace.locate(home)
    found = runs.get(workspace, run)
    if part not in ("test", "validation"):
        raise UsageError(f"The part must be test or validation, not {part!r}.")
    origin = Origin.of_run(found, part)
    if save:
        report = rebuild(found, datasets.load(dataset, workspace, console) if dataset else None)[part]
    else:
        report = _evaluate_anew(found, dataset, part, workspace) if dataset else load_report(found.report_path)[part]
    if as_json:
        _print_json(origin.to_dict(report))
    else:
        _show_report(f"{found.name}, {part}", report, origin.gap(report))
        if groups or (save and not report.subgroups):
            _show_groups(report, origin.group_gap(report))


def _evaluate_anew(run: Run, name: str, part: str, workspace: Workspace) -> Report:
    dataset = datasets.load(name, workspace, console)
    parts = splits.Split.load(run.split_path).parts
    known = {image_id for image_ids in parts.values() for image_id in image_ids}
    wanted = set(parts[part])
    if known.isdisjoint(image.image_id for image in dataset.images):
        wanted = {image.image_id for image in dataset.images}
    rows = np.array([row for row, image in enumerate(dataset.images) if image.image_id in wanted], np.int64)
    if not len(rows):
        raise UserError(
            f"{dataset.title} has none of the {part} images of {run.name}: give the data set it was trained on."
        )
    return evaluate_on(Predictor(run), dataset, rows, workspace, console)


def _show_report(title: str, report: Report, gap: str = "") -> None:
    """Print the report; `gap` is the sentence on the metrics that it lacks."""
    print(f"{title}: {report.n} images of {report.n_lesions} lesions (95% intervals, resampling lesions)")
    _print_table(
        ["metric", "value", "low", "high"],
        [[metric.label, *_metric_cells(report.headline.get(name))] for name, metric in metrics_of(report.task).items()],
    )
    for sentence in filter(None, (*scope(report), gap)):
        print(sentence)
    _print_table(
        ["diagnosis", "precision", "recall", "f1", "auc", "images"],
        [
            [code, *map(_text, (row.precision, row.recall, row.f1, row.auc)), row.support]
            for code, row in report.per_class.items()
        ],
    )
    for warning in warnings(report):
        print(f"Too few: {warning}")
    print(best(report))
    print(challenging(report))
    for kind, low in (report.operating_point.called_low if report.operating_point else {}).items():
        print(f"Low risk: {low.low_risk} of {low.images} {kind} images, {_interval(low.share)}.")


def _metric_cells(estimate: Estimate | None) -> list[str]:
    return [NOT_COMPUTED, "", ""] if estimate is None else [_text(bound) for bound in dataclasses.astuple(estimate)]


def _show_groups(report: Report, gap: str) -> None:
    if gap:
        print(gap)
    if not report.subgroups:
        print("This report has no groups: evaluate the run with --dataset, and with --save to keep them.")
    for grouping, groups in report.subgroups.items():
        _print_table(
            [grouping, "images", *(METRICS[name].label for name in subgroup_metrics(report.task))],
            [
                [name, group.n, *(_interval(group.headline.get(metric)) for metric in subgroup_metrics(report.task))]
                for name, group in groups.items()
            ],
        )


def _interval(estimate: Estimate | None) -> str:
    if estimate is None:
        return NOT_COMPUTED
    if np.isnan(estimate.low):
        return "-"
    return f"{estimate.value:.3f} ({estimate.low:.3f} to {estimate.high:.3f})"


@_command
def compare(
    a: Annotated[str, typer.Argument(metavar="RUN", help="The run to compare with.")],
    b: Annotated[str, typer.Argument(metavar="RUN", help="The run whose gain or loss is told.")],
    part: Annotated[str, typer.Option(help="test or validation.")] = "test",
    as_json: AsJson = False,
    home: Home = None,
) -> None:
    """Compare two runs on the same images: paired differences, McNemar's exact test, a verdict."""
    workspace = Workspace.locate(home)
    if part not in ("test", "validation"):
        raise UsageError(f"The part must be test or validation, not {part!r}.")
    first, second = runs.get(workspace, a), runs.get(workspace, b)
    if first.folder.resolve() == second.folder.resolve():
        raise UsageError(f"{first.name} is one run: name another one to compare it with.")
    comparison = _compare(first, second, part)
    if as_json:
        _print_json(comparison.to_dict())
    else:
        _show_comparison(comparison)


def _compare(a: Run, b: Run, part: str = "test") -> Comparison:
    first, second = (load_predictions(run.predictions_path)[part] for run in (a, b))
    return compare_predictions(first, second, (a.name, b.name))


def _show_comparison(comparison: Comparison) -> None:
    if comparison.identical:
        print(comparison.verdict)
        return
    print(f"{comparison.b} minus {comparison.a}, {comparison.n} images of {comparison.n_lesions} lesions")
    _print_table(
        ["metric", "difference", "low", "high"],
        [
            [METRICS[name].label, *map(_text, dataclasses.astuple(estimate))]
            for name, estimate in comparison.difference.items()
        ],
    )
    print(f"McNemar's exact test: p = {comparison.mcnemar_p:.3g}")
    print(comparison.verdict)
    print(comparison.class_verdict)


@_command
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
    """Predict the diagnosis of images. For research and education, never for diagnosis.

    An image that cannot be read has its error in its row, and the rest goes on.
    """
    workspace = Workspace.locate(home)
    given = {"age": age, "sex": sex, "site": site, **_settings(fields or [], "--field", "NAME")}
    task = (runs.get(workspace, run) if run else multimodal_run(workspace)).task
    named = batch.find_images(images)
    known = _patients(patients, task, task.parse(given), named)
    rows = batch.predict_all(_models(workspace, run), named, known, console)
    if csv:
        write_atomically(csv, write_table(batch.to_frame(rows)).encode())
    if as_json:
        _print_json(rows)
    elif csv:
        print(f"{csv}: {batch.summary(rows, known)}")
    else:
        _show_answers(rows, batch.summary(rows, known))
    if errors := [row["error"] for row in rows if "error" in row]:
        raise UserError(errors[0] if len(rows) == 1 else f"{len(errors)} of {len(rows)} images have no answer.")


def _patients(table: Path | None, task: Task, patient: Patient, images: Sequence[batch.Named]) -> batch.Patients:
    """Whose each image is: what the table says or, without one, always this patient."""
    if table is None:
        return {name.lower(): patient for name, _ in images}
    if not patient.is_unknown:
        raise UsageError("Give either --patients or --age, --sex, --site and --field, not both.")
    try:
        return batch.read_patients(table.name, table.read_bytes(), task)
    except OSError as error:
        raise UserError(f"{table} cannot be read ({error.strerror}): check the path.") from error


def _models(workspace: Workspace, name: str | None) -> batch.Choose:
    """Who is asked: the run of this name, else the one that fits what is known of the patient."""
    named = runs.get(workspace, name) if name else None
    opened = lru_cache(Predictor)
    return lambda patient: [opened(named or default_run(workspace, patient))]


def _show_answers(rows: Sequence[batch.Row], summary: str) -> None:
    _print_table(
        ["image", "diagnosis", "probability", "90% set", "malignancy", "risk", "model"],
        [_cells(row) for row in rows],
    )
    print(summary)
    rule = f"Risk is {RISK_RULE}. " if any(row.get("risk") for row in rows) else ""
    print(f"{rule}For research and education, never for diagnosis.")


def _cells(row: batch.Row) -> list[str]:
    """An answer as a row of the table; an error takes the rest of it."""
    if "error" in row:
        return [row["image"], "-", "", "", "", "", row["error"]]
    share = row["probabilities"][row["diagnosis"]]
    behaviour = [row["malignancy"] or "", row["risk"] or ""]
    return [row["image"], row["name"], f"{share:.2f}", ", ".join(row["prediction_set"]), *behaviour, row["run"]]


@_command
def export(
    run: RunName,
    half: Annotated[bool, typer.Option(help="Store the weights as float16, half as large.")] = False,
    output: Annotated[Path | None, typer.Option(help="Write to this file; default: the run's own model.onnx.")] = None,
    home: Home = None,
) -> None:
    """Export a trained run's network as one ONNX file that ONNX Runtime runs anywhere, see docs/onnx.md.

    A run needs it to predict, and exports it by itself under TensorFlow.
    """
    workspace = Workspace.locate(home)
    found = runs.get(workspace, run)
    from skin.train import export_run  # Keras takes seconds to load

    print(export_run(found, workspace, half, output))


@_command
def benchmark(
    group: Annotated[str, typer.Argument(help="speed, or stress: the app under load and attack.")] = "speed",
    as_json: AsJson = False,
    home: Home = None,
) -> None:
    """Measure what the design promises: training and prediction as ratios of two ways, the app in seconds."""
    from skin.benchmark import GROUPS, measure  # Keras takes seconds to load

    if group not in GROUPS:
        raise UsageError(f"There is no group of benchmarks {group!r}: give one of {', '.join(GROUPS)}.")
    rows = console(GROUPS[group], desc="Measuring", total=len(GROUPS[group]))
    results = [measure(name, Workspace.locate(home)) for name in rows]
    if as_json:
        _print_json([dataclasses.asdict(result) for result in results])
        return
    _print_table(
        ["what", "measured", "promised", "kept"],
        [
            [row.label, f"{row.value:.2f} {row.unit}", f"{row.promised:g} {row.unit}", "yes" if row.is_kept else "NO"]
            for row in results
        ],
    )


def _print_json(facts: object) -> None:
    print(json.dumps(facts, indent=1, default=str))


def _print_table(header: list[str], rows: list[list[Any]]) -> None:
    lines = [header, *([str(cell) for cell in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def _text(value: object) -> str:
    return "" if value is None else f"{value:.3f}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    sys.exit(app())
