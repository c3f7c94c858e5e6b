"""What holds for every row of ENGINES, tried with a real training."""

import dataclasses
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from joblib import cpu_count
from typer.testing import CliRunner
from waiting import wait_until

from skin import jobs
from skin.cli.main import app
from skin.config import TrainConfig
from skin.data.dataset import Dataset
from skin.engines.engine import ENGINES, LOCAL, Job, settled
from skin.engines.resources import Resources
from skin.errors import UsageError, UserError
from skin.run import Run, State
from skin.workspace import PROJECT, Workspace

For = Callable[[str], Resources]


def processes_of(run: Run) -> list[psutil.Process]:
    """The processes of this machine whose command names the run, whichever engine started them."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        words = process.info["cmdline"] or []
        if run.name in words and {str(folder) for folder in run.folder.parents} & set(words):
            found.append(process)
    return found


@pytest.mark.slow
@pytest.mark.parametrize("engine", ENGINES)
def test_a_training_is_seen_alive_is_stopped_killed_and_resumed(
    workspace: Workspace, demo: Dataset, engine: str, resources_for: For
) -> None:
    resources = resources_for(engine)
    endless = {"stage1_epochs": 1000, "stage1_patience": 0, "stage2_epochs": 0}
    config = TrainConfig.from_preset("demo", dataset=str(demo.images[0].path.parent.parent), image_size=32, **endless)

    (run,) = jobs.start(workspace, {"tried": config}, engine, resources)
    assert run.status().engine == engine
    assert run.status().is_running
    wait_until(lambda: len(run.history()) >= 3)
    submitted = run.status().job
    for process in processes_of(run):
        process.kill()
    wait_until(lambda: run.status().state is State.INTERRUPTED)
    done = len(run.history())

    jobs.resume(workspace, run)
    wait_until(lambda: len(run.history()) > done)
    assert run.status().engine == engine
    assert run.status().job != submitted
    assert run.status().job.resources == resources
    assert run.status().is_running
    with pytest.raises(UserError, match=r"tried is \w+ already"):
        jobs.claim(run)

    stopped = CliRunner().invoke(app, ["stop", run.name, "--home", str(workspace.home)])
    assert stopped.exit_code == 0, stopped.stderr
    wait_until(lambda: run.status().state is State.STOPPED)
    wait_until(lambda: not run.status().is_alive)
    assert [epoch.epoch for epoch in run.history()] == list(range(1, len(run.history()) + 1))
    assert "Stopped after epoch" in run.log_tail()[-1]


SLEEP = [sys.executable, "-c", "import time; print('asleep', flush=True); time.sleep(600)"]
KILLED = "killed by SIGKILL, as when memory runs out"


@pytest.mark.parametrize("engine", [LOCAL, "ray"])
def test_of_a_process_that_was_killed_everybody_is_told_how_it_ended(
    bare: Workspace, engine: str, resources_for: For
) -> None:
    run = Run.create(bare, "tried", TrainConfig.from_preset("demo"))
    job = Job.submit(engine, [*SLEEP, run.name, str(run.folder.parent)], run.log_path, resources_for(engine))
    jobs.claim(run, job)
    wait_until(lambda: "asleep" in run.log_path.read_text())
    (process,) = processes_of(run)
    process.kill()
    wait_until(lambda: not run.status().is_alive)

    sentence = f"The training process ended unexpectedly: {KILLED}."
    assert (run.status().message, run.status().ending) == (sentence, KILLED)
    listed = subprocess.run(
        [sys.executable, "-m", "skin", "runs", "--home", bare.home],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert f"tried is interrupted: {sentence}" in listed.stdout.splitlines()


@pytest.mark.parametrize(
    ("engine", "code", "told"),
    [
        (LOCAL, 0, ""),
        (LOCAL, 3, "exit code 3, see the end of its log"),
        ("ray", 3, "exit code 3, see the end of its log"),
    ],
)
def test_an_exit_code_is_told_unless_the_process_ended_well(
    engine: str, code: int, told: str, resources_for: For, tmp_path: Path
) -> None:
    log = tmp_path / "train.log"
    job = Job.submit(engine, [sys.executable, "-c", f"raise SystemExit({code})"], log, resources_for(engine))

    wait_until(lambda: not job.is_alive(0.0))
    assert job.ending(log) == told


ASK = """
import sys, time
from collections.abc import Callable
from pathlib import Path
from skin.engines.engine import Job

job = Job(*sys.argv[1:])
print(job.is_alive(0.0), job.where, sep="\\n")
"""


@pytest.mark.parametrize("engine", ENGINES)
def test_a_job_is_found_by_its_handle_from_another_process_and_stopped_once(
    engine: str, resources_for: For, tmp_path: Path
) -> None:
    log = tmp_path / "train.log"
    job = Job.submit(engine, SLEEP, log, resources_for(engine))
    wait_until(lambda: "asleep" in log.read_text())

    asked = subprocess.run(
        [sys.executable, "-c", ASK, job.engine, job.handle], cwd=PROJECT, capture_output=True, text=True, check=True
    )
    assert asked.stdout.splitlines() == ["True", job.where]
    assert Job.here(job) != job

    job.stop()
    wait_until(lambda: not job.is_alive(time.time()))
    job.stop()


PRINT_THREADS = [
    sys.executable,
    "-c",
    "from skin.engines.resources import allowed_threads; import os\n"
    "print(allowed_threads(), os.environ['KERAS_BACKEND'], os.getcwd())",
]


@pytest.mark.parametrize("engine", ENGINES)
def test_a_job_computes_with_as_many_threads_as_it_was_given_cpus_and_on_the_backend_of_who_asks(
    engine: str, resources_for: For, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    log = tmp_path / "a folder" / "train.log"
    log.parent.mkdir()

    job = Job.submit(engine, PRINT_THREADS, log, dataclasses.replace(resources_for(engine), cpus=2))

    wait_until(lambda: log.read_text().endswith("\n"))
    assert log.read_text() == f"2 jax {PROJECT}\n"
    wait_until(lambda: not job.is_alive(0.0))


@pytest.mark.parametrize("engine", ENGINES)
def test_what_cannot_be_started_is_a_sentence(engine: str, tmp_path: Path, resources_for: For) -> None:
    with pytest.raises(UserError, match="could not be written"):
        Job.submit(engine, ["true"], tmp_path / "no such folder" / "train.log", resources_for(engine))


@pytest.mark.parametrize(
    ("engine", "ticket", "handle"),
    [("ray", "skin-0123456789ab", "skin-0123456789ab 127.0.0.1:1"), ("slurm", "0123", "slurm 0123 7")],
)
def test_a_job_knows_that_it_is_alive_and_asks_nobody(
    engine: str, ticket: str, handle: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = Job(engine, handle)
    assert not job.is_alive(0.0)
    monkeypatch.setenv("SKIN_JOB", ticket)
    assert job.is_alive(0.0)


@pytest.mark.parametrize("engine", [*ENGINES, "of tomorrow"])
@pytest.mark.parametrize("handle", ["", "x", "1", "-7 1.0 x", "99999999999999999999 nan x", "\x00 \n ", "1 2 3 4"])
def test_a_damaged_handle_is_a_job_that_ended(engine: str, handle: str) -> None:
    job = Job(engine, handle)

    assert not job.is_alive(0.0)
    assert Job.here(job) != job
    assert job.ending(Path("no such folder") / "train.log") == ""
    assert job.queue != Job.here().queue
    assert isinstance(job.where, str)


def test_an_engine_that_is_not_known_says_so(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no engine 'of tomorrow': use one of local, ray, slurm"):
        Job.submit("of tomorrow", ["true"], tmp_path / "train.log")
    with pytest.raises(UserError, match="no engine 'of tomorrow' here: stop the run where it was started"):
        Job("of tomorrow", "7").stop()


@pytest.mark.parametrize("engine", ENGINES)
def test_resources_are_settled_with_the_cpus_that_a_job_gets(engine: str, resources_for: For) -> None:
    """So that a run which goes on elsewhere computes with as many threads."""
    asked = resources_for(engine)
    usual = cpu_count() // 2 if engine == LOCAL else 1
    assert settled(engine, dataclasses.replace(asked, cpus=0, parallel=2)).cpus == max(1, usual)
    assert settled(engine, dataclasses.replace(asked, cpus=3)) == dataclasses.replace(asked, cpus=3)


def test_an_engine_that_is_not_there_is_a_sentence_before_anything_is_made() -> None:
    with pytest.raises(UsageError, match="no engine 'steam': use one of local, ray, slurm"):
        settled("steam", Resources())
    with pytest.raises(UserError, match=r"No Ray cluster answers at 127\.0\.0\.1:9"):
        settled("ray", Resources(address="127.0.0.1:9"))
    with pytest.raises(UserError, match="Slurm's commands are not found here"):
        settled("slurm", Resources())
