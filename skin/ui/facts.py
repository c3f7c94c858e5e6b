"""What the Dataset tab says of a data set, as HTML."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

import numpy as np
import pandas as pd

from skin.data.datasets import Dataset
from skin.data.splits import LeakAudit, Split
from skin.lesion import TAXONOMY, LesionImage, Malignancy, diagnosis
from skin.patient import Sex, Site
from skin.plots.style import DIAGNOSIS_COLOURS, NEUTRAL

SYNTHETIC = "Synthetic: every image was drawn by this program; no patient stands behind any of them."


def message(text: str, role: str = "status") -> str:
    """A sentence to whoever looks; the role "alert" is for what went wrong."""
    return f'<p class="message" role="{role}">{escape(text)}</p>'


def about(dataset: Dataset) -> str:
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


def headline(frame: pd.DataFrame, whole: pd.DataFrame) -> str:
    """The figures that matter most of the rows `frame` of the data set `whole`, and a sentence on the rest."""
    malignant = [known.code for known in TAXONOMY if known.malignancy is Malignancy.MALIGNANT]
    figures = {
        "images": _of(len(frame), len(whole)),
        "lesions": _of(frame["lesion_id"].nunique(), whole["lesion_id"].nunique()),
        "classes": _of(frame["diagnosis"].nunique(), whole["diagnosis"].nunique()),
        "imbalance ratio": _imbalance(frame),
        "malignant": f"{frame['diagnosis'].isin(malignant).mean():.1%}",
        "ages missing": f"{frame['age'].isna().sum():,}",
        "sexes missing": f"{(frame['sex'] == Sex.UNKNOWN).sum():,}",
        "sites missing": f"{(frame['site'] == Site.UNKNOWN).sum():,}",
    }
    cards = "".join(f"<div><dt>{label}</dt><dd>{figure}</dd></div>" for label, figure in figures.items())
    return f'<dl class="facts">{cards}</dl><p>{_in_words(frame)}</p>'


def _imbalance(frame: pd.DataFrame) -> str:
    """Images of the largest class for each of the smallest one that there is."""
    counts = frame["diagnosis"].value_counts()
    return f"{counts.max() / counts.min():.1f} : 1" if len(counts) > 1 else "–"


def _of(count: int, total: int) -> str:
    return f"{count:,}" if count == total else f"{count:,} <small>of {total:,}</small>"


def _in_words(frame: pd.DataFrame) -> str:
    """What the figures show, for whoever cannot see them."""
    shares = frame["diagnosis"].value_counts(normalize=True)
    common, rare = shares.index[0], shares.index[-1]
    words = [f"Most frequent: {diagnosis(common).name} ({shares[common]:.1%})"]
    if rare != common:
        words.append(f"rarest: {diagnosis(rare).name} ({shares[rare]:.1%})")
    if frame["age"].notna().any():
        words.append(f"median age: {frame['age'].median():.0f} years")
    words.append(f"most frequent site: {frame['site'].mode()[0]}")
    return "; ".join(words) + "."


def caption(row: Any, synthetic: bool) -> str:
    """What is known of one image, given as a row of the frame."""
    facts = [
        diagnosis(row.diagnosis).name + " (synthetic)" * synthetic,
        "age unknown" if pd.isna(row.age) else f"{row.age:.0f} years",
        "sex unknown" if row.sex == Sex.UNKNOWN else row.sex,
        "site unknown" if row.site == Site.UNKNOWN else row.site,
        row.confirmed_by and f"confirmed by {row.confirmed_by.replace('_', ' ')}",
        f"{row.image_id} of lesion {row.lesion_id}",
    ]
    return " · ".join(fact for fact in facts if fact)


def class_table(frame: pd.DataFrame) -> str:
    """Every diagnosis with its counts in the frame and what it is."""
    images = frame["diagnosis"].value_counts()
    lesions = frame.groupby("diagnosis")["lesion_id"].nunique()
    return _table(
        {
            "Code": _swatch(known.code) + known.code,
            "Diagnosis": known.name,
            "Images": f"{images.get(known.code, 0):,}",
            "Share": f"{images.get(known.code, 0) / len(frame):.1%}",
            "Lesions": f"{lesions.get(known.code, 0):,}",
            "Behaviour": str(known.malignancy),
            "What it is": known.description,
        }
        for known in TAXONOMY
    )


def legend() -> str:
    """The colours of the diagnoses."""
    items = "".join(f"<li>{_swatch(known.code)}<b>{known.code}</b> {known.name}</li>" for known in TAXONOMY)
    return f'<ul class="legend-list" aria-label="Colours of the diagnoses">{items}</ul>'


def _swatch(code: str) -> str:
    return f'<span class="swatch" style="background: {DIAGNOSIS_COLOURS[code]}"></span>'


def diagnosis_bars(frame: pd.DataFrame) -> str:
    """Images and their share for each of the seven diagnoses, also for those that have none."""
    counts = Counter(frame["diagnosis"])
    frequent = sorted(TAXONOMY, key=lambda known: counts[known.code], reverse=True)
    return _bars("Diagnosis", {known.name: counts[known.code] for known in frequent})


def sex_bars(frame: pd.DataFrame) -> str:
    """Images and their share by sex, unknown included."""
    counts = Counter(frame["sex"])
    return _bars("Sex", {str(sex): counts[sex] for sex in Sex})


def site_bars(frame: pd.DataFrame) -> str:
    """Images and their share by body site, the most frequent first."""
    return _bars("Body site", dict(Counter(frame["site"]).most_common()))


def lesion_bars(frame: pd.DataFrame) -> str:
    """How many lesions have one image, how many two, and so on."""
    counts = Counter(Counter(frame["lesion_id"]).values())
    return _bars("Images per lesion", {f"{n} image{'s' * (n > 1)}": counts[n] for n in sorted(counts)})


_COLOURS = {known.name: DIAGNOSIS_COLOURS[known.code] for known in TAXONOMY}


def _bars(title: str, counts: Mapping[str, int]) -> str:
    """A bar chart of text, which unlike a figure costs nothing to draw, wraps on a phone and can be read aloud."""
    total, largest = sum(counts.values()), max(counts.values())
    rows = "".join(
        f'<div><dt>{label}</dt><dd><i style="--size: {count / largest:.4f}; '
        f'background: {_COLOURS.get(label, NEUTRAL)}"></i>{count:,} <small>{count / total:.1%}</small></dd></div>'
        for label, count in counts.items()
    )
    return f'<section class="counts"><h3>{title}</h3><dl>{rows}</dl></section>'


AGE_GROUP = 10
"""Years of a row of the table of ages."""


def figure_tables(frame: pd.DataFrame) -> str:
    """What the figures draw, as tables for whoever cannot see them, folded away."""
    known = frame.dropna(subset="age")
    groups = (known["age"] // AGE_GROUP * AGE_GROUP).astype(int)
    ages = groups.map(lambda start: f"{start} to {start + AGE_GROUP - 1}").rename("Age in years")
    quartiles = known.groupby(["diagnosis", "sex"])["age"].quantile(np.array([0.25, 0.5, 0.75])).unstack()
    quartiles = quartiles.rename(columns="{:.0%} are at most".format).rename_axis(["Diagnosis", "Sex"])
    tables = {
        "Images by age": pd.crosstab(ages, known["diagnosis"]).loc[ages[groups.sort_values().index].unique()],
        "Age by diagnosis and sex, in years": quartiles.reset_index(),
        "How the diagnosis was confirmed": _by_diagnosis(frame, "confirmed_by", "Confirmed by"),
        "Source of the images": _by_diagnosis(frame, "source", "Source"),
        "Images by body site": _by_diagnosis(frame, "site", "Body site"),
    }
    shown = "".join(f"<h3>{title}</h3>{_plain(table)}" for title, table in tables.items() if table is not None)
    return f"<details><summary>The figures as tables</summary>{shown}</details>"


def _by_diagnosis(frame: pd.DataFrame, column: str, label: str) -> pd.DataFrame | None:
    """How often each value of the column meets each diagnosis; None where it is not known of any image."""
    if (frame[column] == "").all():
        return None
    values = frame[column].replace("", "unknown").str.replace("_", " ")
    table = pd.crosstab(values.rename(label), frame["diagnosis"])
    return table.loc[table.sum(axis="columns").sort_values(ascending=False).index]


def _plain(table: pd.DataFrame) -> str:
    """A table of text and numbers; it scrolls by itself where the page is narrow."""
    if table.index.name:
        table = table.rename_axis(columns=None).reset_index()
    html = table.to_html(index=False, border=0, classes="plain figures", justify="left", float_format="{:.0f}".format)
    return f'<div class="wide" tabindex="0">{html}</div>'


def split_summary(rule: str, split: Split, audit: LeakAudit, images: Sequence[LesionImage]) -> str:
    """How large the parts of a split are, and what they share."""
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
    return f"<h3>Split {rule.replace('-', ' ')}</h3>{_verdict(audit.shared_test_images, len(split.test))}{table}{_leak(audit)}"


def _leak(audit: LeakAudit) -> str:
    """What the figure of the leak draws, as a table."""
    table = _table(
        {
            "Diagnosis": known.name,
            "Test images": f"{audit.test_by_diagnosis[known.code]:,}",
            "Of them of lesions in train": f"{audit.shared_test_by_diagnosis.get(known.code, 0):,}",
        }
        for known in TAXONOMY
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
