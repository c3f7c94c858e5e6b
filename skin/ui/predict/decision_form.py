"""The form of the decision rule and the prevalence, folded away."""

from functools import partial
from typing import Any

import gradio as gr

from skin.evaluation.chosen import DecisionChoice
from skin.evaluation.decision import DECISIONS, MOST_PROBABLE
from skin.evaluation.operating_point import TARGET
from skin.evaluation.prevalence import PREVALENCES
from skin.patient import Patient
from skin.ui.components import prevalence_form
from skin.ui.components.events import PRIVATE_EVENT
from skin.ui.components.predictors import Predictors

WITH_TARGET = "sensitivity"
"""The row of DECISIONS that has a target."""

PREVALENCE_HELP = (
    "How common the diagnoses are where you work reweighs the probabilities, as if each looked the same everywhere. What "
    "cannot be ruled out stays as it is, and no risk becomes lower."
)


def build(predictors: Predictors, model: gr.Dropdown) -> gr.State:
    """Lay out and wire the form; returns the DecisionChoice that it makes for the model."""
    with gr.Accordion("Decision", open=False):
        rules = [(rule.label, name) for name, rule in DECISIONS.items()]
        rule = gr.Radio(rules, value=MOST_PROBABLE, label="Decision rule", info=DECISIONS[MOST_PROBABLE].help)
        target = gr.Slider(
            0.5, 0.99, value=TARGET, step=0.01, visible=False, label="Share of malignant lesions that it is set to find"
        )
        first_shares = partial(shares_of_model, predictors)
        prevalence = prevalence_form.build(
            "As the model gives them", PREVALENCE_HELP, list(PREVALENCES), first_shares, model
        )
    decision = gr.State(DecisionChoice())
    gr.on(
        [rule.input, target.release, prevalence.change],
        choose,
        [rule, target, prevalence],
        decision,
        **PRIVATE_EVENT,
    )
    rule.input(show_rule, rule, [rule, target], **PRIVATE_EVENT)
    return decision


def choose(rule: str, target: float, prevalence: str) -> DecisionChoice:
    """The choice that the form makes."""
    return DecisionChoice(rule, target, prevalence)


def show_rule(rule: str) -> tuple[Any, Any]:
    """The purpose of the chosen rule, and the target where it has one."""
    known = DECISIONS.get(rule)
    return gr.Radio(info=known.help if known else ""), gr.Slider(visible=rule == WITH_TARGET)


def shares_of_model(predictors: Predictors, model: object) -> str:
    """The shares of the diagnoses in the training data of the chosen model. Raises UserError when it is gone."""
    return predictors.choose(model, Patient())[0].shares
