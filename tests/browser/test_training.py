"""The whole life of a training, through the page."""

import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from served_app import App
from waiting import wait_until

from skin import jobs
from skin.engines import local
from skin.engines.engine import LOCAL, Job
from skin.run import Run, State, delete, get

Visit = Callable[[str], Page]


def choose(page: Page, dropdown: str, option: str) -> None:
    page.locator(f"{dropdown} input").click()
    page.get_by_role("option", name=option, exact=True).click()


def start(page: Page, name: str, **settings: int) -> None:
    """Fill in the form and press the button."""
    page.locator("#run-name :is(input, textarea)").fill(name)
    for field, value in settings.items():
        page.locator(f"#setting-{field} input").fill(str(value))
    expect(page.locator("#command textarea")).to_have_value(re.compile(f"--name {name}"))
    page.get_by_role("button", name="Start training").click()


def card(page: Page, text: str, seconds: float = 120) -> None:
    expect(page.locator("#card")).to_contain_text(text, timeout=1000 * seconds)


def watch(page: Page, name: str, state: str = "finished") -> None:
    """Choose a run and wait until the page shows it: what is pressed before belongs to the run shown before."""
    choose(page, "#watch", f"{name} ({state})")
    card(page, name)


def press(page: Page, button: str) -> None:
    page.get_by_role("button", name=button, exact=True).click()


def assert_no_gap(run: Run) -> None:
    assert [epoch.epoch for epoch in run.history()] == list(range(1, len(run.history()) + 1))


@pytest.fixture
def endless(app: App, visit: Visit) -> Iterator[Run]:
    """A training that takes longer than a test, started in the page."""
    page = visit("training")
    page.get_by_role("button", name="More settings").click()
    start(page, "endless", image_size=32, stage1_epochs=1000, stage1_patience=0, stage2_epochs=1000)
    wait_until((app.workspace.runs / "endless").is_dir)
    run = get(app.workspace, "endless")
    yield run
    if run.status().is_alive:
        jobs.stop(run)
        wait_until(lambda: not run.status().is_alive)
    delete(app.workspace, run)


def test_a_training_is_watched_survives_is_stopped_resumed_and_killed(app: App, page: Page, endless: Run) -> None:
    card(page, "stage 1 of 2")
    expect(page.locator("#log")).to_contain_text(re.compile(r"stage 1 epoch \d+/1000"), timeout=120_000)
    expect(page.locator("#history .js-plotly-plot")).to_be_visible()
    card(page, "images/s")

    page.reload()
    done = len(endless.history())
    card(page, "endless")
    expect(page.locator("#history .js-plotly-plot")).to_be_visible()
    wait_until(lambda: len(endless.history()) > done)

    job = endless.status().job
    app.kill()
    time.sleep(2)
    app.restart()
    page.goto(f"{app.url}?tab=training")
    card(page, "stage 1 of 2")
    assert (endless.status().job, endless.status().is_alive) == (job, True)
    assert_no_gap(endless)

    press(page, "Stop endless")
    card(page, "stopped")
    done = len(endless.history())
    press(page, "Resume")
    wait_until(lambda: len(endless.history()) > done)
    card(page, "training")
    assert_no_gap(endless)

    job = endless.status().job
    assert job
    process = local.process_of(job.handle)
    assert process
    process.kill()
    card(page, "interrupted")
    card(page, "Resume goes on after the")
    expect(page.locator("#card pre")).to_contain_text("stage 1 epoch")
    expect(page.get_by_role("button", name="Resume", exact=True)).to_be_enabled()


def test_both_models_are_trained_one_after_the_other(app: App, visit: Visit) -> None:
    page = visit("training")
    choose(page, "#setting-model", "both")
    page.get_by_role("button", name="More settings").click()
    page.locator("#setting-audit input").uncheck()
    start(page, "pair", image_size=32, stage1_epochs=2, stage2_epochs=0)

    card(page, "Waiting in the queue: pair-multimodal.")
    wait_until(lambda: get(app.workspace, "pair-multimodal").status().state is State.FINISHED, 300)

    card(page, "Balanced accuracy")
    press(page, "Report")
    expect(page.get_by_role("tab", name="Performance")).to_have_attribute("aria-selected", "true")


def test_a_watched_run_is_the_model_that_predicts(visit: Visit) -> None:
    page = visit("training")
    watch(page, "trained")
    card(page, "Balanced accuracy")
    press(page, "Predict")

    expect(page.get_by_role("tab", name="Predict")).to_have_attribute("aria-selected", "true")
    model = page.get_by_label("Model").locator("visible=true")
    expect(model).to_have_value("trained (image with age, sex and site)")
    page.wait_for_timeout(3000)  # whatever else the change of tabs has set off must not undo it
    expect(model).to_have_value("trained (image with age, sex and site)")


def test_a_run_is_renamed_and_deleted_after_asking(app: App, visit: Visit) -> None:
    shutil.copytree(app.workspace.runs / "trained", app.workspace.runs / "to-rename")
    page = visit("training")
    watch(page, "to-rename")
    page.locator("#housekeeping > button").click()
    page.get_by_label("New name").fill("renamed")
    press(page, "Rename")
    card(page, "renamed")
    press(page, "Delete …")
    expect(page.get_by_text("Delete renamed with its weights")).to_be_visible()
    assert (app.workspace.runs / "renamed").is_dir()
    press(page, "Delete for good")
    wait_until(lambda: not (app.workspace.runs / "renamed").exists(), 10)
    expect(page.locator("#card")).not_to_contain_text("renamed")


def test_a_run_that_was_deleted_meanwhile_is_a_sentence(app: App, visit: Visit) -> None:
    shutil.copytree(app.workspace.runs / "trained", app.workspace.runs / "to-delete")
    page = visit("training")
    watch(page, "to-delete")
    shutil.rmtree(app.workspace.runs / "to-delete")

    card(page, "There is no run 'to-delete' any more: choose another one.")
    watch(page, "trained")
    card(page, "Balanced accuracy")


def test_a_wrong_value_is_told_before_one_starts(visit: Visit) -> None:
    page = visit("training")
    page.locator("#setting-image_size input").fill("9999")

    expect(page.locator("#setting-image_size.wrong")).to_contain_text("Image size must be at most 512, not 9999.")
    expect(page.get_by_role("alert")).to_contain_text("Image size")
    expect(page.get_by_role("button", name="Start training")).to_be_disabled()


def test_a_preset_fills_the_form_and_a_runs_settings_come_back(visit: Visit) -> None:
    page = visit("training")
    choose(page, "#preset", "reference")
    expect(page.locator("#setting-image_size input")).to_have_value("224")
    expect(page.locator("#setting-backbone input")).to_have_value("resnet50")

    watch(page, "trained")
    page.locator("#housekeeping > button").click()
    press(page, "Load its settings into the form")

    expect(page.locator("#setting-image_size input")).to_have_value("64")
    expect(page.locator("#setting-model input")).to_have_value("multimodal")
    expect(page.locator("#command textarea")).to_have_value(re.compile("--preset demo --model multimodal"))
    expect(page.locator("#command textarea")).to_have_value(re.compile("--set image_size=64"))


def test_the_address_names_the_run_and_its_end_and_notes_are_seen(app: App, visit: Visit) -> None:
    run = Run.create(app.workspace, "annotated", get(app.workspace, "trained").config)
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    jobs.claim(run, Job(LOCAL, local.handle_of(process.pid)))
    run.update_status(state=State.TRAINING)
    page = visit("training")
    watch(page, "annotated", "training")
    page.wait_for_url("**/?tab=training&run=annotated")
    page.get_by_role("tab", name="Dataset").click()
    page.wait_for_url(re.compile(r"\?tab=dataset$"))
    page.get_by_role("tab", name="Training").click()
    page.wait_for_url("**/?tab=training&run=annotated")
    page.reload()
    card(page, "annotated")

    page.locator("#housekeeping > button").click()
    press(page, "Edit notes and tags")
    page.locator("#note textarea").fill("Twice <b>as slow</b>.")
    page.locator("#tags :is(input, textarea)").fill("slow, for the talk")
    press(page, "Save")
    card(page, "Twice <b>as slow</b>.")
    expect(page.locator("#card .tags li")).to_have_text(["slow", "for the talk"])

    process.kill()
    process.wait()
    run.update_status(state=State.STOPPED)
    expect(page.get_by_text("annotated was stopped")).to_have_count(1)
    with page.expect_download() as download:
        watch(page, "trained")
        press(page, "Download: Model (ONNX)")
    assert download.value.suggested_filename == "trained-model.onnx"
    assert Path(download.value.path()).read_bytes() == get(app.workspace, "trained").onnx_path.read_bytes()
    delete(app.workspace, run)
