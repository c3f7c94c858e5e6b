"""The command that measures what the design promises."""

from __future__ import annotations

import dataclasses
from typing import Annotated

import typer

from skin.cli.options import AsJson, Home
from skin.cli.output import print_json, print_table
from skin.errors import UsageError
from skin.progress import console
from skin.workspace import Workspace


def benchmark(
    group: Annotated[
        str, typer.Argument(help="speed; stress: the app under load and attack; or scale: many runs, many images.")
    ] = "speed",
    as_json: AsJson = False,
    home: Home = None,
) -> None:
    """Measure what the design promises: training and prediction as ratios of two ways, the app in seconds."""
    from skin.benchmark import GROUPS, measure  # Keras takes seconds to load

    if group not in GROUPS:
        raise UsageError(f"There is no group of benchmarks {group!r}: give one of {', '.join(GROUPS)}.")
    rows = console(GROUPS[group], desc="Measuring", total=len(GROUPS[group]))
    results = [measure(name, Workspace.locate(home)) for name in rows]
    if as_json:
        print_json([dataclasses.asdict(result) for result in results])
        return
    print_table(
        ["what", "measured", "promised", "kept"],
        [
            [row.label, f"{row.value:.2f} {row.unit}", f"{row.promised:g} {row.unit}", "yes" if row.is_kept else "NO"]
            for row in results
        ],
    )
