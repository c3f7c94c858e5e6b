"""What Slurm alone does. Slurm's commands, which are not here, have stand-ins that print what Slurm prints."""

import sys
import time
from pathlib import Path

import pytest
from waiting import wait_until

from skin.engines.engine import Job
from skin.engines.resources import Resources
from skin.engines.slurm import Slurm
from skin.errors import UserError

COMMAND = [sys.executable, "-c", "print('trained')"]

SBATCH = '#!/bin/sh\ncp "$1" "$SLURM_KEPT/sent"\necho "Submitted batch job 4711"\n'
SACCT = '#!/bin/sh\ncat "$SLURM_KEPT/accounting"\n'
SCANCEL = '#!/bin/sh\necho "$@" > "$SLURM_KEPT/cancelled"\n'
REFUSAL = '#!/bin/sh\necho "sbatch: error: invalid partition specified: fast" >&2\nexit 1\n'


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with stand-ins for Slurm's commands, and what they were given."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name, text in {"sbatch": SBATCH, "sacct": SACCT, "scancel": SCANCEL, "srun": "#!/bin/sh\n"}.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    monkeypatch.setenv("SLURM_KEPT", str(folder))
    monkeypatch.setenv("PATH", str(folder), prepend=":")
    return folder


def account(cluster: Path, state: str, node: str = "") -> None:
    (cluster / "accounting").write_text(f"JobID|State|NodeList\n4711|{state}|{node}\n4711.batch|{state}|{node}\n")


def test_a_job_is_sent_with_what_it_asks_for(cluster: Path, tmp_path: Path) -> None:
    wanted = Resources(cpus=4, gpus=1, partition="fast", hours=1.5)

    handle = Slurm().submit(COMMAND, tmp_path / "train.log", wanted)

    assert handle.split()[::2] == ["slurm", "4711"]
    sent = (cluster / "sent").read_text()
    for option in ("--cpus-per-task=4", "--gpus-per-node=1", "--partition=fast", "--time=90"):
        assert f"#SBATCH {option}\n" in sent


@pytest.mark.parametrize("address", ["", "local"])
def test_nothing_is_pickled_for_the_job_to_load(cluster: Path, tmp_path: Path, address: str) -> None:
    log = tmp_path / "train.log"
    handle = Slurm().submit(COMMAND, log, Resources(address=address))

    if address:
        wait_until(lambda: not Slurm().is_alive(handle, 0.0))
        assert log.read_text() == "trained\n"
    else:
        assert "sh -c" in (cluster / "sent").read_text()
    assert list(tmp_path.rglob("*.pkl")) == []


@pytest.mark.parametrize(
    ("state", "alive", "where", "ending"),
    [
        ("PENDING", True, "job 4711 of Slurm", None),
        ("RUNNING", True, "job 4711 of Slurm on gpu07", None),
        ("NODE_FAIL", False, "job 4711 of Slurm", "its node failed"),
        ("TIMEOUT", False, "job 4711 of Slurm", "Slurm's time limit was reached, more is asked for by --hours"),
        ("OUT_OF_MEMORY", False, "job 4711 of Slurm", "out of the memory that Slurm gave it"),
        ("CANCELLED by 0", False, "job 4711 of Slurm", "it was cancelled in Slurm"),
        ("FAILED", False, "job 4711 of Slurm", "Slurm says FAILED"),
    ],
)
def test_slurm_tells_what_becomes_of_a_job(
    cluster: Path, tmp_path: Path, state: str, alive: bool, where: str, ending: str | None
) -> None:
    engine = Slurm()
    handle = engine.submit(COMMAND, tmp_path / "train.log", Resources())
    account(cluster, state, "gpu07")

    assert engine.is_alive(handle, 0.0) == alive
    assert engine.where(handle) == where
    assert alive or engine.ending(handle, tmp_path / "train.log") == ending
    engine.stop(handle)
    assert (cluster / "cancelled").read_text() == "4711\n"


def test_a_job_that_accounting_does_not_know_yet_lives_by_its_heartbeat(cluster: Path, tmp_path: Path) -> None:
    engine = Slurm()
    handle = engine.submit(COMMAND, tmp_path / "train.log", Resources())
    (cluster / "accounting").write_text("JobID|State|NodeList\n")

    assert engine.is_alive(handle, time.time())
    assert not engine.is_alive(handle, 0.0)
    assert engine.ending(handle, tmp_path / "train.log") == ""


def test_what_slurm_refuses_is_said_in_its_words(cluster: Path, tmp_path: Path) -> None:
    (cluster / "sbatch").write_text(REFUSAL)
    with pytest.raises(UserError, match=r"Slurm refused the job: .*invalid partition specified: fast"):
        Slurm().submit(COMMAND, tmp_path / "train.log", Resources(partition="fast"))


def test_without_slurm_or_submitit_a_sentence_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="Slurm's commands are not found here: run this on a machine from which"):
        Job.submit("slurm", COMMAND, tmp_path / "train.log", Resources())
    with pytest.raises(UserError, match="job 4711 of Slurm: stop it on a machine with Slurm's commands"):
        Job("slurm", "slurm ticket 4711").stop()
    assert Job("slurm", "slurm ticket 4711").is_alive(time.time())

    monkeypatch.setitem(sys.modules, "submitit", None)
    with pytest.raises(UserError, match="The engine slurm needs submitit: run `pip install 'submitit"):
        Job.submit("slurm", COMMAND, tmp_path / "train.log", Resources())
