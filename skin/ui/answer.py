"""An answer in words and bars, as HTML."""

import base64
import json
from collections.abc import Iterable, Mapping, Sequence
from html import escape

import pandas as pd

from skin.batch import Row
from skin.lesion import TAXONOMY, Diagnosis, Risk, diagnosis
from skin.patient import Patient, Sex, Site
from skin.plots.style import DIAGNOSIS_COLOURS
from skin.predict import Prediction, Predictor
from skin.ui.predictors import KINDS


def card(predictor: Predictor, patient: Patient, prediction: Prediction, figure: str) -> str:
    """What one model says; `figure` is HTML that stands beside it."""
    found = prediction.diagnosis
    return (
        f'<article class="answer"><div><section><header>{_asked(predictor, patient)}</header>'
        f"<h2>{swatch(found)}{escape(found.name)} <b>{percent(prediction.probabilities[found.code])}</b></h2>"
        f"<p>{escape(found.description)}</p>"
        f"{_risk(prediction)}"
        f"{bars(prediction)}</section>{figure}"
        f'<div class="set">{_uncertainty(prediction)}{_malignant(predictor, prediction)}</div></div></article>'
    )


def _risk(prediction: Prediction) -> str:
    return (
        f'<p class="risk {prediction.risk}"><strong>{str(prediction.risk).capitalize()} risk</strong> '
        f"{escape(prediction.advice)}</p>"
    )


def _malignant(predictor: Predictor, prediction: Prediction) -> str:
    """The malignant probability, what its threshold rests on, and what a low risk is worth."""
    said = f"Malignant (melanoma or basal cell carcinoma): {percent(prediction.malignant_probability)}."
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


def _asked(predictor: Predictor, patient: Patient) -> str:
    """Which model was asked, and what it was told."""
    told = f"image, {in_words(patient)}" if predictor.takes_patient else KINDS["image"]
    return f"<strong>{escape(predictor.run.name)}</strong> <span>{escape(told)}</span>"


def in_words(patient: Patient) -> str:
    """What is known of the patient."""
    return ", ".join(
        [
            "age unknown" if patient.age is None else f"{patient.age:g} years",
            "sex unknown" if patient.sex is Sex.UNKNOWN else str(patient.sex),
            "site unknown" if patient.site is Site.UNKNOWN else str(patient.site),
        ]
    )


def bars(prediction: Prediction) -> str:
    """A bar for each diagnosis, the most probable first; those of the prediction set stand out.

    A mark on each bar is the diagnosis' own threshold.
    """
    least = prediction.thresholds.diagnoses
    rows = "".join(
        f'<li class="{"kept" if known.code in prediction.prediction_set else "ruled-out"}" '
        f'title="{escape(known.name)} cannot be ruled out from {percent(least[known.code])} on" '
        f'style="--share: {share:.4f}; --least: {least[known.code]:.4f}; --colour: {DIAGNOSIS_COLOURS[known.code]}">'
        f"<span>{escape(known.name)}</span><i></i><b>{percent(share)}</b></li>"
        for known, share in prediction.ranked
    )
    return f'<ol class="bars" aria-label="Probability of each diagnosis, the most probable first">{rows}</ol>'


def _uncertainty(prediction: Prediction) -> str:
    names = [diagnosis(code).name for code in prediction.prediction_set]
    if len(names) == len(TAXONOMY):
        said = "<strong>Very uncertain:</strong> none of the seven can be ruled out."
    elif len(names) == 1:
        said = f"<strong>Rather certain:</strong> only {escape(names[0])} is left."
    else:
        said = f"<strong>Uncertain between {len(names)}:</strong> {escape(_listed(names))} are left (in bold)."
    return (
        f"<p>{said} For 9 in 10 images of each diagnosis, if they are like those the model learned from, the true one "
        "is among what is left. Each diagnosis has its own threshold (the mark on its bar), a low one where even true "
        "cases often get a low probability, so that a less probable diagnosis can stay while a more probable one goes.</p>"
    )


def without_patient(prediction: Prediction, unknown: Prediction, patient: Patient) -> str:
    """How the answer would differ if nothing were known of the patient."""
    if patient.is_unknown:
        return '<p class="effect">Give an age, a sex or a site to see what it does to this answer.</p>'
    same = prediction.diagnosis == unknown.diagnosis
    lead = "the diagnosis would be the same" if same else f"it would say {unknown.diagnosis.name}"
    now, then = prediction.probabilities[unknown.diagnosis.code], unknown.probabilities[unknown.diagnosis.code]
    return (
        '<p class="effect"><strong>Were age, sex and site unknown,</strong> '
        f"{escape(lead)} ({percent(then)} instead of {percent(now)}), "
        f"malignant {percent(unknown.malignant_probability)} instead of {percent(prediction.malignant_probability)}.</p>"
    )


def what_if(malignant: Mapping[str, Mapping[str, float]], now: Mapping[str, str]) -> str:
    """A table for each field of the patient: the malignant probability by its values, the one given in bold.

    The bars are drawn to the scale of the age curve, on which small probabilities do not look large.
    """
    top = max(0.2, *(share for values in malignant.values() for share in values.values()))
    tables = "".join(_shares(field, values, now[field], top) for field, values in malignant.items())
    return (
        '<section class="what-if"><p><strong>If the patient\'s data were another,</strong> one field at a time, this '
        "model would give these malignant probabilities. They tell how the model answers, not what causes a cancer.</p>"
        f"<div>{tables}</div></section>"
    )


def _shares(field: str, values: Mapping[str, float], now: str, top: float) -> str:
    rows = "".join(
        f'<tr{_GIVEN if value == now else ""}><th scope="row">{escape(value)}</th>'
        f'<td><i style="--share: {share / top:.4f}"></i></td><td>{percent(share)}</td></tr>'
        for value, share in values.items()
    )
    return f"<table><caption>Malignant probability by {escape(field)}</caption><tbody>{rows}</tbody></table>"


_GIVEN = ' class="given" aria-current="true"'


def downloads(record: Mapping[str, object]) -> str:
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


def swatch(known: Diagnosis) -> str:
    """The diagnosis' colour."""
    return f'<span class="swatch" style="background: {DIAGNOSIS_COLOURS[known.code]}"></span>'


def percent(share: float) -> str:
    """A probability as people read it; neither certain nor impossible unless it is."""
    if 0 < share < 0.001:
        return "&lt;0.1%"
    if 0.999 < share < 1:
        return "&gt;99.9%"
    return f"{share:.1%}"


def _listed(names: Sequence[str]) -> str:
    return f"{', '.join(names[:-1])} and {names[-1]}"


def taxonomy() -> str:
    """The diagnoses that are told apart, and what each of them is."""
    rows = "".join(
        f"<div><dt>{swatch(known)}{escape(known.name)} <small>{known.malignancy}</small></dt>"
        f"<dd>{escape(known.description)}</dd></div>"
        for known in TAXONOMY
    )
    return f'<dl class="taxonomy" aria-label="The seven diagnoses that are told apart">{rows}</dl>'


def table(rows: Iterable[Row]) -> str:
    """The answers of a batch, a row each; an error stands where the diagnosis would."""
    answers = pd.DataFrame(
        {
            "Image": row["image"],
            "Diagnosis": row.get("name") or row["error"],
            "Malignant": f"{row['malignant_probability']:.1%}" if "name" in row else "",
            "Risk": row.get("risk", ""),
            "Not ruled out": " ".join(row.get("prediction_set", ())),
            "Age": "" if row["age"] is None else f"{row['age']:g}",
            "Sex": row["sex"],
            "Site": row["site"],
            "Model": row.get("run", ""),
        }
        for row in rows
    )
    return f'<div class="wide" tabindex="0">{answers.to_html(index=False, border=0, classes="plain")}</div>'
