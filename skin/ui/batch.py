"""Many images at once, with what a table says of their patients: a row of answers an image."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import PurePath
from typing import Any

import pandas as pd

from skin.data import pixels
from skin.errors import UsageError, UserError
from skin.lesion import CODES
from skin.patient import Patient
from skin.prediction_table import IDS
from skin.progress import Progress, silent
from skin.table import read_table
from skin.ui.predictors import Predictors
from skin.ui.uploads import Upload

FIELDS = {"age": ("age",), "sex": ("sex",), "site": ("site", "localization")}
"""Names under which a table may give each field of the patient."""

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


def read_patients(upload: Upload | None) -> Patients:
    """The patients in a CSV of image, age, sex and site; any of the last three may be missing.

    Raises UserError that names the column or the row that is wrong.
    """
    if upload is None:
        return {}
    try:
        columns, rows = read_table(upload.content.decode("utf-8-sig"))
    except ValueError as error:
        raise UserError(f"{upload.name} is no table of comma-separated values: save it as CSV in UTF-8.") from error
    ids = next((name for name in IDS if name in columns), None)
    fields = {field: next((name for name in names if name in columns), None) for field, names in FIELDS.items()}
    if ids is None or not any(fields.values()):
        raise UserError(f"{upload.name} needs a column 'image' with file names, and 'age', 'sex' or 'site'.")
    return {
        row[ids].lower(): _patient(number, {field: row[name] for field, name in fields.items() if name})
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
    return next((key for key in (str(path), path.name, path.stem) if key in patients), "")


def predict_all(
    predictors: Predictors, files: Sequence[Upload], patients: Patients, choice: object, progress: Progress = silent
) -> list[Row]:
    """A row of COLUMNS for each image and model; an image that cannot be read has its error in it, the rest goes on.

    Raises UserError when there is no image, or no model of that name.
    """
    if not files:
        raise UsageError("There is no image to predict: choose images, or a ZIP of images.")
    predictors.choose(choice, Patient())
    shown = progress(files, desc="Predicting", total=len(files))
    return [row for file in shown for row in _rows(predictors, file, patient_of(file.name, patients), choice)]


def _rows(predictors: Predictors, file: Upload, patient: Patient, choice: object) -> Iterator[Row]:
    told = {"image": file.name, "age": patient.age, "sex": str(patient.sex), "site": str(patient.site)}
    try:
        picture = pixels.decode(file.content)
        for predictor in predictors.choose(choice, patient):
            yield told | predictor.record(predictor.predict(picture, patient))
    except UserError as error:
        yield told | {"error": str(error)}


def to_frame(rows: Iterable[Row]) -> pd.DataFrame:
    """The rows as a table of COLUMNS, a column for each probability."""
    flat = [{**row, **row.get("probabilities", {}), "prediction_set": _codes(row)} for row in rows]
    return pd.DataFrame(flat).reindex(columns=COLUMNS)


def to_html(rows: Iterable[Row]) -> str:
    """The rows as people read them; an error stands where the diagnosis would."""
    table = pd.DataFrame(
        {
            "Image": row["image"],
            "Diagnosis": row.get("name") or row["error"],
            "Malignant": f"{row['malignant_probability']:.1%}" if "name" in row else "",
            "Risk": row.get("risk", ""),
            "Not ruled out": _codes(row),
            "Age": "" if row["age"] is None else f"{row['age']:g}",
            "Sex": row["sex"],
            "Site": row["site"],
            "Model": row.get("run", ""),
        }
        for row in rows
    )
    return f'<div class="wide" tabindex="0">{table.to_html(index=False, border=0, classes="plain")}</div>'


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
