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
from skin.ui.components import recent_folders
from skin.ui.components.context import AppContext
from skin.ui.components.open_datasets import OpenDatasets
from skin.ui.dataset import filter_form, handlers, layout
from skin.ui.dataset.filters import DatasetView, Filters, NumberRange
from skin.workspace import Workspace


@pytest.fixture
def open_datasets(shared_workspace: Workspace, demo: Dataset) -> OpenDatasets:
    open_datasets = OpenDatasets(shared_workspace)
    open_datasets.open(demo.name)
    return open_datasets


@pytest.fixture
def kaggle(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Where Kaggle's download would lie: there is none."""
    monkeypatch.setenv("KAGGLEHUB_CACHE", str(tmp_path / "kaggle"))
    return tmp_path / "kaggle"


def open_dataset(open_datasets: OpenDatasets, choice: str, folder: str = "", read_only: bool = False) -> list[Any]:
    return handlers.open_dataset(open_datasets, read_only, "Figures", choice, folder)


def skipped(values: list[Any]) -> list[bool]:
    return [value == gr.skip() for value in values]


def test_opening_shows_the_data_set_through_no_filters(open_datasets: OpenDatasets) -> None:
    problem, about, *filters, panel, figures, images, table, classes, splits = open_dataset(open_datasets, "demo")
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
    open_datasets: OpenDatasets, choice: str, folder: str, read_only: bool, said: str
) -> None:
    problem, *rest = open_dataset(open_datasets, choice, folder, read_only)

    assert said in problem.value
    assert 'role="alert"' in problem.value
    assert all(skipped(rest))


@pytest.mark.parametrize("read_only", [False, True])
def test_the_demo_data_are_open_when_the_tab_is_first_shown(open_datasets: OpenDatasets, read_only: bool) -> None:
    _, about, *_ = handlers.open_first(open_datasets, read_only, "Figures", DatasetView())
    assert "Synthetic" in about

    assert all(skipped(handlers.open_first(open_datasets, read_only, "Figures", DatasetView("/a/folder"))))


def test_what_a_visitor_opens_comes_after_the_data_set_that_opens_by_itself(workspace: Workspace) -> None:
    outputs = 3 + filter_form.N_FILTERS + len(handlers.SECTIONS)
    opening = [fn for fn in page(workspace).fns.values() if len(fn.outputs) == outputs]

    assert len(opening) == 2
    assert {(fn.concurrency_id, fn.concurrency_limit) for fn in opening} == {("open_dataset", 1)}


def test_confirmation_and_source_are_filters_where_they_are_known(open_datasets: OpenDatasets) -> None:
    confirmed, source = open_dataset(open_datasets, "demo")[3 + filter_form.MAX_CHOICES : 5 + filter_form.MAX_CHOICES]

    assert confirmed.visible
    assert ("follow up", "follow_up") in confirmed.choices
    assert not source.visible  # the demo data names none


def test_the_selected_image_is_sent_to_the_predict_tab() -> None:
    image_id, button = handlers.select_image(["a", "b"], gr.SelectData(None, {"index": 1, "value": None}))
    sent, tabs = handlers.send_to_predict(DatasetView("demo"), image_id)

    assert button.interactive
    assert (sent.dataset, sent.image_id, tabs.selected) == ("demo", "b", "predict")


def test_a_folder_is_opened_by_its_path(open_datasets: OpenDatasets, demo: Dataset) -> None:
    folder = str(demo.images[0].path.parent.parent)

    view = open_dataset(open_datasets, "folder", f" {folder} ")[2 + filter_form.N_FILTERS]

    assert view.name == folder
    assert len(view.rows(open_datasets)) == len(demo.images)


def test_a_folder_is_remembered_and_what_was_refused_is_not(workspace: Workspace, demo: Dataset) -> None:
    folder, open_datasets = str(demo.images[0].path.parents[1]), OpenDatasets(workspace)

    open_dataset(open_datasets, "folder", folder, read_only=True)
    open_dataset(open_datasets, folder, "", read_only=True)
    open_dataset(open_datasets, "folder", str(workspace.home))
    assert recent_folders.recent_folders(workspace) == []

    open_dataset(open_datasets, "folder", folder)
    assert recent_folders.recent_folders(Workspace(workspace.home)) == [folder]


NO_RANGE = (0, 1, True)


def test_filters_reach_the_panel_and_the_section_that_is_shown(open_datasets: OpenDatasets) -> None:
    spare: list[list[str]] = [[]] * (filter_form.MAX_CHOICES - 2)
    values = [["mel"], [], ["back"], *spare, ["histo"], [], 20, 60, False, *NO_RANGE]
    panel, *sections = handlers.apply_filters(open_datasets, DatasetView("demo"), "Table", *values)

    chosen = {"diagnosis": ("mel",), "site": ("back",), "confirmed_by": ("histo",)}
    assert panel == DatasetView("demo", 0.0, Filters(chosen, {"age": NumberRange(20, 60, False)}))
    assert sections[list(handlers.SECTIONS).index("Table")] == panel
    assert sum(skipped(sections)) == len(handlers.SECTIONS) - 1
    *filters, view = handlers.reset_filters(open_datasets, panel, "Table")[: filter_form.N_FILTERS + 1]
    assert view == DatasetView("demo")
    assert filters[0].value == []


def test_impossible_filters_are_refused(open_datasets: OpenDatasets) -> None:
    with pytest.raises(UsageError, match="No age lies between 60 and 20"):
        handlers.apply_filters(
            open_datasets,
            DatasetView("demo"),
            "Figures",
            None,
            *[[]] * (filter_form.MAX_CHOICES + 2),
            60,
            20,
            True,
            *NO_RANGE,
        )


@pytest.mark.parametrize("choice", DATASETS)
def test_every_source_is_explained(choice: str) -> None:
    radio, folder = handlers.describe_source(choice)

    assert radio.info == DATASETS[choice].description
    assert folder.visible == (choice == "folder")


def test_where_nothing_fits_a_hint_replaces_the_panel(open_datasets: OpenDatasets) -> None:
    filters, hint, content, headline = handlers.show_panel(
        open_datasets, DatasetView("demo", filters=Filters(ranges={"age": NumberRange(119, 120, unknown=False)}))
    )

    assert filters.visible
    assert hint.visible
    assert "reset" in hint.value
    assert not content.visible
    assert skipped([headline]) == [True]


@pytest.mark.parametrize("section", ["draw_figures", "show_images", "show_table", "show_classes", "show_tables"])
def test_sections_bear_an_empty_selection(open_datasets: OpenDatasets, section: str) -> None:
    nothing = DatasetView("demo", filters=Filters(ranges={"age": NumberRange(119, 120, unknown=False)}))
    inputs = {
        "draw_figures": ("images",),
        "show_images": (0,),
        "show_table": ("",),
        "show_classes": (),
        "show_tables": (),
    }

    getattr(handlers, section)(open_datasets, nothing, *inputs[section])


def test_all_figures_are_of_the_filtered_images(open_datasets: OpenDatasets) -> None:
    view = DatasetView("demo", filters=Filters({"diagnosis": ("df",)}))
    drawn = handlers.draw_figures(open_datasets, view, "images")
    legend, *drawn, heat_map = drawn
    bars, figures = drawn[: len(handlers.BARS)], drawn[len(handlers.BARS) :]

    images = sum(image.diagnosis == "df" for image in open_datasets["demo"].dataset.images)
    assert f"{images} <small>100.0%" in bars[0].value
    assert "Melanoma" in legend
    assert heat_map.visible
    assert [figure.visible for figure in figures] == [True, True, True, False]  # the demo data names no source


def test_the_gallery_turns_its_pages_over_all_images_once(open_datasets: OpenDatasets, demo: Dataset) -> None:
    view, page, captions = DatasetView("demo"), 0, set()
    pages = -(-len(demo.images) // handlers.THUMBNAILS)

    for number in range(pages):
        images, title, page, ids, _ = handlers.show_images(open_datasets, view, page, step=1 if number else 0)
        assert all(shown in caption for shown, (_, caption) in zip(ids, images, strict=True))
        captions |= {caption for _, caption in images}
        assert page == number

    assert len(captions) == len(demo.images)
    assert title.endswith(f"to {len(demo.images)} of {len(demo.images)}, in mixed order")
    assert handlers.show_images(open_datasets, view, page, step=1)[2] == pages - 1
    assert handlers.show_images(open_datasets, view, 0, step=-1)[2] == 0
    assert handlers.show_images(open_datasets, view, page)[2] == 0


def test_thumbnails_are_small_and_captioned(open_datasets: OpenDatasets) -> None:
    images, *_ = handlers.show_images(open_datasets, DatasetView("demo", filters=Filters({"diagnosis": ("mel",)})), 0)

    for thumbnail, caption in images:
        assert thumbnail.width <= handlers.THUMBNAIL_SIZE[0]
        assert thumbnail.height <= handlers.THUMBNAIL_SIZE[1]
        assert caption.startswith("Melanoma (synthetic)")


def test_the_table_is_searched_and_all_of_it_downloaded(open_datasets: OpenDatasets, demo: Dataset) -> None:
    rows, title, file = handlers.show_table(open_datasets, DatasetView("demo"), "")
    assert (len(rows), len(pd.read_csv(file))) == (handlers.TABLE_ROWS, len(demo.images))
    assert title.startswith(f"{len(demo.images)} found")
    assert "synthetic" in Path(file).name

    rows, title, file = handlers.show_table(open_datasets, DatasetView("demo"), " DEMO_0000007 ")
    assert rows["image_id"].tolist() == ["DEMO_0000007"]
    assert list(pd.read_csv(file)) == open_datasets["demo"].columns

    rows, title, file = handlers.show_table(open_datasets, DatasetView("demo"), "(.*")
    assert (len(rows), title) == (0, "0 found, all shown")


def test_splits_stand_side_by_side_with_their_leak(open_datasets: OpenDatasets) -> None:
    by_lesion, no_leak, by_image, leak = handlers.show_splits(open_datasets, DatasetView("demo"), 42)

    assert "Split by lesion" in by_lesion
    assert "None of the" in by_lesion
    assert "Split by image" in by_image
    assert "show a lesion of the training part" in by_image
    assert no_leak.visible
    assert leak.visible


def test_a_split_that_cannot_be_made_says_why(open_datasets: OpenDatasets, tmp_path: Path, demo: Dataset) -> None:
    images = tmp_path / "images"
    images.mkdir()
    first = demo.images[0]
    (images / first.path.name).write_bytes(first.path.read_bytes())
    table = pd.DataFrame([{"lesion_id": "L", "image_id": first.image_id, "dx": first.diagnosis}])
    table.to_csv(tmp_path / "HAM10000_metadata.csv", index=False)
    open_datasets.open(str(tmp_path))

    by_lesion, no_figure, *_ = handlers.show_splits(open_datasets, DatasetView(str(tmp_path)), 42)

    assert "too few lesions" in by_lesion
    assert not no_figure.visible


@pytest.mark.parametrize("seed", [None, -1, 1.5, 2**32, float("nan"), float("inf")])
def test_an_impossible_seed_is_refused(open_datasets: OpenDatasets, seed: float | None) -> None:
    with pytest.raises(UsageError, match="whole number"):
        handlers.show_splits(open_datasets, DatasetView("demo"), seed)


def page(workspace: Workspace, read_only: bool = False) -> gr.Blocks:
    with gr.Blocks() as blocks:
        opened, timer, sent = (gr.State(""), gr.State("")), gr.Timer(active=False), gr.State()
        with gr.Tabs() as tabs, gr.Tab("Dataset"):
            layout.build(AppContext(workspace, read_only, blocks, tabs, *opened, timer, sent))
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
def ham10000(shared_workspace: Workspace) -> tuple[OpenDatasets, DatasetView]:
    open_datasets, folder = OpenDatasets(shared_workspace), os.environ["HAM10000_DIR"]
    return open_datasets, DatasetView(open_datasets.open(folder).dataset.name)


@pytest.mark.ham10000
def test_the_leak_of_the_reference_split_is_seen(ham10000: tuple[OpenDatasets, DatasetView]) -> None:
    assert "543 of the 1,503 test images (36.1%)" in handlers.show_splits(*ham10000, 42)[2]
