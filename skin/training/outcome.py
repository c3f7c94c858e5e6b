"""The end of a training told, however it comes: its status, its log, and the signal that stops it."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sys
import threading
from collections.abc import Iterator

from skin.errors import UserError
from skin.files import unwritten
from skin.run import Run, State
from skin.training import checkpoint

LOG = logging.getLogger("skin.training")

AGAIN_SECONDS = 2.0
"""Seconds after which a stop that was not heard is raised again."""


class Stopped(BaseException):
    """The training was asked to stop. Not an Exception, so that nothing on the way takes it for a failure."""


@contextlib.contextmanager
def telling_outcome(run: Run) -> Iterator[None]:
    """Writes how the run ended, whatever happens."""
    stops = StopSignal()
    try:
        yield
        stops.ignore()
        run.update_status(state=State.FINISHED, message="", eta_seconds=None)
        checkpoint.remove(run)
        LOG.info("Finished.")
    except (Stopped, KeyboardInterrupt):
        stops.ignore()
        run.update_status(state=State.STOPPED, message="Stopped; resume it to go on.", eta_seconds=None)
        LOG.info("Stopped after epoch %d; `python -m skin resume %s` goes on.", len(run.history()), run.name)
    except Exception as error:
        stops.ignore()
        with contextlib.suppress(OSError, UserError):  # a full disk must not hide the reason
            run.update_status(state=State.FAILED, message=str(error) or type(error).__name__, eta_seconds=None)
        LOG.error("Failed: %s", error, exc_info=not isinstance(error, UserError))  # noqa: TRY400 (a user error needs no traceback)
        raise
    finally:
        stops.restore()


class StopSignal:
    """Raises Stopped in the main thread on SIGTERM, and again until it is heard.

    Python drops what is raised in a finalizer or in the callback of a weak reference, and a signal may come in one.
    """

    def __init__(self) -> None:
        self._previous = signal.signal(signal.SIGTERM, self._raise)
        self._again: threading.Timer | None = None

    def _raise(self, *_: object) -> None:
        self._again = threading.Timer(AGAIN_SECONDS, signal.raise_signal, [signal.SIGTERM])
        self._again.daemon = True
        self._again.start()
        raise Stopped

    def ignore(self) -> None:
        """Let what ends the run now end undisturbed."""
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        if self._again is not None:
            self._again.cancel()

    def restore(self) -> None:
        """Leave the signal to whom it belonged before."""
        self.ignore()
        signal.signal(signal.SIGTERM, self._previous)


@contextlib.contextmanager
def logging_to(run: Run) -> Iterator[None]:
    """Sends the log to standard error and to the run's own file, once where they are the same."""
    handlers: list[logging.Handler] = [logging.StreamHandler(sys.stderr)]
    if not (run.log_path.exists() and os.path.samestat(os.fstat(2), run.log_path.stat())):
        handlers.append(_log_file(run))
    LOG.setLevel(logging.INFO)
    for handler in handlers:
        handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%Y-%m-%d %H:%M:%S"))
        LOG.addHandler(handler)
    try:
        yield
    finally:
        for handler in handlers:
            LOG.removeHandler(handler)
            if isinstance(handler, logging.FileHandler):
                handler.close()


class _LogFile(logging.FileHandler):
    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 (logging's signature)
        """A part of the log that a full disk refuses is lost, and nothing else."""


def _log_file(run: Run) -> logging.Handler:
    try:
        return _LogFile(run.log_path)
    except OSError as error:
        raise unwritten(run.log_path, error) from error
