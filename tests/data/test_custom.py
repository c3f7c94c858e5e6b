import json
from pathlib import Path

import drawn
import numpy as np
import pytest

from skin.data.datasets import load, read
from skin.data.groups import group
from skin.errors import UserError
from skin.workspace import Workspace


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return drawn.own(tmp_path_factory.mktemp("own"), lesions=3, size=(60, 45))


def test_a_folder_brings_its_classes_and_its_fields(folder: Path, workspace: Workspace) -> None:
    dataset = load(str(folder), workspace)
    frame = dataset.frame()

    assert dataset.task.codes == ("nevus", "melanoma", "angioma", "keratosis")
    assert list(frame.columns[3:5]) == ["diameter", "itch"]
    assert frame["diagnosis"].value_counts().to_dict() == dict.fromkeys(dataset.task.codes, 6)
    assert frame["diameter"].isna().sum() == 8
    assert set(frame["itch"]) <= {"no", "sometimes", "yes"}
    assert dataset.dropped == ()
    assert {"diameter", "itch"} <= group(dataset).keys()


def copy(folder: Path, target: Path, table: str, task: dict[str, object] | None = None) -> Path:
    """The folder's images with another table."""
    (target / "images").symlink_to(folder / "images")
    (target / "task.json").write_text(json.dumps(task or drawn.OWN_TASK))
    (target / "metadata.csv").write_text(table)
    return target


def test_columns_go_by_several_names_and_need_not_all_be_there(
    folder: Path, tmp_path: Path, workspace: Workspace
) -> None:
    table = "File;DX\nclinic-000a;Common Nevus\nclinic-000b.jpg;nevus\n"
    contents = read(copy(folder, tmp_path, table), workspace)

    assert [image.diagnosis for image in contents.images] == ["nevus", "nevus"]
    assert [image.lesion_id for image in contents.images] == ["clinic-000a", "clinic-000b.jpg"]
    assert contents.notes == (
        "The table has no column diameter: it is unknown everywhere.",
        "The table has no column itch: it is unknown everywhere.",
        "The table names no lesions: every image counts as one of its own, so that no leak between them can be seen.",
    )


def test_what_cannot_be_is_left_out_or_unknown_and_said(folder: Path, tmp_path: Path, workspace: Workspace) -> None:
    rows = [
        "clinic-000a,L,nevus,5,no",
        "clinic-000b,L,wart,5,no",
        "clinic-001a,L,nevus,99,no",
        "clinic-001b,L,nevus,5,a lot",
    ]
    table = "\n".join(["image_id,lesion_id,diagnosis,diameter,itch", *rows])
    dataset = load(str(copy(folder, tmp_path, table)), workspace)

    assert [image.image_id for image in dataset.images] == ["clinic-000a", "clinic-001b"]
    assert dataset.images[1].patient["itch"] is None
    assert [dropped.reason for dropped in dataset.dropped] == ["unknown diagnosis: 'wart'", "impossible diameter: '99'"]
    assert "itch 'a lot' is read as unknown (1×)." in dataset.notes
    assert dataset.unknown_labels == {"wart": 1}


def test_a_task_may_have_no_fields(folder: Path, tmp_path: Path, workspace: Workspace) -> None:
    task = {"diagnoses": [{"code": "nevus"}, {"code": "melanoma"}]}
    dataset = load(str(copy(folder, tmp_path, "image_id,diagnosis\nclinic-000a,nevus\n", task)), workspace)

    assert dataset.task.encode([image.patient for image in dataset.images]).shape == (1, 0)
    assert np.array_equal(dataset.frame().columns[:3], ["image_id", "lesion_id", "diagnosis"])


@pytest.mark.parametrize(
    ("task", "table", "said"),
    [
        ({"diagnoses": []}, "image_id,diagnosis\n", r"task\.json tells no task: .*from 2 to 50 diagnoses"),
        (drawn.OWN_TASK, "image_id\nclinic-000a\n", "has no column diagnosis: it must have image_id and diagnosis"),
        (drawn.OWN_TASK, "diagnosis\nnevus\n", "has no column image_id"),
        (drawn.OWN_TASK, "image_id,diagnosis\n", "Not one image"),
        (drawn.OWN_TASK, "image_id,diagnosis\nclinic-000a,wart\n", "Not one image .*unknown diagnosis: 'wart'"),
    ],
)
def test_what_cannot_be_used_is_refused_in_a_sentence(
    task: dict[str, object], table: str, said: str, folder: Path, tmp_path: Path, workspace: Workspace
) -> None:
    with pytest.raises(UserError, match=said):
        read(copy(folder, tmp_path, table, task), workspace)


def test_a_task_without_a_table_is_refused(tmp_path: Path, workspace: Workspace) -> None:
    (tmp_path / "task.json").write_text(json.dumps(drawn.OWN_TASK))
    with pytest.raises(UserError, match=r"holds task\.json but no metadata\.csv"):
        read(tmp_path, workspace)
