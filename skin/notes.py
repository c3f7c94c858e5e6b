"""Notes of a run's owner: a text and tags, in `notes.json` in the run folder."""

import dataclasses
import json
from dataclasses import dataclass

from skin.errors import UsageError, UserError
from skin.files import read_json, write_atomically
from skin.records import checked
from skin.run import Run, check_own
from skin.workspace import Workspace

MAX_NOTE, MAX_TAGS, MAX_TAG = 2000, 10, 30
"""Characters of a note, number of tags, characters of a tag."""


@dataclass(frozen=True)
class Notes:
    """A text, "" for none, and tags."""

    note: str = ""
    tags: tuple[str, ...] = ()


def load(run: Run) -> Notes:
    """The notes on the run. Raises UserError when the file is damaged."""
    if not run.notes_path.exists():
        return Notes()
    try:
        values = read_json(run.notes_path)
        notes = checked(Notes(values["note"], tuple(values["tags"])))
        _check_size(notes)
    except (ValueError, TypeError, KeyError, UsageError) as error:
        raise UserError(f"The notes on {run.name} are damaged: write them anew, or remove notes.json.") from error
    return notes


def save(workspace: Workspace, run: Run, notes: Notes) -> None:
    """Put `notes` in the place of what was noted about a run of the user's own.

    Raises UsageError when they are too long, UserError when the run came with the project or the disk refuses.
    """
    check_own(workspace, run)
    _check_size(notes)
    write_atomically(run.notes_path, json.dumps(dataclasses.asdict(notes), indent=1, ensure_ascii=False).encode())


def parse_tags(text: str) -> tuple[str, ...]:
    """The tags in a text that separates them by commas, each once and in order."""
    return tuple(dict.fromkeys(tag for part in text.split(",") if (tag := " ".join(part.split()))))


def _check_size(notes: Notes) -> None:
    if len(notes.note) > MAX_NOTE:
        raise UsageError(f"The note has more than {MAX_NOTE} characters: shorten it.")
    if len(notes.tags) > MAX_TAGS or any(len(tag) > MAX_TAG for tag in notes.tags):
        raise UsageError(f"A run has at most {MAX_TAGS} tags of {MAX_TAG} characters: use fewer or shorter ones.")
