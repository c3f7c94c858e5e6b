"""HAM10000 as Kaggle and Harvard Dataverse hand it out: a metadata table and folders of images.

Tschandl, Rosendahl & Kittler, Sci. Data 5, 180161 (2018), doi:10.1038/sdata.2018.161.
"""

import contextlib
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from skin.data.folder import Table, read_rows
from skin.errors import UserError
from skin.task import HAM10000
from skin.workspace import Workspace

KAGGLE = "kmader/skin-cancer-mnist-ham10000/versions/2"
"""The version is named, so that the copy on disk is found without asking Kaggle which is the newest."""

METADATA = ("ham10000_metadata.csv", "ham10000_metadata", "ham10000_metadata.tab")
SOURCES = "ham10000_sources.csv"
COLUMNS = {
    "image_id": "image_id",
    "lesion_id": "lesion_id",
    "diagnosis": "dx",
    "confirmed_by": "dx_type",
    "source": "dataset",
    "age": "age",
    "sex": "sex",
    "site": "localization",
}


def table(entries: Mapping[str, Path]) -> Table | None:
    """The table of a folder in this layout, None where it has another. Raises UserError when the table cannot be read."""
    metadata = next((entries[name] for name in METADATA if name in entries), None)
    if metadata is None:
        return None
    rows = read_rows(metadata, ("lesion_id", "image_id", "dx"))
    if SOURCES in entries:
        archives = {row["image_id"]: row["dataset"] for row in read_rows(entries[SOURCES], ("image_id", "dataset"))}
        rows = [{**row, "dataset": row.get("dataset") or archives.get(row["image_id"], "")} for row in rows]
    return Table(HAM10000, rows, COLUMNS, needs_lesion=True)


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
    """True where `download` would need no network."""
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
