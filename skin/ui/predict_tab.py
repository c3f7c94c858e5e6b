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
from skin.inference.explain import EXPLANATIONS
from skin.inference.predictor import default_run
from skin.patient import Patient
from skin.run import Run
from skin.task import HAM10000, Task
from skin.ui import asking, patient_form
from skin.ui.endpoints import BATCH, PREDICTING, Endpoints
from skin.ui.examples import CLICKED, Example, Examples, buttons, examples, sent_example
from skin.ui.facts import message
from skin.ui.page import Page, spoken
from skin.ui.predictors import AUTOMATIC, Predictors
from skin.ui.selection import Sent, Shelf

LIMITS = (
    "Made for images taken through a dermatoscope. An ordinary photograph, or something that is none of the "
    "diagnoses, gets an answer, too: a meaningless one. Uploads are deleted after about an hour."
)
BATCH_HELP = (
    "Several images, or a ZIP of images. The table may hold, besides the file name in a column `image`, any of the "
    "model's fields, `age`, `sex` and `site` for those that come with the app; what it does not say is unknown."
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
    if (target.closest(".number")) target.inputMode = "decimal";
})"""
"""What no setting of Gradio's text field says: a phone shows numbers to type one."""

Showcase = Callable[[Run | None, int], Examples]


@dataclass(frozen=True)
class Form:
    """The components of one question; `patient` are those of `patient_form`."""

    image: gr.Image
    patient: list[Any]
    model: gr.Dropdown
    method: gr.Radio

    @property
    def question(self) -> list[Any]:
        """What `asking.answer_one` reads."""
        return [self.image, *self.patient, self.model, self.method]


Fields = tuple[str | None, ...]
"""The patient as it stands in the form."""


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


def fit_form(predictors: Predictors, choice: object, asked: Task) -> tuple[Any, ...]:
    """The places of the patient for the chosen model, unknown where it asks for other fields than the last, and its task."""
    task = predictors.task_or_usual(choice)
    if task.fields == asked.fields:
        return *[gr.skip()] * len(patient_form.PLACES), gr.skip(), asked
    return *patient_form.fitted(task), Loan(), task


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
    example = _examples(predictors, showcase, choice, number).images[clicked]
    return _fill(predictors, choice, example, loan, standing)


def take_sent(
    shelf: Shelf, predictors: Predictors, choice: object, sent: Sent, loan: Loan, *standing: str
) -> tuple[Any, ...]:
    """The image that was sent from another tab, as an example. Raises UserError when it is gone."""
    return _fill(predictors, choice, sent_example(shelf, sent), loan, standing)


def _fill(predictors: Predictors, choice: object, example: Example, loan: Loan, standing: Fields) -> tuple[Any, ...]:
    path = save_bytes_to_cache(example.content, "example.jpg", get_upload_folder())
    patient = patient_form.standing(predictors.task_or_usual(choice), example.patient)
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
            form = _lay_out_form(HAM10000)
        with gr.Column(scale=7, min_width=320):
            pictured, loan = _build_examples(page, predictors, showcase, form)
            said = gr.HTML(asking.begin(predictors), elem_classes="flush", elem_id="said")
            curve = gr.Plot(show_label=False, visible=False)
            effect = gr.HTML(elem_classes="flush", elem_id="effect")
            gr.HTML(message(LIMITS, "note"), elem_classes="flush")
    answered, asked = gr.State(), gr.State(HAM10000)
    answering: dict[str, Any] = {
        "fn": partial(asking.answer_anew, predictors),
        "inputs": [answered, *form.question],
        "outputs": [said, effect, curve, answered],
        "preprocess": False,
        "show_progress": "minimal",
        "show_progress_on": said,
        "api_visibility": "private",
        **PREDICTING,
    }
    typed = [part.change if isinstance(part, gr.Textbox) else part.input for part in form.patient]
    gr.on([pictured.change, *typed, form.method.input], trigger_mode="always_last", **answering)
    fitting = form.model.change(
        partial(fit_form, predictors), [form.model, asked], [*form.patient, loan, asked], **QUIET
    )
    fitting.then(**answering)
    pictured.change(None, form.image, js=SHOW_ANSWER, api_visibility="private")
    page.blocks.load(None, js=NUMBER_KEYBOARD, api_visibility="private")
    _wire_models(page, predictors, form.model)


def _lay_out_form(task: Task) -> Form:
    image = gr.Image(
        label="Dermatoscopic image",
        height=260,
        webcam_options=gr.WebcamOptions(mirror=False, constraints={"video": {"facingMode": "environment"}}),
        alt_text="The image to predict",
    )
    patient = patient_form.lay_out(task)
    model = _model_dropdown()
    rows = [(explanation.title, name) for name, explanation in EXPLANATIONS.items()]
    method = gr.Radio(rows, value=rows[0][1], label="Heatmap")
    return Form(image, patient, model, method)


def _model_dropdown() -> gr.Dropdown:
    info = "Automatic takes the model that uses the patient's data where any is given."
    return gr.Dropdown([("Automatic", AUTOMATIC)], value=AUTOMATIC, label="Model", info=info)


def _wire_models(page: Page, predictors: Predictors, model: gr.Dropdown) -> None:
    gr.on([page.blocks.load, page.tabs.change], partial(offer_models, predictors), model, model, **QUIET)
    page.opened.change(partial(open_model, predictors), page.opened, model, **QUIET)


def _build_examples(page: Page, predictors: Predictors, showcase: Showcase, form: Form) -> tuple[gr.State, gr.State]:
    """The examples; returns what changes with every new picture, once the form fits it, and the Loan."""
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
    sending = spoken(partial(take_sent, page.shelf, predictors))
    page.sent.change(sending, [form.model, page.sent, *standing], [form.image, *lent], **QUIET)
    form.image.input(return_loan, standing, lent, **QUIET)
    return pictured, loan


def _build_many(page: Page, predictors: Predictors) -> None:
    gr.Markdown(BATCH_HELP)
    with gr.Row(equal_height=True):
        files = gr.File(label="Images, or a ZIP of images", file_count="multiple", height=190, elem_id="batch-images")
        table = gr.File(label="Table of image and patient (CSV, optional)", height=190, elem_id="batch-patients")
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
