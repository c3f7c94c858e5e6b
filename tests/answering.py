"""Work for the workers of the tests, which import it by its name."""

import os
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from skin.engines.maker import Answer
from skin.errors import UserError


@dataclass(frozen=True)
class Doubler:
    """Doubles numbers and tells the process; refuses 13, and is killed by the first 666 that it meets."""

    folder: Path

    @property
    def needs(self) -> Sequence[Path]:
        return (self.folder,)

    def __call__(self) -> Answer:
        made = self.folder / f"made-by-{os.getpid()}"
        made.touch(exist_ok=False)  # once by each worker

        def answer(number: int) -> tuple[int, int]:
            if number == 13:
                raise UserError("13 cannot be doubled: give another number.")
            if number == 666 and not (self.folder / "killed").exists():
                (self.folder / "killed").touch()
                os.kill(os.getpid(), signal.SIGKILL)
            return 2 * number, os.getpid()

        return answer
