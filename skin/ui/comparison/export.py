"""A comparison to download."""

import json
from collections.abc import Callable, Iterator, Mapping

import pandas as pd

from skin.evaluation.compare import Comparison
from skin.evaluation.origin import FACTS
from skin.plots import comparison as plots
from skin.table import write_table
from skin.ui.comparison import sections
from skin.ui.comparison.compared_runs import PART, ComparedRuns
from skin.ui.components.document import document
from skin.ui.components.loaded_report import LoadedReport

COLUMNS = ["baseline", "run", "diagnosis", "measure", "difference", "low", "high", "p"]
"""The columns of the table of differences; without a diagnosis a row is of all images, and only a diagnosis has a p-value.

Further columns tell where the figures of both runs come from: each of FACTS, after "baseline_" and "run_"."""


def title(compared_runs: ComparedRuns) -> str:
    """The runs that are compared, in words."""
    return f"Comparison of {', '.join(compared_runs.loaded_reports)}"


def _as_html(compared_runs: ComparedRuns) -> str:
    """The whole comparison as a page that needs no network."""
    loaded_reports, different = compared_runs.loaded_reports, compared_runs.different
    parts = {"Verdict": sections.verdict(compared_runs.comparisons)}
    if different:
        parts["Differences"] = sections.difference_table(loaded_reports, different)
        parts["Differences on each diagnosis"] = sections.class_difference_tables(different)
    parts |= {
        "F1 of each diagnosis": sections.f1_table(loaded_reports),
        "Where these figures come from": sections.origin_table(loaded_reports),
        "Settings": sections.settings_table(compared_runs.configs),
        "Who is taken for whom": sections.matrices(loaded_reports),
        "Training": sections.history_table(compared_runs.histories),
    }
    figures = [plots.difference_intervals({c.b: c.difference for c in different})] if different else []
    figures += [plots.class_f1_by_run(compared_runs.reports), plots.histories(compared_runs.histories)]
    return document(title(compared_runs), parts, figures)


def _as_json(compared_runs: ComparedRuns) -> str:
    facts = {
        "part": PART,
        "runs": {name: _origin(loaded) for name, loaded in compared_runs.loaded_reports.items()},
        "comparisons": [comparison.to_dict() for comparison in compared_runs.comparisons],
    }
    return json.dumps(facts, indent=1, allow_nan=False)


def _origin(loaded: LoadedReport) -> dict[str, object]:
    return {**loaded.origin.facts(loaded.report), "settings": loaded.origin.settings}


def _as_csv(compared_runs: ComparedRuns) -> str:
    rows = [row for comparison in compared_runs.comparisons for row in _rows(comparison)]
    table = pd.DataFrame(rows, columns=COLUMNS)
    for side in ("baseline", "run"):
        for fact in (fact for fact in FACTS if fact != "run"):
            values = {
                name: loaded.origin.facts(loaded.report)[fact] for name, loaded in compared_runs.loaded_reports.items()
            }
            table[f"{side}_{fact}"] = table[side].map(values)
    return write_table(table, float_format="%.6f")


def _rows(comparison: Comparison) -> Iterator[list[object]]:
    """The paired differences, b - a: those of all images, then those of each diagnosis."""
    for name, estimate in comparison.difference.items():
        yield [comparison.a, comparison.b, "", name, *vars(estimate).values(), None]
    for code, row in comparison.per_class.items():
        for name, estimate in row.difference.items():
            yield [comparison.a, comparison.b, code, name, *vars(estimate).values(), row.p[name]]


DOWNLOADS: Mapping[str, tuple[str, Callable[[ComparedRuns], str]]] = {
    "Comparison (HTML)": ("html", _as_html),
    "Comparison (JSON)": ("json", _as_json),
    "Differences (CSV)": ("csv", _as_csv),
}
"""The files to download: their suffix, and how they are made."""
