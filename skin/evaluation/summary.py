"""A report in sentences, made when it is shown."""

import numpy as np

from skin.evaluation.report import ClassReport, Report
from skin.lesion import CODES, TAXONOMY, Diagnosis

NOT_COMPUTED = "not computed"
"""Stands for a metric that a report lacks, because another version made it."""


def best(report: Report) -> str:
    """The sentence on the diagnosis with the highest F1."""
    diagnosis = max(_present(report), key=lambda diagnosis: report.per_class[diagnosis.code].f1)
    return f"{diagnosis.name} is recognised best: {_in_words(report.per_class[diagnosis.code])}."


def challenging(report: Report) -> str:
    """The sentence on the diagnosis with the lowest F1, and on what it is taken for."""
    diagnosis = min(_present(report), key=lambda diagnosis: report.per_class[diagnosis.code].f1)
    row = np.array(report.confusion[CODES.index(diagnosis.code)])
    row[CODES.index(diagnosis.code)] = 0
    taken_for = f", most often taken for {TAXONOMY[row.argmax()].name} ({row.max()})" if row.any() else ""
    return f"{diagnosis.name} is the most challenging: {_in_words(report.per_class[diagnosis.code])}{taken_for}."


def _present(report: Report) -> list[Diagnosis]:
    return [diagnosis for diagnosis in TAXONOMY if report.per_class[diagnosis.code].support]


def _in_words(report: ClassReport) -> str:
    if report.support == 1:
        return f"F1 {report.f1:.2f}, its only image {'found' if report.recall else 'missed'}"
    return f"F1 {report.f1:.2f}, {report.recall:.0%} of its {report.support:,} images found"
