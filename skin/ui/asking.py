"""Questions to the models and their answers: the handlers of the Predict tab."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

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
from skin.patient import Patient, Sex, Site, encode
from skin.plots.prediction import age_curve
from skin.predict import Prediction, Predictor
from skin.table import write_table
from skin.ui import answer, uploads
from skin.ui.facts import message
from skin.ui.overlay import overlay
from skin.ui.predictors import Predictors

CURVE_AGES = tuple(range(0, 91, 15))
"""Years at which the curve over age is computed."""

BEGIN = (
    "Drop, paste or photograph a dermatoscopic image, or click an example: the answer appears here, "
    "and follows every change of the form."
)
NO_MODEL = (
    "There is no trained model yet: train one on the Training tab (the demo takes a few minutes), "
    "or run `python -m skin train --dataset demo --preset demo`."
)


def answer_one(predictors: Predictors, *question: object) -> Iterator[tuple[Any, Any, Any]]:
    """What the models say; then, as that takes longer, what the patient's fields do to it.

    The question is an upload, age, sex, site, the choice of the model and the row of EXPLANATIONS, as the page sent
    them: so what is wrong with one is said in our own words.
    """
    try:
        image, age, sex, site, choice, method = question
        upload = uploads.read(image)
        if upload is None:
            yield begin(predictors), "", gr.Plot(visible=False)
            return
        picture, patient = pixels.decode(upload.content), Patient.parse(age, sex, site)
        asked = [(predictor, predictor.predict(picture, patient)) for predictor in predictors.choose(choice, patient)]
        digest = hashlib.sha256(upload.content).hexdigest()
        cards = [_card(*pair, Told(picture, digest, patient, str(method))) for pair in asked]
        said = f'<div class="answers" aria-live="polite">{"".join(cards)}</div>'
        yield said, "", gr.Plot(visible=False)
        for predictor, prediction in asked:
            if predictor.takes_patient:
                for effect, curve in influence(predictor, picture, patient, prediction):
                    yield gr.skip(), effect, gr.Plot(curve, visible=True)
    except UserError as error:
        yield message(str(error), "alert"), "", gr.Plot(visible=False)


def answer_anew(predictors: Predictors, answered: object, *question: object) -> Iterator[tuple[Any, ...]]:
    """What `answer_one` says, and the question; nothing where that was answered last, for a form that is filled by an
    example asks twice."""
    if question == answered:
        yield (gr.skip(),) * 4
        return
    for said in answer_one(predictors, *question):
        yield *said, question


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


def _card(predictor: Predictor, prediction: Prediction, told: Told) -> str:
    patient = told.patient
    known = {"age": patient.age, "sex": str(patient.sex), "site": str(patient.site)} if predictor.takes_patient else {}
    record = {"image_sha256": told.digest, **known, **predictor.record(prediction)}
    heatmap = explain(predictor, told.picture, patient, prediction, told.method)
    return answer.card(predictor, patient, prediction, heatmap + answer.downloads(record))


def explain(predictor: Predictor, picture: Image.Image, patient: Patient, prediction: Prediction, method: str) -> str:
    """The heatmap of the most probable diagnosis over the picture."""
    if method not in EXPLANATIONS:
        raise UsageError(f"There is no explanation {method!r}: use one of {', '.join(EXPLANATIONS)}.")
    explanation = EXPLANATIONS[method]
    found = prediction.diagnosis
    heatmap = explanation.explain(
        predictor.network, predictor.prepare(picture), encode([patient])[0], CODES.index(found.code)
    )
    return overlay(picture, heatmap, f"{explanation.title}: where it sees {found.name.lower()}.", explanation.limits)


def variants(patient: Patient) -> dict[str, dict[str, Patient]]:
    """The patient with another age, another sex or another site, by field and by value in words."""
    ages = sorted({*CURVE_AGES, *([patient.age] if patient.age is not None else [])})
    aged = {f"{age:g} years": replace(patient, age=age) for age in ages}
    return {
        "age": aged | {"unknown": replace(patient, age=None)},
        "sex": {str(sex): replace(patient, sex=sex) for sex in Sex},
        "body site": {str(site): replace(patient, site=site) for site in Site},
    }


def influence(
    predictor: Predictor, picture: Image.Image, patient: Patient, prediction: Prediction
) -> Iterator[tuple[str, go.Figure]]:
    """What the answer would be were the patient another: unknown or of another age; then, with as many more
    predictions, of another sex or with another site, too."""
    fields, said = variants(patient), {patient: prediction}
    for others in ({Patient(), *fields["age"].values()}, {*fields["sex"].values(), *fields["body site"].values()}):
        new = [other for other in others if other not in said]
        said |= zip(new, predictor.predict_patients(picture, new), strict=True)
        malignant = {
            field: {value: said[other].malignant_probability for value, other in values.items()}
            for field, values in fields.items()
            if said.keys() >= {*values.values()}
        }
        now = {field: next(value for value, other in fields[field].items() if other == patient) for field in malignant}
        effect = answer.without_patient(prediction, said[Patient()], patient) + answer.what_if(malignant, now)
        yield effect, _age_curve(patient, malignant["age"], fields["age"])


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
