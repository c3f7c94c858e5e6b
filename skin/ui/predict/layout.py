"""The Predict tab: its components, and what wires them to the handlers."""

from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

import gradio as gr

from skin.inference.explain import EXPLANATIONS
from skin.task import Task
from skin.ui.components.context import AppContext
from skin.ui.components.events import CLICKED_EVENT, PRIVATE_EVENT, with_gradio_errors
from skin.ui.components.notices import notice
from skin.ui.components.predictors import AUTOMATIC, Predictors
from skin.ui.endpoints import BATCH_EVENT, PREDICT_EVENT, Endpoints
from skin.ui.predict import decision_form, handlers, patient_form
from skin.ui.predict.examples import EXAMPLE_CLICKED_JS, load_examples
from skin.ui.predict.handlers import (
    GetExamples,
    clicked_example,
    fill_in_example,
    fill_in_sent_image,
    next_examples,
    offer_models,
    open_model,
    show_examples,
    show_fields,
    withdraw_example,
)
from skin.ui.predict.patient_form import ExamplePatient

LIMITS = (
    "Made for images taken through a dermatoscope. A picture of something else is refused where the model's gate notices "
    "it, which is not always; a lesion that is none of the diagnoses still gets an answer, a meaningless one. Uploads are "
    "deleted after about an hour."
)

BATCH_HELP = (
    "Several images, or a ZIP of images. The table may hold, besides the file name in a column `image`, any of the "
    "model's fields, `age`, `sex` and `site` for those that come with the app; what it does not say is unknown."
)

SINGLE_IMAGE = "one"
"""The section for one image, to which an image is sent."""

SCROLL_TO_RESULT_JS = """(image) => {
    const isTyping = document.activeElement?.matches("textarea, input:not([type=file], [type=radio])");
    if (!image || isTyping || !window.matchMedia("(max-width: 768px)").matches) return;
    document.querySelector("#said").scrollIntoView({ behavior: "smooth" });
}"""
"""On a phone the answer comes below the form, out of sight: the page scrolls to where it appears."""

NUMBER_KEYBOARD_JS = """() => document.addEventListener("focusin", ({ target }) => {
    if (target.closest(".number")) target.inputMode = "decimal";
})"""
"""The script that has a phone show its numbers to type one, for which Gradio's text field has no setting."""


@dataclass(frozen=True)
class PredictForm:
    """The components of one question; `patient` are those of `patient_form`, `decision` is the state of `decision_form`."""

    image: gr.Image
    patient: list[Any]
    model: gr.Dropdown
    method: gr.Radio
    decision: gr.State

    @property
    def inputs(self) -> list[Any]:
        """The components that `handlers.predict_one` reads."""
        return [self.image, *self.patient, self.model, self.method, self.decision]


def build(context: AppContext) -> None:
    """Lay out the tab and wire it."""
    predictors = Predictors(context.workspace)
    get_examples = lru_cache(maxsize=16)(partial(load_examples, context.open_datasets))
    Endpoints(predictors).publish()
    with gr.Tabs() as tabs:
        with gr.Tab("One image", id=SINGLE_IMAGE):
            _build_one(context, predictors, get_examples)
        with gr.Tab("Many images"):
            _build_many(context, predictors)
    context.sent_image.change(partial(gr.Tabs, selected=SINGLE_IMAGE), None, tabs, **PRIVATE_EVENT)


def _build_one(context: AppContext, predictors: Predictors, get_examples: GetExamples) -> None:
    task = predictors.task_or_default(AUTOMATIC)
    with gr.Row(equal_height=False):
        with gr.Column(scale=4, min_width=320):
            form = _lay_out_form(predictors, task)
        with gr.Column(scale=7, min_width=320):
            pictured, example_patient = _build_examples(context, predictors, get_examples, form)
            result = gr.HTML(handlers.first_steps(predictors), elem_classes="flush", elem_id="said")
            override = gr.Button("Show the answer all the same", visible=False, elem_id="override")
            curve = gr.Plot(show_label=False, visible=False)
            effect = gr.HTML(elem_classes="flush", elem_id="effect")
            gr.HTML(notice(LIMITS, "note"), elem_classes="flush")
    last_inputs, form_task, allowed = gr.State(), gr.State(task), gr.State("")
    predicting: dict[str, Any] = {
        "fn": partial(handlers.predict_if_changed, predictors, context.open_datasets),
        "inputs": [last_inputs, allowed, *form.inputs],
        "outputs": [result, effect, curve, override, last_inputs],
        "preprocess": False,
        "show_progress": "minimal",
        "show_progress_on": result,
        "api_visibility": "private",
        **PREDICT_EVENT,
    }
    typed = [part.change if isinstance(part, gr.Textbox) else part.input for part in form.patient]
    gr.on([pictured.change, *typed, form.method.input, form.decision.change], trigger_mode="always_last", **predicting)
    fitting = form.model.change(
        partial(show_fields, predictors),
        [form.model, form_task],
        [*form.patient, example_patient, form_task],
        **PRIVATE_EVENT,
    )
    fitting.then(**predicting)
    override.click(handlers.allow, form.image, allowed, preprocess=False, **PRIVATE_EVENT).then(**predicting)
    pictured.change(None, form.image, js=SCROLL_TO_RESULT_JS, api_visibility="private")
    context.blocks.load(None, js=NUMBER_KEYBOARD_JS, api_visibility="private")
    _wire_models(context, predictors, form.model)


def _lay_out_form(predictors: Predictors, task: Task) -> PredictForm:
    image = gr.Image(
        label="Dermatoscopic image",
        height=260,
        webcam_options=gr.WebcamOptions(mirror=False, constraints={"video": {"facingMode": "environment"}}),
        alt_text="The image to predict",
    )
    patient = patient_form.lay_out_fields(task)
    model = _model_dropdown()
    rows = [(explanation.title, name) for name, explanation in EXPLANATIONS.items()]
    method = gr.Radio(rows, value=rows[0][1], label="Heatmap")
    return PredictForm(image, patient, model, method, decision_form.build(predictors, model))


def _model_dropdown() -> gr.Dropdown:
    info = "Automatic takes the model that uses the patient's data where any is given."
    return gr.Dropdown([("Automatic", AUTOMATIC)], value=AUTOMATIC, label="Model", info=info)


def _wire_models(context: AppContext, predictors: Predictors, model: gr.Dropdown) -> None:
    gr.on([context.blocks.load, context.tabs.change], partial(offer_models, predictors), model, model, **PRIVATE_EVENT)
    context.opened_run.change(partial(open_model, predictors), context.opened_run, model, **PRIVATE_EVENT)


def _build_examples(
    context: AppContext, predictors: Predictors, get_examples: GetExamples, form: PredictForm
) -> tuple[gr.State, gr.State]:
    """The examples; returns what changes with every new picture, once the form fits it, and the ExamplePatient."""
    shown = gr.HTML(js_on_load=EXAMPLE_CLICKED_JS, elem_classes="flush")
    truth = gr.HTML(visible=False, elem_classes="flush")
    number, clicked, example_patient, pictured = gr.State(0), gr.State(0), gr.State(ExamplePatient()), gr.State(0)
    bound, inputs = (predictors, get_examples), [form.model, number]
    showing = {"fn": partial(show_examples, *bound), "inputs": inputs, "outputs": shown, **PRIVATE_EVENT}
    gr.on([context.blocks.load, form.model.change, number.change], **showing)
    shown.click(next_examples, number, number, **PRIVATE_EVENT)
    current, filled = [example_patient, *form.patient], [*form.patient, truth, example_patient, pictured]
    taking = partial(fill_in_example, *bound)
    shown.select(clicked_example, None, clicked, **CLICKED_EVENT).then(
        taking, [*inputs, clicked, *current], [form.image, *filled], **PRIVATE_EVENT
    )
    sending = with_gradio_errors(partial(fill_in_sent_image, context.open_datasets, predictors))
    context.sent_image.change(
        sending, [form.model, context.sent_image, *current], [form.image, *filled], **PRIVATE_EVENT
    )
    form.image.input(withdraw_example, current, filled, **PRIVATE_EVENT)
    return pictured, example_patient


def _build_many(context: AppContext, predictors: Predictors) -> None:
    gr.Markdown(BATCH_HELP)
    with gr.Row(equal_height=True):
        files = gr.File(label="Images, or a ZIP of images", file_count="multiple", height=190, elem_id="batch-images")
        table = gr.File(label="Table of image and patient (CSV, optional)", height=190, elem_id="batch-patients")
    with gr.Row(equal_height=True):
        model = _model_dropdown()
        start = gr.Button("Predict all", variant="primary", elem_classes="beside")
        download = gr.DownloadButton("Download CSV", visible=False, elem_classes="beside")
    decision = decision_form.build(predictors, model)
    result = gr.HTML(elem_classes="flush", elem_id="batch-answers")
    _wire_models(context, predictors, model)
    start.click(
        with_gradio_errors(partial(handlers.predict_many, predictors)),
        [files, table, model, decision],
        [result, download],
        preprocess=False,
        show_progress_on=result,
        api_visibility="private",
        **BATCH_EVENT,
    )
