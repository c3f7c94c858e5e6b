"""The durations of the phases of a training beside each other."""

from skin.config import TrainConfig
from skin.models.backbones import find_backbone

FORWARD_FACTOR = 7.0
"""The factor by which a network predicts faster than it is fine-tuned, measured with EfficientNet-Lite0."""

HEAD_RATE = 20_000.0
"""Images a second of stage 1, whose features are computed only once: somewhat below what two cores were measured at."""

PREPARING, STAGE_1, STAGE_2, EVALUATING = range(4)
"""The phases of a run in their order."""


def fine_tuning_rate(config: TrainConfig) -> float:
    """Images a second of stage 2 on a common 2-core machine. Raises UsageError for a backbone that does not exist."""
    return find_backbone(config.backbone).training_rate * (224 / config.image_size) ** 2


def seconds_per_image(config: TrainConfig, head_rate: float, fine_tuning: float) -> list[float]:
    """An estimate of what each phase takes in seconds for an image of the training part, which are 70% of all."""
    predicting = 1 / (FORWARD_FACTOR * fine_tuning)
    return [
        predicting / 0.7,
        config.stage1_epochs / head_rate,
        config.stage2_epochs / fine_tuning,
        0.3 / 0.7 * config.views * predicting,
    ]


def share_done(config: TrainConfig, phase: int, share: float) -> float:
    """The share of the whole run that is done when `share` of this phase is."""
    seconds = seconds_per_image(config, HEAD_RATE, fine_tuning_rate(config))
    return (sum(seconds[:phase]) + share * seconds[phase]) / sum(seconds)
