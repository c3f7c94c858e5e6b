"""The results of an experiment, printed and as a report."""

from __future__ import annotations

from pathlib import Path

from skin.cli.output import print_table, text
from skin.evaluation.metrics import METRICS
from skin.experiments.outcome import PooledComparison
from skin.experiments.results import Results
from skin.experiments.sweep_results import SweepResults
from skin.files import write_atomically


def print_results(results: Results) -> None:
    """Print what the finished runs say together, and the finished ones that are in no figure."""
    for comparison in results.outcome.comparisons:
        _print_pooled(comparison)
        print(comparison.verdict)
        print(comparison.class_verdict)
    for sentence in (*results.outcome.notes, *results.unusable):
        print(sentence)


def _print_pooled(comparison: PooledComparison) -> None:
    contrast, n_seeds = comparison.contrast, len(comparison.seeds)
    over = f"lesions and {n_seeds} seeds" if n_seeds > 1 else "lesions, of one seed"
    print(f"\n{contrast.b} minus {contrast.a}, with 95% intervals over {over}:")
    rows = []
    for name, difference in comparison.difference.items():
        figures = [own[name].value for own in comparison.figures.values()]
        interval = difference.interval
        rows.append(
            [
                METRICS[name].directed_label,
                *map(text, (*figures, interval.value, interval.low, interval.high)),
                *([text(difference.seed_sd)] if n_seeds > 1 else []),
            ]
        )
    spread = ["sd of seeds"] if n_seeds > 1 else []  # which one seed does not tell
    print_table(["metric", contrast.a, contrast.b, "difference", "low", "high", *spread], rows)


def write_report(path: Path, results: Results | SweepResults) -> None:
    """Write the report with its figures as one HTML file. Raises UserError when the disk is full or refuses."""
    from skin.ui.comparison.experiment_export import as_html  # figures take a second to import

    write_atomically(path, as_html(results).encode())
    print(f"The report is in {path}.")
