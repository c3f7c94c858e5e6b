"""The ISIC challenges as they are handed out: `…_GroundTruth.csv`, `…_Metadata.csv` and a folder of images.

The first has a column for each diagnosis, 1 in that of the image's own; the second has image, age_approx,
anatom_site_general, lesion_id and sex, some of them blank. The challenge of 2018 has the classes of HAM10000, of which it
is the test set, and no metadata; that of 2019 has one class more, and UNK for what is none of them.
"""

from collections.abc import Mapping
from pathlib import Path

from skin.data.folder import Table, read_rows
from skin.errors import UserError
from skin.table import Row
from skin.task import TASKS, Task

TRUTH, METADATA = "_groundtruth.csv", "_metadata.csv"
COLUMNS = {
    "image_id": "image",
    "lesion_id": "lesion_id",
    "diagnosis": "label",
    "age": "age_approx",
    "sex": "sex",
    "site": "anatom_site_general",
}
_OTHERS = frozenset(("image", "score_weight", "validation_weight"))
"""Columns of a ground truth that are no classes."""


def table(entries: Mapping[str, Path]) -> Table | None:
    """The table of a folder in this layout, None where it has another. Raises UserError when its tables cannot be read."""
    found = [name for name in entries if name.endswith(TRUTH)]
    if not found:
        return None
    if len(found) > 1:
        names = " and ".join(entries[name].name for name in found)
        raise UserError(f"The folder holds {names}: give a folder with one of them and its images.")
    truths = read_rows(entries[found[0]], ("image",))
    task = _task(entries[found[0]], truths)
    metadata = entries.get(found[0].removesuffix(TRUTH) + METADATA)
    about = {row["image"]: row for row in read_rows(metadata, ("image",))} if metadata else {}
    rows = [{**about.get(row["image"], {}), "image": row["image"], "label": _label(row)} for row in truths]
    return Table(task, _filled(rows), COLUMNS)


def _task(path: Path, rows: list[Row]) -> Task:
    """The task whose diagnoses the table has columns for."""
    columns = rows[0].keys() if rows else set()
    for task in TASKS.values():
        if columns >= {code.lower() for code in task.codes}:
            return task
    known = " or of ".join(f"{task.title} ({', '.join(task.codes)})" for task in TASKS.values())
    raise UserError(f"{path} has not the columns of {known}: choose another folder.")


def _label(row: Row) -> str:
    """The diagnosis that is marked; several, or none, are no diagnosis, and counted as such."""
    marked = sorted(name.upper() for name, value in row.items() if name not in _OTHERS and _is_marked(value))
    return "+".join(marked)


def _is_marked(value: str) -> bool:
    try:
        return float(value) > 0.5
    except ValueError:
        return False


def _filled(rows: list[Row]) -> list[Row]:
    """The rows with every column that any of them has."""
    columns = dict.fromkeys(column for row in rows for column in row)
    return [{column: row.get(column, "") for column in columns} for row in rows]
