"""HAM10000 as Kaggle and Harvard Dataverse hand it out: a metadata table and folders of images.

Tschandl, Rosendahl & Kittler, Sci. Data 5, 180161 (2018), doi:10.1038/sdata.2018.161.
"""

import contextlib
import hashlib
import json
import os
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from joblib import Parallel, delayed

from skin.data import image_file
from skin.errors import UsageError, UserError
from skin.files import write_atomically
from skin.lesion import CODES, LesionImage
from skin.patient import Patient, Sex, Site
from skin.progress import Progress, silent
from skin.table import Row, read_table
from skin.workspace import Workspace

KAGGLE = "kmader/skin-cancer-mnist-ham10000/versions/2"
"""The version is named, so that the copy on disk is found without asking Kaggle which is the newest."""

REQUIRED = ("lesion_id", "image_id", "dx")
METADATA = ("ham10000_metadata.csv", "ham10000_metadata", "ham10000_metadata.tab")
SOURCES = ("ham10000_sources.csv",)
FOLDERS = ("ham10000_images_part_1", "ham10000_images_part_2", "images")
SUFFIXES = (".jpg", ".jpeg", ".png")
VOCABULARIES: dict[str, frozenset[str]] = {"sex": frozenset(Sex), "localization": frozenset(Site)}
PATIENT = ("age", *VOCABULARIES)

_CHECK = 1
"""Version of the rules by which an image counts as readable."""


@dataclass(frozen=True)
class Dropped:
    """An image that was left out; the reason is its kind, then after a colon what is particular to this image."""

    image_id: str
    reason: str


@dataclass(frozen=True)
class Contents:
    """What a folder holds: its images in the table's order, what was left out, and what was read with a remark."""

    images: tuple[LesionImage, ...]
    dropped: tuple[Dropped, ...]
    notes: tuple[str, ...]


def read(folder: Path, workspace: Workspace, progress: Progress = silent) -> Contents:
    """The images of a folder in Kaggle's layout. Letter case, order and further columns do not matter.

    Raises UserError when the folder holds no such data set or not one usable image.
    """
    listed = listing(folder)
    unreadable = _unreadable(listed.images, workspace, progress)
    flawed = [Dropped(image_id, f"unreadable image: {reason}") for image_id, reason in unreadable.items()]
    images = [image for image in listed.images if image.image_id not in unreadable]
    return _contents(folder, images, [*listed.dropped, *flawed], listed.notes)


def listing(folder: Path) -> Contents:
    """What the folder's table lists and has a file, without opening an image, which takes a while the first time.

    Raises UserError when the folder holds no such data set or not one usable image.
    """
    entries = _entries(folder)
    metadata, sources = _file(entries, METADATA), _file(entries, SOURCES)
    if metadata is None:
        raise UserError(f"{folder} holds no HAM10000_metadata.csv: give the folder that does.")
    rows = _rows(metadata, REQUIRED)
    archives = {row["image_id"]: row["dataset"] for row in _rows(sources, ("image_id", "dataset"))} if sources else {}
    images, dropped = _usable(rows, _image_files(folder, entries), archives)
    return _contents(folder, images, dropped, _remarks(rows) if rows else ())


def _contents(
    folder: Path, images: Sequence[LesionImage], dropped: Sequence[Dropped], notes: tuple[str, ...]
) -> Contents:
    if not images:
        reason = f" (the first row: {dropped[0].reason.rstrip('.')})" if dropped else ""
        raise UserError(f"Not one image of {folder} can be used{reason}: choose another folder.")
    return Contents(tuple(images), tuple(dropped), notes)


def download(workspace: Workspace) -> Path:
    """The folder of Kaggle's HAM10000, downloaded the first time (about 5 GB) and found again without a network.

    It lies where KAGGLEHUB_CACHE says, else in the workspace. Raises UserError when it cannot be had.
    """
    # kagglehub says on standard output what it does, which belongs to the caller's facts.
    with contextlib.redirect_stdout(sys.stderr), _kaggle_cache(workspace.datasets / "kagglehub"):
        try:
            import kagglehub

            return Path(kagglehub.dataset_download(KAGGLE))
        except Exception as error:  # of kagglehub, requests, zipfile and the file system
            raise UserError(
                f"HAM10000 could not be downloaded from Kaggle ({type(error).__name__}): connect to the internet "
                "and try again, give the path of a folder that holds it, or use the data set 'demo'."
            ) from error


def is_downloaded(workspace: Workspace) -> bool:
    """Whether `download` would need no network."""
    with _kaggle_cache(workspace.datasets / "kagglehub"):
        from kagglehub.cache import Cache
        from kagglehub.handle import parse_dataset_handle

        return Cache().load_from_cache(parse_dataset_handle(KAGGLE)) is not None


@contextlib.contextmanager
def _kaggle_cache(folder: Path) -> Iterator[None]:
    """kagglehub takes its cache folder from the environment only; the user's choice goes first."""
    if "KAGGLEHUB_CACHE" in os.environ:
        yield
        return
    os.environ["KAGGLEHUB_CACHE"] = str(folder)
    try:
        yield
    finally:
        del os.environ["KAGGLEHUB_CACHE"]


def fingerprint(images: Iterable[LesionImage]) -> str:
    """16 hex digits that change with the ids, the order, the sizes or the times of the image files.

    Raises UserError when a file is gone.
    """
    digest = hashlib.sha256()
    for image in images:
        try:
            facts = image.path.stat()
        except OSError as error:
            raise UserError(f"The image {image.path} is gone: load the data set again.") from error
        digest.update(f"{image.image_id}\t{facts.st_size}\t{facts.st_mtime_ns}\n".encode())
    return digest.hexdigest()[:16]


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError as error:
        raise UserError(
            f"{folder} is not a folder that can be read ({error.strerror}): give the folder of HAM10000_metadata.csv."
        ) from error


def _file(entries: Sequence[Path], names: Sequence[str]) -> Path | None:
    files = {path.name.lower(): path for path in entries if path.is_file()}
    return next((files[name] for name in names if name in files), None)


def _rows(path: Path, required: Sequence[str]) -> list[Row]:
    try:
        table = read_table(path.read_text(encoding="utf-8-sig", errors="replace"))
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read as a table ({error}): choose another folder.") from error
    missing = [column for column in required if column not in table.columns]
    if missing:
        raise UserError(f"{path} has no column {', '.join(missing)}: it must have {', '.join(required)}.")
    return table.rows


def _remarks(rows: Sequence[Row]) -> tuple[str, ...]:
    """What was read as unknown although something else, or nothing at all, stands in the table."""
    remarks = [f"The table has no column {name}: it is unknown everywhere." for name in PATIENT if name not in rows[0]]
    for column in VOCABULARIES:
        values = Counter(row[column] for row in rows if column in row and not _known(row, column))
        remarks += [f"{column} {value!r} is read as unknown ({count}×)." for value, count in values.items() if value]
    return tuple(remarks)


def _known(row: Row, column: str) -> str:
    """The field's value in lower case, "" where it is not in the vocabulary."""
    value = row.get(column, "").lower()
    return value if value in VOCABULARIES[column] else ""


def _image_files(folder: Path, entries: Sequence[Path]) -> dict[str, Path]:
    """Every image file by its name without suffix, so that an id of the table can never lead out of the folder."""
    folders = [folder] + [path for path in entries if path.name.lower() in FOLDERS and path.is_dir()]
    files: dict[str, Path] = {}
    for directory in folders:
        for path in sorted(directory.iterdir()):
            if path.suffix.lower() in SUFFIXES:
                files.setdefault(path.stem, path)
    return files


def _usable(
    rows: Sequence[Row], files: Mapping[str, Path], archives: Mapping[str, str]
) -> tuple[list[LesionImage], list[Dropped]]:
    images: dict[str, LesionImage] = {}
    dropped = []
    for number, row in enumerate(rows, start=1):
        reason = "duplicate image_id" if row["image_id"] in images else _fault(row, files)
        if reason:
            dropped.append(Dropped(row["image_id"] or f"row {number}", reason))
        else:
            images[row["image_id"]] = _lesion_image(row, files, archives)
    return list(images.values()), dropped


def _fault(row: Row, files: Mapping[str, Path]) -> str:
    """Why the row cannot be used, "" where it can."""
    if not row["image_id"]:
        return "no image_id"
    if not row["lesion_id"]:
        return "no lesion_id"
    if row["dx"].lower() not in CODES:
        return f"unknown diagnosis: {row['dx']!r}"
    if row["image_id"] not in files:
        return "no image file"
    try:
        Patient.parse(row.get("age"))
    except UsageError:
        return f"impossible age: {row['age']!r}"
    return ""


def _lesion_image(row: Row, files: Mapping[str, Path], archives: Mapping[str, str]) -> LesionImage:
    return LesionImage(
        image_id=row["image_id"],
        lesion_id=row["lesion_id"],
        diagnosis=row["dx"].lower(),
        patient=Patient.parse(row.get("age"), _known(row, "sex"), _known(row, "localization")),
        path=files[row["image_id"]],
        confirmed_by=row.get("dx_type", ""),
        source=row.get("dataset") or archives.get(row["image_id"], ""),
    )


def _unreadable(images: Sequence[LesionImage], workspace: Workspace, progress: Progress) -> dict[str, str]:
    """Ids of the images that cannot be decoded, with the reason; remembered for as long as the files stay the same."""
    memory = workspace.datasets / f"unreadable-{fingerprint(images)}-{_CHECK}.json"
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
