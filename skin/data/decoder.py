"""Processes that decode what strangers send: each may use so much memory and time and no more, and ends when idle.

What a file can do to a decoder is not all in its header (tags that overlap, chunks by the million, scans without an
end, faults in a library), so that the system bounds it: the kernel refuses memory, ends what computes too long, and a
crash ends the one process. This module is both ends: the app's, and with `python -m skin.data.decoder` the process.
"""

import atexit
import os
import signal
import struct
import subprocess
import sys
from contextlib import suppress
from threading import BoundedSemaphore
from typing import IO, BinaryIO

from PIL import Image

from skin.data import image_file
from skin.errors import UserError
from skin.workspace import PROJECT

MEMORY = 135_000_000
"""Bytes that a process may hold, the file and the image included."""

SECONDS = 3
"""Seconds of computing for one image; a photograph of 50 million pixels takes a few tenths of one."""

SIMULTANEOUS = 2
"""Images that are decoded at once; the rest wait."""

IDLE_SECONDS = 30
"""A process ends when nothing came for so long."""

_GIVING_BACK = {"MALLOC_MMAP_THRESHOLD_": "65536"}
"""Has glibc give memory back as soon as it is free: what one image took would be missing for the next."""

_LENGTH, _REPLY = struct.Struct("<Q"), struct.Struct("<IIQ")


class Decoders:
    """Decodes from any thread, in at most `simultaneous` processes, which start when they are first needed."""

    def __init__(self, simultaneous: int = SIMULTANEOUS, seconds: float = SECONDS, idle: float = IDLE_SECONDS) -> None:
        self._command = [sys.executable, "-m", __name__, str(seconds), str(idle)]
        self._turns = BoundedSemaphore(simultaneous)
        self._idle: list[subprocess.Popen[bytes]] = []
        atexit.register(self.close)

    def decode(self, content: bytes) -> Image.Image:
        """The image as `image_file.decode` gives it. Raises UserError as that does, and where the process was ended."""
        with self._turns:
            process = self._living()
            try:
                size, reply = _ask(process, content)
            except (OSError, EOFError) as error:
                _end(process)
                raise UserError(f"The image {image_file.COSTLY}") from error
            self._idle.append(process)
        if size is None:
            raise UserError(reply.decode())
        return Image.frombytes("RGB", size, reply)

    def _living(self) -> subprocess.Popen[bytes]:
        while self._idle:
            process = self._idle.pop()
            if process.poll() is None:
                return process
            _end(process)
        pipe, environ = subprocess.PIPE, os.environ | _GIVING_BACK
        return subprocess.Popen(
            self._command, cwd=PROJECT, env=environ, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL
        )

    def close(self) -> None:
        """End the processes that wait for work."""
        while self._idle:
            _end(self._idle.pop())


DECODERS = Decoders()
"""Those of this app: one limit for every way by which a file can come."""


def _ask(process: subprocess.Popen[bytes], content: bytes) -> tuple[tuple[int, int] | None, bytes]:
    """The size and the pixels of the image, or None and the sentence of a refusal. Raises OSError when it has ended."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(_LENGTH.pack(len(content)))
    process.stdin.write(content)
    process.stdin.flush()
    width, height, length = _REPLY.unpack(_read(process.stdout, _REPLY.size))
    return (width, height) if width else None, _read(process.stdout, length)


def _read(file: BinaryIO | IO[bytes], length: int) -> bytes:
    content = file.read(length)
    if len(content) < length:
        raise EOFError
    return content


def _end(process: subprocess.Popen[bytes]) -> None:
    """Close what leads to the process, so that it ends if it has not yet."""
    with suppress(OSError):
        process.communicate()
    process.wait()


def _serve(requests: BinaryIO, replies: BinaryIO, seconds: float, idle: float) -> None:
    """Decode what comes until nothing more does."""
    while True:
        _allow("ITIMER_REAL", idle)
        head = requests.read(_LENGTH.size)
        _allow("ITIMER_REAL", 0)
        if not head:
            return
        # No variable: what holds this image would hold it while the next one is decoded.
        replies.write(_reply(_read(requests, *_LENGTH.unpack(head)), seconds))
        replies.flush()


def _reply(content: bytes, seconds: float) -> bytes:
    _allow("ITIMER_PROF", seconds)
    try:
        image = image_file.decode(content)
        pixels = image.tobytes()
        return _REPLY.pack(*image.size, len(pixels)) + pixels
    except UserError as error:
        sentence = str(error).encode()
        return _REPLY.pack(0, 0, len(sentence)) + sentence
    finally:
        _allow("ITIMER_PROF", 0)


def _allow(timer: str, seconds: float) -> None:
    """Have the kernel end the process after so many seconds by this timer, wherever it is; 0 takes that back."""
    if os.name == "posix":
        signal.setitimer(getattr(signal, timer), seconds)


def main(seconds: str, idle: str) -> None:
    """Serve the app at the other end of standard input and output."""
    if os.name == "posix":
        import resource

        resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
    _serve(sys.stdin.buffer, sys.stdout.buffer, float(seconds), float(idle))


if __name__ == "__main__":
    main(*sys.argv[1:])
