"""A run's report made anew from its saved predictions, with every figure that this version knows."""

import dataclasses
from collections.abc import Mapping

import numpy as np

from skin.data.dataset import Dataset
from skin.data.groups import Groups, group
from skin.errors import UserError
from skin.evaluation.calibration import known_temperature
from skin.evaluation.chosen import DecisionChoice, choose
from skin.evaluation.predictions import Parts, Predictions, load_predictions
from skin.evaluation.report import Evaluation, Report, evaluate, evaluate_parts, load_report, save_report
from skin.run import Run, is_shipped


def rebuild(run: Run, dataset: Dataset | None = None) -> Parts[Report]:
    """Replace `report.json` by an evaluation of `predictions.npz`, and return it.

    What needs the images' data, their groups and the data set's name, comes from the data set or, without one, from the
    old report where that is of the same predictions. Raises UserError where the run came with the project or trains, its
    predictions are damaged, or the data set lacks their images.
    """
    _check_replaceable(run)
    predictions = load_predictions(run.predictions_path)
    groups = _groups(run, predictions, dataset) if dataset else None
    reports = evaluate_parts(predictions, groups, known_temperature(run.calibration_path))
    with run.locked():
        _check_replaceable(run)
        known = {} if dataset else _old(run)
        now = Evaluation.now(dataset)
        saved = {part: _completed(report, known.get(part), now) for part, report in reports.items()}
        save_report(run.report_path, saved)
    return Parts(run.report_path, saved)


def evaluate_saved(run: Run, part: str, choice: DecisionChoice) -> Report:
    """The report of a part from the run's saved predictions, under another decision than the report that it keeps.

    Raises UserError where the predictions are damaged, or the choice is not one of the run's.
    """
    parts = load_predictions(run.predictions_path)
    chosen = choose(parts["validation"], choice)
    report = evaluate(parts[part], chosen, temperature=known_temperature(run.calibration_path))
    old, now = _old(run).get(part), Evaluation.now()
    evaluation = dataclasses.replace(old.evaluation, version=now.version, date=now.date) if old else now
    return dataclasses.replace(report, evaluation=evaluation)


def _check_replaceable(run: Run) -> None:
    if is_shipped(run):
        raise UserError(f"{run.name} came with the project and is not changed here: its report stays as it is.")
    status = run.status()
    if status.is_running:
        raise UserError(f"{run.name} is {status.state}: its report is made when it has ended.")


def _groups(run: Run, parts: Mapping[str, Predictions], dataset: Dataset) -> Groups:
    """The groups of the data set's images. Raises UserError where these are not what the predictions are of."""
    diagnoses = {image.image_id: image.diagnosis for image in dataset.images}
    for predictions in parts.values():
        codes, truth = predictions.task.codes, zip(predictions.image_ids, predictions.truth, strict=True)
        strange = [image_id for image_id, index in truth if diagnoses.get(image_id) != codes[index]]
        if strange:
            raise UserError(
                f"{dataset.title} lacks {len(strange):,} of the images that {run.name} was evaluated on, or tells another "
                f"diagnosis of them (first {strange[0]}): give the data set that the run was trained on."
            )
    return group(dataset)


def _old(run: Run) -> Mapping[str, Report]:
    """The report that is replaced, empty where it cannot be read."""
    try:
        return load_report(run.report_path)
    except UserError:
        return {}


def _completed(report: Report, old: Report | None, now: Evaluation) -> Report:
    """The new report with the groups and the data set of the old one, if that is of the same predictions."""
    if old is None or not _same_figures(report, old):
        return dataclasses.replace(report, evaluation=now)
    evaluation = dataclasses.replace(old.evaluation, version=now.version, date=now.date)
    return dataclasses.replace(report, subgroups=old.subgroups, evaluation=evaluation)


def _same_figures(report: Report, old: Report) -> bool:
    """True where two reports are of the same predictions, as far as their figures tell."""
    if (report.n, report.n_lesions, report.confusion) != (old.n, old.n_lesions, old.confusion):
        return False
    old_values, values = ([of.headline[name].value for name in old.headline] for of in (old, report))
    return np.allclose(values, old_values, rtol=0, atol=1e-9, equal_nan=True)
