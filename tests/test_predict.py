import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from skin.config import TrainConfig
from skin.data.datasets import Dataset
from skin.data.splits import Split
from skin.errors import UserError
from skin.lesion import CODES, Malignancy, Risk
from skin.patient import Patient, Sex, Site
from skin.predict import SHIPPED, Prediction, Predictor, default_run
from skin.report import load_predictions
from skin.run import Run, State
from skin.workspace import Workspace

PATIENT = Patient(60, Sex.MALE, Site.BACK)


class Bare(Workspace):
    """A workspace of a project that ships no runs."""

    @property
    def shipped_runs(self) -> Path:
        return self.home / "shipped"


@pytest.fixture(scope="module")
def predictor(trained_run: Run) -> Predictor:
    return Predictor(trained_run)


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
    melanoma = Prediction({"akiec": 0.1, "bcc": 0.2, "bkl": 0, "df": 0, "mel": 0.4, "nv": 0.3, "vasc": 0}, ("mel",))
    assert (melanoma.diagnosis.code, melanoma.risk, melanoma.malignancy) == ("mel", Risk.HIGH, Malignancy.MALIGNANT)
    assert melanoma.malignant_probability == pytest.approx(0.6)


def of_shares(prediction_set: tuple[str, ...], **shares: float) -> Prediction:
    return Prediction({code: shares.get(code, 0.0) for code in CODES}, prediction_set)


def test_advice_is_given_by_the_risk() -> None:
    assert "dermatologist soon" in of_shares(("mel",), mel=1).advice
    assert "can become a cancer" in of_shares(("akiec",), akiec=1).advice
    assert "show it to a doctor all the same" in of_shares(("nv",), nv=1).advice


def test_something_harmless_is_not_called_so_where_a_cancer_cannot_be_ruled_out() -> None:
    said = of_shares(("nv", "mel", "bcc"), nv=0.8, mel=0.1, bcc=0.1).advice
    assert "melanoma or basal cell carcinoma cannot be ruled out: show it to a dermatologist" in said


def test_prediction_meets_the_same_tensors_as_evaluation_did(
    predictor: Predictor, demo: Dataset, shared_workspace: Workspace
) -> None:
    """From an upload, from the cached data set and in the trainer's own evaluation: one image, one answer."""
    saved = load_predictions(predictor.run.predictions_path)["test"]
    rows = {image.image_id: row for row, image in enumerate(demo.images)}
    test = np.array([rows[image_id] for image_id in Split.load(predictor.run.split_path).test])
    again = predictor.predict_dataset(demo, test, shared_workspace)
    assert again.image_ids == saved.image_ids
    np.testing.assert_array_equal(again.truth, saved.truth)
    np.testing.assert_allclose(again.probabilities, saved.probabilities, atol=1e-4)
    images = [demo.images[row] for row in test[:5]]
    uploaded = predictor.predict_batch([image.path for image in images], [image.patient for image in images])
    np.testing.assert_allclose([shares(each) for each in uploaded], saved.probabilities[:5], atol=1e-4)


def test_one_by_one_and_together_give_the_same(predictor: Predictor, demo: Dataset) -> None:
    images = [image.path for image in demo.images[:4]]
    patients = [image.patient for image in demo.images[:4]]
    together = predictor.predict_batch(images, patients)
    for image, patient, prediction in zip(images, patients, together, strict=True):
        np.testing.assert_allclose(shares(predictor.predict(image, patient)), shares(prediction), atol=1e-5)


def test_bytes_picture_and_array_are_the_same_image(predictor: Predictor, demo: Dataset) -> None:
    path = demo.images[0].path
    with Image.open(path) as picture:
        inputs = [path.read_bytes(), picture.copy(), np.asarray(picture)]
    for image in inputs:
        assert shares(predictor.predict(image)) == pytest.approx(shares(predictor.predict(path)), abs=1e-6)


def test_a_multimodal_model_heeds_the_patient(predictor: Predictor, demo: Dataset) -> None:
    assert predictor.takes_patient
    known, unknown = predictor.predict_patients(demo.images[0].path, [PATIENT, Patient()])
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
def test_a_run_that_was_damaged_by_hand_says_so(trained_run: Run, tmp_path: Path, name: str) -> None:
    copy = Run(shutil.copytree(trained_run.folder, tmp_path / "copy"))
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
        default_run(Bare(tmp_path), Patient())


def test_the_shipped_run_is_chosen_by_what_is_known_of_the_patient(tmp_path: Path) -> None:
    workspace = Bare(tmp_path)
    for model, name in SHIPPED.items():
        put(workspace, name, model)
    put(workspace, "newer", "image")
    assert default_run(workspace, Patient()).name == "ham10000-image"
    assert default_run(workspace, Patient(sex=Sex.FEMALE)).name == "ham10000-multimodal"


def test_where_none_was_shipped_the_newest_that_can_predict_is_chosen(tmp_path: Path) -> None:
    workspace = Bare(tmp_path)
    put(workspace, "older", "image")
    put(workspace, "newer", "image")
    Run.create(workspace, "unfinished", TrainConfig.from_preset("demo"))
    assert default_run(workspace, Patient()).name == "newer"
