"""The training lesions that look most like an image, as HTML, with their pictures where the data set is at hand."""

from collections.abc import Mapping, Sequence

from markupsafe import Markup

from skin.data import pixels
from skin.data.dataset import LesionImage
from skin.errors import UserError
from skin.inference.neighbours import Case, shares
from skin.inference.predictor import Prediction
from skin.plots.style import colours
from skin.task import Task
from skin.ui.components.open_datasets import OpenDatasets
from skin.ui.components.templates import render
from skin.ui.predict.heatmap_overlay import data_url, shrunk
from skin.ui.predict.patient_effect import ModelAnswer

THUMBNAIL = (240, 180)
"""Pixels."""

CONFIRMATIONS: Mapping[str, str] = {
    "histo": "confirmed by histology",
    "follow_up": "confirmed by follow-up",
    "consensus": "by consensus of experts",
    "confocal": "confirmed by confocal microscopy",
}
"""The ways in which HAM10000's diagnoses were confirmed, in words; others are told as the data set writes them."""


def similar_cases(answered: ModelAnswer, open_datasets: OpenDatasets) -> Markup:
    """The cases nearest to an answered image, and the share of each diagnosis among them beside the model's probability."""
    predictor = answered.predictor
    try:
        cases = predictor.similar_cases(answered.image)
    except UserError as error:
        return render("predict/similar_cases.html", gap=str(error), cases=[], rows=[], run=predictor.run.name)
    pictures = _pictures(cases, predictor.run.config.dataset, open_datasets)
    return render(
        "predict/similar_cases.html",
        gap="",
        cases=[_told(case, predictor.task, pictures.get(case.image_id)) for case in cases],
        rows=_rows(cases, answered.prediction),
        run=predictor.run.name,
    )


def _told(case: Case, task: Task, url: str | None) -> dict[str, object]:
    """A case in words, with its picture or None."""
    patient = [field.said(case.patient[field.name]) for field in task.fields if case.patient[field.name] is not None]
    return {
        "image_id": case.image_id,
        "diagnosis": task.diagnosis(case.diagnosis).name,
        "colour": colours(task)[case.diagnosis],
        "confirmed": CONFIRMATIONS.get(case.confirmed_by, case.confirmed_by),
        "patient": ", ".join(patient) or "nothing known of the patient",
        "relative": case.relative,
        "url": url,
    }


def _rows(cases: Sequence[Case], prediction: Prediction) -> list[dict[str, object]]:
    """A row for each diagnosis that the model or a case names, the most probable first."""
    of_cases, colour = shares(cases), colours(prediction.task)
    return [
        {"name": known.name, "colour": colour[known.code], "probability": share, "share": of_cases.get(known.code, 0.0)}
        for known, share in prediction.ranked
        if share >= 0.005 or known.code in of_cases
    ]


def _pictures(cases: Sequence[Case], name: str, open_datasets: OpenDatasets) -> dict[str, str]:
    """The pictures that are at hand, by image id, for the page."""
    opened = open_datasets.find_images({case.image_id: case.diagnosis for case in cases}, name)
    images = opened.images if opened else {}
    shown = {case.image_id: images[case.image_id] for case in cases if case.image_id in images}
    urls = {image_id: _url(image) for image_id, image in shown.items()}
    return {image_id: url for image_id, url in urls.items() if url}


def _url(image: LesionImage) -> str:
    """The image for the page, "" where its file is gone."""
    try:
        return data_url(shrunk(pixels.decode(image.path), THUMBNAIL), "JPEG")
    except UserError:
        return ""
