import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from joblib import cpu_count
from waiting import wait_until

from skin.engines import local
from skin.engines.heartbeat import SILENT_SECONDS
from skin.engines.local import Local
from skin.engines.resources import Resources, thread_variables
from skin.errors import UserError
from skin.models.onnx import open_session
from skin.workspace import PROJECT

SLEEP = [sys.executable, "-c", "print('asleep', flush=True); import time; time.sleep(600)"]
ELSEWHERE = f"{os.getpid()} {psutil.Process().create_time()} another-machine"


def test_a_process_outlives_its_session_writes_its_log_and_leaves_no_zombie(tmp_path: Path) -> None:
    engine, log = Local(), tmp_path / "train.log"
    log.write_text("before\n")

    handle = engine.submit(SLEEP, log, Resources())

    process = local.process_of(handle)
    assert process is not None
    assert os.getsid(process.pid) == process.pid
    assert engine.is_alive(handle, 0.0)
    wait_until(lambda: log.read_text() == "before\nasleep\n")
    engine.stop(handle)
    assert not engine.is_alive(handle, time.time())
    wait_until(lambda: not psutil.pid_exists(process.pid))


def test_a_zombie_and_a_recycled_pid_are_no_living_process() -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    handle = local.handle_of(process.pid)
    wait_until(lambda: psutil.Process(process.pid).status() == psutil.STATUS_ZOMBIE)
    assert not Local().is_alive(handle, time.time())
    process.wait()

    recycled = local.handle_of(os.getpid(), 1.0)
    assert not Local().is_alive(recycled, time.time())
    assert not Local().is_here(recycled)


def test_this_process_is_here_whatever_second_it_is_said_to_have_begun() -> None:
    """The system derives start times from a boot time in whole seconds."""
    for seconds in (-1, 0, 1):
        assert Local().is_here(local.handle_of(os.getpid(), psutil.Process().create_time() + seconds))


def test_of_another_machine_the_heartbeat_tells_and_its_pid_is_not_taken_for_one_of_here() -> None:
    engine = Local()

    assert engine.is_alive(ELSEWHERE, time.time())
    assert not engine.is_alive(ELSEWHERE, time.time() - 2 * SILENT_SECONDS)
    assert not engine.is_here(ELSEWHERE)
    assert local.process_of(ELSEWHERE) is None
    assert engine.queue(ELSEWHERE) != engine.queue(local.this_process()) == socket.gethostname()
    with pytest.raises(UserError, match=f"runs in process {os.getpid()} of another-machine: stop it there"):
        engine.stop(ELSEWHERE)


PRINT_THREADS = """
import os
from skin.engines.resources import allowed_threads
print(allowed_threads(), os.environ.get("TF_NUM_INTRAOP_THREADS"))
"""


def test_processes_that_train_at_once_divide_the_threads_among_them_and_one_alone_has_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in thread_variables(1):  # what the tests are given
        monkeypatch.delenv(variable, raising=False)
    cores = cpu_count()
    said = {
        Resources(): "0 None",
        Resources(parallel=cores): "1 1",
        Resources(parallel=10 * cores): "1 1",
        Resources(cpus=3, parallel=2): "3 3",
    }
    for number, (resources, expected) in enumerate(said.items()):
        log = tmp_path / f"{number}.log"
        Local().submit([sys.executable, "-c", PRINT_THREADS], log, resources)
        wait_until(lambda: log.read_text().endswith("\n"))  # noqa: B023
        assert log.read_text() == f"{expected}\n"


def test_a_session_of_onnx_runtime_has_the_threads_that_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    (path, *_) = (PROJECT / "checkpoints").rglob("model.onnx")
    for threads in (1, 4):
        monkeypatch.setenv("OMP_NUM_THREADS", str(threads))
        assert open_session(path).get_session_options().intra_op_num_threads == threads
    monkeypatch.delenv("OMP_NUM_THREADS")
    assert open_session(path).get_session_options().intra_op_num_threads == 0
