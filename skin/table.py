"""Tables that people bring: commas, semicolons or tabs between the fields, columns named in any letter case."""

import csv
import io
from typing import NamedTuple

Row = dict[str, str]
"""A value by the name of its column, in lower case; "" where the table has none."""

MAX_CELLS = 5_000_000
"""Columns times lines: more than any data set of images has, and few enough for the memory of a small server."""


class Table(NamedTuple):
    """The names of the columns in lower case, and the rows."""

    columns: list[str]
    rows: list[Row]


def read_table(text: str) -> Table:
    """The table in `text`, whose first line names the columns; of columns of one name the first counts.

    Raises ValueError when it is no such table, or one of more than MAX_CELLS.
    """
    separator = max(",;\t", key=text.partition("\n")[0].count)
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    try:
        header = [name.strip().lower() for name in next(lines, [])]
        places = {name: place for place, name in reversed([*enumerate(header)])}
        if len(header) * text.count("\n") > MAX_CELLS:  # short rows would be filled, to far more than was sent
            raise ValueError(f"it has more than {MAX_CELLS:,} cells")
        rows = [
            {name: values[place].strip() if place < len(values) else "" for name, place in places.items()}
            for values in lines
            if values
        ]
    except csv.Error as error:
        raise ValueError(str(error)) from error
    return Table(list(dict.fromkeys(header)), rows)
