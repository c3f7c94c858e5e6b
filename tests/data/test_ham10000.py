import csv
import os
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest
from ham import someone
from PIL import Image

from skin.data import ham10000
from skin.data.dataset import Dropped, LesionImage
from skin.data.datasets import read
from skin.data.folder import Contents
from skin.errors import UserError
from skin.progress import Item
from skin.workspace import Workspace

COLUMNS = ["lesion_id", "image_id", "dx", "dx_type", "age", "sex", "localization"]
ROW = ["L1", "I1", "nv", "histo", "45.0", "female", "back"]


def row(**changes: str) -> list[str]:
    return [changes.get(column, value) for column, value in zip(COLUMNS, ROW, strict=True)]


def write_table(path: Path, rows: Iterable[list[str]], columns: list[str] = COLUMNS, delimiter: str = ",") -> None:
    with path.open("w", newline="") as file:
        csv.writer(file, delimiter=delimiter).writerows([columns, *rows])


def write_image(path: Path) -> None:
    path.parent.mkdir(exist_ok=True)
    Image.new("RGB", (40, 30), "pink").save(path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A data set of two images in two parts."""
    folder = tmp_path / "ham"
    folder.mkdir()
    write_table(folder / "HAM10000_metadata.csv", [row(), row(image_id="I2")])
    write_image(folder / "HAM10000_images_part_1" / "I1.jpg")
    write_image(folder / "HAM10000_images_part_2" / "I2.jpg")
    return folder


def read_rows(folder: Path, workspace: Workspace, *rows: list[str], columns: list[str] = COLUMNS) -> Contents:
    write_table(folder / "HAM10000_metadata.csv", rows, columns)
    return read(folder, workspace)


def ids(contents: Contents) -> list[str]:
    return [image.image_id for image in contents.images]


def test_a_row_becomes_a_lesion_image(folder: Path, workspace: Workspace) -> None:
    contents = read(folder, workspace)
    assert contents.images[0] == LesionImage(
        "I1", "L1", "nv", someone(45.0, "female", "back"), folder / "HAM10000_images_part_1" / "I1.jpg", "histo"
    )
    assert contents.dropped == ()
    assert contents.notes == ()


# Layouts


def test_the_tables_order_is_kept(folder: Path, workspace: Workspace) -> None:
    assert ids(read_rows(folder, workspace, row(image_id="I2"), row())) == ["I2", "I1"]


@pytest.mark.parametrize("part", ["HAM10000_images_part_1", "ham10000_images_part_2", "images", "."])
@pytest.mark.parametrize("suffix", [".jpg", ".JPG", ".jpeg", ".png"])
@pytest.mark.parametrize("table", ["HAM10000_metadata.csv", "ham10000_metadata.CSV", "HAM10000_metadata"])
def test_every_layout_and_letter_case(part: str, suffix: str, table: str, tmp_path: Path, workspace: Workspace) -> None:
    write_image(tmp_path / part / f"I1{suffix}")
    write_table(tmp_path / table, [row()])
    assert ids(read(tmp_path, workspace)) == ["I1"]


def test_kaggles_folder_with_every_image_twice(folder: Path, workspace: Workspace) -> None:
    write_image(folder / "ham10000_images_part_1" / "I1.jpg")
    contents = read(folder, workspace)
    assert ids(contents) == ["I1", "I2"]
    assert contents.images[0].path.parent.name == "HAM10000_images_part_1"


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_every_delimiter(delimiter: str, folder: Path, workspace: Workspace) -> None:
    write_table(folder / "HAM10000_metadata.csv", [row()], delimiter=delimiter)
    assert read(folder, workspace).images[0].patient == someone(45.0, "female", "back")


def test_columns_may_stand_in_any_order_beside_others(folder: Path, workspace: Workspace) -> None:
    contents = read_rows(
        folder, workspace, ["x", "nv", "I1", "L1"], columns=["\ufeffextra", " DX ", "Image_ID", "lesion_id"]
    )
    assert ids(contents) == ["I1"]
    assert contents.images[0].patient == someone()
    assert contents.notes == tuple(
        f"The table has no column {column}: it is unknown everywhere." for column in ("age", "sex", "localization")
    )


@pytest.mark.parametrize("where", ["column", "file"])
def test_the_source_of_the_dataverse_edition(where: str, folder: Path, workspace: Workspace) -> None:
    if where == "column":
        write_table(folder / "HAM10000_metadata.csv", [[*row(), "rosendahl"]], [*COLUMNS, "dataset"])
    else:
        write_table(folder / "HAM10000_sources.csv", [["I1", "rosendahl"]], ["image_id", "dataset"])
    assert read(folder, workspace).images[0].source == "rosendahl"


# Lenient


@pytest.mark.parametrize("blank", ["", " ", "unknown", "nan", "NaN", "None"])
def test_missing_patient_fields_are_unknown(blank: str, folder: Path, workspace: Workspace) -> None:
    contents = read_rows(folder, workspace, row(age=blank, sex=blank, localization=blank))
    assert contents.images[0].patient == someone()
    assert contents.dropped == ()


def test_a_value_outside_the_vocabulary_is_unknown_and_said_so(folder: Path, workspace: Workspace) -> None:
    contents = read_rows(folder, workspace, row(localization="left elbow"), row(image_id="I2", sex="X"))
    assert [image.patient["site"] for image in contents.images] == [None, "back"]
    assert contents.notes == (
        "sex 'X' is read as unknown (1×).",
        "localization 'left elbow' is read as unknown (1×).",
    )


def test_letter_case_and_blanks_do_not_matter(folder: Path, workspace: Workspace) -> None:
    contents = read_rows(folder, workspace, row(dx=" NV", sex="Female ", localization="Back"))
    assert contents.images[0].diagnosis == "nv"
    assert contents.images[0].patient == someone(45.0, "female", "back")
    assert contents.notes == ()


# Strict


@pytest.mark.parametrize(
    ("changes", "image_id", "reason"),
    [
        ({"dx": "wart"}, "I2", "unknown diagnosis: 'wart'"),
        ({"dx": ""}, "I2", "unknown diagnosis: ''"),
        ({"age": "-3"}, "I2", "impossible age: '-3'"),
        ({"age": "400"}, "I2", "impossible age: '400'"),
        ({"age": "inf"}, "I2", "impossible age: 'inf'"),
        ({"age": "old"}, "I2", "impossible age: 'old'"),
        ({"image_id": "I1"}, "I1", "duplicate image_id"),
        ({"image_id": "I3"}, "I3", "no image file"),
        ({"image_id": ""}, "row 2", "no image_id"),
        ({"lesion_id": ""}, "I2", "no lesion_id"),
    ],
)
def test_what_matters_is_dropped_with_its_reason(
    changes: dict[str, str], image_id: str, reason: str, folder: Path, workspace: Workspace
) -> None:
    contents = read_rows(folder, workspace, row(), row(**{"image_id": "I2"} | changes))
    assert ids(contents) == ["I1"]
    assert contents.dropped == (Dropped(image_id, reason),)


@pytest.mark.parametrize("content", [b"", b"no image", b"cut"])
def test_an_unreadable_image_is_dropped(content: bytes, folder: Path, workspace: Workspace) -> None:
    path = folder / "HAM10000_images_part_2" / "I2.jpg"
    path.write_bytes(path.read_bytes()[:600] if content == b"cut" else content)
    contents = read(folder, workspace)
    assert ids(contents) == ["I1"]
    [dropped] = contents.dropped
    assert dropped.image_id == "I2"
    assert dropped.reason.startswith("unreadable image: I2.jpg is")


@pytest.mark.parametrize("image_id", ["../secret", "/etc/passwd", "HAM10000_images_part_1/I1", "..", "."])
def test_an_id_never_leads_out_of_the_folder(image_id: str, folder: Path, workspace: Workspace) -> None:
    write_image(folder.parent / "secret.jpg")
    contents = read_rows(folder, workspace, row(), row(image_id=image_id))
    assert contents.dropped == (Dropped(image_id, "no image file"),)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (b"", "no column lesion_id, image_id, dx"),
        (b"a,b,c\n1,2,3\n", "no column lesion_id, image_id, dx"),
        (b"lesion_id,image_id\nL1,I1\n", "no column dx"),
        (b"lesion_id,image_id,dx\n", "Not one image"),
        (b"lesion_id,image_id,dx\nL1,I1,wart\n", r"Not one image .*unknown diagnosis: 'wart'"),
        (b'lesion_id,image_id,dx\n"L1,I1,nv\nL1,I2,nv\n', "cannot be read as a table"),
        (bytes(range(256)), "no column"),
        ("lesion_id,image_id,dx\nL1,I1,nv\n".encode("utf-16"), "no column"),
    ],
    ids=["empty", "foreign", "no dx", "no rows", "no usable row", "open quote", "binary", "utf-16"],
)
def test_a_table_that_cannot_be_used_is_refused(table: bytes, message: str, folder: Path, workspace: Workspace) -> None:
    (folder / "HAM10000_metadata.csv").write_bytes(table)
    with pytest.raises(UserError, match=message) as refusal:
        read(folder, workspace)
    assert "\n" not in str(refusal.value)


def test_short_and_long_rows_are_read_or_named(folder: Path, workspace: Workspace) -> None:
    contents = read_rows(folder, workspace, [*row(), "surplus", "fields"], ["L1", "I2"])
    assert ids(contents) == ["I1"]
    assert contents.dropped == (Dropped("I2", "unknown diagnosis: ''"),)


def test_a_folder_without_table_and_no_folder_are_refused(tmp_path: Path, workspace: Workspace) -> None:
    with pytest.raises(UserError, match=r"holds no HAM10000_metadata\.csv"):
        read(tmp_path, workspace)
    with pytest.raises(UserError, match="not a folder that can be read"):
        read(tmp_path / "none", workspace)


# The check of the images is remembered


class Counting:
    """A Progress that counts what passes it."""

    def __init__(self) -> None:
        self.items = 0

    def __call__(self, iterable: Iterable[Item], *, desc: str, total: int) -> Iterable[Item]:
        assert desc
        self.items += total
        return iterable


def test_images_are_checked_once_and_again_when_one_changes(folder: Path, workspace: Workspace) -> None:
    progress = Counting()
    for _ in range(2):
        assert len(read(folder, workspace, progress).images) == 2
    assert progress.items == 2
    (folder / "HAM10000_images_part_2" / "I2.jpg").write_bytes(b"damaged")
    for _ in range(2):
        assert len(read(folder, workspace, progress).dropped) == 1
    assert progress.items == 4


@pytest.mark.skipif(sys.platform == "win32", reason="needs a device file")
def test_a_home_that_cannot_be_written_does_not_matter(folder: Path) -> None:
    assert len(read(folder, Workspace(Path("/dev/null"))).images) == 2


# Kaggle


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing listens at the proxy, so that no request leaves this machine."""
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)


def downloaded(cache: Path) -> Path:
    """What kagglehub leaves in its cache."""
    dataset = cache / "datasets" / "kmader" / "skin-cancer-mnist-ham10000"
    (dataset / "versions" / "2").mkdir(parents=True)
    (dataset / "2.complete").touch()
    return dataset / "versions" / "2"


@pytest.mark.usefixtures("offline")
def test_a_download_is_found_again_without_network(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KAGGLEHUB_CACHE", raising=False)
    folder = downloaded(workspace.datasets / "kagglehub")
    assert ham10000.download(workspace) == folder
    assert "KAGGLEHUB_CACHE" not in os.environ


@pytest.mark.usefixtures("offline")
def test_the_users_own_kaggle_cache_is_used(
    tmp_path: Path, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KAGGLEHUB_CACHE", str(tmp_path / "mine"))
    folder = downloaded(tmp_path / "mine")
    assert ham10000.download(workspace) == folder


@pytest.mark.usefixtures("offline")
def test_without_network_the_other_ways_are_named(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("KAGGLEHUB_CACHE", raising=False)
    with pytest.raises(UserError, match=r"folder .* 'demo'"):
        ham10000.download(workspace)
    assert capsys.readouterr().out == ""


# The real thing


@pytest.mark.ham10000
def test_the_real_folder(workspace: Workspace) -> None:
    contents = read(Path(os.environ["HAM10000_DIR"]), workspace)
    assert len(contents.images) == 10_015
    assert len({image.lesion_id for image in contents.images}) == 7_470
    assert sum(image.patient["age"] is None for image in contents.images) == 57
    assert contents.dropped == ()
    assert contents.notes == ()
