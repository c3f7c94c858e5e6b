"""The results of an experiment to download, on the page and with `experiment show`."""

import json
from collections.abc import Callable, Mapping

from skin.experiments.results import Results
from skin.experiments.sweep_results import SweepResults
from skin.ui.comparison.experiment_contents import contents_of
from skin.ui.components.document import document


def as_html(results: Results | SweepResults) -> str:
    """The results as a page that needs no network."""
    contents = contents_of(results)
    parts = {"Verdict": contents.verdict, **contents.sections}
    return document(f"Experiment {results.plan.name}", parts, contents.figures)


def as_json(results: Results | SweepResults) -> str:
    """The results as JSON."""
    return json.dumps(results.to_dict(), indent=1, allow_nan=False)


DOWNLOADS: Mapping[str, tuple[str, Callable[[Results | SweepResults], str]]] = {
    "Experiment (HTML)": ("html", as_html),
    "Experiment (JSON)": ("json", as_json),
}
"""Files to download: the suffix, and the function that makes the content."""
