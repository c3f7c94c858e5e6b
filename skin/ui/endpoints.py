"""The documented API of the app, for programs."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, get_type_hints

import gradio as gr

from skin import DISCLAIMER
from skin.data.image_file import MAX_BYTES, MAX_PIXELS
from skin.errors import UsageError
from skin.evaluation.chosen import DecisionChoice
from skin.evaluation.decision import DECISIONS, MOST_PROBABLE
from skin.evaluation.operating_point import TARGET
from skin.evaluation.prevalence import FORMAT, UNCHANGED
from skin.inference import batch
from skin.inference.batch import Row
from skin.inference.predictor import RISK_RULE, SHIPPED, Record
from skin.patient import UNKNOWN, ChoiceField, NumberField
from skin.task import HAM10000
from skin.ui import gradio_internals, uploads
from skin.ui.components.events import with_gradio_errors
from skin.ui.components.predictors import AUTOMATIC, BOTH, Predictors
from skin.ui.gradio_internals import GRADIOS_EXAMPLE, ApiParameter

PREDICT_EVENT: dict[str, Any] = {"concurrency_id": "predict", "concurrency_limit": 4}
"""Single predictions have turns of their own, so that they wait neither for a training nor for a batch."""

BATCH_EVENT: dict[str, Any] = {"concurrency_id": "predict_batch", "concurrency_limit": 2}


_FIELDS = {field.name: field for field in HAM10000.fields}
"""The fields that are parameters of their own; those of other tasks go into `patient`."""

_OLDEST = next(field.maximum for field in HAM10000.fields if isinstance(field, NumberField))

PARAMETERS: Mapping[str, str] = {
    "image": f"A file of at most {MAX_BYTES // 10**6} MB and, by format, so many million pixels: "
    f"{', '.join(f'{name} {pixels // 10**6}' for name, pixels in MAX_PIXELS.items())}.",
    "age": f"Age of the patient in years, at most {_OLDEST:.0f}; None (null) if unknown.",
    "sex": "Sex of the patient.",
    "site": "Body site of the lesion.",
    "patient": "Values of other fields of the patient by their names, for a model whose task has such; None (null) for "
    "nothing.",
    "decision": "Rule that decides on a diagnosis: "
    + " ".join(f"{name!r}: {rule.help}" for name, rule in DECISIONS.items()),
    "target": "Of the rule 'sensitivity' alone: the share of the malignant validation images that it is set to find.",
    "prevalence": f"Shares of the diagnoses where the model is used, which reweigh its probabilities: {FORMAT}.",
    "model": f"Name of a finished run, as the page offers them: {' and '.join(SHIPPED.values())} come with the app. "
    f"{AUTOMATIC!r} takes the model that uses age, sex and site where any is given; {BOTH!r}, of a batch alone, asks "
    "one model of each kind and gives two rows an image.",
    "images": f"Image files, and ZIP files of images: at most {uploads.MAX_FILES} images of "
    f"{uploads.MAX_TOTAL_BYTES // 10**6} MB in all.",
    "patients": "A CSV file in UTF-8 with a column image, which holds file names, and any of the columns "
    f"{', '.join(_FIELDS)}, or the model's own fields. What it does not say is unknown.",
}
"""The parameters of the endpoints, described."""

RECORD = f"""Returns {", ".join(get_type_hints(Record))}. Probabilities are by diagnosis code
({", ".join(HAM10000.codes)}, or those of the model's own task); the prediction set holds the codes that cannot be ruled out. The risk is {RISK_RULE}. The decision is the rule that the diagnosis was decided by, in words in decided_by; probabilities
are those of the prevalence, null where they are the model's own. All that is said of malignancy is null where a model's task does not tell what is malignant."""

ROWS = f"""Returns a list of rows. Each has {", ".join(("image", *_FIELDS))}, as they were understood, and what
/predict returns, or an error in its place: the rest goes on."""

_FILE = {"path": "lesion.jpg", "url": "lesion.jpg", "meta": {"_type": "gradio.FileData"}}
_VALUES: Mapping[str, tuple[str, ...]] = {"decision": tuple(DECISIONS)}
"""The values of a parameter that takes no others."""

EXAMPLES: Mapping[str, object] = {"image": _FILE, "images": [_FILE], "patient": None}
"""Parameters as the API page shows them; in Python a file becomes `handle_file('lesion.jpg')`."""


@dataclass(frozen=True)
class Endpoints:
    """The functions behind `/predict` and `/predict_batch`."""

    predictors: Predictors

    def predict(
        self,
        image: gr.FileData,
        age: float | None = None,
        sex: str = UNKNOWN,
        site: str = UNKNOWN,
        model: str = AUTOMATIC,
        patient: dict[str, Any] | None = None,
        decision: str = MOST_PROBABLE,
        target: float = TARGET,
        prevalence: str = UNCHANGED,
    ) -> Record:
        """Predict the diagnosis of one dermatoscopic image."""
        upload = uploads.read(image)
        if upload is None:
            raise UsageError("There is no image: upload one, then name what the upload returned.")
        if model == BOTH:
            raise UsageError("One call asks one model: call once for each of them.")
        if not isinstance(patient or {}, dict):
            raise UsageError("The patient must be an object of fields and their values, or null.")
        known = self.predictors.task(model).parse({"age": age, "sex": sex, "site": site, **(patient or {})})
        choice = DecisionChoice(decision, target, prevalence)
        (predictor,) = self.predictors.choose(model, known, choice)
        return predictor.record(predictor.predict(upload.content, known))

    def predict_batch(
        self,
        images: list[gr.FileData],
        patients: gr.FileData | None = None,
        model: str = AUTOMATIC,
        decision: str = MOST_PROBABLE,
        target: float = TARGET,
        prevalence: str = UNCHANGED,
    ) -> list[Row]:
        """Predict many images."""
        upload, choice = uploads.read(patients), DecisionChoice(decision, target, prevalence)
        known = batch.read_patients(*upload, self.predictors.task(model)) if upload else {}
        choose = partial(self.predictors.choose, model, decision=choice)
        return batch.predict_all(choose, uploads.read_all(images), known)

    def publish(self) -> None:
        """Offer both under the context of a `gr.Blocks`."""
        _publish(self.predict, RECORD, PREDICT_EVENT)
        _publish(self.predict_batch, ROWS, BATCH_EVENT)


def _publish(function: Callable[..., Any], returns: str, event: Mapping[str, Any]) -> None:
    """Offer a function under its name, with what its API page says: by itself `gr.api` tells the types alone."""
    about = f"{function.__doc__} {DISCLAIMER} {returns}"
    parameters = {name: _parameter(name) for name in PARAMETERS}
    gradio_internals.publish(with_gradio_errors(function), about, parameters, **event)


def _parameter(name: str) -> ApiParameter:
    field = _FIELDS.get(name)
    values = tuple(field.choices) if isinstance(field, ChoiceField) else _VALUES.get(name, ())
    return ApiParameter(PARAMETERS[name], values, EXAMPLES.get(name, GRADIOS_EXAMPLE))
