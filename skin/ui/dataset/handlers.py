"""Handlers of the Dataset tab: a data set and what a split of it leaks, before anything is trained on it."""

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr
import pandas as pd
import plotly.graph_objects as go
from PIL import Image

from skin.data import pixels, splits
from skin.data.dataset import Dataset
from skin.data.datasets import DATASETS
from skin.data.splits import SPLITTERS, WHOLE
from skin.errors import UsageError, UserError
from skin.plots import dataset as plots
from skin.table import write_table
from skin.task import Task
from skin.ui.components import recent_folders
from skin.ui.components.context import RUN_LOCALLY
from skin.ui.components.notices import notice
from skin.ui.components.open_datasets import OpenDataset, OpenDatasets, SentImage
from skin.ui.dataset import summary
from skin.ui.dataset.filter_form import N_FILTERS, filters_of, reset_filter_values
from skin.ui.dataset.filters import DatasetView, Filters
from skin.ui.gradio_internals import save_for_browser

THUMBNAILS = 24
"""Images on one page of the gallery."""

THUMBNAIL_SIZE = (400, 300)
"""Pixels: sharp enough to be enlarged, and light enough to be sent two dozen at a time."""

TABLE_ROWS = 200
"""Rows of the table that are sent to the browser; the CSV file holds all."""

SEED = 42
READ_ONLY = f"This page is read-only: it opens no folder of the server and downloads nothing from Kaggle. {RUN_LOCALLY}"

BARS: tuple[Callable[[pd.DataFrame, Task], str], ...] = (
    summary.diagnosis_bars,
    summary.choice_bars,
    summary.other_bars,
    summary.lesion_bars,
)

FIGURES: tuple[Callable[[pd.DataFrame, Task], go.Figure | None], ...] = (
    plots.histogram,
    plots.boxes,
    plots.confirmation,
    plots.sources,
)
"""The figures beside the heat map, in the order of the layout; None for what is not known of any image."""

SECTIONS = ("Figures", "Images", "Table", "Classes", "Splits")
"""The sections of the panel."""

FIRST = "demo"
"""The data set that is open when the tab is first shown."""


def open_first(
    open_datasets: OpenDatasets, read_only: bool, shown: str, view: DatasetView, progress: gr.Progress = gr.Progress()
) -> list[Any]:
    """The FIRST data set as `open_dataset` opens it, unless one is open already."""
    if view.name:
        return [gr.skip()] * (3 + N_FILTERS + len(SECTIONS))
    return open_dataset(open_datasets, read_only, shown, FIRST, "", progress)


def open_dataset(
    open_datasets: OpenDatasets,
    read_only: bool,
    shown: str,
    choice: str,
    folder: str,
    progress: gr.Progress = gr.Progress(),
) -> list[Any]:
    """The error, the words on the chosen data set, the filters set to nothing, and the view that is to show it.

    Where it cannot be opened, the last one stays. A folder is remembered, so that other tabs find pictures in it.
    """
    try:
        opened = open_datasets.open(_dataset_to_open(open_datasets, read_only, choice, folder), progress.tqdm)
    except UserError as error:
        problem = gr.HTML(notice(str(error), "alert"), visible=True)
        return [problem, *[gr.skip()] * (2 + N_FILTERS + len(SECTIONS))]
    dataset = opened.dataset
    if dataset.name not in DATASETS:
        recent_folders.remember(open_datasets.workspace, dataset.name)
    filters = reset_filter_values(opened)
    return [
        gr.HTML(visible=False),
        summary.heading(dataset),
        *filters,
        *_hand_on(DatasetView(dataset.name, time.time()), shown),
    ]


def describe_source(choice: str) -> tuple[Any, Any]:
    """The description of the chosen source, and the field for a path where it needs one."""
    return gr.Radio(info=DATASETS[choice].description), gr.Textbox(visible=choice == "folder")


def _dataset_to_open(open_datasets: OpenDatasets, read_only: bool, choice: str, folder: str) -> str:
    if read_only and choice not in offered_datasets(open_datasets, read_only):
        raise UserError(READ_ONLY)
    if choice in DATASETS and choice != "folder":
        return choice
    if not folder.strip():
        raise UsageError("Type the path of a folder that holds images and the table that lists them.")
    return folder.strip()


def offered_datasets(open_datasets: OpenDatasets, read_only: bool) -> list[str]:
    """Keys of the data sets that may be opened; on a read-only page those that cost the server nothing."""
    return [key for key in DATASETS if not read_only or (key != "folder" and open_datasets.at_hand(key))]


def apply_filters(open_datasets: OpenDatasets, view: DatasetView, shown: str, *values: Any) -> list[Any]:
    """The view of the same data set through these filters. Raises UsageError when they contradict each other."""
    if not view.name:
        return [gr.skip()] * (1 + len(SECTIONS))
    return _hand_on(replace(view, filters=filters_of(open_datasets[view.name].dataset.task, values)), shown)


def reset_filters(open_datasets: OpenDatasets, view: DatasetView, shown: str) -> list[Any]:
    """The filters set to nothing, and who is to look at the same data set through them."""
    if not view.name:
        return [gr.skip()] * (N_FILTERS + 1 + len(SECTIONS))
    return [*reset_filter_values(open_datasets[view.name]), *_hand_on(replace(view, filters=Filters()), shown)]


def _hand_on(view: DatasetView, shown: str) -> list[Any]:
    """The view for the panel, then for each of SECTIONS: one that is not shown gets it when it is."""
    return [view, *(view if title == shown else gr.skip() for title in SECTIONS)]


def show_panel(open_datasets: OpenDatasets, view: DatasetView) -> list[Any]:
    """The filters; a hint where nothing fits them, and else the panel with its headline."""
    frame = view.rows(open_datasets)
    if frame.empty:
        hint = notice("No image fits these filters: widen or reset them.")
        return [gr.Column(visible=True), gr.HTML(hint, visible=True), gr.Column(visible=False), gr.skip()]
    opened = open_datasets[view.name]
    headline = summary.headline_figures(frame, opened.frame, opened.dataset.task)
    return [gr.Column(visible=True), gr.HTML(visible=False), gr.Column(visible=True), headline]


def draw_figures(open_datasets: OpenDatasets, view: DatasetView, normalisation: str) -> list[Any]:
    """The legend, BARS, FIGURES and the heat map, of the images that are looked at."""
    frame = view.rows(open_datasets)
    if frame.empty:
        return [gr.skip()] * (len(BARS) + len(FIGURES) + 2)
    task = open_datasets[view.name].dataset.task
    bars = [bar(frame, task) for bar in BARS]
    figures = [*(figure(frame, task) for figure in FIGURES), plots.heat_map(frame, task, normalisation)]
    return [
        summary.legend(task),
        *(gr.HTML(html, visible=bool(html)) for html in bars),
        *(gr.Plot(figure, visible=figure is not None) for figure in figures),
    ]


def show_tables(open_datasets: OpenDatasets, view: DatasetView) -> Any:
    """The content of the figures as tables."""
    frame = view.rows(open_datasets)
    return gr.skip() if frame.empty else summary.figure_tables(frame, open_datasets[view.name].dataset.task)


def show_images(
    open_datasets: OpenDatasets, view: DatasetView, page: int, step: int = 0
) -> tuple[Any, str, int, list[str], gr.Button]:
    """The images `step` pages on (0: on the first page), their title, the page's number, their ids, none selected.

    They are mixed, so that a page shows their variety.
    """
    frame = view.rows(open_datasets)
    if frame.empty:
        return None, "", 0, [], gr.Button(interactive=False)
    page = min(max(page + step, 0), (len(frame) - 1) // THUMBNAILS) if step else 0
    first = page * THUMBNAILS
    shown = frame.sample(frac=1, random_state=SEED).iloc[first : first + THUMBNAILS]
    title = f"Images {first + 1:,} to {first + len(shown):,} of {len(frame):,}, in mixed order"
    opened, ids = open_datasets[view.name], shown["image_id"].tolist()
    pictures = [_picture(opened, image_id) for image_id in ids]
    return pictures, title, page, ids, gr.Button(interactive=False)


def _picture(opened: OpenDataset, image_id: str) -> tuple[Image.Image, str]:
    image, dataset = opened.images[image_id], opened.dataset
    return _thumbnail(image.path), summary.caption(image, dataset.task, dataset.synthetic)


def select_image(shown: list[str], event: gr.SelectData) -> tuple[str, gr.Button]:
    """The id of the image that was clicked, which can then be sent."""
    return shown[event.index], gr.Button(interactive=True)


def send_to_predict(view: DatasetView, image_id: str) -> tuple[SentImage, gr.Tabs]:
    """The selected image for the Predict tab, and the way there."""
    return SentImage(view.name, image_id, time.time()), gr.Tabs(selected="predict")


def _thumbnail(path: Path) -> Image.Image:
    image = pixels.decode(path)
    image.thumbnail(THUMBNAIL_SIZE)
    return image


def show_table(open_datasets: OpenDatasets, view: DatasetView, search: str) -> tuple[Any, str, Any]:
    """The first rows that hold the text, how many there are, and a CSV file of all."""
    frame = view.rows(open_datasets)
    if frame.empty:
        return None, "", None
    opened = open_datasets[view.name]
    texts = opened.texts[frame.index]
    found = frame[texts.str.contains(search.strip().lower(), regex=False)][opened.columns]
    file_name = "images-synthetic.csv" if opened.dataset.synthetic else "images.csv"
    file = save_for_browser(write_table(found).encode(), file_name)
    shown = f"the first {TABLE_ROWS} of them here, all in the file" if len(found) > TABLE_ROWS else "all shown"
    return found.head(TABLE_ROWS), f"{len(found):,} found, {shown}", file


def show_classes(open_datasets: OpenDatasets, view: DatasetView) -> Any:
    """The table of the diagnoses, counted among the images that are looked at."""
    frame = view.rows(open_datasets)
    return gr.skip() if frame.empty else summary.class_table(frame, open_datasets[view.name].dataset.task)


def show_splits(open_datasets: OpenDatasets, view: DatasetView, seed: float | None) -> list[Any]:
    """The whole data set split by each of WHOLE: a summary, and a figure of what it leaks."""
    if not view.name:
        return [gr.skip()] * (2 * len(WHOLE))
    if seed is None or not float(seed).is_integer() or not 0 <= seed < 2**32:
        raise UsageError("The seed must be a whole number from 0 to 4,294,967,295.")
    dataset = open_datasets[view.name].dataset
    return [part for rule in WHOLE for part in _show_split(rule, dataset, int(seed))]


def _show_split(rule: str, dataset: Dataset, seed: int) -> tuple[str, Any]:
    try:
        split = SPLITTERS[rule](dataset.images, seed)
    except UserError as error:
        return notice(str(error), "alert"), gr.Plot(visible=False)
    audit = splits.audit(split, dataset.images)
    figure = plots.leak(audit.test_by_diagnosis, audit.shared_test_by_diagnosis, dataset.task)
    return summary.split_summary(rule, split, audit, dataset), gr.Plot(figure, visible=True)
