import pandas as pd
import pytest
from gradio.utils import deep_hash

from skin.data.dataset import Dataset
from skin.errors import UserError
from skin.patient import UNKNOWN
from skin.ui.selection import Filters, Look, Opened, Range, Shelf
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
        (Filters(ranges={"age": Range(20, 39)}), [0, 2]),
        (Filters(ranges={"age": Range(20, 39, unknown=False)}), [0]),
        (Filters({"diagnosis": ("nv",), "sex": ("female",)}, {"age": Range(0, 19)}), []),
    ],
)
def test_filters_work_together(filters: Filters, rows: list[int]) -> None:
    assert list(filters.select(FRAME).index) == rows


def test_a_look_through_other_filters_is_another_state() -> None:
    looks = [
        Look("demo"),
        Look("demo", filters=Filters({"sex": ("male",)})),
        Look("demo", filters=Filters(ranges={"age": Range(1, 2)})),
    ]
    assert len({deep_hash(look) for look in looks}) == len(looks)
    assert deep_hash(Look("demo", filters=Filters({}))) == deep_hash(looks[0])


def test_a_search_reaches_every_image_by_every_column(demo: Dataset) -> None:
    texts = Opened(demo).texts

    assert len(texts) == len(demo.images)
    assert texts.notna().all()
    assert texts.str.contains("melanoma").sum() == sum(image.diagnosis == "mel" for image in demo.images)
    assert texts.str.contains(demo.images[5].image_id.lower()).sum() == 1


def test_a_shelf_shares_what_is_open_and_reads_again_what_had_to_go(shared_workspace: Workspace, demo: Dataset) -> None:
    shelf = Shelf(shared_workspace, size=1)
    opened = shelf.open("demo")
    folder = str(demo.images[0].path.parent.parent)

    assert shelf["demo"] is opened
    shelf.open(folder)
    assert shelf["demo"] is not opened
    assert len(shelf["demo"].frame) == len(demo.images)


def test_nothing_is_seen_before_a_data_set_is_open(shared_workspace: Workspace) -> None:
    assert Shelf(shared_workspace).selected(Look()).empty


def test_a_folder_that_went_away_is_a_sentence(workspace: Workspace) -> None:
    with pytest.raises(UserError):
        Shelf(workspace).selected(Look(str(workspace.home / "gone")))
