"""Uploads of visitors, read within bounds: files, and members of archives; and the folder that keeps them."""

import contextlib
import itertools
import os
import time
import zipfile
from collections.abc import Iterable, Iterator
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from skin.data.image_file import MAX_BYTES
from skin.errors import UserError
from skin.ui.gradio_internals import upload_folder

MAX_FILES = 500
"""Images of one batch."""

MAX_TOTAL_BYTES = 200_000_000
"""Size of all images of one batch, unpacked."""

MAX_RATIO = 100
"""The most times its packed size that a member of an archive may have; photographs hardly shrink at all."""

Sent = object
"""The value that the page or a client sends for a file: a record with its path, a path, or anything else by mistake."""


class Upload(NamedTuple):
    """A file in memory."""

    name: str
    content: bytes


def read(sent: Sent) -> Upload | None:
    """The file that was sent, None where none was.

    Raises UserError when it is no upload, has gone meanwhile or is too large.
    """
    if sent is None:
        return None
    path, name = _path(sent)
    try:
        with path.open("rb") as file:
            return Upload(name, _bounded(file.read(MAX_BYTES + 1), name))
    except OSError as error:
        raise UserError(f"{name} is not here any more, because uploads are deleted: upload it again.") from error


def _path(sent: Sent) -> tuple[Path, str]:
    """The path of an upload, which lies in the folder of uploads and nowhere else, and the name it had."""
    text = sent.get("path") if isinstance(sent, dict) else sent
    if not isinstance(text, str) or not text or "\0" in text:
        raise UserError("This is no uploaded file: upload an image first, then name what the upload returned.")
    path = Path(text).resolve()
    if not path.is_relative_to(upload_folder().resolve()):
        raise UserError("Only uploaded files are read: upload the image first, then name what the upload returned.")
    name = sent.get("orig_name") if isinstance(sent, dict) else None
    return path, str(name or path.name)


def _bounded(content: bytes, name: str) -> bytes:
    if len(content) > MAX_BYTES:
        raise UserError(f"{name} has more than {MAX_BYTES // 10**6} MB: save it smaller.")
    return content


def read_all(sent: object) -> list[Upload]:
    """The files of a list that was sent and, in the place of a ZIP, its members; nothing is unpacked to the disk.

    Raises UserError as `read` does, when an archive is damaged, encrypted or a bomb, and when there is too much.
    """
    if sent is None:
        return []
    if not isinstance(sent, list):
        raise UserError("Several files are expected: send a list of uploads, even of one.")
    files: list[Upload] = []
    total = 0
    for file in itertools.chain.from_iterable(_unpacked(read(item)) for item in sent):
        files.append(file)
        total += len(file.content)
        if len(files) > MAX_FILES or total > MAX_TOTAL_BYTES:
            raise UserError(
                f"A batch holds at most {MAX_FILES} images of {MAX_TOTAL_BYTES // 10**6} MB in all: "
                "send them in several batches."
            )
    return files


def _unpacked(upload: Upload | None) -> Iterable[Upload]:
    if upload is None:
        return ()
    return _members(upload) if _is_zip(upload) else (upload,)


def _is_zip(upload: Upload) -> bool:
    return upload.content.startswith(b"PK") and zipfile.is_zipfile(BytesIO(upload.content))


def _members(upload: Upload) -> Iterator[Upload]:
    try:
        with zipfile.ZipFile(BytesIO(upload.content)) as archive:
            for member in archive.infolist():
                if _counts(member):
                    _check(member)
                    with archive.open(member) as file:
                        yield Upload(member.filename, _bounded(file.read(MAX_BYTES + 1), member.filename))
    except UserError:
        raise
    except Exception as error:  # on damaged archives zipfile and its decompressors raise nearly anything
        raise UserError(f"{upload.name} is encrypted or damaged: pack it again, without a password.") from error


def _counts(member: zipfile.ZipInfo) -> bool:
    """True for a file that its owner put there, false for a folder and what a file manager left behind."""
    path = PurePosixPath(member.filename)
    return not (member.is_dir() or path.name.startswith(".") or "__MACOSX" in path.parts)


def _check(member: zipfile.ZipInfo) -> None:
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):  # others may claim gigabytes
        raise UserError("The archive is packed in an uncommon way: pack it as an ordinary ZIP.")
    if member.file_size > MAX_RATIO * max(member.compress_size, 1):
        raise UserError(
            f"{member.filename[:80]} would unpack to more than {MAX_RATIO} times its packed size, "
            "which no photograph does: send it unpacked."
        )


def size_of(folder: Path) -> int:
    """Bytes of all that is in the folder."""
    total = 0
    for path in _inside(folder):
        with contextlib.suppress(OSError):  # of what was deleted meanwhile
            total += path.lstat().st_size
    return total


def delete_older(folder: Path, seconds: float) -> None:
    """Delete the files in the folder that are older, and folders in it that have been empty for as long."""
    for path in _inside(folder):
        with contextlib.suppress(OSError):  # of a folder that is not empty, and of what was deleted meanwhile
            if path.lstat().st_mtime < time.time() - seconds:
                (path.unlink if path.is_symlink() or not path.is_dir() else path.rmdir)()


def _inside(folder: Path) -> Iterator[Path]:
    """Everything in the folder, what is deepest first; links are not followed."""
    for place, folders, files in os.walk(folder, topdown=False):
        yield from (Path(place, name) for name in (*files, *folders))
