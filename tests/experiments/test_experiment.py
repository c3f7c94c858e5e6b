"""The folder of an experiment, sound and damaged."""

import dataclasses
import json
import os
import shutil
from pathlib import Path

import pytest

from skin import jobs
from skin import run as runs
from skin.config import MODELS, TrainConfig
from skin.engines import local
from skin.engines.engine import LOCAL, Job
from skin.engines.resources import Resources
from skin.errors import UsageError, UserError
from skin.experiments import experiment as experiments
from skin.experiments.experiment import Control, Experiment
from skin.experiments.kinds import plan
from skin.experiments.plan import Design
from skin.run import Run, State
from skin.task import HAM10000
from skin.workspace import Workspace

RECIPE = TrainConfig.from_preset("demo")
PLAN = dataclasses.replace(
    plan("metadata", "trial", RECIPE, Design(folds=3)), engine="ray", resources=Resources(cpus=2, hours=1.5)
)
NAMES = [f"trial-{model}-fold{fold}" for fold in range(3) for model in MODELS]


@pytest.fixture
def made(bare: Workspace) -> Experiment:
    return experiments.create(bare, PLAN, HAM10000)


def test_an_experiment_is_one_folder_with_its_plan_and_its_runs(bare: Workspace, made: Experiment) -> None:
    assert made.folder == bare.experiments / "trial"
    assert Experiment(made.folder).plan == PLAN
    assert [member.name for member in PLAN.members] == NAMES
    for member in PLAN.members:
        assert made.run(member).config == PLAN.config(member)
        assert made.run(member).task == HAM10000
        assert made.run(member).status().state is State.QUEUED
    assert not bare.runs.exists()


def test_its_runs_are_found_as_others_are(bare: Workspace, made: Experiment) -> None:
    other = Run.create(bare, "other", RECIPE)
    found = runs.get(bare, "trial-image-fold1")

    assert found.experiment == made.folder
    assert other.experiment is None
    assert runs.is_own(bare, found)
    assert {run.name for run in runs.list_runs(bare)} == {"other", *NAMES}
    jobs.claim(found)
    assert [run for run, _ in jobs.living_runs(bare)] == [found]
    with pytest.raises(UsageError, match="'trial-image-fold1' exists already"):
        Run.create(bare, "trial-image-fold1", RECIPE)


def test_a_run_of_it_is_neither_renamed_nor_deleted_alone(bare: Workspace, made: Experiment) -> None:
    found = runs.get(bare, NAMES[0])
    for change in (lambda: runs.delete(bare, found), lambda: runs.rename(bare, found, "other")):
        with pytest.raises(UserError, match="is part of the experiment trial: it is neither renamed, nor deleted"):
            change()
    assert found.folder.is_dir()
    assert made.run(PLAN.members[0]) == found


def test_experiments_are_listed_newest_first_then_the_shipped(bare: Workspace, made: Experiment) -> None:
    second = experiments.create(bare, plan("leak", "second", RECIPE, Design()), HAM10000)
    for name in ("trial", "gift"):
        shutil.copytree(made.folder, bare.shipped_experiments / name)
        (bare.shipped_experiments / name / "LICENSE").touch()
    gift = Experiment(bare.shipped_experiments / "gift")

    assert experiments.list_experiments(bare) == [second, made, gift]
    assert experiments.get(bare, "gift") == gift
    with pytest.raises(UserError, match=r"no experiment 'third'. Experiments: second, trial, gift"):
        experiments.get(bare, "third")
    with pytest.raises(UserError, match="came with the project"):
        experiments.delete(gift)
    assert not any(runs.is_own(bare, run) for run in gift.all_runs)
    assert all(runs.is_shipped(run) for run in gift.all_runs)


@pytest.mark.parametrize("name", ["", "..", "a/b", ".hidden", "x" * 81])
def test_what_is_no_folder_name_names_no_experiment(bare: Workspace, name: str) -> None:
    with pytest.raises(UsageError, match="cannot name an experiment"):
        experiments.create(bare, dataclasses.replace(PLAN, name=name), HAM10000)


def test_a_taken_name_is_a_sentence_and_nothing_is_made(bare: Workspace, made: Experiment) -> None:
    with pytest.raises(UsageError, match="An experiment named 'trial' exists already"):
        experiments.create(bare, PLAN, HAM10000)

    Run.create(bare, "second-multimodal-fold2", RECIPE)
    with pytest.raises(UsageError, match="'second-multimodal-fold2' exists already"):
        experiments.create(bare, plan("metadata", "second", RECIPE, Design(folds=3)), HAM10000)
    assert [path.name for path in bare.experiments.iterdir()] == ["trial"]
    assert experiments.free_name(bare, "trial") == "trial-2"
    assert experiments.list_experiments(bare) == [made]


def test_deleting_it_deletes_its_runs_unless_one_trains(bare: Workspace, made: Experiment) -> None:
    run = runs.get(bare, NAMES[2])
    jobs.claim(run)
    with pytest.raises(UserError, match="trial is at work: stop it first"):
        experiments.delete(made)

    run.update_status(state=State.STOPPED)
    (made.run(PLAN.members[0]).folder / "config.json").write_text("{")
    experiments.delete(made)

    assert experiments.list_experiments(bare) == []
    assert runs.list_runs(bare) == []


def test_its_state_is_told_by_its_runs(made: Experiment) -> None:
    states = [State.FINISHED, State.TRAINING, State.FINISHED, State.QUEUED, State.STOPPED, State.FAILED]
    for member, state in zip(PLAN.members, states, strict=True):
        job = Job.here() if state is State.TRAINING else None
        made.run(member).update_status(state=state, message="why", job=job)

    summary = made.status()

    assert summary.state is State.TRAINING
    assert not summary.is_driven
    assert [row.state for row in summary.members] == states
    assert summary.counts == {"finished": 2, "training": 1, "queued": 1, "stopped": 1, "failed": 1}
    assert summary.problems == [f"{NAMES[5]} is failed: why"]

    made.run(PLAN.members[1]).update_status(state=State.INTERRUPTED, retries=3)
    assert made.status().state is State.STOPPED
    assert made.status().problems[-1] == f"{NAMES[1]} died 3 times, and another job went on from its last epoch."
    made.write_control(Control(Job.here()))
    assert (made.status().state, made.status().is_driven) == (State.QUEUED, True)
    made.write_control(Control(Job(LOCAL, local.handle_of(os.getpid(), 1.0)), stop=True))
    assert (made.status().state, made.status().is_driven) == (State.STOPPED, False)
    for member in PLAN.members:
        made.run(member).update_status(state=State.FINISHED)
    assert made.status().state is State.FINISHED


@pytest.mark.parametrize("content", [b"", b"{", b"7", b"[]", b'{"stop": "x"}', b'{"driver": 7}'])
def test_a_damaged_control_is_nobodys(made: Experiment, content: bytes) -> None:
    made.control_path.write_bytes(content)
    assert made.control == Control()
    assert made.driver is None


def test_a_missing_and_a_damaged_run_are_sentences_and_the_others_stay_usable(
    bare: Workspace, made: Experiment
) -> None:
    missing, damaged, *rest = PLAN.members
    shutil.rmtree(made.run(missing).folder)
    (made.run(damaged).folder / "config.json").write_text("[]")
    for member in rest:
        made.run(member).update_status(state=State.FINISHED)

    summary = made.status()

    assert summary.counts == {"missing": 1, "damaged": 1, "finished": 4}
    assert summary.state is State.INTERRUPTED
    assert summary.problems[0] == f"{missing.name} is missing: its folder is gone; it has to be trained anew."
    assert "is no run configuration" in summary.problems[1]
    assert {run.name for run in runs.list_runs(bare)} == set(NAMES) - {missing.name}


def changed(path: Path, **changes: object) -> str:
    return json.dumps({**json.loads(path.read_text()), **changes})


@pytest.mark.parametrize(
    "changes",
    [
        {"version": 2},
        {"members": []},
        {"members": [{"name": "../../up", "variant": "image", "fold": 0, "seed": 1, "settings": {}}]},
        {"members": [{"name": "a", "variant": "image", "fold": 0, "seed": 1, "settings": {"hat": 1}}]},
        {"members": [{"name": "a", "variant": "image", "fold": 9, "seed": 1, "settings": {}}]},
        {"members": [{"name": "a", "variant": "image", "fold": "x", "seed": 1, "settings": {}}]},
        {"members": 7},
        {"recipe": {"seed": "x"}},
        {"recipe": None},
        {"resources": {"cpus": "many"}},
        {"kind": 7},
    ],
    ids=str,
)
def test_a_damaged_plan_is_a_sentence_and_its_runs_stay_usable(
    bare: Workspace, made: Experiment, changes: dict[str, object]
) -> None:
    made.plan_path.write_text(changed(made.plan_path, **changes))
    check_damaged(bare, Experiment(made.folder))


@pytest.mark.parametrize("content", [b"", b"{", b"7", b"null", b"[]", b"{}", b"\xff", b"[" * 100_000])
def test_what_is_no_plan_is_a_sentence_and_its_runs_stay_usable(
    bare: Workspace, made: Experiment, content: bytes
) -> None:
    made.plan_path.write_bytes(content)
    check_damaged(bare, Experiment(made.folder))
    made.plan_path.unlink()
    check_damaged(bare, Experiment(made.folder))


def check_damaged(bare: Workspace, damaged: Experiment) -> None:
    with pytest.raises(UserError, match=r"experiment\.json is no experiment \(.*restore it, or delete the experiment"):
        _ = damaged.plan
    assert experiments.list_experiments(bare) == [damaged]
    assert len(runs.list_runs(bare)) == len(NAMES)
    assert runs.get(bare, NAMES[0]).config == PLAN.config(PLAN.members[0])


def test_what_a_killed_process_was_making_is_no_experiment_and_is_swept(bare: Workspace, made: Experiment) -> None:
    half = bare.experiments / ".999999999.half" / "runs" / "half-image"
    half.mkdir(parents=True)

    assert experiments.list_experiments(bare) == [made]
    assert runs.find(bare, "half-image") is None
    runs.sweep(bare)
    assert [path.name for path in bare.experiments.iterdir()] == ["trial"]
