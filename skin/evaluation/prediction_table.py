"""Predictions as a table that people exchange: written as CSV, and read from a CSV that was made elsewhere."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from skin.errors import UserError
from skin.evaluation.predictions import Predictions
from skin.table import read_table, write_table
from skin.task import TASKS, Task

IDS = ("image_id", "image", "isic_id", "id")
TRUTHS = ("truth", "dx", "diagnosis", "label")
PREDICTED = ("predicted", "prediction")
"""Names under which a table may give each column, in any letter case."""

FORMAT = (
    f"a column {TRUTHS[0]!r} with the true diagnosis, and either a column of probabilities for each diagnosis "
    f"({'; or '.join(', '.join(task.codes) for task in TASKS.values())}) or a column {PREDICTED[0]!r}; "
    "'image_id' and 'lesion_id' may be given"
)
"""The columns that a table must hold, in words."""

MAX_ROWS = 30_000
"""Rows of a table: more than ISIC 2019 has images, and judged in seconds."""

_ROUNDING = 0.02


def to_csv(predictions: Predictions, facts: Mapping[str, object] | None = None) -> str:
    """A row an image: ids, truth, prediction and the probabilities; `from_csv` reads it again.

    Facts of all the images are further columns, so that any reader of tables copes; one that is None stays empty.
    """
    codes = predictions.task.codes
    table = pd.DataFrame(predictions.probabilities, columns=list(codes))
    table.insert(0, "image_id", predictions.image_ids)
    table.insert(1, "lesion_id", predictions.lesion_ids)
    table.insert(2, "truth", [codes[k] for k in predictions.truth])
    table.insert(3, "predicted", [codes[k] for k in predictions.predicted])
    for name, value in (facts or {}).items():
        known = "" if value is None else value
        table[name] = known if isinstance(known, int) else str(known)  # as text, a learning rate keeps its digits
    return write_table(table, float_format="%.6f")


def from_csv(content: bytes) -> Predictions:
    """The predictions in a table; see FORMAT. Without ids an image goes by its row, and is a lesion of its own.

    Probabilities may be rounded. Raises UserError that names the column or the row that is wrong.
    """
    table = _read(content)
    truth_column = _column(table, TRUTHS)
    if truth_column is None:
        raise UserError(f"The table has no true diagnoses: it needs {FORMAT}.")
    task, id_column = _task(table), _column(table, IDS)
    image_ids = tuple(table[id_column] if id_column else [f"row {number}" for number in range(1, len(table) + 1)])
    return Predictions(
        image_ids=image_ids,
        lesion_ids=tuple(table["lesion_id"]) if "lesion_id" in table else image_ids,
        truth=_diagnoses(table, truth_column, task),
        probabilities=_probabilities(table, task),
        task=task,
    )


def _task(table: pd.DataFrame) -> Task:
    """The task that the table has a column of probabilities for each diagnosis of, else the first one."""
    fitting = (task for task in TASKS.values() if set(_columns(task)) <= set(table))
    return next(fitting, next(iter(TASKS.values())))


def _columns(task: Task) -> list[str]:
    return [code.lower() for code in task.codes]


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


def _diagnoses(table: pd.DataFrame, column: str, task: Task) -> NDArray[np.int64]:
    codes = table[column].map(task.find)
    if codes.isna().any():
        row = int(codes.isna().argmax())
        raise UserError(f"Row {row + 1} has {column} {table[column].iloc[row]!r}: use one of {', '.join(task.codes)}.")
    return np.array([task.index(code) for code in codes], np.int64)


def _probabilities(table: pd.DataFrame, task: Task) -> NDArray[np.float32]:
    if not set(_columns(task)) <= set(table):
        column = _column(table, PREDICTED)
        if column is None:
            raise UserError(f"The table has no predictions: it needs {FORMAT}.")
        return np.eye(len(task), dtype=np.float32)[_diagnoses(table, column, task)]
    values = table[_columns(task)].apply(pd.to_numeric, errors="coerce").to_numpy(np.float64)
    sums = values.sum(axis=1, keepdims=True)
    wrong = ~((values >= 0).all(axis=1) & (np.abs(sums[:, 0] - 1) <= _ROUNDING))
    if wrong.any():
        raise UserError(f"Row {int(wrong.argmax()) + 1} does not hold {len(task)} probabilities that sum to 1.")
    probabilities: NDArray[np.float32] = (values / sums).astype(np.float32)
    return probabilities
