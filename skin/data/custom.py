"""A data set of one's own: `task.json`, which says its diagnoses and the fields of a patient, and `metadata.csv`.

The table has the columns `image_id` (a file's name, with or without its suffix) and `diagnosis` (a code or a name), if it is
to have them `lesion_id`, `confirmed_by` and `source`, and one for each field. The images lie beside it or in `images`.
"""

from collections.abc import Mapping
from pathlib import Path

from skin.data.folder import Table, read_rows
from skin.errors import UserError
from skin.task import Task

TASK, METADATA = "task.json", "metadata.csv"
COLUMNS = {
    "image_id": ("image_id", "image", "isic_id", "file"),
    "lesion_id": ("lesion_id", "lesion"),
    "diagnosis": ("diagnosis", "dx", "label", "class"),
    "confirmed_by": ("confirmed_by", "dx_type"),
    "source": ("source", "dataset"),
}
"""Names under which the table may give each column, in any letter case; a field's own stand in the task."""


def table(entries: Mapping[str, Path]) -> Table | None:
    """The table of a folder in this layout, None where it has another.

    Raises UserError when the task makes no sense, or the table cannot be read or lacks a column.
    """
    if TASK not in entries:
        return None
    task = Task.load(entries[TASK])
    if METADATA not in entries:
        raise UserError(f"{entries[TASK].parent} holds {TASK} but no {METADATA}: add the table of its images.")
    rows = read_rows(entries[METADATA], ())
    names = {**COLUMNS, **{field.name: (field.name, *field.columns) for field in task.fields}}
    there = rows[0].keys() if rows else ()
    columns = {what: next((name for name in known if name.lower() in there), known[0]) for what, known in names.items()}
    for what in ("image_id", "diagnosis") if rows else ():
        if columns[what] not in there:
            raise UserError(f"{entries[METADATA]} has no column {what}: it must have image_id and diagnosis.")
    return Table(task, rows, {what: name.lower() for what, name in columns.items()})
