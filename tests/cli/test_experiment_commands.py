"""The commands of experiments on real folders; what they train, tests/engines/test_experiments.py tells."""

import dataclasses
import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from made_up import finish
from typer.testing import CliRunner
from waiting import wait_until

from skin import jobs
from skin.cli.main import app
from skin.config import TrainConfig
from skin.data.dataset import Dataset
from skin.engines.resources import Resources
from skin.experiments import experiment as experiments
from skin.experiments import kinds
from skin.experiments.experiment import Experiment
from skin.experiments.plan import Design
from skin.experiments.results import Results
from skin.run import State
from skin.task import HAM10000
from skin.workspace import PROJECT, Workspace

RECIPE = TrainConfig.from_preset("demo")


def skin(workspace: Workspace, *words: str, answer: str = "") -> Any:
    return CliRunner().invoke(app, ["experiment", *words, "--home", str(workspace.home)], input=answer)


@pytest.fixture
def made(workspace: Workspace) -> Experiment:
    plan = kinds.plan("metadata", "trial", RECIPE, Design(folds=3))
    plan = dataclasses.replace(plan, resources=Resources(cpus=2))
    experiment = experiments.create(workspace, plan, HAM10000)
    experiment.all_runs[0].update_status(state=State.FINISHED)
    experiment.all_runs[1].update_status(state=State.FAILED, message="No space left.")
    return experiment


def test_the_list_of_runs_tells_of_those_of_experiments_and_lists_them_when_asked(
    workspace: Workspace, made: Experiment
) -> None:
    def listed(*words: str) -> list[str]:
        told = CliRunner().invoke(app, ["runs", *words, "--json", "--home", str(workspace.home)]).stdout
        return [row["name"] for row in json.loads(told)]

    assert listed() == ["ham10000-image", "ham10000-multimodal"]
    members = [run.name for run in made.all_runs]
    assert set(listed("--all")) >= {*listed(), *members}
    told = CliRunner().invoke(app, ["runs", "--home", str(workspace.home)]).stdout
    assert f"{len(listed('--all')) - 2} more are part of experiments: `python -m skin experiment list`" in told


def test_experiments_are_listed_with_how_far_they_are(workspace: Workspace, made: Experiment) -> None:
    own, *shipped = json.loads(skin(workspace, "list", "--json").stdout)
    assert own == {
        "name": "trial",
        "kind": "metadata",
        "state": "failed",
        "is_driven": False,
        "finished": 1,
        "runs": 6,
        "engine": "local",
    }
    assert {row["state"] for row in shipped} == {"finished"}
    header, row, *_ = skin(workspace, "list").stdout.splitlines()
    assert header.split() == ["name", "kind", "state", "finished", "runs", "engine"]
    assert row.split() == ["trial", "metadata", "failed", "1", "6", "local"]

    made.plan_path.write_text("{")
    assert skin(workspace, "list").stdout.splitlines()[1].split() == ["trial", "damaged"]


def test_show_tells_the_question_each_run_and_what_went_wrong(workspace: Workspace, made: Experiment) -> None:
    shown = skin(workspace, "show", "trial").stdout.splitlines()

    assert shown[0].startswith("trial: failed, 1 of 6 runs finished. Does what is known of the patient help?")
    assert shown[2].split() == ["trial-image-fold0", "image", "0", "42", "finished", "0"]
    assert "trial-image-fold1 is failed: No space left." in shown
    facts = json.loads(skin(workspace, "show", "trial", "--json").stdout)
    assert facts["recipe"] == dataclasses.asdict(made.plan.recipe)
    assert facts["resources"]["cpus"] == 2
    assert [member["name"] for member in facts["members"]] == [member.name for member in made.plan.members]
    assert facts["members"][0]["settings"] == {"model": "image"}


def test_show_tells_what_the_finished_runs_say_together(workspace: Workspace, made: Experiment, tmp_path: Path) -> None:
    finish(made, {"image": 0.6, "multimodal": 0.8})
    comparison = Results.of(made).outcome.comparisons[0]

    shown = skin(workspace, "show", "trial").stdout
    assert comparison.verdict in shown
    (row,) = (line for line in shown.splitlines() if line.startswith("Balanced accuracy"))
    assert f"{comparison.difference['balanced_accuracy'].value:.3f}" in row.split()
    assert (
        json.loads(skin(workspace, "show", "trial", "--json").stdout)["outcome"] == Results.of(made).outcome.to_dict()
    )
    assert skin(workspace, "show", "trial", "--html", str(tmp_path / "new" / "report.html")).exit_code == 0
    assert comparison.verdict in (tmp_path / "new" / "report.html").read_text()


def test_a_sweep_has_a_report_too(workspace: Workspace, tmp_path: Path) -> None:
    experiments.create(
        workspace, kinds.plan("sweep", "rates", RECIPE, Design(("image",), vary=("dropout=0.1,0.2",))), HAM10000
    )
    assert skin(workspace, "show", "rates", "--html", str(tmp_path / "report.html")).exit_code == 0
    assert "rates-trial1" in (tmp_path / "report.html").read_text()


def test_delete_asks_and_refuses_what_is_at_work(workspace: Workspace, made: Experiment) -> None:
    run = made.all_runs[2]
    jobs.claim(run)
    assert skin(workspace, "delete", "trial").stderr.strip() == "Error: trial is at work: stop it first."
    run.update_status(state=State.STOPPED)

    assert "trial is kept" in skin(workspace, "delete", "trial", answer="n\n").stdout
    assert made.folder.is_dir()
    assert "trial is deleted" in skin(workspace, "delete", "trial", answer="y\n").stdout
    assert not made.folder.exists()
    assert "trial" not in skin(workspace, "list").stdout


HEARING_CTRL_C = "import runpy, signal; signal.signal(signal.SIGINT, signal.default_int_handler); runpy.run_module('skin', run_name='__main__')"
"""The program, once it hears Ctrl-C again, which a shell takes from whatever it starts in the background."""


def test_ctrl_c_stops_the_runs_and_says_how_to_go_on(workspace: Workspace, made: Experiment) -> None:
    command = [sys.executable, "-c", HEARING_CTRL_C, "experiment", "resume", "trial", "--home", str(workspace.home)]
    with subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True) as process:
        wait_until(lambda: made.running)
        process.send_signal(signal.SIGINT)
        said, _ = process.communicate(timeout=180)

    assert process.returncode == 1
    assert said.endswith("`python -m skin experiment resume trial` goes on.\n")
    assert made.running == []
    assert made.driver is None
    assert made.status().state is State.STOPPED


def test_a_finished_experiment_is_not_resumed(workspace: Workspace, made: Experiment) -> None:
    for run in made.all_runs:
        run.update_status(state=State.FINISHED)
    assert "trial is finished" in skin(workspace, "resume", "trial").stderr


@pytest.mark.parametrize(
    ("words", "code", "problem"),
    [
        (["run", "hats"], 2, "There is no kind of experiment 'hats': use one of metadata, leak, sweep"),
        (["run", "metadata", "--folds", "2"], 2, "folds must be 0, or at least 3"),
        (["run", "metadata", "--seeds", "0"], 2, "at least one seed"),
        (["run", "metadata", "--folds", "60"], 1, "too few lesions to be in each of 60 folds"),
        (["run", "metadata", "--model", "image"], 2, "compares both models"),
        (["run", "metadata", "--set", "hat=1"], 2, "Unknown setting 'hat'"),
        (["run", "metadata", "--set", "backbone=hat"], 2, "Unknown backbone 'hat'"),
        (["run", "metadata", "--name", "../up"], 2, "cannot name an experiment"),
        (["run", "metadata", "--name", "trial"], 2, "An experiment named 'trial' exists already"),
        (["run", "metadata", "--dataset", "/no/such/folder"], 1, "neither a data set nor a folder"),
        (["run", "metadata", "--engine", "steam"], 2, "There is no engine 'steam': use one of local, ray, slurm"),
        (["run", "metadata", "--engine", "slurm"], 1, "Slurm's commands are not found here"),
        (["run", "metadata", "--engine", "ray", "--address", "127.0.0.1:9"], 1, "No Ray cluster answers"),
        (["run", "metadata", "--parallel", "0"], 2, "parallel"),
        (["run", "metadata", "--config", "/no/such/file"], 1, "/no/such/file holds no settings"),
        (["run", "sweep", "--model", "image"], 2, "A sweep needs a setting to vary"),
        (["run", "sweep", "--vary", "dropout=0..0.5"], 2, "A sweep trains one model"),
        (
            ["run", "sweep", "--vary", "dropout=0..0.5", "--folds", "5"],
            2,
            "sweep has no use for --folds: it takes --vary and --trials",
        ),
        (
            ["run", "metadata", "--vary", "dropout=0..0.5"],
            2,
            "metadata has no use for --vary: it takes --folds and --seeds",
        ),
        (["show", "hat"], 1, "There is no experiment 'hat'. Experiments: trial"),
        (["stop", "trial"], 1, "there is nothing to stop"),
        (["resume", "hat"], 1, "There is no experiment 'hat'"),
    ],
)
def test_bad_input_is_a_sentence_and_nothing_is_made(
    workspace: Workspace, demo: Dataset, made: Experiment, words: list[str], code: int, problem: str
) -> None:
    if words[0] == "run" and "--dataset" not in words:
        words = [*words, "--dataset", str(demo.images[0].path.parent.parent)]

    result = skin(workspace, *words)

    assert result.exit_code == code
    assert problem in " ".join(result.stderr.split())
    assert "Traceback" not in result.output
    assert [own for own in experiments.list_experiments(workspace) if not experiments.is_shipped(own)] == [made]


@pytest.mark.parametrize("content", ["", "{", "7", "[]", '"text"'])
def test_a_file_that_holds_no_settings_is_a_sentence(workspace: Workspace, tmp_path: Path, content: str) -> None:
    path = tmp_path / "best.json"
    path.write_text(content)
    result = CliRunner().invoke(app, ["train", "--config", str(path), "--home", str(workspace.home)])
    assert result.exit_code == 1
    assert f"{path} holds no settings" in " ".join(result.stderr.split())
