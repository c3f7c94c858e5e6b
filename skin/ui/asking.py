"""Questions to the models and their answers: the handlers of the Predict tab."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Self

import gradio as gr
import numpy as np
import plotly.graph_objects as go
from gradio.processing_utils import save_bytes_to_cache
from gradio.utils import get_upload_folder
from PIL import Image

from skin.data import pixels
from skin.errors import UsageError, UserError
from skin.inference import batch
from skin.inference.explain import EXPLANATIONS
from skin.inference.predictor import Prediction, Predictor, multimodal_run
from skin.models.network import EncodedImage
from skin.patient import UNKNOWN, ChoiceField, NumberField, Patient, PatientField, Value
from skin.plots.dataset import first_number
from skin.plots.prediction import curve_over
from skin.table import write_table
from skin.task import HAM10000, Task
from skin.ui import answer, patient_form, uploads
from skin.ui.facts import message
from skin.ui.overlay import overlay
from skin.ui.predictors import Predictors

CURVE_YEARS = range(0, 91, 10)
"""Years at which the curve over age is computed."""

POINTS = 7
"""Of the curve over any other number."""

BEGIN = (
    "Drop, paste or photograph a dermatoscopic image, or click an example: the answer appears here, "
    "and follows every change of the form."
)
NO_MODEL = (
    "There is no trained model yet: train one on the Training tab (the demo takes a few minutes), "
    "or run `python -m skin train --dataset demo --preset demo`."
)


def answer_one(predictors: Predictors, *question: object) -> tuple[Any, Any, Any]:
    """The models' answer, what the patient's fields do to it, and the curve over age.

    The question is an upload, what stands in the places of `patient_form`, the choice of the model and the row of
    EXPLANATIONS, as the page sent them: so what is wrong with one is said in our own words.
    """
    try:
        return _answered(predictors, *question)
    except UserError as error:
        return message(str(error), "alert"), "", gr.Plot(visible=False)


def _answered(predictors: Predictors, *question: object) -> tuple[Any, Any, Any]:
    """As `answer_one`; raises UserError."""
    image, *places, choice, method = question
    upload = uploads.read(image)
    if upload is None:
        return begin(predictors), "", gr.Plot(visible=False)
    task = predictors.task(choice)
    picture, patient = pixels.decode(upload.content), task.parse(patient_form.told(task, places))
    told = Told(picture, hashlib.sha256(upload.content).hexdigest(), patient, str(method))
    answers = [Answer.ask(predictor, picture, patient) for predictor in predictors.choose(choice, patient)]
    said = f'<div class="answers" aria-live="polite">{"".join(_card(given, told) for given in answers)}</div>'
    effect, curve = "", gr.Plot(visible=False)
    for given in answers:
        if given.predictor.takes_patient:
            effect, figure = influence(given, patient)
            curve = gr.Plot(figure, visible=figure is not None)
    return said, effect, curve


def answer_anew(predictors: Predictors, answered: object, *question: object) -> tuple[Any, ...]:
    """`answer_one`'s answer and the question; nothing where that was answered last, for a form that is filled by an
    example asks twice."""
    if question == answered:
        return (gr.skip(),) * 4
    return *answer_one(predictors, *question), question


def begin(predictors: Predictors) -> str:
    """What to do first, and what there is to tell apart."""
    task = multimodal_run(predictors.workspace).task if predictors.runs() else HAM10000
    return message(BEGIN if predictors.runs() else NO_MODEL) + answer.taxonomy(task)


@dataclass(frozen=True)
class Told:
    """What the models were told: an image and the SHA-256 of its file, its patient, and a row of EXPLANATIONS."""

    picture: Image.Image
    digest: str
    patient: Patient
    method: str


@dataclass(frozen=True)
class Answer:
    """A predictor, the image as its network saw it, and the prediction for the patient that was given."""

    predictor: Predictor
    image: EncodedImage
    prediction: Prediction

    @classmethod
    def ask(cls, predictor: Predictor, picture: Image.Image, patient: Patient) -> Self:
        """The predictor's answer."""
        image = predictor.encode(picture)
        (prediction,) = predictor.predict_encoded(image, [patient])
        return cls(predictor, image, prediction)


def _card(given: Answer, told: Told) -> str:
    patient, predictor = told.patient, given.predictor
    known = predictor.task.values(patient) if predictor.takes_patient else {}
    record = {"image_sha256": told.digest, **known, **predictor.record(given.prediction)}
    heatmap = explain(given, told)
    return answer.card(predictor, patient, given.prediction, heatmap + answer.downloads(record))


def explain(given: Answer, told: Told) -> str:
    """The heatmap of every diagnosis over the picture, the most probable first."""
    if told.method not in EXPLANATIONS:
        raise UsageError(f"There is no explanation {told.method!r}: use one of {', '.join(EXPLANATIONS)}.")
    explanation, task = EXPLANATIONS[told.method], given.predictor.task
    maps = explanation.explain(given.image, task.encode([told.patient])[0])
    by_name = {known.name: maps[..., task.index(known.code)] for known, _ in given.prediction.ranked}
    return overlay(told.picture, by_name, explanation.title, explanation.limits)


def variants(task: Task, patient: Patient) -> dict[str, dict[str, Patient]]:
    """The patient with each other value of one field, by the field's name and by the value in words."""
    return {
        field.name: {words: patient.having(field.name, value) for words, value in _values(field, patient[field.name])}
        for field in task.fields
    }


def _values(field: PatientField, now: Value | None) -> list[tuple[str, Value | None]]:
    """Values of the field in words and as they are, the patient's own among them, and unknown."""
    if isinstance(field, ChoiceField):
        known: list[Value] = list(field.values)
        return [*((str(value), value) for value in known), (UNKNOWN, None)]
    numbers = sorted({*_points(field), *([float(now)] if now is not None else [])})
    return [*((f"{number:g} {field.unit}".rstrip(), number) for number in numbers), (UNKNOWN, None)]


def _points(field: NumberField) -> list[float]:
    if field.unit == "years":
        return [float(year) for year in CURVE_YEARS]
    return [float(point) for point in np.linspace(field.minimum, field.maximum, POINTS)]


def influence(given: Answer, patient: Patient) -> tuple[str, go.Figure | None]:
    """The answers were the patient another, in words and tables, and the curve over the first number, if there is one.

    They are told as the malignant probability or, where the task has none, that of the most probable diagnosis.
    """
    task, fields = given.predictor.task, variants(given.predictor.task, patient)
    others = list({Patient(), *(other for values in fields.values() for other in values.values())})
    said = dict(zip(others, given.predictor.predict_encoded(given.image, others), strict=True))
    what, share = _measure(given.prediction)
    shares = {name: {words: share(said[other]) for words, other in values.items()} for name, values in fields.items()}
    now = {name: next(words for words, other in values.items() if other == patient) for name, values in fields.items()}
    labels = {field.name: field.label.lower() for field in task.fields}
    tables = answer.what_if(
        {labels[name]: values for name, values in shares.items()},
        {labels[name]: words for name, words in now.items()},
        what,
    )
    effect = answer.without_patient(given.prediction, said[Patient()], patient) + tables
    number = first_number(task)
    return effect, _curve(number, patient, shares[number.name], fields[number.name], what) if number else None


def _measure(prediction: Prediction) -> tuple[str, Callable[[Prediction], float]]:
    """By what the answers are told, in words, and how much of it a prediction gives."""
    found = prediction.diagnosis
    if prediction.malignant_probability is None:
        return f"Probability of {found.name}", lambda other: other.probabilities[found.code]
    return "Malignant probability", lambda other: other.malignant_probability or 0.0


def _curve(
    field: NumberField, patient: Patient, shares: Mapping[str, float], others: Mapping[str, Patient], what: str
) -> go.Figure:
    by_number = {other[field.name]: shares[words] for words, other in others.items()}
    unknown = by_number.pop(None)
    points = {float(number): share for number, share in by_number.items() if number is not None}
    given = patient[field.name]
    return curve_over(field, points, None if given is None else float(given), unknown, what)


def answer_many(
    predictors: Predictors, files: object, table: object, choice: object, progress: gr.Progress = gr.Progress()
) -> tuple[str, gr.DownloadButton]:
    """What came of a batch, in words and as a table, and a CSV file of it."""
    upload = uploads.read(table)
    patients = batch.read_patients(*upload, predictors.task(choice)) if upload else {}
    rows = batch.predict_all(partial(predictors.choose, choice), uploads.read_all(files), patients, progress.tqdm)
    csv = write_table(batch.to_frame(rows)).encode()
    path = save_bytes_to_cache(csv, "predictions.csv", get_upload_folder())
    said = message(batch.summary(rows, patients)) + answer.table(rows)
    return said, gr.DownloadButton(value=path, visible=True)
