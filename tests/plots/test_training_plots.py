import pytest

from skin.plots.training import MAX_POINTS, history_figure
from skin.run import Epoch


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
    assert {trace.yaxis for trace in figure.data} == {"y", "y2"}


def test_the_line_stands_where_stage_2_begins() -> None:
    assert [shape.x0 for shape in history_figure(history(3, 2)).layout.shapes] == [3.5, 3.5]
    assert not history_figure(history(3, 0)).layout.shapes


def test_the_best_epoch_is_marked() -> None:
    marks = [trace for trace in history_figure(history(3, 2)).data if trace.mode == "markers"]

    assert [list(mark.x) for mark in marks] == [[4], [4]]


def test_a_long_history_is_thinned_but_keeps_its_ends_and_its_best() -> None:
    x = list(history_figure(history(700, 300)).data[0].x)

    assert len(x) <= MAX_POINTS
    assert {1, 999, 1000} <= set(x)


def test_no_history_is_an_empty_figure() -> None:
    assert all(len(trace.x) == 0 for trace in history_figure([]).data)
