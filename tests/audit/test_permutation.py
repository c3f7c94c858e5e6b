"""The cost of wrong and missing fields of the patient."""

from pathlib import Path

import numpy as np
import pytest
import tiny_network
from ham import CODES

from skin.audit.permutation import FOLLOWED, Permutation, measure_costs
from skin.evaluation.predictions import Predictions
from skin.models.onnx import OnnxNetwork
from skin.patient import Patient
from skin.records import checked, from_plain, to_plain
from skin.task import HAM10000

BCC, NV = CODES.index("bcc"), CODES.index("nv")


@pytest.fixture
def record(tmp_path: Path) -> Permutation:
    """The costs of a network to which age alone tells a carcinoma from a nevus."""
    tiny_network.write(tmp_path / "model.onnx", takes_patient=True)
    network = OnnxNetwork(tmp_path / "model.onnx", HAM10000)
    truth = np.repeat([BCC, NV], 30)
    ages = np.where(truth == BCC, 80, 10)
    sexes = np.where(np.arange(60) % 2, "female", "male")
    patients = HAM10000.encode(
        [Patient({"age": float(age), "sex": str(sex)}) for age, sex in zip(ages, sexes, strict=True)]
    )
    ids = tuple(map(str, range(60)))
    embedding = np.full((60, 3), 0.1, np.float32)
    embedding[:, 2] = 0.4  # blue enough for a nevus to win where the patient is young

    def answer(known: np.ndarray) -> Predictions:
        return Predictions(ids, ids, truth, network.classify(embedding, known))

    return measure_costs(answer, patients, HAM10000.columns)


def test_the_field_that_decides_costs_all_and_the_others_nothing(record: Permutation) -> None:
    assert record.figures["accuracy"].value == 1
    age, sex = record.fields["age"], record.fields["sex"]
    assert age.permuted["accuracy"].value == pytest.approx(-0.5, abs=0.1)
    assert age.permuted["accuracy"].high < 0
    assert age.other_diagnosis.value == pytest.approx(0.5, abs=0.1)
    assert age.unknown["accuracy"].value == -0.5  # all are taken for young
    assert sex.other_diagnosis.value == sex.permuted["accuracy"].value == sex.unknown["accuracy"].value == 0
    assert record.together is not None
    assert record.together.permuted["accuracy"].high < 0
    assert list(record.fields) == [field.name for field in HAM10000.fields]


def test_the_words_name_what_lies_beyond_chance(record: Permutation) -> None:
    words = {line.split(":")[0]: line for line in record.sentences()}
    assert "Accuracy -" in words["Age"]
    assert words["Sex"].endswith("no metric changes beyond chance. Left unknown: no metric changes beyond chance.")


def test_a_model_of_images_alone_has_no_costs(record: Permutation) -> None:
    ids = ("a", "b")
    probabilities = np.eye(7, dtype=np.float32)[[BCC, NV]] * 0.3 + 0.1
    none = measure_costs(lambda _: Predictions(ids, ids, np.array([BCC, NV]), probabilities), np.zeros((2, 20)), {})
    assert (none.fields, none.together) == ({}, None)
    assert none.sentences() == [
        "This model looks at the image alone: nothing that is known of the patient changes its answer."
    ]
    for kept in (none, record):
        assert to_plain(checked(from_plain(Permutation, to_plain(kept)))) == to_plain(kept)
    assert set(record.figures) == set(FOLLOWED)
