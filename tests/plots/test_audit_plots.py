"""Figures of an audit: what they draw is what was measured."""

import numpy as np

from skin.evaluation.metrics import Estimate
from skin.plots.audit import dots, level_curves

ONE, TWO, NONE = Estimate(0.8, 0.7, 0.85), Estimate(0.5, 0.4, 0.7), Estimate(np.nan, np.nan, np.nan)


def test_curves_have_a_point_with_its_interval_at_each_level() -> None:
    figure = level_curves("Blur", "of the side", ["0%", "1%", "2%"], {"Accuracy": [ONE, TWO, NONE], "Other": [TWO] * 3})
    accuracy, other = figure.data
    assert accuracy.x == ("0%", "1%", "2%")
    assert accuracy.y == (0.8, 0.5, None)
    assert np.allclose(accuracy.error_y.array[:2], [0.05, 0.2])
    assert np.allclose(accuracy.error_y.arrayminus[:2], [0.1, 0.1])
    assert (accuracy.line.dash, accuracy.marker.symbol) != (other.line.dash, other.marker.symbol)
    assert figure.layout.xaxis.type == "category"  # or plotly would take "5" and "10" for numbers


def test_dots_have_a_row_for_each_group_and_a_mark_for_each_series() -> None:
    figure = dots("Groups", "share", {"<b>old</b>": {"Sensitivity": ONE}, "young": {"Sensitivity": NONE}})
    (found,) = figure.data
    assert found.y == ("&lt;b&gt;old&lt;/b&gt;", "young")
    assert found.x == (0.8, None)
    assert np.allclose(found.error_x.array[:1], [0.05])
    assert not figure.layout.showlegend
