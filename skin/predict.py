"""From an image and what is known of its patient to a diagnosis: load a run once, call it often, from any thread."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

from skin import run as runs
from skin.data.datasets import Dataset
from skin.data.pixels import ImageInput, open_pixels, prepare, prepare_batches
from skin.errors import UserError
from skin.evaluation.operating_point import MALIGNANT_MISSES, CalledLow, Thresholds, choose_thresholds
from skin.evaluation.predictions import Predictions, load_predictions
from skin.evaluation.report import load_report
from skin.lesion import CODES, MALIGNANT, TAXONOMY, Diagnosis, LesionImage, Malignancy, Risk, diagnosis
from skin.models.network import EncodedImage, encode_image, images_at_once, row_probabilities, view_probabilities
from skin.models.onnx import OnnxNetwork
from skin.patient import Patient, encode
from skin.progress import Progress, silent
from skin.run import Run
from skin.workspace import Workspace

ADVICE = {
    Malignancy.MALIGNANT: "This looks most like a cancer of the skin: show it to a dermatologist soon.",
    Malignancy.PRECANCEROUS: "This looks most like something that can become a cancer: show it to a dermatologist.",
    Malignancy.BENIGN: "This looks most like something harmless: show it to a doctor all the same if it is new, "
    "changes, itches or bleeds, or if it worries you.",
}
"""What to do, by the most probable diagnosis; Prediction.advice says more where its risk is higher than that."""

RISK_RULE = (
    "high where the most probable diagnosis is malignant; moderate where the malignant probability reaches the run's "
    "own threshold, or a malignant or pre-cancerous diagnosis is in the prediction set; low where none of these holds"
)
"""The rule of `report.Thresholds.risks` in words."""

TARGET_SENSITIVITY = f"{1 - 1 / MALIGNANT_MISSES:.0%}"


@dataclass(frozen=True)
class Prediction:
    """The probabilities that a model gives one image, by diagnosis code, and what its thresholds make of them."""

    probabilities: dict[str, float]
    thresholds: Thresholds

    @cached_property
    def _row(self) -> NDArray[np.float32]:
        """The probabilities in the order of CODES, of shape (1, 7)."""
        return np.array(
            [[self.probabilities[code] for code in CODES]], np.float32
        )  # as they were when it chose the thresholds

    @cached_property
    def prediction_set(self) -> tuple[str, ...]:
        """Codes of the diagnoses that cannot be ruled out, most probable first.

        Chosen on the validation part so that the truth is among them for 90% of the images of each diagnosis.
        """
        (kept,) = self.thresholds.prediction_sets(self._row)
        codes = [code for code, is_kept in zip(CODES, kept, strict=True) if is_kept]
        return tuple(sorted(codes, key=lambda code: -self.probabilities[code]))

    @cached_property
    def risk(self) -> Risk:
        """Urgency by RISK_RULE."""
        return Risk(self.thresholds.risks(self._row)[0])

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
    def malignant_probability(self) -> float:
        """Probability of melanoma or basal cell carcinoma."""
        return sum(self.probabilities[CODES[index]] for index in MALIGNANT)

    @property
    def advice(self) -> str:
        """What to do, with the reason where a benign diagnosis is the most probable but the risk is not low."""
        if self.malignancy is not Malignancy.BENIGN or self.risk is Risk.LOW:
            return ADVICE[self.malignancy]
        return f"This looks most like something harmless, but {self._doubt}: show it to a dermatologist."

    @property
    def _doubt(self) -> str:
        """What speaks against the most probable diagnosis being all there is."""
        left = [diagnosis(code) for code in self.prediction_set]
        names = [known.name.lower() for known in left if known.malignancy is not Malignancy.BENIGN]
        if names:
            return f"{' or '.join(names)} cannot be ruled out"
        return f"a malignant probability of {self.malignant_probability:.1%} reaches this model's threshold"

    @property
    def basis(self) -> str:
        """What the risk rests on: the run's threshold, at which sensitivity it was set and on what."""
        if not self.thresholds.malignant:
            return (
                "This model knew too few malignant validation images to set a threshold, so that it calls no risk low."
            )
        return (
            f"This model's threshold for malignant, {self.thresholds.malignant:.1%}, was set to find {TARGET_SENSITIVITY} of the "
            "malignant images of its validation part."
        )


class Record(TypedDict):
    """A prediction as plain data: a diagnosis' code and name, probabilities by code, what cannot be ruled out."""

    run: str
    diagnosis: str
    name: str
    probabilities: dict[str, float]
    prediction_set: list[str]
    malignant_probability: float
    malignant_threshold: float
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
            malignant_threshold=round(prediction.thresholds.malignant, 6),
            malignancy=str(prediction.malignancy),
            risk=str(prediction.risk),
            advice=f"{prediction.advice} {prediction.basis}",
        )

    @cached_property
    def called_low(self) -> CalledLow | None:
        """How many of the run's malignant test images come out at low risk; None where its report does not say."""
        try:
            point = load_report(self.run.report_path)["test"].operating_point
        except (UserError, KeyError):  # a run without a readable report predicts all the same
            return None
        return point.called_low.get(Malignancy.MALIGNANT) if point else None

    @property
    def takes_patient(self) -> bool:
        """Whether the model looks at age, sex and site."""
        return self.network.takes_patient

    def predict(self, image: ImageInput, patient: Patient = Patient()) -> Prediction:
        """The prediction for one image (encoded bytes, a path, a picture or an array).

        Raises UserError when the image cannot be read.
        """
        return self.predict_encoded(self.encode(image), [patient])[0]

    def encode(self, image: ImageInput) -> EncodedImage:
        """The image decoded, prepared and seen by the network once: what is asked of it then costs next to nothing.

        Raises UserError when the image cannot be read.
        """
        return encode_image(self.network, prepare(image, self.network.image_size), self._views)

    def predict_encoded(self, image: EncodedImage, patients: Sequence[Patient]) -> list[Prediction]:
        """The predictions for one image were it of each of these patients."""
        return [self.judge(probabilities) for probabilities in image.probabilities(encode(patients))]

    def predict_batch(self, images: Sequence[ImageInput], patients: Sequence[Patient]) -> list[Prediction]:
        """The predictions for several images, in order."""
        batches = prepare_batches(images, self.network.image_size, images_at_once(self._views))
        views = view_probabilities(self.network, batches, encode(patients), self._views)
        return [self.judge(probabilities) for probabilities in views.mean(axis=0)]

    def predict_dataset(
        self, dataset: Dataset, rows: NDArray[np.int64], workspace: Workspace, progress: Progress = silent
    ) -> Predictions:
        """The predictions for these rows of a data set, with their truth."""
        pixels = open_pixels(dataset, self.network.image_size, workspace, progress)
        patients = encode([image.patient for image in dataset.images])
        views = row_probabilities(self.network, pixels, patients, rows, self._views, progress)
        return predictions_of([dataset.images[row] for row in rows], views.mean(axis=0))

    def judge(self, probabilities: NDArray[np.float32]) -> Prediction:
        """The prediction that these probabilities of shape (7,) amount to under this model's thresholds."""
        by_code = {code: float(value) for code, value in zip(CODES, probabilities, strict=True)}
        return Prediction(by_code, self._thresholds)


def predictions_of(images: Sequence[LesionImage], probabilities: NDArray[np.float32]) -> Predictions:
    """The probabilities of these images, of shape (n_images, 7), beside what is true of them: a training's evaluation and
    `evaluate` both come this way."""
    return Predictions(
        image_ids=tuple(image.image_id for image in images),
        lesion_ids=tuple(image.lesion_id for image in images),
        truth=np.array([CODES.index(image.diagnosis) for image in images], np.int64),
        probabilities=probabilities,
    )


SHIPPED = {"image": "ham10000-image", "multimodal": "ham10000-multimodal"}
"""The runs that come with the project, by model."""


def default_run(workspace: Workspace, patient: Patient) -> Run:
    """The run to predict with when none is named: shipped multimodal if anything is known of the patient, else image-only.

    Where no such run is there, the newest finished one of that kind, else the newest. Raises UserError when there is none at all.
    """
    kind = "image" if patient.is_unknown else "multimodal"
    if shipped := runs.find(workspace, SHIPPED[kind]):
        return shipped
    finished = [run for run in runs.list_runs(workspace) if run.can_predict]
    if not finished:
        raise UserError(
            "There is no trained run yet: `python -m skin train --dataset demo --preset demo` trains two in minutes."
        )
    return next((run for run in finished if run.config.model == kind), finished[0])
