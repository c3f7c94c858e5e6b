"""Predictions written as a table, and read from one that was made elsewhere."""

import dataclasses
import io

import numpy as np
import pandas as pd
import pytest
from ham import CODES

from skin.config import TrainConfig
from skin.errors import UserError
from skin.evaluation import prediction_table
from skin.evaluation.predictions import Predictions


def test_a_table_is_read_as_it_was_written() -> None:
    rng = np.random.default_rng(0)
    written = Predictions(
        tuple(f"image{i}" for i in range(50)),
        tuple(f"lesion{i // 2}" for i in range(50)),
        rng.integers(7, size=50),
        rng.dirichlet(np.ones(7), 50).astype(np.float32),
    )
    read = prediction_table.from_csv(prediction_table.to_csv(written).encode())
    assert read.image_ids == written.image_ids
    assert read.lesion_ids == written.lesion_ids
    assert (read.truth == written.truth).all()
    assert read.probabilities == pytest.approx(written.probabilities, abs=1e-5)


def test_facts_are_columns_that_any_reader_of_tables_understands() -> None:
    written = Predictions(("a", "b"), ("a", "b"), np.array([0, 1]), np.eye(7, dtype=np.float32)[[0, 2]])
    rate, config = 1e-7, TrainConfig(stage1_learning_rate=1e-7)
    facts = {"run": "mine", "malignant_threshold": 0.123456789, "version": None, **dataclasses.asdict(config)}
    text = prediction_table.to_csv(written, facts)
    table = pd.read_csv(io.StringIO(text))
    assert table["run"].tolist() == ["mine", "mine"]
    assert table["malignant_threshold"].tolist() == [0.123456789] * 2
    assert table["stage1_learning_rate"].tolist() == [rate] * 2
    assert table["version"].isna().all()
    read = prediction_table.from_csv(text.encode())
    assert read.image_ids == written.image_ids
    assert (read.truth == written.truth).all()
    assert (read.probabilities == written.probabilities).all()


def test_labels_alone_are_enough() -> None:
    read = prediction_table.from_csv(b"truth,predicted\nmel,nv\nBCC,Basal cell carcinoma\n")
    assert read.image_ids == read.lesion_ids == ("row 1", "row 2")
    assert [CODES[k] for k in read.truth] == ["mel", "bcc"]
    assert [CODES[k] for k in read.predicted] == ["nv", "bcc"]
    assert read.are_labels


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_the_columns_of_the_isic_challenge_are_understood(separator: str) -> None:
    rows = ["image,MEL,NV,BCC,AKIEC,BKL,DF,VASC,dx", "ISIC_1,0.7,0.2,0.1,0,0,0,0,mel"]
    read = prediction_table.from_csv("\ufeff".encode() + "\r\n".join(rows).replace(",", separator).encode())
    assert read.image_ids == ("ISIC_1",)
    assert read.probabilities[0, CODES.index("nv")] == pytest.approx(0.2)


def test_rounded_probabilities_are_made_to_sum_to_one() -> None:
    header = ",".join(CODES)
    read = prediction_table.from_csv(f"{header},truth\n0.14,0.14,0.14,0.14,0.14,0.14,0.15,nv\n".encode())
    assert read.probabilities.sum() == pytest.approx(1)


def test_of_two_columns_alike_the_first_counts() -> None:
    assert prediction_table.from_csv(b"truth,Truth,predicted\nmel,nv,mel\n").truth.tolist() == [CODES.index("mel")]


HEADER = ",".join(CODES)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "no rows"),
        (b"\xff\xd8\xff\xe0 a photo", "no table"),
        (b"truth,predicted\n", "no rows"),
        (b"truth,predicted\n" + 30_001 * b"nv,nv\n", "more than 30,000 rows"),
        (b"image,predicted\na,mel\n", "no true diagnoses"),
        (b"truth,mel\nnv,1\n", "no predictions"),
        (b"truth,predicted\nnv,nv\nwart,nv\n", "Row 2 has truth 'wart'"),
        (b"truth,predicted\nnv,\n", "Row 1 has predicted ''"),
        (f"truth,{HEADER}\nnv,1,1,1,1,1,1,1\n".encode(), "Row 1 does not hold 7 probabilities"),
        (f"truth,{HEADER}\nnv,1,0,0,0,0,0,x\n".encode(), "Row 1 does not hold 7 probabilities"),
        (f"truth,{HEADER}\nnv,2,-1,0,0,0,0,0\n".encode(), "Row 1 does not hold 7 probabilities"),
        (b"image_id,truth,predicted\na,nv,nv\na,nv,nv\n", "occurs twice"),
    ],
)
def test_what_is_wrong_with_a_table_is_said(content: bytes, complaint: str) -> None:
    with pytest.raises(UserError, match=complaint):
        prediction_table.from_csv(content)
