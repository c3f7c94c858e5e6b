"""The recipe that the options of a command add up to."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from skin.cli.options import pairs
from skin.config import TrainConfig
from skin.errors import UserError
from skin.experiments.plan import BOTH, models_of
from skin.files import read_json


def recipe_of(
    preset: str, config: Path | None, given: Mapping[str, str | None], settings: list[str]
) -> tuple[TrainConfig, tuple[str, ...]]:
    """The recipe and the models: the preset, over it the file, over that the options that are given and the settings.

    Raises UserError when the file holds no settings, UsageError when one is impossible.
    """
    fields = _settings_in(config) if config else {}
    fields |= {name: value for name, value in given.items() if value is not None}
    fields |= pairs(settings)
    models = models_of(str(fields.pop("model", BOTH)))
    return TrainConfig.from_preset(preset, **fields, model=models[0]), models


def _settings_in(path: Path) -> dict[str, object]:
    try:
        return dict(read_json(path).items())
    except (ValueError, AttributeError) as error:
        raise UserError(f"{path} holds no settings ({error}): give a JSON file as the config.json of a run.") from error
