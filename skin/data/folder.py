"""A folder of images and the table that lists them, read alike in every layout.

A layout says which of the folder's files are its tables and what their columns mean, as a `Table`; the rest is the same
for all: where images lie, which rows can be used, and what is said of those that cannot. Letter case, order and further
columns do not matter.
"""

import contextlib
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from joblib import Parallel, delayed

from skin.data import image_file
from skin.data.dataset import UNKNOWN_LABEL, Dropped, LesionImage, file_key
from skin.errors import UsageError, UserError
from skin.files import write_atomically
from skin.patient import ChoiceField, NumberField, PatientField
from skin.progress import Progress, silent
from skin.table import Row, read_table
from skin.task import Task
from skin.workspace import Workspace

SUFFIXES = (".jpg", ".jpeg", ".png")

_IMAGE_FOLDERS = re.compile(r"images|ham10000_images_part_[12]|isic\d*_.*_input", re.IGNORECASE)
"""Names of the folders, beside the table or in each other, in which images are looked for."""

_CHECK = 1
"""Version of the rules by which an image counts as readable."""


@dataclass(frozen=True)
class Table:
    """The content of a layout's tables, a row an image.

    `columns` gives the column of "image_id", "lesion_id", "diagnosis", "confirmed_by", "source" and of every field of the
    task that is there. `needs_lesion` is whether an image of no named lesion is left out; else it is a lesion of its own.
    """

    task: Task
    rows: Sequence[Row]
    columns: Mapping[str, str]
    needs_lesion: bool = False

    def value(self, row: Row, what: str) -> str:
        """The row's value of this column, "" where it has none."""
        return row.get(self.columns.get(what, ""), "")


@dataclass(frozen=True)
class Contents:
    """The content of a folder: its images in the table's order, what was left out, and what was read with a remark."""

    task: Task
    images: tuple[LesionImage, ...]
    dropped: tuple[Dropped, ...]
    notes: tuple[str, ...]


def read(folder: Path, table: Table, workspace: Workspace, progress: Progress = silent) -> Contents:
    """The images of a folder that can be decoded. Raises UserError when not one can be used."""
    listed = listing(folder, table)
    unreadable = _unreadable(listed.images, workspace, progress)
    flawed = [Dropped(image_id, f"unreadable image: {reason}") for image_id, reason in unreadable.items()]
    images = [image for image in listed.images if image.image_id not in unreadable]
    return _contents(folder, table.task, images, [*listed.dropped, *flawed], listed.notes)


def listing(folder: Path, table: Table) -> Contents:
    """The images that have a row and a file; none is opened, which takes a while the first time.

    Raises UserError when not one image can be used.
    """
    images, dropped = _usable(table, _image_files(folder))
    return _contents(folder, table.task, images, dropped, (*_remarks(table), *_on_lesions(table, images)))


def _contents(
    folder: Path, task: Task, images: Sequence[LesionImage], dropped: Sequence[Dropped], notes: tuple[str, ...]
) -> Contents:
    if not images:
        reason = f" (the first row: {dropped[0].reason.rstrip('.')})" if dropped else ""
        raise UserError(f"Not one image of {folder} can be used{reason}: choose another folder.")
    return Contents(task, tuple(images), tuple(dropped), notes)


def entries(folder: Path) -> dict[str, Path]:
    """The files of a folder by their names in lower case. Raises UserError when it cannot be read."""
    try:
        return {path.name.lower(): path for path in sorted(folder.iterdir()) if path.is_file()}
    except OSError as error:
        raise UserError(
            f"{folder} is not a folder that can be read ({error.strerror}): give the folder of a data set."
        ) from error


def read_rows(path: Path, required: Sequence[str]) -> list[Row]:
    """The rows of a table that has these columns. Raises UserError when it cannot be read or lacks one."""
    try:
        table = read_table(path.read_text(encoding="utf-8-sig", errors="replace"))
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read as a table ({error}): choose another folder.") from error
    missing = [column for column in required if column not in table.columns]
    if missing:
        raise UserError(f"{path} has no column {', '.join(missing)}: it must have {', '.join(required)}.")
    return table.rows


def _remarks(table: Table) -> Iterator[str]:
    """Remarks on values that were read as unknown although something else, or nothing at all, stands in the table."""
    if not table.rows:
        return
    for field in table.task.fields:
        column = table.columns.get(field.name, field.name)
        if column not in table.rows[0]:
            yield f"The table has no column {column}: it is unknown everywhere."
        elif isinstance(field, ChoiceField):
            strange = Counter(row[column] for row in table.rows if _is_strange(field, row[column]))
            yield from (f"{column} {value!r} is read as unknown ({count}×)." for value, count in strange.items())


def _is_strange(field: PatientField, value: str) -> bool:
    try:
        field.parse(value)
    except UsageError:
        return True
    return False


def _on_lesions(table: Table, images: Sequence[LesionImage]) -> Iterator[str]:
    named = {table.value(row, "image_id") for row in table.rows if table.value(row, "lesion_id")}
    alone = sum(image.image_id not in named for image in images)
    if alone == len(images) and images:
        yield "The table names no lesions: every image counts as one of its own, so that no leak between them can be seen."
    elif alone:
        yield f"{alone:,} images name no lesion: each counts as one of its own."


def _image_files(folder: Path) -> dict[str, Path]:
    """Every image file by its name without suffix, so that an id of the table can never lead out of the folder."""
    files: dict[str, Path] = {}
    for directory in _image_folders(folder):
        for path in sorted(directory.iterdir()):
            if path.suffix.lower() in SUFFIXES:
                files.setdefault(path.stem, path)
    return files


def _image_folders(folder: Path, depth: int = 2) -> Iterator[Path]:
    yield folder
    for path in sorted(folder.iterdir()) if depth else ():
        if _IMAGE_FOLDERS.fullmatch(path.name) and path.is_dir():
            yield from _image_folders(path, depth - 1)


def _usable(table: Table, files: Mapping[str, Path]) -> tuple[list[LesionImage], list[Dropped]]:
    images: dict[str, LesionImage] = {}
    dropped = []
    for number, row in enumerate(table.rows, start=1):
        image_id = table.value(row, "image_id")
        path = _file(image_id, files)
        reason = "duplicate image_id" if image_id in images else _fault(table, row)
        if reason or path is None:
            dropped.append(Dropped(image_id or f"row {number}", reason or "no image file"))
        else:
            images[image_id] = _lesion_image(table, row, path)
    return list(images.values()), dropped


def _file(image_id: str, files: Mapping[str, Path]) -> Path | None:
    """The file of an image, whose id may be the file's name with its suffix; None where there is none."""
    suffix = next((suffix for suffix in SUFFIXES if image_id.lower().endswith(suffix)), "")
    return files.get(image_id) or files.get(image_id.removesuffix(image_id[len(image_id) - len(suffix) :]))


def _fault(table: Table, row: Row) -> str:
    """Why the row cannot be used, "" where it can."""
    if not table.value(row, "image_id"):
        return "no image_id"
    if table.needs_lesion and not table.value(row, "lesion_id"):
        return "no lesion_id"
    label = table.value(row, "diagnosis")
    if table.task.find(label) is None:
        return f"{UNKNOWN_LABEL}: {label!r}"
    numbers = (field for field in table.task.fields if isinstance(field, NumberField))
    wrong = next((field for field in numbers if _is_strange(field, table.value(row, field.name))), None)
    return f"impossible {wrong.words}: {table.value(row, wrong.name)!r}" if wrong else ""


def _lesion_image(table: Table, row: Row, path: Path) -> LesionImage:
    task, image_id = table.task, table.value(row, "image_id")
    told = {field.name: table.value(row, field.name) for field in task.fields}
    known = {field.name: told[field.name] for field in task.fields if not _is_strange(field, told[field.name])}
    return LesionImage(
        image_id=image_id,
        lesion_id=table.value(row, "lesion_id") or image_id,
        diagnosis=task.codes[task.index(table.value(row, "diagnosis"))],
        patient=task.parse(known),
        path=path,
        confirmed_by=table.value(row, "confirmed_by"),
        source=table.value(row, "source"),
    )


def _unreadable(images: Sequence[LesionImage], workspace: Workspace, progress: Progress) -> dict[str, str]:
    """Ids of the images that cannot be decoded, with the reason; remembered for as long as the files stay the same."""
    memory = workspace.datasets / f"unreadable-{file_key(images)}-{_CHECK}.json"
    with contextlib.suppress(OSError, ValueError):
        remembered: dict[str, str] = json.loads(memory.read_text())
        return remembered
    reasons = Parallel(n_jobs=-1, prefer="threads", return_as="generator")(delayed(_flaw)(image) for image in images)
    shown = progress(zip(images, reasons, strict=True), desc="Checking images", total=len(images))
    unreadable = {image.image_id: reason for image, reason in shown if reason}
    with contextlib.suppress(OSError, UserError):  # a result that cannot be kept is found again
        memory.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(memory, json.dumps(unreadable).encode())
    return unreadable


def _flaw(image: LesionImage) -> str:
    try:
        image_file.check(image.path)
    except UserError as error:
        return str(error)
    return ""
