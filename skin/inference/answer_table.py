"""The table of answers as a file, written a block of rows at a time; a row of FORMATS for each kind of file."""

from collections.abc import Callable, Iterable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from skin.errors import UsageError, UserError
from skin.files import replace_file
from skin.inference.batch import ANSWER, Row, to_frame
from skin.patient import NumberField
from skin.table import write_table
from skin.task import Task

Columns = dict[str, type]
"""The columns of the table in order, each of text (str) or numbers (float)."""

Blocks = Iterable[Sequence[Row]]


def columns_of(tasks: Iterable[Task]) -> Columns:
    """The columns of answers from models of these tasks."""
    tasks = list(tasks)
    fields = {field.name: float if isinstance(field, NumberField) else str for task in tasks for field in task.fields}
    answer: Columns = {name: float if name == "malignant_probability" else str for name in ANSWER}
    codes = {code: float for task in tasks for code in task.codes}
    return {"image": str, **fields, **answer, **codes, "error": str}


def check_format(path: Path) -> None:
    """Raise UsageError where no row of FORMATS fits the file's name, UserError where a library is missing."""
    if path.suffix.lower() not in FORMATS:
        raise UsageError(f"{path.name} must end in {' or '.join(FORMATS)}, by which the table's format is chosen.")
    if path.suffix.lower() == ".parquet" and find_spec("pyarrow") is None:
        raise UserError("A Parquet file needs PyArrow: run `pip install pyarrow`, or write a .csv file.")


def write(path: Path, columns: Columns, blocks: Blocks) -> None:
    """Write the table in the format that the file's name tells. Raises UserError when the disk is full or refuses."""
    replace_file(path, lambda partial: FORMATS[path.suffix.lower()](partial, columns, blocks))


def _write_csv(path: Path, columns: Columns, blocks: Blocks) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write(write_table(to_frame([]).reindex(columns=list(columns))))
        for rows in blocks:
            file.write(write_table(to_frame(rows).reindex(columns=list(columns)), header=False))


def _write_parquet(path: Path, columns: Columns, blocks: Blocks) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    kinds: dict[type, Any] = {str: pa.string(), float: pa.float64()}
    schema = pa.schema([(name, kinds[kind]) for name, kind in columns.items()])
    with pq.ParquetWriter(path, schema) as writer:
        for rows in blocks:
            frame = to_frame(rows).reindex(columns=list(columns))
            writer.write_table(pa.Table.from_pandas(frame, schema, preserve_index=False))


FORMATS: dict[str, Callable[[Path, Columns, Blocks], None]] = {".csv": _write_csv, ".parquet": _write_parquet}
"""The formats of a table by the ending of its file's name."""
