"""Figures of a sweep."""

import plotly.graph_objects as go
import pytest

from skin.plots.sweep import Axis, influences, parallel_coordinates


def test_each_setting_is_an_axis_and_the_score_is_the_last() -> None:
    axes = [
        Axis("Learning <rate>", [1e-4, 1e-2, 1e-3]),
        Axis("Dropout", [0.1, 0.3, 0.2]),
        Axis("Backbone", ["b", "a", "b"]),
        Axis("Flips", [True, False, True]),
    ]
    figure = parallel_coordinates(axes, [0.7, 0.5, 0.6], "Score")

    worst, middle, best = figure.data
    assert worst.x == pytest.approx((1, 1, 0, 0, 0))
    assert middle.x == pytest.approx((0.5, 0.5, 1, 1, 0.5))
    assert best.x == pytest.approx((0, 0, 1, 1, 1))
    assert worst.y == (0, 1, 2, 3, 4)
    assert worst.line.color != best.line.color
    assert (
        "Learning &lt;rate&gt;: 0.01<br>Dropout: 0.3<br>Backbone: a<br>Flips: False<br>Score: 0.5"
        in worst.hovertemplate
    )
    assert figure.layout.yaxis.ticktext == ("Learning<br>&lt;rate&gt;", "Dropout", "Backbone", "Flips", "Score")
    assert texts(figure, 0) == ["0.0001", "0.001", "0.01"]
    assert texts(figure, 1) == ["0.1", "0.2", "0.3"]
    assert texts(figure, 2) == ["a", "b"]


def texts(figure: go.Figure, axis: int) -> list[str]:
    return [note.text for note in figure.layout.annotations if note.y == axis]


def test_a_setting_that_all_trials_share_has_one_place() -> None:
    figure = parallel_coordinates([Axis("Dropout", [0.1, 0.1])], [0.5, 0.5], "Score")
    assert [trace.x for trace in figure.data] == [(0, 0), (0, 0)]
    assert texts(figure, 0) == ["0.1"]


def test_many_names_on_an_axis_stand_at_two_heights() -> None:
    figure = parallel_coordinates([Axis("Backbone", list("abcd"))], [0.1, 0.2, 0.3, 0.4], "Score")
    heights = [note.yshift for note in figure.layout.annotations if note.y == 0]
    assert heights[0] == heights[2] > heights[1] == heights[3]


def test_settings_that_matter_stand_on_top() -> None:
    (bars,) = influences({"<i>": 0.7, "b": 0.1, "c": 0.2}).data
    assert bars.y == ("b", "c", "&lt;i&gt;")
    assert bars.text == ("10%", "20%", "70%")
