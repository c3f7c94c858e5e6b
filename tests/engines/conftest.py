"""What each engine is asked for in the tests."""

from collections.abc import Callable

import pytest

from skin.engines.engine import LOCAL
from skin.engines.resources import Resources

For = Callable[[str], Resources]


@pytest.fixture
def resources_for(request: pytest.FixtureRequest) -> For:
    """What a job of this engine is given here: one CPU, of a cluster that is there or stands in."""

    def chosen(engine: str) -> Resources:
        if engine == "ray":
            return Resources(cpus=1, address=request.getfixturevalue("ray_address"))
        return Resources(cpus=1, address="" if engine == LOCAL else "local")

    return chosen
