from pathlib import Path

import drawn
import pytest

from skin.data.datasets import load, read
from skin.errors import UserError
from skin.task import HAM10000, ISIC2019
from skin.workspace import Workspace


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return drawn.isic2019(tmp_path_factory.mktemp("isic"), lesions=3, size=(60, 45))


def test_eight_classes_are_read_and_what_is_none_of_them_is_named(folder: Path, workspace: Workspace) -> None:
    dataset = load(str(folder), workspace)

    assert dataset.task is ISIC2019
    assert {image.diagnosis for image in dataset.images} == set(ISIC2019.codes)
    assert len(dataset.images) == 2 * 3 * len(ISIC2019)
    assert dataset.unknown_labels == {"UNK": 2}
    assert "These labels are no diagnosis of ISIC 2019: 'UNK' (2×)." in dataset.findings()


def test_the_metadata_are_those_of_the_image(folder: Path, workspace: Workspace) -> None:
    images = read(folder, workspace).images

    first, again, second = images[:3]
    assert dict(first.patient.known) == {"age": 40.0, "sex": "female", "site": "anterior torso"}
    assert dict(second.patient.known) == {"sex": "male", "site": "head/neck"}
    assert (first.lesion_id, again.lesion_id) == ("BCN_0000000", again.image_id)  # the table names none for the latter
    assert f"{len(ISIC2019)} images name no lesion: each counts as one of its own." in read(folder, workspace).notes


def test_the_challenge_of_2018_has_the_classes_of_ham10000_and_no_metadata(
    tmp_path: Path, workspace: Workspace
) -> None:
    codes = [code.upper() for code in HAM10000.codes]
    [image_id, _] = drawn.draw(
        tmp_path / "ISIC2018_Task3_Test_Input", "ISIC_1", "nv", drawn.np.random.default_rng(0), (60, 45)
    )
    row = {"image": image_id, **{code: "1.0" if code == "NV" else "0.0" for code in codes}}
    drawn.write(tmp_path / "ISIC2018_Task3_Test_GroundTruth.csv", [row])

    contents = read(tmp_path, workspace)

    assert contents.task is HAM10000
    assert [(image.diagnosis, image.patient.is_unknown) for image in contents.images] == [("nv", True)]
    assert any("names no lesions" in note for note in contents.notes)


@pytest.mark.parametrize(
    ("tables", "said"),
    [
        ({"A_GroundTruth.csv": "image,MEL\nI1,1.0\n"}, "has not the columns of HAM10000"),
        ({"A_GroundTruth.csv": "name,MEL\nI1,1.0\n"}, "has no column image"),
        ({"A_GroundTruth.csv": "image\n", "B_GroundTruth.csv": "image\n"}, "A_GroundTruth.csv and B_GroundTruth.csv"),
        ({}, "holds no HAM10000_metadata.csv, no …_GroundTruth.csv of an ISIC challenge, no task.json: give"),
    ],
)
def test_what_is_no_such_folder_is_refused_in_a_sentence(
    tables: dict[str, str], said: str, tmp_path: Path, workspace: Workspace
) -> None:
    for name, text in tables.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(UserError, match=said):
        read(tmp_path, workspace)


@pytest.mark.parametrize("marks", ["1.0,1.0", "0.0,0.0", "x,"])
def test_an_image_of_several_classes_or_of_none_is_left_out_and_named(
    marks: str, folder: Path, tmp_path: Path, workspace: Workspace
) -> None:
    lines = (folder / "ISIC_2019_Training_GroundTruth.csv").read_text().splitlines()
    image_id, _, _, *rest = lines[1].split(",")
    (tmp_path / "ISIC_2019_Training_GroundTruth.csv").write_text(
        "\n".join([lines[0], ",".join([image_id, marks, *rest]), *lines[2:4]])
    )
    (tmp_path / "ISIC_2019_Training_Input").symlink_to(folder / "ISIC_2019_Training_Input")

    dataset = load(str(tmp_path), workspace)

    assert dataset.unknown_labels == {"MEL+NV" if marks == "1.0,1.0" else "": 1}
