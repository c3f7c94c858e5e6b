"""Many images scored block by block into a table, killed in the middle and gone on with."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from filelock import FileLock
from ham import CODES
from PIL import Image
from small import SmallDisk
from waiting import wait_until

from skin.engines.resources import Resources
from skin.errors import UsageError, UserError
from skin.inference import batch, scoring
from skin.inference.parts import Parts
from skin.inference.scoring import Models, Scoring
from skin.patient import Patient
from skin.task import HAM10000
from skin.workspace import PROJECT, Workspace

N_IMAGES = 2 * scoring.BLOCK + 3
ENGINES = ("local", "ray")


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Images of three blocks, of colours that tell them apart; the fourth is none."""
    folder = tmp_path / "images"
    folder.mkdir()
    for number in range(N_IMAGES):
        Image.new("RGB", (40, 30), (number, 100, 255 - number)).save(folder / f"{number:03}.png")
    (folder / "003.png").write_text("no image")
    return folder


PATIENTS = {f"{number:03}.png": HAM10000.parse({"age": number % 90, "sex": "male"}) for number in range(0, N_IMAGES, 2)}

Make = Callable[..., Scoring]


@pytest.fixture
def make(two_models: Workspace, images: Path, tmp_path: Path) -> Make:
    """A table of this name that is to be made."""

    def made(name: str = "answers.csv") -> Scoring:
        return Scoring(tmp_path / name, batch.find_images([images]), PATIENTS, Models.of(two_models))

    return made


@pytest.fixture
def workers_of(request: pytest.FixtureRequest) -> Callable[[str], Resources]:
    def chosen(engine: str) -> Resources:
        return Resources(parallel=2, address=request.getfixturevalue("ray_address") if engine == "ray" else "")

    return chosen


@pytest.fixture
def expected(two_models: Workspace, images: Path) -> pd.DataFrame:
    """What the images get one after the other."""
    rows = batch.predict_all(Models.of(two_models).opened(), batch.find_images([images]), PATIENTS)
    return batch.to_frame(rows).assign(in_scope=np.nan)  # neither run has a gate, and tables know one kind of nothing


def read(table: Path) -> pd.DataFrame:
    return pd.read_parquet(table) if table.suffix == ".parquet" else pd.read_csv(table)


@pytest.mark.parametrize(
    ("engine", "name"), [("local", "answers.csv"), ("local", "answers.parquet"), ("ray", "answers.parquet")]
)
def test_the_table_is_that_of_one_image_after_the_other(
    make: Make, engine: str, name: str, workers_of: Callable[[str], Resources], expected: pd.DataFrame
) -> None:
    job = make(name)
    outcome = job.run(engine, workers_of(engine))

    table = read(job.table)
    assert list(table) == ["image", "age", "sex", "site", *batch.ANSWER, *CODES, "error"]
    pd.testing.assert_frame_equal(table, expected[list(table)], check_dtype=False, rtol=0, atol=2e-6)
    assert set(table["run"].dropna()) == {"ham10000-image", "ham10000-multimodal"}
    assert outcome.failed == (str(job.images[3][0]),)
    assert outcome.summary == f"{N_IMAGES - 1} answers. 1 file could not be read: the table says why."
    assert not Parts(job.table).folder.exists()
    assert sorted(path.name for path in job.table.parent.glob("*answers*")) == [name]


def test_a_table_of_columns_that_nobody_filled_has_their_kinds(make: Make, tmp_path: Path) -> None:
    (tmp_path / "none.png").write_text("no image")
    job = replace(make("answers.parquet"), images=[("none.png", tmp_path / "none.png")], patients={})
    job.run("local", Resources())
    (row,) = read(job.table).to_dict("records")
    assert (row["sex"], row["error"]) == (
        "unknown",
        "none.png is not an image in a format that is read here: use JPEG, PNG, WEBP, TIFF, BMP.",
    )
    assert {read(job.table).dtypes[name].kind for name in ("age", "mel", "malignant_probability")} == {"f"}


# Killed and gone on with


def held_up(folder: Path) -> Path:
    """An image that is never there to the end."""
    path = folder / "last.png"
    os.mkfifo(path)
    return path


def let_go(path: Path) -> None:
    """Put an empty file in its place that looks unchanged."""
    changed = path.stat().st_mtime_ns
    path.unlink()
    path.touch()
    os.utime(path, ns=(changed, changed))


@pytest.mark.slow
@pytest.mark.parametrize("engine", ENGINES)
def test_a_kill_loses_no_finished_block_and_the_same_command_repeats_none(
    two_models: Workspace, images: Path, tmp_path: Path, engine: str, workers_of: Callable[[str], Resources]
) -> None:
    last, table, workers = held_up(tmp_path), tmp_path / "answers.csv", workers_of(engine)
    words = ["predict", str(images), str(last), "--run", str(two_models.runs / "ham10000-image"), "--out", str(table)]
    words += ["--engine", engine, "--parallel", "2", "--address", workers.address, "--home", str(two_models.home)]
    command = [sys.executable, "-m", "skin", *words]
    with subprocess.Popen(command, cwd=PROJECT) as process:
        wait_until(lambda: len(Parts(table).done()) == 2)
        process.send_signal(signal.SIGKILL)
    assert not table.exists()

    let_go(last)
    for number in (0, 1):  # what is told from here on as "kept" was not predicted again
        Parts(table).keep(number, [{**row, "name": "kept"} for row in Parts(table).rows(number)])
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)

    assert done.returncode == 1
    assert f"2 of {N_IMAGES + 1} images have no answer: {images}/003.png, {last}." in done.stderr
    rows = read(table)
    assert rows["image"].tolist() == [str(path) for _, path in batch.find_images([images, last])]
    assert set(rows["name"][: 2 * scoring.BLOCK].dropna()) <= {"kept"}
    assert set(rows["name"][2 * scoring.BLOCK : -1]) == {"Melanoma"}
    assert not Parts(table).folder.exists()


@pytest.fixture
def begun(make: Make) -> Scoring:
    """A table of which a block is done."""
    job = make()
    with pytest.raises(KeyboardInterrupt):
        job.run("local", Resources(), lambda rows, **_: stopped_after(rows, scoring.BLOCK + 5))
    assert Parts(job.table).done() == {0, 1}
    return job


def stopped_after(rows: Iterable[batch.Row], n: int) -> Iterator[batch.Row]:
    for number, row in enumerate(rows):
        if number == n:
            raise KeyboardInterrupt
        yield row


def test_a_run_that_changed_is_noticed(begun: Scoring) -> None:
    path = begun.models.known / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"views": 8}))
    with pytest.raises(UserError, match=r"answers\.csv\.parts holds answers for which the runs were others"):
        begun.run("local", Resources())


def test_another_run_is_noticed(begun: Scoring) -> None:
    with pytest.raises(UserError, match="the runs were others: put them back"):
        replace(begun, models=Models(begun.models.known, begun.models.known)).run("local", Resources())


def test_a_folder_that_changed_is_noticed(begun: Scoring, images: Path) -> None:
    Image.new("RGB", (50, 50), "red").save(images / "000.png")
    with pytest.raises(UserError, match="the images were others"):
        begun.run("local", Resources())
    with pytest.raises(UserError, match="the images were others"):
        replace(begun, images=begun.images[1:]).run("local", Resources())


def test_other_patients_are_noticed(begun: Scoring) -> None:
    with pytest.raises(UserError, match="the patients were others"):
        replace(begun, patients={**PATIENTS, "000.png": Patient({"age": 89.0})}).run("local", Resources())


def test_a_damaged_block_is_named_and_made_again_once_it_is_deleted(begun: Scoring, expected: pd.DataFrame) -> None:
    path = Parts(begun.table).folder / "000001.jsonl"
    path.write_text("{")
    with pytest.raises(UserError, match=r"000001\.jsonl is damaged: delete it, and give the same command again"):
        begun.run("local", Resources())
    path.unlink()
    begun.run("local", Resources())
    assert len(read(begun.table)) == len(expected)


def test_two_processes_do_not_write_one_table(begun: Scoring) -> None:
    with FileLock(Parts(begun.table).folder / ".lock"), pytest.raises(UserError, match="Another process writes to"):
        begun.run("local", Resources())


def test_a_full_disk_is_a_sentence_and_what_was_finished_counts(make: Make, small_disk: SmallDisk) -> None:
    disk = small_disk("96k")
    job = replace(make(), table=disk / "answers.csv")
    with pytest.raises(UserError, match=r"could not be written \(No space left on device\): free some space"):
        job.run("local", Resources())
    assert Parts(job.table).done()
    subprocess.run(["mount", "-o", "remount,size=10m", str(disk)], check=True)
    job.run("local", Resources())
    assert len(read(job.table)) == N_IMAGES


# What cannot be


def test_a_table_that_is_there_is_kept(make: Make) -> None:
    job = make()
    job.table.write_text("of somebody")
    with pytest.raises(UserError, match=r"answers\.csv exists already: delete it, or give another --out"):
        job.run("local", Resources())
    assert job.table.read_text() == "of somebody"


def test_an_unknown_format_and_an_engine_without_workers_are_refused_before_anything_is_made(make: Make) -> None:
    with pytest.raises(UsageError, match=re.escape("answers.xlsx must end in .csv or .parquet")):
        make("answers.xlsx").run("local", Resources())
    with pytest.raises(UsageError, match="local or ray, not on 'slurm'"):
        make().run("slurm", Resources())
    assert not list(make().table.parent.glob("answers*"))


def test_without_pyarrow_a_sentence_says_how_to_install_it(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(UserError, match=r"needs PyArrow: run `pip install pyarrow`, or write a \.csv"):
        make("answers.parquet").run("local", Resources())


def test_a_run_that_cannot_predict_is_told_before_anything_is_made(make: Make) -> None:
    job = make()
    shutil.rmtree(job.models.known)
    with pytest.raises(UserError):
        job.run("local", Resources())
    assert not Parts(job.table).folder.exists()
