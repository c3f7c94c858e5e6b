"""The trained run judged on data sets whose labels are only a part of its own, or none of them."""

import csv
import dataclasses
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from skin.cli.main import app
from skin.data.dataset import Dataset, LesionImage
from skin.errors import UserError
from skin.evaluation.predictions import load_predictions
from skin.evaluation.summary import scope
from skin.inference.external import Shared, evaluate_on, judged, malignant_or_not
from skin.inference.predictor import Predictor
from skin.patient import Patient
from skin.run import Run
from skin.task import HAM10000, ISIC2019, MALIGNANT_OR_NOT, Diagnosis, Malignancy, Task
from skin.workspace import Workspace


@pytest.fixture(scope="module")
def predictor(judged_run: Run) -> Predictor:
    return Predictor(judged_run)


def relabelled(demo: Dataset, task: Task, labels: dict[str, str], n: int = 60) -> Dataset:
    """The drawn images under labels of another task; those without one are left out."""
    images = [image for image in demo.images if image.diagnosis in labels][:n]
    changed = (dataclasses.replace(image, diagnosis=labels[image.diagnosis], patient=Patient()) for image in images)
    return Dataset("elsewhere", "Elsewhere", tuple(changed), task=task)


def every_row(dataset: Dataset) -> np.ndarray:
    return np.arange(len(dataset.images))


def test_three_of_seven_labels_are_judged_by_these_three(
    predictor: Predictor, demo: Dataset, shared_workspace: Workspace
) -> None:
    few = relabelled(demo, HAM10000, {code: code for code in ("mel", "bkl", "nv")})

    report = evaluate_on(predictor, few, every_row(few), shared_workspace)

    predictions = judged(predictor, few, every_row(few), shared_workspace)
    there = [HAM10000.index(code) for code in ("bkl", "mel", "nv")]
    recalls = [(predictions.predicted == k)[predictions.truth == k].mean() for k in there]
    assert report.headline["balanced_accuracy"].value == pytest.approx(np.mean(recalls))
    f1 = [report.per_class[code].f1 for code in ("bkl", "mel", "nv")]
    assert report.headline["macro_f1"].value == pytest.approx(np.mean(f1))
    assert report.per_class["vasc"].support == 0
    assert scope(report) == [
        "No image is of akiec, bcc, df or vasc: the means over the diagnoses are of bkl, mel and nv alone, and images "
        "taken for an absent one count as mistakes."
    ]


def test_labels_are_found_in_any_letter_case_and_strange_ones_named(
    predictor: Predictor, demo: Dataset, shared_workspace: Workspace
) -> None:
    elsewhere = relabelled(demo, ISIC2019, {"mel": "MEL", "nv": "NV", "akiec": "SCC", "df": "AK"}, n=100)
    strange = [image.diagnosis for image in elsewhere.images if image.diagnosis in ("SCC", "AK")]

    report = evaluate_on(predictor, elsewhere, every_row(elsewhere), shared_workspace)

    assert Shared.of(elsewhere, HAM10000).strange == {code: strange.count(code) for code in dict.fromkeys(strange)}
    assert report.n == len(elsewhere.images) - len(strange)
    assert report.task == HAM10000
    said = scope(report)[-1]
    assert said.startswith(f"{len(strange)} images left out, whose labels the model does not know: ")
    assert f"'SCC' ({strange.count('SCC')})" in said


BINARY = Task(
    "two", "Two", (Diagnosis("benign", "Benign", Malignancy.BENIGN), Diagnosis("bad", "Bad", Malignancy.MALIGNANT))
)


def test_where_only_malignant_or_not_is_told_that_is_judged(
    predictor: Predictor, demo: Dataset, shared_workspace: Workspace
) -> None:
    labels = {code: "bad" if code in ("mel", "bcc") else "benign" for code in HAM10000.codes}
    elsewhere = relabelled(demo, BINARY, labels, n=80)

    report = evaluate_on(predictor, elsewhere, every_row(elsewhere), shared_workspace)

    own = evaluate_on(
        predictor, relabelled(demo, HAM10000, {c: c for c in labels}, n=80), np.arange(80), shared_workspace
    )
    assert report.task == MALIGNANT_OR_NOT
    assert report.headline["malignant_auc"].value == pytest.approx(own.headline["malignant_auc"].value, abs=1e-6)
    assert "melanoma_sensitivity" not in report.headline
    point, same = report.operating_point, own.operating_point
    assert point is not None
    assert same is not None
    assert point.thresholds.malignant == pytest.approx(same.thresholds.malignant)
    assert (point.sensitivity, point.specificity) == (same.sensitivity, same.specificity)
    assert "malignant from not malignant" in scope(report)[0]


def test_malignant_or_not_keeps_the_scores(predictor: Predictor) -> None:
    validation = load_predictions(predictor.run.predictions_path)["validation"]
    binary = malignant_or_not(validation)
    np.testing.assert_allclose(binary.probabilities.sum(axis=1), 1, rtol=1e-6)
    expected = validation.probabilities[:, HAM10000.malignant].sum(axis=1)
    np.testing.assert_allclose(binary.probabilities[:, 0], expected, atol=1e-6)


def test_labels_that_share_nothing_are_refused(
    predictor: Predictor, demo: Dataset, shared_workspace: Workspace
) -> None:
    unlike = Task("x", "X", (Diagnosis("round", "Round"), Diagnosis("square", "Square")))
    elsewhere = relabelled(demo, unlike, {"mel": "round", "nv": "square"})
    with pytest.raises(UserError, match=r"Elsewhere has none of the diagnoses .*akiec.*: give a data set"):
        evaluate_on(predictor, elsewhere, every_row(elsewhere), shared_workspace)


def test_a_patient_of_another_vocabulary_is_as_unknown(
    predictor: Predictor, demo: Dataset, shared_workspace: Workspace
) -> None:
    told = [
        LesionImage(image.image_id, image.lesion_id, "NV", Patient({"site": "head/neck", "itch": "yes"}), image.path)
        for image in demo.images[:3]
    ]
    blank = [dataclasses.replace(image, patient=Patient()) for image in told]
    one, other = (
        predictor.probabilities(Dataset("d", "D", tuple(images), task=ISIC2019), np.arange(3), shared_workspace)
        for images in (told, blank)
    )
    np.testing.assert_array_equal(one, other)


def test_the_command_line_says_so(judged_run: Run, shared_workspace: Workspace, demo: Dataset, tmp_path: Path) -> None:
    images = [image for image in demo.images if image.diagnosis in ("mel", "nv", "df")][:40]
    with (tmp_path / "HAM10000_metadata.csv").open("w", newline="") as file:
        rows = [
            (f"x{n}", image.lesion_id, "scc" if image.diagnosis == "df" else image.diagnosis)
            for n, image in enumerate(images)
        ]
        csv.writer(file).writerows([("image_id", "lesion_id", "dx"), *rows])
    for n, image in enumerate(images):
        (tmp_path / f"x{n}.jpg").write_bytes(image.path.read_bytes())

    words = ["evaluate", judged_run.name, "--dataset", str(tmp_path), "--home", str(shared_workspace.home)]
    said = CliRunner().invoke(app, words).stdout

    strange = sum(image.diagnosis == "df" for image in images)
    assert (
        f"{strange} image{'s' * (strange != 1)} left out, whose labels the model does not know: 'scc' ({strange})."
        in said
    )
    assert "No image is of akiec, bcc, bkl, df or vasc" in said
