from dataclasses import replace
from html import unescape
from pathlib import Path

import pandas as pd
import pytest
from ham import CODES

from skin.data.dataset import Dataset, Dropped, LesionImage
from skin.data.splits import SPLITTERS, WHOLE, audit
from skin.patient import Patient
from skin.plots.style import colours
from skin.task import HAM10000
from skin.ui.components.notices import notice
from skin.ui.dataset import summary


def text(html: str) -> str:
    return " ".join(unescape(pd.Series([html]).str.replace(r"<[^>]+>", " ", regex=True)[0]).split())


def test_synthetic_images_are_called_so(demo: Dataset) -> None:
    image = demo.images[0]

    assert "Synthetic" in summary.heading(demo)
    assert "Synthetic" not in summary.heading(replace(demo, synthetic=False))
    assert "(synthetic)" in summary.caption(image, HAM10000, synthetic=True)
    assert "synthetic" not in summary.caption(image, HAM10000, synthetic=False)


def test_what_was_left_out_is_counted_and_named(demo: Dataset) -> None:
    dropped = (
        Dropped("X1", "no image file"),
        Dropped("<b>X2</b>", "no image file"),
        Dropped("X3", "unknown diagnosis"),
    )

    about = summary.heading(replace(demo, dropped=dropped))

    assert "3 rows left out" in about
    assert "no image file: X1, &lt;b&gt;X2" in about
    assert "unknown diagnosis: X3" in about
    assert "Every row" in summary.heading(demo)


def test_headline_figures_of_a_part_and_of_the_whole(demo: Dataset) -> None:
    whole = demo.frame()
    part = whole[whole["diagnosis"] == "mel"]

    assert f"images {len(whole):,} lesions {whole['lesion_id'].nunique():,} classes 7" in text(
        summary.headline_figures(whole, whole, HAM10000)
    )
    said = text(summary.headline_figures(part, whole, HAM10000))
    assert f"images {len(part)} of {len(whole)}" in said
    assert "classes 1 of 7 imbalance ratio – malignant 100.0%" in said
    assert "imbalance ratio –" in said
    counts = whole["diagnosis"].value_counts()
    assert f"imbalance ratio {counts.max() / counts.min():.1f} : 1" in text(
        summary.headline_figures(whole, whole, HAM10000)
    )
    assert f"age missing {part['age'].isna().sum()}" in said
    assert "Melanoma (100.0%); median age" in said


def test_a_caption_says_what_is_unknown() -> None:
    image = LesionImage("I1", "L1", "nv", Patient(), Path("a.jpg"), "follow_up")

    assert summary.caption(image, HAM10000, synthetic=False) == (
        "Melanocytic nevus · age unknown · sex unknown · site unknown · confirmed by follow up · I1 of lesion L1"
    )


def test_every_figure_is_a_table_too(demo: Dataset) -> None:
    frame = demo.frame()
    said = text(summary.figure_tables(frame, HAM10000))

    for title in (
        "Images by age",
        "Age by diagnosis and sex",
        "How the diagnosis was confirmed",
        "Images by site",
    ):
        assert title in said
    assert "Source" not in said  # the demo data names none
    thirties = frame[frame["age"].between(30, 39)]["diagnosis"].value_counts()
    assert "30 to 39 " + " ".join(str(thirties.get(code, 0)) for code in CODES) in said
    median = frame[(frame["diagnosis"] == "bcc") & (frame["sex"] == "female")]["age"].quantile([0.25, 0.5, 0.75])
    assert f"bcc female {' '.join(f'{age:.0f}' for age in median)}" in said
    assert summary.figure_tables(frame[frame["age"].isna()], HAM10000)  # nothing known, nothing broken


def test_a_strangers_table_brings_no_markup_into_the_page(demo: Dataset) -> None:
    frame = demo.frame().assign(source="<img src=x>")
    assert "<img" not in summary.figure_tables(frame, HAM10000)


def test_the_class_table_explains_and_counts_every_diagnosis(demo: Dataset) -> None:
    frame = demo.frame()
    table = text(summary.class_table(frame[frame["diagnosis"] == "nv"], HAM10000))

    nevi = int((frame["diagnosis"] == "nv").sum())
    lesions = frame.loc[frame["diagnosis"] == "nv", "lesion_id"].nunique()
    assert f"nv Melanocytic nevus {nevi} 100.0% {lesions} benign" in table
    for known in HAM10000.diagnoses:
        assert known.description in table


BARS = pd.DataFrame(
    [("a", "nv", "female", "back"), ("a", "nv", "female", "back"), ("b", "mel", "unknown", "unknown")],
    columns=["lesion_id", "diagnosis", "sex", "site"],
)


def test_bars_count_every_diagnosis_in_its_colour() -> None:
    bars = summary.diagnosis_bars(BARS, HAM10000)

    assert text(bars).startswith("Diagnosis Melanocytic nevus 2 66.7% Melanoma 1 33.3% ")
    assert text(bars).count(" 0 0.0%") == 5
    for colour in colours(HAM10000).values():
        assert colour in bars
    assert f"--size: 0.5000; background: {colours(HAM10000)['mel']}" in bars


def test_bars_show_what_is_unknown() -> None:
    assert text(summary.other_bars(BARS, HAM10000)) == "Sex female 2 66.7% male 0 0.0% unknown 1 33.3%"
    assert text(summary.choice_bars(BARS, HAM10000)) == "Body site back 2 66.7% unknown 1 33.3%"


def test_bars_count_lesions_by_their_images() -> None:
    assert text(summary.lesion_bars(BARS, HAM10000)) == "Images per lesion 1 image 1 50.0% 2 images 1 50.0%"


@pytest.mark.parametrize("rule", WHOLE)
def test_a_split_says_whether_it_leaks(demo: Dataset, rule: str) -> None:
    split = SPLITTERS[rule](demo.images, 42)
    audited = audit(split, demo.images)

    said = text(summary.split_summary(rule, split, audited, demo))

    assert f"train {len(split.train)} " in said
    assert ("None of" in said) == (rule == "by-lesion")
    assert f"{audited.shared_test_images} of the {len(split.test)} test images" in said or rule == "by-lesion"


def test_messages_are_escaped() -> None:
    assert notice("<script>", "alert") == '<p class="message" role="alert">&lt;script&gt;</p>'
