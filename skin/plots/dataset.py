"""Figures of a data set, from its frame (one row an image; see `Dataset.frame`) or a part of it."""

from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from skin.lesion import CODES, TAXONOMY
from skin.patient import Sex
from skin.plots.style import DIAGNOSIS_COLOURS, GREY, HEAT_SCALE, NEUTRAL, styled

AGE_BIN = 5
"""Width of a bar of the age histogram in years; HAM10000 rounds ages to it."""

SEX_COLOURS: Mapping[Sex, str] = {Sex.FEMALE: NEUTRAL, Sex.MALE: "#B3BECD", Sex.UNKNOWN: GREY}
"""Shades of grey, because colours stand for diagnoses."""

_LABEL_WIDTH = 104
"""Pixels right of the longest bar, for the label beside it."""

_NAMES = {diagnosis.code: diagnosis.name for diagnosis in TAXONOMY}


def age_histogram(frame: pd.DataFrame) -> go.Figure:
    """Images by age in bars of AGE_BIN years, stacked by diagnosis; images of unknown age are counted in the title."""
    known = frame.dropna(subset="age")
    table = _crossed((known["age"] // AGE_BIN * AGE_BIN).astype(int), known["diagnosis"])
    figure = go.Figure(
        [
            go.Bar(
                x=table.index.tolist(),
                y=table[code].tolist(),
                name=_NAMES[code],
                marker_color=DIAGNOSIS_COLOURS[code],
                offset=0,
                width=AGE_BIN * 0.92,
                hovertemplate=f"%{{x}}–%{{customdata}} years: %{{y:,}} images<extra>{_NAMES[code]}</extra>",
                customdata=[start + AGE_BIN - 1 for start in table.index],
            )
            for code in CODES
            if code in table
        ]
    )
    unknown = len(frame) - len(known)
    figure.update_layout(title_text=f"Age ({unknown:,} unknown)" if unknown else "Age", barmode="stack")
    figure.update_layout(showlegend=False)
    figure.update_xaxes(title="years", dtick=10, showgrid=False)
    figure.update_yaxes(title="images", tickformat=",d")
    return styled(figure, 340)


def age_by_diagnosis_and_sex(frame: pd.DataFrame) -> go.Figure:
    """Boxes of the age from the first to the third quartile, with whiskers from the 5th to the 95th percentile.

    The quantiles are computed here, so that a figure of 10,015 images is as light as one of ten.
    """
    known = frame.dropna(subset="age")
    figure = go.Figure([_box(sex, known[known["sex"] == sex]) for sex in Sex if (known["sex"] == sex).any()])
    figure.update_layout(title_text="Age by diagnosis and sex", boxmode="group", boxgap=0.25)
    every_diagnosis = [-0.5, len(CODES) - 0.5]
    figure.update_xaxes(categoryorder="array", categoryarray=list(CODES), range=every_diagnosis, showgrid=False)
    figure.update_yaxes(title="years", rangemode="tozero")
    return styled(figure, 440)


def _box(sex: Sex, frame: pd.DataFrame) -> go.Box:
    ages = frame.groupby("diagnosis")["age"]
    return go.Box(
        x=list(ages.groups),
        lowerfence=ages.quantile(0.05).tolist(),
        q1=ages.quantile(0.25).tolist(),
        median=ages.quantile(0.5).tolist(),
        q3=ages.quantile(0.75).tolist(),
        upperfence=ages.quantile(0.95).tolist(),
        name=str(sex),
        line={"color": SEX_COLOURS[sex], "width": 1.5},
    )


def _crossed(rows: "pd.Series[Any]", columns: "pd.Series[str]") -> pd.DataFrame:
    """How often each value of one meets each of the other; what `pandas.crosstab` does in thrice the time."""
    return rows.groupby([rows, columns]).size().unstack(fill_value=0)


def _by_site(table: pd.DataFrame) -> pd.DataFrame:
    return table.div(table.sum(axis="columns"), axis="index")


def _by_diagnosis(table: pd.DataFrame) -> pd.DataFrame:
    return table.div(table.sum(axis="index").clip(lower=1), axis="columns")


NORMALISATIONS: Mapping[str, Callable[[pd.DataFrame], pd.DataFrame] | None] = {
    "images": None,
    "% of the site": _by_site,
    "% of the diagnosis": _by_diagnosis,
}
"""What a cell of the heat map says, and how the counts become it."""


def diagnosis_by_site(frame: pd.DataFrame, normalisation: str = "images") -> go.Figure:
    """Heat map of the images by site (rows) and diagnosis (columns), as counts or as a row of NORMALISATIONS says."""
    counts = _crossed(frame["site"], frame["diagnosis"]).reindex(columns=list(CODES), fill_value=0)
    counts = counts.loc[counts.sum(axis="columns").sort_values().index]
    normalise = NORMALISATIONS[normalisation]
    values = normalise(counts) if normalise else counts
    figure = go.Figure(
        go.Heatmap(
            z=values.to_numpy().tolist(),
            x=[_NAMES[code] for code in CODES],
            y=values.index.tolist(),
            customdata=counts.to_numpy().tolist(),
            texttemplate="%{z:.0%}" if normalise else "%{z:,}",
            hovertemplate="%{x}, %{y}: %{customdata:,} images<extra></extra>",
            colorscale=HEAT_SCALE,
            showscale=False,
            xgap=2,
            ygap=2,
        )
    )
    figure.update_layout(title_text=f"Diagnosis by body site ({normalisation})")
    figure.update_xaxes(tickvals=list(range(len(CODES))), ticktext=list(CODES), side="bottom", showgrid=False)
    figure.update_yaxes(showgrid=False)
    return styled(figure, 460)


def confirmation(frame: pd.DataFrame) -> go.Figure | None:
    """How the diagnoses were confirmed, stacked by diagnosis; None where that is not known of any image."""
    return _stacked("How the diagnosis was confirmed", frame, "confirmed_by")


def sources(frame: pd.DataFrame) -> go.Figure | None:
    """Which archives the images came from, stacked by diagnosis; None where that is not known of any image."""
    return _stacked("Source of the images", frame, "source")


def _stacked(title: str, frame: pd.DataFrame, column: str) -> go.Figure | None:
    if (frame[column] == "").all():
        return None
    table = _crossed(frame[column].replace("", "unknown"), frame["diagnosis"])
    table = table.loc[table.sum(axis="columns").sort_values().index]
    labels = [f"{str(name).replace('_', ' ')} · {count:,}" for name, count in table.sum(axis="columns").items()]
    figure = go.Figure(
        [
            go.Bar(
                x=table[code].tolist(),
                y=labels,
                orientation="h",
                name=_NAMES[code],
                marker_color=DIAGNOSIS_COLOURS[code],
                hovertemplate=f"%{{y}}: %{{x:,}} images<extra>{_NAMES[code]}</extra>",
            )
            for code in CODES
            if code in table
        ]
    )
    figure.update_layout(title_text=title, barmode="stack", bargap=0.25, showlegend=False)
    figure.update_xaxes(title="images", tickformat=",d")
    figure.update_yaxes(showgrid=False)
    return styled(figure, 260)


def leak(test: Mapping[str, int], shared: Mapping[str, int]) -> go.Figure:
    """Share of each diagnosis' test images whose lesion is also in the training part.

    `test` counts the test images and `shared` those of them that leak, by code.
    """
    codes = [code for code in reversed(CODES) if test.get(code)]
    figure = go.Figure(
        go.Bar(
            x=[shared.get(code, 0) / test[code] for code in codes],
            y=codes,
            orientation="h",
            marker_color=[DIAGNOSIS_COLOURS[code] for code in codes],
            text=[f"{shared.get(code, 0):,} of {test[code]:,}" for code in codes],
            textposition="outside",
            cliponaxis=False,
            hovertemplate="%{y}: %{text} test images (%{x:.1%})<extra></extra>",
        )
    )
    figure.update_xaxes(range=[0, 1], tickvals=[0, 0.25, 0.5, 0.75, 1], tickformat=".0%")
    figure.update_yaxes(showgrid=False)
    figure.update_layout(title_text="Test images that leak", bargap=0.25, margin_r=_LABEL_WIDTH)
    return styled(figure)
