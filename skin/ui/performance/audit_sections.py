"""The steps of a run's audit on the page: their tables and figures, beside the sentences that a step says itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import plotly.graph_objects as go
from markupsafe import Markup

from skin.audit.explanations import FORGETTING, Explanations, Likeness
from skin.audit.orientations import Orientations
from skin.audit.permutation import FieldCost, Permutation
from skin.audit.robustness import PERTURBATIONS, Level, Robustness
from skin.audit.skin_tone import SkinTone
from skin.audit.subgroups import Subgroups
from skin.evaluation.group_figures import GROUP_FIGURES, Group, GroupReport, spaced
from skin.evaluation.metrics import METRICS, Estimate
from skin.inference.explain import EXPLANATIONS
from skin.plots import audit as plots
from skin.ui.components.tables import folded, sentence_list
from skin.ui.components.templates import render


@dataclass(frozen=True)
class Section:
    """A row of SECTIONS: the tables of a step, and its figures by what they are called where they cannot be seen.

    A figure that has nothing to show is None.
    """

    tables: Callable[[Any], Markup]
    figures: Mapping[str, Callable[[Any], go.Figure | None]] = field(default_factory=dict)


def section(name: str, record: Any) -> Markup:
    """A step's sentences, and its tables where there are any."""
    row = SECTIONS.get(name)
    return sentence_list(record.sentences()) + (row.tables(record) if row else Markup(""))


def audit_figures(name: str) -> Mapping[str, Callable[[Any], go.Figure | None]]:
    """The figures of a step, as of Section."""
    return SECTIONS[name].figures if name in SECTIONS else {}


def _table(head: Mapping[str, str], rows: Mapping[str, Sequence[Estimate | str]], caption: str = "") -> Markup:
    """A table of estimates with their intervals; `head` names the columns, with what each is."""
    return render("performance/estimate_table.html", head=head, rows=rows, caption=caption)


def _metric_heads(names: Iterable[str]) -> dict[str, str]:
    return {METRICS[name].label: METRICS[name].help for name in names}


# Orientations


def _orientation_tables(record: Orientations) -> Markup:
    rows = {words: list(figures.values()) for words, figures in zip(_ORIENTED, record.figures, strict=True)}
    return folded("Each orientation as a table", _table({"One view": "", **_metric_heads(record.figures[0])}, rows))


_ORIENTED = (
    "as taken",
    "turned by 90°",
    "turned by 180°",
    "turned by 270°",
    "mirrored",
    "turned by 90°, mirrored",
    "turned by 180°, mirrored",
    "turned by 270°, mirrored",
)
"""The orientations of `skin.data.views.orient` in words."""


def _changes_figure(record: Orientations) -> go.Figure | None:
    changes = {"all": record.one_view.diagnosis, **record.one_view.by_diagnosis}
    rows = {name: {"one view": share} for name, share in changes.items() if np.isfinite(share.value)}
    return plots.dots("Another diagnosis when turned", "by the true diagnosis", rows) if rows else None


# Robustness


def _robustness_tables(record: Robustness) -> Markup:
    tables = [_level_table(name, levels, record.unchanged) for name, levels in record.curves.items()]
    return folded("The curves as tables", Markup("").join(tables))


def _level_table(name: str, levels: Sequence[Level], unchanged: Mapping[str, Estimate]) -> Markup:
    row = PERTURBATIONS[name]
    heads = {row.title: "", **_metric_heads(unchanged), "Other diagnosis": _OTHER_DIAGNOSIS}
    rows: dict[str, Sequence[Estimate | str]] = {"unchanged": [*unchanged.values(), ""]}
    for level in levels:
        rows[row.format.format(level.level)] = [*level.figures.values(), level.other_diagnosis]
    return _table(heads, rows, f"{row.title}: {row.unit}")


_OTHER_DIAGNOSIS = "Share of images whose most probable diagnosis is another one than before."


def _level_figure(name: str, record: Robustness) -> go.Figure | None:
    if name not in record.curves:  # another version measured it
        return None
    row = PERTURBATIONS[name]
    by_level = {row.unchanged: record.unchanged} | {level.level: level.figures for level in record.curves[name]}
    ordered = sorted(by_level)
    series = {METRICS[metric].label: [by_level[level][metric] for level in ordered] for metric in record.unchanged}
    return plots.level_curves(row.title, row.unit, [row.format.format(level) for level in ordered], series)


# Groups of images


def _subgroup_tables(record: Subgroups) -> Markup:
    tables = [_group_table(name, report) for name, report in record.groupings.items()]
    return folded("Every group as a table", Markup("").join(tables))


def _tone_tables(record: SkinTone) -> Markup:
    return _group_table("skin tone", record.tones)


def _group_table(name: str, report: GroupReport) -> Markup:
    labels = {row.label: row.help for row in GROUP_FIGURES.values()}
    rows: dict[str, Sequence[Estimate | str]] = {
        spaced(own): [f"{group.n:,}", f"{group.n_lesions:,}", *_in_order(group)] for own, group in report.groups.items()
    }
    return _table({spaced(name).capitalize(): "", "Images": "", "Lesions": "", **labels}, rows)


def _in_order(group: Group) -> list[Estimate | str]:
    return [group.figures.get(name, "–") for name in GROUP_FIGURES]


def _subgroup_figure(record: Subgroups) -> go.Figure:
    return _detection("Found and left alone, by group", record.groupings)


def _tone_figure(record: SkinTone) -> go.Figure:
    return _detection("Found and left alone, by skin tone", {"": record.tones})


def _detection(title: str, groupings: Mapping[str, GroupReport]) -> go.Figure | None:
    """Sensitivity and specificity of the groups that have either."""
    rows = {
        f"{spaced(grouping)}: {spaced(name)}".removeprefix(": "): {
            GROUP_FIGURES[figure].label: group.figures[figure] for figure in ("sensitivity", "specificity")
        }
        for grouping, report in groupings.items()
        for name, group in report.groups.items()
        if {"sensitivity", "specificity"} <= group.figures.keys()
    }
    defined = {name: row for name, row in rows.items() if any(np.isfinite(value.value) for value in row.values())}
    return plots.dots(title, "at the run's threshold", defined) if defined else None


# Fields of the patient


def _permutation_tables(record: Permutation) -> Markup:
    if record.together is None:
        return Markup("")
    heads = {**_metric_heads(record.figures), "Other diagnosis": _OTHER_DIAGNOSIS}
    rows: dict[str, Sequence[Estimate | str]] = {"as known": [*record.figures.values(), ""]}
    for name, cost in _costs(record).items():
        rows[f"{name}, change if wrong"] = [*cost.permuted.values(), cost.other_diagnosis]
        rows[f"{name}, change if unknown"] = [*cost.unknown.values(), ""]
    return folded("Every field as a table", _table({"Field": "", **heads}, rows))


def _permutation_figure(record: Permutation) -> go.Figure | None:
    if record.together is None:
        return None
    rows = {
        name: {METRICS[metric].label: _in_points(change) for metric, change in cost.permuted.items()}
        for name, cost in _costs(record).items()
    }
    return plots.dots("Change where a field is wrong", "points", rows, "+.1f")


def _in_points(change: Estimate) -> Estimate:
    return Estimate(100 * change.value, 100 * change.low, 100 * change.high)


def _costs(record: Permutation) -> dict[str, FieldCost]:
    together = {"all of them": record.together} if record.together else {}
    return {**{spaced(name): cost for name, cost in record.fields.items()}, **together}


# Explanations


def _explanation_tables(record: Explanations) -> Markup:
    rows: dict[str, Sequence[Estimate | str]] = {}
    for pair in record.agreements:
        names = " and ".join(EXPLANATIONS[kind].title for kind in (pair.first, pair.second))
        rows[f"{names}, of one image"] = _alike(pair.same_image)
        rows[f"{names}, of two images"] = _alike(pair.other_image)
    for kind, by_part in record.randomised.items():
        for name, alike in by_part.items():
            rows[f"{EXPLANATIONS[kind].title}, {FORGETTING[name].words}"] = _alike(alike)
    heads = {"Maps compared": "", "Rank correlation": "Spearman's", "Overlap": "Dice's", "Agree": "Share of images"}
    return folded("Every comparison as a table", _table(heads, rows))


def _alike(alike: Likeness) -> list[Estimate | str]:
    return [alike.correlation, alike.overlap, alike.agree]


SECTIONS: dict[str, Section] = {
    "orientations": Section(_orientation_tables, {"Another diagnosis when turned, by diagnosis": _changes_figure}),
    "robustness": Section(
        _robustness_tables,
        {f"Metrics against {row.title.lower()}": partial(_level_figure, name) for name, row in PERTURBATIONS.items()},
    ),
    "subgroups": Section(_subgroup_tables, {"Sensitivity and specificity by group": _subgroup_figure}),
    "skin_tone": Section(_tone_tables, {"Sensitivity and specificity by skin tone": _tone_figure}),
    "permutation": Section(_permutation_tables, {"Change of the metrics where a field is wrong": _permutation_figure}),
    "explanations": Section(_explanation_tables),
}
"""The tables and figures of the steps of an audit that have any; of the others the page shows their sentences."""
