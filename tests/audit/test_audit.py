"""The steps of an audit: each kept in a file of its own, computed once, and told missing where that cannot be read."""

import dataclasses
import json

import numpy as np
import pytest
from typer.testing import CliRunner

from skin.audit.audit import AUDITS, gap, load_step, missing_steps, run_audit
from skin.audit.embeddings import embed
from skin.audit.inputs import AuditInput
from skin.cli.main import app
from skin.data.dataset import Dataset
from skin.data.splits import Split
from skin.errors import UserError
from skin.evaluation.predictions import load_predictions, save_predictions
from skin.records import to_plain
from skin.run import Run
from skin.workspace import Workspace

pytestmark = pytest.mark.slow

FILES = [file for name, step in AUDITS.items() for file in (f"{name}.json", *step.arrays)]


def step_of(file: str) -> str:
    """The step that writes this file."""
    return next(name for name, step in AUDITS.items() if file in (f"{name}.json", *step.arrays))


def times(run: Run) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in run.audit_folder.iterdir()}


@pytest.mark.parametrize("name", AUDITS)
def test_a_step_keeps_its_record_and_says_it_in_sentences(audited: Run, name: str) -> None:
    record = load_step(audited, name)
    assert isinstance(record, AUDITS[name].record)
    assert json.loads((audited.audit_folder / f"{name}.json").read_text())["record"] == to_plain(record)
    assert record.sentences()
    assert all(sentence.endswith(".") for sentence in record.sentences())


def test_a_whole_audit_has_no_gap(audited: Run, trained_run: Run) -> None:
    assert (missing_steps(audited), gap(audited)) == ([], "")
    assert set(times(audited)) == set(FILES)
    assert missing_steps(trained_run) == list(AUDITS)
    assert f"`python -m skin audit {trained_run.name}`" in gap(trained_run)


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("damage", [b"", b"{}", b"[1, 2", None], ids=["empty", "nothing", "half", "gone"])
def test_a_damaged_step_alone_is_computed_again(
    own_audited: Run, demo: Dataset, shared_workspace: Workspace, file: str, damage: bytes | None
) -> None:
    before, path = times(own_audited), own_audited.audit_folder / file
    path.unlink() if damage is None else path.write_bytes(damage)
    assert missing_steps(own_audited) == [step_of(file)]
    if damage is not None or file != f"{step_of(file)}.json":
        return  # one repair of each step is enough
    run_audit(own_audited, demo, shared_workspace)
    changed = {name for name, time in times(own_audited).items() if time != before[name]}
    assert changed == {f"{step_of(file)}.json", *AUDITS[step_of(file)].arrays}
    assert missing_steps(own_audited) == []


def test_an_audit_of_other_predictions_is_none(own_audited: Run) -> None:
    parts = load_predictions(own_audited.predictions_path)
    turned = dataclasses.replace(parts["test"], probabilities=parts["test"].probabilities[:, ::-1])
    save_predictions(own_audited.predictions_path, {**parts, "test": turned})
    assert missing_steps(own_audited) == list(AUDITS)


def test_the_embeddings_are_those_of_the_pictures(audited: Run, demo: Dataset, shared_workspace: Workspace) -> None:
    inputs = AuditInput.load(audited, demo, shared_workspace)
    rows = inputs.rows["test"][:5]
    np.testing.assert_allclose(
        inputs.embeddings("test")[:5], embed(inputs.predictor, inputs.pixels[rows]), atol=1e-5, rtol=1e-5
    )
    assert [image.image_id for image in inputs.images("test")] == list(Split.load(audited.split_path).test)


def test_a_data_set_without_the_images_is_refused(audited: Run, demo: Dataset, shared_workspace: Workspace) -> None:
    fewer = dataclasses.replace(demo, images=demo.images[5:])
    with pytest.raises(UserError, match=r"lacks 5 of the images of audited .*--dataset"):
        AuditInput.load(audited, fewer, shared_workspace)


def test_the_command_audits_and_tells_what_it_found(own_audited: Run, shared_workspace: Workspace) -> None:
    words = ["audit", own_audited.name, "--home", str(shared_workspace.home)]
    told = CliRunner().invoke(app, words)
    assert told.exit_code == 0, told.stderr
    assert all(step.title in told.stdout for step in AUDITS.values())
    facts = json.loads(CliRunner().invoke(app, [*words, "--json"]).stdout)
    assert facts["run"] == own_audited.name
    assert list(facts["steps"]) == list(AUDITS)


def test_a_step_that_cannot_be_written_is_said(own_audited: Run, demo: Dataset, shared_workspace: Workspace) -> None:
    for path in own_audited.audit_folder.iterdir():
        path.unlink()
    own_audited.audit_folder.rmdir()
    own_audited.audit_folder.write_text("a file in the place of the folder")
    with pytest.raises(UserError, match="could not be written"):
        run_audit(own_audited, demo, shared_workspace)
    own_audited.audit_folder.unlink()
