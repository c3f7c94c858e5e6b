"""The folders that everything is written to."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from skin.errors import UserError

PROJECT = Path(__file__).resolve().parent.parent
"""The folder that holds the package: the checkout with app.py, or where pip installed it. Only read from."""

_PACKAGED = Path(__file__).resolve().with_name("_shipped")
"""Inside a wheel, what lies at the top of a checkout; see `pyproject.toml`."""


@dataclass(frozen=True)
class Workspace:
    """Every path under one home folder. Nothing else is ever written."""

    home: Path

    @classmethod
    def locate(cls, home: Path | None = None, environ: Mapping[str, str] = os.environ) -> "Workspace":
        """The workspace of `--home`, else of SKIN_HOME, else of the checkout or, installed, of the user's data folder."""
        return cls(Path(home or environ.get("SKIN_HOME") or _default_home()).expanduser().resolve())

    @property
    def runs(self) -> Path:
        """Folder of the user's own runs."""
        return self.home / "checkpoints"

    @property
    def shipped_runs(self) -> Path:
        """Folder of the runs that came with the project."""
        return _shipped("checkpoints")

    @property
    def experiments(self) -> Path:
        """Folder of the user's own experiments, each with its runs inside."""
        return self.home / "experiments"

    @property
    def shipped_experiments(self) -> Path:
        """Folder of the experiments that came with the project."""
        return _shipped("experiments")

    @property
    def assets(self) -> Path:
        """Folder of the files that the project ships, see `assets`."""
        return assets()

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


def assets() -> Path:
    """Folder of the style sheets, the logo and the pretrained weights.

    Raises UserError where the package was installed without them.
    """
    folder = _shipped("assets")
    if not (folder / "logo.svg").is_file():
        raise UserError(
            "This copy of Skin Lesion Lab came without its assets (style sheets, pretrained weights): install it again "
            "with `pip install .` in a checkout, or from a wheel that was built there."
        )
    return folder


def legal_texts() -> dict[str, str]:
    """The licence of the code, and the notice on what came from others, by the names of their files."""
    return {name: _shipped(name).read_text(encoding="utf-8") for name in ("LICENSE", "NOTICE")}


def _shipped(kind: str) -> Path:
    return (_PACKAGED if _PACKAGED.is_dir() else PROJECT) / kind


def _default_home() -> Path:
    if (PROJECT / "app.py").is_file() and not _PACKAGED.is_dir():
        return PROJECT
    from platformdirs import user_data_path  # only an installed copy needs it

    return user_data_path("skin-lesion-lab", appauthor=False)
