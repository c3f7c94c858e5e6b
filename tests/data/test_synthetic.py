import csv
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from itertools import pairwise
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest
from ham import CODES, someone
from numpy.typing import NDArray
from PIL import Image
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skin.data.dataset import Dataset
from skin.data.synthetic.canvas import SIDE, Canvas
from skin.data.synthetic.dataset import PROFILES, draw_dataset, draw_lesion
from skin.data.synthetic.morphology import ABSORPTION, COVERS, PAINTERS, paint, paint_skin
from skin.progress import Item

Row = dict[str, str]
FEW = {code: replace(profile, lesions=2) for code, profile in PROFILES.items()}


@pytest.fixture(scope="module")
def folder(demo: Dataset) -> Path:
    return demo.images[0].path.parents[1]


@pytest.fixture(scope="module")
def rows(folder: Path) -> list[Row]:
    with (folder / "HAM10000_metadata.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def _pixels(image: Image.Image) -> NDArray[np.float32]:
    return np.asarray(image, np.float32) / np.float32(255)


def test_the_same_seed_draws_the_same_files_in_any_process(tmp_path: Path) -> None:
    draw_dataset(tmp_path / "here", 3, profiles=FEW)
    with ProcessPoolExecutor(1, get_context("spawn")) as elsewhere:
        elsewhere.submit(draw_dataset, tmp_path / "there", 3, profiles=FEW).result()
    draw_dataset(tmp_path / "other", 4, profiles=FEW)
    assert _files(tmp_path / "here") == _files(tmp_path / "there")
    assert _files(tmp_path / "here") != _files(tmp_path / "other")


def test_progress_counts_the_lesions_and_the_table_comes_last(tmp_path: Path) -> None:
    seen = []

    def watch(iterable: Iterable[Item], *, desc: str, total: int) -> Iterator[Item]:
        for item in iterable:
            seen.append((desc, total, (tmp_path / "HAM10000_metadata.csv").exists()))
            yield item

    draw_dataset(tmp_path, progress=watch, profiles=FEW)
    assert seen == [("Drawing the demo data set", 14, False)] * 14


def test_the_table_lists_every_image_in_the_layout_of_kaggle(folder: Path, rows: list[Row]) -> None:
    assert list(rows[0]) == ["lesion_id", "image_id", "dx", "dx_type", "age", "sex", "localization"]
    images = [path for part in ("1", "2") for path in sorted((folder / f"HAM10000_images_part_{part}").iterdir())]
    assert [path.name for path in images] == [f"{row['image_id']}.jpg" for row in rows]
    assert [row["image_id"] for row in rows] == [f"DEMO_{number + 1:07}" for number in range(len(rows))]
    with Image.open(images[0]) as image:
        assert (image.format, image.mode, image.size) == ("JPEG", "RGB", (300, 225))


def test_there_are_400_images_of_250_lesions_in_the_order_of_ham10000(rows: list[Row]) -> None:
    lesions = {row["lesion_id"]: row["dx"] for row in rows}
    counts = Counter(lesions.values())
    assert 370 <= len(rows) <= 430
    assert len(lesions) == 250
    assert set(counts) == set(CODES) == set(PROFILES) == set(PAINTERS)
    assert min(counts.values()) >= 10
    assert counts["nv"] > counts["bkl"] > counts["mel"] > counts["bcc"] > counts["akiec"] > counts["vasc"]


def test_every_view_of_a_lesion_has_the_same_patient_and_both_parts_never_share_one(
    folder: Path, rows: list[Row]
) -> None:
    views = defaultdict(list)
    for row in rows:
        part = next(path.parent.name for path in folder.glob(f"*/{row['image_id']}.jpg"))
        views[row["lesion_id"]].append((part, *(value for key, value in row.items() if key != "image_id")))
    assert all(len(set(lesion)) == 1 for lesion in views.values())
    assert set(map(len, views.values())) == {1, 2, 3}


def test_patients_have_the_shapes_of_ham10000_and_some_gaps(rows: list[Row]) -> None:
    patients = [someone(row["age"], row["sex"], row["localization"]) for row in rows]
    ages = defaultdict(list)
    for row, patient in zip(rows, patients, strict=True):
        if patient["age"] is not None:
            ages[row["dx"]].append(patient["age"])
    assert all(age % 5 == 0 and 0 <= age <= 85 for known in ages.values() for age in known)
    assert np.mean(ages["nv"]) + 8 < np.mean(ages["mel"])
    assert any(patient["age"] is None for patient in patients)
    assert any(patient["sex"] is None for patient in patients)
    assert any(patient["site"] is None for patient in patients)
    assert {row["dx_type"] for row in rows if row["dx"] == "mel"} == {"histo"}


def test_diagnoses_are_told_apart_by_colour_well_above_chance_and_not_perfectly(folder: Path, rows: list[Row]) -> None:
    features = np.stack([_colours(next(folder.glob(f"*/{row['image_id']}.jpg"))) for row in rows])
    truth = np.array([row["dx"] for row in rows])
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.3, class_weight="balanced", max_iter=1000))
    folds = StratifiedGroupKFold(4, shuffle=True, random_state=0)
    predicted = cross_val_predict(model, features, truth, groups=[row["lesion_id"] for row in rows], cv=folds)
    assert 0.35 < balanced_accuracy_score(truth, predicted) < 0.9


def _colours(path: Path) -> NDArray[np.float32]:
    """Colours of the middle of an image, relative to its border, darkest to lightest."""
    with Image.open(path) as image:
        pixels = _pixels(image.reduce(5))
    border = np.median(np.concatenate([pixels[:5], pixels[-5:]]).reshape(-1, 3), axis=0)
    middle = pixels[10:-10, 12:-12].reshape(-1, 3)
    return np.asarray(np.quantile(middle - border, (0.02, 0.1, 0.25, 0.5, 0.75, 0.95), axis=0).ravel())


@pytest.mark.parametrize("code", CODES)
def test_a_painter_lays_known_pigments_over_the_middle_of_the_skin(code: str) -> None:
    pigments = PAINTERS[code](Canvas(np.random.default_rng(1)))
    assert pigments.keys() <= ABSORPTION.keys() | COVERS.keys()
    assert {field.shape for field in pigments.values()} == {(SIDE, SIDE)}
    cover = np.abs(np.stack(list(pigments.values()))).sum(0)
    assert cover[SIDE // 2 - 20 : SIDE // 2 + 20, SIDE // 2 - 20 : SIDE // 2 + 20].mean() > 5 * cover[:10].mean()


@pytest.mark.parametrize("code", CODES)
def test_painted_light_lies_between_black_and_white(code: str) -> None:
    light = paint(code, Canvas(np.random.default_rng(2)))
    assert light.shape == (SIDE, SIDE, 3)
    assert light.dtype == np.float32
    assert light.min() >= 0
    assert light.max() <= 1.05


def test_skin_comes_in_several_tones() -> None:
    tones = [paint_skin(Canvas(np.random.default_rng(seed)))["tone"].mean() for seed in range(60)]
    assert min(tones) < 0.1
    assert max(tones) > 0.5


def test_views_differ_more_between_lesions_than_between_views_of_one(folder: Path, rows: list[Row]) -> None:
    views = defaultdict(list)
    for row in rows:
        views[row["lesion_id"]].append(_colours(next(folder.glob(f"*/{row['image_id']}.jpg"))))
    pairs = [lesion[:2] for lesion in views.values() if len(lesion) > 1]
    same = [np.abs(first - second).mean() for first, second in pairs]
    other = [np.abs(a[0] - b[0]).mean() for a, b in pairwise(pairs)]
    assert min(same) > 0
    assert np.median(same) < 0.6 * np.median(other)


def test_one_lesion_is_drawn_at_any_size() -> None:
    small, large = (draw_lesion("nv", np.random.default_rng(5), size) for size in ((120, 90), (300, 225)))
    assert (small.size, large.size, small.mode) == ((120, 90), (300, 225), "RGB")
    difference = np.abs(_pixels(small).mean((0, 1)) - _pixels(large).mean((0, 1)))
    assert difference.max() < 0.05
