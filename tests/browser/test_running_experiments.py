"""The whole life of an experiment, through the page."""

import re
import time
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page, expect
from served_app import App
from test_training import card, choose, press
from waiting import wait_until

from skin.experiments import driver
from skin.experiments import experiment as experiments
from skin.experiments.experiment import Experiment
from skin.run import State

Visit = Callable[[str], Page]


@pytest.fixture
def endless(app: App, visit: Visit) -> Iterator[Experiment]:
    """An experiment of two runs that take longer than a test, started in the page."""
    page = visit("training")
    page.get_by_label("Experiment: metadata").click()
    page.get_by_label("Folds", exact=True).first.fill("0")
    page.get_by_role("button", name="More settings").click()
    settings = {"image_size": 64, "stage1_epochs": 1000, "stage1_patience": 0, "stage2_epochs": 1000}
    for field, value in settings.items():
        page.locator(f"#setting-{field} input").fill(str(value))
    page.locator("#run-name :is(input, textarea)").fill("trial")
    command = re.compile(
        r"experiment run metadata .*--name trial --folds 0 --seeds 1 --engine local .*stage2_epochs=1000"
    )
    expect(page.locator("#command textarea")).to_have_value(command)
    expect(page.locator("#verdict")).to_contain_text("2 runs: image against multimodal.")
    press(page, "Start experiment")
    wait_until((app.workspace.experiments / "trial").is_dir)
    experiment = experiments.get(app.workspace, "trial")
    yield experiment
    if experiment.folder.exists():
        if experiment.driver or experiment.running:
            driver.stop(experiment)
            wait_until(lambda: not experiment.driver and not experiment.running)
        experiments.delete(experiment)


def epochs(experiment: Experiment) -> int:
    return sum(len(run.history()) for run in experiment.all_runs)


def test_an_experiment_is_watched_survives_and_is_stopped_resumed_and_deleted(
    app: App, page: Page, endless: Experiment
) -> None:
    page.wait_for_url("**/?tab=training&run=experiments%2Ftrial")
    card(page, "trial")
    expect(page.locator("#log")).to_contain_text("trial-image: training", timeout=180_000)
    expect(page.locator("#runs")).to_contain_text("trial-multimodal")
    expect(page.locator("#watch input")).to_have_value(
        re.compile(r"trial \(experiment: training, 0 of 2 runs finished\)")
    )

    page.reload()
    card(page, "Does what is known of the patient help?")
    driving = endless.driver
    app.kill()
    time.sleep(2)
    app.restart()
    page.goto(f"{app.url}?tab=training&run=experiments/trial")
    card(page, "Does what is known of the patient help?")
    assert endless.driver == driving

    wait_until(lambda: epochs(endless) > 0)
    press(page, "Stop experiment trial")
    card(page, "stopped")
    wait_until(lambda: not endless.driver and not endless.running)
    done = epochs(endless)
    expect(page.locator("#runs")).to_contain_text("stopped")

    press(page, "Resume")
    wait_until(lambda: epochs(endless) > done, 180)
    page.locator("#runs").get_by_text("trial-image", exact=True).first.click()
    card(page, "Part of the experiment trial: image, fold 0, seed 42.")
    expect(page.locator("#history .js-plotly-plot")).to_be_visible()
    assert [epoch.epoch for epoch in endless.all_runs[0].history()] == list(range(1, epochs(endless) + 1))

    press(page, "All runs")
    expect(page.locator("#runs")).to_contain_text("▸ trial")
    page.locator("#runs").get_by_text("▸ trial", exact=True).first.click()
    press(page, "Stop experiment trial")
    wait_until(lambda: not endless.driver and not endless.running)
    assert endless.status().state is State.STOPPED
    card(page, "stopped")
    page.locator("#housekeeping > button").click()
    press(page, "Delete …")
    expect(page.get_by_text("Delete the experiment trial with its 2 runs?")).to_be_visible()
    press(page, "Delete for good")
    wait_until(lambda: not endless.folder.exists(), 30)
    expect(page.locator("#runs")).not_to_contain_text("▸ trial")


def test_a_sweep_and_an_engine_show_their_own_fields(visit: Visit) -> None:
    page = visit("training")
    page.get_by_label("Experiment: sweep").click()
    expect(page.get_by_label("Settings to vary")).to_be_visible()
    expect(page.locator("#verdict")).to_contain_text("needs a setting to vary")
    page.locator("#vary textarea").fill("stage1_epochs=2,4\nstage1_learning_rate=1e-4..1e-3:log")
    expect(page.locator("#command textarea")).to_have_value(
        re.compile("--vary stage1_epochs=2,4 --vary stage1_learning_rate")
    )
    choose(page, "#engine", "slurm")
    expect(page.locator("#option-partition")).to_be_visible()
    expect(page.locator("#option-parallel")).to_be_hidden()
    expect(page.locator("#command textarea")).to_have_value(re.compile("--engine slurm"))
    page.get_by_label("Run", exact=True).click()
    expect(page.locator("#experiment")).to_be_hidden()
    expect(page.locator("#command textarea")).to_have_value(re.compile("python -m skin train "))
