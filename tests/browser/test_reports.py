"""The Performance and Comparison tabs on real widgets."""

import json
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Page, Route, expect
from served_app import App

from skin.evaluation.report import load_report
from skin.ui.components.loaded_report import ReportKey, load_by_key
from skin.ui.performance.export import DOWNLOADS

Visit = Callable[[str], Page]


@pytest.fixture(scope="module")
def report(app: App, shared_page: Page) -> Page:
    """The report of `trained`, opened once: each test works another part of it."""
    shared_page.goto(f"{app.url}?tab=performance&run=trained")
    expect(shared_page.get_by_role("heading", name="trained, test part")).to_be_visible()
    return shared_page


@pytest.fixture
def twin(app: App) -> Iterator[str]:
    """A second run, which differs from `trained` in nothing but its name."""
    shutil.copytree(app.workspace.runs / "trained", app.workspace.runs / "twin")
    yield "twin"
    shutil.rmtree(app.workspace.runs / "twin")


def upload(page: Page, path: Path) -> None:
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Upload a CSV").click()
    chooser.value.set_files(path)


def test_a_cell_of_the_matrix_shows_its_images(report: Page, app: App) -> None:
    confusion = load_report(app.workspace.runs / "trained" / "report.json")["test"].confusion
    truth, predicted = max(((t, p) for t in range(7) for p in range(7)), key=lambda cell: confusion[cell[0]][cell[1]])
    report.locator(f'button[data-truth="{truth}"][data-predicted="{predicted}"]').click()
    expect(report.get_by_role("heading", name=f"{confusion[truth][predicted]} image")).to_be_visible()
    expect(report.locator(".pictures img")).to_have_count(min(confusion[truth][predicted], 24))


def test_the_matrix_is_worked_by_keyboard(report: Page) -> None:
    cell = report.locator("button.cell").nth(5 * 7 + 5)
    cell.focus()
    report.keyboard.press("Enter")
    expect(cell).to_have_attribute("aria-pressed", "true")
    expect(report.get_by_role("heading", name="Melanocytic nevus recognised")).to_be_visible()


def test_the_threshold_is_picked_by_keyboard(report: Page) -> None:
    table = report.locator(".thresholds").filter(has_text="Picked")
    expect(table).to_contain_text("Picked")
    slider = report.get_by_role("slider", name="Threshold for malignant")
    slider.press("End")
    expect(table).to_contain_text("Picked 1.0000")
    malignant = table.get_by_role("row", name="Malignant images missed").get_by_role("cell").last
    missed, of = malignant.inner_text().split(" of ")
    assert missed == of
    slider.press("ArrowLeft")
    expect(table).to_contain_text("Picked 0.9950")
    slider.press("Home")
    expect(malignant).to_have_text(f"0 of {of}")


def test_validation_and_downloads(report: Page, app: App, tmp_path: Path) -> None:
    report.get_by_label("Validation").check()
    expect(report.get_by_role("heading", name="trained, validation part")).to_be_visible()
    for kind, suffix in (("HTML", "html"), ("JSON", "json"), ("CSV", "csv")):
        with report.expect_download() as download:
            report.get_by_role("button", name=re.compile(rf"Download: .*{kind}")).click()
        download.value.save_as(tmp_path / f"saved.{suffix}")
    expected = load_report(app.workspace.runs / "trained" / "report.json")["validation"].headline["accuracy"].value
    assert json.loads((tmp_path / "saved.json").read_text())["accuracy"]["value"] == expected
    assert f"{expected:.3f}" in (tmp_path / "saved.html").read_text()
    report.get_by_label("Test", exact=True).check()
    expect(report.get_by_role("heading", name="trained, test part")).to_be_visible()


def test_predictive_values_follow_the_prevalence(report: Page) -> None:
    targets = report.locator(".thresholds").filter(has_text="Set to find 95%")
    value = targets.get_by_role("row", name="Positive predictive value").get_by_role("cell").nth(2)
    expect(value).not_to_be_empty()
    before = value.inner_text()
    report.get_by_label("Prevalence", exact=True).locator("visible=true").click()
    report.get_by_role("option", name="Typed in").click()
    shares = report.get_by_label("Share of each diagnosis").locator("visible=true")
    expect(shares).to_have_value(re.compile("akiec="))
    shares.fill("akiec=0.01, bcc=0.01, bkl=0.01, df=0.01, mel=0.01, nv=0.94, vasc=0.01")
    shares.blur()
    expect(targets).to_contain_text("for the diagnoses' shares that were given: 1.0% akiec")
    assert float(value.inner_text().split()[0]) < float(before.split()[0])
    shares.fill("mel=1")
    shares.blur()
    expect(report.get_by_text("The prevalence lacks akiec").first).to_be_visible()


def test_predictions_made_elsewhere_are_judged(visit: Visit, tmp_path: Path) -> None:
    page = visit("performance")
    page.get_by_role("button", name="Judge predictions made elsewhere").click()
    (tmp_path / "theirs.csv").write_text("truth,predicted\nmel,nv\nnv,nv\n")
    (tmp_path / "broken.csv").write_text("one,two\n1,2\n")
    upload(page, tmp_path / "theirs.csv")
    expect(page.get_by_role("heading", name="theirs.csv")).to_be_visible()
    expect(page.locator(".tiles dd").first).to_contain_text("0.500")
    upload(page, tmp_path / "broken.csv")
    expect(page.get_by_text("The table has no true diagnoses")).to_be_visible()
    expect(page.get_by_role("heading", name="theirs.csv")).to_be_visible()


def test_two_runs_are_compared(visit: Visit, twin: str) -> None:
    page = visit(f"comparison&run={twin}")
    expect(page.get_by_text("give the same probabilities on")).to_be_visible()
    expect(page.get_by_text("All settings are the same.")).to_be_visible()
    with page.expect_download(timeout=180_000) as download:  # a busy machine is no failure
        page.get_by_role("button", name="Download: Comparison (JSON)").click()
    assert json.loads(download.value.path().read_text())["comparisons"][0]["identical"]
    expect(page.locator(".matrices table")).to_have_count(2)
    expect(page.get_by_text("0 images: the truth")).to_be_visible()
    page.get_by_role("button", name="Remove 0").click()
    expect(page.get_by_role("status").filter(has_text="Choose at least two runs")).to_be_visible()


def test_an_open_report_comes_to_rest(visit: Visit) -> None:
    page = visit("performance&run=ham10000-multimodal")  # of whose sections some take seconds
    expect(page.locator("#confusion table")).to_be_visible()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "/queue/join" in request.url else None)
    for _ in range(40):  # a busy machine is no failure
        asked.clear()
        page.wait_for_timeout(3000)
        if not asked:  # the question at every tick goes past the queue
            return
    pytest.fail(f"it still asks: {asked}")


def choose(page: Page, run: str) -> None:
    page.get_by_label("Run", exact=True).click()
    page.get_by_role("option", name=run).click()


def test_of_runs_chosen_one_after_the_other_the_last_is_shown(report: Page) -> None:
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    report.route("**/queue/join*", hold, times=1)  # until the last run is chosen
    with report.expect_request("**/queue/join*"):
        choose(report, "ham10000-image")
    choose(report, "trained")
    choose(report, "ham10000-multimodal")
    (first,) = held
    first.continue_()
    expect(report.get_by_role("heading", name="ham10000-multimodal, ")).to_be_visible()
    expect(report.get_by_label("Run", exact=True)).to_have_value("ham10000-multimodal")


@contextmanager
def kept(page: Page) -> Iterator[None]:
    """Returns when the page has asked nothing more for a while: who leaves it sooner has chosen nothing.

    What the browser stores tells nothing: it is encrypted anew, and otherwise, each time that the page works.
    """
    expect(page.get_by_label("Keep trained as the baseline")).to_be_visible()
    yield
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "/queue/join" in request.url else None)
    for _ in range(12):
        asked.clear()
        page.wait_for_timeout(5000)
        if not asked:
            break


def test_a_pinned_baseline_is_remembered(visit: Visit, twin: str) -> None:
    page = visit(f"comparison&run={twin}")
    with kept(page):
        page.get_by_label("Keep trained as the baseline").check()
    page = visit("comparison&run=ham10000-image")
    expect(page.get_by_label("Keep trained as the baseline")).to_be_checked()
    expect(page.get_by_text("ham10000-image is left out. The test sets differ")).to_be_visible()
    with kept(page):
        page.get_by_label("Keep trained as the baseline").uncheck()
    expect(page.get_by_label("Keep trained as the baseline")).to_be_hidden()  # two runs that cannot be compared
    visit(f"comparison&run={twin}")
    expect(page.get_by_label("Keep trained as the baseline")).not_to_be_checked()


def test_a_run_whose_name_is_markup_is_shown_and_does_nothing(visit: Visit, app: App) -> None:
    attack = app.workspace.runs / '<img src=x onerror="window.attacked=1">'
    shutil.copytree(app.workspace.runs / "trained", attack)
    page = visit("comparison")
    expect(page.locator(".matrices caption").filter(has_text="<img src=x")).to_be_visible()
    expect(page.get_by_text("0 images: the truth")).to_contain_text("<img src=x")
    expect(page.locator(".legend").first).to_contain_text("<img src=x")
    page.get_by_label("Runs").click()
    assert page.evaluate("window.attacked") is None
    shutil.rmtree(attack)


PAPER = {"width": 703, "height": 1009}
"""Pixels of a sheet of A4 between the margins that the style sheet gives it."""


def test_a_report_fits_the_paper_with_no_figure_split_and_no_digit_pale(page: Page, app: App, tmp_path: Path) -> None:
    subject = load_by_key(app.workspace, ReportKey.of_run(app.workspace, "trained", "test"))
    path = tmp_path / "report.html"
    path.write_text(DOWNLOADS["Report (HTML)"][1](subject))
    page.set_viewport_size({"width": 900, "height": 900})  # as wide as a figure gets, before it is printed
    page.goto(path.as_uri())
    expect(page.locator(".figures > div .main-svg").last).to_be_attached()
    page.emulate_media(media="print", color_scheme="dark")
    figures = page.locator(".figures > div").all()
    assert len(figures) == 7
    for figure in figures:
        box = figure.bounding_box()
        assert box["width"] <= PAPER["width"]
        assert box["height"] <= PAPER["height"]
        assert figure.evaluate("element => getComputedStyle(element).breakInside") == "avoid"
    for cell in page.locator(".cell").all():
        ink, kept = cell.evaluate(
            "element => [getComputedStyle(element).color, getComputedStyle(element).printColorAdjust]"
        )
        assert max(map(int, re.findall(r"\d+", ink))) < 64, "a pale digit"
        assert kept == "exact", "a printer would leave the shade out"
    page.set_viewport_size(PAPER)
    assert page.evaluate("document.documentElement.scrollWidth") <= PAPER["width"]
