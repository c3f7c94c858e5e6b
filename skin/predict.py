"""From an image and what is known of its patient to a diagnosis: load a run once, call it often, from any thread."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

from skin import run as runs
from skin.data.datasets import Dataset
from skin.data.pixels import ImageInput, open_pixels, prepare, prepare_all
from skin.errors import UserError
from skin.lesion import CODES, MALIGNANT, TAXONOMY, Diagnosis, Malignancy, Risk, diagnosis
from skin.models.onnx import OnnxNetwork, view_probabilities
from skin.patient import Patient, encode
from skin.progress import Progress, silent
from skin.report import Predictions, choose_thresholds, load_predictions
from skin.run import Run
from skin.workspace import Workspace

ADVICE = {
    Risk.HIGH: "This looks most like a cancer of the skin: show it to a dermatologist soon.",
    Risk.MODERATE: "This looks most like something that can become a cancer: show it to a dermatologist.",
    Risk.LOW: "This looks most like something harmless: show it to a doctor all the same if it is new, changes, itches "
    "or bleeds, or if it worries you.",
}


@dataclass(frozen=True)
class Prediction:
    """What a model says of one image.

    `probabilities` are by diagnosis code and sum to 1. `prediction_set` holds the diagnoses that cannot be ruled out:
    chosen on the validation part so that it holds the truth for 90% of the images of each diagnosis.
    """

    probabilities: dict[str, float]
    prediction_set: tuple[str, ...]

    @property
    def ranked(self) -> tuple[tuple[Diagnosis, float], ...]:
        """All diagnoses with their probabilities, most probable first."""
        pairs = ((diagnosis, self.probabilities[diagnosis.code]) for diagnosis in TAXONOMY)
        return tuple(sorted(pairs, key=lambda pair: -pair[1]))

    @property
    def diagnosis(self) -> Diagnosis:
        """The most probable diagnosis."""
        return self.ranked[0][0]

    @property
    def malignancy(self) -> Malignancy:
        """Biological behaviour of the most probable diagnosis."""
        return self.diagnosis.malignancy

    @property
    def risk(self) -> Risk:
        """Risk of the most probable diagnosis."""
        return self.diagnosis.risk

    @property
    def malignant_probability(self) -> float:
        """Probability of melanoma or basal cell carcinoma."""
        return sum(self.probabilities[CODES[index]] for index in MALIGNANT)

    @property
    def advice(self) -> str:
        """What to do, in a sentence; what is probably harmless but possibly not is shown to a doctor, too."""
        if not self.doubts:
            return ADVICE[self.risk]
        return (
            f"This looks most like something harmless, but {' or '.join(self.doubts)} cannot be ruled out: "
            "show it to a dermatologist."
        )

    @property
    def doubts(self) -> list[str]:
        """The malignant diagnoses that cannot be ruled out where the most probable one is harmless."""
        if self.risk is not Risk.LOW:
            return []
        left = [diagnosis(code) for code in self.prediction_set]
        return [known.name.lower() for known in left if known.malignancy is Malignancy.MALIGNANT]


class Record(TypedDict):
    """A prediction as plain data: a diagnosis' code and name, probabilities by code, what cannot be ruled out."""

    run: str
    diagnosis: str
    name: str
    probabilities: dict[str, float]
    prediction_set: list[str]
    malignant_probability: float
    malignancy: str
    risk: str
    advice: str


class Predictor:
    """A finished run, ready to predict. May be called from several threads.

    Raises UserError when the run has no exported network.
    """

    def __init__(self, run: Run) -> None:
        if not run.onnx_path.exists():
            raise UserError(
                f"Run {run.name!r} cannot predict yet: wait until it is finished, resume it, "
                f"or run `python -m skin export {run.name}` if it was trained under another Keras backend."
            )
        self.run = run
        self.network = OnnxNetwork(run.onnx_path)
        self._views = run.config.views
        self._thresholds = choose_thresholds(load_predictions(run.predictions_path)["validation"])

    def record(self, prediction: Prediction) -> Record:
        """One of this model's predictions as plain data."""
        return Record(
            run=self.run.name,
            diagnosis=prediction.diagnosis.code,
            name=prediction.diagnosis.name,
            probabilities={code: round(share, 6) for code, share in prediction.probabilities.items()},
            prediction_set=list(prediction.prediction_set),
            malignant_probability=round(prediction.malignant_probability, 6),
            malignancy=str(prediction.malignancy),
            risk=str(prediction.risk),
            advice=prediction.advice,
        )

    @property
    def takes_patient(self) -> bool:
        """Whether the model looks at age, sex and site."""
        return self.network.takes_patient

    def predict(self, image: ImageInput, patient: Patient = Patient()) -> Prediction:
        """The prediction for one image (encoded bytes, a path, a picture or an array).

        Raises UserError when the image cannot be read.
        """
        return self.predict_batch([image], [patient])[0]

    def predict_batch(self, images: Sequence[ImageInput], patients: Sequence[Patient]) -> list[Prediction]:
        """The predictions for several images, in order."""
        return self.predict_prepared(prepare_all(images, self.network.image_size), patients)

    def predict_prepared(self, pixels: NDArray[np.uint8], patients: Sequence[Patient]) -> list[Prediction]:
        """The predictions for images that `pixels.prepare` made, of shape (n, size, size, 3)."""
        rows = np.arange(len(pixels))
        views = view_probabilities(self.network, pixels, encode(patients), rows, self._views)
        return [self._prediction(probabilities) for probabilities in views.mean(axis=0)]

    def predict_patients(self, image: ImageInput, patients: Sequence[Patient]) -> list[Prediction]:
        """The predictions for one image if it were of each of these patients: how much the answer hangs on them."""
        pixels = prepare(image, self.network.image_size)
        return self.predict_prepared(np.repeat(pixels[None], len(patients), axis=0), patients)

    def prepare(self, image: ImageInput) -> NDArray[np.uint8]:
        """The image as the network takes it, of shape (size, size, 3), for calling `predict_prepared` or explaining."""
        return prepare(image, self.network.image_size)

    def predict_dataset(
        self, dataset: Dataset, rows: NDArray[np.int64], workspace: Workspace, progress: Progress = silent
    ) -> Predictions:
        """The predictions for these rows of a data set, with their truth."""
        pixels = open_pixels(dataset, self.network.image_size, workspace, progress)
        patients = encode([image.patient for image in dataset.images])
        views = view_probabilities(self.network, pixels, patients, rows, self._views, progress)
        images = [dataset.images[row] for row in rows]
        return Predictions(
            image_ids=tuple(image.image_id for image in images),
            lesion_ids=tuple(image.lesion_id for image in images),
            truth=np.array([CODES.index(image.diagnosis) for image in images], np.int64),
            probabilities=views.mean(axis=0),
        )

    def _prediction(self, probabilities: NDArray[np.float32]) -> Prediction:
        by_code = {code: float(value) for code, value in zip(CODES, probabilities, strict=True)}
        (kept,) = self._thresholds.prediction_sets(probabilities[None])
        ranked = sorted(np.flatnonzero(kept), key=lambda index: -probabilities[index])
        return Prediction(by_code, tuple(CODES[index] for index in ranked))


SHIPPED = {"image": "ham10000-image", "multimodal": "ham10000-multimodal"}
"""The runs that come with the project, by model."""


def default_run(workspace: Workspace, patient: Patient) -> Run:
    """The run to predict with when none is named: shipped multimodal if anything is known of the patient, else image-only.

    Where no such run is there, the newest finished one of that kind, else the newest. Raises UserError when there is none at all.
    """
    kind = "image" if patient.is_unknown else "multimodal"
    if shipped := runs.find(workspace, SHIPPED[kind]):
        return shipped
    finished = [run for run in runs.list_runs(workspace) if run.onnx_path.exists()]
    if not finished:
        raise UserError(
            "There is no trained run yet: `python -m skin train --dataset demo --preset demo` trains two in minutes."
        )
    return next((run for run in finished if run.config.model == kind), finished[0])
