"""The Dataset tab: its components, and what wires them to the handlers."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import gradio as gr

from skin.data.datasets import DATASETS
from skin.data.splits import WHOLE
from skin.patient import NumberField
from skin.plots import dataset as plots
from skin.task import HAM10000
from skin.ui.components.context import AppContext, current_tab
from skin.ui.components.events import CLICKED_EVENT, PRIVATE_EVENT, with_gradio_errors
from skin.ui.components.notices import notice
from skin.ui.components.open_datasets import OpenDatasets
from skin.ui.dataset import summary
from skin.ui.dataset.filter_form import MAX_CHOICES, MAX_NUMBERS, bound_info, bound_step, filtered_fields
from skin.ui.dataset.filters import DatasetView
from skin.ui.dataset.handlers import (
    READ_ONLY,
    SECTIONS,
    SEED,
    apply_filters,
    describe_source,
    draw_figures,
    offered_datasets,
    open_dataset,
    open_first,
    reset_filters,
    select_image,
    send_to_predict,
    show_classes,
    show_images,
    show_panel,
    show_splits,
    show_table,
    show_tables,
)

SPLIT_NOTE = (
    "The whole data set, whatever the filters: 70% for training, 15% for validation and 15% for the test. Many lesions "
    "have several images: unless they stay together, the test asks what the training has already told."
)

OPENING_EVENT: dict[str, Any] = {"api_visibility": "private", "concurrency_id": "open_dataset", "concurrency_limit": 1}
"""One after the other: what a visitor opens comes after the data set that opens by itself, and so it stays."""


@dataclass(frozen=True)
class SectionWiring:
    """The states and data sets that a section of the tab listens to: `view` holds the DatasetView that it shows."""

    context: AppContext
    open_datasets: OpenDatasets
    view: gr.State

    def on(self, events: list[Any], handler: Callable[..., Any], inputs: Sequence[Any], outputs: Sequence[Any]) -> None:
        """After any of these events, call the handler with the data sets, the view and the inputs; the last one's result stays."""
        bound = with_gradio_errors(partial(handler, self.open_datasets))
        gr.on(events, bound, [self.view, *inputs], list(outputs), **PRIVATE_EVENT)


def build(context: AppContext) -> None:
    """Lay out the tab and wire it."""
    open_datasets, shown = context.open_datasets, gr.State(SECTIONS[0])
    panel, *sections = wirings = [
        SectionWiring(context, open_datasets, gr.State(DatasetView())) for _ in ("panel", *SECTIONS)
    ]
    views = [wiring.view for wiring in wirings]
    choice, folder, button = _build_choice(open_datasets, context.read_only)
    problem = gr.HTML(visible=False, elem_classes="flush")
    about = gr.HTML(notice("The demo data are being opened; the first time they are drawn."), elem_classes="flush")
    with gr.Column(visible=False) as filter_panel:
        filters = _build_filters(panel, shown, views)
    hint = gr.HTML(visible=False, elem_classes="flush")
    with gr.Column(visible=False) as content:
        headline = gr.HTML(elem_classes="flush")
        with gr.Tabs(overflow_behavior="wrap"):
            for (title, build_section), wiring in zip(SECTION_BUILDERS.items(), sections, strict=True):
                with gr.Tab(title) as tab:
                    build_section(wiring)
                tab.select(partial(_enter, title), panel.view, [shown, wiring.view], **PRIVATE_EVENT)
    panel.on([panel.view.change], show_panel, [], [filter_panel, hint, content, headline])
    opening: dict[str, Any] = {
        "outputs": [problem, about, *filters, *views],
        "show_progress_on": about,
        **OPENING_EVENT,
    }
    current_tab(context).select(partial(open_first, open_datasets, context.read_only), [shown, panel.view], **opening)
    opens = partial(open_dataset, open_datasets, context.read_only)
    gr.on([button.click, folder.submit], opens, [shown, choice, folder], **opening)


def _enter(title: str, view: DatasetView) -> tuple[str, DatasetView]:
    return title, view


def _build_choice(open_datasets: OpenDatasets, read_only: bool) -> tuple[gr.Radio, gr.Textbox, gr.Button]:
    choices = [(DATASETS[key].title, key) for key in offered_datasets(open_datasets, read_only)]
    with gr.Row(equal_height=True):
        info = DATASETS["demo"].description
        choice = gr.Radio(choices, value="demo", label="Data set", info=info, min_width=320)
        folder = gr.Textbox("", label="Path of the folder, where this app runs", visible=False, min_width=320)
        button = gr.Button("Open", variant="primary", scale=0, min_width=140, elem_classes="beside")
    if read_only:
        gr.HTML(notice(READ_ONLY, "note"), elem_classes="flush")
    choice.input(describe_source, choice, [choice, folder], **PRIVATE_EVENT)
    return choice, folder, button


def _build_filters(wiring: SectionWiring, shown: gr.State, views: list[gr.State]) -> list[Any]:
    choices, numbers = filtered_fields(HAM10000)
    with gr.Row(equal_height=True):
        pickers = [
            _any_of("Diagnosis", [], 3),
            *(_any_of(field.label, list(field.choices), 2) for field in choices),
            *(_any_of("", [], 2, visible=False) for _ in range(MAX_CHOICES - len(choices))),
            _any_of("Confirmed by", [], 2, visible=False),
            _any_of("Source", [], 2, visible=False),
        ]
    with gr.Row(equal_height=True, elem_id="filters"):
        bounds = [part for k in range(MAX_NUMBERS) for part in _bounds(numbers[k] if k < len(numbers) else None)]
        reset = gr.Button("Reset", scale=0, min_width=100, elem_classes="beside")
    filters: list[Any] = [*pickers, *bounds]
    triggers = [widget.input for widget in filters]
    applies, resets = (
        with_gradio_errors(partial(handler, wiring.open_datasets)) for handler in (apply_filters, reset_filters)
    )
    gr.on(triggers, applies, [views[0], shown, *filters], views, **PRIVATE_EVENT)
    reset.click(resets, [views[0], shown], [*filters, *views], **PRIVATE_EVENT)
    return filters


def _bounds(field: NumberField | None) -> list[Any]:
    """Two bounds and whether the number may be unknown; not shown where there is no such field."""
    low, high, step = (field.minimum, field.maximum, bound_step(field)) if field else (0, 1, 1)
    info, label, words = (bound_info(field), field.label, field.words) if field else ("", "", "")
    properties: dict[str, Any] = {"step": step, "info": info, "min_width": 150, "visible": field is not None}
    known: dict[str, Any] = {"info": "Show them, too", "visible": field is not None, "elem_classes": "unknown-too"}
    return [
        gr.Slider(low, high, value=low, label=f"{label} from", **properties),
        gr.Slider(low, high, value=high, label=f"{label} to", **properties),
        gr.Checkbox(True, label=f"Unknown {words}", **known),
    ]


def _any_of(label: str, choices: Sequence[Any], scale: int, visible: bool = True) -> gr.Dropdown:
    shape: dict[str, Any] = {"scale": scale, "min_width": 150, "visible": visible}
    return gr.Dropdown(list(choices), value=[], multiselect=True, label=label, info="Any, if none is chosen", **shape)


def _build_figures(wiring: SectionWiring) -> None:
    legend = gr.HTML(summary.legend(HAM10000), elem_classes="flush")
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
    wiring.on([wiring.view.change], show_tables, [], [tables])
    outputs = [legend, diagnoses, sites, sexes, lesions, ages, boxes, confirmation, sources, heat_map]
    wiring.on([wiring.view.change, normalisation.input], draw_figures, [normalisation], outputs)


def _bars() -> gr.HTML:
    return gr.HTML(elem_classes=["flush", "card"])


def _figure() -> gr.Plot:
    return gr.Plot(show_label=False, min_width=320)


def _build_gallery(wiring: SectionWiring) -> None:
    title = gr.Markdown()
    page, shown, selected = gr.State(0), gr.State([]), gr.State("")
    gallery = gr.Gallery(show_label=False, height="100%", format="jpeg", buttons=["fullscreen"], elem_id="images")
    with gr.Row():
        turns = {-1: gr.Button("Previous page", size="md"), 1: gr.Button("Next page", size="md")}
        sending = gr.Button("Predict the selected image", size="md", interactive=False)
    gallery.select(select_image, shown, [selected, sending], **CLICKED_EVENT)
    sending.click(
        send_to_predict, [wiring.view, selected], [wiring.context.sent_image, wiring.context.tabs], **PRIVATE_EVENT
    )
    for step, event in {0: wiring.view.change, **{step: button.click for step, button in turns.items()}}.items():
        wiring.on([event], partial(show_images, step=step), [page], [gallery, title, page, shown, sending])


def _build_table(wiring: SectionWiring) -> None:
    with gr.Row(equal_height=True):
        search = gr.Textbox("", label="Search", placeholder="an id, a diagnosis, a site, …")
        download = gr.DownloadButton("Download CSV", scale=0, min_width=160, elem_classes="beside")
    title = gr.Markdown()
    table = gr.Dataframe(interactive=False, show_label=False, max_height=560, elem_id="rows")
    changes = [wiring.view.change, search.change]  # Gradio 6.31 misses the first `input`, which may be a paste
    wiring.on(changes, show_table, [search], [table, title, download])


def _build_classes(wiring: SectionWiring) -> None:
    wiring.on([wiring.view.change], show_classes, [], [gr.HTML(elem_classes="flush")])


def _build_splits(wiring: SectionWiring) -> None:
    gr.Markdown(SPLIT_NOTE)
    with gr.Row():
        seed = gr.Number(SEED, label="Seed", scale=0, min_width=160)
    outputs: list[Any] = []
    with gr.Row():
        for _ in WHOLE:
            with gr.Column(min_width=320):
                outputs += [gr.HTML(elem_classes="flush"), _figure()]
    wiring.on([wiring.view.change, seed.change], show_splits, [seed], outputs)


SECTION_BUILDERS: Mapping[str, Callable[[SectionWiring], None]] = dict(
    zip(SECTIONS, (_build_figures, _build_gallery, _build_table, _build_classes, _build_splits), strict=True)
)
"""The functions that lay out each of SECTIONS."""
