import os
from pathlib import Path
from typing import Any

import gradio as gr
import httpx
import pandas as pd
import pytest

from skin.data.dataset import Dataset
from skin.data.datasets import DATASETS
from skin.errors import UsageError
from skin.ui import dataset_tab as tab
from skin.ui import folders
from skin.ui.page import Page
from skin.ui.selection import Filters, Look, Range, Shelf
from skin.workspace import Workspace


@pytest.fixture
def shelf(shared_workspace: Workspace, demo: Dataset) -> Shelf:
    shelf = Shelf(shared_workspace)
    shelf.open(demo.name)
    return shelf


@pytest.fixture
def kaggle(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Where Kaggle's download would lie: there is none."""
    monkeypatch.setenv("KAGGLEHUB_CACHE", str(tmp_path / "kaggle"))
    return tmp_path / "kaggle"


def open_dataset(shelf: Shelf, choice: str, folder: str = "", read_only: bool = False) -> list[Any]:
    return tab.open_dataset(shelf, read_only, "Figures", choice, folder)


def skipped(values: list[Any]) -> list[bool]:
    return [value == gr.skip() for value in values]


def test_opening_shows_the_data_set_through_no_filters(shelf: Shelf) -> None:
    problem, about, *filters, panel, figures, images, table, classes, splits = open_dataset(shelf, "demo")
    diagnosis, sex, site, *spare, _, _, youngest, oldest, unknown_age, _, _, _ = filters

    assert not problem.visible
    assert "Synthetic" in about
    assert [part.value for part in (diagnosis, sex, site, youngest, oldest, unknown_age)] == [[], [], [], 0, 120, True]
    assert not any(part.visible for part in spare)
    assert panel == figures
    assert (panel.name, panel.filters) == ("demo", Filters())
    assert all(skipped([images, table, classes, splits]))


@pytest.mark.parametrize(
    ("choice", "folder", "read_only", "said"),
    [
        ("folder", "", False, "Type the path"),
        ("folder", "/no/such/folder", False, "neither a data set nor a folder"),
        ("folder", "/tmp", True, "python app.py"),
        ("/tmp", "", True, "python app.py"),
        ("kaggle", "", True, "downloads nothing from Kaggle. On your own machine you can: python app.py."),
    ],
)
@pytest.mark.usefixtures("kaggle")
def test_what_cannot_be_opened_is_said_and_the_last_data_set_stays(
    shelf: Shelf, choice: str, folder: str, read_only: bool, said: str
) -> None:
    problem, *rest = open_dataset(shelf, choice, folder, read_only)

    assert said in problem.value
    assert 'role="alert"' in problem.value
    assert all(skipped(rest))


@pytest.mark.parametrize("read_only", [False, True])
def test_the_demo_data_are_open_when_the_tab_is_first_shown(shelf: Shelf, read_only: bool) -> None:
    _, about, *_ = tab.open_first(shelf, read_only, "Figures", Look())
    assert "Synthetic" in about

    assert all(skipped(tab.open_first(shelf, read_only, "Figures", Look("/a/folder"))))


def test_what_a_visitor_opens_comes_after_the_data_set_that_opens_by_itself(workspace: Workspace) -> None:
    outputs = 3 + tab.N_FILTERS + len(tab.SECTIONS)
    opening = [fn for fn in page(workspace).fns.values() if len(fn.outputs) == outputs]

    assert len(opening) == 2
    assert {(fn.concurrency_id, fn.concurrency_limit) for fn in opening} == {("open_dataset", 1)}


def test_confirmation_and_source_are_filters_where_they_are_known(shelf: Shelf) -> None:
    confirmed, source = open_dataset(shelf, "demo")[3 + tab.CHOICES : 5 + tab.CHOICES]

    assert confirmed.visible
    assert ("follow up", "follow_up") in confirmed.choices
    assert not source.visible  # the demo data names none


def test_the_selected_image_is_sent_to_the_predict_tab() -> None:
    image_id, button = tab.select_image(["a", "b"], gr.SelectData(None, {"index": 1, "value": None}))
    sent, tabs = tab.send(Look("demo"), image_id)

    assert button.interactive
    assert (sent.dataset, sent.image_id, tabs.selected) == ("demo", "b", "predict")


def test_a_folder_is_opened_by_its_path(shelf: Shelf, demo: Dataset) -> None:
    folder = str(demo.images[0].path.parent.parent)

    look = open_dataset(shelf, "folder", f" {folder} ")[2 + tab.N_FILTERS]

    assert look.name == folder
    assert len(shelf.selected(look)) == len(demo.images)


def test_a_folder_is_remembered_and_what_was_refused_is_not(workspace: Workspace, demo: Dataset) -> None:
    folder, shelf = str(demo.images[0].path.parents[1]), Shelf(workspace)

    open_dataset(shelf, "folder", folder, read_only=True)
    open_dataset(shelf, folder, "", read_only=True)
    open_dataset(shelf, "folder", str(workspace.home))
    assert folders.remembered(workspace) == []

    open_dataset(shelf, "folder", folder)
    assert folders.remembered(Workspace(workspace.home)) == [folder]


NO_RANGE = (0, 1, True)


def test_filters_reach_the_panel_and_the_section_that_is_shown(shelf: Shelf) -> None:
    spare: list[list[str]] = [[]] * (tab.CHOICES - 2)
    values = [["mel"], [], ["back"], *spare, ["histo"], [], 20, 60, False, *NO_RANGE]
    panel, *sections = tab.apply_filters(shelf, Look("demo"), "Table", *values)

    chosen = {"diagnosis": ("mel",), "site": ("back",), "confirmed_by": ("histo",)}
    assert panel == Look("demo", 0.0, Filters(chosen, {"age": Range(20, 60, False)}))
    assert sections[list(tab.SECTIONS).index("Table")] == panel
    assert sum(skipped(sections)) == len(tab.SECTIONS) - 1
    *filters, look = tab.reset_filters(shelf, panel, "Table")[: tab.N_FILTERS + 1]
    assert look == Look("demo")
    assert filters[0].value == []


def test_impossible_filters_are_refused(shelf: Shelf) -> None:
    with pytest.raises(UsageError, match="No age lies between 60 and 20"):
        tab.apply_filters(shelf, Look("demo"), "Figures", None, *[[]] * (tab.CHOICES + 2), 60, 20, True, *NO_RANGE)


@pytest.mark.parametrize("choice", DATASETS)
def test_every_source_is_explained(choice: str) -> None:
    radio, folder = tab.explain(choice)

    assert radio.info == DATASETS[choice].description
    assert folder.visible == (choice == "folder")


def test_where_nothing_fits_a_hint_replaces_the_panel(shelf: Shelf) -> None:
    filters, hint, content, headline = tab.describe(
        shelf, Look("demo", filters=Filters(ranges={"age": Range(119, 120, unknown=False)}))
    )

    assert filters.visible
    assert hint.visible
    assert "reset" in hint.value
    assert not content.visible
    assert skipped([headline]) == [True]


@pytest.mark.parametrize("section", ["draw", "show_images", "show_table", "show_classes", "show_tables"])
def test_sections_bear_an_empty_selection(shelf: Shelf, section: str) -> None:
    nothing = Look("demo", filters=Filters(ranges={"age": Range(119, 120, unknown=False)}))
    inputs = {"draw": ("images",), "show_images": (0,), "show_table": ("",), "show_classes": (), "show_tables": ()}

    getattr(tab, section)(shelf, nothing, *inputs[section])


def test_all_figures_are_of_the_filtered_images(shelf: Shelf) -> None:
    look = Look("demo", filters=Filters({"diagnosis": ("df",)}))
    drawn = tab.draw(shelf, look, "images")
    legend, *drawn, heat_map = drawn
    bars, figures = drawn[: len(tab.BARS)], drawn[len(tab.BARS) :]

    images = sum(image.diagnosis == "df" for image in shelf["demo"].dataset.images)
    assert f"{images} <small>100.0%" in bars[0].value
    assert "Melanoma" in legend
    assert heat_map.visible
    assert [figure.visible for figure in figures] == [True, True, True, False]  # the demo data names no source


def test_the_gallery_turns_its_pages_over_all_images_once(shelf: Shelf, demo: Dataset) -> None:
    look, page, captions = Look("demo"), 0, set()
    pages = -(-len(demo.images) // tab.THUMBNAILS)

    for number in range(pages):
        images, title, page, ids, _ = tab.show_images(shelf, look, page, step=1 if number else 0)
        assert all(shown in caption for shown, (_, caption) in zip(ids, images, strict=True))
        captions |= {caption for _, caption in images}
        assert page == number

    assert len(captions) == len(demo.images)
    assert title.endswith(f"to {len(demo.images)} of {len(demo.images)}, in mixed order")
    assert tab.show_images(shelf, look, page, step=1)[2] == pages - 1
    assert tab.show_images(shelf, look, 0, step=-1)[2] == 0
    assert tab.show_images(shelf, look, page)[2] == 0


def test_thumbnails_are_small_and_captioned(shelf: Shelf) -> None:
    images, *_ = tab.show_images(shelf, Look("demo", filters=Filters({"diagnosis": ("mel",)})), 0)

    for thumbnail, caption in images:
        assert thumbnail.width <= tab.THUMBNAIL_SIZE[0]
        assert thumbnail.height <= tab.THUMBNAIL_SIZE[1]
        assert caption.startswith("Melanoma (synthetic)")


def test_the_table_is_searched_and_all_of_it_downloaded(shelf: Shelf, demo: Dataset) -> None:
    rows, title, file = tab.show_table(shelf, Look("demo"), "")
    assert (len(rows), len(pd.read_csv(file))) == (tab.TABLE_ROWS, len(demo.images))
    assert title.startswith(f"{len(demo.images)} found")
    assert "synthetic" in Path(file).name

    rows, title, file = tab.show_table(shelf, Look("demo"), " DEMO_0000007 ")
    assert rows["image_id"].tolist() == ["DEMO_0000007"]
    assert list(pd.read_csv(file)) == shelf["demo"].columns

    rows, title, file = tab.show_table(shelf, Look("demo"), "(.*")
    assert (len(rows), title) == (0, "0 found, all shown")


def test_splits_stand_side_by_side_with_their_leak(shelf: Shelf) -> None:
    by_lesion, no_leak, by_image, leak = tab.show_splits(shelf, Look("demo"), 42)

    assert "Split by lesion" in by_lesion
    assert "None of the" in by_lesion
    assert "Split by image" in by_image
    assert "show a lesion of the training part" in by_image
    assert no_leak.visible
    assert leak.visible


def test_a_split_that_cannot_be_made_says_why(shelf: Shelf, tmp_path: Path, demo: Dataset) -> None:
    images = tmp_path / "images"
    images.mkdir()
    first = demo.images[0]
    (images / first.path.name).write_bytes(first.path.read_bytes())
    table = pd.DataFrame([{"lesion_id": "L", "image_id": first.image_id, "dx": first.diagnosis}])
    table.to_csv(tmp_path / "HAM10000_metadata.csv", index=False)
    shelf.open(str(tmp_path))

    by_lesion, no_figure, *_ = tab.show_splits(shelf, Look(str(tmp_path)), 42)

    assert "too few lesions" in by_lesion
    assert not no_figure.visible


@pytest.mark.parametrize("seed", [None, -1, 1.5, 2**32, float("nan"), float("inf")])
def test_an_impossible_seed_is_refused(shelf: Shelf, seed: float | None) -> None:
    with pytest.raises(UsageError, match="whole number"):
        tab.show_splits(shelf, Look("demo"), seed)


def page(workspace: Workspace, read_only: bool = False) -> gr.Blocks:
    with gr.Blocks() as blocks:
        opened, timer, sent = gr.State(""), gr.Timer(active=False), gr.State()
        with gr.Tabs() as tabs, gr.Tab("Dataset"):
            tab.build(Page(workspace, read_only, blocks, tabs, opened, timer, sent))
    return blocks


@pytest.mark.usefixtures("kaggle")
@pytest.mark.parametrize(("read_only", "keys"), [(False, list(DATASETS)), (True, ["demo"])])
def test_a_read_only_page_offers_what_costs_nothing_and_says_where_there_is_more(
    workspace: Workspace, read_only: bool, keys: list[str]
) -> None:
    blocks = page(workspace, read_only).blocks.values()
    radio = next(block for block in blocks if isinstance(block, gr.Radio) and block.label == "Data set")

    assert [key for _, key in radio.choices] == keys
    assert any(isinstance(block, gr.HTML) and "python app.py" in str(block.value) for block in blocks) == read_only


@pytest.mark.parametrize("choice", ["kaggle", "folder"])
def test_no_call_of_a_stranger_starts_the_download(
    url: str, kaggle: Path, monkeypatch: pytest.MonkeyPatch, choice: str
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")  # no test downloads 5 GB, whatever it finds
    config = httpx.get(f"{url}config").json()
    opens = next(block["id"] for block in config["components"] if block["props"].get("value") == "Open")
    (call,) = (row["id"] for row in config["dependencies"] if [opens, "click"] in row["targets"])
    body = {"data": [None, choice, str(kaggle)], "fn_index": call, "session_hash": "stranger"}
    httpx.post(f"{url}gradio_api/queue/join", json=body).raise_for_status()
    with httpx.stream("GET", f"{url}gradio_api/queue/data?session_hash=stranger", timeout=60) as stream:
        said = next(line for line in stream.iter_lines() if "process_completed" in line)

    assert '"success":false' in said or "python app.py" in said
    assert not kaggle.exists()


def test_nothing_of_the_tab_is_in_the_documented_interface(workspace: Workspace) -> None:
    assert {event.api_visibility for event in page(workspace).fns.values()} == {"private"}


@pytest.fixture(scope="module")
def ham10000(shared_workspace: Workspace) -> tuple[Shelf, Look]:
    shelf, folder = Shelf(shared_workspace), os.environ["HAM10000_DIR"]
    return shelf, Look(shelf.open(folder).dataset.name)


@pytest.mark.ham10000
def test_the_leak_of_the_reference_split_is_seen(ham10000: tuple[Shelf, Look]) -> None:
    assert "543 of the 1,503 test images (36.1%)" in tab.show_splits(*ham10000, 42)[2]
