"""Figures of an experiment."""

import numpy as np
import pytest

from skin.evaluation.metrics import Estimate
from skin.plots import experiment as plots
from skin.plots.experiment import Row
from skin.run import Epoch

UNDEFINED = Estimate(np.nan, np.nan, np.nan)
RUNS = {"fold 0, seed 1": 0.5, "fold 1, seed 1": 0.7, "fold 0, seed 2": 0.6}


def row(label: str, low: float, high: float, **fields: object) -> Row:
    middle = (low + high) / 2
    return Row(label, Estimate(middle, low, high), Estimate(middle, low + 0.01, high - 0.01), **fields)  # type: ignore[arg-type]


def test_every_run_is_a_point_beside_the_pooled_figure() -> None:
    rows = [row("image", 0.5, 0.7, runs=RUNS), row("<b>", 0.6, 0.8, runs={"fold 0, seed 1": np.nan})]
    figure = plots.every_run({"accuracy": rows, "ece": [row("image", 0.0, 0.1)]})
    points, pooled, other, _, none, last = figure.data
    assert points.x == (0.5, 0.7, 0.6)
    assert points.text == tuple(f"image, {run}" for run in RUNS)
    assert points.y == pytest.approx((-plots.SPREAD, 0, plots.SPREAD))
    assert (pooled.x[0], pooled.y[0]) == (pytest.approx(0.6), 0)
    assert pooled.error_x.array[0] == pooled.error_x.arrayminus[0] == pytest.approx(0.1)
    assert other.x == (None,)
    assert none.x == ()
    assert last.yaxis == "y2"
    assert figure.layout.yaxis.ticktext == ("image", "&lt;b&gt;")
    assert [note.text for note in figure.layout.annotations] == ["Accuracy", "Calibration error"]


def test_a_mark_is_filled_where_the_difference_is_more_than_chance() -> None:
    rows = [row("sure", 0.1, 0.3, is_clear=True), row("unsure", -0.1, 0.3, runs=RUNS)]
    figure = plots.forest(rows, "Differences", "<image>", "beyond chance")
    runs, bars, marks, hollow, filled = figure.data
    assert figure.layout.xaxis.title.text == "points over &lt;image&gt;"
    assert (hollow.name, hollow.marker.symbol) == ("over lesions and seeds", "circle-open")
    assert (filled.name, filled.marker.symbol) == ("beyond chance", "circle")
    assert runs.x == (50, 70, 60)
    assert runs.y == pytest.approx((1 - plots.SPREAD, 1, 1 + plots.SPREAD))
    assert bars.x[:3] == (pytest.approx(11), pytest.approx(29), None)
    assert marks.x == (pytest.approx(20), pytest.approx(10))
    assert marks.error_x.array[0] == pytest.approx(10)
    assert marks.marker.symbol == ("circle", "circle-open")


def test_of_one_seed_no_interval_over_seeds_is_named() -> None:
    one = Estimate(0.2, 0.1, 0.3)
    bars, marks, hollow, _ = plots.forest(
        [Row("x", one, one), Row("y", UNDEFINED, UNDEFINED)], "Differences", "image", "sure"
    ).data
    assert hollow.name == "pooled"
    assert marks.x[1] is None
    assert bars.x[3:] == (None, None, None)


def history(*losses: float, stage: int = 1) -> list[Epoch]:
    return [
        Epoch(stage, number, loss, 0.5, loss, 0.5, 1 - loss, 1e-3, 1.0, 100.0) for number, loss in enumerate(losses, 1)
    ]


def test_a_curve_is_the_mean_in_a_band_and_ends_where_most_runs_have_ended() -> None:
    runs = [history(0.8, 0.6, 0.5, 0.4), history(0.6, 0.4, 0.3), history(0.7, 0.5)]
    figure = plots.learning_curves({"image": runs})
    low, high, mean = figure.data[:3]
    assert mean.x == low.x == (1, 2, 3)
    assert mean.y == (pytest.approx(0.7), pytest.approx(0.5), pytest.approx(0.4))
    assert (low.y, high.y) == ((0.6, 0.4, 0.3), (0.8, 0.6, 0.5))
    assert [trace.name for trace in figure.data if trace.showlegend is not False] == ["image (3 runs)"]


def test_each_stage_has_a_column_of_its_own() -> None:
    both = [*history(0.8, 0.6), *history(0.5, stage=2)]
    figure = plots.learning_curves({"image": [both, both], "<i>": [history(0.9)]})
    means = {trace.xaxis: trace.y for trace in figure.data if trace.name == "image (2 runs)" and trace.line.width == 2}
    assert means == {"x": (0.8, 0.6), "x2": (0.5,), "x3": (pytest.approx(0.2), pytest.approx(0.4)), "x4": (0.5,)}
    assert "&lt;i&gt; (1 run)" in {trace.name for trace in figure.data}
    titles = [title.text for title in figure.layout.annotations]
    assert max(len(line) for title in titles for line in title.split("<br>")) <= 14  # so that a phone has room for both
    assert figure.layout.xaxis4.dtick == 1


def test_without_a_history_the_figure_is_empty() -> None:
    assert list(plots.learning_curves({"image": []}).data) == []
