import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skin.config import PRESETS, FieldInfo, Stage, TrainConfig, differences, field_infos
from skin.errors import UsageError, UserError

INFOS = {info.name: info for info in field_infos()}


# Every field


@pytest.mark.parametrize("info", INFOS.values(), ids=INFOS)
def test_a_field_describes_itself(info: FieldInfo) -> None:
    assert info.label[0].isupper()
    assert info.help.endswith(".")
    assert info.parse(info.default) == info.default


@pytest.mark.parametrize(
    "info", [i for i in INFOS.values() if i.type in (int, float) and not i.choices], ids=lambda info: info.name
)
def test_a_number_has_bounds_that_are_kept(info: FieldInfo) -> None:
    assert info.minimum is not None
    assert info.maximum is not None
    for bound in (info.minimum, info.maximum):
        assert info.parse(bound) == bound
    with pytest.raises(UsageError, match=f"{info.name} must be at least"):
        info.parse(info.minimum - 1)
    with pytest.raises(UsageError, match=f"{info.name} must be at most"):
        info.parse(info.maximum + 1)
    for text in ("many", "", "nan", "inf"):
        with pytest.raises(UsageError, match=info.name):
            info.parse(text)


@pytest.mark.parametrize("info", [i for i in INFOS.values() if i.choices], ids=lambda info: info.name)
def test_a_choice_is_one_of_its_choices(info: FieldInfo) -> None:
    for choice in info.choices:
        assert info.parse(choice) == choice
    with pytest.raises(UsageError, match=f"{info.name} must be one of {', '.join(map(str, info.choices))}"):
        info.parse("neither" if info.type is str else 3)


@pytest.mark.parametrize(
    ("text", "value"), [("true", True), (" No ", False), ("1", True), ("OFF", False), (True, True)]
)
def test_a_switch_is_read_from_text(text: object, value: bool) -> None:
    assert INFOS["flips"].parse(text) is value
    with pytest.raises(UsageError, match="true or false"):
        INFOS["flips"].parse("perhaps")


def test_a_whole_number_is_not_rounded() -> None:
    assert INFOS["image_size"].parse("160.0") == 160
    with pytest.raises(UsageError, match="whole number"):
        INFOS["image_size"].parse("160.5")


# Configurations


def test_values_are_parsed_and_the_rest_is_default() -> None:
    config = TrainConfig.parse({"image_size": "96", "flips": "no", "dropout": "0.5"})
    assert config == TrainConfig(image_size=96, flips=False, dropout=0.5)


def test_an_unknown_setting_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UsageError, match=r"Unknown setting 'hat': use one of dataset, .*views"):
        TrainConfig.parse({"hat": 3})


def test_of_a_misspelt_setting_the_nearest_is_named() -> None:
    with pytest.raises(UsageError, match="Unknown setting 'drop_out': did you mean dropout\\? Or use one of dataset"):
        TrainConfig.parse({"drop_out": 0.3})


def test_what_only_makes_no_sense_together_is_refused() -> None:
    with pytest.raises(UsageError, match="Nothing to train"):
        TrainConfig.parse({"stage1_epochs": 0, "stage2_epochs": 0})
    for folds in (1, 2):
        with pytest.raises(UsageError, match="folds must be 0, or at least 3"):
            TrainConfig.parse({"folds": folds})
    for folds, fold in ((0, 1), (5, 5)):
        with pytest.raises(UsageError, match="fold must be less than folds"):
            TrainConfig.parse({"folds": folds, "fold": fold})
    assert TrainConfig.parse({"folds": "5", "fold": "4"}).fold == 4
    with pytest.raises(UsageError, match="views must be one of 1, 8"):
        TrainConfig.parse({"views": 3})
    with pytest.raises(UsageError, match="stage1_batch_size must be a multiple of devices, 3, which share each batch"):
        TrainConfig.parse({"devices": 3})
    assert TrainConfig.parse({"devices": 3, "stage1_epochs": 0, "stage2_batch_size": 33}).devices == 3


def test_the_stages_follow_the_fields() -> None:
    config = TrainConfig(stage1_epochs=5, stage2_learning_rate=1e-5, stage2_batch_size=8)
    first, second = config.stages
    assert first == Stage(1, 5, config.stage1_learning_rate, config.stage1_patience, config.stage1_batch_size)
    assert second == Stage(2, config.stage2_epochs, 1e-5, config.stage2_patience, 8)


def test_a_configuration_never_changes() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        TrainConfig().seed = 1  # type: ignore[misc]


# Presets


@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_is_a_configuration_that_differs_as_it_says(preset: str) -> None:
    config = TrainConfig.from_preset(preset)
    for name, value in PRESETS[preset].items():
        assert getattr(config, name) == value
    assert set(differences([TrainConfig(), config])) <= set(PRESETS[preset])


def test_a_field_goes_before_the_preset() -> None:
    assert TrainConfig.from_preset("reference", seed="7", image_size=64).image_size == 64
    with pytest.raises(UsageError, match="Unknown preset 'fast': use one of standard, reference, demo"):
        TrainConfig.from_preset("fast")


def test_the_reference_preset_is_the_reference_systems_recipe() -> None:
    config = TrainConfig.from_preset("reference")
    assert (config.backbone, config.image_size, config.split, config.seed) == ("resnet50", 224, "by-image", 42)
    assert config.stages == (Stage(1, 100, 1e-4, 10, 32), Stage(2, 20, 1e-5, 0, 32))
    assert (config.imbalance, config.label_smoothing, config.scaling) == ("balanced", 0.0, "unit")


def test_differences_name_the_fields_and_every_value() -> None:
    configs = [TrainConfig(), TrainConfig(seed=1), TrainConfig(seed=2)]
    assert differences(configs) == {"seed": (42, 1, 2)}
    assert differences(configs[:1]) == {}


# The file


@pytest.mark.parametrize("preset", PRESETS)
def test_a_configuration_comes_back_from_its_file(preset: str, tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text(TrainConfig.from_preset(preset).to_json())
    assert TrainConfig.load(path) == TrainConfig.from_preset(preset)


@pytest.mark.parametrize("text", ["", "{", "[]", "3", '{"epochs": 3}', '{"seed": "x"}', '{"seed": null}', None])
def test_a_damaged_file_is_refused_in_one_sentence(text: str | None, tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(UserError, match=r"config\.json is no run configuration") as refusal:
        TrainConfig.load(path)
    assert "\n" not in str(refusal.value)


@settings(deadline=None)
@given(
    st.dictionaries(
        st.sampled_from([*INFOS, "other"]),
        st.none() | st.booleans() | st.integers() | st.floats() | st.text("0123456789.-einfax", max_size=6),
    )
)
def test_any_values_are_parsed_or_refused(values: dict[str, Any]) -> None:
    try:
        config = TrainConfig.parse(values)
    except UsageError:
        return
    assert TrainConfig.parse(json.loads(config.to_json())) == config
