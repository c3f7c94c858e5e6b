"""The outcome of made-up runs whose truth is known."""

import dataclasses
import json
import re
from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_up import FOLDS, N_CLASSES, SEEDS, made_up_run, made_up_runs

from skin.evaluation.headline import headline
from skin.evaluation.metrics import METRICS, Estimate
from skin.evaluation.predictions import Predictions
from skin.evaluation.report import evaluate
from skin.evaluation.subgroups import MIN_LESIONS
from skin.experiments.outcome import CAVEAT, Cell, Contrast, LeftOut, Outcome, out_of_fold, outcome
from skin.task import HAM10000
from skin.workspace import PROJECT

METADATA = Contrast("image", "multimodal", "metadata")


UNLIKE = made_up_runs({"image": 0.6, "multimodal": 0.8})


def of(runs: Mapping[Cell, Predictions], missing: Mapping[Cell, str] | None = None) -> Outcome:
    return outcome(runs, [METADATA], HAM10000, missing or {})


@pytest.fixture(scope="module")
def unlike() -> Outcome:
    return of(UNLIKE)


# Together


def test_every_image_has_one_prediction_of_each_seed() -> None:
    together = out_of_fold(UNLIKE, "image", FOLDS, 43)
    parts = [UNLIKE[Cell("image", fold, 43)] for fold in FOLDS]
    assert together.image_ids == tuple(image_id for part in parts for image_id in part.image_ids)
    assert (together.probabilities == np.concatenate([part.probabilities for part in parts])).all()


def test_of_one_seed_a_figure_is_that_of_its_out_of_fold_predictions() -> None:
    (comparison,) = of(made_up_runs({"image": 0.6, "multimodal": 0.8}, seeds=[42])).comparisons
    together = out_of_fold(UNLIKE, "multimodal", FOLDS, 42)
    report = evaluate(together)
    assert {name: value.interval for name, value in comparison.figures["multimodal"].items()} == headline(together)
    for code, row in comparison.per_class.items():
        known = report.per_class[code]
        recall, f1 = (row.figures["multimodal"][measure].interval for measure in ("recall", "f1"))
        assert recall == Estimate(known.recall, known.recall_low, known.recall_high)
        assert f1 == Estimate(known.f1, known.f1_low, known.f1_high)
        assert (row.n, row.n_lesions) == (known.support, known.lesions)


def test_a_figure_is_the_mean_over_seeds_and_a_difference_that_of_the_figures(unlike: Outcome) -> None:
    (comparison,) = unlike.comparisons
    for variant in ("image", "multimodal"):
        by_seed = [headline(out_of_fold(UNLIKE, variant, FOLDS, seed)) for seed in SEEDS]
        for name, value in comparison.figures[variant].items():
            own = [figures[name].value for figures in by_seed]
            assert value.value == pytest.approx(np.mean(own))
            assert value.seed_sd == pytest.approx(np.std(own, ddof=1))
    for name, value in comparison.difference.items():
        a, b = (comparison.figures[variant][name].value for variant in ("image", "multimodal"))
        assert value.value == pytest.approx(b - a)
    for row in comparison.per_class.values():
        for name, value in row.difference.items():
            assert value.value == pytest.approx(
                row.figures["multimodal"][name].value - row.figures["image"][name].value
            )


def test_all_metrics_of_the_task_are_pooled(unlike: Outcome) -> None:
    (comparison,) = unlike.comparisons
    assert list(comparison.difference) == list(METRICS)
    assert (comparison.folds, comparison.seeds) == (FOLDS, SEEDS)
    assert (comparison.n, comparison.n_lesions) == (420, 210)
    assert unlike.planned == len(unlike.points) == comparison.finished == 18
    assert unlike.left_out == ()


def test_an_interval_holds_its_figure_where_that_is_above_one() -> None:
    (comparison,) = of(made_up_runs({"image": 0.1, "multimodal": 0.3})).comparisons
    for figures in (*comparison.figures.values(), comparison.difference):
        for name, value in figures.items():
            assert value.low <= value.value <= value.high, name
    assert comparison.figures["image"]["log_loss"].value > 1


def test_every_run_is_a_point(unlike: Outcome) -> None:
    assert [(point.variant, point.fold, point.seed) for point in unlike.points] == [
        tuple(cell) for cell in sorted(UNLIKE)
    ]
    for point in unlike.points:
        known = evaluate(UNLIKE[Cell(point.variant, point.fold, point.seed)])
        assert point.n == known.n
        assert point.figures == {name: pytest.approx(value.value) for name, value in known.headline.items()}


@settings(max_examples=8, deadline=None)
@given(st.randoms())
def test_neither_order_of_images_nor_of_runs_matters(random: object) -> None:
    runs = made_up_runs({"image": 0.6, "multimodal": 0.8}, folds=[0, 1], seeds=[42, 43])
    assert of(shuffled(runs, random)) == of(runs)


def shuffled(runs: Mapping[Cell, Predictions], random: object) -> dict[Cell, Predictions]:
    cells = list(runs)
    random.shuffle(cells)  # type: ignore[attr-defined]
    first = {fold: min(cell for cell in runs if cell.fold == fold) for fold in {cell.fold for cell in runs}}
    return {cell: runs[cell] if cell in first.values() else in_other_order(runs[cell], random) for cell in cells}


def in_other_order(predictions: Predictions, random: object) -> Predictions:
    rows = list(range(len(predictions.truth)))
    random.shuffle(rows)  # type: ignore[attr-defined]
    image_ids, lesion_ids = (tuple(ids[row] for row in rows) for ids in (predictions.image_ids, predictions.lesion_ids))
    return Predictions(image_ids, lesion_ids, predictions.truth[rows], predictions.probabilities[rows])


def test_the_other_way_round_a_difference_has_the_other_sign(unlike: Outcome) -> None:
    (back,) = outcome(UNLIKE, [Contrast("multimodal", "image", "leaving out metadata")], HAM10000).comparisons
    (there,) = unlike.comparisons
    for name, value in there.difference.items():
        turned = back.difference[name]
        assert (turned.value, turned.low, turned.high) == pytest.approx((-value.value, -value.high, -value.low))
        assert turned.p == pytest.approx(value.p)


# What is said


def test_a_difference_that_is_there_is_more_than_chance(unlike: Outcome) -> None:
    (comparison,) = unlike.comparisons
    value, low, high = (100 * bound for bound in vars(comparison.difference["balanced_accuracy"].interval).values())
    assert comparison.verdict == (
        f"Metadata adds {value:.1f} points of balanced accuracy (95% interval {low:.1f} to {high:.1f}, over the lesions and "
        "3 seeds): more than chance."
    )


def test_a_loss_is_a_cost() -> None:
    (comparison,) = of(made_up_runs({"image": 0.8, "multimodal": 0.6})).comparisons
    value, low, high = (100 * bound for bound in vars(comparison.difference["balanced_accuracy"].interval).values())
    assert comparison.verdict == (
        f"Metadata costs {-value:.1f} points of balanced accuracy (95% interval {-high:.1f} to {-low:.1f}, over the lesions "
        "and 3 seeds): more than chance."
    )


def test_of_one_seed_nothing_is_said_to_be_more_than_chance() -> None:
    (comparison,) = of(made_up_runs({"image": 0.5, "multimodal": 0.9}, seeds=[42])).comparisons
    assert comparison.verdict.startswith("What metadata adds is not known from these runs: +")
    assert comparison.verdict.endswith(", over the lesions; one seed tells nothing of others).")
    assert comparison.class_verdict.endswith("This is of one seed; another may tell otherwise.")


@pytest.mark.slow
def test_variants_that_do_not_differ_are_rarely_said_to() -> None:
    said = [
        of(made_up_runs({"image": 0.7, "multimodal": 0.7}, folds=[0, 1], noise=noise)).comparisons[0]
        for noise in range(30)
    ]
    assert sum("more than chance" in comparison.verdict for comparison in said) <= 3
    assert sum("Beyond chance" in comparison.class_verdict for comparison in said) <= 3


def test_runs_that_are_the_same_differ_in_nothing() -> None:
    runs = {cell: UNLIKE[Cell("image", *cell[1:])] for cell in UNLIKE}
    (comparison,) = of(runs).comparisons
    assert {(value.value, value.low, value.high, value.p) for value in comparison.difference.values()} == {(0, 0, 0, 1)}
    assert comparison.verdict.startswith("What metadata adds is not known from these runs: +0.0 points")


def test_the_diagnosis_that_differs_is_named_and_no_other() -> None:
    mel = HAM10000.index("mel")

    def blind(predictions: Predictions) -> Predictions:
        others = np.where(predictions.truth[:, None] == mel, np.eye(N_CLASSES)[0], predictions.probabilities)
        return dataclasses.replace(predictions, probabilities=others)

    seeing = made_up_runs({"image": 0.9, "multimodal": 0.9})
    runs = {cell: blind(own) if cell.variant == "image" else own for cell, own in seeing.items()}
    (comparison,) = of(runs).comparisons
    assert comparison.per_class["mel"].n_lesions >= MIN_LESIONS
    assert {code for code, row in comparison.per_class.items() if row.p["recall"] < 0.05} == {"mel"}
    assert "Melanoma, Recall +" in comparison.class_verdict
    assert "Vascular" not in comparison.class_verdict


def test_of_few_lesions_nothing_is_claimed() -> None:
    (comparison,) = of(made_up_runs({"image": 0.4, "multimodal": 0.9}, folds=[0])).comparisons
    assert all(np.isnan([*row.p.values()]).all() for row in comparison.per_class.values())
    assert comparison.class_verdict.startswith(f"No diagnosis has the {MIN_LESIONS} lesions")


def test_a_leak_is_measured_on_one_test_part() -> None:
    arms = {"image-without": 0.5, "image-with": 0.8, "multimodal-without": 0.6, "multimodal-with": 0.6}
    contrasts = [
        Contrast(f"{model}-without", f"{model}-with", "the leak", where)
        for model, where in (("image", "Image-only"), ("multimodal", "With metadata"))
    ]
    found = outcome(made_up_runs(arms, folds=[0]), contrasts, HAM10000)
    image, multimodal = found.comparisons
    assert image.verdict.startswith("Image-only: The leak adds ")
    assert multimodal.verdict.startswith("With metadata: What the leak adds is not known from these runs: ")
    assert found.notes == (
        "Image-only: 140 images of 70 lesions: 6 runs, both variants on one test part with 3 seeds.",
        "With metadata: 140 images of 70 lesions: 6 runs, both variants on one test part with 3 seeds.",
        CAVEAT,
    )


def test_a_seed_of_a_leak_that_one_variant_lacks_is_a_point() -> None:
    runs = made_up_runs({"without": 0.5, "with": 0.8}, folds=[0])
    del runs[Cell("with", 0, 44)]
    (comparison,) = outcome(runs, [Contrast("without", "with", "the leak")], HAM10000).comparisons
    assert comparison.scope == (
        "140 images of 70 lesions: 4 runs, both variants on one test part with 2 seeds. One more finished run is a point "
        "alone: pooled are seeds that have finished in both."
    )


# What is not whole


def without(*cells: Cell) -> dict[Cell, Predictions]:
    return {cell: own for cell, own in UNLIKE.items() if cell not in cells}


def test_of_an_unfinished_seed_the_points_are_shown_and_the_rest_is_pooled() -> None:
    missing = dict.fromkeys([Cell("multimodal", 2, 44), Cell("image", 2, 44)], "it trains")
    found = of(without(*missing), missing)
    (comparison,) = found.comparisons
    assert (comparison.folds, comparison.seeds) == (FOLDS, (42, 43))
    assert (
        comparison.figures == of(made_up_runs({"image": 0.6, "multimodal": 0.8}, seeds=[42, 43])).comparisons[0].figures
    )
    assert (found.planned, len(found.points), comparison.finished) == (18, 16, 16)
    assert [(row.variant, row.fold, row.seed, row.reason) for row in found.left_out] == [
        ("image", 2, 44, "it trains"),
        ("multimodal", 2, 44, "it trains"),
    ]
    assert found.notes == (
        "16 of 18 runs are in these figures, which change with the others.",
        "420 images of 210 lesions: 12 runs, both variants on 3 folds with 2 seeds. 4 more finished runs are points alone: "
        "pooled are folds that have finished with every seed in both.",
        CAVEAT,
    )


@settings(max_examples=15, deadline=None)
@given(st.sets(st.tuples(st.integers(0, 3), st.integers(0, 4)), min_size=1))
def test_as_many_runs_are_pooled_as_every_seed_has_of_the_same_folds(finished: set[tuple[int, int]]) -> None:
    bare = {
        cell: made_up_run(0.5, np.random.default_rng(0), cell.fold, 7)
        for variant in ("image", "multimodal")
        for cell in (Cell(variant, *pair) for pair in finished)
    }
    (comparison,) = of(bare).comparisons
    assert {(fold, seed) for fold in comparison.folds for seed in comparison.seeds} <= finished
    n_runs = len(comparison.folds) * len(comparison.seeds)
    assert n_runs >= max(sum(own == seed for _, own in finished) for _, seed in finished)


def test_until_both_have_finished_a_fold_nothing_is_compared() -> None:
    found = of({cell: own for cell, own in UNLIKE.items() if (cell.variant == "image") == (cell.fold == 0)})
    assert found.comparisons == ()
    assert len(found.points) == 9
    assert found.notes == ("Nothing can be compared until image and multimodal have finished a fold of the same seed.",)


def test_of_no_run_nothing_is_said() -> None:
    found = of({}, {Cell("image", 0, 42): "it waits"})
    assert (found.comparisons, found.points) == ((), ())
    assert found.notes[0] == "0 of 1 runs are in these figures, which change with the others."


ODD = Cell("image", 0, 42)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda own: own.only(np.arange(140) < 100), r"test sets differ \(140 and 100 images, 100 in both\)"),
        (lambda own: dataclasses.replace(own, truth=(own.truth + 1) % 7), "true diagnosis of 140 test images differs"),
        (lambda _: UNLIKE[Cell("image", 1, 42)], "test sets differ"),
    ],
)
def test_a_run_that_was_tested_on_something_else_is_left_out(change: object, reason: str) -> None:
    found = of({**UNLIKE, ODD: change(UNLIKE[ODD])})  # type: ignore[operator]
    assert [(row.variant, row.fold, row.seed) for row in found.left_out] == [tuple(ODD)]
    assert re.search(reason, found.left_out[0].reason)
    assert found.comparisons == of(without(ODD)).comparisons


def test_a_fold_that_tests_the_images_of_another_one_is_left_out() -> None:
    found = of({cell: UNLIKE[Cell(cell.variant, min(cell.fold, 1), cell.seed)] for cell in UNLIKE})
    assert {row.fold for row in found.left_out} == {2}
    assert "140 of its test images were tested in another fold" in found.left_out[0].reason
    assert found.comparisons[0].folds == (0, 1)


# As JSON


def test_as_json_it_has_the_documented_keys(unlike: Outcome) -> None:
    values = unlike.to_dict()
    assert json.loads(json.dumps(values, allow_nan=False)) == values
    section = (PROJECT / "docs/json.md").read_text().partition("## The outcome of an experiment")[2]
    comparison = values["comparisons"][0]
    records = [values, comparison, comparison["contrast"], values["points"][0], comparison["difference"]["ece"]]
    written = {name for record in [*records, comparison["per_class"]["mel"]] for name in record}
    assert written | {field.name for field in dataclasses.fields(LeftOut)} <= set(re.findall(r"`(\w+)`", section))
