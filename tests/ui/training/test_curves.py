import re
from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from skin.config import TrainConfig
from skin.run import Epoch, Run
from skin.ui.training import curves, run_snapshot
from skin.workspace import Workspace


def trained(workspace: Workspace, name: str, epochs: int = 3) -> Run:
    run = Run.create(workspace, name, TrainConfig.from_preset("demo"))
    run.write_history(
        Epoch(1, number, 2.0 / number, 0.5, 3.0 / number, 0.4, 0.3, 1e-3, 1.0, 100.0) for number in range(1, epochs + 1)
    )
    return run


def draw(workspace: Workspace, others: tuple[str, ...] = (), drawn: Any = None, **how: Any) -> Any:
    asked = {"read_only": False, "watched": "mine", "smoothing": 0.0, "log_loss": False, **how}
    snapshot = run_snapshot.take_snapshot(workspace, asked.pop("watched"))
    return curves.draw(snapshot=snapshot, others=others, last_selection=drawn, **asked)


def names(part: gr.Plot) -> set[str]:
    return set(re.findall(r'"legendgroup": ?"([^"]*)"', part.value["plot"]))


@pytest.fixture
def home(tmp_path: Path) -> Workspace:
    """A workspace with three trained runs, and one that has no epoch yet."""
    workspace = Workspace(tmp_path)
    for name in ("mine", "yours", "theirs"):
        trained(workspace, name)
    Run.create(workspace, "new", TrainConfig.from_preset("demo"))
    return workspace


def test_the_curves_of_the_watched_run_and_the_runs_to_compare_it_with(home: Workspace) -> None:
    drawn, content, others, key, figure, table = draw(home)

    assert content.visible
    assert {"yours", "theirs"} < set(dict(others.choices).values())
    assert not {"mine", "new"} & set(dict(others.choices).values())
    assert key == ""
    assert names(figure) == {"train", "validation", "best epoch (kept)", "learning rate"}
    assert "mine, best" in table
    assert "mine, last" in table
    assert drawn.watched == "mine"


def test_nothing_is_drawn_again_until_a_history_or_a_control_changes(home: Workspace) -> None:
    drawn = draw(home, ("yours",))[0]

    trained_elsewhere = Run(home.runs / "theirs")
    trained_elsewhere.log_path.write_text("A line.\n")
    assert draw(home, ("yours",), drawn) == gr.skip()
    assert draw(home, ("yours",), drawn, smoothing=0.5) != gr.skip()
    assert draw(home, ("yours",), drawn, log_loss=True) != gr.skip()
    assert draw(home, (), drawn) != gr.skip()

    Run(home.runs / "yours").append_history(Epoch(1, 4, 0.4, 0.5, 0.5, 0.4, 0.3, 1e-3, 1.0, 100.0))
    _, _, others, _, _, table = draw(home, ("yours",), drawn)
    assert others == gr.skip()
    assert "4 of stage 1" in table


def test_an_epoch_of_a_run_that_is_not_watched_reaches_the_page(home: Workspace) -> None:
    before = run_snapshot.take_snapshot(home, "mine")
    Run(home.runs / "yours").append_history(Epoch(1, 4, 0.4, 0.5, 0.5, 0.4, 0.3, 1e-3, 1.0, 100.0))

    assert run_snapshot.take_snapshot(home, "mine") != before


def test_runs_are_laid_over_each_other_and_their_table_says_the_same(home: Workspace) -> None:
    _, _, others, key, figure, table = draw(home, ("yours", "theirs"), smoothing=0.5, log_loss=True)

    assert others.value == ["yours", "theirs"]
    assert names(figure) == {"mine", "yours", "theirs"}
    assert "Dotted: train" in key
    assert "Faint" in key
    for name in ("mine", "yours", "theirs"):
        assert f"{name}, best" in table
    assert table.count("1.000") == 6  # the last and best validation loss, as measured


def test_so_many_runs_that_each_has_a_colour(home: Workspace) -> None:
    more = [f"more-{number}" for number in range(curves.MAX_OTHERS + 2)]
    for name in more:
        trained(home, name)

    assert names(draw(home, tuple(more))[4]) == {"mine", *more[: curves.MAX_OTHERS]}


@pytest.mark.parametrize(
    ("read_only", "sentence"), [(False, "The history of run &#39;yours"), (True, "The run yours is damaged")]
)
def test_a_damaged_run_is_a_sentence_and_the_others_stay(home: Workspace, read_only: bool, sentence: str) -> None:
    Run(home.runs / "yours").history_path.write_text("<b>nonsense\n")

    _, _, _, key, figure, _ = draw(home, ("yours", "theirs"), read_only=read_only)

    assert sentence in key
    assert "<b>" not in key
    assert names(figure) == {"mine", "theirs"}


def test_a_run_that_is_gone_or_has_no_epoch_leaves_the_choice(home: Workspace) -> None:
    assert draw(home, ("gone", "new", "../mine", "yours"))[2].value == ["yours"]
    assert not draw(home, watched="new")[1].visible
    assert not draw(home, watched="gone")[1].visible
