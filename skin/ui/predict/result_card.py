"""A prediction in words and bars, as HTML."""

import base64
import json
from collections.abc import Mapping

from markupsafe import Markup

from skin.inference.predictor import Prediction, Predictor
from skin.patient import Patient
from skin.plots.style import colours
from skin.task import Risk, Task, listed
from skin.ui.components.predictors import IMAGE_ONLY
from skin.ui.components.templates import render


def refusal(run: str, reason: str, mistaken: float | None) -> Markup:
    """The card of a run that gives no answer to a picture, and why; `mistaken` is the share of its test images it refuses."""
    return render("predict/refusal.html", run=run, reason=reason, mistaken=mistaken)


def result_card(
    predictor: Predictor, patient: Patient, prediction: Prediction, beside: Markup, cases: Markup
) -> Markup:
    """One model's prediction, with its heatmap and downloads `beside`, and similar cases below."""
    missed, task = predictor.called_low, prediction.task
    return render(
        "predict/result_card.html",
        run=predictor.run.name,
        inputs=f"image, {predictor.task.in_words(patient)}" if predictor.takes_patient else IMAGE_ONLY,
        prediction=prediction,
        bars=probability_bars(prediction),
        kept=[task.diagnosis(code).name for code in prediction.prediction_set],
        called_low=missed if prediction.risk is Risk.LOW and missed and missed.images else None,
        colours=colours(task),
        beside=beside,
        cases=cases,
    )


def probability_bars(prediction: Prediction) -> Markup:
    """A bar for each diagnosis, the most probable first; those of the prediction set stand out.

    A mark on each bar is the diagnosis' own threshold.
    """
    return render("predict/probability_bars.html", prediction=prediction, colours=colours(prediction.task))


def effect_of_patient(prediction: Prediction, unknown: Prediction, patient: Patient) -> Markup:
    """The difference to the answer for a patient of whom nothing is known."""
    fields = [field.words for field in prediction.task.fields]
    return render(
        "predict/patient_effect.html",
        patient=patient,
        fields=fields,
        asked=listed([f"{'an' if word[0] in 'aeiou' else 'a'} {word}" for word in fields], "or"),
        prediction=prediction,
        unknown=unknown,
        same=prediction.diagnosis == unknown.diagnosis,
        code=unknown.diagnosis.code,
    )


def what_if_tables(shares: Mapping[str, Mapping[str, float]], now: Mapping[str, str], what: str) -> Markup:
    """A table for each field of the patient: the share `what` by its values, the one given in bold.

    The bars are drawn to the scale of the curve, on which small probabilities do not look large.
    """
    top = max(0.2, *(share for values in shares.values() for share in values.values()))
    return render("predict/what_if_tables.html", shares=shares, now=now, what=what, top=top)


def download_links(record: Mapping[str, object]) -> Markup:
    """Links that save the record of a prediction as JSON, and its heatmap as it is looked at: the browser makes both
    files, so that the server keeps none."""
    content = base64.b64encode(json.dumps(record, indent=2).encode()).decode()
    return render("predict/download_links.html", run=record["run"], record=content, paint=_PAINT)


_PAINT = """const [picture, heat] = this.closest('.answer').querySelectorAll('.stack img');
const canvas = document.createElement('canvas'), context = canvas.getContext('2d');
[canvas.width, canvas.height] = [picture.naturalWidth, picture.naturalHeight];
context.drawImage(picture, 0, 0);
context.globalAlpha = getComputedStyle(heat).opacity;
context.drawImage(heat, 0, 0, canvas.width, canvas.height);
this.href = canvas.toDataURL('image/png');"""
"""Puts the image under its heatmap, as opaque as it is on the page, into the link that was clicked."""


def diagnosis_list(task: Task) -> Markup:
    """The diagnoses that are told apart, with their descriptions."""
    return render("predict/diagnosis_list.html", task=task, colours=colours(task))
