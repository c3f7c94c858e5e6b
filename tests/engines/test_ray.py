"""What Ray alone does: addresses, nodes that are too small or blind, jobs that wait, clusters made for the occasion."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from waiting import wait_until

from skin.engines import ray_cluster
from skin.engines.engine import Job
from skin.engines.resources import Resources
from skin.errors import UserError
from skin.workspace import PROJECT

pytestmark = pytest.mark.slow

SLEEP = [sys.executable, "-c", "import os, time; print(os.getpid(), flush=True); time.sleep(600)"]


@pytest.mark.parametrize("scheme", ["", "ray://"])
def test_an_address_where_nobody_listens_is_a_sentence_within_ten_seconds(scheme: str, tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"{scheme}127.0.0.1:{free.getsockname()[1]}"
        started = time.monotonic()
        with pytest.raises(UserError, match=f"No Ray cluster answers at {address}: start one with `ray start --head`"):
            Job.submit("ray", SLEEP, tmp_path / "train.log", Resources(address=address))
        job = Job("ray", f"skin-0123456789ab {address}")
        assert job.is_alive(time.time())
        assert not job.is_alive(0.0)
        assert job.where == f"the Ray cluster {address}"
        assert time.monotonic() - started < 10


def test_what_listens_and_is_no_cluster_is_the_same_sentence_within_ten_seconds(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        started = time.monotonic()
        with pytest.raises(UserError, match="No Ray cluster answers at"):
            Job.submit("ray", SLEEP, tmp_path / "train.log", Resources(address=f"127.0.0.1:{mute.getsockname()[1]}"))
        assert time.monotonic() - started < 10


@pytest.mark.parametrize("address", ["nowhere", "no.such.host.invalid:6379", "127.0.0.1:port", "127.0.0.1:99999999"])
def test_what_is_no_address_is_a_sentence(address: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="No Ray cluster answers at"):
        Job.submit("ray", SLEEP, tmp_path / "train.log", Resources(address=address))


def test_a_job_larger_than_every_node_is_a_sentence(ray_address: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="No node of the Ray cluster has 3 CPUs: ask for fewer"):
        Job.submit("ray", SLEEP, tmp_path / "train.log", Resources(cpus=3, address=ray_address))
    with pytest.raises(UserError, match="has 1 CPUs and 1 GPUs: ask for fewer"):
        Job.submit("ray", SLEEP, tmp_path / "train.log", Resources(gpus=1, address=ray_address))


def test_a_job_that_waits_for_a_node_is_alive_and_is_forgotten_when_stopped(ray_address: str, tmp_path: Path) -> None:
    logs = [tmp_path / f"{number}.log" for number in range(3)]
    jobs = [Job.submit("ray", SLEEP, log, Resources(cpus=2, address=ray_address)) for log in logs]
    wait_until(lambda: sum(bool(log.read_text()) for log in logs) == 2)
    running = [job for job, log in zip(jobs, logs, strict=True) if log.read_text()]
    (waiting,) = set(jobs) - set(running)

    assert all(job.is_alive(0.0) for job in jobs)
    assert waiting.where == f"the Ray cluster {ray_address}"
    assert {job.where for job in running} == {
        f"node {ray_address.split(':', maxsplit=1)[0]} of the Ray cluster {ray_address}"
    }

    for job in (waiting, *running):
        job.stop()
        wait_until(lambda: not job.is_alive(time.time()))  # noqa: B023
    assert sum(bool(log.read_text()) for log in logs) == 2


def test_of_an_actor_that_died_with_its_process_ray_tells_why(ray_address: str, tmp_path: Path) -> None:
    log = tmp_path / "train.log"
    job = Job.submit("ray", SLEEP, log, Resources(cpus=1, address=ray_address))
    wait_until(lambda: log.read_text().endswith("\n"))
    assert job.is_alive(0.0)

    psutil.Process(int(log.read_text())).parent().kill()
    wait_until(lambda: not job.is_alive(0.0))

    reason = job.ending(log)
    assert reason.startswith("its worker process has died")
    assert len(reason) <= ray_cluster.REASON_WIDTH
    assert "\n" not in reason


@contextmanager
def blind_node(address: str, folder: Path) -> Iterator[None]:
    """A third node, with four CPUs, that sees an empty folder where the others see this one."""
    ray = Path(sys.executable).with_name("ray")
    node = f"mount -t tmpfs none {folder} && exec {ray} start --address={address} --num-cpus=4 --block"
    command = ["unshare", "--mount", "sh", "-c", node]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        time.sleep(1)
        if process.poll() is not None:
            pytest.skip("a node that sees other folders can be made by root alone")
        yield
    finally:
        started = psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
        process.terminate()
        process.wait()
        for child in started:
            if child.is_running():
                child.kill()


def test_a_node_that_does_not_see_the_folder_is_a_sentence(ray_address: str, tmp_path: Path) -> None:
    with blind_node(ray_address, tmp_path):

        def refusal() -> str:
            with pytest.raises(UserError) as error:
                Job.submit("ray", SLEEP, tmp_path / "train.log", Resources(cpus=4, address=ray_address))
            return str(error.value)

        wait_until(lambda: "No node" not in refusal())
        assert f"of the Ray cluster does not see {tmp_path}/train.log: use a --home" in refusal()


ON_A_CLUSTER_OF_ITS_OWN = """
import sys, time
from pathlib import Path
from skin.engines.engine import Job
from skin.engines.resources import Resources

if __name__ == "__main__":
    job = Job.submit("ray", sys.argv[2:], Path(sys.argv[1]), Resources(address="local"))
    print(job.is_alive(0.0), flush=True)
    time.sleep(600)
"""


def test_a_cluster_made_for_the_occasion_ends_with_the_process_that_made_it(tmp_path: Path) -> None:
    log, script = tmp_path / "train.log", tmp_path / "made.py"
    script.write_text(ON_A_CLUSTER_OF_ITS_OWN)
    environment = os.environ | {"PYTHONPATH": str(PROJECT)}
    with subprocess.Popen(
        [sys.executable, script, log, *SLEEP], stdout=subprocess.PIPE, text=True, env=environment
    ) as maker:
        assert maker.stdout
        assert maker.stdout.readline() == "True\n"
        wait_until(lambda: log.read_text().endswith("\n"))
        pid = int(log.read_text())
        assert psutil.pid_exists(pid)
        maker.send_signal(signal.SIGKILL)
    wait_until(lambda: not psutil.pid_exists(pid))


def test_without_ray_a_sentence_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UserError, match=r"The engine ray needs Ray: run `pip install 'ray\[client,data\]"):
        Job.submit("ray", SLEEP, tmp_path / "train.log", Resources(address="not asked"))
