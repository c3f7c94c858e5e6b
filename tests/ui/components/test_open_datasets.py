import pandas as pd
import pytest
from gradio.utils import deep_hash

from skin.data.dataset import Dataset
from skin.errors import UserError
from skin.patient import UNKNOWN
from skin.ui.components.open_datasets import OpenDataset, OpenDatasets
from skin.ui.dataset.filters import DatasetView, Filters, NumberRange
from skin.workspace import Workspace

FRAME = pd.DataFrame(
    [
        ("nv", "female", "back", 20.0, "histo", "vienna"),
        ("nv", "male", "face", 40.0, "follow_up", ""),
        ("mel", "unknown", "unknown", float("nan"), "", ""),
    ],
    columns=["diagnosis", "sex", "site", "age", "confirmed_by", "source"],
)


@pytest.mark.parametrize(
    ("filters", "rows"),
    [
        (Filters(), [0, 1, 2]),
        (Filters({"diagnosis": ("nv",)}), [0, 1]),
        (Filters({"sex": ("male", "unknown")}), [1, 2]),
        (Filters({"site": ("unknown",)}), [2]),
        (Filters({"confirmed_by": ("follow_up", UNKNOWN)}), [1, 2]),
        (Filters({"source": ("vienna",)}), [0]),
        (Filters({"source": (UNKNOWN,), "sex": ("male",)}), [1]),
        (Filters(ranges={"age": NumberRange(20, 39)}), [0, 2]),
        (Filters(ranges={"age": NumberRange(20, 39, unknown=False)}), [0]),
        (Filters({"diagnosis": ("nv",), "sex": ("female",)}, {"age": NumberRange(0, 19)}), []),
    ],
)
def test_filters_work_together(filters: Filters, rows: list[int]) -> None:
    assert list(filters.select(FRAME).index) == rows


def test_a_look_through_other_filters_is_another_state() -> None:
    views = [
        DatasetView("demo"),
        DatasetView("demo", filters=Filters({"sex": ("male",)})),
        DatasetView("demo", filters=Filters(ranges={"age": NumberRange(1, 2)})),
    ]
    assert len({deep_hash(view) for view in views}) == len(views)
    assert deep_hash(DatasetView("demo", filters=Filters({}))) == deep_hash(views[0])


def test_a_search_reaches_every_image_by_every_column(demo: Dataset) -> None:
    texts = OpenDataset(demo).texts

    assert len(texts) == len(demo.images)
    assert texts.notna().all()
    assert texts.str.contains("melanoma").sum() == sum(image.diagnosis == "mel" for image in demo.images)
    assert texts.str.contains(demo.images[5].image_id.lower()).sum() == 1


def test_a_shelf_shares_what_is_open_and_reads_again_what_had_to_go(shared_workspace: Workspace, demo: Dataset) -> None:
    open_datasets = OpenDatasets(shared_workspace, size=1)
    opened = open_datasets.open("demo")
    folder = str(demo.images[0].path.parent.parent)

    assert open_datasets["demo"] is opened
    open_datasets.open(folder)
    assert open_datasets["demo"] is not opened
    assert len(open_datasets["demo"].frame) == len(demo.images)


def test_nothing_is_seen_before_a_data_set_is_open(shared_workspace: Workspace) -> None:
    assert DatasetView().rows(OpenDatasets(shared_workspace)).empty


def test_a_folder_that_went_away_is_a_sentence(workspace: Workspace) -> None:
    with pytest.raises(UserError):
        DatasetView(str(workspace.home / "gone")).rows(OpenDatasets(workspace))
