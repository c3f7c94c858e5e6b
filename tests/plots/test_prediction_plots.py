import plotly.graph_objects as go
import pytest

from skin.plots.prediction import curve_over
from skin.task import HAM10000

AGES = [0, 30, 60, 90]
MALIGNANT = [0.01, 0.05, 0.2, 0.4]


def age_curve(ages: list[float], shares: list[float], age: float | None, unknown: float) -> go.Figure:
    return curve_over(HAM10000.fields[0], dict(zip(ages, shares, strict=True)), age, unknown, "Malignant probability")


def test_the_curve_goes_over_all_ages() -> None:
    curve = age_curve(AGES, MALIGNANT, None, 0.1).data[0]
    assert list(curve.x) == AGES
    assert list(curve.y) == MALIGNANT


def test_the_age_of_the_patient_is_marked_on_the_curve() -> None:
    figure = age_curve(AGES, MALIGNANT, 60, 0.1)
    assert (list(figure.data[1].x), list(figure.data[1].y)) == ([60], [0.2])
    assert "60 years: 20%" in [note.text for note in figure.layout.annotations]


def test_nothing_is_marked_where_the_age_is_unknown() -> None:
    assert len(age_curve(AGES, MALIGNANT, None, 0.1).data) == 1


@pytest.mark.parametrize(("age", "end"), [(None, 90), (20, 90), (80, 0)])
def test_the_line_without_age_is_named_at_the_end_that_is_free(age: float | None, end: int) -> None:
    ages = sorted({*AGES, age} - {None})
    figure = age_curve(ages, [0.1] * len(ages), age, 0.15)
    (note,) = [note for note in figure.layout.annotations if note.text == "age unknown"]
    assert (note.x, note.y) == (end, 0.15)
    assert figure.layout.shapes[0].y0 == 0.15


def test_the_name_of_a_line_at_the_bottom_does_not_hide_the_axis() -> None:
    (note,) = age_curve(AGES, [0.001] * len(AGES), None, 0.0005).layout.annotations
    assert note.yanchor == "bottom"


@pytest.mark.parametrize(("highest", "top"), [(0.02, 0.2), (0.4, 0.5), (1.0, 1.05)])
def test_small_probabilities_are_not_blown_up_and_large_ones_fit(highest: float, top: float) -> None:
    figure = age_curve(AGES, [0.01, 0.01, 0.01, highest], None, 0.01)
    assert figure.layout.yaxis.range == pytest.approx((0, top))
