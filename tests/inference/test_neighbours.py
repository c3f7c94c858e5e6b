"""Similar cases: the nearest lesions, one image each, from an index that is small and never trusted blindly."""

from pathlib import Path

import numpy as np
import pytest
from ham import CODES, someone
from numpy.typing import NDArray

from skin.config import TrainConfig
from skin.data.dataset import LesionImage
from skin.errors import UserError
from skin.inference.neighbours import INDEX, CaseIndex, shares
from skin.run import Run
from skin.task import HAM10000
from skin.workspace import Workspace


def cases(n: int, seed: int = 0) -> tuple[list[LesionImage], NDArray[np.float32]]:
    """Images, two of each lesion, and embeddings in which the two lie close together."""
    rng = np.random.default_rng(seed)
    images = [
        LesionImage(f"I{k}", f"L{k // 2}", CODES[k // 2 % 7], someone(40, "female", "back"), Path(f"{k}.jpg"), "histo")
        for k in range(n)
    ]
    of_lesion = np.repeat(rng.random((n // 2, 200), np.float32), 2, axis=0)
    return images, of_lesion + 0.02 * rng.random((n, 200), np.float32)


@pytest.fixture
def run(workspace: Workspace) -> Run:
    return Run.create(workspace, "mine", TrainConfig.from_preset("demo"))


@pytest.fixture
def index(run: Run) -> CaseIndex:
    images, embeddings = cases(300)
    CaseIndex.fit(HAM10000, images, embeddings, cases(40, seed=1)[1]).save(run.audit_folder / INDEX)
    return CaseIndex.load(run)


def test_one_image_a_lesion_the_nearest_first_and_never_its_own(index: CaseIndex) -> None:
    images, embeddings = cases(300)
    rng = np.random.default_rng(2)
    asked = embeddings[10] + 0.5 * rng.random(200, np.float32)
    found = index.nearest(asked)
    assert len({case.lesion_id for case in found}) == len(found) == 10
    assert [case.distance for case in found] == sorted(case.distance for case in found)
    assert found[0].lesion_id == images[10].lesion_id
    assert images[10].lesion_id not in {case.lesion_id for case in index.nearest(asked, without=images[10].lesion_id)}
    assert images[10].lesion_id not in {case.lesion_id for case in index.nearest(embeddings[10])}


def test_the_order_is_that_of_the_embeddings_themselves(index: CaseIndex) -> None:
    images, embeddings = cases(300)
    unit = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
    agreed = []
    for asked in cases(60, seed=3)[1]:
        exact = np.argsort(np.linalg.norm(unit - asked / np.linalg.norm(asked), axis=1))[:10]
        found = {case.lesion_id for case in index.nearest(asked)}
        agreed.append(
            len(found & {images[row].lesion_id for row in exact}) / len({images[row].lesion_id for row in exact})
        )
    assert np.mean(agreed) > 0.6  # these random directions have no few main axes, as real ones have


def test_a_case_knows_what_the_data_set_knew(index: CaseIndex) -> None:
    case = index.nearest(cases(300)[1][10])[0]
    assert case.confirmed_by == "histo"
    assert case.patient == someone(40, "female", "back")
    assert case.relative == pytest.approx(case.distance / index.typical)


def test_the_shares_are_of_the_cases(index: CaseIndex) -> None:
    found = index.nearest(cases(300)[1][10])
    told = shares(found)
    assert sum(told.values()) == pytest.approx(1)
    assert list(told.values()) == sorted(told.values(), reverse=True)
    assert told[found[0].diagnosis] == np.mean([case.diagnosis == found[0].diagnosis for case in found])


@pytest.mark.usefixtures("index")
@pytest.mark.parametrize(
    "content", [None, b"", b"PK\x03\x04 and no more", b"\x80\x04"], ids=["gone", "empty", "cut", "pickle"]
)
def test_an_index_that_cannot_be_read_is_told_with_the_command(run: Run, content: bytes | None) -> None:
    path = run.audit_folder / INDEX
    path.unlink() if content is None else path.write_bytes(content)
    with pytest.raises(UserError, match=r"similar cases of mine .*`python -m skin audit mine`"):
        CaseIndex.load(run)


@pytest.mark.usefixtures("index")
@pytest.mark.parametrize("change", ["points", "basis", "scales", "known"])
def test_arrays_that_do_not_fit_are_refused(run: Run, change: str) -> None:
    path = run.audit_folder / INDEX
    with np.load(path) as file:
        arrays = dict(file)
    wrong = {
        "points": arrays["points"][1:],
        "basis": arrays["basis"] * np.nan,
        "scales": np.zeros(2),
        "known": np.array('[{"image_id": "x"}]'),
    }
    np.savez(path, **{**arrays, change: wrong[change]})
    with pytest.raises(UserError, match="is damaged"):
        CaseIndex.load(run)
