"""The model card of a run: a reporting sheet in Markdown, with the metadata that the Hugging Face Hub reads.

Everything in it is computed from the run's files, the images are not needed. What a run lacks is said to be lacking, and
what only a person can answer stands as an open question.
"""

import contextlib
import json
import shlex
from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
from huggingface_hub import EvalResult, ModelCard, ModelCardData
from markupsafe import Markup

from skin import DISCLAIMER, __version__
from skin.audit.audit import AUDITS, load_step
from skin.config import Stage, TrainConfig
from skin.data.datasheet import OTHER_SIZES, Datasheet
from skin.data.splits import Split
from skin.errors import UserError
from skin.evaluation.calibration import load_temperature
from skin.evaluation.evidence import warnings
from skin.evaluation.metrics import METRICS
from skin.evaluation.origin import Origin
from skin.evaluation.report import Report, evaluation_command, load_report
from skin.evaluation.subgroups import MIN_LESIONS
from skin.evaluation.summary import NOT_COMPUTED, best, challenging, scope
from skin.inference.predictor import RISK_RULE, TARGET_SENSITIVITY
from skin.models.backbones import BACKBONES
from skin.patient import UNKNOWN, NumberField
from skin.publishing import card_tables, decision_tables
from skin.publishing.markdown import code, render
from skin.publishing.provenance import WEIGHTS, Provenance, provenance_of
from skin.run import Run, best_epoch
from skin.task import Task, listed

METRIC_TYPES = {
    "macro_f1": "f1",
    "weighted_f1": "f1",
    "macro_auc": "roc_auc",
    "melanoma_sensitivity": "recall",
    "malignant_auc": "roc_auc",
}
"""The Hub's names of METRICS that it knows under another name than ours."""

TAGS = ["medical-imaging", "dermatology", "skin-lesion", "image-classification"]


def model_card(run: Run, sheet: Datasheet | None = None) -> ModelCard:
    """The card of a finished run; `sheet` describes its data in the place of the run's own datasheet.

    Raises UserError when the run has no report yet, or a file that it needs is damaged.
    """
    reports = load_report(run.report_path)
    sheet = sheet or own_sheet(run)
    report = reports["test"]
    provenance = provenance_of(report.evaluation.dataset_fingerprint)
    body = render(
        "model_card.md.jinja",
        name=run.name,
        version=__version__,
        disclaimer=DISCLAIMER,
        not_computed=NOT_COMPUTED,
        **_about_model(run),
        **_about_data(run, reports, sheet, provenance),
        **_about_training(run),
        **_about_results(run, report),
        audit={step.title: _in_words(audited(run, name)) for name, step in AUDITS.items()},
        audit_command=f"{run.audit_command} --dataset DATASET",
        tables=_tables(run, reports, sheet),
        limits=_limits(run, report, sheet),
        example=Markup(example(run)),
    )
    return ModelCard(f"---\n{_metadata(run, report, sheet, provenance).to_yaml()}\n---\n\n{body}")


def datasheet_command(run: Run) -> str:
    """The command that describes the data of a run where its datasheet is missing."""
    return f"python -m skin card {shlex.quote(run.name)} --dataset DATASET"


def example(run: Run) -> str:
    """A script that asks the run's network about one image, with NumPy, Pillow and ONNX Runtime alone."""
    takes_patient = run.config.model == "multimodal"
    patient = Markup(json.dumps(_example_patient(run.task), ensure_ascii=False)) if takes_patient else ""
    return render("example.py.jinja", views=run.config.views, patient=patient).rstrip()


def _example_patient(task: Task) -> dict[str, float]:
    """The columns of an encoded patient that are not 0: of a number the middle, of a choice the first value."""
    values = {
        field.name: (field.minimum + field.maximum) / 2 if isinstance(field, NumberField) else field.values[0]
        for field in task.fields
    }
    headings = [heading for field in task.fields for heading in field.headings]
    encoded = task.encode([task.parse(values)])[0]
    return {heading: round(float(value), 4) for heading, value in zip(headings, encoded, strict=True) if value}


def _part_sizes(run: Run) -> list[str]:
    """The number of images of each part in words, none where the split cannot be read."""
    with contextlib.suppress(UserError):
        return [f"{len(ids):,} images in {part}" for part, ids in Split.load(run.split_path).parts.items()]
    return []


def audited(run: Run, step: str) -> Any | None:
    """The record of a step of the run's audit, None where it must be computed first."""
    with contextlib.suppress(UserError):
        return load_step(run, step)
    return None


def _in_words(record: Any | None) -> list[str]:
    """A record of the audit in sentences, none where there is no record."""
    sentences: list[str] = record.sentences() if record else []
    return sentences


def own_sheet(run: Run) -> Datasheet | None:
    """The run's datasheet, None where it has none that can be read."""
    with contextlib.suppress(UserError):
        return Datasheet.load(run.datasheet_path)
    return None


def _metadata(run: Run, report: Report, sheet: Datasheet | None, provenance: Provenance | None) -> ModelCardData:
    """The metadata that the Hub reads: licence, tags and every headline figure of the test part."""
    known = {name: estimate for name, estimate in report.headline.items() if np.isfinite(estimate.value)}
    results = [
        EvalResult(
            task_type="image-classification",
            dataset_type=run.task.name,
            dataset_name=report.evaluation.dataset or run.task.title,
            dataset_split="test",
            dataset_revision=report.evaluation.dataset_fingerprint,
            metric_type=METRIC_TYPES.get(name, name),
            metric_value=round(estimate.value, 4),
            metric_name=f"{METRICS[name].label}, 95% interval {estimate.low:.3f} to {estimate.high:.3f}",
        )
        for name, estimate in known.items()
    ]
    return ModelCardData(
        license=provenance.licence if provenance else None,
        library_name="onnx",
        pipeline_tag="image-classification",
        tags=[*TAGS, *(["synthetic"] if sheet and sheet.synthetic else [])],
        metrics=list(dict.fromkeys(result.metric_type for result in results)),
        model_name=run.name,
        eval_results=results,
    )


def _about_model(run: Run) -> dict[str, Any]:
    config, task = run.config, run.task
    backbone = BACKBONES[config.backbone].title if config.backbone in BACKBONES else config.backbone
    pretraining = {"imagenet": "pretrained on ImageNet", "none": "from random weights"}
    return {
        "task": task,
        "config": config,
        "takes_patient": config.model == "multimodal",
        "field_words": [field.words for field in task.fields],
        "backbone": backbone,
        "pretraining": pretraining.get(config.weights, "pretrained, from a file"),
        "weights_licence": WEIGHTS.get((config.backbone, config.weights), ""),
    }


def _about_data(
    run: Run, reports: Mapping[str, Report], sheet: Datasheet | None, provenance: Provenance | None
) -> dict[str, Any]:
    evaluation, config = reports["test"].evaluation, run.config
    return {
        "sheet": sheet,
        "no_sheet": Markup(f"{NOT_COMPUTED}: {code(datasheet_command(run))} adds it."),
        "provenance": provenance,
        "dataset": evaluation.dataset or UNKNOWN,
        "fingerprint": evaluation.dataset_fingerprint or UNKNOWN,
        "evaluated": f"{evaluation.date or UNKNOWN}, by version {evaluation.version or UNKNOWN}",
        "split_rule": Markup(
            f"Split {code(config.split)}: {_parts(config)}, drawn with the seed {config.seed_of_split}."
        ),
        "part_sizes": _part_sizes(run),
        "imbalance": Markup(f"{code(config.imbalance)} of strength {config.imbalance_strength:g}"),
        "sizes": _sizes(sheet),
        "participants": card_tables.participants(run.task, sheet) if sheet else {},
        "confirmed": bool(sheet and _ways(sheet).keys() - {UNKNOWN}),
    }


def _parts(config: TrainConfig) -> str:
    """The parts of the split in words."""
    if config.split == "by-source":
        return f"archive {config.fold} of {config.folds}, counted from 0, tests, and 15% of the other images validate"
    if config.folds:
        return f"fold {config.fold} of {config.folds}, counted from 0, tests and the next one validates"
    return "70, 15 and 15% of the images"


def _sizes(sheet: Datasheet | None) -> list[str]:
    """The sizes of the images in words, the commonest first."""
    sizes = sheet.sizes if sheet else {}
    return [f"{'other sizes' if size == OTHER_SIZES else size} ({count:,} images)" for size, count in sizes.items()]


def _ways(sheet: Datasheet) -> Counter[str]:
    """The number of test images by the way in which their diagnosis was confirmed."""
    return Counter({way: sum(counts.values()) for way, counts in sheet.parts["test"].confirmed_by.items()})


def _about_training(run: Run) -> dict[str, Any]:
    config = run.config
    temperature = load_temperature(run.calibration_path) if run.calibration_path.is_file() else None
    return {
        "recipe": _recipe(config),
        "best": best_epoch(run.history()),
        "calibration": "The probabilities are not calibrated."
        if temperature in (None, 1.0)
        else f"One temperature, {temperature:.3f}, calibrates the probabilities (Guo et al. 2017).",
        "views": "An answer is the mean over the image's eight orientations."
        if config.views > 1
        else "An answer is that of the image as it is.",
    }


def _recipe(config: TrainConfig) -> str:
    titles = ("the head on the frozen backbone", "the whole network")
    stages = [_stage(stage, title) for stage, title in zip(config.stages, titles, strict=True) if stage.epochs]
    changes = [
        *(["all eight flips and quarter turns"] if config.flips else []),
        *([f"crops of up to {config.zoom:.0%} of the side"] if config.zoom else []),
        *([f"shrinking by up to {config.zoom_out:.0%}"] if config.zoom_out else []),
        *([f"brightness by up to {config.brightness:.0%}"] if config.brightness else []),
        *([f"each colour by up to {config.colour:.0%}"] if config.colour else []),
        *([f"a dark round rim in {config.vignette:.0%} of them"] if config.vignette else []),
        *(
            [f"blur, sharpening, noise, fewer pixels or compression in {config.corruption:.0%}"]
            if config.corruption
            else []
        ),
        *([f"mixup with Beta({config.mixup:g}, {config.mixup:g})"] if config.mixup else []),
    ]
    smoothing = f" and label smoothing of {config.label_smoothing:g}" if config.label_smoothing else ""
    varied = f" Images are varied while stage 2 trains: {listed(changes)}." if changes and config.stage2_epochs else ""
    mean = f" The mean of the weights over about {config.weight_averaging:g} epochs is kept."
    averaged = mean if config.weight_averaging else ""
    return (
        f"{' '.join(stages)} Optimizer {config.optimizer}, schedule {config.schedule}; cross-entropy with the class "
        f"imbalance answered by {config.imbalance}{smoothing}.{averaged}{varied}"
    )


def _stage(stage: Stage, title: str) -> str:
    patience = f", ending after {stage.patience} epochs without a lower validation loss" if stage.patience else ""
    return (
        f"Stage {stage.number} trains {title} for at most {stage.epochs} epochs{patience}, in batches of {stage.batch_size} "
        f"at a peak rate of {stage.learning_rate:g}."
    )


def _about_results(run: Run, report: Report) -> dict[str, Any]:
    origin = Origin.of_run(run, "test")
    return {
        "report": report,
        "lacking": origin.gap(report),
        "group_lacking": origin.group_gap(report),
        "sentences": [*scope(report), best(report), challenging(report)],
        "warnings": warnings(report),
        "point": report.operating_point,
        "promise_missed": decision_tables.promise_missed(report),
        "malignant": [run.task.diagnoses[index].name.lower() for index in run.task.malignant],
        "target": TARGET_SENSITIVITY,
        "risk_rule": RISK_RULE,
        "report_command": evaluation_command(run),
        "group_command": evaluation_command(run, of_groups=True),
        "subgroups": card_tables.subgroups(report),
        "min_lesions": MIN_LESIONS,
    }


def _tables(run: Run, reports: Mapping[str, Report], sheet: Datasheet | None) -> dict[str, Markup]:
    task, report = run.task, reports["test"]
    tables = {
        "diagnoses": card_tables.diagnoses(task),
        "settings": card_tables.settings(Origin.of_run(run, "test").settings),
        "headline": card_tables.headline(report),
        "classes": card_tables.classes(report),
        "confusion": card_tables.confusion(report),
        "called_low": card_tables.called_low(report),
        "prediction_sets": card_tables.prediction_set_thresholds(report),
        "decisions": decision_tables.decisions(report),
        "operating_points": decision_tables.operating_points(report),
        "net_benefits": decision_tables.net_benefits(report),
    }
    if told := report.calibration:
        tables["calibration"] = decision_tables.calibration(told)
        tables["class_calibration"] = decision_tables.class_calibration(report, told)
    if sheet is None:
        return tables | {"class_balance": card_tables.class_balance_of_report(reports)}
    return tables | {
        "partitions": card_tables.partitions(sheet),
        "overlaps": card_tables.overlaps(sheet),
        "class_balance": card_tables.class_balance(task, sheet),
        "missing": card_tables.missing(task, sheet),
        "confirmation": card_tables.confirmation(task, sheet.parts["test"]),
    }


def _limits(run: Run, report: Report, sheet: Datasheet | None) -> list[str]:
    """The limits that follow from what is known of the data and the evaluation."""
    limits = [
        "Training, validation and test images come from one data set: no figure is of another clinic, camera or population.",
        f"This is one training of one split with the seed {run.config.seed}: another one comes out otherwise, by an amount that the "
        "intervals do not tell.",
        f"An image that is not refused gets one of {len(run.task)} diagnoses, whatever it shows; and the ONNX file by itself "
        "refuses none.",
        "Every share depends on which diagnoses the images show and how hard they are: where these are more or less common, "
        "accuracy, predictive values and how much is called low risk are others.",
        "A heatmap shows where the network found evidence, not why, and is no check of the answer.",
    ]
    if sheet and (ways := _ways(sheet)):
        n, histology = ways.total(), ways["histo"]
        if ways.keys() - {UNKNOWN}:
            limits.append(
                f"{histology / n:.0%} of the test images have a diagnosis confirmed by histopathology; the others rest on "
                f"{listed([card_tables.CONFIRMED_BY.get(way, way) for way in ways if way != 'histo'])}."
                if histology < n
                else "All diagnoses of the test part were confirmed by histopathology: lesions that nobody excised are not in it."
            )
    if run.config.split != "by-lesion":
        limits.append(
            f"The split {run.config.split} is made to be compared with another one, not for figures to be quoted."
        )
    if few := [code for code, row in report.per_class.items() if 0 < row.lesions < MIN_LESIONS]:
        limits.append(f"Of {listed(few)} the test part has fewer than {MIN_LESIONS} lesions.")
    return limits
