"""Tables that people bring and take away.

Those they bring have commas, semicolons or tabs between the fields, and columns named in any letter case. In those they
take away no text is a formula: a spreadsheet would calculate a file name like `=1+1`, or fetch what it names.
"""

import csv
import io
import re
from typing import NamedTuple

import pandas as pd

from skin.errors import UserError

Row = dict[str, str]
"""A value by the name of its column, in lower case; "" where the table has none."""

MAX_CELLS = 5_000_000
"""Columns times lines: more than any data set of images has, and few enough for the memory of a small server."""


class Table(NamedTuple):
    """The names of the columns in lower case, and the rows."""

    columns: list[str]
    rows: list[Row]


_FORMULA = re.compile(r"'*[=+\-@\t\r\n]")
"""Beginnings of text that a spreadsheet takes for a formula, or that stands for such text."""


def write_table(table: pd.DataFrame, float_format: str | None = None, header: bool = True) -> str:
    """The table as comma-separated values, with an apostrophe before what would be a formula.

    `read_table` gives the text back as it was. Numbers stay as they are.
    """
    text: str = table.map(_disarm).to_csv(
        index=False, header=header, float_format=float_format, lineterminator="\r\n"
    )  # so either is quoted
    return text


def _disarm(value: object) -> object:
    return f"'{value}" if isinstance(value, str) and _FORMULA.match(value) else value


def _restore(text: str) -> str:
    return text[1:] if text.startswith("'") and _FORMULA.match(text) else text


def read_table(text: str, max_rows: int | None = None) -> Table:
    """The table in `text`, whose first line names the columns; of columns of one name the first counts.

    Raises ValueError when it is no such table, or one of more than MAX_CELLS, and UserError when it has more than
    `max_rows` lines, which are counted before they are read, as that takes longer the more there are.
    """
    n_lines = max(text.count("\n"), text.count("\r"))
    if max_rows is not None and n_lines > max_rows + 1:
        raise UserError(f"The table has more than {max_rows:,} rows: give fewer at a time.")
    separator = max(",;\t", key=text.partition("\n")[0].count)
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    try:
        header = [name.strip().lower() for name in next(lines, [])]
        places = {name: place for place, name in reversed([*enumerate(header)])}
        if len(header) * n_lines > MAX_CELLS:  # short rows would be filled, to far more than was sent
            raise ValueError(f"it has more than {MAX_CELLS:,} cells")
        rows = [
            {name: _restore(values[place].strip()) if place < len(values) else "" for name, place in places.items()}
            for values in lines
            if values
        ]
    except csv.Error as error:
        raise ValueError(str(error)) from error
    return Table(list(dict.fromkeys(header)), rows)
