"""The tables of `evaluate` on decisions, operating points, prediction sets and calibration."""

from __future__ import annotations

from skin.cli.output import interval, print_table, text
from skin.evaluation.decision import DECISIONS, decision_metrics_of
from skin.evaluation.metrics import METRICS
from skin.evaluation.operating_point import OperatingPoint, ThresholdReport
from skin.evaluation.prevalence import in_percent
from skin.evaluation.reliability import SCORES, CalibrationReport
from skin.evaluation.report import Report
from skin.evaluation.summary import SETS_PROMISE


def show_decisions(report: Report) -> None:
    """Print what each decision rule and operating point achieves, and how calibrated the probabilities are."""
    if report.decisions:
        known = decision_metrics_of(report.task)
        print_table(
            ["decision", *(metric.label.lower() for metric in known.values())],
            [
                [name, *(interval(judged.figures.get(figure)) for figure in known)]
                for name, judged in report.decisions.items()
                if name in DECISIONS
            ],
        )
    if report.operating_points:
        _show_operating_points(report)
    if report.operating_point and report.operating_point.coverage_by_class:
        _show_coverage(report.operating_point)
    if report.calibration:
        _show_calibration(report.calibration)


def _show_operating_points(report: Report) -> None:
    print_table(
        ["target", "malignant from", "sensitivity", "specificity", "ppv", "npv"],
        [_operating_cells(row) for row in report.operating_points],
    )
    if report.prevalence:
        print(f"Operating points are for a prevalence of {in_percent(report.prevalence)}.")


def _operating_cells(row: ThresholdReport) -> list[str]:
    shares = (row.sensitivity, row.specificity, row.positive_predictive_value, row.negative_predictive_value)
    return [text(row.target), f"{row.threshold:.4f}", *map(interval, shares)]


def _show_coverage(point: OperatingPoint) -> None:
    print_table(
        ["diagnosis", "prediction set holds it"],
        [[code, interval(estimate)] for code, estimate in point.coverage_by_class.items()],
    )
    print(SETS_PROMISE)


def _show_calibration(report: CalibrationReport) -> None:
    told = {"before": report.before, "as they are": report.after, "for the training prevalence": report.reweighed}
    known = {name: calibration.scores for name, calibration in told.items() if calibration}
    print_table(
        ["probabilities", *known],
        [[METRICS[name].label, *(interval(scores.get(name)) for scores in known.values())] for name in SCORES],
    )
    earlier = report.before.per_class if report.before else {}
    print_table(
        ["diagnosis", "share", "mean probability", "error before", "error"],
        [
            [
                code,
                text(row.share),
                text(row.mean_probability),
                text(earlier[code].error) if earlier else "-",
                text(row.error),
            ]
            for code, row in report.after.per_class.items()
        ],
    )
