"""The app under attack, small: what it costs is bounded, and it answers."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from typer.testing import CliRunner

from skin.benchmark import GROUPS, STRESS, measure
from skin.cli.main import app as command_line
from skin.data.decoder import MEMORY, SIMULTANEOUS
from skin.stress import HOSTILE, Load, Visitor, beside_hostile, beside_others, growth, warm_app, watch
from skin.workspace import Workspace

pytestmark = pytest.mark.slow

SMALL = Load(predictions=12, sessions=4, others=6, hostile=5, questions=3)


def test_eight_hostile_pictures_at_once_take_the_memory_of_two() -> None:
    contents = [make() for make in HOSTILE.values()]
    with warm_app() as (app, visitor):
        attackers = [Visitor(app, content, 1 + n) for n, content in enumerate((*contents, *contents[:3]))]
        idle = app.memory()
        with watch(app) as peaks, ThreadPoolExecutor(8) as threads:
            answers = list(threads.map(Visitor.ask, attackers))
        assert visitor.wait() > 0
        past_the_queue = visitor.client.post("/run/predict", json=visitor.question)
    assert peaks[-1] - idle < SIMULTANEOUS * MEMORY + 100_000_000
    assert past_the_queue.status_code == 404
    answer = dict(zip(HOSTILE, answers, strict=False))
    assert "2,010 scans" in answer["scans.jpg"]
    assert "more memory or time" in answer["tags.tif"]
    assert all("probabilities" in answer[name] for name in ("passes.jpg", "large.jpg", "large.png"))


@pytest.mark.exhaustive
@pytest.mark.parametrize("measured", [beside_others, beside_hostile])
def test_a_visitor_is_answered_beside_others_and_beside_hostile_pictures(measured: object) -> None:
    assert measured(SMALL) > 0


@pytest.mark.exhaustive
def test_growth_is_measured_over_sessions() -> None:
    assert abs(growth(SMALL)) < 500


def test_a_group_of_benchmarks_that_is_not_there_is_named() -> None:
    done = CliRunner().invoke(command_line, ["benchmark", "pressure"])
    assert done.exit_code == 2
    assert all(name in done.stderr for name in GROUPS)


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", STRESS)
def test_every_stress_gives_a_figure(name: str, workspace: Workspace) -> None:
    assert measure(name, workspace).value < 10_000
