"""The tables of a model card on what is made of the probabilities: decisions, operating points, calibration."""

from markupsafe import Markup

from skin.evaluation.decision import DECISIONS, decision_metrics_of
from skin.evaluation.metrics import METRICS
from skin.evaluation.operating_point import SET_MISSES
from skin.evaluation.reliability import SCORES, CalibrationReport
from skin.evaluation.report import Report
from skin.publishing.card_tables import UNDEFINED, interval, number
from skin.publishing.markdown import table


def decisions(report: Report) -> Markup:
    """The figures of each decision rule with their intervals, and the numbers that were chosen for it."""
    known = {name: judged for name, judged in report.decisions.items() if name in DECISIONS}
    rows = [
        ["Chosen on validation", *(_parameters(judged.parameters) for judged in known.values())],
        *(
            [metric.label, *(interval(judged.figures.get(name)) for judged in known.values())]
            for name, metric in decision_metrics_of(report.task).items()
        ),
    ]
    return table(["Rule", *(DECISIONS[name].label for name in known)], rows)


def _parameters(parameters: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:.3g}" for name, value in parameters.items()) or "nothing"


def operating_points(report: Report) -> Markup:
    """The thresholds that were chosen for target sensitivities, and what each achieves."""
    header = ["Chosen to find", "Threshold", "Sensitivity", "Specificity", "PPV", "NPV", "Missed", "False alarms"]
    rows = [
        [
            UNDEFINED if row.target is None else f"{row.target:.0%}",
            f"{row.threshold:.3f}",
            *map(interval, (row.sensitivity, row.specificity)),
            *map(interval, (row.positive_predictive_value, row.negative_predictive_value)),
            f"{row.missed:,} of {row.malignant:,}",
            f"{row.false_alarms:,} of {row.others:,}",
        ]
        for row in report.operating_points
    ]
    return table(header, rows)


def net_benefits(report: Report) -> Markup:
    """The net benefit of acting from a malignant probability on, beside that of acting on every lesion."""
    rows = [[f"{row.threshold:.1%}", interval(row.benefit), number(row.all_malignant)] for row in report.decision_curve]
    return table(["Acting from", "Net benefit (95% interval)", "Of acting on every lesion"], rows)


def calibration(told: CalibrationReport) -> Markup:
    """The scores of the probabilities before the temperature, with it, and for the training prevalence."""
    parts = {
        "Before the temperature": told.before,
        "As they are": told.after,
        "For the training prevalence": told.reweighed,
    }
    known = {name: part.scores for name, part in parts.items() if part}
    rows = [[METRICS[name].label, *(interval(scores.get(name)) for scores in known.values())] for name in SCORES]
    return table(["Probabilities", *known], rows)


def promise_missed(report: Report) -> list[str]:
    """The diagnoses whose prediction sets hold the truth less often than promised, beyond chance, with how often."""
    coverage = report.operating_point.coverage_by_class if report.operating_point else {}
    return [f"{code}, {interval(held)}" for code, held in coverage.items() if held.high < 1 - 1 / SET_MISSES]


def class_calibration(report: Report, told: CalibrationReport) -> Markup:
    """Each diagnosis: its share and mean probability, their mean gap, and how often the prediction set holds it."""
    coverage = report.operating_point.coverage_by_class if report.operating_point else {}
    rows = [
        [
            code,
            f"{known.share:.1%}",
            f"{known.mean_probability:.1%}",
            number(known.error),
            interval(coverage.get(code)),
        ]
        for code, known in told.after.per_class.items()
    ]
    return table(["Diagnosis", "Share", "Mean probability", "Gap", "In its prediction set (95% interval)"], rows)
