"""A comparison to take along: the files that it can be had as."""

import json
from collections.abc import Callable, Iterator, Mapping

import pandas as pd

from skin.evaluation.compare import Comparison
from skin.evaluation.origin import FACTS
from skin.plots import comparison as plots
from skin.table import write_table
from skin.ui import comparison_html as pieces
from skin.ui.compared import PART, Compared
from skin.ui.report_html import document
from skin.ui.subject import Subject

COLUMNS = ["baseline", "run", "diagnosis", "measure", "difference", "low", "high", "p"]
"""Of the table of differences; without a diagnosis a row is of all images, and only a diagnosis has a p-value.

Further columns tell where the figures of both runs come from: each of FACTS, after "baseline_" and "run_"."""


def title(compared: Compared) -> str:
    """What is compared, in words."""
    return f"Comparison of {', '.join(compared.subjects)}"


def _as_html(compared: Compared) -> str:
    """The whole comparison as a page that needs no network."""
    subjects, different = compared.subjects, compared.different
    sections = {"Verdict": pieces.verdict(compared.comparisons)}
    if different:
        sections["Differences"] = pieces.difference_table(subjects, different)
        sections["Differences on each diagnosis"] = "".join(map(pieces.class_difference_table, different))
    sections |= {
        "F1 of each diagnosis": pieces.f1_table(subjects),
        "Where these figures come from": pieces.origin_table(subjects),
        "Settings": pieces.settings_table(compared.configs),
        "Who is taken for whom": pieces.matrices(subjects),
        "Training": pieces.history_table(compared.histories),
    }
    figures = [plots.difference_intervals({c.b: c.difference for c in different})] if different else []
    figures += [plots.class_f1_by_run(compared.reports), plots.histories(compared.histories)]
    return document(title(compared), sections, figures)


def _as_json(compared: Compared) -> str:
    facts = {
        "part": PART,
        "runs": {name: _origin(subject) for name, subject in compared.subjects.items()},
        "comparisons": [comparison.to_dict() for comparison in compared.comparisons],
    }
    return json.dumps(facts, indent=1, allow_nan=False)


def _origin(subject: Subject) -> dict[str, object]:
    return {**subject.origin.facts(subject.report), "settings": subject.origin.settings}


def _as_csv(compared: Compared) -> str:
    rows = [row for comparison in compared.comparisons for row in _rows(comparison)]
    table = pd.DataFrame(rows, columns=COLUMNS)
    for side in ("baseline", "run"):
        for fact in (fact for fact in FACTS if fact != "run"):
            told = {name: subject.origin.facts(subject.report)[fact] for name, subject in compared.subjects.items()}
            table[f"{side}_{fact}"] = table[side].map(told)
    return write_table(table, float_format="%.6f")


def _rows(comparison: Comparison) -> Iterator[list[object]]:
    """The paired differences, b - a: those of all images, then those of each diagnosis."""
    for name, estimate in comparison.difference.items():
        yield [comparison.a, comparison.b, "", name, *vars(estimate).values(), None]
    for code, row in comparison.per_class.items():
        for name, estimate in row.difference.items():
            yield [comparison.a, comparison.b, code, name, *vars(estimate).values(), row.p[name]]


DOWNLOADS: Mapping[str, tuple[str, Callable[[Compared], str]]] = {
    "Comparison (HTML)": ("html", _as_html),
    "Comparison (JSON)": ("json", _as_json),
    "Differences (CSV)": ("csv", _as_csv),
}
"""What can be downloaded: its file suffix, and how it is made."""
