import os
import time
from pathlib import Path

import pytest
from waiting import wait_until

from skin.engines.heartbeat import SILENT_SECONDS, beating, is_recent


@pytest.mark.parametrize(("age", "counts"), [(0, True), (0.5, True), (2, False), (-0.5, True), (-2, False)])
def test_a_sign_counts_for_a_while_and_not_from_the_far_future(age: float, counts: bool) -> None:
    assert is_recent(time.time() - age * SILENT_SECONDS) == counts


def test_files_are_touched_and_one_that_is_gone_stops_nothing(tmp_path: Path) -> None:
    path = tmp_path / "status.json"
    path.write_text("content")

    def is_touched() -> bool:
        return path.stat().st_mtime > 1

    with beating([tmp_path / "gone", path], every=0.01):
        for _ in range(2):
            os.utime(path, (1, 1))
            wait_until(is_touched)

    os.utime(path, (1, 1))
    assert not is_touched()  # the thread has ended
    assert path.read_text() == "content"
