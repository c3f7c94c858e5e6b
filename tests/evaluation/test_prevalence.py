"""Probabilities and predictive values for another prevalence."""

import numpy as np
import pytest
from ham import CODES, MALIGNANT
from scipy.stats import norm
from simulated import simulated

from skin.errors import UsageError, UserError
from skin.evaluation.metrics import log_loss
from skin.evaluation.operating_point import judge_thresholds
from skin.evaluation.predictions import Predictions, load_predictions
from skin.evaluation.prevalence import (
    PREVALENCES,
    Prevalence,
    class_shares,
    implied_shares,
    parse_prevalence,
    reweigh,
    shares_as_text,
)
from skin.task import HAM10000
from skin.workspace import PROJECT

COUNTED = np.array([0.03, 0.05, 0.11, 0.02, 0.11, 0.66, 0.02])
TYPED = "akiec=0.1, bcc=0.1, bkl=0.1, df=0, mel=0.2, nv=0.5, vasc=0"


def answers(prior: np.ndarray, answered: np.ndarray, n: int = 20_000) -> Predictions:
    """Exact posteriors under the prior `answered`, of images whose diagnoses have the shares `prior`."""
    rng = np.random.default_rng(0)
    truth = rng.choice(7, size=n, p=prior)
    seen = rng.normal(size=(n, 7)) + 1.5 * np.eye(7)[truth]
    likelihoods = np.exp(1.5 * seen)
    posterior = likelihoods * answered
    ids = tuple(str(i) for i in range(n))
    return Predictions(ids, ids, truth, (posterior / posterior.sum(axis=1, keepdims=True)).astype(np.float32))


def test_reweighed_posteriors_are_those_of_the_other_prior() -> None:
    """Two normal distributions, for which Bayes' rule can be written down."""
    seen = np.linspace(-3, 3, 50)
    likelihoods = np.stack([norm.pdf(seen, -1), norm.pdf(seen, 1)], axis=1)
    old, new = np.array([0.9, 0.1]), np.array([0.4, 0.6])
    before, after = (likelihoods * prior / (likelihoods @ prior)[:, None] for prior in (old, new))
    np.testing.assert_allclose(reweigh(before, old, new), after)
    np.testing.assert_allclose(reweigh(after, new, old), before)


def test_the_same_shares_change_nothing_and_every_row_sums_to_one() -> None:
    probabilities = simulated().probabilities
    np.testing.assert_allclose(reweigh(probabilities, COUNTED, COUNTED), probabilities, rtol=1e-5)
    np.testing.assert_allclose(reweigh(probabilities, COUNTED, COUNTED[::-1]).sum(axis=1), 1)


def test_an_image_whose_only_diagnosis_never_occurs_keeps_it() -> None:
    new = np.array([0, 0.5, 0.5, 0, 0, 0, 0])
    assert reweigh(np.eye(7)[:1], COUNTED, new)[0].tolist() == np.eye(7)[0].tolist()


def test_the_shares_that_a_model_goes_by_are_found() -> None:
    adjusted = COUNTED**0.5 / (COUNTED**0.5).sum()
    predictions = answers(COUNTED, adjusted)
    np.testing.assert_allclose(implied_shares(predictions), adjusted, atol=0.02)
    np.testing.assert_allclose(implied_shares(answers(COUNTED, COUNTED)), COUNTED, atol=0.01)


def test_reweighing_from_the_implied_shares_calibrates_where_the_prevalence_is_another() -> None:
    adjusted = COUNTED**0.5 / (COUNTED**0.5).sum()
    elsewhere = np.full(7, 1 / 7)
    there = answers(elsewhere, adjusted)
    reweighed = reweigh(there.probabilities, implied_shares(answers(COUNTED, adjusted)), elsewhere)
    np.testing.assert_allclose(reweighed.mean(axis=0), elsewhere, atol=0.015)
    assert np.abs(there.probabilities.mean(axis=0) - elsewhere).max() > 0.05


@pytest.mark.parametrize("name", PREVALENCES)
def test_every_named_prevalence_sums_to_one(name: str) -> None:
    prevalence = parse_prevalence(name, HAM10000, COUNTED)
    assert prevalence is not None
    assert list(prevalence.shares) == list(CODES)
    assert sum(prevalence.shares.values()) == pytest.approx(1)


def test_shares_are_typed_or_sent_by_code_or_name() -> None:
    typed = parse_prevalence(TYPED, HAM10000, COUNTED)
    assert typed is not None
    assert typed.shares["mel"] == pytest.approx(0.2)
    sent = parse_prevalence(dict(typed.shares), HAM10000, COUNTED)
    named = parse_prevalence(TYPED.replace("mel", "Melanoma"), HAM10000, COUNTED)
    assert typed == sent == named
    assert parse_prevalence(shares_as_text(HAM10000, COUNTED), HAM10000, COUNTED) == parse_prevalence(
        dict(zip(CODES, COUNTED, strict=True)), HAM10000, COUNTED
    )


@pytest.mark.parametrize("told", [None, "", "unchanged"])
def test_no_prevalence_is_none(told: object) -> None:
    assert parse_prevalence(told, HAM10000, COUNTED) is None


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ("summer", "There is no prevalence 'summer': use unchanged, training, equal, or a share for each diagnosis"),
        (3, "There is no prevalence '3'"),
        (["mel"], "There is no prevalence"),
        (TYPED.replace("0.5", "0.4"), "sum to 0.9: they must sum to 1"),
        (TYPED.replace("0.2", "-0.2"), "The share of mel must be a number from 0 to 1, not '-0.2'"),
        (TYPED.replace("0.2", "nan"), "The share of mel must be a number"),
        (TYPED.replace("0.2", "a fifth"), "The share of mel must be a number"),
        (TYPED.replace("0.2", ""), "The share of mel must be a number"),
        (TYPED.replace("mel=0.2, ", ""), "The prevalence lacks mel: give a share for each diagnosis"),
        ("mel=1", "The prevalence lacks akiec, bcc, bkl, df, nv and vasc"),
        (TYPED.replace("mel", "wart"), "There is no diagnosis 'wart' in HAM10000"),
        ({"mel": True}, "The share of mel must be a number"),
    ],
)
def test_a_prevalence_that_makes_no_sense_is_one_sentence(told: object, words: str) -> None:
    with pytest.raises(UsageError) as error:
        parse_prevalence(told, HAM10000, COUNTED)
    assert words in str(error.value)
    assert "\n" not in str(error.value)


def test_predictive_values_follow_bayes_rule() -> None:
    predictions = simulated(1000, skill=0.5)
    prevalence = parse_prevalence(TYPED, HAM10000, COUNTED)
    assert prevalence is not None
    (row,) = judge_thresholds(predictions, [0.3], prevalence)
    shares = prevalence.row(HAM10000)
    called = predictions.probabilities[:, MALIGNANT].sum(axis=1, dtype=np.float64) >= 0.3
    rates = np.array([called[predictions.truth == k].mean() for k in range(7)])
    malignant = np.isin(np.arange(7), MALIGNANT)
    found, alarms = (shares * rates)[malignant].sum(), (shares * rates)[~malignant].sum()
    left = (shares * (1 - rates))[~malignant].sum()
    missed = (shares * (1 - rates))[malignant].sum()
    assert row.positive_predictive_value.value == pytest.approx(found / (found + alarms))
    assert row.negative_predictive_value.value == pytest.approx(left / (left + missed))
    assert row.sensitivity.value == pytest.approx(found / (found + missed))
    assert row.positive_predictive_value.low < row.positive_predictive_value.value < row.positive_predictive_value.high


def test_the_prevalence_of_the_images_themselves_changes_no_rate() -> None:
    predictions = simulated(1000, skill=0.5)
    own = parse_prevalence(dict(zip(CODES, class_shares(predictions), strict=True)), HAM10000, COUNTED)
    (plain,), (weighed,) = judge_thresholds(predictions, [0.3]), judge_thresholds(predictions, [0.3], own)
    assert weighed.positive_predictive_value.value == pytest.approx(plain.positive_predictive_value.value)
    assert (weighed.missed, weighed.false_alarms) == (plain.missed, plain.false_alarms)


def test_a_diagnosis_without_images_cannot_be_judged() -> None:
    predictions = simulated()
    without = predictions.only(predictions.truth != CODES.index("df"))
    with pytest.raises(UserError, match="No image here is of df"):
        judge_thresholds(without, [0.3], parse_prevalence("equal", HAM10000, COUNTED))


ELSEWHERE = {
    "equal": np.full(7, 1 / 7),
    "many melanomas": np.array([0.05, 0.15, 0.2, 0.02, 0.3, 0.26, 0.02]),
    "nearly all nevi": np.array([0.02, 0.03, 0.1, 0.01, 0.01, 0.82, 0.01]),
}


@pytest.mark.parametrize("there", ELSEWHERE)
@pytest.mark.parametrize("name", ["ham10000-image", "ham10000-multimodal"])
def test_the_implied_shares_reweigh_the_shipped_runs_better_than_the_counted_ones(name: str, there: str) -> None:
    """As `docs/decisions.md` says: log loss on the test part, its images weighed to another prevalence."""
    parts = load_predictions(PROJECT / "checkpoints" / name / "predictions.npz")
    validation, test, shares = parts["validation"], parts["test"], ELSEWHERE[there]
    prevalence = Prevalence(there, dict(zip(CODES, shares, strict=True)))
    weights = prevalence.image_weights(HAM10000, test.truth)[None]
    unchanged, counted, implied = (
        log_loss(HAM10000, test.truth, probabilities, weights)[0]
        for probabilities in (
            test.probabilities,
            reweigh(test.probabilities, class_shares(validation), shares),
            reweigh(test.probabilities, implied_shares(validation), shares),
        )
    )
    assert implied < counted - 0.02
    assert counted < unchanged
