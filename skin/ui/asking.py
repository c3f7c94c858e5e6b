"""Questions to the models and their answers: the handlers of the Predict tab."""

from collections.abc import Iterator
from dataclasses import replace
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
from skin.patient import Patient, encode
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
        yield _cards(asked, picture, patient, method), "", gr.Plot(visible=False)
        for predictor, prediction in asked:
            if predictor.takes_patient:
                effect, curve = influence(predictor, picture, patient, prediction)
                yield gr.skip(), effect, gr.Plot(curve, visible=True)
    except UserError as error:
        yield message(str(error), "alert"), "", gr.Plot(visible=False)


def begin(predictors: Predictors) -> str:
    """What to do first, and what there is to tell apart."""
    return message(BEGIN if predictors.runs() else NO_MODEL) + answer.taxonomy()


def _cards(asked: list[tuple[Predictor, Prediction]], picture: Image.Image, patient: Patient, method: object) -> str:
    cards = [
        answer.card(predictor, patient, prediction, explain(predictor, picture, patient, prediction, method))
        for predictor, prediction in asked
    ]
    return f'<div class="answers" aria-live="polite">{"".join(cards)}</div>'


def explain(
    predictor: Predictor, picture: Image.Image, patient: Patient, prediction: Prediction, method: object
) -> str:
    """The heatmap of the most probable diagnosis over the picture."""
    if str(method) not in EXPLANATIONS:
        raise UsageError(f"There is no explanation {method!r}: use one of {', '.join(EXPLANATIONS)}.")
    explanation = EXPLANATIONS[str(method)]
    found = prediction.diagnosis
    heatmap = explanation.explain(
        predictor.network, predictor.prepare(picture), encode([patient])[0], CODES.index(found.code)
    )
    return overlay(picture, heatmap, f"{explanation.title}: where it sees {found.name.lower()}.", explanation.limits)


def influence(
    predictor: Predictor, picture: Image.Image, patient: Patient, prediction: Prediction
) -> tuple[str, go.Figure]:
    """What the answer would be were the patient unknown, and the malignant probability by age."""
    ages = sorted({*CURVE_AGES, *([patient.age] if patient.age is not None else [])})
    aged = [replace(patient, age=age) for age in ages]
    ageless = replace(patient, age=None)
    others = list({Patient(), ageless, *aged} - {patient})
    said = dict(zip(others, predictor.predict_patients(picture, others), strict=True)) | {patient: prediction}
    malignant = [said[each].malignant_probability for each in aged]
    curve = age_curve(ages, malignant, patient.age, said[ageless].malignant_probability)
    return answer.without_patient(prediction, said[Patient()], patient), curve


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
