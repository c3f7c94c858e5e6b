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
from skin.lesion import CODES
from skin.patient import Patient
from skin.predict import Predictor
from skin.progress import Progress, silent
from skin.table import read_table

FIELDS = {"age": ("age",), "sex": ("sex",), "site": ("site", "localization")}
"""Names under which a table may give each field of the patient."""

MAX_ROWS = 30_000
"""Of a table of patients: many more than a batch has images."""

COLUMNS = [
    "image",
    *FIELDS,
    "run",
    "diagnosis",
    "name",
    "malignant_probability",
    "risk",
    "prediction_set",
    *CODES,
    "error",
]
"""Of the table of answers; in a row with an error the rest is empty."""

Row = dict[str, Any]
Patients = Mapping[str, Patient]
"""By the name of the image in lower case, with or without folder and suffix."""

Named = tuple[str, pixels.ImageInput]
"""An image and its name."""

SUFFIXES = frozenset(suffix for suffix, kind in Image.registered_extensions().items() if kind in FORMATS)
"""By which the images of a folder are known; what they are is told by their content."""

Choose = Callable[[Patient], Sequence[Predictor]]
"""The models that answer for a patient."""


def find_images(paths: Iterable[Path]) -> list[Named]:
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


def read_patients(name: str, content: bytes) -> Patients:
    """The patients in a CSV of image, age, sex and site; any of the last three may be missing.

    Raises UserError that names the column or the row that is wrong.
    """
    try:
        columns, rows = read_table(content.decode("utf-8-sig"), MAX_ROWS)
    except ValueError as error:
        raise UserError(f"{name} is no table of comma-separated values: save it as CSV in UTF-8.") from error
    ids = next((known for known in IDS if known in columns), None)
    fields = {field: next((known for known in names if known in columns), None) for field, names in FIELDS.items()}
    if ids is None or not any(fields.values()):
        raise UserError(f"{name} needs a column 'image' with file names, and 'age', 'sex' or 'site'.")
    return {
        row[ids].lower(): _patient(number, {field: row[known] for field, known in fields.items() if known})
        for number, row in enumerate(rows, start=1)
    }


def _patient(number: int, fields: Mapping[str, str]) -> Patient:
    try:
        return Patient.parse(**fields)
    except UsageError as error:
        raise UsageError(f"Row {number} of the table: {error}") from None


def patient_of(name: str, patients: Patients) -> Patient:
    """What the table says of the image with this name; nothing where it does not name it."""
    return patients.get(_key(name, patients), Patient())


def _key(name: str, patients: Patients) -> str:
    """The name under which the table has the image, "" where it has not."""
    path = PurePath(name.lower())
    tails = ["/".join(path.parts[start:]) for start in range(1, len(path.parts))]
    return next((key for key in (str(path), *tails, path.stem) if key in patients), "")


def predict_all(choose: Choose, images: Sequence[Named], patients: Patients, progress: Progress = silent) -> list[Row]:
    """A row of COLUMNS for each image and model; an image that cannot be read has its error in it, the rest goes on.

    Raises UserError when there is no image, or no model to ask.
    """
    if not images:
        raise UsageError("There is no image to predict: choose images, or a ZIP of images.")
    choose(patient_of(images[0][0], patients))
    shown = progress(_decoded(images), desc="Predicting", total=len(images))
    return [row for name, picture in shown for row in _rows(choose, name, picture, patient_of(name, patients))]


def _decoded(images: Sequence[Named]) -> Iterator[tuple[str, Future[Image.Image]]]:
    """Every image's name and its picture; the next one is decoded while the network is busy with this one.

    No more than that: decoders are shared with those who wait for one image.
    """
    with ThreadPoolExecutor(1) as thread:
        coming = thread.submit(pixels.decode, images[0][1])
        for (name, _), following in zip(images, [*images[1:], None], strict=True):
            picture = coming
            if following:
                coming = thread.submit(pixels.decode, following[1])
            yield name, picture


def _rows(choose: Choose, name: str, picture: Future[Image.Image], patient: Patient) -> Iterator[Row]:
    told = {"image": name, "age": patient.age, "sex": str(patient.sex), "site": str(patient.site)}
    try:
        for predictor in choose(patient):
            yield told | predictor.record(predictor.predict(picture.result(), patient))
    except UserError as error:
        yield told | {"error": str(error)}


def to_frame(rows: Iterable[Row]) -> pd.DataFrame:
    """The rows as a table of COLUMNS, a column for each probability."""
    flat = [{**row, **row.get("probabilities", {}), "prediction_set": _codes(row)} for row in rows]
    return pd.DataFrame(flat).reindex(columns=COLUMNS)


def _codes(row: Row) -> str:
    return " ".join(row.get("prediction_set", ()))


def summary(rows: Sequence[Row], patients: Patients) -> str:
    """What came of a batch, in a sentence or two."""
    failed = sum("error" in row for row in rows)
    strangers = len(patients.keys() - {_key(row["image"], patients) for row in rows})
    words = [f"{_count(len(rows) - failed, 'answer')}."]
    if failed:
        words.append(f"{_count(failed, 'file')} could not be read: the table says why.")
    if strangers:
        words.append(f"{_count(strangers, 'row')} of your table named no image of this batch.")
    return " ".join(words)


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'s' * (number != 1)}"
