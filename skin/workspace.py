"""Where everything that is written goes."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
"""The folder that holds app.py; only what the project ships is read from it."""


@dataclass(frozen=True)
class Workspace:
    """Every path under one home folder. Nothing else is ever written."""

    home: Path

    @classmethod
    def locate(cls, home: Path | None = None, environ: Mapping[str, str] = os.environ) -> "Workspace":
        """The workspace of `--home`, else of SKIN_HOME, else of the project folder."""
        return cls(Path(home or environ.get("SKIN_HOME") or PROJECT).expanduser().resolve())

    @property
    def runs(self) -> Path:
        """Folder of the user's own runs."""
        return self.home / "checkpoints"

    @property
    def shipped_runs(self) -> Path:
        """Folder of the runs that came with the project."""
        return PROJECT / "checkpoints"

    @property
    def assets(self) -> Path:
        """Folder of the files that the project ships: pretrained weights and pictures."""
        return PROJECT / "assets"

    @property
    def cache(self) -> Path:
        """Folder of everything that can be made again."""
        return self.home / ".cache"

    @property
    def datasets(self) -> Path:
        """Cache folder of data sets that the project draws or downloads."""
        return self.cache / "datasets"

    @property
    def pixels(self) -> Path:
        """Cache folder of decoded images."""
        return self.cache / "pixels"

    @property
    def features(self) -> Path:
        """Cache folder of what frozen backbones made of the images."""
        return self.cache / "features"

    @property
    def uploads(self) -> Path:
        """Folder of what visitors upload, emptied after about an hour."""
        return self.cache / "uploads"
