"""The benchmarks measure something; what it is on a given machine is no test."""

import pytest

from skin.benchmark import BENCHMARKS, measure
from skin.data.dataset import Dataset
from skin.workspace import Workspace

pytestmark = pytest.mark.slow


def test_the_pixel_cache_is_faster_than_decoding(shared_workspace: Workspace, demo: Dataset) -> None:
    assert demo.images
    assert measure("pixels", shared_workspace).value > 1


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", BENCHMARKS)
def test_every_benchmark_gives_a_positive_figure(name: str, shared_workspace: Workspace) -> None:
    assert measure(name, shared_workspace).value > 0
