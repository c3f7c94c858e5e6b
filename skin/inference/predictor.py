"""From an image and what is known of its patient to a diagnosis: load a run once, call it often, from any thread."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Self, TypedDict

import numpy as np
from numpy.typing import NDArray

from skin import run as runs
from skin.data.dataset import Dataset, LesionImage
from skin.data.pixels import ImageInput, decode, open_pixels, prepare
from skin.errors import UserError
from skin.evaluation import metrics
from skin.evaluation.chosen import DecisionChoice
from skin.evaluation.decision import MOST_PROBABLE, Decision, MostProbable, fit_decision
from skin.evaluation.operating_point import TARGET, CalledLow, Thresholds, choose_thresholds
from skin.evaluation.predictions import Predictions, load_predictions
from skin.evaluation.prevalence import ClassShares, Prevalence, parse_prevalence, reweigh, shares_as_text
from skin.evaluation.report import load_report
from skin.inference.lesion_gate import NOT_CHECKED, InScope, LesionGate
from skin.inference.neighbours import Case, CaseIndex
from skin.models.network import EncodedImage, encode_image, row_probabilities
from skin.models.onnx import OnnxNetwork
from skin.patient import Patient
from skin.progress import Progress, silent
from skin.run import Run
from skin.task import HAM10000, Diagnosis, Malignancy, Risk, Task
from skin.workspace import Workspace

ADVICE = {
    Malignancy.MALIGNANT: "This looks most like a cancer of the skin: show it to a dermatologist soon.",
    Malignancy.PRECANCEROUS: "This looks most like something that can become a cancer: show it to a dermatologist.",
    Malignancy.BENIGN: "This looks most like something harmless: show it to a doctor all the same if it is new, "
    "changes, itches or bleeds, or if it worries you.",
}
"""Advice by the most probable diagnosis; Prediction.advice says more where its risk is higher than that."""

ADVICE_OF_RULE = {
    Malignancy.MALIGNANT: "The decision rule calls this a cancer of the skin, which is not the most probable: show it to a "
    "dermatologist soon.",
    Malignancy.PRECANCEROUS: "The decision rule calls this something that can become a cancer, which is not the most "
    "probable: show it to a dermatologist.",
}
"""Advice by what a decision rule decides where that is worse than what is most probable."""

ADVICE_WITHOUT_RISK = (
    "This model does not tell what is malignant: show it to a doctor if it is new, changes, itches or bleeds, or if it "
    "worries you."
)

ADVICE_WHERE_REFUSED = (
    "This model refuses the picture, so that no risk is called low: show it to a doctor if it is new, changes, itches or "
    "bleeds, or if it worries you."
)

RISK_RULE = (
    "high where the most probable diagnosis is malignant; moderate where the malignant probability reaches the run's "
    "own threshold, or a malignant or pre-cancerous diagnosis is in the prediction set; low where none of these holds, and "
    "not told instead of low where the picture is refused. A decision rule or a prevalence can raise it and never lowers it"
)
"""The rule of `Thresholds.risks`, and of Prediction.risk, in words."""

TARGET_SENSITIVITY = f"{TARGET:.0%}"


_RISK_OF = {
    Malignancy.BENIGN: Risk.LOW,
    Malignancy.PRECANCEROUS: Risk.MODERATE,
    Malignancy.MALIGNANT: Risk.HIGH,
}
"""The least risk of what a rule decides."""


@dataclass(frozen=True)
class Ruling:
    """A decision rule by its name in DECISIONS and as the model fitted it, and the prevalence that it answers for.

    `own` are the probabilities before the prevalence, by code, None where they are the model's own anyway.
    """

    name: str = MOST_PROBABLE
    decision: Decision = field(default_factory=MostProbable)
    prevalence: Prevalence | None = None
    own: dict[str, float] | None = None


@dataclass(frozen=True)
class Prediction:
    """The probabilities that a model gives one image, by diagnosis code, and what its thresholds and rule make of them.

    Thresholds and rules were chosen on the model's own probabilities, and are put against these whatever the prevalence.
    `scope` tells whether the image is one that they can be asked of at all.
    """

    probabilities: dict[str, float]
    thresholds: Thresholds
    task: Task = HAM10000
    ruling: Ruling = Ruling()
    scope: InScope = NOT_CHECKED

    def _in_order(self, probabilities: dict[str, float]) -> NDArray[np.float32]:
        """The probabilities in the task's order, of shape (1, n_classes)."""
        row = [[probabilities[code] for code in self.task.codes]]
        return np.array(row, np.float32)  # as they were when it chose the thresholds

    @cached_property
    def _row(self) -> NDArray[np.float32]:
        """The model's own probabilities, of shape (1, n_classes)."""
        return self._in_order(self.ruling.own or self.probabilities)

    @cached_property
    def prediction_set(self) -> tuple[str, ...]:
        """Codes of the diagnoses that cannot be ruled out, most probable first.

        Chosen on the validation part so that the truth is among them for 90% of the images of each diagnosis.
        """
        (kept,) = self.thresholds.prediction_sets(self.task, self._row)
        codes = [code for code, is_kept in zip(self.task.codes, kept, strict=True) if is_kept]
        return tuple(sorted(codes, key=lambda code: -self.probabilities[code]))

    @cached_property
    def risk(self) -> Risk | None:
        """Urgency by RISK_RULE; None where it is not told, or the task does not tell what is malignant."""
        if not self.task.tells_malignant:
            return None
        rows = np.concatenate([self._row, self._in_order(self.probabilities)])
        risks = [Risk(name) for name in self.thresholds.risks(self.task, rows)]
        risk = max(*risks, _RISK_OF[self.malignancy or Malignancy.BENIGN], key=list(Risk).index)
        return None if self.scope.is_refused and risk is Risk.LOW else risk

    @property
    def ranked(self) -> tuple[tuple[Diagnosis, float], ...]:
        """All diagnoses with their probabilities, most probable first."""
        pairs = ((diagnosis, self.probabilities[diagnosis.code]) for diagnosis in self.task.diagnoses)
        return tuple(sorted(pairs, key=lambda pair: -pair[1]))

    @property
    def most_probable(self) -> Diagnosis:
        """The most probable diagnosis."""
        return self.ranked[0][0]

    @cached_property
    def diagnosis(self) -> Diagnosis:
        """The diagnosis that the rule decides on.

        A rule that was fitted decides by the model's own probabilities, for what it promises hangs on no prevalence.
        """
        if not self.ruling.decision.parameters:
            return self.most_probable
        return self.task.diagnoses[self.ruling.decision.decide(self.task, self._row)[0]]

    @property
    def malignancy(self) -> Malignancy | None:
        """Biological behaviour of the decided diagnosis, None where the task does not tell it."""
        return self.diagnosis.malignancy

    @property
    def decided_by(self) -> str:
        """The sentences on the rule and the prevalence by which it was decided."""
        words = f"Decided by {self.ruling.decision.words}."
        if self.diagnosis != self.most_probable:
            share = self.probabilities[self.most_probable.code]
            words += f" The most probable diagnosis is {self.most_probable.name} ({share:.1%})."
        if self.ruling.prevalence:
            words += f" The probabilities are for {self.ruling.prevalence.words}."
        return words

    @property
    def malignant_probability(self) -> float | None:
        """Sum over the malignant diagnoses, None where the task does not tell which they are."""
        if not self.task.tells_malignant:
            return None
        return sum(self.probabilities[self.task.codes[index]] for index in self.task.malignant)

    @property
    def advice(self) -> str:
        """Advice to the user, with the reason where a benign diagnosis is the most probable but the risk is not low."""
        if self.malignancy is None or not self.task.tells_malignant:
            return ADVICE_WITHOUT_RISK
        if self.risk is None:
            return ADVICE_WHERE_REFUSED
        probable = max(self._most_probable_malignancies, key=list(Malignancy).index)
        if list(Malignancy).index(self.malignancy) > list(Malignancy).index(probable):
            return ADVICE_OF_RULE[self.malignancy]
        if probable is not Malignancy.BENIGN or self.risk is Risk.LOW:
            return ADVICE[probable]
        return f"This looks most like something harmless, but {self._doubt}: show it to a dermatologist."

    @property
    def _most_probable_malignancies(self) -> list[Malignancy]:
        """The behaviour of what is most probable, of the model's own probabilities and of those for the prevalence."""
        places = [int(row.argmax()) for row in (self._row, self._in_order(self.probabilities))]
        return [self.task.diagnoses[place].malignancy or Malignancy.BENIGN for place in places]

    @property
    def _doubt(self) -> str:
        """A reason against the most probable diagnosis being all there is."""
        rows = np.concatenate([self._row, self._in_order(self.probabilities)])
        own, shown = self.thresholds.prediction_sets(self.task, rows)
        kept = dict(zip(self.task.codes, own | shown, strict=True))
        left = [known for known, _ in self.ranked if kept[known.code]]
        names = [known.name.lower() for known in left if known.malignancy is not Malignancy.BENIGN]
        if names:
            return f"{' or '.join(names)} cannot be ruled out"
        reached = metrics.malignant_scores(self.task, rows).max()
        return f"a malignant probability of {reached:.1%} reaches this model's threshold"

    @property
    def basis(self) -> str:
        """The basis of the risk: the run's threshold, its sensitivity and the images that set it; "" without a risk."""
        if self.risk is None:
            return ""
        if not self.thresholds.malignant:
            return (
                "This model knew too few malignant validation images to set a threshold, so that it calls no risk low."
            )
        return (
            f"This model's threshold for malignant, {self.thresholds.malignant:.1%}, was set to find {TARGET_SENSITIVITY} of the "
            "malignant images of its validation part."
        )


class Record(TypedDict):
    """A prediction as plain data: the decided diagnosis' code and name, probabilities by code, what cannot be ruled out.

    `in_scope` is False where the picture is refused as none that the run can judge, None where it has no gate to tell;
    `reason` says why, and no risk is called low. `decision` names the rule and `decided_by` says it in words; `prevalence`
    holds the shares that the probabilities are for, None where they are the model's own. What is said of malignancy is None
    where the run's task does not tell what is malignant.
    """

    run: str
    in_scope: bool | None
    reason: str
    diagnosis: str
    name: str
    decision: str
    decided_by: str
    most_probable: str
    prevalence: dict[str, float] | None
    probabilities: dict[str, float]
    prediction_set: list[str]
    malignant_probability: float | None
    malignant_threshold: float | None
    malignancy: str | None
    risk: str | None
    advice: str


@dataclass(frozen=True)
class _Audited:
    """The parts of a run's audit that predictions read, each loaded when it is first asked for."""

    run: Run

    @cached_property
    def gate(self) -> LesionGate | InScope:
        """The run's gate, or what is said where it has none."""
        try:
            return LesionGate.load(self.run)
        except UserError as error:
            return InScope(None, str(error))

    @cached_property
    def index(self) -> CaseIndex:
        """The run's index of similar cases. Raises UserError where it is missing or damaged."""
        return CaseIndex.load(self.run)


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
        self.task = run.task
        self.network = OnnxNetwork(run.onnx_path, self.task)
        self._views = run.config.views
        self._validation = load_predictions(run.predictions_path)["validation"]
        self._thresholds = choose_thresholds(self._validation)
        self._shares = ClassShares.of(self._validation)
        self._ruling = Ruling()
        self._audited = _Audited(run)

    @property
    def shares(self) -> str:
        """The shares of the diagnoses in the training data, as `parse_prevalence` reads them."""
        return shares_as_text(self.task, self._shares.counted)

    def deciding(self, choice: DecisionChoice) -> Self:
        """This model, its network shared, under another decision rule and prevalence.

        Raises UsageError where there is no such rule, target or prevalence.
        """
        decision = fit_decision(choice.decision, self._validation, choice.target)
        prevalence = parse_prevalence(choice.prevalence, self.task, self._shares.counted)
        other = copy.copy(self)
        other._ruling = Ruling(choice.decision, decision, prevalence)
        return other

    def record(self, prediction: Prediction) -> Record:
        """One of this model's predictions as plain data."""
        malignant = prediction.malignant_probability
        return Record(
            run=self.run.name,
            in_scope=prediction.scope.in_scope,
            reason=prediction.scope.reason,
            diagnosis=prediction.diagnosis.code,
            name=prediction.diagnosis.name,
            decision=prediction.ruling.name,
            decided_by=prediction.decided_by,
            most_probable=prediction.most_probable.code,
            prevalence=dict(prediction.ruling.prevalence.shares) if prediction.ruling.prevalence else None,
            probabilities={code: round(share, 6) for code, share in prediction.probabilities.items()},
            prediction_set=list(prediction.prediction_set),
            malignant_probability=None if malignant is None else round(malignant, 6),
            malignant_threshold=None if malignant is None else round(prediction.thresholds.malignant, 6),
            malignancy=None if prediction.malignancy is None else str(prediction.malignancy),
            risk=None if prediction.risk is None else str(prediction.risk),
            advice=f"{prediction.advice} {prediction.basis}".rstrip(),
        )

    @cached_property
    def called_low(self) -> CalledLow | None:
        """The run's malignant test images that come out at low risk; None where its report does not say."""
        try:
            point = load_report(self.run.report_path)["test"].operating_point
        except (UserError, KeyError):  # a run without a readable report predicts all the same
            return None
        return point.called_low.get(Malignancy.MALIGNANT) if point else None

    @property
    def takes_patient(self) -> bool:
        """True where the model looks at the fields of the patient."""
        return self.network.takes_patient

    def predict(self, image: ImageInput, patient: Patient = Patient()) -> Prediction:
        """The prediction for one image (encoded bytes, a path, a picture or an array).

        Raises UserError when the image cannot be read.
        """
        return self.answer(self.encode(image), patient)

    def answer(self, image: EncodedImage, patient: Patient) -> Prediction:
        """The prediction for one image, with what the gate makes of it."""
        (prediction,) = self.predict_encoded(image, [patient])
        return replace(prediction, scope=self.scope(image))

    def scope(self, image: EncodedImage) -> InScope:
        """The lesion gate's answer to an image."""
        gate = self._audited.gate
        if isinstance(gate, InScope):
            return gate
        return gate.judge(image.views.embedding[0], image.pixels, image.source_size)

    def similar_cases(self, image: EncodedImage) -> list[Case]:
        """The training lesions nearest to an image. Raises UserError where the run has no index, or a damaged one."""
        return self._audited.index.nearest(image.views.embedding[0])

    def encode(self, image: ImageInput) -> EncodedImage:
        """The image decoded, prepared and seen by the network once: what is asked of it then costs next to nothing.

        Raises UserError when the image cannot be read.
        """
        picture = decode(image)
        return encode_image(self.network, prepare(picture, self.network.image_size), self._views, picture.size)

    def predict_encoded(self, image: EncodedImage, patients: Sequence[Patient]) -> list[Prediction]:
        """The predictions for one image were it of each of these patients."""
        return [self.judge(probabilities) for probabilities in image.probabilities(self.task.encode(patients))]

    def probabilities(
        self, dataset: Dataset, rows: NDArray[np.int64], workspace: Workspace, progress: Progress = silent
    ) -> NDArray[np.float32]:
        """The probabilities for these rows of a data set, of shape (n_rows, n_classes)."""
        pixels = open_pixels(dataset, self.network.image_size, workspace, progress)
        patients = self.task.encode([image.patient for image in dataset.images])
        return row_probabilities(self.network, pixels, patients, rows, self._views, progress).mean(axis=0)

    def judge(self, probabilities: NDArray[np.float32]) -> Prediction:
        """The prediction that these probabilities of shape (n_classes,) amount to under this model's thresholds and rule."""
        own, prevalence = self._by_code(probabilities), self._ruling.prevalence
        if prevalence is None:
            return Prediction(own, self._thresholds, self.task, self._ruling)
        (shown,) = reweigh(probabilities[None], self._shares.implied, prevalence.row(self.task))
        return Prediction(self._by_code(shown), self._thresholds, self.task, replace(self._ruling, own=own))

    def _by_code(self, probabilities: NDArray[np.floating]) -> dict[str, float]:
        return {code: float(value) for code, value in zip(self.task.codes, probabilities, strict=True)}


def predictions_of(task: Task, images: Sequence[LesionImage], probabilities: NDArray[np.float32]) -> Predictions:
    """The probabilities of these images, of shape (n_images, n_classes), beside what is true of them.

    A training's evaluation and `evaluate` both come this way.
    """
    return Predictions(
        image_ids=tuple(image.image_id for image in images),
        lesion_ids=tuple(image.lesion_id for image in images),
        truth=np.array([task.index(image.diagnosis) for image in images], np.int64),
        probabilities=probabilities,
        task=task,
    )


SHIPPED = {"image": "ham10000-image", "multimodal": "ham10000-multimodal"}
"""The runs that come with the project, by model."""


def default_run(workspace: Workspace, patient: Patient) -> Run:
    """The run to predict with when none is named: shipped multimodal if anything is known of the patient, else image-only.

    Where no such run is there, the newest finished one of that kind, else the newest. Raises UserError when there is none at all.
    """
    return _usual_run(workspace, "image" if patient.is_unknown else "multimodal")


def multimodal_run(workspace: Workspace) -> Run:
    """The run that `default_run` gives where something is known of the patient, whose task has the fields to be asked."""
    return _usual_run(workspace, "multimodal")


def _usual_run(workspace: Workspace, kind: str) -> Run:
    if shipped := runs.find(workspace, SHIPPED[kind]):
        return shipped
    finished = [run for run in runs.list_runs(workspace) if run.can_predict]
    if not finished:
        raise UserError(
            "There is no trained run yet: `python -m skin train --dataset demo --preset demo` trains two in minutes."
        )
    return next((run for run in finished if run.config.model == kind), finished[0])
