"""Questions to the models and their answers: the handlers of the Predict tab."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Self

import gradio as gr
import plotly.graph_objects as go
from gradio.processing_utils import save_bytes_to_cache
from gradio.utils import get_upload_folder
from PIL import Image

from skin import batch
from skin.data import pixels
from skin.errors import UsageError, UserError
from skin.explain import EXPLANATIONS
from skin.lesion import CODES
from skin.models.network import EncodedImage
from skin.patient import Patient, Sex, Site, encode
from skin.plots.prediction import age_curve
from skin.predict import Prediction, Predictor
from skin.table import write_table
from skin.ui import answer, uploads
from skin.ui.facts import message
from skin.ui.overlay import overlay
from skin.ui.predictors import Predictors

CURVE_AGES = tuple(range(0, 91, 10))
"""Years at which the curve over age is computed."""

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

    The question is an upload, age, sex, site, the choice of the model and the row of EXPLANATIONS, as the page sent
    them: so what is wrong with one is said in our own words.
    """
    try:
        return _answered(predictors, *question)
    except UserError as error:
        return message(str(error), "alert"), "", gr.Plot(visible=False)


def _answered(predictors: Predictors, *question: object) -> tuple[Any, Any, Any]:
    """As `answer_one`; raises UserError."""
    image, age, sex, site, choice, method = question
    upload = uploads.read(image)
    if upload is None:
        return begin(predictors), "", gr.Plot(visible=False)
    picture, patient = pixels.decode(upload.content), Patient.parse(age, sex, site)
    told = Told(picture, hashlib.sha256(upload.content).hexdigest(), patient, str(method))
    answers = [Answer.ask(predictor, picture, patient) for predictor in predictors.choose(choice, patient)]
    said = f'<div class="answers" aria-live="polite">{"".join(_card(given, told) for given in answers)}</div>'
    effect, curve = "", gr.Plot(visible=False)
    for given in answers:
        if given.predictor.takes_patient:
            effect, figure = influence(given, patient)
            curve = gr.Plot(figure, visible=True)
    return said, effect, curve


def answer_anew(predictors: Predictors, answered: object, *question: object) -> tuple[Any, ...]:
    """`answer_one`'s answer and the question; nothing where that was answered last, for a form that is filled by an
    example asks twice."""
    if question == answered:
        return (gr.skip(),) * 4
    return *answer_one(predictors, *question), question


def begin(predictors: Predictors) -> str:
    """What to do first, and what there is to tell apart."""
    return message(BEGIN if predictors.runs() else NO_MODEL) + answer.taxonomy()


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
    known = {"age": patient.age, "sex": str(patient.sex), "site": str(patient.site)} if predictor.takes_patient else {}
    record = {"image_sha256": told.digest, **known, **predictor.record(given.prediction)}
    heatmap = explain(given, told)
    return answer.card(predictor, patient, given.prediction, heatmap + answer.downloads(record))


def explain(given: Answer, told: Told) -> str:
    """The heatmap of every diagnosis over the picture, the most probable first."""
    if told.method not in EXPLANATIONS:
        raise UsageError(f"There is no explanation {told.method!r}: use one of {', '.join(EXPLANATIONS)}.")
    explanation = EXPLANATIONS[told.method]
    maps = explanation.explain(given.image, encode([told.patient])[0])
    by_name = {known.name: maps[..., CODES.index(known.code)] for known, _ in given.prediction.ranked}
    return overlay(told.picture, by_name, explanation.title, explanation.limits)


def variants(patient: Patient) -> dict[str, dict[str, Patient]]:
    """The patient with another age, another sex or another site, by field and by value in words."""
    ages = sorted({*CURVE_AGES, *([patient.age] if patient.age is not None else [])})
    aged = {f"{age:g} years": replace(patient, age=age) for age in ages}
    return {
        "age": aged | {"unknown": replace(patient, age=None)},
        "sex": {str(sex): replace(patient, sex=sex) for sex in Sex},
        "body site": {str(site): replace(patient, site=site) for site in Site},
    }


def influence(given: Answer, patient: Patient) -> tuple[str, go.Figure]:
    """The answers were the patient another, in words and tables, and the curve over age."""
    fields = variants(patient)
    others = list({Patient(), *(other for values in fields.values() for other in values.values())})
    said = dict(zip(others, given.predictor.predict_encoded(given.image, others), strict=True))
    malignant = {
        field: {value: said[other].malignant_probability for value, other in values.items()}
        for field, values in fields.items()
    }
    now = {
        field: next(value for value, other in values.items() if other == patient) for field, values in fields.items()
    }
    effect = answer.without_patient(given.prediction, said[Patient()], patient) + answer.what_if(malignant, now)
    return effect, _age_curve(patient, malignant["age"], fields["age"])


def _age_curve(patient: Patient, malignant: Mapping[str, float], aged: Mapping[str, Patient]) -> go.Figure:
    shares = {other.age: malignant[value] for value, other in aged.items()}
    unknown = shares.pop(None)
    return age_curve([age for age in shares if age is not None], list(shares.values()), patient.age, unknown)


def answer_many(
    predictors: Predictors, files: object, table: object, choice: object, progress: gr.Progress = gr.Progress()
) -> tuple[str, gr.DownloadButton]:
    """What came of a batch, in words and as a table, and a CSV file of it."""
    upload = uploads.read(table)
    patients = batch.read_patients(*upload) if upload else {}
    rows = batch.predict_all(partial(predictors.choose, choice), uploads.read_all(files), patients, progress.tqdm)
    csv = write_table(batch.to_frame(rows)).encode()
    path = save_bytes_to_cache(csv, "predictions.csv", get_upload_folder())
    said = message(batch.summary(rows, patients)) + answer.table(rows)
    return said, gr.DownloadButton(value=path, visible=True)
