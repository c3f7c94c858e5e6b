"""Items answered by several workers at once: processes of this machine, or actors of a Ray cluster through Ray Data.

An engine of `skin.engines.engine` runs commands; this is for work that is one function over many items. Every worker
makes that function once, so that what it needs (a network) is opened where it is used and never sent.
"""

import os
import signal
import threading
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from functools import lru_cache
from multiprocessing import get_context, parent_process
from typing import Any

from joblib import cpu_count

from skin.engines import ray_data
from skin.engines.maker import Answer, Maker
from skin.engines.resources import Resources, thread_variables
from skin.errors import UsageError, UserError


def answers(engine: str, maker: Maker, items: Sequence[Any], resources: Resources) -> Generator[Any, None, None]:
    """The answers to the items, in the order in which they are ready.

    `resources.parallel` is the number of workers; on a Ray cluster 0 are as many as it has CPUs. Raises UserError when a
    worker does, when one is killed, and when no cluster answers.
    """
    check_engine(engine)
    return WORKERS[engine](maker, items, resources)


def check_engine(engine: str) -> None:
    """Raise UsageError for an engine that has no workers."""
    if engine not in WORKERS:
        raise UsageError(f"Images are predicted on {' or '.join(WORKERS)}, not on {engine!r}.")


def _in_processes(maker: Maker, items: Sequence[Any], resources: Resources) -> Generator[Any, None, None]:
    """By processes of this machine, which share its cores; by this very process where it is one alone."""
    if resources.parallel <= 1:
        yield from map(maker(), items)
        return
    n_workers = min(resources.parallel, len(items))
    threads = resources.cpus or max(1, cpu_count() // n_workers)
    pool = ProcessPoolExecutor(n_workers, get_context("spawn"), _begin, (thread_variables(threads),))
    try:
        for answered in as_completed({pool.submit(_answer, maker, item) for item in items}):
            yield answered.result()
    except BrokenProcessPool as error:
        raise UserError(
            "A worker was killed, perhaps for want of memory: try again with fewer of them (--parallel)."
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def _begin(variables: dict[str, str]) -> None:
    os.environ.update(variables)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for whoever asked, who ends this process
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """End when the process that asks is gone, however it went."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _answer(maker: Maker, item: Any) -> Any:
    return _made(maker)(item)


@lru_cache(maxsize=1)
def _made(maker: Maker) -> Answer:
    return maker()


WORKERS: dict[str, Callable[[Maker, Sequence[Any], Resources], Generator[Any, None, None]]] = {
    "local": _in_processes,
    "ray": ray_data.answers,
}
"""The ways to answer items by the name of the engine; each has the signature of `answers` without it."""
