"""Figures of a data set, from its frame (one row an image; see `Dataset.frame`) or a part of it, and its task.

Plotly takes a name for markup, so that whatever a task or a table names is escaped.
"""

from collections.abc import Callable, Mapping
from html import escape
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from skin.patient import UNKNOWN, ChoiceField, NumberField
from skin.plots.style import colours, styled
from skin.task import Task
from skin.theme import CHOICE_COLOURS, GREY, HEAT_SCALE, NEUTRAL

YEARS = 5
"""Width of a bar of the age histogram; HAM10000 rounds ages to it."""

_BARS = 20
"""About how many bars another number's histogram has."""

_LABEL_WIDTH = 104
"""Pixels right of the longest bar, for the label beside it."""


def first_number(task: Task) -> NumberField | None:
    """The number of a patient that is drawn, None where the task has none."""
    return next((field for field in task.fields if isinstance(field, NumberField)), None)


def shortest_choice(task: Task) -> ChoiceField | None:
    """The choice with the fewest values, None where the task has none."""
    return min(_choices(task), key=lambda field: len(field.values), default=None)


def longest_choice(task: Task) -> ChoiceField | None:
    """The choice with the most values, None where the task has none."""
    return max(_choices(task), key=lambda field: len(field.values), default=None)


def _choices(task: Task) -> list[ChoiceField]:
    return [field for field in task.fields if isinstance(field, ChoiceField)]


def bin_width(field: NumberField) -> float:
    """The width of a bar of the number's histogram, in its unit: one, two or five of a power of ten."""
    if field.unit == "years":
        return YEARS
    rough = (field.maximum - field.minimum) / _BARS
    power = 10.0 ** np.floor(np.log10(rough))
    return float(power * next(step for step in (1, 2, 5, 10) if rough <= step * power))


def interval_words(start: float, width: float) -> str:
    """The numbers from `start` on that a bar of this width counts; whole ones are counted to the last of them."""
    whole = width >= 2 and float(width).is_integer()
    return f"{start:g}–{start + width - 1:g}" if whole else f"{start:g} to {start + width:g}"


def histogram(frame: pd.DataFrame, task: Task) -> go.Figure | None:
    """Images by the task's first number, stacked by diagnosis; those of whom it is unknown are counted in the title."""
    field = first_number(task)
    if field is None:
        return None
    known, width = frame.dropna(subset=field.name), bin_width(field)
    table = _crossed((known[field.name] // width * width).round(6), known["diagnosis"])
    of_code = colours(task)
    words = [interval_words(start, width) for start in table.index]
    figure = go.Figure(
        [
            go.Bar(
                x=table.index.tolist(),
                y=table[diagnosis.code].tolist(),
                name=escape(diagnosis.name),
                marker_color=of_code[diagnosis.code],
                offset=0,
                width=width * 0.92,
                hovertemplate=f"%{{customdata}} {escape(field.unit)}: %{{y:,}} images<extra>{escape(diagnosis.name)}</extra>",
                customdata=words,
            )
            for diagnosis in task.diagnoses
            if diagnosis.code in table
        ]
    )
    unknown = len(frame) - len(known)
    title = escape(f"{field.label} ({unknown:,} unknown)" if unknown else field.label)
    figure.update_layout(title_text=title, barmode="stack", showlegend=False)
    figure.update_xaxes(title=escape(field.unit) or None, dtick=10 if field.unit == "years" else None, showgrid=False)
    figure.update_yaxes(title="images", tickformat=",d")
    return styled(figure, 340)


def boxes(frame: pd.DataFrame, task: Task) -> go.Figure | None:
    """Boxes of the first number from the first to the third quartile, with whiskers from the 5th to the 95th percentile.

    By diagnosis and the values of the shortest choice. The quantiles are computed here, so that a figure of 10,015 images
    is as light as one of ten.
    """
    number, choice = first_number(task), shortest_choice(task)
    if number is None:
        return None
    known = frame.dropna(subset=number.name)
    title = f"{number.label} by diagnosis"
    if choice is None:
        figure = go.Figure([_box("images", NEUTRAL, known, number.name)])
    else:
        title += f" and {choice.words}"
        shades = {value: CHOICE_COLOURS[k % len(CHOICE_COLOURS)] for k, value in enumerate(choice.values)}
        parts = {value: known[known[choice.name] == value] for value in choice.choices}
        shown = {value: part for value, part in parts.items() if len(part)}
        figure = go.Figure([_box(value, shades.get(value, GREY), part, number.name) for value, part in shown.items()])
    figure.update_layout(title_text=escape(title), boxmode="group", boxgap=0.25)
    every_diagnosis = [-0.5, len(task) - 0.5]
    figure.update_xaxes(categoryorder="array", categoryarray=list(task.codes), range=every_diagnosis, showgrid=False)
    figure.update_yaxes(title=escape(number.unit) or None, rangemode="tozero")
    return styled(figure, 440)


def _box(name: str, colour: str, frame: pd.DataFrame, column: str) -> go.Box:
    values = frame.groupby("diagnosis")[column]
    return go.Box(
        x=list(values.groups),
        lowerfence=values.quantile(0.05).tolist(),
        q1=values.quantile(0.25).tolist(),
        median=values.quantile(0.5).tolist(),
        q3=values.quantile(0.75).tolist(),
        upperfence=values.quantile(0.95).tolist(),
        name=escape(name),
        line={"color": colour, "width": 1.5},
    )


def _crossed(rows: "pd.Series[Any]", columns: "pd.Series[str]") -> pd.DataFrame:
    """Counts of each value of one beside each of the other; `pandas.crosstab` takes thrice the time."""
    return rows.groupby([rows, columns]).size().unstack(fill_value=0)


def _by_row(table: pd.DataFrame) -> pd.DataFrame:
    return table.div(table.sum(axis="columns"), axis="index")


def _by_diagnosis(table: pd.DataFrame) -> pd.DataFrame:
    return table.div(table.sum(axis="index").clip(lower=1), axis="columns")


NORMALISATIONS: Mapping[str, Callable[[pd.DataFrame], pd.DataFrame] | None] = {
    "images": None,
    "% of the row": _by_row,
    "% of the diagnosis": _by_diagnosis,
}
"""The share that a cell of the heat map shows, by its name, and how the counts become it."""


def heat_map(frame: pd.DataFrame, task: Task, normalisation: str = "images") -> go.Figure | None:
    """The images by the longest choice (rows) and diagnosis (columns), as counts or as a row of NORMALISATIONS says."""
    choice = longest_choice(task)
    if choice is None:
        return None
    counts = _crossed(frame[choice.name], frame["diagnosis"]).reindex(columns=list(task.codes), fill_value=0)
    counts = counts.loc[counts.sum(axis="columns").sort_values().index]
    normalise = NORMALISATIONS[normalisation]
    values = normalise(counts) if normalise else counts
    figure = go.Figure(
        go.Heatmap(
            z=values.to_numpy().tolist(),
            x=[escape(diagnosis.name) for diagnosis in task.diagnoses],
            y=[escape(value) for value in values.index],
            customdata=counts.to_numpy().tolist(),
            texttemplate="%{z:.0%}" if normalise else "%{z:,}",
            hovertemplate="%{x}, %{y}: %{customdata:,} images<extra></extra>",
            colorscale=HEAT_SCALE,
            showscale=False,
            xgap=2,
            ygap=2,
        )
    )
    figure.update_layout(title_text=f"Diagnosis by {choice.words} ({normalisation})")
    figure.update_xaxes(tickvals=list(range(len(task))), ticktext=list(task.codes), side="bottom", showgrid=False)
    figure.update_yaxes(showgrid=False)
    return styled(figure, 460)


def confirmation(frame: pd.DataFrame, task: Task) -> go.Figure | None:
    """Confirmations of the diagnoses, stacked by diagnosis; None where they are not known of any image."""
    return _stacked("How the diagnosis was confirmed", frame, "confirmed_by", task)


def sources(frame: pd.DataFrame, task: Task) -> go.Figure | None:
    """Archives of the images, stacked by diagnosis; None where they are not known of any image."""
    return _stacked("Source of the images", frame, "source", task)


def _stacked(title: str, frame: pd.DataFrame, column: str, task: Task) -> go.Figure | None:
    if (frame[column] == "").all():
        return None
    table = _crossed(frame[column].replace("", UNKNOWN), frame["diagnosis"])
    table = table.loc[table.sum(axis="columns").sort_values().index]
    labels = [f"{escape(str(name)).replace('_', ' ')} · {count:,}" for name, count in table.sum(axis="columns").items()]
    figure = go.Figure(
        [
            go.Bar(
                x=table[diagnosis.code].tolist(),
                y=labels,
                orientation="h",
                name=escape(diagnosis.name),
                marker_color=colours(task)[diagnosis.code],
                hovertemplate=f"%{{y}}: %{{x:,}} images<extra>{escape(diagnosis.name)}</extra>",
            )
            for diagnosis in task.diagnoses
            if diagnosis.code in table
        ]
    )
    figure.update_layout(title_text=title, barmode="stack", bargap=0.25, showlegend=False)
    figure.update_xaxes(title="images", tickformat=",d")
    figure.update_yaxes(showgrid=False)
    return styled(figure, 260)


def leak(test: Mapping[str, int], shared: Mapping[str, int], task: Task) -> go.Figure:
    """Share of each diagnosis' test images whose lesion is also in the training part.

    `test` counts the test images and `shared` those of them that leak, by code.
    """
    codes = [code for code in reversed(task.codes) if test.get(code)]
    figure = go.Figure(
        go.Bar(
            x=[shared.get(code, 0) / test[code] for code in codes],
            y=codes,
            orientation="h",
            marker_color=[colours(task)[code] for code in codes],
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
