"""Handlers of the Predict tab: predictions for one image or many, examples, and the form that follows the model."""

import hashlib
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

import gradio as gr
from markupsafe import Markup
from PIL import Image

from skin.audit.audit import load_step
from skin.data import pixels
from skin.errors import UsageError, UserError
from skin.evaluation.chosen import DecisionChoice
from skin.inference import batch
from skin.inference.explain import EXPLANATIONS
from skin.inference.predictor import default_run, multimodal_run
from skin.patient import Patient
from skin.run import Run
from skin.table import write_table
from skin.task import HAM10000, Task
from skin.ui import uploads
from skin.ui.components.choice import offer
from skin.ui.components.notices import notice
from skin.ui.components.open_datasets import OpenDatasets, SentImage
from skin.ui.components.predictors import AUTOMATIC, Predictors
from skin.ui.components.templates import render
from skin.ui.gradio_internals import save_for_browser
from skin.ui.predict import batch_results, patient_form, result_card
from skin.ui.predict.examples import Example, Examples, example_buttons, sent_example
from skin.ui.predict.heatmap_overlay import heatmap_overlay
from skin.ui.predict.patient_effect import ModelAnswer, patient_effect
from skin.ui.predict.patient_form import ExamplePatient, FormValues
from skin.ui.predict.similar_cases import similar_cases

FIRST_STEPS = (
    "Drop, paste or photograph a dermatoscopic image, or click an example: the answer appears here, "
    "and follows every change of the form."
)

NO_MODEL = (
    "There is no trained model yet: train one on the Training tab (the demo takes a few minutes), "
    "or run `python -m skin train --dataset demo --preset demo`."
)

GetExamples = Callable[[Run | None, int], Examples]


def predict_one(
    predictors: Predictors, open_datasets: OpenDatasets, allowed: str, *values: object
) -> tuple[Any, Any, Any, Any]:
    """The result cards, the effect of the patient's fields, the curve over age, and the button that overrides a refusal.

    `allowed` is the SHA-256 of the image whose answer is shown even where it is refused. The values are an upload, those
    in the slots of `patient_form`, the choice of the model, the row of EXPLANATIONS and the DecisionChoice, as the page sent
    them: so what is wrong with one is said in our own words.
    """
    try:
        return _predict(predictors, open_datasets, allowed, *values)
    except UserError as error:
        return _nothing_but(notice(str(error), "alert"))


def _predict(
    predictors: Predictors, open_datasets: OpenDatasets, allowed: str, *values: object
) -> tuple[Any, Any, Any, Any]:
    """As `predict_one`; raises UserError."""
    image, *slots, choice, method, decision = values
    upload = uploads.read(image)
    if upload is None:
        return _nothing_but(first_steps(predictors))
    task = predictors.task(choice)
    picture, patient = pixels.decode(upload.content), task.parse(patient_form.values_by_field(task, slots))
    question = Question(picture, _digest(upload.content), patient, str(method))
    asked = predictors.choose(choice, patient, cast("DecisionChoice", decision))
    answers = [ModelAnswer.ask(predictor, picture, patient) for predictor in asked]
    refused = [answered.is_refused and allowed != question.digest for answered in answers]
    cards, effect, curve = [], "", gr.Plot(visible=False)
    for answered, is_refused in zip(answers, refused, strict=True):
        cards.append(_refusal(answered) if is_refused else _result_card(answered, question, open_datasets))
        if answered.predictor.takes_patient and not is_refused:
            effect, figure = patient_effect(answered, patient)
            curve = gr.Plot(figure, visible=figure is not None)
    html = render("predict/result_cards.html", cards=cards)
    return html, effect, curve, gr.Button(visible=any(refused))


def _nothing_but(html: Markup) -> tuple[Any, Any, Any, Any]:
    return html, "", gr.Plot(visible=False), gr.Button(visible=False)


def _refusal(answered: ModelAnswer) -> Markup:
    run = answered.predictor.run
    scope = load_step(run, "scope")
    return result_card.refusal(run.name, answered.prediction.scope.reason, scope.test_refused if scope else None)


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def allow(image: object) -> str:
    """The SHA-256 of an upload whose answer is asked for all the same, "" where there is none."""
    upload = uploads.read(image)
    return _digest(upload.content) if upload else ""


def predict_if_changed(
    predictors: Predictors, open_datasets: OpenDatasets, last_values: object, *values: Any
) -> tuple[Any, ...]:
    """`predict_one`'s results and the values; nothing where they are the last ones, for a form that is filled by an
    example asks twice."""
    if values == last_values:
        return (gr.skip(),) * 5
    return *predict_one(predictors, open_datasets, *values), values


def first_steps(predictors: Predictors) -> Markup:
    """The first steps, and the diagnoses that are told apart."""
    task = multimodal_run(predictors.workspace).task if predictors.runs() else HAM10000
    return notice(FIRST_STEPS if predictors.runs() else NO_MODEL) + result_card.diagnosis_list(task)


@dataclass(frozen=True)
class Question:
    """The question put to the models: an image and the SHA-256 of its file, its patient, and a row of EXPLANATIONS."""

    picture: Image.Image
    digest: str
    patient: Patient
    method: str


def _result_card(answered: ModelAnswer, question: Question, open_datasets: OpenDatasets) -> Markup:
    patient, predictor = question.patient, answered.predictor
    known = predictor.task.values(patient) if predictor.takes_patient else {}
    record = {"image_sha256": question.digest, **known, **predictor.record(answered.prediction)}
    heatmap = heatmap_figure(answered, question)
    beside = heatmap + result_card.download_links(record)
    cases = similar_cases(answered, open_datasets)
    return result_card.result_card(predictor, patient, answered.prediction, beside, cases)


def heatmap_figure(answered: ModelAnswer, question: Question) -> Markup:
    """The heatmap of every diagnosis over the picture, the decided one first, then by probability."""
    if question.method not in EXPLANATIONS:
        raise UsageError(f"There is no explanation {question.method!r}: use one of {', '.join(EXPLANATIONS)}.")
    explanation, task = EXPLANATIONS[question.method], answered.predictor.task
    maps = explanation.explain(answered.image, task.encode([question.patient])[0])
    prediction = answered.prediction
    diagnoses = dict.fromkeys([prediction.diagnosis, *(known for known, _ in prediction.ranked)])
    by_name = {known.name: maps[..., task.index(known.code)] for known in diagnoses}
    return heatmap_overlay(question.picture, by_name, explanation.title, explanation.limits)


def predict_many(
    predictors: Predictors,
    files: object,
    table: object,
    choice: object,
    decision: DecisionChoice = DecisionChoice(),
    progress: gr.Progress = gr.Progress(),
) -> tuple[str, gr.DownloadButton]:
    """The outcome of a batch, in words and as a table, and a CSV file of it."""
    upload = uploads.read(table)
    patients = batch.read_patients(*upload, predictors.task(choice)) if upload else {}
    choose = partial(predictors.choose, choice, decision=decision)
    rows = batch.predict_all(choose, uploads.read_all(files), patients, progress.tqdm)
    csv = write_table(batch.to_frame(rows)).encode()
    path = save_for_browser(csv, "predictions.csv")
    html = notice(batch.summary(rows, patients)) + batch_results.batch_table(rows)
    return html, gr.DownloadButton(value=path, visible=True)


def offer_models(predictors: Predictors, chosen: str | None) -> gr.Dropdown:
    """The models to choose from; what was chosen stays, unless it is gone."""
    choices = predictors.choices()
    return offer(choices, chosen if chosen in dict(choices).values() else AUTOMATIC, chosen)


def open_model(predictors: Predictors, opened_run: str) -> Any:
    """The run that was opened elsewhere, chosen if it can predict."""
    choices = predictors.choices()
    return gr.Dropdown(choices, value=opened_run) if opened_run in dict(choices).values() else gr.skip()


def show_fields(predictors: Predictors, choice: object, form_task: Task) -> tuple[Any, ...]:
    """The slots of the patient for the chosen model, unknown where it asks for other fields than the last, and its task."""
    task = predictors.task_or_default(choice)
    if task.fields == form_task.fields:
        return *[gr.skip()] * len(patient_form.SLOTS), gr.skip(), form_task
    return *patient_form.field_updates(task), ExamplePatient(), task


def show_examples(predictors: Predictors, get_examples: GetExamples, choice: object, number: int) -> str:
    """This set of examples for the chosen model, as buttons."""
    return example_buttons(_examples(predictors, get_examples, choice, number))


def _examples(predictors: Predictors, get_examples: GetExamples, choice: object, number: int) -> Examples:
    chosen = next((run for run in predictors.runs() if run.name == choice), None)
    return get_examples(chosen or _default_run(predictors), number)


def _default_run(predictors: Predictors) -> Run | None:
    """The run that answers where nothing is known of the patient."""
    with suppress(UserError):
        return default_run(predictors.workspace, Patient())
    return None


def clicked_example(event: gr.EventData) -> int:
    """The number of the example that was clicked."""
    return int(event.number)


def next_examples(number: int) -> int:
    """The set of examples after this one."""
    return number + 1


def fill_in_example(
    predictors: Predictors,
    get_examples: GetExamples,
    choice: object,
    number: int,
    clicked: int,
    example_patient: ExamplePatient,
    *current: str,
) -> tuple[Any, ...]:
    """The example that was clicked, as the values of the form, and its diagnosis folded away."""
    example = _examples(predictors, get_examples, choice, number).images[clicked]
    return _fill(predictors, choice, example, example_patient, current)


def fill_in_sent_image(
    open_datasets: OpenDatasets,
    predictors: Predictors,
    choice: object,
    sent_image: SentImage,
    example_patient: ExamplePatient,
    *current: str,
) -> tuple[Any, ...]:
    """The image that was sent from another tab, as an example. Raises UserError when it is gone."""
    return _fill(predictors, choice, sent_example(open_datasets, sent_image), example_patient, current)


def _fill(
    predictors: Predictors, choice: object, example: Example, example_patient: ExamplePatient, current: FormValues
) -> tuple[Any, ...]:
    path = save_for_browser(example.content, "example.jpg")
    patient = patient_form.form_values(predictors.task_or_default(choice), example.patient)
    truth = gr.HTML(example.truth, visible=True)
    return path, *patient, truth, ExamplePatient(patient, example_patient.withdrawn(current)), time.time_ns()


def withdraw_example(example_patient: ExamplePatient, *current: str) -> tuple[Any, ...]:
    """The form for another image: neither the patient nor the diagnosis of an example.

    A field that stays as it is is not sent: what is typed into it meanwhile would be lost.
    """
    fields = zip(current, example_patient.withdrawn(current), strict=True)
    changed = (gr.skip() if field == now else field for now, field in fields)
    return *changed, gr.HTML(visible=False), ExamplePatient(), time.time_ns()
