"""The Dataset tab: what a data set holds, and what a split of it leaks, before anything is trained on it."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr
import pandas as pd
import plotly.graph_objects as go
from gradio.processing_utils import save_bytes_to_cache
from gradio.utils import get_upload_folder
from PIL import Image

from skin.data import pixels, splits
from skin.data.dataset import Dataset
from skin.data.datasets import DATASETS
from skin.data.splits import SPLITTERS, WHOLE
from skin.errors import UsageError, UserError
from skin.patient import UNKNOWN, ChoiceField, NumberField
from skin.plots import dataset as plots
from skin.table import write_table
from skin.task import HAM10000, Task
from skin.ui import facts, folders
from skin.ui.page import OWN_MACHINE, Page, spoken
from skin.ui.selection import Filters, Look, Opened, Range, Sent, Shelf
from skin.ui.view import tab_being_built

THUMBNAILS = 24
"""Images on one page of the gallery."""

THUMBNAIL_SIZE = (400, 300)
"""Pixels: sharp enough to be enlarged, and light enough to be sent two dozen at a time."""

TABLE_ROWS = 200
"""Rows of the table that are sent to the browser; the CSV file holds all."""

SEED = 42

SPLIT_NOTE = (
    "The whole data set, whatever the filters: 70% for training, 15% for validation and 15% for the test. Many lesions "
    "have several images: unless they stay together, the test asks what the training has already told."
)

READ_ONLY = f"This page is read-only: it opens no folder of the server and downloads nothing from Kaggle. {OWN_MACHINE}"

BARS: tuple[Callable[[pd.DataFrame, Task], str], ...] = (
    facts.diagnosis_bars,
    facts.choice_bars,
    facts.other_bars,
    facts.lesion_bars,
)
FIGURES: tuple[Callable[[pd.DataFrame, Task], go.Figure | None], ...] = (
    plots.histogram,
    plots.boxes,
    plots.confirmation,
    plots.sources,
)
"""What is drawn beside the heat map, in the order of `_build_figures`; None for what is not known of any image."""

QUIET: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden", "concurrency_limit": 4}

OPENING: dict[str, Any] = {"api_visibility": "private", "concurrency_id": "open_dataset", "concurrency_limit": 1}
"""One after the other: what a visitor opens comes after the data set that opens by itself, and so it stays."""

CHOICES, NUMBERS = 5, 2
"""The choices and the numbers of a patient by which images can be filtered, the first of the task; a page has room for
no more."""

N_FILTERS = 3 + CHOICES + 3 * NUMBERS
"""The diagnosis, the choices, the confirmation, the source, and for each number two bounds and whether it is known."""

FIRST = "demo"
"""The data set that is open when the tab is first shown."""


def open_first(
    shelf: Shelf, read_only: bool, shown: str, look: Look, progress: gr.Progress = gr.Progress()
) -> list[Any]:
    """What `open_dataset` gives for the FIRST data set, unless one is open already."""
    if look.name:
        return [gr.skip()] * (3 + N_FILTERS + len(SECTIONS))
    return open_dataset(shelf, read_only, shown, FIRST, "", progress)


def open_dataset(
    shelf: Shelf, read_only: bool, shown: str, choice: str, folder: str, progress: gr.Progress = gr.Progress()
) -> list[Any]:
    """What went wrong, what to say of the chosen data set, the filters set to nothing, and who is to look at it.

    Where it cannot be opened, the last one stays. A folder is remembered, so that other tabs find pictures in it.
    """
    try:
        opened = shelf.open(_wanted(shelf, read_only, choice, folder), progress.tqdm)
    except UserError as error:
        problem = gr.HTML(facts.message(str(error), "alert"), visible=True)
        return [problem, *[gr.skip()] * (2 + N_FILTERS + len(SECTIONS))]
    dataset = opened.dataset
    if dataset.name not in DATASETS:
        folders.remember(shelf.workspace, dataset.name)
    filters = _no_filters(opened)
    return [gr.HTML(visible=False), facts.about(dataset), *filters, *_tell(Look(dataset.name, time.time()), shown)]


def _no_filters(opened: Opened) -> list[Any]:
    """The filters of a data set, set to nothing; one that it has no use for is not shown."""
    task = opened.dataset.task
    choices, numbers = _filtered(task)
    spare = [gr.Dropdown([], value=[], multiselect=True, visible=False)] * (CHOICES - len(choices))
    no_range = [gr.Slider(visible=False), gr.Slider(visible=False), gr.Checkbox(visible=False)]
    return [
        gr.Dropdown(
            [(f"{known.code} {known.name}", known.code) for known in task.diagnoses], value=[], multiselect=True
        ),
        *(_choice_filter(field) for field in choices),
        *spare,
        _known(opened, "confirmed_by"),
        _known(opened, "source"),
        *(part for field in numbers for part in _number_filter(field)),
        *no_range * (NUMBERS - len(numbers)),
    ]


def _filtered(task: Task) -> tuple[list[ChoiceField], list[NumberField]]:
    """The fields by which images can be filtered."""
    choices = [field for field in task.fields if isinstance(field, ChoiceField)]
    numbers = [field for field in task.fields if isinstance(field, NumberField)]
    return choices[:CHOICES], numbers[:NUMBERS]


def _choice_filter(field: ChoiceField) -> gr.Dropdown:
    return gr.Dropdown(list(field.choices), value=[], multiselect=True, visible=True, label=field.label)


def _number_filter(field: NumberField) -> list[Any]:
    """The lowest and the highest number, and whether it may be unknown, set to everything."""
    look: dict[str, Any] = {"info": _info(field), "visible": True, "step": _step(field)}
    low, high = field.minimum, field.maximum
    return [
        gr.Slider(low, high, value=low, label=f"{field.label} from", **look),
        gr.Slider(low, high, value=high, label=f"{field.label} to", **look),
        gr.Checkbox(True, label=f"Unknown {field.words}", visible=True),
    ]


def _info(field: NumberField) -> str:
    return field.unit.capitalize() if len(field.unit) > 3 else field.unit


def _step(field: NumberField) -> float:
    return 1 if field.maximum - field.minimum >= 20 else plots.bin_width(field) / 10


def _known(opened: Opened, column: str) -> gr.Dropdown:
    """The filter of this column set to nothing; where it is not known of any image, there is none."""
    values = opened.frame[column].replace("", UNKNOWN).value_counts().index
    choices = [(str(value).replace("_", " "), str(value)) for value in values]
    return gr.Dropdown(choices, value=[], multiselect=True, visible=list(values) != [UNKNOWN])


def explain(choice: str) -> tuple[Any, Any]:
    """What the chosen source is, and the field for a path where it needs one."""
    return gr.Radio(info=DATASETS[choice].description), gr.Textbox(visible=choice == "folder")


def _wanted(shelf: Shelf, read_only: bool, choice: str, folder: str) -> str:
    if read_only and choice not in _offered(shelf, read_only):
        raise UserError(READ_ONLY)
    if choice in DATASETS and choice != "folder":
        return choice
    if not folder.strip():
        raise UsageError("Type the path of a folder that holds images and the table that lists them.")
    return folder.strip()


def _offered(shelf: Shelf, read_only: bool) -> list[str]:
    """Keys of the data sets that may be opened; on a read-only page those that cost the server nothing."""
    return [key for key in DATASETS if not read_only or (key != "folder" and shelf.at_hand(key))]


def apply_filters(shelf: Shelf, look: Look, shown: str, *values: Any) -> list[Any]:
    """Who is to look at the same data set through these filters. Raises UsageError when they contradict each other."""
    if not look.name:
        return [gr.skip()] * (1 + len(SECTIONS))
    return _tell(replace(look, filters=_filters(shelf[look.name].dataset.task, values)), shown)


def _filters(task: Task, values: Sequence[Any]) -> Filters:
    """What stands in the form as Filters; what is left at everything, or belongs to no field, filters nothing."""
    choices, numbers = _filtered(task)
    chosen = dict(zip(["diagnosis", *(field.name for field in choices)], values, strict=False))
    chosen |= dict(zip(("confirmed_by", "source"), values[1 + CHOICES :], strict=False))
    bounds = values[3 + CHOICES :]
    ranges = {field.name: _range(field, *bounds[3 * k : 3 * k + 3]) for k, field in enumerate(numbers)}
    everything = {field.name: Range(field.minimum, field.maximum) for field in numbers}
    return Filters(
        {column: tuple(picked) for column, picked in chosen.items() if picked},
        {column: wanted for column, wanted in ranges.items() if wanted != everything[column]},
    )


def _range(field: NumberField, low: float, high: float, unknown: bool) -> Range:
    if low > high:
        raise UsageError(f"No {field.words} lies between {low:g} and {high:g}: make the first the lower one.")
    return Range(low, high, unknown)


def reset_filters(shelf: Shelf, look: Look, shown: str) -> list[Any]:
    """The filters set to nothing, and who is to look at the same data set through them."""
    if not look.name:
        return [gr.skip()] * (N_FILTERS + 1 + len(SECTIONS))
    return [*_no_filters(shelf[look.name]), *_tell(replace(look, filters=Filters()), shown)]


def _tell(look: Look, shown: str) -> list[Any]:
    """The Look for the panel, then for each of SECTIONS: one that is not shown gets it when it is."""
    return [look, *(look if title == shown else gr.skip() for title in SECTIONS)]


def describe(shelf: Shelf, look: Look) -> list[Any]:
    """The filters; a hint where nothing fits them, and else the panel with its headline."""
    frame = shelf.selected(look)
    if frame.empty:
        hint = facts.message("No image fits these filters: widen or reset them.")
        return [gr.Column(visible=True), gr.HTML(hint, visible=True), gr.Column(visible=False), gr.skip()]
    opened = shelf[look.name]
    headline = facts.headline(frame, opened.frame, opened.dataset.task)
    return [gr.Column(visible=True), gr.HTML(visible=False), gr.Column(visible=True), headline]


def draw(shelf: Shelf, look: Look, normalisation: str) -> list[Any]:
    """The legend, BARS, FIGURES and the heat map, of the images that are looked at."""
    frame = shelf.selected(look)
    if frame.empty:
        return [gr.skip()] * (len(BARS) + len(FIGURES) + 2)
    task = shelf[look.name].dataset.task
    bars = [bar(frame, task) for bar in BARS]
    figures = [*(figure(frame, task) for figure in FIGURES), plots.heat_map(frame, task, normalisation)]
    return [
        facts.legend(task),
        *(gr.HTML(html, visible=bool(html)) for html in bars),
        *(gr.Plot(figure, visible=figure is not None) for figure in figures),
    ]


def show_tables(shelf: Shelf, look: Look) -> Any:
    """What the figures draw, as tables."""
    frame = shelf.selected(look)
    return gr.skip() if frame.empty else facts.figure_tables(frame, shelf[look.name].dataset.task)


def show_images(shelf: Shelf, look: Look, page: int, step: int = 0) -> tuple[Any, str, int, list[str], gr.Button]:
    """The images `step` pages on (0: on the first page), their title, the page's number, their ids, none selected.

    They are mixed, so that a page shows their variety.
    """
    frame = shelf.selected(look)
    if frame.empty:
        return None, "", 0, [], gr.Button(interactive=False)
    page = min(max(page + step, 0), (len(frame) - 1) // THUMBNAILS) if step else 0
    first = page * THUMBNAILS
    shown = frame.sample(frac=1, random_state=SEED).iloc[first : first + THUMBNAILS]
    title = f"Images {first + 1:,} to {first + len(shown):,} of {len(frame):,}, in mixed order"
    opened, ids = shelf[look.name], shown["image_id"].tolist()
    pictures = [_picture(opened, image_id) for image_id in ids]
    return pictures, title, page, ids, gr.Button(interactive=False)


def _picture(opened: Opened, image_id: str) -> tuple[Image.Image, str]:
    image, dataset = opened.images[image_id], opened.dataset
    return _thumbnail(image.path), facts.caption(image, dataset.task, dataset.synthetic)


def select_image(shown: list[str], event: gr.SelectData) -> tuple[str, gr.Button]:
    """The id of the image that was clicked, which can then be sent."""
    return shown[event.index], gr.Button(interactive=True)


def send(look: Look, image_id: str) -> tuple[Sent, gr.Tabs]:
    """The selected image for the Predict tab, and the way there."""
    return Sent(look.name, image_id, time.time()), gr.Tabs(selected="predict")


def _thumbnail(path: Path) -> Image.Image:
    image = pixels.decode(path)
    image.thumbnail(THUMBNAIL_SIZE)
    return image


def show_table(shelf: Shelf, look: Look, search: str) -> tuple[Any, str, Any]:
    """The first rows that hold the text, how many there are, and a CSV file of all."""
    frame = shelf.selected(look)
    if frame.empty:
        return None, "", None
    opened = shelf[look.name]
    texts = opened.texts[frame.index]
    found = frame[texts.str.contains(search.strip().lower(), regex=False)][opened.columns]
    file_name = "images-synthetic.csv" if opened.dataset.synthetic else "images.csv"
    file = save_bytes_to_cache(write_table(found).encode(), file_name, get_upload_folder())
    shown = f"the first {TABLE_ROWS} of them here, all in the file" if len(found) > TABLE_ROWS else "all shown"
    return found.head(TABLE_ROWS), f"{len(found):,} found, {shown}", file


def show_classes(shelf: Shelf, look: Look) -> Any:
    """The table of the diagnoses, counted among the images that are looked at."""
    frame = shelf.selected(look)
    return gr.skip() if frame.empty else facts.class_table(frame, shelf[look.name].dataset.task)


def show_splits(shelf: Shelf, look: Look, seed: float | None) -> list[Any]:
    """What each of WHOLE makes of the whole data set: a summary, and a figure of what it leaks."""
    if not look.name:
        return [gr.skip()] * (2 * len(WHOLE))
    if seed is None or not float(seed).is_integer() or not 0 <= seed < 2**32:
        raise UsageError("The seed must be a whole number from 0 to 4,294,967,295.")
    dataset = shelf[look.name].dataset
    return [part for rule in WHOLE for part in _show_split(rule, dataset, int(seed))]


def _show_split(rule: str, dataset: Dataset, seed: int) -> tuple[str, Any]:
    try:
        split = SPLITTERS[rule](dataset.images, seed)
    except UserError as error:
        return facts.message(str(error), "alert"), gr.Plot(visible=False)
    audit = splits.audit(split, dataset.images)
    figure = plots.leak(audit.test_by_diagnosis, audit.shared_test_by_diagnosis, dataset.task)
    return facts.split_summary(rule, split, audit, dataset), gr.Plot(figure, visible=True)


@dataclass(frozen=True)
class Scene:
    """What a part of the tab is wired to: the data sets, and the Look that it shows."""

    page: Page
    shelf: Shelf
    look: gr.State

    def on(self, events: list[Any], handler: Callable[..., Any], inputs: Sequence[Any], outputs: Sequence[Any]) -> None:
        """After any of these events, call the handler with the shelf, the Look and the inputs; the last one's answer stays."""
        bound = spoken(partial(handler, self.shelf))
        gr.on(events, bound, [self.look, *inputs], list(outputs), trigger_mode="always_last", **QUIET)


def build(page: Page) -> None:
    """Lay out the tab and wire it."""
    shelf, shown = page.shelf, gr.State(next(iter(SECTIONS)))
    panel, *sections = scenes = [Scene(page, shelf, gr.State(Look())) for _ in ("panel", *SECTIONS)]
    looks = [scene.look for scene in scenes]
    choice, folder, button = _build_choice(shelf, page.read_only)
    problem = gr.HTML(visible=False, elem_classes="flush")
    about = gr.HTML(
        facts.message("The demo data are being opened; the first time they are drawn."), elem_classes="flush"
    )
    with gr.Column(visible=False) as filter_panel:
        filters = _build_filters(panel, shown, looks)
    hint = gr.HTML(visible=False, elem_classes="flush")
    with gr.Column(visible=False) as content:
        headline = gr.HTML(elem_classes="flush")
        with gr.Tabs(overflow_behavior="wrap"):
            for (title, build_section), scene in zip(SECTIONS.items(), sections, strict=True):
                with gr.Tab(title) as tab:
                    build_section(scene)
                tab.select(partial(_enter, title), panel.look, [shown, scene.look], **QUIET)
    panel.on([panel.look.change], describe, [], [filter_panel, hint, content, headline])
    opening: dict[str, Any] = {"outputs": [problem, about, *filters, *looks], "show_progress_on": about, **OPENING}
    tab_being_built(page).select(partial(open_first, shelf, page.read_only), [shown, panel.look], **opening)
    opens = partial(open_dataset, shelf, page.read_only)
    gr.on([button.click, folder.submit], opens, [shown, choice, folder], **opening)


def _enter(title: str, look: Look) -> tuple[str, Look]:
    return title, look


def _build_choice(shelf: Shelf, read_only: bool) -> tuple[gr.Radio, gr.Textbox, gr.Button]:
    choices = [(DATASETS[key].title, key) for key in _offered(shelf, read_only)]
    with gr.Row(equal_height=True):
        info = DATASETS["demo"].description
        choice = gr.Radio(choices, value="demo", label="Data set", info=info, min_width=320)
        folder = gr.Textbox("", label="Path of the folder, where this app runs", visible=False, min_width=320)
        button = gr.Button("Open", variant="primary", scale=0, min_width=140, elem_classes="beside")
    if read_only:
        gr.HTML(facts.message(READ_ONLY, "note"), elem_classes="flush")
    choice.input(explain, choice, [choice, folder], **QUIET)
    return choice, folder, button


def _build_filters(scene: Scene, shown: gr.State, looks: list[gr.State]) -> list[Any]:
    choices, numbers = _filtered(HAM10000)
    with gr.Row(equal_height=True):
        pickers = [
            _any_of("Diagnosis", [], 3),
            *(_any_of(field.label, list(field.choices), 2) for field in choices),
            *(_any_of("", [], 2, visible=False) for _ in range(CHOICES - len(choices))),
            _any_of("Confirmed by", [], 2, visible=False),
            _any_of("Source", [], 2, visible=False),
        ]
    with gr.Row(equal_height=True, elem_id="filters"):
        bounds = [part for k in range(NUMBERS) for part in _bounds(numbers[k] if k < len(numbers) else None)]
        reset = gr.Button("Reset", scale=0, min_width=100, elem_classes="beside")
    filters: list[Any] = [*pickers, *bounds]
    triggers = [widget.input for widget in filters]
    applies, resets = (spoken(partial(handler, scene.shelf)) for handler in (apply_filters, reset_filters))
    gr.on(triggers, applies, [looks[0], shown, *filters], looks, trigger_mode="always_last", **QUIET)
    reset.click(resets, [looks[0], shown], [*filters, *looks], **QUIET)
    return filters


def _bounds(field: NumberField | None) -> list[Any]:
    """Two bounds and whether the number may be unknown; not shown where there is no such field."""
    low, high, step = (field.minimum, field.maximum, _step(field)) if field else (0, 1, 1)
    info, label, words = (_info(field), field.label, field.words) if field else ("", "", "")
    look: dict[str, Any] = {"step": step, "info": info, "min_width": 150, "visible": field is not None}
    known: dict[str, Any] = {"info": "Show them, too", "visible": field is not None, "elem_classes": "unknown-too"}
    return [
        gr.Slider(low, high, value=low, label=f"{label} from", **look),
        gr.Slider(low, high, value=high, label=f"{label} to", **look),
        gr.Checkbox(True, label=f"Unknown {words}", **known),
    ]


def _any_of(label: str, choices: Sequence[Any], scale: int, visible: bool = True) -> gr.Dropdown:
    shape: dict[str, Any] = {"scale": scale, "min_width": 150, "visible": visible}
    return gr.Dropdown(list(choices), value=[], multiselect=True, label=label, info="Any, if none is chosen", **shape)


def _build_figures(scene: Scene) -> None:
    legend = gr.HTML(facts.legend(HAM10000), elem_classes="flush")
    with gr.Row(equal_height=True):
        diagnoses, ages = _bars(), _figure()
    with gr.Row(equal_height=True):
        boxes, sites = _figure(), _bars()
    with gr.Row(equal_height=True):
        sexes, lesions = _bars(), _bars()
    with gr.Row():
        confirmation, sources = _figure(), _figure()
    normalisation = gr.Radio(list(plots.NORMALISATIONS), value="images", label="The cells of the heat map say")
    heat_map = _figure()
    tables = gr.HTML(elem_classes="flush")
    scene.on([scene.look.change], show_tables, [], [tables])
    outputs = [legend, diagnoses, sites, sexes, lesions, ages, boxes, confirmation, sources, heat_map]
    scene.on([scene.look.change, normalisation.input], draw, [normalisation], outputs)


def _bars() -> gr.HTML:
    return gr.HTML(elem_classes=["flush", "card"])


def _figure() -> gr.Plot:
    return gr.Plot(show_label=False, min_width=320)


def _build_gallery(scene: Scene) -> None:
    title = gr.Markdown()
    page, shown, selected = gr.State(0), gr.State([]), gr.State("")
    gallery = gr.Gallery(show_label=False, height="100%", format="jpeg", buttons=["fullscreen"], elem_id="images")
    with gr.Row():
        turns = {-1: gr.Button("Previous page", size="md"), 1: gr.Button("Next page", size="md")}
        sending = gr.Button("Predict the selected image", size="md", interactive=False)
    gallery.select(select_image, shown, [selected, sending], **QUIET)
    sending.click(send, [scene.look, selected], [scene.page.sent, scene.page.tabs], **QUIET)
    for step, event in {0: scene.look.change, **{step: button.click for step, button in turns.items()}}.items():
        scene.on([event], partial(show_images, step=step), [page], [gallery, title, page, shown, sending])


def _build_table(scene: Scene) -> None:
    with gr.Row(equal_height=True):
        search = gr.Textbox("", label="Search", placeholder="an id, a diagnosis, a site, …")
        download = gr.DownloadButton("Download CSV", scale=0, min_width=160, elem_classes="beside")
    title = gr.Markdown()
    table = gr.Dataframe(interactive=False, show_label=False, max_height=560, elem_id="rows")
    changes = [scene.look.change, search.change]  # Gradio 6.31 misses the first `input`, which may be a paste
    scene.on(changes, show_table, [search], [table, title, download])


def _build_classes(scene: Scene) -> None:
    scene.on([scene.look.change], show_classes, [], [gr.HTML(elem_classes="flush")])


def _build_splits(scene: Scene) -> None:
    gr.Markdown(SPLIT_NOTE)
    with gr.Row():
        seed = gr.Number(SEED, label="Seed", scale=0, min_width=160)
    outputs: list[Any] = []
    with gr.Row():
        for _ in WHOLE:
            with gr.Column(min_width=320):
                outputs += [gr.HTML(elem_classes="flush"), _figure()]
    scene.on([scene.look.change, seed.change], show_splits, [seed], outputs)


SECTIONS: dict[str, Callable[[Scene], None]] = {
    "Figures": _build_figures,
    "Images": _build_gallery,
    "Table": _build_table,
    "Classes": _build_classes,
    "Splits": _build_splits,
}
"""The sections of the panel, and what lays each of them out."""
