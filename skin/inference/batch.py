"""Many images at once, with what a table says of their patients: a row of answers an image."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path, PurePath
from typing import Any

import pandas as pd
from PIL import Image

from skin.data import pixels
from skin.data.image_file import FORMATS
from skin.errors import UsageError, UserError
from skin.evaluation.prediction_table import IDS
from skin.inference.predictor import Predictor, Record
from skin.patient import Patient
from skin.progress import Progress, silent
from skin.table import read_table
from skin.task import Task, listed

MAX_ROWS = 30_000
"""Rows of an uploaded table of patients: many more than an uploaded batch has images."""

ANSWER = (
    *("run", "in_scope", "reason", "diagnosis", "name", "decision", "most_probable"),
    *("malignant_probability", "risk", "prediction_set"),
)
"""Columns of the table of answers between what was told and the probabilities."""

Row = dict[str, Any]
Patients = Mapping[str, Patient]
"""By the name of the image in lower case, with or without folder and suffix."""

Named = tuple[str, pixels.ImageInput]
"""An image and its name."""

Asked = tuple[str, pixels.ImageInput, Patient]
"""An image, its name before it, and whose it is."""

SUFFIXES = frozenset(suffix for suffix, kind in Image.registered_extensions().items() if kind in FORMATS)
"""Endings of the names that the images of a folder are known by; their content tells what they are."""

Choose = Callable[[Patient], Sequence[Predictor]]
"""The models that answer for a patient."""


def find_images(paths: Iterable[Path]) -> list[tuple[str, Path]]:
    """The files and, in the place of a folder, the images in it and below it, by path; hidden ones do not count.

    Raises UserError when a folder holds none.
    """
    return [(str(file), file) for path in paths for file in (_images_in(path) if path.is_dir() else [path])]


def _images_in(folder: Path) -> list[Path]:
    files = sorted(file for file in folder.rglob("*") if file.suffix.lower() in SUFFIXES and file.is_file())
    shown = [file for file in files if not any(part.startswith(".") for part in file.relative_to(folder).parts)]
    if not shown:
        raise UserError(f"{folder} holds no image: name a folder with {', '.join(FORMATS)} files.")
    return shown


def read_patients(name: str, content: bytes, task: Task, max_rows: int | None = MAX_ROWS) -> Patients:
    """The patients in a CSV of image and any fields of the task, of at most so many rows.

    Raises UserError that names the column or the row that is wrong.
    """
    try:
        columns, rows = read_table(content.decode("utf-8-sig"), max_rows)
    except ValueError as error:
        raise UserError(f"{name} is no table of comma-separated values: save it as CSV in UTF-8.") from error
    ids = next((known for known in IDS if known in columns), None)
    named = {field.name: (field.name, *field.columns) for field in task.fields}
    fields = {field: next((known for known in names if known in columns), None) for field, names in named.items()}
    if ids is None or not any(fields.values()):
        names = listed([repr(field) for field in named], "or")
        raise UserError(
            f"{name} needs a column 'image' with file names, and {names or 'a model that takes a patient'}."
        )
    return {
        row[ids].lower(): _patient(task, number, {field: row[known] for field, known in fields.items() if known})
        for number, row in enumerate(rows, start=1)
    }


def _patient(task: Task, number: int, fields: Mapping[str, str]) -> Patient:
    try:
        return task.parse(fields)
    except UsageError as error:
        raise UsageError(f"Row {number} of the table: {error}") from None


def patient_of(name: str, patients: Patients) -> Patient:
    """The table's patient for the image with this name; nothing where it does not name it."""
    return patients.get(_key(name, patients), Patient())


def _key(name: str, patients: Patients) -> str:
    """The name under which the table has the image, "" where it has not."""
    path = PurePath(name.lower())
    tails = ["/".join(path.parts[start:]) for start in range(1, len(path.parts))]
    return next((key for key in (str(path), *tails, path.stem) if key in patients), "")


def predict_all(choose: Choose, images: Sequence[Named], patients: Patients, progress: Progress = silent) -> list[Row]:
    """A row for each image and model, with what was told of the patient and a Record; an image that cannot be read has its error in it, the rest goes on.

    Raises UserError when there is no image, or no model to ask.
    """
    if not images:
        raise UsageError("There is no image to predict: choose images, or a ZIP of images.")
    choose(patient_of(images[0][0], patients))
    asked = [(name, image, patient_of(name, patients)) for name, image in images]
    return list(answer(choose, asked, progress))


def answer(choose: Choose, asked: Sequence[Asked], progress: Progress = silent) -> Iterator[Row]:
    """The rows of `predict_all` for images whose patients are known, as they come."""
    for (name, _, patient), picture in progress(_decoded(asked), desc="Predicting", total=len(asked)):
        yield from _rows(choose, name, picture, patient)


def _decoded(asked: Sequence[Asked]) -> Iterator[tuple[Asked, Future[Image.Image]]]:
    """Every image and its picture; the next one is decoded while the network is busy with this one.

    No more than that: decoders are shared with those who wait for one image.
    """
    with ThreadPoolExecutor(1) as thread:
        coming = thread.submit(pixels.decode, asked[0][1])
        for image, following in zip(asked, [*asked[1:], None], strict=True):
            picture = coming
            if following:
                coming = thread.submit(pixels.decode, following[1])
            yield image, picture


def _rows(choose: Choose, name: str, picture: Future[Image.Image], patient: Patient) -> Iterator[Row]:
    told: Row = {"image": name}
    try:
        asked = choose(patient)
        told |= asked[0].task.values(patient)
        for predictor in asked:
            yield told | predictor.record(predictor.predict(picture.result(), patient))
    except UserError as error:
        yield told | {"error": str(error)}


def to_frame(rows: Iterable[Row]) -> pd.DataFrame:
    """The rows as a table: what was told, ANSWER, a column for each probability, and the error; the rest is empty."""
    rows = list(rows)
    codes = dict.fromkeys(code for row in rows for code in row.get("probabilities", ()))
    flat = [
        {**row, **row.get("probabilities", {}), "prediction_set": _codes(row), "in_scope": _in_scope(row)}
        for row in rows
    ]
    return pd.DataFrame(flat).reindex(columns=["image", *told_fields(rows), *ANSWER, *codes, "error"])


def told_fields(rows: Iterable[Row]) -> list[str]:
    """The fields of the patient that stand in the rows."""
    others = {"image", "error", *Record.__annotations__}
    return list(dict.fromkeys(key for row in rows for key in row if key not in others))


def _codes(row: Row) -> str | None:
    return " ".join(row["prediction_set"]) if "prediction_set" in row else None


def _in_scope(row: Row) -> str | None:
    """The gate's answer as a table has it: true, false, or nothing where it was not asked."""
    told = row.get("in_scope")
    return None if told is None else str(told).lower()


def is_refused(row: Row) -> bool:
    """True where the picture is none that the run can judge."""
    return row.get("in_scope") is False


def summary(rows: Iterable[Row], patients: Patients) -> str:
    """The outcome of a batch, in a sentence or two."""
    answers, refused, failed, strangers = 0, 0, 0, set(patients)
    for row in rows:
        refused += is_refused(row)
        failed += "error" in row
        answers += "error" not in row
        strangers.discard(_key(row["image"], patients))
    words = [f"{_count(answers, 'answer')}."]
    if refused:
        words.append(
            f"{_count(refused, 'answer')} of these {'is' if refused == 1 else 'are'} refused: the table says why."
        )
    if failed:
        words.append(f"{_count(failed, 'file')} could not be read: the table says why.")
    if strangers:
        words.append(f"{_count(len(strangers), 'row')} of your table named no image of this batch.")
    return " ".join(words)


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'s' * (number != 1)}"
