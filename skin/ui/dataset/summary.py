"""A data set in figures, bars and tables, as HTML."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup

from skin.data.dataset import Dataset, LesionImage
from skin.data.splits import LeakAudit, Split
from skin.patient import UNKNOWN, ChoiceField, NumberField, PatientField
from skin.plots.dataset import bin_width, first_number, longest_choice, shortest_choice
from skin.plots.style import colours
from skin.task import Malignancy, Task
from skin.theme import NEUTRAL
from skin.ui.components.notices import SYNTHETIC
from skin.ui.components.tables import plain_table, swatch
from skin.ui.components.templates import render


def heading(dataset: Dataset) -> Markup:
    """The title, a badge on synthetic images, and the rows that were left out with the reasons."""
    return render(
        "dataset/heading.html",
        dataset=dataset,
        synthetic=SYNTHETIC,
        findings=list(dataset.findings()),
        dropped=len(dataset.dropped),
    )


def headline_figures(frame: pd.DataFrame, whole: pd.DataFrame, task: Task) -> Markup:
    """The figures that matter most of the rows `frame` of the data set `whole`, and a sentence on the rest."""
    figures = {
        "images": _of(len(frame), len(whole)),
        "lesions": _of(frame["lesion_id"].nunique(), whole["lesion_id"].nunique()),
        "classes": _of(frame["diagnosis"].nunique(), whole["diagnosis"].nunique()),
        "imbalance ratio": Figure(_imbalance(frame)),
    }
    if task.tells_malignant:
        malignant = [known.code for known in task.diagnoses if known.malignancy is Malignancy.MALIGNANT]
        figures["malignant"] = Figure(f"{frame['diagnosis'].isin(malignant).mean():.1%}")
    figures |= {f"{field.words} missing": Figure(f"{missing(frame, field):,}") for field in task.fields}
    return render("dataset/headline_figures.html", figures=figures, sentence=_summary_sentence(frame, task))


@dataclass(frozen=True)
class Figure:
    """A figure of the images that are looked at, and that of the whole data set where it differs."""

    value: str
    total: str = ""


def missing(frame: pd.DataFrame, field: PatientField) -> int:
    """Number of the rows in which the field is unknown."""
    values = frame[field.name]
    return int((values == UNKNOWN).sum() if isinstance(field, ChoiceField) else values.isna().sum())


def _imbalance(frame: pd.DataFrame) -> str:
    """Images of the largest class for each of the smallest one that there is."""
    counts = frame["diagnosis"].value_counts()
    return f"{counts.max() / counts.min():.1f} : 1" if len(counts) > 1 else "–"


def _of(count: int, total: int) -> Figure:
    return Figure(f"{count:,}", "" if count == total else f"{total:,}")


def _summary_sentence(frame: pd.DataFrame, task: Task) -> str:
    """The message of the figures, for whoever cannot see them."""
    shares = frame["diagnosis"].value_counts(normalize=True)
    common, rare = shares.index[0], shares.index[-1]
    words = [f"Most frequent: {task.diagnosis(common).name} ({shares[common]:.1%})"]
    if rare != common:
        words.append(f"rarest: {task.diagnosis(rare).name} ({shares[rare]:.1%})")
    for field in task.fields:
        if isinstance(field, NumberField) and frame[field.name].notna().any():
            words.append(f"median {field.words}: {frame[field.name].median():.3g} {field.unit}".rstrip())
    if choice := longest_choice(task):
        words.append(f"most frequent {choice.words}: {frame[choice.name].mode()[0]}")
    return "; ".join(words) + "."


def caption(image: LesionImage, task: Task, synthetic: bool) -> str:
    """The facts of one image."""
    said = [
        task.diagnosis(image.diagnosis).name + " (synthetic)" * synthetic,
        *(field.said(image.patient[field.name]) for field in task.fields),
        image.confirmed_by and f"confirmed by {image.confirmed_by.replace('_', ' ')}",
        f"{image.image_id} of lesion {image.lesion_id}",
    ]
    return " · ".join(fact for fact in said if fact)


def class_table(frame: pd.DataFrame, task: Task) -> Markup:
    """Every diagnosis with its counts in the frame and its description."""
    images = frame["diagnosis"].value_counts()
    lesions = frame.groupby("diagnosis")["lesion_id"].nunique()
    head = ["Code", "Diagnosis", "Images", "Share", "Lesions", "Behaviour", "What it is"]
    rows = [
        [
            swatch(colours(task)[known.code]) + known.code,
            known.name,
            f"{images.get(known.code, 0):,}",
            f"{images.get(known.code, 0) / len(frame):.1%}",
            f"{lesions.get(known.code, 0):,}",
            known.malignancy or "not told",
            known.description,
        ]
        for known in task.diagnoses
    ]
    return plain_table(head, rows)


def legend(task: Task) -> Markup:
    """The colours of the diagnoses."""
    return render("dataset/legend.html", task=task, colours=colours(task))


def diagnosis_bars(frame: pd.DataFrame, task: Task) -> Markup:
    """Images and their share for each of the task's diagnoses, also for those that have none."""
    counts = Counter(frame["diagnosis"])
    frequent = sorted(task.diagnoses, key=lambda known: counts[known.code], reverse=True)
    of_name = {known.name: colours(task)[known.code] for known in frequent}
    return _bars("Diagnosis", {known.name: counts[known.code] for known in frequent}, of_name)


def choice_bars(frame: pd.DataFrame, task: Task) -> Markup:
    """Images and their share by the longest choice, the most frequent value first; "" where the task has no choice."""
    longest = longest_choice(task)
    return _bars(longest.label, dict(Counter(frame[longest.name]).most_common())) if longest else Markup()


def other_bars(frame: pd.DataFrame, task: Task) -> Markup:
    """Images and their share by every field that has no figure of its own, unknown included."""
    shown = (longest_choice(task), first_number(task))
    return Markup().join(_field_bars(frame, field) for field in task.fields if field not in shown)


def _field_bars(frame: pd.DataFrame, field: PatientField) -> Markup:
    values = frame[field.name]
    if isinstance(field, ChoiceField):
        counts = Counter(values)
        return _bars(field.label, {value: counts[value] for value in field.choices})
    groups = _in_groups(values.dropna(), field).value_counts(sort=False)
    unknown = {UNKNOWN: missing(frame, field)}
    known = {str(words): int(count) for words, count in groups.items()}
    return _bars(f"{field.label} ({field.unit})" if field.unit else field.label, {**known, **unknown})


def lesion_bars(frame: pd.DataFrame, _: Task) -> Markup:
    """The number of lesions that have one image, two, and so on."""
    counts = Counter(Counter(frame["lesion_id"]).values())
    return _bars("Images per lesion", {f"{n} image{'s' * (n > 1)}": counts[n] for n in sorted(counts)})


def _bars(title: str, counts: Mapping[str, int], of_label: Mapping[str, str] = MappingProxyType({})) -> Markup:
    return render(
        "dataset/bars.html",
        title=title,
        counts=counts,
        total=max(1, sum(counts.values())),
        largest=max(1, *counts.values()),
        colours=of_label,
        neutral=NEUTRAL,
    )


def _in_groups(values: "pd.Series[float]", field: NumberField) -> "pd.Series[Any]":
    """The interval that each number lies in, the lowest first: twice as wide as a bar of the histogram."""
    width = 2 * bin_width(field)
    starts = (values // width * width).round(6)
    words = {start: f"{start:g} to {start + width - (width >= 2):g}" for start in sorted(starts.unique())}
    return starts.map(words).astype(pd.CategoricalDtype(list(words.values()), ordered=True))


def figure_tables(frame: pd.DataFrame, task: Task) -> Markup:
    """The content of the figures as tables for whoever cannot see them, folded away."""
    longest = longest_choice(task)
    tables = {
        **_number_tables(frame, task),
        "How the diagnosis was confirmed": _by_diagnosis(frame, "confirmed_by", "Confirmed by"),
        "Source of the images": _by_diagnosis(frame, "source", "Source"),
    }
    if longest:
        tables[f"Images by {longest.words}"] = _by_diagnosis(frame, longest.name, longest.label)
    shown = {title: _table_of(frame) for title, frame in tables.items() if frame is not None}
    return render("dataset/figure_tables.html", tables=shown)


def _number_tables(frame: pd.DataFrame, task: Task) -> dict[str, pd.DataFrame]:
    """Counts and quartiles of the number that is drawn."""
    field, choice = first_number(task), shortest_choice(task)
    if field is None:
        return {}
    known = frame.dropna(subset=field.name)
    label = f"{field.label} in {field.unit}" if field.unit else field.label
    counts = pd.crosstab(_in_groups(known[field.name], field).astype(object).rename(label), known["diagnosis"])
    ordered = counts.loc[list(_in_groups(known[field.name], field).cat.categories)]
    by = ["diagnosis", choice.name] if choice else ["diagnosis"]
    quartiles = known.groupby(by)[field.name].quantile(np.array([0.25, 0.5, 0.75])).unstack()
    names = ["Diagnosis", choice.label] if choice else ["Diagnosis"]
    quartiles = quartiles.rename(columns="{:.0%} are at most".format).rename_axis(names)
    within = f"{field.label} by diagnosis" + (f" and {choice.words}" if choice else "")
    within += f", in {field.unit}" if field.unit else ""
    return {f"Images by {field.words}": ordered, within: quartiles.reset_index()}


def _by_diagnosis(frame: pd.DataFrame, column: str, label: str) -> pd.DataFrame | None:
    """Counts of each value of the column by diagnosis; None where it is not known of any image."""
    if (frame[column] == "").all():
        return None
    values = frame[column].replace("", UNKNOWN).str.replace("_", " ")
    table = pd.crosstab(values.rename(label), frame["diagnosis"])
    return table.loc[table.sum(axis="columns").sort_values(ascending=False).index]


def _table_of(frame: pd.DataFrame) -> Markup:
    if frame.index.name:
        frame = frame.rename_axis(columns=None).reset_index()
    rows = [[f"{value:.0f}" if isinstance(value, float) else value for value in row] for row in frame.to_numpy(object)]
    return plain_table([str(name) for name in frame.columns], rows, "plain figures")


def split_summary(rule: str, split: Split, audit: LeakAudit, dataset: Dataset) -> Markup:
    """The size of each part of a split, and the lesions that parts share."""
    lesion_of = {image.image_id: image.lesion_id for image in dataset.images}
    shared = {overlap.second: f"{overlap.images:,}" for overlap in audit.overlaps if overlap.first == "train"}
    rows = [
        [part, f"{len(ids):,}", f"{len({lesion_of[image_id] for image_id in ids}):,}", shared.get(part, "")]
        for part, ids in split.parts.items()
    ]
    return render(
        "dataset/split_summary.html",
        rule=rule,
        shared=audit.shared_test_images,
        total=len(split.test),
        parts=plain_table(["Part", "Images", "Lesions", "Images of lesions in train"], rows),
        leaks=_leaks(audit, dataset.task),
    )


def _leaks(audit: LeakAudit, task: Task) -> Markup:
    """The figure of the leak as a table."""
    rows = [
        [
            known.name,
            f"{audit.test_by_diagnosis[known.code]:,}",
            f"{audit.shared_test_by_diagnosis.get(known.code, 0):,}",
        ]
        for known in task.diagnoses
        if audit.test_by_diagnosis.get(known.code)
    ]
    return plain_table(["Diagnosis", "Test images", "Of them of lesions in train"], rows)
