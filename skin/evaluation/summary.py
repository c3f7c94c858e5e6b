"""A report in sentences, made when it is shown."""

import numpy as np

from skin.evaluation.report import ClassReport, Report
from skin.task import MALIGNANT_OR_NOT, Diagnosis, listed

NOT_COMPUTED = "not computed"
"""Stands for a metric that a report lacks, because another version made it."""

SETS_PROMISE = (
    "Prediction sets are made to hold the truth for 90% of the images of each diagnosis. The promise holds for images like "
    "those that they were made on: another camera, clinic or kind of patient may break it."
)


def scope(report: Report) -> list[str]:
    """A sentence on each way in which the labels of the images are not those of the model."""
    there = [code for code, row in report.per_class.items() if row.support]
    absent, labels = [code for code in report.task.codes if code not in there], report.evaluation.unknown_labels
    words = []
    if report.task.name == MALIGNANT_OR_NOT.name:
        words.append("No label is one of the model's: judged is whether it tells malignant from not malignant.")
    if absent:
        words.append(
            f"No image is of {listed(absent, 'or')}: the means over the diagnoses are of {listed(there)} alone, and images "
            "taken for an absent one count as mistakes."
        )
    if labels:
        named = listed([f"{label!r} ({count:,})" for label, count in labels.items()])
        count = sum(labels.values())
        words.append(f"{count:,} image{'s' * (count != 1)} left out, whose labels the model does not know: {named}.")
    return words


def best(report: Report) -> str:
    """The sentence on the diagnosis with the highest F1."""
    diagnosis = max(_present(report), key=lambda diagnosis: report.per_class[diagnosis.code].f1)
    return f"{diagnosis.name} is recognised best: {_in_words(report.per_class[diagnosis.code])}."


def challenging(report: Report) -> str:
    """The sentence on the diagnosis with the lowest F1, and on what it is taken for."""
    diagnosis = min(_present(report), key=lambda diagnosis: report.per_class[diagnosis.code].f1)
    place = report.task.index(diagnosis.code)
    row = np.array(report.confusion[place])
    row[place] = 0
    other = report.task.diagnoses[row.argmax()].name
    taken_for = f", most often taken for {other} ({row.max()})" if row.any() else ""
    return f"{diagnosis.name} is the most challenging: {_in_words(report.per_class[diagnosis.code])}{taken_for}."


def _present(report: Report) -> list[Diagnosis]:
    return [diagnosis for diagnosis in report.task.diagnoses if report.per_class[diagnosis.code].support]


def _in_words(report: ClassReport) -> str:
    if report.support == 1:
        return f"F1 {report.f1:.2f}, its only image {'found' if report.recall else 'missed'}"
    return f"F1 {report.f1:.2f}, {report.recall:.0%} of its {report.support:,} images found"
