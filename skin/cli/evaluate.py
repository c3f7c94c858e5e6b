"""The commands that report on a run and compare two."""

from __future__ import annotations

import dataclasses
from typing import Annotated

import numpy as np
import typer

from skin import run as runs
from skin.cli.decision_tables import show_decisions
from skin.cli.options import AsJson, Decision, Home, Prevalence, RunName, Target
from skin.cli.output import interval, print_json, print_table, text
from skin.data import datasets, splits
from skin.errors import UsageError, UserError
from skin.evaluation.chosen import DecisionChoice
from skin.evaluation.compare import Comparison
from skin.evaluation.compare import compare as compare_predictions
from skin.evaluation.decision import DECISIONS, MOST_PROBABLE
from skin.evaluation.evidence import warnings
from skin.evaluation.metrics import METRICS, Estimate, metrics_of
from skin.evaluation.operating_point import TARGET
from skin.evaluation.origin import Origin
from skin.evaluation.predictions import load_predictions
from skin.evaluation.prevalence import UNCHANGED
from skin.evaluation.rebuild import evaluate_saved, rebuild
from skin.evaluation.report import Report, load_report
from skin.evaluation.subgroups import subgroup_metrics
from skin.evaluation.summary import NOT_COMPUTED, best, challenging, scope
from skin.inference.external import evaluate_on
from skin.inference.predictor import Predictor
from skin.progress import console
from skin.run import Run
from skin.workspace import Workspace


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
    decision: Decision = MOST_PROBABLE,
    target: Target = TARGET,
    prevalence: Prevalence = UNCHANGED,
    as_json: AsJson = False,
    home: Home = None,
) -> None:
    """Report how well a run does, from its saved report or, with --dataset, from the images.

    Of a data set that the run was trained on only the asked part counts; of one that it never saw, every image. A prevalence
    is what the predictive values of the operating points are for.
    """
    workspace = Workspace.locate(home)
    found = runs.get(workspace, run)
    if part not in ("test", "validation"):
        raise UsageError(f"The part must be test or validation, not {part!r}.")
    origin = Origin.of_run(found, part)
    choice = DecisionChoice(decision, target, prevalence)
    if save and choice != DecisionChoice():
        raise UsageError(
            "A saved report holds every decision rule: give --save without --decision, --target and --prevalence."
        )
    if save:
        report = rebuild(found, datasets.load(dataset, workspace, console) if dataset else None)[part]
    else:
        report = _evaluate(found, dataset, part, workspace, choice)
    if as_json:
        print_json(origin.to_dict(report))
    else:
        show_report(f"{found.name}, {part}", report, origin.gap(report))
        show_decisions(report)
        if groups or (save and not report.subgroups):
            _show_groups(report, origin.group_gap(report))


def _evaluate(run: Run, dataset: str | None, part: str, workspace: Workspace, choice: DecisionChoice) -> Report:
    if dataset:
        return _evaluate_anew(run, dataset, part, workspace, choice)
    if choice == DecisionChoice():
        return load_report(run.report_path)[part]
    return evaluate_saved(run, part, choice)


def _evaluate_anew(run: Run, name: str, part: str, workspace: Workspace, choice: DecisionChoice) -> Report:
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
    return evaluate_on(Predictor(run), dataset, rows, workspace, console, choice)


def show_report(title: str, report: Report, gap: str = "") -> None:
    """Print the report; `gap` is the sentence on the metrics that it lacks."""
    print(f"{title}: {report.n} images of {report.n_lesions} lesions (95% intervals, resampling lesions)")
    if report.decision != MOST_PROBABLE and (rule := DECISIONS.get(report.decision)):
        print(f"Decided by the rule {report.decision}: {rule.help}")
    print_table(
        ["metric", "value", "low", "high"],
        [[metric.label, *_metric_cells(report.headline.get(name))] for name, metric in metrics_of(report.task).items()],
    )
    for sentence in filter(None, (*scope(report), gap)):
        print(sentence)
    print_table(
        ["diagnosis", "precision", "recall", "f1", "auc", "images"],
        [
            [code, *map(text, (row.precision, row.recall, row.f1, row.auc)), row.support]
            for code, row in report.per_class.items()
        ],
    )
    for warning in warnings(report):
        print(f"Too few: {warning}")
    print(best(report))
    print(challenging(report))
    for kind, low in (report.operating_point.called_low if report.operating_point else {}).items():
        print(f"Low risk: {low.low_risk} of {low.images} {kind} images, {interval(low.share)}.")


def _metric_cells(estimate: Estimate | None) -> list[str]:
    return [NOT_COMPUTED, "", ""] if estimate is None else [text(bound) for bound in dataclasses.astuple(estimate)]


def _show_groups(report: Report, gap: str) -> None:
    if gap:
        print(gap)
    if not report.subgroups:
        print("This report has no groups: evaluate the run with --dataset, and with --save to keep them.")
    for grouping, groups in report.subgroups.items():
        print_table(
            [grouping, "images", *(METRICS[name].label for name in subgroup_metrics(report.task))],
            [
                [name, group.n, *(interval(group.headline.get(metric)) for metric in subgroup_metrics(report.task))]
                for name, group in groups.items()
            ],
        )


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
    comparison = compare_runs(first, second, part)
    if as_json:
        print_json(comparison.to_dict())
    else:
        show_comparison(comparison)


def compare_runs(a: Run, b: Run, part: str = "test") -> Comparison:
    """The comparison of the saved predictions of two runs. Raises UserError where they cannot be compared."""
    first, second = (load_predictions(run.predictions_path)[part] for run in (a, b))
    return compare_predictions(first, second, (a.name, b.name))


def show_comparison(comparison: Comparison) -> None:
    """Print the differences and the verdict."""
    if comparison.identical:
        print(comparison.verdict)
        return
    print(f"{comparison.b} minus {comparison.a}, {comparison.n} images of {comparison.n_lesions} lesions")
    print_table(
        ["metric", "difference", "low", "high"],
        [
            [METRICS[name].label, *map(text, dataclasses.astuple(estimate))]
            for name, estimate in comparison.difference.items()
        ],
    )
    print(f"McNemar's exact test: p = {comparison.mcnemar_p:.3g}")
    print(comparison.verdict)
    print(comparison.class_verdict)
