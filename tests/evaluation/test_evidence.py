"""Where a report rests on too few lesions."""

import dataclasses

import numpy as np
import pytest
from ham import CODES

from skin.evaluation.chosen import choose
from skin.evaluation.evidence import few_behind, few_lesions, is_chosen, warnings
from skin.evaluation.origin import UNKNOWN
from skin.evaluation.predictions import Predictions
from skin.evaluation.report import Report, evaluate, load_report
from skin.run import Run, list_runs
from skin.workspace import PROJECT, Workspace

MEL, NV = CODES.index("mel"), CODES.index("nv")


def predictions(lesions: dict[int, int], images_each: int = 1, right: bool = True) -> Predictions:
    """So many lesions of each class, every image of them recognised or taken for the next class."""
    truth = np.repeat(list(lesions), list(lesions.values()))
    lesion_ids = tuple(f"L{n}" for n in range(len(truth)) for _ in range(images_each))
    truth = np.repeat(truth, images_each)
    said = truth if right else (truth + 1) % len(CODES)
    probabilities = (0.3 * np.eye(len(CODES)) + 0.1)[said].astype(np.float32)
    return Predictions(tuple(map(str, range(len(truth)))), lesion_ids, truth, probabilities)


def report(part: Predictions, validation: Predictions) -> Report:
    return evaluate(part, choose(validation))


ENOUGH = predictions(dict.fromkeys(range(len(CODES)), 40))


@pytest.mark.parametrize(("malignant", "chosen"), [(18, False), (19, True)])
def test_a_threshold_needs_as_many_malignant_lesions_as_may_hold_one_miss(malignant: int, chosen: bool) -> None:
    validation = predictions({MEL: malignant, NV: 40})
    judged = report(ENOUGH, validation)
    assert is_chosen(judged.operating_point.thresholds) is chosen
    told = [sentence for sentence in warnings(judged) if "malignant lesions" in sentence]
    assert len(told) == (not chosen)
    assert chosen or "The validation part has 18 malignant lesions, too few" in told[0]
    assert chosen or "every image is called malignant" in told[0]


def test_many_images_of_few_lesions_are_no_better() -> None:
    judged = report(ENOUGH, predictions({MEL: 6, NV: 40}, images_each=5))
    assert judged.operating_point.thresholds.malignant > 0
    assert not is_chosen(judged.operating_point.thresholds)
    assert "has 6 malignant lesions" in warnings(judged)[0]


def test_an_older_report_is_known_by_its_threshold_of_nothing() -> None:
    judged = report(ENOUGH, predictions({MEL: 5, NV: 40}))
    thresholds = dataclasses.replace(judged.operating_point.thresholds, malignant_lesions=None)
    per_class = {code: dataclasses.replace(row, lesions=0) for code, row in judged.per_class.items()}
    point = dataclasses.replace(judged.operating_point, thresholds=thresholds)
    older = dataclasses.replace(judged, operating_point=point, per_class=per_class)
    assert "has fewer than 19 malignant lesions" in warnings(older)[0]
    assert few_lesions(older) == few_lesions(judged)


def test_diagnoses_that_no_set_can_rule_out_are_named() -> None:
    judged = report(ENOUGH, predictions({MEL: 30, NV: 8}))
    assert any("holds akiec, bcc, bkl, df, nv, vasc:" in sentence for sentence in warnings(judged))


def test_figures_of_few_lesions_are_named_with_their_number() -> None:
    judged = evaluate(predictions({MEL: 6, NV: 40}, images_each=9))
    assert few_lesions(judged) == {"mel": 6}
    assert few_behind(judged) == {"melanoma_sensitivity": 6, "malignant_auc": 6}
    assert any("behind the figures of mel (6)" in sentence for sentence in warnings(judged))


def test_an_interval_of_no_width_is_named() -> None:
    perfect = evaluate(ENOUGH)
    assert perfect.headline["accuracy"].low == perfect.headline["accuracy"].high == 1
    (told,) = warnings(perfect)
    assert told.startswith("An interval of no width (Accuracy, ")
    halves = predictions(dict.fromkeys(range(len(CODES)), 80))
    said = np.where(np.arange(len(halves.truth)) % 2, halves.truth, (halves.truth + 1) % len(CODES))
    unsure = dataclasses.replace(
        halves, probabilities=(0.3 * np.eye(7) + 0.1 + 1e-3 * np.arange(7)).astype(np.float32)[said] / np.float32(1.021)
    )
    assert warnings(evaluate(unsure)) == []


@pytest.mark.parametrize("run", list_runs(Workspace(PROJECT)), ids=lambda run: run.name)
def test_the_shipped_runs_say_which_diagnoses_are_rare(run: Run) -> None:
    judged = load_report(run.report_path)["test"]
    assert is_chosen(judged.operating_point.thresholds)
    assert set(few_lesions(judged)) <= {"df", "vasc"}
    assert UNKNOWN.to_dict(judged)["warnings"] == warnings(judged)
