"""A prediction in words and bars, as HTML."""

import base64
import json
from collections.abc import Mapping
from html import escape

from skin.inference.predictor import Prediction, Predictor
from skin.patient import Patient
from skin.plots.style import colours
from skin.task import Diagnosis, Risk, Task, listed
from skin.ui.components.predictors import IMAGE_ONLY


def result_card(predictor: Predictor, patient: Patient, prediction: Prediction, figure: str) -> str:
    """What one model says; `figure` is HTML that stands beside it."""
    found = prediction.diagnosis
    return (
        f'<article class="answer"><div><section><header>{_model_and_inputs(predictor, patient)}</header>'
        f"<h2>{swatch(found, prediction.task)}{escape(found.name)} <b>{percent(prediction.probabilities[found.code])}</b></h2>"
        f"<p>{escape(found.description)}</p>"
        f"{_risk(prediction)}"
        f"{probability_bars(prediction)}</section>{figure}"
        f'<div class="set">{_uncertainty(prediction)}{_malignant(predictor, prediction)}</div></div></article>'
    )


def _risk(prediction: Prediction) -> str:
    if prediction.risk is None:
        return f'<p class="risk">{escape(prediction.advice)}</p>'
    return (
        f'<p class="risk {prediction.risk}"><strong>{str(prediction.risk).capitalize()} risk</strong> '
        f"{escape(prediction.advice)}</p>"
    )


def _malignant(predictor: Predictor, prediction: Prediction) -> str:
    """The malignant probability, what its threshold rests on, and what a low risk is worth; "" without a risk."""
    if prediction.malignant_probability is None:
        return ""
    words = escape(prediction.task.malignant_words)
    said = f"Malignant ({words}): {percent(prediction.malignant_probability)}."
    missed = predictor.called_low
    if prediction.risk is Risk.LOW and missed and missed.images:
        share = missed.share
        worth = (
            f" A low risk rules nothing out: of this model's {missed.images:,} malignant test images, {missed.low_risk:,} "
            f"({percent(share.value)}; 95% interval {percent(share.low)} to {percent(share.high)}) came out low, too."
        )
    else:
        worth = ""
    return f"<p>{said} {escape(prediction.basis)}{worth}</p>"


def _model_and_inputs(predictor: Predictor, patient: Patient) -> str:
    """Which model was asked, and what it was told."""
    told = f"image, {predictor.task.in_words(patient)}" if predictor.takes_patient else IMAGE_ONLY
    return f"<strong>{escape(predictor.run.name)}</strong> <span>{escape(told)}</span>"


def probability_bars(prediction: Prediction) -> str:
    """A bar for each diagnosis, the most probable first; those of the prediction set stand out.

    A mark on each bar is the diagnosis' own threshold.
    """
    least, of_code = prediction.thresholds.diagnoses, colours(prediction.task)
    rows = "".join(
        f'<li class="{"kept" if known.code in prediction.prediction_set else "ruled-out"}" '
        f'title="{escape(known.name)} cannot be ruled out from {percent(least[known.code])} on" '
        f'style="--share: {share:.4f}; --least: {least[known.code]:.4f}; --colour: {of_code[known.code]}">'
        f"<span>{escape(known.name)}</span><i></i><b>{percent(share)}</b></li>"
        for known, share in prediction.ranked
    )
    return f'<ol class="bars" aria-label="Probability of each diagnosis, the most probable first">{rows}</ol>'


def _uncertainty(prediction: Prediction) -> str:
    task = prediction.task
    names = [task.diagnosis(code).name for code in prediction.prediction_set]
    if len(names) == len(task):
        said = f"<strong>Very uncertain:</strong> none of the {len(task)} can be ruled out."
    elif len(names) == 1:
        said = f"<strong>Rather certain:</strong> only {escape(names[0])} is left."
    else:
        said = f"<strong>Uncertain between {len(names)}:</strong> {escape(listed(names))} are left (in bold)."
    return (
        f"<p>{said} For 9 in 10 images of each diagnosis, if they are like those the model learned from, the true one "
        "is among what is left. Each diagnosis has its own threshold (the mark on its bar), a low one where even true "
        "cases often get a low probability, so that a less probable diagnosis can stay while a more probable one goes.</p>"
    )


def effect_of_patient(prediction: Prediction, unknown: Prediction, patient: Patient) -> str:
    """How the answer would differ if nothing were known of the patient."""
    fields = [field.words for field in prediction.task.fields]
    if patient.is_unknown:
        asked = escape(listed([f"{'an' if word[0] in 'aeiou' else 'a'} {word}" for word in fields], "or"))
        return f'<p class="effect">Give {asked} to see what it does to this answer.</p>'
    same = prediction.diagnosis == unknown.diagnosis
    lead = "the diagnosis would be the same" if same else f"it would say {unknown.diagnosis.name}"
    now, then = prediction.probabilities[unknown.diagnosis.code], unknown.probabilities[unknown.diagnosis.code]
    malignant = [each.malignant_probability for each in (unknown, prediction)]
    shares = [percent(share) for share in malignant if share is not None]
    return (
        f'<p class="effect"><strong>Were {escape(listed(fields))} unknown,</strong> '
        f"{escape(lead)} ({percent(then)} instead of {percent(now)})"
        f"{f', malignant {shares[0]} instead of {shares[1]}' if shares else ''}.</p>"
    )


def what_if_tables(shares: Mapping[str, Mapping[str, float]], now: Mapping[str, str], what: str) -> str:
    """A table for each field of the patient: the share `what` by its values, the one given in bold.

    The bars are drawn to the scale of the curve, on which small probabilities do not look large.
    """
    top = max(0.2, *(share for values in shares.values() for share in values.values()))
    tables = "".join(_shares(f"{what} by {field}", values, now[field], top) for field, values in shares.items())
    return (
        '<section class="what-if"><p><strong>If the patient\'s data were another,</strong> one field at a time, this '
        f"model would give these: {escape(what.lower())}. They tell how the model answers, not what causes a "
        f"disease.</p><div>{tables}</div></section>"
    )


def _shares(caption: str, values: Mapping[str, float], now: str, top: float) -> str:
    rows = "".join(
        f'<tr{_GIVEN if value == now else ""}><th scope="row">{escape(value)}</th>'
        f'<td><i style="--share: {share / top:.4f}"></i></td><td>{percent(share)}</td></tr>'
        for value, share in values.items()
    )
    return f"<table><caption>{escape(caption)}</caption><tbody>{rows}</tbody></table>"


_GIVEN = ' class="given" aria-current="true"'


def download_links(record: Mapping[str, object]) -> str:
    """Links that save the record of a prediction as JSON, and its heatmap as it is looked at: the browser makes both
    files, so that the server keeps none."""
    content = base64.b64encode(json.dumps(record, indent=2).encode()).decode()
    name = escape(str(record["run"]))
    return (
        f'<p class="downloads">Download <a download="prediction-{name}.json" '
        f'href="data:application/json;base64,{content}">the prediction (JSON)</a> or '
        f'<a download="heatmap-{name}.png" href="#" onclick="{escape(_PAINT)}">the heatmap (PNG)</a>.</p>'
    )


_PAINT = """const [picture, heat] = this.closest('.answer').querySelectorAll('.stack img');
const canvas = document.createElement('canvas'), context = canvas.getContext('2d');
[canvas.width, canvas.height] = [picture.naturalWidth, picture.naturalHeight];
context.drawImage(picture, 0, 0);
context.globalAlpha = getComputedStyle(heat).opacity;
context.drawImage(heat, 0, 0, canvas.width, canvas.height);
this.href = canvas.toDataURL('image/png');"""
"""Puts the image under its heatmap, as opaque as it is on the page, into the link that was clicked."""


def swatch(known: Diagnosis, task: Task) -> str:
    """The diagnosis' colour."""
    return f'<span class="swatch" style="background: {colours(task)[known.code]}"></span>'


def percent(share: float) -> str:
    """A probability as people read it; neither certain nor impossible unless it is."""
    if 0 < share < 0.001:
        return "&lt;0.1%"
    if 0.999 < share < 1:
        return "&gt;99.9%"
    return f"{share:.1%}"


def diagnosis_list(task: Task) -> str:
    """The diagnoses that are told apart, and what each of them is."""
    rows = "".join(
        f"<div><dt>{swatch(known, task)}{escape(known.name)} <small>{known.malignancy or ''}</small></dt>"
        f"<dd>{escape(known.description)}</dd></div>"
        for known in task.diagnoses
    )
    return f'<dl class="taxonomy" aria-label="The {len(task)} diagnoses that are told apart">{rows}</dl>'
