"""The experiments of the Comparison tab on real widgets."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from made_up import finish
from playwright.sync_api import Page, expect
from served_app import App

from skin.config import TrainConfig
from skin.experiments import experiment as experiments
from skin.experiments.experiment import Experiment
from skin.experiments.kinds import plan
from skin.experiments.plan import Design
from skin.experiments.results import Results
from skin.task import HAM10000
from skin.ui.training.experiment_snapshot import key_of

Visit = Callable[[str], Page]


@pytest.fixture
def trial(app: App) -> Iterator[Experiment]:
    """An experiment of three folds and three seeds, of which one run has not finished."""
    recipe = TrainConfig.from_preset("demo")
    made = experiments.create(app.workspace, plan("metadata", "trial", recipe, Design(folds=3, seeds=3)), HAM10000)
    finish(made, {"image": 0.6, "multimodal": 0.8}, unfinished=["trial-multimodal-fold2-seed44"])
    yield made
    shutil.rmtree(made.folder)


def test_an_experiment_is_read_drawn_and_downloaded(visit: Visit, trial: Experiment, tmp_path: Path) -> None:
    page = visit("comparison")
    page.get_by_role("tab", name="Experiments").click()
    expect(page.locator("#verdict-of-experiment")).to_contain_text("Metadata adds ")
    expect(page.get_by_role("combobox", name="Experiment")).to_have_value("trial: 17 of 18 runs finished")
    expect(page.locator(".js-plotly-plot:visible")).to_have_count(4)
    expect(page.get_by_role("row", name="multimodal, fold 2, seed 44")).to_contain_text("It is queued.")
    page.get_by_text("17 runs as a table").click()
    expect(page.get_by_role("row", name="image, fold 0, seed 42")).to_be_visible()
    saved = {}
    for kind in ("HTML", "JSON"):
        with page.expect_download() as download:
            page.get_by_role("button", name=f"Download: Experiment ({kind})").click()
        saved[kind] = tmp_path / download.value.suggested_filename
        download.value.save_as(saved[kind])
    assert json.loads(saved["JSON"].read_text()) == Results.of(trial).to_dict()
    page.goto(saved["HTML"].as_uri())
    expect(page.get_by_role("heading", name="Experiment trial")).to_be_visible()
    expect(page.locator(".js-plotly-plot")).to_have_count(4)


def test_a_link_opens_an_experiment(visit: Visit, trial: Experiment) -> None:
    page = visit(f"comparison&run={key_of(trial.name)}")
    expect(page.locator("#verdict-of-experiment")).to_contain_text("Metadata adds ")
    expect(page.get_by_role("combobox", name="Experiment")).to_have_value("trial: 17 of 18 runs finished")


def test_the_training_tab_opens_a_watched_experiment_and_then_a_run_of_it(visit: Visit, trial: Experiment) -> None:
    page = visit(f"training&run={key_of(trial.name)}")
    expect(page.get_by_role("button", name="Report", exact=True)).to_be_disabled()
    page.get_by_role("button", name="Compare", exact=True).click()
    expect(page.locator("#verdict-of-experiment")).to_contain_text("Metadata adds ")
    expect(page.get_by_role("combobox", name="Experiment")).to_have_value("trial: 17 of 18 runs finished")

    page.get_by_role("tab", name="Training").click()
    page.locator("#runs").get_by_text("trial-multimodal-fold0-seed42", exact=True).locator("visible=true").first.click()
    expect(page.locator("#card")).to_contain_text("Part of the experiment trial")
    page.get_by_role("button", name="Compare", exact=True).click()
    expect(page.get_by_role("tab", name="Run against run")).to_have_attribute("aria-selected", "true")
