"""What many runs and many images cost, small: it is measured, and what it is on a given machine is no test."""

import pytest

from skin import scale
from skin.data.dataset import Dataset
from skin.scale import Size
from skin.workspace import Workspace

RUN = {"image_size": 32, "stage1_epochs": 1, "stage2_epochs": 0}
SMALL = Size(demo=RUN, stage_2={"image_size": 32, "stage2_epochs": 1}, images=6, few=2, many=4)


@pytest.mark.slow
def test_a_second_run_starts_before_the_first_would(demo: Dataset, shared_workspace: Workspace) -> None:
    assert demo.images
    assert scale.second_start(shared_workspace, SMALL) > 1


@pytest.mark.slow
@pytest.mark.parametrize("measured", [scale.cost_per_image, scale.scoring("local")])
def test_images_are_measured(demo: Dataset, shared_workspace: Workspace, measured: object) -> None:
    assert demo.images
    assert measured(shared_workspace, SMALL) > 0


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    "measured", [scale.stage_2_at_once, scale.presets_at_once, scale.ray_run, scale.scoring("ray")]
)
def test_runs_are_measured(demo: Dataset, shared_workspace: Workspace, measured: object) -> None:
    assert demo.images
    assert abs(measured(shared_workspace, SMALL)) > 0
