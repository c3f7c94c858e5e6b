"""Figures of a sweep."""

import pytest

from skin.plots.sweep import Axis, influences, parallel_coordinates


def test_each_setting_is_an_axis_and_the_score_is_the_last() -> None:
    axes = [
        Axis("Learning <rate>", [1e-4, 1e-2]),
        Axis("Dropout", [0.1, 0.3]),
        Axis("Backbone", ["b", "a"]),
        Axis("Flips", [True, False]),
    ]
    (trace,) = parallel_coordinates(axes, [0.5, 0.7], "Score").data
    rate, dropout, backbone, flips, score = trace.dimensions
    assert rate["label"] == "Learning &lt;rate&gt;"
    assert rate["values"] == pytest.approx((-4, -2))
    assert (rate.ticktext[0], rate.ticktext[-1]) == ("0.0001", "0.01")
    assert dropout["values"] == (0.1, 0.3)
    assert (backbone["values"], backbone.ticktext) == ((1, 0), ("a", "b"))
    assert (flips["values"], flips.ticktext) == ((1, 0), ("False", "True"))
    assert score["values"] == trace.line.color == (0.5, 0.7)


def test_settings_that_matter_stand_on_top() -> None:
    (bars,) = influences({"<i>": 0.7, "b": 0.1, "c": 0.2}).data
    assert bars.y == ("b", "c", "&lt;i&gt;")
    assert bars.text == ("10%", "20%", "70%")
