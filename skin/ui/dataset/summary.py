"""A data set in figures, bars and tables, as HTML."""

from collections import Counter
from collections.abc import Iterable, Mapping
from html import escape
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd

from skin.data.dataset import Dataset, LesionImage
from skin.data.splits import LeakAudit, Split
from skin.patient import UNKNOWN, ChoiceField, NumberField, PatientField
from skin.plots.dataset import bin_width, first_number, longest_choice, shortest_choice
from skin.plots.style import NEUTRAL, colours
from skin.task import Malignancy, Task
from skin.ui.components.notices import SYNTHETIC


def heading(dataset: Dataset) -> str:
    """The title, whether the images are synthetic, and what was left out and why."""
    badge = f'<p class="synthetic">{SYNTHETIC}</p>' if dataset.synthetic else ""
    return f"<h2>{escape(dataset.title)}</h2>{badge}{_findings(dataset)}"


def _findings(dataset: Dataset) -> str:
    findings = dataset.findings()
    if not findings:
        return "<p>Every row of its table is used.</p>"
    count = len(dataset.dropped)
    summary = f"{count:,} row{'s' * (count != 1)} left out: which, and why" if count else "Remarks on its table"
    items = "".join(f"<li>{escape(sentence)}</li>" for sentence in findings)
    return f"<details><summary>{summary}</summary><ul>{items}</ul></details>"


def headline_figures(frame: pd.DataFrame, whole: pd.DataFrame, task: Task) -> str:
    """The figures that matter most of the rows `frame` of the data set `whole`, and a sentence on the rest."""
    figures = {
        "images": _of(len(frame), len(whole)),
        "lesions": _of(frame["lesion_id"].nunique(), whole["lesion_id"].nunique()),
        "classes": _of(frame["diagnosis"].nunique(), whole["diagnosis"].nunique()),
        "imbalance ratio": _imbalance(frame),
    }
    if task.tells_malignant:
        malignant = [known.code for known in task.diagnoses if known.malignancy is Malignancy.MALIGNANT]
        figures["malignant"] = f"{frame['diagnosis'].isin(malignant).mean():.1%}"
    figures |= {f"{field.words} missing": f"{missing(frame, field):,}" for field in task.fields}
    cards = "".join(f"<div><dt>{escape(label)}</dt><dd>{figure}</dd></div>" for label, figure in figures.items())
    return f'<dl class="facts">{cards}</dl><p>{escape(_summary_sentence(frame, task))}</p>'


def missing(frame: pd.DataFrame, field: PatientField) -> int:
    """Number of the rows in which the field is unknown."""
    values = frame[field.name]
    return int((values == UNKNOWN).sum() if isinstance(field, ChoiceField) else values.isna().sum())


def _imbalance(frame: pd.DataFrame) -> str:
    """Images of the largest class for each of the smallest one that there is."""
    counts = frame["diagnosis"].value_counts()
    return f"{counts.max() / counts.min():.1f} : 1" if len(counts) > 1 else "–"


def _of(count: int, total: int) -> str:
    return f"{count:,}" if count == total else f"{count:,} <small>of {total:,}</small>"


def _summary_sentence(frame: pd.DataFrame, task: Task) -> str:
    """What the figures show, for whoever cannot see them."""
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
    """What is known of one image."""
    said = [
        task.diagnosis(image.diagnosis).name + " (synthetic)" * synthetic,
        *(field.said(image.patient[field.name]) for field in task.fields),
        image.confirmed_by and f"confirmed by {image.confirmed_by.replace('_', ' ')}",
        f"{image.image_id} of lesion {image.lesion_id}",
    ]
    return " · ".join(fact for fact in said if fact)


def class_table(frame: pd.DataFrame, task: Task) -> str:
    """Every diagnosis with its counts in the frame and what it is."""
    images = frame["diagnosis"].value_counts()
    lesions = frame.groupby("diagnosis")["lesion_id"].nunique()
    return _table(
        {
            "Code": _swatch(known.code, task) + known.code,
            "Diagnosis": escape(known.name),
            "Images": f"{images.get(known.code, 0):,}",
            "Share": f"{images.get(known.code, 0) / len(frame):.1%}",
            "Lesions": f"{lesions.get(known.code, 0):,}",
            "Behaviour": str(known.malignancy or "not told"),
            "What it is": escape(known.description),
        }
        for known in task.diagnoses
    )


def legend(task: Task) -> str:
    """The colours of the diagnoses."""
    items = "".join(
        f"<li>{_swatch(known.code, task)}<b>{known.code}</b> {escape(known.name)}</li>" for known in task.diagnoses
    )
    return f'<ul class="legend-list" aria-label="Colours of the diagnoses">{items}</ul>'


def _swatch(code: str, task: Task) -> str:
    return f'<span class="swatch" style="background: {colours(task)[code]}"></span>'


def diagnosis_bars(frame: pd.DataFrame, task: Task) -> str:
    """Images and their share for each of the task's diagnoses, also for those that have none."""
    counts = Counter(frame["diagnosis"])
    frequent = sorted(task.diagnoses, key=lambda known: counts[known.code], reverse=True)
    of_name = {known.name: colours(task)[known.code] for known in frequent}
    return _bars("Diagnosis", {known.name: counts[known.code] for known in frequent}, of_name)


def choice_bars(frame: pd.DataFrame, task: Task) -> str:
    """Images and their share by the longest choice, the most frequent value first; "" where the task has no choice."""
    longest = longest_choice(task)
    return _bars(longest.label, dict(Counter(frame[longest.name]).most_common())) if longest else ""


def other_bars(frame: pd.DataFrame, task: Task) -> str:
    """Images and their share by every field that has no figure of its own, unknown included."""
    shown = (longest_choice(task), first_number(task))
    return "".join(_field_bars(frame, field) for field in task.fields if field not in shown)


def _field_bars(frame: pd.DataFrame, field: PatientField) -> str:
    values = frame[field.name]
    if isinstance(field, ChoiceField):
        counts = Counter(values)
        return _bars(field.label, {value: counts[value] for value in field.choices})
    groups = _in_groups(values.dropna(), field).value_counts(sort=False)
    unknown = {UNKNOWN: missing(frame, field)}
    known = {str(words): int(count) for words, count in groups.items()}
    return _bars(f"{field.label} ({field.unit})" if field.unit else field.label, {**known, **unknown})


def lesion_bars(frame: pd.DataFrame, _: Task) -> str:
    """How many lesions have one image, how many two, and so on."""
    counts = Counter(Counter(frame["lesion_id"]).values())
    return _bars("Images per lesion", {f"{n} image{'s' * (n > 1)}": counts[n] for n in sorted(counts)})


def _bars(title: str, counts: Mapping[str, int], of_label: Mapping[str, str] = MappingProxyType({})) -> str:
    """A bar chart of text, which unlike a figure costs nothing to draw, wraps on a phone and can be read aloud."""
    total, largest = max(1, sum(counts.values())), max(1, *counts.values())
    rows = "".join(
        f'<div><dt>{escape(label)}</dt><dd><i style="--size: {count / largest:.4f}; '
        f'background: {of_label.get(label, NEUTRAL)}"></i>{count:,} <small>{count / total:.1%}</small></dd></div>'
        for label, count in counts.items()
    )
    return f'<section class="counts"><h3>{escape(title)}</h3><dl>{rows}</dl></section>'


def _in_groups(values: "pd.Series[float]", field: NumberField) -> "pd.Series[Any]":
    """The interval that each number lies in, the lowest first: twice as wide as a bar of the histogram."""
    width = 2 * bin_width(field)
    starts = (values // width * width).round(6)
    words = {start: f"{start:g} to {start + width - (width >= 2):g}" for start in sorted(starts.unique())}
    return starts.map(words).astype(pd.CategoricalDtype(list(words.values()), ordered=True))


def figure_tables(frame: pd.DataFrame, task: Task) -> str:
    """What the figures draw, as tables for whoever cannot see them, folded away."""
    longest = longest_choice(task)
    tables = {
        **_number_tables(frame, task),
        "How the diagnosis was confirmed": _by_diagnosis(frame, "confirmed_by", "Confirmed by"),
        "Source of the images": _by_diagnosis(frame, "source", "Source"),
    }
    if longest:
        tables[f"Images by {longest.words}"] = _by_diagnosis(frame, longest.name, longest.label)
    shown = "".join(f"<h3>{escape(title)}</h3>{_plain(table)}" for title, table in tables.items() if table is not None)
    return f"<details><summary>The figures as tables</summary>{shown}</details>"


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
    """How often each value of the column meets each diagnosis; None where it is not known of any image."""
    if (frame[column] == "").all():
        return None
    values = frame[column].replace("", UNKNOWN).str.replace("_", " ")
    table = pd.crosstab(values.rename(label), frame["diagnosis"])
    return table.loc[table.sum(axis="columns").sort_values(ascending=False).index]


def _plain(table: pd.DataFrame) -> str:
    """A table of text and numbers; it scrolls by itself where the page is narrow."""
    if table.index.name:
        table = table.rename_axis(columns=None).reset_index()
    html = table.to_html(index=False, border=0, classes="plain figures", justify="left", float_format="{:.0f}".format)
    return f'<div class="wide" tabindex="0">{html}</div>'


def split_summary(rule: str, split: Split, audit: LeakAudit, dataset: Dataset) -> str:
    """How large the parts of a split are, and what they share."""
    images = dataset.images
    lesion_of = {image.image_id: image.lesion_id for image in images}
    shared = {overlap.second: f"{overlap.images:,}" for overlap in audit.overlaps if overlap.first == "train"}
    table = _table(
        {
            "Part": part,
            "Images": f"{len(ids):,}",
            "Lesions": f"{len({lesion_of[image_id] for image_id in ids}):,}",
            "Images of lesions in train": shared.get(part, ""),
        }
        for part, ids in split.parts.items()
    )
    return f"<h3>Split {rule.replace('-', ' ')}</h3>{_verdict(audit.shared_test_images, len(split.test))}{table}{_leak(audit, dataset.task)}"


def _leak(audit: LeakAudit, task: Task) -> str:
    """What the figure of the leak draws, as a table."""
    table = _table(
        {
            "Diagnosis": escape(known.name),
            "Test images": f"{audit.test_by_diagnosis[known.code]:,}",
            "Of them of lesions in train": f"{audit.shared_test_by_diagnosis.get(known.code, 0):,}",
        }
        for known in task.diagnoses
        if audit.test_by_diagnosis.get(known.code)
    )
    return f"<details><summary>Test images that leak, as a table</summary>{table}</details>"


def _verdict(shared: int, total: int) -> str:
    if not shared:
        return f'<p class="verdict good">✓ None of the {total:,} test images shows a lesion of the training part.</p>'
    return (
        f'<p class="verdict bad">⚠ {shared:,} of the {total:,} test images ({shared / total:.1%}) show a lesion of the '
        "training part: the model has met them before, and its score flatters it.</p>"
    )


def _table(rows: Iterable[dict[str, str]]) -> str:
    """A table that scrolls by itself where the page is narrow; the cells are HTML."""
    table = pd.DataFrame(list(rows)).to_html(index=False, escape=False, border=0, classes="plain", justify="left")
    return f'<div class="wide" tabindex="0">{table}</div>'
