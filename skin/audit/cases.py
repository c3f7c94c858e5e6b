"""The index of similar cases, and what the cases that it finds for the test images are worth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from skin.audit.inputs import AuditInput
from skin.inference.neighbours import INDEX, SHOWN, Case, CaseIndex, shares


@dataclass(frozen=True)
class SimilarCases:
    """The index of a run and its test: for each test image, so many (`shown`) cases of other lesions.

    `first_agrees` is the share of test images whose nearest case has their true diagnosis, `mean_share` the mean share of
    the true diagnosis among the cases, and the accuracies are those of the most frequent diagnosis among them. `typical`
    is the median distance from a validation image to its nearest case.
    """

    images: int
    lesions: int
    index_bytes: int
    typical: float
    shown: int
    test_images: int
    first_agrees: float
    mean_share: float
    accuracy: float
    balanced_accuracy: float

    def sentences(self) -> list[str]:
        """The figures in words."""
        return [
            f"The index holds {self.images:,} training images of {self.lesions:,} lesions in {self.index_bytes / 1e6:.2f} MB.",
            f"Of {self.test_images:,} test images, {self.first_agrees:.1%} have the diagnosis of their nearest case; among "
            f"{self.shown} cases {self.mean_share:.1%} share it. The most frequent diagnosis among these is right for "
            f"{self.accuracy:.1%} (balanced accuracy {self.balanced_accuracy:.1%}).",
        ]


def compute(inputs: AuditInput) -> SimilarCases:
    """Make the index from the training part, its unit of distance from validation, and try it on the test part."""
    task, train = inputs.predictor.task, inputs.images("train")
    index = CaseIndex.fit(task, train, inputs.embeddings("train"), inputs.embeddings("validation"))
    path = inputs.run.audit_folder / INDEX
    index.save(path)
    tested = list(zip(inputs.images("test"), inputs.embeddings("test"), strict=True))
    found = [
        index.nearest(embedding, without=image.lesion_id)
        for image, embedding in inputs.progress(tested, desc="Finding similar cases", total=len(tested))
    ]
    truth = [image.diagnosis for image, _ in tested]
    return SimilarCases(
        images=len(train),
        lesions=len({image.lesion_id for image in train}),
        index_bytes=path.stat().st_size,
        typical=index.typical,
        shown=SHOWN,
        test_images=len(tested),
        **_agreement(truth, found),
    )


def _agreement(truth: Sequence[str], found: Sequence[Sequence[Case]]) -> dict[str, float]:
    codes, all_shares = np.array(truth), [shares(cases) for cases in found]
    right = np.array([next(iter(of_image), "") for of_image in all_shares]) == codes
    nearest = np.array([cases[0].diagnosis if cases else "" for cases in found])
    return {
        "first_agrees": float((nearest == codes).mean()),
        "mean_share": float(
            np.mean([of_image.get(code, 0.0) for code, of_image in zip(truth, all_shares, strict=True)])
        ),
        "accuracy": float(right.mean()),
        "balanced_accuracy": float(np.mean([right[codes == code].mean() for code in np.unique(codes)])),
    }
