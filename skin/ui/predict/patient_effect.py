"""The effect of the patient's data on a prediction: each field varied, in tables and as a curve."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np
import plotly.graph_objects as go
from markupsafe import Markup
from PIL import Image

from skin.inference.predictor import Prediction, Predictor
from skin.models.network import EncodedImage
from skin.patient import UNKNOWN, ChoiceField, NumberField, Patient, PatientField, Value
from skin.plots.dataset import first_number
from skin.plots.prediction import curve_over
from skin.task import Task
from skin.ui.predict import result_card

CURVE_YEARS = range(0, 91, 10)
"""Years at which the curve over age is computed."""

CURVE_POINTS = 7
"""Points of the curve over any other number."""


@dataclass(frozen=True)
class ModelAnswer:
    """A predictor, the image as its network saw it, and the prediction for the patient that was given."""

    predictor: Predictor
    image: EncodedImage
    prediction: Prediction

    @property
    def is_refused(self) -> bool:
        """True where the image is none that the run can judge."""
        return self.prediction.scope.is_refused

    @classmethod
    def ask(cls, predictor: Predictor, picture: Image.Image, patient: Patient) -> Self:
        """The predictor's answer."""
        image = predictor.encode(picture)
        return cls(predictor, image, predictor.answer(image, patient))


def other_patients(task: Task, patient: Patient) -> dict[str, dict[str, Patient]]:
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
    return [float(point) for point in np.linspace(field.minimum, field.maximum, CURVE_POINTS)]


def patient_effect(answered: ModelAnswer, patient: Patient) -> tuple[Markup, go.Figure | None]:
    """The answers were the patient another, in words and tables, and the curve over the first number, if there is one.

    They are told as the malignant probability or, where the task has none, that of the most probable diagnosis.
    """
    task, fields = answered.predictor.task, other_patients(answered.predictor.task, patient)
    others = list({Patient(), *(other for values in fields.values() for other in values.values())})
    predictions = dict(zip(others, answered.predictor.predict_encoded(answered.image, others), strict=True))
    what, share = _measure(answered.prediction)
    shares = {
        name: {words: share(predictions[other]) for words, other in values.items()} for name, values in fields.items()
    }
    now = {name: next(words for words, other in values.items() if other == patient) for name, values in fields.items()}
    labels = {field.name: field.label.lower() for field in task.fields}
    tables = result_card.what_if_tables(
        {labels[name]: values for name, values in shares.items()},
        {labels[name]: words for name, words in now.items()},
        what,
    )
    effect = result_card.effect_of_patient(answered.prediction, predictions[Patient()], patient) + tables
    number = first_number(task)
    return effect, _curve(number, patient, shares[number.name], fields[number.name], what) if number else None


def _measure(prediction: Prediction) -> tuple[str, Callable[[Prediction], float]]:
    """The measure that the answers are told by, in words, and its value for a prediction."""
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
