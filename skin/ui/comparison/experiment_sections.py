"""The sections of an experiment's results, as HTML and figures."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import numpy as np
import plotly.graph_objects as go
from markupsafe import Markup

from skin.config import field_infos
from skin.evaluation.compare import CLASS_MEASURES
from skin.evaluation.metrics import METRICS, PRIMARY, Estimate
from skin.experiments.outcome import LeftOut, Point, PooledComparison
from skin.experiments.overview import Overview
from skin.experiments.pooled import Pooled
from skin.experiments.results import Results
from skin.plots import experiment as plots
from skin.ui.comparison.sections import class_difference_table, signed
from skin.ui.components.notices import paragraph
from skin.ui.components.tables import folded, rows_table, sentence_list

PRIMARY_FIRST = (PRIMARY, *(name for name in METRICS if name != PRIMARY))
"""The metrics in the order in which they are shown: the one that decides, named before anyone looks, is the first."""

ALONE, CORRECTED = "the interval over both leaves out 0", "beyond chance after Holm's correction"
"""Words on differences whose marks are filled: each metric by itself, and the diagnoses together."""

MAX_NAMES = 4
"""Runs that are named where several have the same to be said of."""


def verdict(results: Results) -> Markup:
    """The question, what the runs say together, and how far it goes."""
    outcome = results.outcome
    said = [sentence for own in outcome.comparisons for sentence in (own.verdict, own.class_verdict)]
    return paragraph(results.question) + sentence_list([*said, *outcome.notes])


def pooled_tables(results: Results) -> Markup:
    """The metrics of both variants of each contrast, their difference, and what lesions and seeds leave open of it."""
    return Markup().join(map(_pooled_table, results.outcome.comparisons))


def _pooled_table(comparison: PooledComparison) -> Markup:
    contrast = comparison.contrast
    rows = [
        [
            METRICS[name].directed_label,
            *(_with_interval(figures[name]) for figures in comparison.figures.values()),
            signed(difference.interval),
            *(_parts(difference) if difference.knows_seeds else ()),
        ]
        for name, difference in _primary_first(comparison.difference)
    ]
    head = ["Metric", contrast.a, contrast.b, "Difference"]
    caption = f"{contrast.b} minus {contrast.a}, with 95% intervals over the lesions; one seed tells nothing of others."
    if len(comparison.seeds) > 1:
        head += ["Over lesions alone", "Between seeds"]
        caption = (
            f"{contrast.b} minus {contrast.a}, each seed with itself. In brackets 95% intervals over lesions and seeds; "
            "then that of the difference over lesions alone, and its standard deviation between seeds."
        )
    return rows_table(head, rows, caption)


def _primary_first(differences: Mapping[str, Pooled]) -> list[tuple[str, Pooled]]:
    return [(name, differences[name]) for name in PRIMARY_FIRST if name in differences]


def _with_interval(figure: Pooled) -> str:
    value, low, high = vars(figure.interval).values()
    return f"{value:.3f} ({low:.3f} to {high:.3f})" if np.isfinite(low) else "–"


def _parts(difference: Pooled) -> tuple[str, str]:
    """The interval over lesions alone, and the standard deviation between seeds."""
    if not np.isfinite(difference.sample_low):
        return "–", "–"
    return f"{difference.sample_low:+.3f} to {difference.sample_high:+.3f}", f"{difference.seed_sd:.3f}"


def class_tables(results: Results) -> Markup:
    """The differences of each contrast on each diagnosis."""
    return Markup().join(
        class_difference_table(
            (own.contrast.a, own.contrast.b),
            {code: row.paired for code, row in own.per_class.items()},
            results.outcome.task,
        )
        for own in results.outcome.comparisons
    )


def runs_table(results: Results) -> Markup:
    """Every finished run on its own test part."""
    names = [name for name in PRIMARY_FIRST if any(name in point.figures for point in results.outcome.points)]
    rows = [
        [_named(point, results), f"{point.n:,}", *(_number(point.figures[name]) for name in names)]
        for point in results.outcome.points
    ]
    return rows_table(["Run", "Images", *(METRICS[name].label for name in names)], rows)


def left_out_table(results: Results) -> Markup:
    """The runs that are in no figure, by the reason."""
    runs = defaultdict(list)
    for row in results.outcome.left_out:
        runs[row.reason].append(f"{row.variant}, {_place(row, results)}")
    rows = [[_several(own), reason] for reason, own in runs.items()]
    return rows_table(["Runs", "Why they are in no figure"], rows) if rows else Markup("")


def _several(names: Sequence[str]) -> str:
    shown = "; ".join(names[:MAX_NAMES])
    return f"{shown}; and {len(names) - MAX_NAMES} more" if len(names) > MAX_NAMES else shown


def _number(value: float) -> str:
    return f"{value:.3f}" if np.isfinite(value) else "–"


def _named(point: Point, results: Results) -> str:
    return f"{point.variant}, {_place(point, results)}"


def _place(point: Point | LeftOut, results: Results) -> str:
    """The fold and seed of a run; an experiment without folds has none to name."""
    fold = f"fold {point.fold}, " if len(results.plan.folds) > 1 else ""
    return f"{fold}seed {point.seed}"


def made_tables(results: Overview) -> Markup:
    """Facts of the experiment, and the settings that all runs share, first those that are no default."""
    labels = {info.name: info.label for info in field_infos()}
    plan, changed = results.plan, results.changed_settings
    made = datetime.fromtimestamp(results.created, UTC)
    facts: list[list[object]] = [
        ["Runs", len(plan.members)],
        ["Seeds", ", ".join(map(str, plan.seeds))],
        ["Engine", plan.engine],
        ["Made", f"{made:%Y-%m-%d %H:%M} UTC"],
        ["Training time of all runs", _duration(results.training_seconds)],
        *([labels[name], value] for name, value in changed.items()),
    ]
    others = [[labels[name], value] for name, value in results.settings.items() if name not in changed]
    rest = rows_table(["Setting", "Value"], others, "", "rows pairs")
    return rows_table(["Fact", "Value"], facts, "", "rows pairs") + folded(
        "All other settings, which are the defaults", rest
    )


def _duration(seconds: float) -> str:
    minutes = seconds / 60
    return f"{minutes:.0f} min" if minutes < 90 else f"{minutes / 60:.1f} h"


def points_figure(results: Results) -> go.Figure:
    """Every run, and the pooled figures, metric by metric."""
    outcome = results.outcome
    pooled = {variant: own for comparison in outcome.comparisons for variant, own in comparison.figures.items()}
    names = [name for name in PRIMARY_FIRST if any(name in point.figures for point in outcome.points)]
    return plots.every_run(
        {
            name: [
                _row(variant, pooled.get(variant, {}).get(name), _values(results, variant, name))
                for variant in results.plan.variants
            ]
            for name in names
        }
    )


def _values(results: Results, variant: str, name: str) -> dict[str, float]:
    points = (point for point in results.outcome.points if point.variant == variant)
    return {_place(point, results): point.figures[name] for point in points}


def _row(label: str, figure: Pooled | None, runs: Mapping[str, float], is_clear: bool = False) -> plots.Row:
    if figure is None:
        return plots.Row(label, UNDEFINED, UNDEFINED, runs)
    lesions = Estimate(figure.value, figure.sample_low, figure.sample_high)
    return plots.Row(label, figure.interval, lesions, runs, is_clear)


UNDEFINED = Estimate(np.nan, np.nan, np.nan)


def difference_figures(results: Results, comparison: PooledComparison) -> list[go.Figure]:
    """The paired differences of a contrast: in each metric, with every fold and seed, and on each diagnosis."""
    contrast = comparison.contrast
    where = f", {contrast.where}" if contrast.where else ""
    metrics = [
        _row(METRICS[name].directed_label, difference, _differences(results, comparison, name), _is_known(difference))
        for name, difference in _primary_first(comparison.difference)
    ]
    classes = [
        _row(f"{code}, {label}", row.difference[name], {}, row.paired.beyond_chance(name))
        for name, (label, _) in CLASS_MEASURES.items()
        for code, row in comparison.per_class.items()
        if row.paired.is_tested
    ]
    figures = [plots.forest(metrics, f"Differences{where}", contrast.a, ALONE)]
    return [*figures, plots.forest(classes, f"On each diagnosis{where}", contrast.a, CORRECTED)] if classes else figures


def _is_known(difference: Pooled) -> bool:
    return difference.is_clear and difference.knows_seeds


def _differences(results: Results, comparison: PooledComparison, name: str) -> dict[str, float]:
    """The differences of each fold and seed that has finished in both variants."""
    a, b = (_values(results, variant, name) for variant in (comparison.contrast.a, comparison.contrast.b))
    return {place: b[place] - value for place, value in a.items() if place in b}


def curves_figure(results: Results) -> go.Figure:
    """The learning curves of the runs of each variant."""
    return plots.learning_curves({variant: list(runs.values()) for variant, runs in results.histories.items()})
