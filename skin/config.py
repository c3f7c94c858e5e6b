"""The recipe of one training run, and the presets.

A hyperparameter is one field of `TrainConfig`: its label, bounds and help stand in the field's metadata, and the form,
the command line, `config.json` and docs/settings.md read them from there.
"""

import dataclasses
import difflib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, Self

from skin.errors import UsageError, UserError
from skin.files import parse_json, read_content
from skin.optimization import IMBALANCES, OPTIMIZERS, SCHEDULES

MODELS = ("image", "multimodal")
SPLITS = ("by-lesion", "by-image", "by-source", "leak-without", "leak-with")
HEADS = ("fair", "additive", "reference")
KEPT = ("loss", "calibrated-loss")
SCALINGS = ("pretrained", "unit")
PRECISIONS = ("off", "float16", "bfloat16")


@dataclass(frozen=True)
class FieldInfo:
    """One field of `TrainConfig`, as a form, a parser and a table need it."""

    name: str
    label: str
    help: str
    type: type
    default: Any
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[Any, ...] = ()
    advanced: bool = True

    @property
    def bounds(self) -> str:
        """The values that it may have, in words; "" where anything goes that is found."""
        if self.minimum is None or self.maximum is None:
            return ", ".join(map(str, self.choices))
        return f"{in_digits(self.minimum)} to {in_digits(self.maximum)}"

    def parse(self, value: object) -> Any:
        """`value` (text or number) as this field's type.

        Raises UsageError with the allowed values when it is of another type or out of bounds.
        """
        if problem := self.problem(value):
            raise UsageError(f"{self.name} {problem}")
        return self._converted(value)

    def problem(self, value: object) -> str:
        """The fault of `value`, as a sentence that lacks the field's name; "" where there is none."""
        try:
            parsed = self._converted(value)
        except (ValueError, KeyError, OverflowError):
            return f"must be {_TYPE_NAMES[self.type]}, not {value!r}."
        if self.choices and parsed not in self.choices:
            return f"must be one of {', '.join(map(str, self.choices))}, not {value!r}."
        if self.minimum is not None and not parsed >= self.minimum:  # so that NaN is refused too
            return f"must be at least {in_digits(self.minimum)}, not {value!r}."
        if self.maximum is not None and parsed > self.maximum:
            return f"must be at most {in_digits(self.maximum)}, not {value!r}."
        return ""

    def _converted(self, value: object) -> Any:
        if self.type is bool:
            return _BOOLEANS[str(value).strip().lower()]
        if self.type is int:
            return _whole(float(str(value)))
        return self.type(str(value).strip())


def in_digits(number: float) -> str:
    """A bound as people read it: a whole number has all its digits."""
    return f"{int(number):,}" if number == int(number) else f"{number:g}"


def _whole(number: float) -> int:
    if number != int(number):
        raise ValueError(number)
    return int(number)


_BOOLEANS = {"true": True, "yes": True, "1": True, "on": True, "false": False, "no": False, "0": False, "off": False}
_TYPE_NAMES = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}


def _field(
    default: Any,
    label: str,
    help: str,
    bounds: tuple[float, float] | None = None,
    choices: tuple[Any, ...] = (),
    advanced: bool = True,
) -> Any:
    minimum, maximum = bounds or (None, None)
    metadata = {"label": label, "help": help, "minimum": minimum, "maximum": maximum}
    return dataclasses.field(default=default, metadata={**metadata, "choices": choices, "advanced": advanced})


@dataclass(frozen=True)
class Stage:
    """One of the two stages: what is trained, for how long, and how fast."""

    number: int
    epochs: int
    learning_rate: float
    patience: int
    batch_size: int


@dataclass(frozen=True)
class TrainConfig:
    """Everything that determines a training run, given the data set. Field docs stand in the metadata."""

    dataset: str = _field(
        "demo", "Data set", "A name (demo, kaggle) or a folder of images and the table that lists them.", advanced=False
    )
    model: str = _field(
        "image",
        "Model",
        "Image only, or image with what is known of the patient (age, sex and body site).",
        None,
        MODELS,
        False,
    )
    backbone: str = _field("efficientnet_lite0", "Backbone", "The pretrained convolutional network.", advanced=False)
    weights: str = _field("imagenet", "Weights", "imagenet, none, or the path of a Keras weights file.")
    image_size: int = _field(160, "Image size", "Side of the square input, in pixels.", (32, 512), advanced=False)
    split: str = _field(
        "by-lesion",
        "Split",
        "by-lesion leaks nothing; by-image is what the literature often does; by-source tests on images of "
        "an archive that no training image is from; leak-without and leak-with measure the leak.",
        None,
        SPLITS,
        False,
    )
    folds: int = _field(
        0,
        "Folds",
        "0: one split of 70, 15 and 15%; from 3 on so many equal parts, of which one tests; by-source one for each source.",
        (0, 100),
    )
    fold: int = _field(0, "Fold", "The part that tests, counted from 0; the next one validates.", (0, 99))
    split_seed: int = _field(
        -1,
        "Split seed",
        "Seed of the split alone, so that runs of other seeds share it; -1: the seed.",
        (-1, 2**31 - 1),
    )
    seed: int = _field(
        42, "Seed", "Same seed, same configuration, same machine: same result.", (0, 2**31 - 1), advanced=False
    )
    stage1_epochs: int = _field(
        60, "Stage 1 epochs", "At most so many epochs of the head on the frozen backbone.", (0, 1000), advanced=False
    )
    stage1_learning_rate: float = _field(
        1e-3, "Stage 1 learning rate", "Peak learning rate of the head.", (1e-7, 1), advanced=False
    )
    stage1_patience: int = _field(
        8,
        "Stage 1 patience",
        "Stop after so many epochs without a better validation loss; 0 never stops early.",
        (0, 1000),
    )
    stage1_batch_size: int = _field(64, "Stage 1 batch size", "Images per step of stage 1.", (1, 1024))
    stage2_epochs: int = _field(
        12, "Stage 2 epochs", "Epochs of fine-tuning the whole network; 0 skips the stage.", (0, 1000), advanced=False
    )
    stage2_learning_rate: float = _field(
        5e-4, "Stage 2 learning rate", "Peak learning rate of the whole network.", (1e-7, 1), advanced=False
    )
    stage2_patience: int = _field(
        0,
        "Stage 2 patience",
        "Stop after so many epochs without a better validation loss; 0 never stops early.",
        (0, 1000),
    )
    stage2_batch_size: int = _field(32, "Stage 2 batch size", "Images per step of stage 2.", (1, 512), advanced=False)
    schedule: str = _field("cosine", "Schedule", "Cosine with warm-up, or a constant rate.", None, tuple(SCHEDULES))
    warmup_epochs: float = _field(0.5, "Warm-up", "Epochs over which the rate rises from zero.", (0, 50))
    optimizer: str = _field("adamw", "Optimizer", "AdamW, or Adam without weight decay.", None, tuple(OPTIMIZERS))
    weight_decay: float = _field(0.004, "Weight decay", "Decoupled weight decay of AdamW.", (0, 1))
    mixed_precision: str = _field(
        "off",
        "Mixed precision",
        "Faster on a GPU with tensor cores (bfloat16 from Ampere on); weights, logits and loss stay float32.",
        None,
        PRECISIONS,
    )
    devices: int = _field(1, "Devices", "GPUs that share each batch evenly; more than one takes Keras on JAX.", (1, 64))
    label_smoothing: float = _field(0.0, "Label smoothing", "Share of the target spread over all classes.", (0, 0.5))
    imbalance: str = _field(
        "logit-adjustment",
        "Class imbalance",
        "The answer to rare classes: weights in the loss, or logits adjusted in the loss or after training.",
        None,
        tuple(IMBALANCES),
    )
    imbalance_strength: float = _field(
        0.5, "Imbalance strength", "Factor on the log prior of logit adjustment (1 is the full correction).", (0, 2)
    )
    head: str = _field(
        "fair",
        "Head",
        "fair: one head width for both models; additive: what is known of the patient adds to the image's logits; "
        "reference: the layers of the reference system.",
        None,
        HEADS,
    )
    head_width: int = _field(128, "Head width", "Units of the hidden layer.", (8, 2048))
    dropout: float = _field(0.3, "Dropout", "Dropout in the head.", (0, 0.9))
    field_dropout: float = _field(
        0.25, "Field dropout", "Share of the patient's fields each set to unknown while training.", (0, 0.9)
    )
    scaling: str = _field(
        "pretrained", "Pixel scaling", "As the pretrained weights expect, or plain [0, 1].", None, SCALINGS
    )
    flips: bool = _field(
        True, "Flips and quarter turns", "Dermoscopy has no up: all eight orientations are equally likely."
    )
    zoom: float = _field(0.2, "Zoom", "Crop away up to this share of the side.", (0, 0.6))
    zoom_out: float = _field(
        0.0, "Zoom out", "Make the picture smaller, in mirrored skin, by up to this share.", (0, 0.6)
    )
    brightness: float = _field(0.15, "Brightness", "Vary brightness by up to this share.", (0, 0.9))
    colour: float = _field(0.08, "Colour", "Vary each colour channel by up to this share.", (0, 0.5))
    vignette: float = _field(0.0, "Dark rims", "Share of the pictures given the rim of a round field of view.", (0, 1))
    corruption: float = _field(
        0.0, "Corruption", "Share of the pictures blurred, sharpened, made smaller, noisy or compressed.", (0, 1)
    )
    mixup: float = _field(
        0.0, "Mixup", "Mix pairs of examples by shares from Beta(a, a) of this a; 0 mixes none.", (0, 10)
    )
    weight_averaging: float = _field(
        0.0,
        "Weight averaging",
        "Validate and keep the mean of the weights over about so many epochs; 0: the last.",
        (0, 50),
    )
    kept_by: str = _field(
        "loss",
        "Kept epoch",
        "The one of the lowest validation loss, as trained or after temperature scaling.",
        None,
        KEPT,
    )
    calibrate: bool = _field(True, "Calibrate", "Fit one temperature on the validation part after training.")
    views: int = _field(
        8, "Test-time views", "1, or 8 to average the prediction over all flips and quarter turns.", None, (1, 8)
    )
    audit: bool = _field(
        True, "Audit", "End the training with the audit of the run; the runs of an experiment go without it."
    )

    @classmethod
    def from_preset(cls, preset: str, **fields: object) -> Self:
        """The preset's configuration with `fields` (of any parsable type) put in its place.

        Raises UsageError for an unknown preset, an unknown field or an impossible value.
        """
        if preset not in PRESETS:
            raise UsageError(f"Unknown preset {preset!r}: use one of {', '.join(PRESETS)}.")
        return cls.parse({**PRESETS[preset], **fields})

    @classmethod
    def parse(cls, values: Mapping[str, object]) -> Self:
        """A configuration from field names and values of any parsable type; the rest takes its default."""
        config = cls(**{name: field_info(name).parse(value) for name, value in values.items()})
        config._check_together()
        return config

    def _check_together(self) -> None:
        """Raises UsageError where fields that are possible each for itself are not so together."""
        if self.stage1_epochs + self.stage2_epochs == 0:
            raise UsageError("Nothing to train: give stage 1 or stage 2 at least one epoch.")
        if self.folds in (1, 2) and self.split != "by-source":
            raise UsageError(f"folds must be 0, or at least 3 to train, validate and test, not {self.folds}.")
        if self.fold >= max(self.folds, 1):
            raise UsageError(
                f"fold must be less than folds, {self.folds}, for they are counted from 0, not {self.fold}."
            )
        for stage in self.stages:
            if stage.epochs and stage.batch_size % self.devices:
                raise UsageError(
                    f"stage{stage.number}_batch_size must be a multiple of devices, {self.devices}, which share each "
                    f"batch evenly, not {stage.batch_size}."
                )

    @classmethod
    def load(cls, path: Path) -> Self:
        """The configuration in the JSON file at `path`.

        Raises UserError when it cannot be read or is no configuration.
        """
        try:
            return cls._from_text(read_content(path))
        except (ValueError, TypeError, AttributeError, UserError) as error:
            raise UserError(f"{path} is no run configuration ({error}): restore or delete the run folder.") from error

    @classmethod
    @lru_cache(maxsize=256)
    def _from_text(cls, text: bytes) -> Self:
        """The configuration in a file's content; pages read those of all runs every second."""
        return cls.parse(parse_json(text))

    def to_json(self) -> str:
        """The configuration as the text of a JSON object."""
        return json.dumps(dataclasses.asdict(self), indent=1)

    @property
    def seed_of_split(self) -> int:
        """The seed that the split is drawn with."""
        return self.seed if self.split_seed < 0 else self.split_seed

    @property
    def stages(self) -> tuple[Stage, Stage]:
        """The two stages: the head on the frozen backbone, then the whole network."""
        return (
            Stage(1, self.stage1_epochs, self.stage1_learning_rate, self.stage1_patience, self.stage1_batch_size),
            Stage(2, self.stage2_epochs, self.stage2_learning_rate, self.stage2_patience, self.stage2_batch_size),
        )


@cache
def field_infos() -> tuple[FieldInfo, ...]:
    """The fields of TrainConfig, in order."""
    return tuple(
        FieldInfo(name=field.name, type=type(field.default), default=field.default, **field.metadata)
        for field in dataclasses.fields(TrainConfig)
    )


def field_info(name: str) -> FieldInfo:
    """The field of this name. Raises UsageError, with the nearest name, where there is none."""
    fields = {info.name: info for info in field_infos()}
    if name not in fields:
        near = "".join(f"did you mean {found}? Or " for found in difflib.get_close_matches(name, fields, n=1))
        raise UsageError(f"Unknown setting {name!r}: {near}use one of {', '.join(fields)}.")
    return fields[name]


def differences(configs: Sequence[TrainConfig]) -> dict[str, tuple[Any, ...]]:
    """The fields in which the configurations differ, each with one value per configuration."""
    rows = {info.name: tuple(getattr(config, info.name) for config in configs) for info in field_infos()}
    return {name: values for name, values in rows.items() if len(set(values)) > 1}


PRESETS: dict[str, dict[str, Any]] = {
    "standard": {},
    "reference": {
        "backbone": "resnet50",
        "image_size": 224,
        "split": "by-image",
        "stage1_epochs": 100,
        "stage1_learning_rate": 1e-4,
        "stage1_patience": 10,
        "stage1_batch_size": 32,
        "stage2_epochs": 20,
        "stage2_learning_rate": 1e-5,
        "schedule": "constant",
        "optimizer": "adam",
        "imbalance": "balanced",
        "head": "reference",
        "field_dropout": 0.0,
        "scaling": "unit",
        "flips": False,
        "zoom": 0.0,
        "brightness": 0.0,
        "colour": 0.0,
        "calibrate": False,
    },
    "demo": {
        "dataset": "demo",
        "image_size": 96,
        "stage1_epochs": 40,
        "stage2_epochs": 4,
        "stage2_learning_rate": 2e-4,
        "stage2_batch_size": 16,
        "views": 1,
    },
}
"""Named recipes, as what they change in the defaults of TrainConfig."""
