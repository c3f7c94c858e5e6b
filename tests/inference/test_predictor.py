import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from bare import Bare
from ham import CODES, someone
from PIL import Image
from simulated import simulated

from skin.config import TrainConfig
from skin.data.dataset import Dataset
from skin.data.splits import Split
from skin.errors import UsageError, UserError
from skin.evaluation.chosen import DecisionChoice
from skin.evaluation.decision import DECISIONS, AtSensitivity, fit_decision
from skin.evaluation.operating_point import Thresholds, choose_thresholds
from skin.evaluation.predictions import load_predictions
from skin.evaluation.prevalence import implied_shares, parse_prevalence, reweigh
from skin.evaluation.report import evaluate_parts
from skin.inference.external import judged
from skin.inference.lesion_gate import InScope
from skin.inference.predictor import SHIPPED, Prediction, Predictor, Ruling, default_run
from skin.run import Run, State
from skin.task import HAM10000, Malignancy, Risk
from skin.workspace import Workspace

PATIENT = someone(60, "male", "back")


@pytest.fixture(scope="module")
def predictor(judged_run: Run) -> Predictor:
    return Predictor(judged_run)


def shares(prediction: Prediction) -> list[float]:
    return [prediction.probabilities[code] for code in CODES]


def test_a_prediction_speaks_of_all_diagnoses(predictor: Predictor, demo: Dataset) -> None:
    prediction = predictor.predict(demo.images[0].path, demo.images[0].patient)
    assert list(prediction.probabilities) == list(CODES)
    assert sum(prediction.probabilities.values()) == pytest.approx(1, abs=1e-5)
    assert [diagnosis.code for diagnosis, _ in prediction.ranked] == sorted(
        CODES, key=lambda code: -prediction.probabilities[code]
    )
    assert prediction.diagnosis == prediction.ranked[0][0]
    assert prediction.prediction_set[0] == prediction.diagnosis.code


def test_risk_and_malignant_probability_follow_from_the_diagnoses() -> None:
    melanoma = of_shares(akiec=0.1, bcc=0.2, mel=0.4, nv=0.3)
    assert (melanoma.diagnosis.code, melanoma.risk, melanoma.malignancy) == ("mel", Risk.HIGH, Malignancy.MALIGNANT)
    assert melanoma.malignant_probability == pytest.approx(0.6)


def test_a_picture_that_is_refused_is_never_called_low_risk() -> None:
    refused = InScope(False, "It is no lesion.")
    nevus, melanoma = (replace(of_shares(**{code: 0.96}), scope=refused) for code in ("nv", "mel"))
    assert nevus.risk is None
    assert "no risk is called low" in nevus.advice
    assert "harmless" not in nevus.advice
    assert melanoma.risk is Risk.HIGH  # a lesion that is refused by mistake keeps its warning
    assert "dermatologist" in melanoma.advice
    assert of_shares(nv=0.96).risk is Risk.LOW


def of_shares(malignant: float = 0.2, **shares: float) -> Prediction:
    """A prediction under a malignant threshold and a threshold of 0.15 for each diagnosis."""
    thresholds = Thresholds(malignant, dict.fromkeys(CODES, 0.15))
    return Prediction({code: shares.get(code, 0.0) for code in CODES}, thresholds)


@pytest.mark.parametrize(
    ("risk", "shares"),
    [
        (Risk.HIGH, {"mel": 0.4, "nv": 0.35, "bkl": 0.25}),
        (Risk.MODERATE, {"akiec": 0.9, "nv": 0.1}),
        (Risk.MODERATE, {"nv": 0.79, "mel": 0.11, "bcc": 0.1}),  # the malignant probability reaches its threshold
        (Risk.MODERATE, {"bkl": 0.83, "mel": 0.17}),  # melanoma is in the prediction set
        (Risk.MODERATE, {"nv": 0.83, "akiec": 0.17}),  # what can become a cancer is in the prediction set
        (Risk.LOW, {"nv": 0.81, "mel": 0.1, "akiec": 0.09}),
    ],
)
def test_risk_follows_the_threshold_and_the_prediction_set(risk: Risk, shares: dict[str, float]) -> None:
    assert of_shares(**shares).risk is risk


RULINGS = [
    Ruling(name, fit_decision(name, simulated(seed=1)), prevalence, own)
    for name in DECISIONS
    for prevalence, own in (
        (None, None),
        (parse_prevalence("equal", HAM10000, np.full(7, 1 / 7)), dict.fromkeys(CODES, 1 / 7)),
    )
]


def ruled(ruling: Ruling, shares: np.ndarray, own: np.ndarray) -> Prediction:
    """The prediction of these shares under the ruling, whose own probabilities are others where it has a prevalence."""
    by_code, own_by_code = (dict(zip(CODES, map(float, row), strict=True)) for row in (shares, own))
    ruling = replace(ruling, own=own_by_code if ruling.prevalence else None)
    return Prediction(by_code, Thresholds(0.2, dict.fromkeys(CODES, 0.15)), HAM10000, ruling)


@pytest.mark.parametrize("ruling", RULINGS, ids=lambda ruling: f"{ruling.name}-{ruling.prevalence is not None}")
def test_no_rule_and_no_prevalence_lowers_a_risk(ruling: Ruling) -> None:
    """Nothing that is probably a cancer, however one looks at it, comes out at low risk."""
    order, rng = list(Risk), np.random.default_rng(0)
    for shares, own in rng.dirichlet(np.full(7, 0.4), (500, 2)):
        before = ruled(Ruling(), own if ruling.prevalence else shares, own)
        after = ruled(ruling, shares, own)
        assert order.index(after.risk) >= order.index(before.risk)
        kinds = {known.malignancy for known in (after.diagnosis, after.most_probable, before.most_probable)}
        if Malignancy.MALIGNANT in kinds:
            assert after.risk is Risk.HIGH
            assert "dermatologist" in after.advice
        if Malignancy.PRECANCEROUS in kinds or after.malignant_probability >= after.thresholds.malignant:
            assert after.risk is not Risk.LOW
            assert "dermatologist" in after.advice


def test_the_sentence_says_the_rule_and_what_is_most_probable() -> None:
    rule = Ruling("sensitivity", AtSensitivity(0.95, 0.1))
    found = replace(of_shares(nv=0.8, mel=0.15, bcc=0.05), ruling=rule)
    assert (found.diagnosis.code, found.most_probable.code, found.risk) == ("mel", "nv", Risk.HIGH)
    assert found.decided_by == (
        "Decided by whether its malignant probability reaches 10.0%, the threshold that finds 95% of the malignant validation "
        "images; then by the most probable diagnosis of that kind. The most probable diagnosis is Melanocytic nevus (80.0%)."
    )
    assert "The decision rule calls this a cancer of the skin, which is not the most probable" in found.advice
    assert of_shares(nv=1).decided_by == "Decided by the most probable diagnosis."


def test_a_rule_changes_the_diagnosis_and_no_probability(predictor: Predictor, demo: Dataset) -> None:
    image, patient = demo.images[0].path, demo.images[0].patient
    usual = predictor.predict(image, patient)
    for name in DECISIONS:
        deciding = predictor.deciding(DecisionChoice(name))
        found = deciding.predict(image, patient)
        assert (found.probabilities, found.prediction_set) == (usual.probabilities, usual.prediction_set)
        record = deciding.record(found)
        assert (record["decision"], record["diagnosis"]) == (name, found.diagnosis.code)
        assert (record["most_probable"], record["prevalence"]) == (usual.diagnosis.code, None)
        assert deciding.network is predictor.network


def test_a_rule_decides_on_an_upload_as_it_was_judged(predictor: Predictor) -> None:
    parts = load_predictions(predictor.run.predictions_path)
    decided = fit_decision("balanced", parts["validation"]).decide(HAM10000, parts["test"].probabilities)
    deciding = predictor.deciding(DecisionChoice("balanced"))
    assert [deciding.judge(row).diagnosis.code for row in parts["test"].probabilities] == [CODES[k] for k in decided]


def test_a_prevalence_reweighs_what_is_shown_and_keeps_the_set(predictor: Predictor, demo: Dataset) -> None:
    image = predictor.encode(demo.images[0].path)
    (usual,) = predictor.predict_encoded(image, [PATIENT])
    validation = load_predictions(predictor.run.predictions_path)["validation"]
    shares = {code: 0.94 if code == "mel" else 0.01 for code in CODES}
    deciding = predictor.deciding(DecisionChoice(prevalence=shares))
    (found,) = deciding.predict_encoded(image, [PATIENT])
    row = np.array([[usual.probabilities[code] for code in CODES]])
    expected = reweigh(row, implied_shares(validation), np.array(list(shares.values())))
    np.testing.assert_allclose([list(found.probabilities.values())], expected, rtol=1e-4)
    assert set(found.prediction_set) == set(usual.prediction_set)
    assert found.probabilities["mel"] > usual.probabilities["mel"]
    assert "The probabilities are for the diagnoses' shares that were given: 1.0% akiec" in found.decided_by
    record = deciding.record(found)
    assert record["prevalence"] == pytest.approx(shares)
    assert record["probabilities"]["mel"] == pytest.approx(found.probabilities["mel"], abs=1e-6)
    assert predictor.predict_encoded(image, [PATIENT]) == [usual]  # the one that others ask is as it was


def test_what_a_model_cannot_decide_by_is_a_sentence(predictor: Predictor) -> None:
    for choice, words in (
        (DecisionChoice("magic"), "no decision rule 'magic'"),
        (DecisionChoice("sensitivity", 95), "number between 0 and 1"),
        (DecisionChoice(prevalence="mel=1"), "lacks akiec, bcc, bkl, df, nv and vasc"),
        (DecisionChoice(prevalence="winter"), "no prevalence 'winter'"),
    ):
        with pytest.raises(UsageError, match=words):
            predictor.deciding(choice)


def test_without_a_threshold_no_risk_is_low() -> None:
    found = of_shares(malignant=0.0, nv=1.0)
    assert found.risk is Risk.MODERATE
    assert "too few malignant validation images" in found.basis


def test_advice_gives_the_reason_for_the_risk() -> None:
    assert "dermatologist soon" in of_shares(mel=1).advice
    assert "can become a cancer" in of_shares(akiec=1).advice
    assert "show it to a doctor all the same" in of_shares(nv=1).advice
    assert "but melanoma or basal cell carcinoma cannot be ruled out: show it to a dermatologist" in (
        of_shares(nv=0.55, mel=0.25, bcc=0.2).advice
    )
    assert "a malignant probability of 21.0% reaches this model's threshold: show it to a dermatologist" in (
        of_shares(nv=0.79, mel=0.11, bcc=0.1).advice
    )
    assert (
        "This model's threshold for malignant, 20.0%, was set to find 95% of the malignant images"
        in of_shares(nv=1).basis
    )


def test_a_prediction_has_the_risk_that_the_report_counts(predictor: Predictor) -> None:
    parts = load_predictions(predictor.run.predictions_path)
    risks = choose_thresholds(parts["validation"]).risks(HAM10000, parts["test"].probabilities)
    made = [predictor.record(prediction)["risk"] for prediction in map(predictor.judge, parts["test"].probabilities)]
    assert made == risks.tolist()
    point = evaluate_parts(parts)["test"].operating_point
    assert point is not None
    assert sum(row.low_risk for row in point.called_low.values()) == made.count("low")


def test_prediction_meets_the_same_tensors_as_evaluation_did(
    predictor: Predictor, demo: Dataset, shared_workspace: Workspace
) -> None:
    """From an upload, from the cached data set and in the trainer's own evaluation: one image, one answer."""
    saved = load_predictions(predictor.run.predictions_path)["test"]
    rows = {image.image_id: row for row, image in enumerate(demo.images)}
    test = np.array([rows[image_id] for image_id in Split.load(predictor.run.split_path).test])
    again = judged(predictor, demo, test, shared_workspace)
    assert again.image_ids == saved.image_ids
    np.testing.assert_array_equal(again.truth, saved.truth)
    np.testing.assert_allclose(again.probabilities, saved.probabilities, atol=1e-4)
    images = [demo.images[row] for row in test[:5]]
    uploaded = [predictor.predict(image.path, image.patient) for image in images]
    np.testing.assert_allclose([shares(each) for each in uploaded], saved.probabilities[:5], atol=1e-4)


def test_bytes_picture_and_array_are_the_same_image(predictor: Predictor, demo: Dataset) -> None:
    path = demo.images[0].path
    with Image.open(path) as picture:
        inputs = [path.read_bytes(), picture.copy(), np.asarray(picture)]
    for image in inputs:
        assert shares(predictor.predict(image)) == pytest.approx(shares(predictor.predict(path)), abs=1e-6)


def test_a_multimodal_model_heeds_the_patient(predictor: Predictor, demo: Dataset) -> None:
    assert predictor.takes_patient
    image = predictor.encode(demo.images[0].path)
    known, unknown = predictor.predict_encoded(image, [PATIENT, someone()])
    assert shares(known) == pytest.approx(shares(predictor.predict(demo.images[0].path, PATIENT)), abs=1e-5)
    assert shares(unknown) == pytest.approx(shares(predictor.predict(demo.images[0].path)), abs=1e-5)
    assert shares(known) != pytest.approx(shares(unknown), abs=1e-4)


def test_several_threads_may_ask_at_once(predictor: Predictor, demo: Dataset) -> None:
    images = [image.path for image in demo.images[:16]]
    alone = [shares(predictor.predict(image)) for image in images]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda image: shares(predictor.predict(image)), images))
    np.testing.assert_allclose(together, alone, atol=1e-5)


def test_what_is_no_image_is_refused(predictor: Predictor) -> None:
    with pytest.raises(UserError, match="not an image"):
        predictor.predict(b"text")


def test_an_unfinished_run_cannot_predict(workspace: Workspace) -> None:
    run = Run.create(workspace, "young", TrainConfig.from_preset("demo"))
    with pytest.raises(UserError, match="'young' cannot predict yet"):
        Predictor(run)


@pytest.mark.parametrize("name", ["model.onnx", "predictions.npz", "config.json"])
def test_a_run_that_was_damaged_by_hand_says_so(judged_run: Run, tmp_path: Path, name: str) -> None:
    copy = Run(shutil.copytree(judged_run.folder, tmp_path / "copy"))
    (copy.folder / name).write_bytes(b"damaged")
    with pytest.raises(UserError, match=name.partition(".")[0]):
        Predictor(copy)


# Which run is asked when none is named


def put(workspace: Workspace, name: str, model: str) -> Run:
    run = Run.create(workspace, name, TrainConfig.from_preset("demo", model=model))
    run.onnx_path.write_bytes(b"")
    run.update_status(state=State.FINISHED)
    return run


def test_without_a_run_the_way_to_one_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="skin train --dataset demo"):
        default_run(Bare(tmp_path), someone())


def test_the_shipped_run_is_chosen_by_what_is_known_of_the_patient(tmp_path: Path) -> None:
    workspace = Bare(tmp_path)
    for model, name in SHIPPED.items():
        put(workspace, name, model)
    put(workspace, "newer", "image")
    assert default_run(workspace, someone()).name == "ham10000-image"
    assert default_run(workspace, someone(sex="female")).name == "ham10000-multimodal"


def test_where_none_was_shipped_the_newest_that_can_predict_is_chosen(tmp_path: Path) -> None:
    workspace = Bare(tmp_path)
    put(workspace, "older", "image")
    put(workspace, "newer", "image")
    Run.create(workspace, "unfinished", TrainConfig.from_preset("demo"))
    assert default_run(workspace, someone()).name == "newer"
