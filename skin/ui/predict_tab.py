"""The Predict tab: what the models say of an image, or of many."""

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

import gradio as gr
from gradio.processing_utils import save_bytes_to_cache
from gradio.utils import get_upload_folder

from skin.errors import UserError
from skin.explain import EXPLANATIONS
from skin.patient import Patient, Sex, Site
from skin.predict import default_run
from skin.run import Run
from skin.ui import asking
from skin.ui.endpoints import BATCH, PREDICTING, Endpoints
from skin.ui.examples import CLICKED, Example, Examples, buttons, examples, sent_example
from skin.ui.facts import message
from skin.ui.page import Page, spoken
from skin.ui.predictors import AUTOMATIC, Predictors
from skin.ui.selection import Sent, Shelf

LIMITS = (
    "Made for images taken through a dermatoscope. An ordinary photograph, or something that is none of the seven "
    "diagnoses, gets an answer, too: a meaningless one. Uploads are deleted after about an hour."
)
BATCH_HELP = (
    "Several images, or a ZIP of images. The table may hold, besides the file name in a column `image`, any of `age`, "
    "`sex` and `site`; what it does not say is unknown."
)

ONE = "one"
"""The section for one image, to which an image is sent."""

QUIET: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden", "concurrency_limit": 4}

SHOW_ANSWER = """(image) => {
    const isTyping = document.activeElement?.matches("textarea, input:not([type=file], [type=radio])");
    if (!image || isTyping || !window.matchMedia("(max-width: 768px)").matches) return;
    document.querySelector("#said").scrollIntoView({ behavior: "smooth" });
}"""
"""On a phone the answer comes below the form, out of sight: the page scrolls to where it appears."""

NUMBER_KEYBOARD = """() => document.addEventListener("focusin", ({ target }) => {
    if (target.closest("#age")) target.inputMode = "decimal";
})"""
"""What no setting of Gradio's text field says: a phone shows numbers to type the age."""

Showcase = Callable[[Run | None, int], Examples]


@dataclass(frozen=True)
class Form:
    """The components of one question."""

    image: gr.Image
    age: gr.Textbox
    sex: gr.Radio
    site: gr.Dropdown
    model: gr.Dropdown
    method: gr.Radio

    @property
    def patient(self) -> list[Any]:
        """What is told of the patient."""
        return [self.age, self.sex, self.site]

    @property
    def question(self) -> list[Any]:
        """What `asking.answer_one` reads."""
        return [self.image, *self.patient, self.model, self.method]


Fields = tuple[str, ...]
"""Age, sex and site as they stand in the form."""


@dataclass(frozen=True)
class Loan:
    """The patient that an example put into the form, and what had stood there before."""

    lent: Fields = ()
    before: Fields = ()

    def returned(self, standing: Fields) -> Fields:
        """The form without the example's patient; what was changed since it was lent stays."""
        if not self.lent:
            return standing
        fields = zip(standing, self.lent, self.before, strict=True)
        return tuple(before if now == lent else now for now, lent, before in fields)


def offer_models(predictors: Predictors, chosen: str | None) -> gr.Dropdown:
    """The models to choose from; what was chosen stays, unless it is gone.

    A choice that stays is not sent: meanwhile `open_model` may have sent another, and would lose it.
    """
    choices = predictors.choices()
    return gr.Dropdown(choices) if chosen in dict(choices).values() else gr.Dropdown(choices, value=AUTOMATIC)


def open_model(predictors: Predictors, opened: str) -> Any:
    """The run that was opened elsewhere, chosen if it can predict."""
    choices = predictors.choices()
    return gr.Dropdown(choices, value=opened) if opened in dict(choices).values() else gr.skip()


def show_examples(predictors: Predictors, showcase: Showcase, choice: object, number: int) -> str:
    """This set of examples for the chosen model, as buttons."""
    return buttons(_examples(predictors, showcase, choice, number))


def _examples(predictors: Predictors, showcase: Showcase, choice: object, number: int) -> Examples:
    asked = next((run for run in predictors.runs() if run.name == choice), None)
    return showcase(asked or _usual(predictors), number)


def _usual(predictors: Predictors) -> Run | None:
    """The run that answers where nothing is known of the patient."""
    with suppress(UserError):
        return default_run(predictors.workspace, Patient())
    return None


def point(event: gr.EventData) -> int:
    """Which example was clicked."""
    return int(event.number)


def next_set(number: int) -> int:
    """The set of examples after this one."""
    return number + 1


def take_example(
    predictors: Predictors, showcase: Showcase, choice: object, number: int, clicked: int, loan: Loan, *standing: str
) -> tuple[Any, ...]:
    """The example that was clicked, as the values of the form, and its diagnosis folded away."""
    return _fill(_examples(predictors, showcase, choice, number).images[clicked], loan, standing)


def take_sent(shelf: Shelf, sent: Sent, loan: Loan, *standing: str) -> tuple[Any, ...]:
    """The image that was sent from another tab, as an example. Raises UserError when it is gone."""
    return _fill(sent_example(shelf, sent), loan, standing)


def _fill(example: Example, loan: Loan, standing: Fields) -> tuple[Any, ...]:
    path = save_bytes_to_cache(example.content, "example.jpg", get_upload_folder())
    age = "" if example.patient.age is None else f"{example.patient.age:g}"
    patient = (age, str(example.patient.sex), str(example.patient.site))
    truth = gr.HTML(example.truth, visible=True)
    return path, *patient, truth, Loan(patient, loan.returned(standing)), time.time_ns()


def return_loan(loan: Loan, *standing: str) -> tuple[Any, ...]:
    """The form for another image: neither the patient nor the diagnosis of an example.

    A field that stays as it is is not sent: what is typed into it meanwhile would be lost.
    """
    fields = zip(standing, loan.returned(standing), strict=True)
    sent = (gr.skip() if field == now else field for now, field in fields)
    return *sent, gr.HTML(visible=False), Loan(), time.time_ns()


def build(page: Page) -> None:
    """Lay out the tab and wire it."""
    predictors = Predictors(page.workspace)
    showcase = lru_cache(maxsize=16)(partial(examples, page.shelf))
    Endpoints(predictors).publish()
    with gr.Tabs() as tabs:
        with gr.Tab("One image", id=ONE):
            _build_one(page, predictors, showcase)
        with gr.Tab("Many images"):
            _build_many(page, predictors)
    page.sent.change(partial(gr.Tabs, selected=ONE), None, tabs, **QUIET)


def _build_one(page: Page, predictors: Predictors, showcase: Showcase) -> None:
    with gr.Row(equal_height=False):
        with gr.Column(scale=4, min_width=320):
            form = _lay_out_form()
        with gr.Column(scale=7, min_width=320):
            pictured = _build_examples(page, predictors, showcase, form)
            said = gr.HTML(asking.begin(predictors), elem_classes="flush", elem_id="said")
            curve = gr.Plot(show_label=False, visible=False)
            effect = gr.HTML(elem_classes="flush", elem_id="effect")
            gr.HTML(message(LIMITS, "note"), elem_classes="flush")
    answered = gr.State()
    changes = [part.change for part in (pictured, form.age, form.model)]
    changes += [part.input for part in (form.sex, form.site, form.method)]
    gr.on(
        changes,
        partial(asking.answer_anew, predictors),
        [answered, *form.question],
        [said, effect, curve, answered],
        preprocess=False,
        trigger_mode="always_last",
        show_progress="minimal",
        show_progress_on=said,
        api_visibility="private",
        **PREDICTING,
    )
    pictured.change(None, form.image, js=SHOW_ANSWER, api_visibility="private")
    page.blocks.load(None, js=NUMBER_KEYBOARD, api_visibility="private")
    _wire_models(page, predictors, form.model)


def _lay_out_form() -> Form:
    image = gr.Image(
        label="Dermatoscopic image",
        height=260,
        webcam_options=gr.WebcamOptions(mirror=False, constraints={"video": {"facingMode": "environment"}}),
        alt_text="The image to predict",
    )
    with gr.Row(equal_height=True):
        age = gr.Textbox(label="Age (years)", placeholder="unknown", max_length=5, min_width=110, elem_id="age")
        site = gr.Dropdown(_sites(), value=str(Site.UNKNOWN), label="Body site", scale=2, min_width=180)
    sex = gr.Radio([str(sex) for sex in Sex], value=str(Sex.UNKNOWN), label="Sex")
    model = _model_dropdown()
    rows = [(explanation.title, name) for name, explanation in EXPLANATIONS.items()]
    method = gr.Radio(rows, value=rows[0][1], label="Heatmap")
    return Form(image, age, sex, site, model, method)


def _sites() -> list[str]:
    return [str(Site.UNKNOWN), *(str(site) for site in Site if site is not Site.UNKNOWN)]


def _model_dropdown() -> gr.Dropdown:
    info = "Automatic takes the model that uses the patient's data where any is given."
    return gr.Dropdown([("Automatic", AUTOMATIC)], value=AUTOMATIC, label="Model", info=info)


def _wire_models(page: Page, predictors: Predictors, model: gr.Dropdown) -> None:
    gr.on([page.blocks.load, page.tabs.change], partial(offer_models, predictors), model, model, **QUIET)
    page.opened.change(partial(open_model, predictors), page.opened, model, **QUIET)


def _build_examples(page: Page, predictors: Predictors, showcase: Showcase, form: Form) -> gr.State:
    """The examples; returns what changes with every new picture, once the form fits it."""
    shown = gr.HTML(js_on_load=CLICKED, elem_classes="flush")
    truth = gr.HTML(visible=False, elem_classes="flush")
    number, clicked, loan, pictured = gr.State(0), gr.State(0), gr.State(Loan()), gr.State(0)
    bound, inputs = (predictors, showcase), [form.model, number]
    showing = {"fn": partial(show_examples, *bound), "inputs": inputs, "outputs": shown, **QUIET}
    gr.on([page.blocks.load, form.model.change, number.change], **showing)
    shown.click(next_set, number, number, **QUIET)
    standing, lent = [loan, *form.patient], [*form.patient, truth, loan, pictured]
    taking = partial(take_example, *bound)
    shown.select(point, None, clicked, **QUIET).then(
        taking, [*inputs, clicked, *standing], [form.image, *lent], **QUIET
    )
    sending = spoken(partial(take_sent, page.shelf))
    page.sent.change(sending, [page.sent, *standing], [form.image, *lent], **QUIET)
    form.image.input(return_loan, standing, lent, **QUIET)
    return pictured


def _build_many(page: Page, predictors: Predictors) -> None:
    gr.Markdown(BATCH_HELP)
    with gr.Row(equal_height=True):
        files = gr.File(label="Images, or a ZIP of images", file_count="multiple", height=190, elem_id="batch-images")
        table = gr.File(label="Table of image, age, sex and site (CSV, optional)", height=190, elem_id="batch-patients")
    with gr.Row(equal_height=True):
        model = _model_dropdown()
        start = gr.Button("Predict all", variant="primary", elem_classes="beside")
        download = gr.DownloadButton("Download CSV", visible=False, elem_classes="beside")
    said = gr.HTML(elem_classes="flush", elem_id="batch-answers")
    _wire_models(page, predictors, model)
    start.click(
        spoken(partial(asking.answer_many, predictors)),
        [files, table, model],
        [said, download],
        preprocess=False,
        show_progress_on=said,
        api_visibility="private",
        **BATCH,
    )
