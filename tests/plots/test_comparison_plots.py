"""Figures of several runs beside each other."""

import numpy as np
from ham import CODES

from skin.evaluation.metrics import METRICS, Estimate
from skin.evaluation.predictions import Predictions
from skin.evaluation.report import evaluate
from skin.plots import comparison as plots
from skin.run import Epoch


def epoch(stage: int, number: int, loss: float) -> Epoch:
    return Epoch(stage, number, loss, 0.5, loss, 1 - loss, 0.5, 1e-3, 1.0, 100.0)


def test_a_mark_is_filled_where_the_interval_leaves_out_zero() -> None:
    sure, unsure = Estimate(0.1, 0.05, 0.15), Estimate(0.1, -0.05, 0.25)
    row = dict.fromkeys(METRICS, unsure) | {"accuracy": sure, "ece": Estimate(np.nan, np.nan, np.nan)}
    trace = plots.difference_intervals({"b": row}).data[0]
    assert trace.x[0] == 10
    assert trace.error_x.array[0] == trace.error_x.arrayminus[0] == 5
    assert trace.marker.symbol[:2] == ("circle", "circle-open")
    assert trace.x[list(METRICS).index("ece")] is None


def test_each_run_has_its_bars() -> None:
    ids = tuple("abcdefg")
    reports = {
        "right": evaluate(Predictions(ids, ids, np.arange(7), np.eye(7, dtype=np.float32))),
        "wrong": evaluate(Predictions(ids, ids, np.arange(7), np.roll(np.eye(7, dtype=np.float32), 1, axis=0))),
    }
    bars = {trace.name: trace for trace in plots.class_f1_by_run(reports).data}
    assert bars["right"].x == CODES
    assert set(bars["right"].y) == {1}
    assert set(bars["wrong"].y) == {0}
    assert bars["right"].marker.pattern.shape != bars["wrong"].marker.pattern.shape


def test_histories_show_a_line_a_run_and_where_stage_2_begins() -> None:
    history = [epoch(1, 1, 0.9), epoch(1, 2, 0.8), epoch(2, 1, 0.4)]
    loss, accuracy, other, _ = plots.histories({"a": history, "b": history[:1]}).data
    assert loss.y == (0.9, 0.8, 0.4)
    assert accuracy.y == tuple(1 - loss for loss in (0.9, 0.8, 0.4))
    assert np.flatnonzero(loss.marker.size).tolist() == [2]
    assert other.name == "b"
    assert not np.any(other.marker.size)
