"""A Ray cluster of two nodes on this machine, and what each engine is asked for in the tests."""

from collections.abc import Callable, Iterator

import pytest

from skin.engines.engine import LOCAL
from skin.engines.resources import Resources

For = Callable[[str], Resources]


@pytest.fixture(scope="session")
def ray_address() -> Iterator[str]:
    """The address of a real cluster of two nodes with two CPUs each."""
    from ray.cluster_utils import Cluster

    node = {"num_cpus": 2, "include_dashboard": False, "object_store_memory": 10**8}
    cluster = Cluster(initialize_head=True, head_node_args=node)
    cluster.add_node(num_cpus=2, object_store_memory=10**8)
    yield cluster.address
    cluster.shutdown()


@pytest.fixture
def resources_for(request: pytest.FixtureRequest) -> For:
    """What a job of this engine is given here: one CPU, of a cluster that is there or stands in."""

    def chosen(engine: str) -> Resources:
        if engine == "ray":
            return Resources(cpus=1, address=request.getfixturevalue("ray_address"))
        return Resources(cpus=1, address="" if engine == LOCAL else "local")

    return chosen
