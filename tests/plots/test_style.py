import itertools

import numpy as np
import plotly.graph_objects as go
import pytest
from ham import CODES
from numpy.typing import NDArray

from skin.plots.style import colours, styled
from skin.task import HAM10000, ISIC2019, MAX_CLASSES, TASKS, Diagnosis, Risk, Task
from skin.theme import GREY, RISK_COLOURS

WHITE, NEAR_BLACK = "#FFFFFF", "#0B0F19"

# Machado, Oliveira & Fernandes (2009), severity 1, on linear RGB.
VISIONS = {
    "normal": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}
# Ottosson (2020): Oklab, in which a distance of 0.02 is just noticeable.
TO_CONES = [[0.4122215, 0.5363325, 0.0514460], [0.2119035, 0.6806995, 0.1073970], [0.0883025, 0.2817188, 0.6299787]]
TO_LAB = [[0.2104543, 0.7936178, -0.0040720], [1.9779985, -2.4285922, 0.4505937], [0.0259040, 0.7827718, -0.8086758]]


def linear(colour: str) -> NDArray[np.float64]:
    srgb = np.array([int(colour[start : start + 2], 16) for start in (1, 3, 5)]) / 255
    return np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)


def oklab(rgb: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.array(TO_LAB) @ np.cbrt(np.array(TO_CONES) @ rgb)


def contrast(one: str, other: str) -> float:
    low, high = sorted(float(np.dot([0.2126, 0.7152, 0.0722], linear(colour))) for colour in (one, other))
    return (high + 0.05) / (low + 0.05)


def test_every_diagnosis_and_every_risk_has_its_colour() -> None:
    assert tuple(colours(HAM10000)) == CODES
    assert set(RISK_COLOURS) == set(Risk)


@pytest.mark.parametrize("vision", VISIONS)
@pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)
def test_no_two_diagnoses_look_alike_to_anyone(task: Task, vision: str) -> None:
    seen = {code: np.clip(np.array(VISIONS[vision]) @ linear(c), 0, 1) for code, c in colours(task).items()}

    for one, other in itertools.combinations(task.codes, 2):
        assert np.linalg.norm(oklab(seen[one]) - oklab(seen[other])) > 0.1, (one, other)


def test_colours_stand_out_on_light_and_on_dark() -> None:
    for colour in (colours(HAM10000) | colours(ISIC2019)).values():
        assert contrast(colour, WHITE) > 1.9
        assert contrast(colour, NEAR_BLACK) > 3
    assert contrast(GREY, WHITE) > 3.8
    assert contrast(GREY, NEAR_BLACK) > 3.8


def test_every_class_of_a_task_without_colours_has_one_of_its_own() -> None:
    task = Task("many", "Many", tuple(Diagnosis(f"c{k}", f"Class {k}") for k in range(MAX_CLASSES)))
    assert len(set(colours(task).values())) == MAX_CLASSES
    for colour in colours(task).values():
        assert contrast(colour, WHITE) > 1.9
        assert contrast(colour, NEAR_BLACK) > 2.5


def test_the_look_is_light_and_has_no_background() -> None:
    figure = styled(go.Figure(go.Bar(x=[1], y=[1])))

    assert len(figure.to_json()) < 2000
    look = figure.layout.template.layout
    assert look.paper_bgcolor == look.plot_bgcolor == "rgba(0, 0, 0, 0)"
    assert look.uirevision
    assert set(look.modebar.remove) == {"select2d", "lasso2d", "autoScale2d"}


def test_what_a_figure_says_itself_wins() -> None:
    figure = go.Figure(layout={"margin": {"t": 99}, "dragmode": "zoom"})

    styled(figure, height=123)

    assert (figure.layout.margin.t, figure.layout.dragmode, figure.layout.height) == (99, "zoom", 123)


def test_title_and_legend_get_room_above_the_plot() -> None:
    one, two = [go.Bar(name="one")], [go.Bar(name="one"), go.Bar(name="two")]
    tops = [
        styled(go.Figure(data, layout=layout)).layout.margin.t
        for data, layout in ((one, {}), (one, {"title": {"text": "Title"}}), (two, {"title": {"text": "Title"}}))
    ]

    assert tops == sorted(set(tops))
    assert styled(go.Figure(two, layout={"showlegend": False})).layout.margin.t == tops[0]
