"""What holds for every row of WORKERS, and what becomes of a worker that is killed."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from answering import Doubler

from skin.engines import workers
from skin.engines.resources import Resources
from skin.errors import UsageError, UserError

For = Callable[[str], Resources]


@pytest.fixture
def two_for(request: pytest.FixtureRequest) -> For:
    """Two workers of this engine."""

    def chosen(engine: str) -> Resources:
        return Resources(parallel=2, address=request.getfixturevalue("ray_address") if engine == "ray" else "")

    return chosen


@pytest.mark.parametrize("engine", workers.WORKERS)
def test_every_item_is_answered_once_by_workers_that_made_their_function_once(
    engine: str, two_for: For, tmp_path: Path
) -> None:
    answered = list(workers.answers(engine, Doubler(tmp_path), range(12), two_for(engine)))

    assert sorted(double for double, _ in answered) == list(range(0, 24, 2))
    pids = {pid for _, pid in answered}
    assert os.getpid() not in pids
    assert pids <= {int(made.name.removeprefix("made-by-")) for made in tmp_path.iterdir()}
    assert len(list(tmp_path.iterdir())) <= 2


@pytest.mark.parametrize("engine", workers.WORKERS)
def test_what_a_worker_refuses_is_told_as_it_said_it(engine: str, two_for: For, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="13 cannot be doubled: give another number"):
        list(workers.answers(engine, Doubler(tmp_path), range(20), two_for(engine)))


def test_one_local_worker_is_this_process(tmp_path: Path) -> None:
    assert list(workers.answers("local", Doubler(tmp_path), [3], Resources())) == [(6, os.getpid())]


def test_a_local_worker_that_is_killed_ends_all_in_a_sentence(two_for: For, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="A worker was killed, perhaps for want of memory"):
        list(workers.answers("local", Doubler(tmp_path), [1, 666, 2], two_for("local")))


@pytest.mark.slow
def test_ray_replaces_a_worker_that_is_killed(two_for: For, tmp_path: Path) -> None:
    answered = list(workers.answers("ray", Doubler(tmp_path), [1, 666, 2], two_for("ray")))
    assert (tmp_path / "killed").exists()
    assert sorted(double for double, _ in answered) == [2, 4, 1332]


@pytest.mark.slow
def test_what_a_worker_fails_at_is_a_sentence(two_for: For, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"A worker of the Ray cluster failed: TypeError: unsupported operand"):
        list(workers.answers("ray", Doubler(tmp_path), [None], two_for("ray")))


@pytest.mark.slow
def test_a_folder_that_a_node_does_not_see_is_a_sentence(two_for: For, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"The node .* does not see .*/nowhere: use a --home"):
        list(workers.answers("ray", Doubler(tmp_path / "nowhere"), [1], two_for("ray")))


@pytest.mark.parametrize(
    ("address", "sentence"),
    [
        ("ray://127.0.0.1:10001", "Ray Data does not work through ray://127.0.0.1:10001"),
        ("127.0.0.1:1", "No Ray cluster answers at 127.0.0.1:1"),
    ],
)
def test_an_address_that_will_not_do_is_a_sentence(address: str, sentence: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=sentence):
        list(workers.answers("ray", Doubler(tmp_path), [1], Resources(address=address)))


def test_without_ray_a_sentence_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UserError, match=r"The engine ray needs Ray: run `pip install 'ray\[client,data\]"):
        list(workers.answers("ray", Doubler(tmp_path), [1], Resources()))


def test_an_engine_without_workers_is_refused() -> None:
    with pytest.raises(UsageError, match="Images are predicted on local or ray, not on 'slurm'"):
        workers.check_engine("slurm")
