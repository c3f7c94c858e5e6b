"""Figures of groups of test images at the run's own threshold: by every field of the patient, by source and the like."""

from __future__ import annotations

from dataclasses import dataclass

from skin.audit.inputs import AuditInput
from skin.data.groups import group
from skin.evaluation.group_figures import GroupReport, judge_groups, spaced
from skin.evaluation.operating_point import choose_thresholds
from skin.evaluation.predictions import load_predictions


@dataclass(frozen=True)
class Subgroups:
    """The groups of each grouping of the test images, as the run predicts them."""

    n: int
    n_lesions: int
    groupings: dict[str, GroupReport]

    def sentences(self) -> list[str]:
        """The gaps of each grouping in words."""
        if not self.groupings:
            return ["The data set tells nothing of its images by which they could be grouped."]
        n_gaps = sum(len(report.gaps) for report in self.groupings.values())
        return [
            f"Judged are the {self.n:,} test images at the run's own threshold for malignant. Groups hold other mixes of diagnoses, which "
            f"alone makes some easier than others; and of {n_gaps} gaps, each the largest of its kind, some lie beyond chance "
            "by chance.",
            *(
                f"{spaced(name).capitalize()}. {sentence}"
                for name, report in self.groupings.items()
                for sentence in report.sentences() or ["No gap lies beyond chance."]
            ),
        ]


def compute(inputs: AuditInput) -> Subgroups:
    """The groups of a run's test images."""
    parts = load_predictions(inputs.run.predictions_path)
    test, thresholds = parts["test"], choose_thresholds(parts["validation"])
    groupings = {name: judge_groups(test, thresholds, members) for name, members in group(inputs.dataset).items()}
    return Subgroups(len(test.image_ids), len(set(test.lesion_ids)), groupings)
