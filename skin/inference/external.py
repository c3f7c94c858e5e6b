"""A run judged on a data set of another task: by the diagnoses that both know, else by malignant or not."""

import dataclasses
from collections import Counter
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from skin.data.dataset import Dataset
from skin.data.groups import group
from skin.errors import UserError
from skin.evaluation.calibration import known_temperature
from skin.evaluation.chosen import DecisionChoice, choose
from skin.evaluation.metrics import Floats, is_malignant, malignant_scores
from skin.evaluation.predictions import Predictions, load_predictions
from skin.evaluation.report import Evaluation, Report, evaluate
from skin.inference.predictor import Predictor, predictions_of
from skin.progress import Progress, silent
from skin.task import MALIGNANT_OR_NOT, Task
from skin.workspace import Workspace


@dataclass(frozen=True)
class Shared:
    """The labels that a data set shares with a model: the model's code by the data set's, and the strange labels.

    `strange` counts the images of each label that the model does not know, in the data set's task or out of it.
    """

    codes: dict[str, str]
    strange: dict[str, int]

    @classmethod
    def of(cls, dataset: Dataset, task: Task) -> "Shared":
        """Labels are alike by code or, where that differs, by name."""
        found = {known.code: task.find(known.code) or task.find(known.name) for known in dataset.task.diagnoses}
        codes = {code: own for code, own in found.items() if own is not None}
        counts = Counter(image.diagnosis for image in dataset.images if image.diagnosis not in codes)
        return cls(codes, {**counts, **dataset.unknown_labels})


def evaluate_on(
    predictor: Predictor,
    dataset: Dataset,
    rows: NDArray[np.int64],
    workspace: Workspace,
    progress: Progress = silent,
    choice: DecisionChoice = DecisionChoice(),
) -> Report:
    """The report of a run on these rows of a data set, as far as their labels are the run's, under the chosen decision.

    Where no label is, and both tasks tell what is malignant, it is of MALIGNANT_OR_NOT. Raises UserError where not even
    that can be judged, or the choice is not one of the run's.
    """
    shared = Shared.of(dataset, predictor.task)
    known = np.array([row for row in rows if dataset.images[row].diagnosis in shared.codes], np.int64)
    judge = judged if len(known) else judged_malignant
    predictions = judge(predictor, dataset, known if len(known) else rows, workspace, progress)
    validation = load_predictions(predictor.run.predictions_path)["validation"]
    if len(known):
        temperature = known_temperature(predictor.run.calibration_path)
        report = evaluate(predictions, choose(validation, choice), group(dataset), temperature)
        return dataclasses.replace(report, evaluation=Evaluation.now(dataset, shared.strange))
    report = evaluate(predictions, choose(malignant_or_not(validation), choice), group(dataset))
    return dataclasses.replace(_without_sets(report), evaluation=Evaluation.now(dataset, dataset.unknown_labels))


def judged(
    predictor: Predictor, dataset: Dataset, rows: NDArray[np.int64], workspace: Workspace, progress: Progress = silent
) -> Predictions:
    """The predictions for these rows of a data set, whose labels the model knows, with their truth."""
    codes = Shared.of(dataset, predictor.task).codes
    images = [dataset.images[row] for row in rows]
    known = [dataclasses.replace(image, diagnosis=codes[image.diagnosis]) for image in images]
    return predictions_of(predictor.task, known, predictor.probabilities(dataset, rows, workspace, progress))


def judged_malignant(
    predictor: Predictor, dataset: Dataset, rows: NDArray[np.int64], workspace: Workspace, progress: Progress = silent
) -> Predictions:
    """The predictions of MALIGNANT_OR_NOT. Raises UserError where one of the tasks does not tell what is malignant."""
    if not (predictor.task.tells_malignant and dataset.task.tells_malignant):
        raise UserError(
            f"{dataset.title} has none of the diagnoses that {predictor.run.name} tells apart "
            f"({', '.join(predictor.task.codes)}): give a data set that has some, or one that says what is malignant."
        )
    images = [dataset.images[row] for row in rows]
    scores = malignant_scores(predictor.task, predictor.probabilities(dataset, rows, workspace, progress))
    truth = np.array([dataset.task.index(image.diagnosis) for image in images])
    ids = [(image.image_id, image.lesion_id) for image in images]
    return _as_malignant(ids, is_malignant(dataset.task, truth), scores)


def malignant_or_not(predictions: Predictions) -> Predictions:
    """The same images as predictions of MALIGNANT_OR_NOT."""
    task = predictions.task
    ids = list(zip(predictions.image_ids, predictions.lesion_ids, strict=True))
    scores = malignant_scores(task, predictions.probabilities)
    return _as_malignant(ids, is_malignant(task, predictions.truth), scores)


def _as_malignant(ids: list[tuple[str, str]], malignant: NDArray[np.bool_], scores: Floats) -> Predictions:
    scores = np.clip(scores, 0, 1)
    return Predictions(
        image_ids=tuple(image_id for image_id, _ in ids),
        lesion_ids=tuple(lesion_id for _, lesion_id in ids),
        truth=np.where(malignant, 0, 1).astype(np.int64),
        probabilities=np.stack([scores, 1 - scores], axis=1).astype(np.float32),
        task=MALIGNANT_OR_NOT,
    )


def _without_sets(report: Report) -> Report:
    """The report without prediction sets and risks: those of the run are over its own diagnoses."""
    point = report.operating_point
    if point is None:
        return report
    return dataclasses.replace(
        report,
        operating_point=dataclasses.replace(
            point, coverage=np.nan, set_size=np.nan, called_low={}, coverage_by_class={}
        ),
    )
