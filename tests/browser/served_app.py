"""The app in a process of its own, as a user starts it."""

import signal
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from skin.workspace import PROJECT, Workspace


@dataclass
class App:
    """The app on a port of its own, with a home of its own."""

    home: Path
    port: int
    process: subprocess.Popen[bytes]

    @classmethod
    def start(cls, home: Path, *flags: str) -> "App":
        """An app that answers."""
        port = _free_port()
        app = cls(home, port, _launch(home, port, flags))
        app.wait_until_up()
        return app

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    @property
    def workspace(self) -> Workspace:
        return Workspace(self.home)

    def wait_until_up(self) -> None:
        """Return when the page answers."""
        deadline = time.monotonic() + 300
        while not self._answers():
            assert self.process.poll() is None, "the app ended"
            assert time.monotonic() < deadline, "the app does not answer"
            time.sleep(0.1)

    def kill(self) -> None:
        """End the process without a word (kill -9)."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def restart(self) -> None:
        """Start it again on the same port."""
        self.process = _launch(self.home, self.port, ())
        self.wait_until_up()

    def _answers(self) -> bool:
        with suppress(OSError), urllib.request.urlopen(self.url, timeout=5):
            return True
        return False


def _launch(home: Path, port: int, flags: tuple[str, ...]) -> subprocess.Popen[bytes]:
    command = [sys.executable, "app.py", "--home", str(home), "--port", str(port), *flags]
    return subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
