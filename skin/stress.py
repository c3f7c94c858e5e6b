"""The app under load: a real process, asked over HTTP by visitors, by crowds, and by pictures made to exhaust it."""

from __future__ import annotations

import contextlib
import itertools
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import uuid
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import httpx
import numpy as np
import psutil
from PIL import Image

from skin.data.synthetic.dataset import draw_lesion
from skin.workspace import PROJECT, Workspace


@dataclass(frozen=True)
class Load:
    """The load that is put on the app."""

    predictions: int = 5_000
    sessions: int = 2_000
    others: int = 100
    hostile: int = 8
    questions: int = 40


# Pictures that cost much


def progressive(side: int, claimed: int | None = None, empty_scans: int = 0) -> bytes:
    """A progressive JPEG whose last scan is repeated, and whose header may claim another side."""
    content = _encoded(Image.new("RGB", (side, side), "red"), "JPEG", progressive=True, subsampling=0)
    frame, scan = content.index(b"\xff\xc2"), content.rindex(b"\xff\xda")
    size = struct.pack(">HH", claimed or side, claimed or side)
    return content[: frame + 5] + size + content[frame + 9 : -2] + content[scan:-2] * empty_scans + b"\xff\xd9"


def png(width: int, height: int, channels: int = 4) -> bytes:
    """A black PNG of 3 or 4 channels, made without holding it."""
    packer, row = zlib.compressobj(1), bytes(1 + width * channels)
    rows = b"".join(packer.compress(row) for _ in range(height)) + packer.flush()
    head = struct.pack(">IIBBBBB", width, height, 8, 6 if channels == 4 else 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", head) + _chunk(b"IDAT", rows) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def overlapping_tags(count: int = 5_000, size: int = 200_000) -> bytes:
    """A TIFF of 64×64 pixels with tags that all name the same bytes, which a reader copies for each."""
    facts = {256: 64, 257: 64, 258: 8, 259: 1, 262: 1, 277: 1, 278: 64, 279: 4096}
    start = 14 + 12 * (len(facts) + 1 + count)
    entries = [struct.pack("<HHII", tag, 4, 1, value) for tag, value in sorted((facts | {273: start}).items())]
    entries += [struct.pack("<HHII", 1000 + number, 1, size, start) for number in range(count)]
    return b"II*\0" + struct.pack("<IH", 8, len(entries)) + b"".join(entries) + bytes(4 + size)


def _encoded(image: Image.Image, format: str, **options: object) -> bytes:
    buffer = BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def _lesion() -> bytes:
    """The upload of an ordinary visitor."""
    return _encoded(draw_lesion("nv", np.random.default_rng(0)), "JPEG", quality=90)


HOSTILE: dict[str, Callable[[], bytes]] = {
    "scans.jpg": lambda: progressive(4000, empty_scans=2_000),
    "passes.jpg": lambda: progressive(4000, empty_scans=85),
    "large.jpg": lambda: _encoded(Image.new("L", (7071, 7071), 128), "JPEG"),
    "large.png": lambda: png(6000, 4000),
    "tags.tif": overlapping_tags,
}
"""Small files that made, or make, a decoder hold or compute the most."""


WARMING = 40
"""Predictions before the growth of the app is measured."""

RETRY_SECONDS = 0.2
"""Seconds after which a visitor asks again where too many wait."""


# The app


@dataclass(frozen=True)
class App:
    """A running app."""

    url: str
    process: psutil.Process

    def memory(self) -> int:
        """Bytes that the app and its processes hold."""
        held = 0
        for process in (self.process, *self.process.children(recursive=True)):
            with contextlib.suppress(psutil.NoSuchProcess):
                held += process.memory_info().rss
        return held


@contextlib.contextmanager
def app(workspace: Workspace) -> Iterator[App]:
    """The app, started as a user starts it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "skin", "app", "--home", str(workspace.home), "--port", str(port)]
    process = subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    started = App(f"http://127.0.0.1:{port}/", psutil.Process(process.pid))
    try:
        while not _answers(started.url):
            if process.poll() is not None:
                raise RuntimeError(f"{' '.join(command)} ended by itself")
            time.sleep(0.02)
        yield started
    finally:
        process.kill()
        process.wait()


def _answers(url: str) -> bool:
    with contextlib.suppress(httpx.TransportError):
        return httpx.get(url, timeout=5).is_success
    return False


class Visitor:
    """A client with an address of its own where the system has one for it, which uploads a picture and asks of it."""

    def __init__(self, app: App, content: bytes, number: int = 0) -> None:
        address = f"127.0.{number // 250}.{number % 250 + 1}" if sys.platform == "linux" else None
        transport = httpx.HTTPTransport(local_address=address)
        self.client = httpx.Client(base_url=f"{app.url}gradio_api", transport=transport, timeout=600)
        (path,) = self.client.post("/upload", files={"files": content}).json()
        file = {"path": path, "meta": {"_type": "gradio.FileData"}}
        self.question = {"data": [file, None, "unknown", "unknown", "automatic"]}

    def ask(self, session: str = "") -> str:
        """The app's answer to this session, a new one unless it is named; where too many wait, it comes at once."""
        question = {**self.question, "session_hash": session or uuid.uuid4().hex}
        posted = self.client.post("/call/predict", json=question)
        if not posted.is_success:
            time.sleep(RETRY_SECONDS)
            return posted.text
        return self.client.get(f"/call/predict/{posted.json()['event_id']}").text

    def wait(self, session: str = "") -> float:
        """Seconds until a prediction, asked for again where too many wait. Raises RuntimeError on another answer."""
        started = time.perf_counter()
        while "probabilities" not in (answer := self.ask(session)):
            if "event: error" in answer:
                raise RuntimeError(f"The app did not predict: {answer[:200]}")
        return time.perf_counter() - started


@contextlib.contextmanager
def _crowd(work: list[Callable[[], object]]) -> Iterator[None]:
    """Do each of these again and again, all at once, for as long as the context lasts."""
    is_over = threading.Event()

    def repeat(act: Callable[[], object]) -> None:
        while not is_over.is_set():
            act()

    with ThreadPoolExecutor(len(work)) as threads:
        done = [threads.submit(repeat, act) for act in work]
        try:
            yield
        finally:
            is_over.set()
    for each in done:
        each.result()


@contextlib.contextmanager
def watch(app: App) -> Iterator[list[int]]:
    """The most bytes that the app held meanwhile, as the last of the list."""
    peaks, is_over = [app.memory()], threading.Event()

    def look() -> None:
        while not is_over.wait(0.01):
            peaks.append(max(peaks[-1], app.memory()))

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        yield peaks
    finally:
        is_over.set()
        watcher.join()


# What is measured


@contextlib.contextmanager
def warm_app() -> Iterator[tuple[App, Visitor]]:
    """An app with a home of its own that has answered, and an ordinary visitor."""
    with tempfile.TemporaryDirectory() as home, app(Workspace(Path(home))) as started:
        visitor = Visitor(started, _lesion())
        for _ in range(20):
            visitor.wait()
        yield started, visitor


def worst_picture(_: Load) -> float:
    """MB by which the app and its processes grow while one picture is predicted, at the worst of HOSTILE."""
    with warm_app() as (started, _visitor):
        attackers = [Visitor(started, make()) for make in HOSTILE.values()]
        idle = started.memory()
        with watch(started) as peaks:
            for attacker in attackers:
                attacker.ask()
        return (peaks[-1] - idle) / 1e6


def growth(load: Load) -> float:
    """MB by which the app has grown after so many predictions by so many sessions.

    It counts from where as many visitors at once as ask afterwards have been answered: what they need at a time, two
    decoding processes among it, is no growth.
    """
    with warm_app() as (started, _visitor):
        visitors = [Visitor(started, _lesion(), number) for number in range(4)]  # `sessions` is a multiple of these

        def predict(first: int, predictions: int, sessions: int) -> None:  # the sessions of one visitor are no other's
            for number in range(first, predictions, len(visitors)):
                visitors[first].wait(f"session-{sessions}-{number % sessions}")

        def all_predict(predictions: int, sessions: int) -> None:
            with ThreadPoolExecutor(len(visitors)) as threads:
                list(threads.map(lambda first: predict(first, predictions, sessions), range(len(visitors))))

        all_predict(WARMING, len(visitors))
        before = started.memory()
        all_predict(load.predictions, load.sessions)
        return (started.memory() - before) / 1e6


def beside_others(load: Load) -> float:
    """p95 of a visitor's wait while so many others ask, as a ratio to an idle app."""
    return _slowdown(load, lambda started: [Visitor(started, _lesion(), 1 + n).ask for n in range(load.others)])


def beside_hostile(load: Load) -> float:
    """p95 of a visitor's wait while so many pictures of HOSTILE come, as a ratio to an idle app."""

    def crowd(started: App) -> list[Callable[[], object]]:
        pictures = itertools.islice(itertools.cycle([make() for make in HOSTILE.values()]), load.hostile)
        return [Visitor(started, picture, 1 + number).ask for number, picture in enumerate(pictures)]

    return _slowdown(load, crowd)


def _slowdown(load: Load, crowd: Callable[[App], list[Callable[[], object]]]) -> float:
    with warm_app() as (started, visitor):
        idle = [visitor.wait() for _ in range(load.questions)]
        with _crowd(crowd(started)):
            busy = [visitor.wait() for _ in range(load.questions)]
        return float(np.percentile(busy, 95) / np.percentile(idle, 95))
