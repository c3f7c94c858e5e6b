"""Items answered by actors of a Ray cluster, which Ray Data feeds and, where one dies, replaces.

As in `skin.engines.ray`, a process of its own is connected to the cluster: it may end with the cluster, and this one not.
"""

import os
import signal
import sys
from collections.abc import Generator, Sequence
from contextlib import suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any

from skin.engines import ray_cluster
from skin.engines.maker import Maker
from skin.engines.ray import START_SECONDS, check_reachable, silent
from skin.engines.resources import Resources, thread_variables
from skin.errors import UserError
from skin.workspace import PROJECT

_CONNECTED = "connected"


def answers(maker: Maker, items: Sequence[Any], resources: Resources) -> Generator[Any, None, None]:
    """The answers to the items, in the order in which they are ready. Raises UserError."""
    if resources.address.startswith("ray://"):
        raise UserError(
            f"Ray Data does not work through {resources.address}: on a machine of the cluster give its --address HOST:PORT."
        )
    check_reachable(resources.address)
    context = get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_answer_all, args=(sender, maker, items, resources), daemon=True)
    process.start()
    sender.close()
    try:
        if not receiver.poll(START_SECONDS) or receiver.recv() != _CONNECTED:
            raise silent(resources.address)
        for _ in items:
            yield _received(receiver)
    except EOFError:
        raise silent(resources.address) from None
    finally:
        process.kill()
        process.join()


def _received(receiver: Connection) -> Any:
    answer = receiver.recv()
    if isinstance(answer, UserError):
        raise answer
    if isinstance(answer, Exception):
        raise UserError(f"A worker of the Ray cluster failed: {answer}") from answer
    return answer


def _answer_all(sender: Connection, maker: Maker, items: Sequence[Any], resources: Resources) -> None:
    """The process that is connected to the cluster: sends every answer as it comes, or the error that ends all."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for whoever asked, who ends this process
    with suppress(Exception):  # no connection: the pipe that ends says so
        ray_cluster.connect(resources.address)
        sender.send(_CONNECTED)
        try:
            _check_seen(maker)
            dataset = _dataset(maker, items, resources)  # whose actors end with the last reference to it
            # A batch that is fetched ahead would be kept from whoever waits until the next one is ready.
            for answered in dataset.iter_batches(batch_size=None, prefetch_batches=0):
                for answer in answered["answer"]:
                    sender.send(_loaded(answer))
        except UserError as error:
            sender.send(error)
        except Exception as error:  # whatever a worker, or Ray, raises
            sender.send(RuntimeError(str(error).strip().rpartition("\n")[2]))


def _check_seen(maker: Maker) -> None:
    import ray

    nodes = [node for node in ray.nodes() if node["Alive"]]
    if sentence := ray_cluster.unseen_by(nodes, [str(PROJECT), *(str(path.absolute()) for path in maker.needs)]):
        raise UserError(sentence)


def _loaded(content: bytes) -> Any:
    import ray

    return ray.cloudpickle.loads(content)


def _dataset(maker: Maker, items: Sequence[Any], resources: Resources) -> Any:
    """A Ray Dataset of one row an item, answered. An item is a block of its own, so that workers share them evenly."""
    import ray
    import ray.data

    ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])
    threads = resources.cpus or 1
    n_workers = resources.parallel or int(ray.cluster_resources()["CPU"])
    rows = [{"item": ray.cloudpickle.dumps(item)} for item in items]
    return ray.data.from_items(rows, override_num_blocks=len(rows)).map_batches(
        _Worker,
        batch_size=1,
        compute=ray.data.ActorPoolStrategy(size=min(n_workers, len(rows))),
        num_cpus=threads,
        fn_constructor_args=(sys.path, ray.cloudpickle.dumps(maker), thread_variables(threads)),
    )


class _Worker:
    """The actor. It makes the function that answers, and sends an error as the answer."""

    def __init__(self, path: list[str], maker: bytes, variables: dict[str, str]) -> None:
        import ray

        os.environ.update(variables)
        sys.path[:0] = [
            folder for folder in path if folder not in sys.path
        ]  # a node need not have started where they lie
        self._answer = ray.cloudpickle.loads(maker)()

    def __call__(self, batch: dict[str, Any]) -> dict[str, list[bytes]]:
        import ray

        from skin.errors import UserError

        try:
            answer = self._answer(ray.cloudpickle.loads(batch["item"][0]))
        except UserError as error:
            answer = error
        except Exception as error:  # which Ray would bury in advice on its retries
            answer = RuntimeError(f"{type(error).__name__}: {error}")
        return {"answer": [ray.cloudpickle.dumps(answer)]}
