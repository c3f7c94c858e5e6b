"""Predictions as a table that people exchange: written as CSV, and read from a CSV that was made elsewhere."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from skin.errors import UserError
from skin.evaluation.predictions import Predictions
from skin.lesion import CODES, TAXONOMY
from skin.table import read_table, write_table

IDS = ("image_id", "image", "isic_id", "id")
TRUTHS = ("truth", "dx", "diagnosis", "label")
PREDICTED = ("predicted", "prediction")
"""Names under which a table may give each column, in any letter case."""

FORMAT = (
    f"a column {TRUTHS[0]!r} with the true diagnosis, and either seven columns of probabilities "
    f"({', '.join(CODES)}) or a column {PREDICTED[0]!r}; 'image_id' and 'lesion_id' may be given"
)
"""What a table must hold, in words."""

MAX_ROWS = 30_000
"""Rows of a table: more than ISIC 2019 has images, and judged in seconds."""

_ROUNDING = 0.02
_CODE_OF = {
    name.lower(): code for diagnosis in TAXONOMY for code in [diagnosis.code] for name in (code, diagnosis.name)
}


def to_csv(predictions: Predictions, facts: Mapping[str, object] | None = None) -> str:
    """A row an image: ids, truth, prediction and the seven probabilities; `from_csv` reads it again.

    Facts of all the images are further columns, so that any reader of tables copes; one that is None stays empty.
    """
    table = pd.DataFrame(predictions.probabilities, columns=list(CODES))
    table.insert(0, "image_id", predictions.image_ids)
    table.insert(1, "lesion_id", predictions.lesion_ids)
    table.insert(2, "truth", [CODES[k] for k in predictions.truth])
    table.insert(3, "predicted", [CODES[k] for k in predictions.predicted])
    for name, value in (facts or {}).items():
        table[name] = "" if value is None else str(value)  # as text, because a learning rate has more digits
    return write_table(table, float_format="%.6f")


def from_csv(content: bytes) -> Predictions:
    """The predictions in a table; see FORMAT. Without ids an image goes by its row, and is a lesion of its own.

    Probabilities may be rounded. Raises UserError that names the column or the row that is wrong.
    """
    table = _read(content)
    truth_column = _column(table, TRUTHS)
    if truth_column is None:
        raise UserError(f"The table has no true diagnoses: it needs {FORMAT}.")
    id_column = _column(table, IDS)
    image_ids = tuple(table[id_column] if id_column else [f"row {number}" for number in range(1, len(table) + 1)])
    return Predictions(
        image_ids=image_ids,
        lesion_ids=tuple(table["lesion_id"]) if "lesion_id" in table else image_ids,
        truth=_diagnoses(table, truth_column),
        probabilities=_probabilities(table),
    )


def _read(content: bytes) -> pd.DataFrame:
    try:
        columns, rows = read_table(content.decode("utf-8-sig"), MAX_ROWS)
    except ValueError as error:
        raise UserError(f"The file is no table of comma-separated values: it needs {FORMAT}.") from error
    if not rows:
        raise UserError("The table has no rows: give a row an image.")
    return pd.DataFrame(rows, columns=columns)


def _column(table: pd.DataFrame, names: tuple[str, ...]) -> str | None:
    return next((name for name in names if name in table), None)


def _diagnoses(table: pd.DataFrame, column: str) -> NDArray[np.int64]:
    codes = table[column].str.lower().map(_CODE_OF)
    if codes.isna().any():
        row = int(codes.isna().argmax())
        raise UserError(f"Row {row + 1} has {column} {table[column].iloc[row]!r}: use one of {', '.join(CODES)}.")
    return np.array([CODES.index(code) for code in codes], np.int64)


def _probabilities(table: pd.DataFrame) -> NDArray[np.float32]:
    if not set(CODES) <= set(table):
        column = _column(table, PREDICTED)
        if column is None:
            raise UserError(f"The table has no predictions: it needs {FORMAT}.")
        return np.eye(len(CODES), dtype=np.float32)[_diagnoses(table, column)]
    values = table[list(CODES)].apply(pd.to_numeric, errors="coerce").to_numpy(np.float64)
    sums = values.sum(axis=1, keepdims=True)
    wrong = ~((values >= 0).all(axis=1) & (np.abs(sums[:, 0] - 1) <= _ROUNDING))
    if wrong.any():
        raise UserError(f"Row {int(wrong.argmax()) + 1} does not hold seven probabilities that sum to 1.")
    probabilities: NDArray[np.float32] = (values / sums).astype(np.float32)
    return probabilities
