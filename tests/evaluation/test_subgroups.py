"""The metrics of groups of images."""

import json
from pathlib import Path

import numpy as np
from simulated import labels, simulated

from skin.evaluation.report import evaluate, load_report, save_report
from skin.evaluation.subgroups import SUBGROUP_METRICS


def test_a_group_is_judged_as_if_it_were_alone() -> None:
    predictions = simulated()
    is_young = np.arange(400) % 4 < 2
    groups = {"age": {f"image{i}": "young" if young else "old" for i, young in enumerate(is_young)}}
    subgroups = evaluate(predictions, groups=groups).subgroups["age"]
    assert list(subgroups) == ["old", "young"]
    alone = evaluate(predictions.only(is_young))
    assert (subgroups["young"].n, subgroups["young"].n_lesions) == (alone.n, alone.n_lesions) == (200, 100)
    assert set(subgroups["young"].headline) == set(SUBGROUP_METRICS)
    for name in ("accuracy", "malignant_auc"):
        assert subgroups["young"].headline[name] == alone.headline[name]


def test_too_few_lesions_decide_nothing() -> None:
    """All 19 benign lesions right is no certainty, and neither are 21 without one that is malignant."""
    few, some = (
        evaluate(labels([5] * n, [5] * n), groups={"sex": {str(i): "unknown" for i in range(n)}}) for n in (19, 21)
    )
    assert np.isnan(few.subgroups["sex"]["unknown"].headline["accuracy"].value)
    assert some.subgroups["sex"]["unknown"].headline["accuracy"].value == 1
    assert np.isnan(some.subgroups["sex"]["unknown"].headline["malignant_auc"].value)


def test_groups_are_loaded_as_they_were_saved_and_older_reports_have_none(tmp_path: Path) -> None:
    groups = {"site": {f"image{i}": ("back", "unknown", "face")[i % 3] for i in range(400)}}
    report = evaluate(simulated(), groups=groups)
    save_report(tmp_path / "report.json", {"test": report})
    assert load_report(tmp_path / "report.json")["test"].subgroups == report.subgroups
    assert list(report.subgroups["site"]) == ["back", "face", "unknown"]

    content = json.loads((tmp_path / "report.json").read_text())
    del content["test"]["subgroups"]
    (tmp_path / "report.json").write_text(json.dumps(content))
    assert load_report(tmp_path / "report.json")["test"].subgroups == {}
