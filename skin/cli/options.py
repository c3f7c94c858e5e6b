"""Options and arguments that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from skin.errors import UsageError
from skin.evaluation.decision import DECISIONS
from skin.evaluation.prevalence import FORMAT

Home = Annotated[
    Path | None,
    typer.Option(
        help="Folder of runs and caches; default: SKIN_HOME, else the checkout or, installed, your user data folder."
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the facts as JSON.")]
Settings = Annotated[
    list[str] | None, typer.Option("--set", metavar="FIELD=VALUE", help="Any other setting; may be repeated.")
]
Config = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE", help="A JSON file of settings, as the config.json of a run; other options win over it."
    ),
]
Decision = Annotated[
    str, typer.Option(metavar="RULE", help=f"Rule that decides on a diagnosis: {', '.join(DECISIONS)}.")
]
Target = Annotated[
    float,
    typer.Option(help="Of --decision sensitivity: share of the malignant validation images that it is set to find."),
]
Prevalence = Annotated[str, typer.Option(metavar="SHARES", help=f"Shares of the diagnoses where it is used: {FORMAT}.")]
RunName = Annotated[str, typer.Argument(metavar="RUN", help="A run's name, or the path of a run folder.")]


def pairs(settings: list[str], option: str = "--set", what: str = "FIELD") -> dict[str, object]:
    """The values by name of an option that is repeated as NAME=VALUE. Raises UsageError for any other text."""
    split = [setting.partition("=") for setting in settings]
    if wrong := [field for field, equals, _ in split if not equals]:
        raise UsageError(f"{option} wants {what}=VALUE, not {wrong[0]!r}.")
    return {field: value for field, _, value in split}
