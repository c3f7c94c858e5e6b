"""The results of an experiment to download, on the page and with `experiment show`."""

import json
from collections.abc import Callable, Mapping

from skin.experiments.results import Results
from skin.ui.comparison import experiment_sections as sections
from skin.ui.components.document import document
from skin.ui.components.tables import folded


def as_html(results: Results) -> str:
    """The results as a page that needs no network."""
    outcome = results.outcome
    parts = {"Verdict": sections.verdict(results)}
    figures = []
    if outcome.comparisons:
        parts["Pooled over folds and seeds"] = sections.pooled_tables(results)
        parts["Differences on each diagnosis"] = sections.class_tables(results)
        for comparison in outcome.comparisons:
            figures += sections.difference_figures(results, comparison)
    if outcome.points:
        parts["Every run"] = folded(f"{len(outcome.points)} runs as a table", sections.runs_table(results))
        figures.append(sections.points_figure(results))
    if left_out := sections.left_out_table(results):
        parts["Runs that are in no figure"] = left_out
    parts["How it was made"] = sections.made_tables(results)
    if any(results.histories.values()):
        figures.append(sections.curves_figure(results))
    return document(f"Experiment {results.plan.name}", parts, figures)


def as_json(results: Results) -> str:
    """The results as JSON."""
    return json.dumps(results.to_dict(), indent=1, allow_nan=False)


DOWNLOADS: Mapping[str, tuple[str, Callable[[Results], str]]] = {
    "Experiment (HTML)": ("html", as_html),
    "Experiment (JSON)": ("json", as_json),
}
"""Files to download: the suffix, and the function that makes the content."""
