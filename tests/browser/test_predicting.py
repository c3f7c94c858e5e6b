"""The Predict tab, as a visitor uses it."""

import csv
import json
import re
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from ham import CODES
from playwright.sync_api import Browser, Page, expect
from served_app import App

from skin.data import pixels
from skin.data.dataset import Dataset
from skin.task import HAM10000

Visit = Callable[[str], Page]


@pytest.fixture
def predict(visit: Visit) -> Page:
    """The tab, with the trained model chosen."""
    page = visit("predict")
    choose(page, "Model", "trained")
    return page


def choose(page: Page, label: str, option: str) -> None:
    page.get_by_label(label, exact=True).locator("visible=true").click()
    page.get_by_role("option", name=option).first.click()


def upload(page: Page, *paths: Path) -> None:
    page.locator("input[type=file]").first.set_input_files([str(path) for path in paths])


def test_an_image_with_its_patient_is_answered_and_explained(predict: Page, demo: Dataset) -> None:
    upload(predict, demo.images[0].path)
    answer = predict.locator(".answer")
    expect(answer.locator("header")).to_contain_text("age unknown, sex unknown, site unknown")
    expect(answer.locator(".bars li")).to_have_count(len(CODES))

    predict.get_by_label("Age (years)").fill("65")
    predict.get_by_label("male", exact=True).click()
    choose(predict, "Body site", "back")
    expect(answer.locator("header")).to_contain_text("65 years, male, back")
    expect(answer.locator("h2")).to_contain_text("%")
    expect(answer.locator(".risk").last).to_contain_text("show it to a")
    expect(predict.get_by_text("Were age, sex and site unknown")).to_be_visible()
    expect(predict.locator(".js-plotly-plot")).to_contain_text("65 years")


def test_no_risk_has_the_colour_of_another_nor_what_is_none(predict: Page) -> None:
    """Gradio rewrites the style sheet and by that may change which rule wins."""
    colours = predict.evaluate("""() => {
        const answer = document.createElement("article");
        answer.className = "answer";
        answer.innerHTML = ["risk low", "risk moderate", "risk high", "scope"].map((name) => `<p class="${name}">`).join("");
        document.querySelector("#said").append(answer);
        return [...answer.children].map((each) => getComputedStyle(each).borderLeftColor);
    }""")
    assert len(set(colours)) == 4


def test_a_decision_rule_and_a_prevalence_are_chosen(predict: Page, demo: Dataset) -> None:
    upload(predict, demo.images[0].path)
    ruling = predict.locator(".answer .ruling")
    expect(ruling).to_contain_text("Decided by the most probable diagnosis")
    predict.get_by_role("button", name="Decision").locator("visible=true").click()
    predict.get_by_label("Balanced").locator("visible=true").check()
    expect(ruling).to_contain_text("Decided by the highest probability once each is divided")
    predict.get_by_label("Malignant or not").locator("visible=true").check()
    expect(ruling).to_contain_text("the threshold that finds 95% of the malignant validation images")
    expect(predict.get_by_role("slider", name="Share of malignant lesions").locator("visible=true")).to_have_count(1)

    choose(predict, "Prevalence", "All alike")
    expect(predict.locator(".bars.reweighed")).to_be_visible()
    choose(predict, "Prevalence", "Typed in")
    shares = predict.get_by_label("Share of each diagnosis").locator("visible=true")
    expect(shares).to_have_value(re.compile("akiec="))
    expect(ruling).to_contain_text("for the diagnoses' shares that were given")
    shares.fill("mel=0.5, nv=0.5")
    shares.blur()
    expect(predict.get_by_role("alert").locator("visible=true")).to_contain_text("The prevalence lacks akiec")
    choose(predict, "Prevalence", "As the model gives them")
    expect(predict.locator(".bars:not(.reweighed)")).to_be_visible()


def test_the_opacity_of_the_heatmap_follows_the_keyboard(predict: Page, demo: Dataset) -> None:
    upload(predict, demo.images[0].path)
    heat = predict.locator(".overlay .heat")
    expect(heat).to_have_css("opacity", "0.5")
    slider = predict.get_by_label("Opacity of the heatmap")
    slider.press("Home")
    expect(heat).to_have_css("opacity", "0")
    slider.press("End")
    expect(heat).to_have_css("opacity", "1")


def test_the_heatmap_of_every_diagnosis_can_be_chosen(predict: Page, demo: Dataset) -> None:
    upload(predict, demo.images[0].path)
    heat, choice = predict.locator(".overlay .heat"), predict.get_by_label("Diagnosis of the heatmap")
    ranked = predict.locator(".bars li span").all_inner_texts()
    for name in reversed(ranked):
        choice.select_option(name)
        expect(heat).to_have_attribute("alt", re.compile(f"^Heatmap of {name} over the image"))
    assert heat.get_attribute("src") == choice.locator("option").first.get_attribute("data-heat")


def test_a_prediction_and_its_heatmap_are_saved(predict: Page, demo: Dataset) -> None:
    upload(predict, demo.images[0].path)
    with predict.expect_download() as prediction:
        predict.get_by_role("link", name="the prediction (JSON)").click()
    assert prediction.value.suggested_filename == "prediction-trained.json"
    assert json.loads(prediction.value.path().read_text())["run"] == "trained"

    saved = []
    for key in ("Home", "End"):
        predict.get_by_label("Opacity of the heatmap").press(key)
        with predict.expect_download() as heatmap:
            predict.get_by_role("link", name="the heatmap (PNG)").click()
        content = heatmap.value.path().read_bytes()
        assert content.startswith(b"\x89PNG")
        saved.append(pixels.decode(content))
    assert saved[0].size == pixels.decode(demo.images[0].path).size
    assert saved[0].tobytes() != saved[1].tobytes()


def test_what_the_patient_does_stays_below_an_example(predict: Page) -> None:
    predict.get_by_role("button", name="Example 1:").click()
    expect(predict.locator(".what-if table")).to_have_count(3)
    expect(predict.locator("#said .pending, #said .generating")).to_have_count(0)
    predict.wait_for_timeout(1000)
    expect(predict.locator(".what-if table")).to_have_count(3)


def test_an_example_hides_its_diagnosis_until_it_is_asked_for(predict: Page) -> None:
    predict.get_by_role("button", name="Example 1:").click()
    expect(predict.locator(".answer h2")).to_be_visible()
    truth = predict.locator(".truth p")
    expect(truth).to_be_hidden()
    predict.get_by_text("Show the true diagnosis").click()
    expect(truth).to_be_visible()
    assert any(known.name in truth.inner_text() for known in HAM10000.diagnoses)
    predict.get_by_label("Remove Image").click()
    expect(truth).to_have_count(0)


def test_an_example_leaves_its_patient_to_no_other_image(predict: Page, demo: Dataset) -> None:
    age, told = predict.get_by_label("Age (years)"), predict.locator(".answer header")
    predict.get_by_role("button", name="Example 1:").click()
    expect(told).to_contain_text("years")
    expect(age).not_to_have_value("")
    upload(predict, demo.images[0].path)
    expect(told).to_contain_text("age unknown, sex unknown, site unknown")
    expect(age).to_have_value("")
    expect(predict.get_by_label("unknown", exact=True)).to_be_checked()

    predict.get_by_role("button", name="Example 2:").click()
    expect(age).not_to_have_value("")
    age.fill("33")
    expect(told).to_contain_text("33 years")
    predict.get_by_label("Remove Image").click()
    expect(predict.locator(".answer")).to_have_count(0)
    expect(predict.get_by_label("Body site", exact=True)).to_have_value("unknown")
    expect(age).to_have_value("33")


@pytest.fixture
def phone(browser: Browser, app: App) -> Iterator[Page]:
    """The tab on a phone."""
    context = browser.new_context(viewport={"width": 390, "height": 844}, is_mobile=True, has_touch=True)
    page = context.new_page()
    page.goto(app.url)
    yield page
    context.close()


def test_on_a_phone_the_answer_comes_into_sight(phone: Page, demo: Dataset, tmp_path: Path) -> None:
    upload(phone, demo.images[0].path)
    expect(phone.locator(".answer h2")).to_be_in_viewport()
    phone.get_by_label("Remove Image").click()
    expect(phone.get_by_label("Age (years)")).to_be_in_viewport()
    text = tmp_path / "image.jpg"
    text.write_text("text")
    upload(phone, text)
    expect(phone.get_by_role("alert")).to_be_in_viewport()


def test_on_a_phone_the_page_stays_where_somebody_types(phone: Page, demo: Dataset) -> None:
    age = phone.get_by_label("Age (years)")
    age.focus()
    expect(age).to_have_attribute("inputmode", "decimal")
    upload(phone, demo.images[0].path)
    expect(phone.locator(".answer h2")).to_be_visible()
    age.fill("40")
    expect(phone.locator(".answer header")).to_contain_text("40 years")
    expect(phone.locator(".answer h2")).not_to_be_in_viewport()


def test_on_a_desktop_the_page_stays_where_it_is(predict: Page, demo: Dataset) -> None:
    upload(predict, demo.images[0].path)
    expect(predict.locator(".answer h2")).to_be_visible()
    assert predict.evaluate("scrollY") == 0


def test_on_a_phone_no_separator_stands_alone(phone: Page, visit: Visit) -> None:
    expect(phone.locator("footer")).to_have_text("Settings", use_inner_text=True)
    footer = visit("predict").locator("footer")
    expect(footer).to_have_text(re.compile(r"Use via API\s*·\s*Settings"), use_inner_text=True)


def test_the_api_page_shows_how_to_send_a_file(page: Page, app: App) -> None:
    page.goto(app.url)
    page.get_by_role("button", name="Use via API").click()
    docs = page.get_by_role("dialog")
    expect(docs).to_contain_text("image=handle_file('lesion.jpg')")
    expect(docs).to_contain_text("images=[handle_file('lesion.jpg')]")
    expect(docs).to_contain_text("Age of the patient in years")


def test_what_is_wrong_is_said_in_the_page_and_mended_there(predict: Page, demo: Dataset, tmp_path: Path) -> None:
    text = tmp_path / "image.jpg"
    text.write_text("text")
    upload(predict, text)
    expect(predict.get_by_role("alert")).to_contain_text("not an image")
    predict.get_by_label("Remove Image").click()
    upload(predict, demo.images[0].path)
    expect(predict.locator(".answer")).to_be_visible()
    predict.get_by_label("Age (years)").fill("400")
    expect(predict.get_by_role("alert")).to_contain_text("between 0 and 120 years")
    predict.get_by_label("Age (years)").fill("40")
    expect(predict.locator(".answer header")).to_contain_text("40 years")


def test_a_zip_with_a_table_becomes_a_table_and_a_file(visit: Visit, demo: Dataset, tmp_path: Path) -> None:
    images, table = tmp_path / "images.zip", tmp_path / "patients.csv"
    with zipfile.ZipFile(images, "w") as archive:
        for image in demo.images[:3]:
            archive.write(image.path, image.path.name)
        archive.writestr("notes.txt", "text")
    table.write_text(f"image,age,sex\n{demo.images[0].path.name},70,female\n")

    page = visit("predict")
    page.get_by_role("tab", name="Many images").click()
    choose(page, "Model", "trained")
    for box, path in (("#batch-images", images), ("#batch-patients", table)):
        page.locator(f"{box} input[type=file]").set_input_files(str(path))
        expect(page.locator(box).get_by_role("link")).to_be_visible()  # the uploaded file, to be downloaded again
    page.get_by_role("button", name="Predict all").click()
    expect(page.get_by_text("3 answers. 1 file could not be read")).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("button", name="Download CSV").click()
    with download.value.path().open() as file:
        rows = list(csv.DictReader(file))
    assert [row["image"] for row in rows] == [*(image.path.name for image in demo.images[:3]), "notes.txt"]
    assert (rows[0]["age"], rows[0]["sex"], rows[0]["run"]) == ("70.0", "female", "trained")
    assert rows[3]["error"]
