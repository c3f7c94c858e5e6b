import plotly.graph_objects as go
import pytest

from skin.plots.training import FAINT, MAX_POINTS, CurveStyle, histories_figure, history_figure, smoothed
from skin.run import Epoch
from skin.theme import RUN_COLOURS


def history(stage1: int, stage2: int) -> list[Epoch]:
    """Losses that fall until the last epoch but one, of both stages."""
    numbered = [(1, number) for number in range(1, stage1 + 1)] + [(2, number) for number in range(1, stage2 + 1)]
    last = len(numbered) - 1
    return [
        Epoch(stage, number, 2.0, 0.5, 3.0 - index / 1000 + (index == last), 0.4, 0.3, 1e-3, 1.0, 100.0)
        for index, (stage, number) in enumerate(numbered)
    ]


def test_loss_and_accuracy_of_both_parts_by_epoch() -> None:
    figure = history_figure(history(3, 2))

    train, validation = figure.data[0], figure.data[1]
    assert (train.name, validation.name) == ("train", "validation")
    assert list(train.x) == [1, 2, 3, 4, 5]
    assert list(train.y) == [2.0] * 5
    assert list(validation.y) == pytest.approx([3.0, 2.999, 2.998, 2.997, 3.996])
    assert {trace.yaxis for trace in figure.data} == {"y", "y2", "y3", "y4"}


def test_the_line_stands_where_stage_2_begins() -> None:
    assert [shape.x0 for shape in history_figure(history(3, 2)).layout.shapes] == [3.5] * 4
    assert not history_figure(history(3, 0)).layout.shapes


def test_the_best_epoch_is_marked() -> None:
    marks = [trace for trace in history_figure(history(3, 2)).data if trace.mode == "markers"]

    assert [list(mark.x) for mark in marks] == [[4], [4], [4]]


def test_a_long_history_is_thinned_but_keeps_its_ends_and_its_best() -> None:
    x = list(history_figure(history(700, 300)).data[0].x)

    assert len(x) <= MAX_POINTS
    assert {1, 999, 1000} <= set(x)


def test_no_history_is_an_empty_figure() -> None:
    assert all(len(trace.x) == 0 for trace in history_figure([]).data)


def curves(figure: go.Figure, axis: str) -> dict[str, go.Scatter]:
    """The sharp curves of a panel by their names."""
    return {t.name: t for t in figure.data if t.yaxis == axis and t.mode != "markers" and t.opacity is None}


def test_the_balanced_accuracy_and_the_learning_rate_have_curves() -> None:
    epochs = [Epoch(1, number, 2.0, 0.5, 3.0, 0.4, 0.1 * number, 1e-3 / number, 1.0, 100.0) for number in (1, 2, 3)]
    figure = history_figure(epochs)

    assert [axis.title.text for axis in figure.select_yaxes()][2:] == ["balanced acc.", "learning rate"]
    assert list(curves(figure, "y3")["validation"].y) == [epoch.val_balanced_accuracy for epoch in epochs]
    assert list(curves(figure, "y4")["learning rate"].y) == [epoch.learning_rate for epoch in epochs]


def test_smoothing_is_the_debiased_moving_average() -> None:
    # By hand, with weight 0.6: 0.4 * 4 / 0.4; (0.6 * 1.6 + 0.4 * 2) / (1 - 0.36); (0.6 * 1.76 + 0.4 * 1) / (1 - 0.216)
    assert smoothed([4.0, 2.0, 1.0], 0.6) == pytest.approx([4.0, 1.76 / 0.64, 1.456 / 0.784])
    assert smoothed([4.0, 2.0, 1.0], 0.0) == [4.0, 2.0, 1.0]
    assert smoothed([0.7] * 50, 0.95) == pytest.approx([0.7] * 50)


def test_what_was_measured_stands_faintly_behind_what_is_smoothed() -> None:
    epochs = history(3, 2)
    figure = history_figure(epochs, CurveStyle(smoothing=0.6))
    measured = [epoch.val_loss for epoch in epochs]

    faint = next(t for t in figure.data if t.opacity == FAINT and t.line.dash == "solid")
    sharp = curves(figure, "y")["validation"]
    assert list(faint.y) == measured
    assert list(sharp.y) == pytest.approx(smoothed(measured, 0.6))
    assert figure.data.index(faint) < figure.data.index(sharp)
    assert not any(t.opacity == FAINT for t in figure.data if t.yaxis == "y4")
    assert not any(t.opacity for t in history_figure(epochs).data)


def test_a_long_history_is_smoothed_before_it_is_thinned() -> None:
    epochs = history(700, 300)
    last = smoothed([epoch.val_loss for epoch in epochs], 0.9)[-1]

    assert curves(history_figure(epochs, CurveStyle(smoothing=0.9)), "y")["validation"].y[-1] == pytest.approx(last)


def test_only_the_loss_has_a_log_axis_and_its_zoom_is_not_carried_over() -> None:
    linear, log = (list(history_figure(history(3, 2), CurveStyle(log_loss=on)).select_yaxes()) for on in (False, True))

    assert [axis.type for axis in log] == ["log", None, None, None]
    assert linear[0].type == "linear"
    assert linear[0].uirevision != log[0].uirevision
    assert linear[1:] == log[1:]


def test_runs_laid_over_each_other_have_a_colour_each_and_train_is_dotted() -> None:
    figure = histories_figure({"a": history(3, 2), "<b>": history(2, 0)})

    loss = curves(figure, "y")
    assert list(loss) == ["a (train)", "a", "&lt;b&gt; (train)", "&lt;b&gt;"]
    assert [trace.line.dash for trace in loss.values()] == ["dot", "solid"] * 2
    assert [trace.line.color for trace in loss.values()] == [RUN_COLOURS[i] for i in (0, 0, 1, 1)]
    assert [len(trace.x) for trace in loss.values()] == [5, 5, 2, 2]
    assert [trace.name for trace in figure.data if trace.showlegend] == ["a", "&lt;b&gt;"]
    assert {trace.yaxis for trace in figure.data if trace.legendgroup == "&lt;b&gt;"} == {"y", "y2", "y3", "y4"}
    diamonds = [trace for trace in figure.data if trace.marker.symbol == "diamond"]
    assert [(trace.legendgroup, list(trace.x)) for trace in diamonds] == [("a", [4])]
