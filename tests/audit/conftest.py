"""A run that is audited and may be changed."""

import shutil
from collections.abc import Iterator

import pytest

from skin.run import Run
from skin.workspace import Workspace


@pytest.fixture
def own_audited(audited: Run, shared_workspace: Workspace) -> Iterator[Run]:
    """A copy of the audited run that a test may change, found by its name."""
    run = Run(shared_workspace.runs / "own-audited")
    shutil.rmtree(run.folder, ignore_errors=True)
    shutil.copytree(audited.folder, run.folder)
    yield run
    shutil.rmtree(run.folder)
