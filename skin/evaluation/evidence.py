"""Warnings, in words, of a report that rests on too few lesions to be believed.

Two rules say how few are too few. A threshold that misses one malignant lesion in twenty needs nineteen: of fewer,
none may be missed, so that everything must be called malignant. And of n lesions without an error, the true share of
errors may still be 3 / n (the rule of three, Hanley & Lippman-Hand 1983), which resamples of these lesions never show:
below MIN_LESIONS that is more than 15 points.
"""

from collections.abc import Iterator, Mapping

import numpy as np

from skin.evaluation.metrics import METRICS
from skin.evaluation.operating_point import MALIGNANT_MISSES, SET_MISSES, Thresholds
from skin.evaluation.report import Report
from skin.evaluation.subgroups import MIN_LESIONS
from skin.task import Malignancy

MIN_MALIGNANT = MALIGNANT_MISSES - 1
"""Malignant lesions of the validation part that a threshold needs."""


def warnings(report: Report) -> list[str]:
    """A sentence for everything that rests on too few lesions."""
    return [*_of_thresholds(report), *_of_diagnoses(report), *_of_headline(report), *_of_intervals(report)]


def is_chosen(thresholds: Thresholds) -> bool:
    """True where there were enough malignant lesions to choose the malignant threshold from."""
    return thresholds.malignant > 0 and (thresholds.malignant_lesions or MIN_MALIGNANT) >= MIN_MALIGNANT


def few_lesions(report: Report) -> dict[str, int]:
    """Number of lesions of each diagnosis that is there and has too few; of images in a report that counted no lesions."""
    return {code: n for code, n in _lesions(report).items() if 0 < n < MIN_LESIONS}


def _lesions(report: Report) -> dict[str, int]:
    return {code: report.per_class[code].lesions or report.per_class[code].support for code in report.task.codes}


def _behind(report: Report) -> Mapping[str, int]:
    """Number of lesions that some headline metrics rest on; means over the diagnoses rest on each of these."""
    lesions = _lesions(report)
    malignant = sum(lesions[d.code] for d in report.task.diagnoses if d.malignancy is Malignancy.MALIGNANT)
    return {
        "accuracy": report.n_lesions,
        "melanoma_sensitivity": lesions.get(report.task.find("mel") or "", 0),
        "malignant_auc": min(malignant, report.n_lesions - malignant),
    }


def few_behind(report: Report) -> dict[str, int]:
    """Number of lesions behind each headline metric that is defined and rests on too few."""
    defined = {name for name, estimate in report.headline.items() if np.isfinite(estimate.value)}
    return {name: n for name, n in _behind(report).items() if name in defined and n < MIN_LESIONS}


def _of_thresholds(report: Report) -> Iterator[str]:
    if report.operating_point is None:
        return
    thresholds = report.operating_point.thresholds
    if not is_chosen(thresholds):
        known = thresholds.malignant_lesions
        number = f"fewer than {MIN_MALIGNANT}" if known is None else f"{known}"
        effect = (
            "every image is called malignant, which tells nothing" if thresholds.malignant == 0 else "it is a guess"
        )
        yield (
            f"The validation part has {number} malignant lesions, too few to choose a threshold that finds 95% of them, "
            f"for which it takes {MIN_MALIGNANT}: {effect}."
        )
    always = [code for code in report.task.codes if thresholds.diagnoses[code] == 0]
    if always:
        yield (
            f"Every prediction set holds {', '.join(always)}: the validation part has fewer than {SET_MISSES - 1} "
            "images of each, too few to rule them out."
        )


def _of_diagnoses(report: Report) -> Iterator[str]:
    few = few_lesions(report)
    if few:
        numbers = _counted(report, few)
        yield (
            f"Fewer than {MIN_LESIONS} lesions are behind the figures of {numbers}: one or two lesions more would "
            "change them, and the means over the diagnoses with them."
        )


def _of_headline(report: Report) -> Iterator[str]:
    few = {METRICS[name].label.lower().replace("auc", "AUC"): n for name, n in few_behind(report).items()}
    if few:
        yield f"Fewer than {MIN_LESIONS} lesions are behind these, too: {_counted(report, few)}."


def _of_intervals(report: Report) -> Iterator[str]:
    bounds = {METRICS[name].label: (estimate.low, estimate.high) for name, estimate in report.headline.items()}
    for code, row in report.per_class.items():
        bounds |= {f"recall of {code}": (row.recall_low, row.recall_high), f"F1 of {code}": (row.f1_low, row.f1_high)}
    flat = [name for name, (low, high) in bounds.items() if low == high]
    if flat:
        yield (
            f"An interval of no width ({', '.join(flat)}) is no certainty: no resample of these lesions held another "
            "result, and of n lesions that are all alike 3 in n may still be otherwise (rule of three)."
        )


def _counted(report: Report, numbers: Mapping[str, int]) -> str:
    at_most = "" if any(row.lesions for row in report.per_class.values()) else "at most "
    return ", ".join(f"{name} ({at_most}{n})" for name, n in numbers.items())
