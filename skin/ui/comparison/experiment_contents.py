"""The contents of an experiment's results, of whichever kind: what the page and the report show alike."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import plotly.graph_objects as go
from markupsafe import Markup

from skin.config import MODELS
from skin.experiments.results import Results
from skin.experiments.sweep_results import SweepResults
from skin.ui.comparison import experiment_sections, sweep_sections
from skin.ui.components.tables import folded

MAX_FIGURES = 2 * len(MODELS) + 2
"""The most figures of an experiment: of each contrast one of the metrics and one of the diagnoses, the runs, the curves."""


@dataclass(frozen=True, eq=False)
class Contents:
    """The verdict, the figures, and sections by their headings."""

    verdict: Markup
    figures: Sequence[go.Figure]
    sections: Mapping[str, Markup]


def contents_of(results: Results | SweepResults) -> Contents:
    """The contents of the results of an experiment."""
    return _of_sweep(results) if isinstance(results, SweepResults) else _of_variants(results)


def _of_variants(results: Results) -> Contents:
    outcome = results.outcome
    figures, parts = [], {}
    if outcome.comparisons:
        parts["Pooled over folds and seeds"] = experiment_sections.pooled_tables(results)
        parts["Differences on each diagnosis"] = experiment_sections.class_tables(results)
        for comparison in outcome.comparisons:
            figures += experiment_sections.difference_figures(results, comparison)
    if outcome.points:
        runs = experiment_sections.runs_table(results)
        parts["Every run"] = folded(f"{len(outcome.points)} runs as a table", runs)
        figures.append(experiment_sections.points_figure(results))
    if left_out := experiment_sections.left_out_table(results):
        parts["Runs that are in no figure"] = left_out
    if any(results.histories.values()):
        figures.append(experiment_sections.curves_figure(results))
    parts["How it was made"] = experiment_sections.made_tables(results)
    return Contents(experiment_sections.verdict(results), figures, parts)


def _of_sweep(results: SweepResults) -> Contents:
    parts = {
        "Trials": sweep_sections.trials_table(results),
        "How it was made": experiment_sections.made_tables(results),
    }
    return Contents(sweep_sections.verdict(results), sweep_sections.figures(results), parts)
