"""A workspace that no shipped run gets into."""

from pathlib import Path

from skin.workspace import Workspace


class Bare(Workspace):
    """A workspace of a project that ships neither runs nor experiments."""

    @property
    def shipped_runs(self) -> Path:
        return self.home / "shipped" / "checkpoints"

    @property
    def shipped_experiments(self) -> Path:
        return self.home / "shipped" / "experiments"
