"""A report in sentences."""

from simulated import labels

from skin.evaluation.report import evaluate
from skin.evaluation.summary import best, challenging


def test_best_and_challenging_in_words() -> None:
    report = evaluate(labels([0, 0, 0, 0, 4, 4, 4, 4, 3], [0, 0, 0, 0, 5, 5, 1, 4, 3]))
    assert (
        best(report)
        == "Actinic keratosis / intraepithelial carcinoma is recognised best: F1 1.00, 100% of its 4 images found."
    )
    assert (
        challenging(report) == "Melanoma is the most challenging: F1 0.40, 25% of its 4 images found, "
        "most often taken for Melanocytic nevus (2)."
    )
