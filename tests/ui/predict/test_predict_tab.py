import base64
import hashlib
import html
import io
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, get_type_hints

import gradio as gr
import httpx
import numpy as np
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from ham import CODES, someone
from PIL import Image

from skin import run
from skin.config import TrainConfig
from skin.data.dataset import Dataset
from skin.data.splits import SPLITTERS, Split
from skin.data.views import ORIENTATIONS
from skin.errors import UserError
from skin.evaluation.chosen import DecisionChoice
from skin.evaluation.decision import DECISIONS
from skin.evaluation.operating_point import Thresholds
from skin.evaluation.predictions import Predictions, save_predictions
from skin.evaluation.prevalence import parse_prevalence
from skin.inference.explain import EXPLANATIONS
from skin.inference.predictor import RISK_RULE, SHIPPED, Prediction, Record
from skin.models.network import Features
from skin.models.onnx import OnnxNetwork
from skin.run import Run
from skin.task import HAM10000
from skin.ui import endpoints
from skin.ui.components import prevalence_form, recent_folders, templates
from skin.ui.components.open_datasets import OpenDatasets, SentImage
from skin.ui.components.predictors import AUTOMATIC, BOTH, Predictors
from skin.ui.predict import decision_form, examples, handlers, patient_effect, patient_form, result_card
from skin.ui.predict.examples import Examples
from skin.ui.predict.heatmap_overlay import heatmap_overlay
from skin.ui.predict.patient_form import ExamplePatient
from skin.workspace import PROJECT, Workspace

Send = Callable[..., dict[str, str]]


_, SEX, SITE = HAM10000.fields

NEARLY_ALL_NEVI = {code: 0.94 if code == "nv" else 0.01 for code in CODES}

UNKNOWN_PATIENT = ("", "unknown", "unknown", AUTOMATIC, "grad-cam")


def photograph(colour: str = "red", format: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (80, 60), colour).save(buffer, format, **options)
    return buffer.getvalue()


def ask(workspace: Workspace, *question: object) -> tuple[Any, Any, Any]:
    defaults = (None, "", "unknown", "unknown", AUTOMATIC, "grad-cam", DecisionChoice())
    values = *question, *defaults[len(question) :]
    return handlers.predict_one(Predictors(workspace), OpenDatasets(workspace), "", *values)[:3]


# One image


def test_an_image_alone_is_answered_by_the_image_model(two_models: Workspace, send: Send) -> None:
    said, effect, curve = ask(two_models, send(photograph("red")))
    assert "ham10000-image" in said
    assert "Melanoma <b>" in said
    assert "High risk" in said
    assert "show it to a dermatologist" in said
    assert said.count("<li") == len(HAM10000.diagnoses)
    assert effect == ""
    assert curve.visible is False


def test_with_a_patient_comes_what_the_patient_does_to_the_answer(two_models: Workspace, send: Send) -> None:
    said, effect, curve = ask(two_models, send(photograph("blue")), "90")
    assert "image, 90 years, sex unknown, site unknown" in said
    assert "Were age, sex and site unknown" in effect
    assert "it would say Melanocytic nevus" in effect
    drawn = json.loads(curve.value["plot"])["data"][0]
    assert (drawn["x"][0], drawn["x"][-1]) == (0, 90)
    assert drawn["y"] == sorted(drawn["y"])


def test_every_value_of_every_field_is_tried_one_at_a_time(two_models: Workspace, send: Send) -> None:
    _, effect, _ = ask(two_models, send(photograph("blue")), "90", "male")
    tables = dict(re.findall("<caption>By ([^<]+)</caption>(.*?)</table>", effect))
    values = {field: re.findall('<th scope="row">([^<]+)<', table) for field, table in tables.items()}
    assert values["age"] == ["0 years", *(f"{age} years" for age in patient_effect.CURVE_YEARS[1:]), "unknown"]
    assert (values["sex"], values["body site"]) == (list(SEX.choices), list(SITE.choices))
    given = re.findall('aria-current="true"><th scope="row">([^<]+)<', effect)
    assert given == ["90 years", "male", "unknown"]


def test_the_tables_show_what_the_model_answers_for_each_patient(two_models: Workspace, send: Send) -> None:
    sent = send(photograph("blue"))
    _, effect, _ = ask(two_models, sent, "30")
    (predictor,) = Predictors(two_models).choose(AUTOMATIC, someone(90))
    asked = predictor.predict(Path(sent["path"]), someone(90)).malignant_probability
    (row,) = re.findall(r'">90 years</th>.*?<td>([^<]+)</td></tr>', effect)
    assert html.unescape(row) == templates.percent(asked)


def test_a_question_that_was_answered_last_is_not_answered_again(two_models: Workspace, send: Send) -> None:
    bound = Predictors(two_models), OpenDatasets(two_models)
    question = ("", send(photograph()), "40", "unknown", "unknown", AUTOMATIC, "grad-cam", DecisionChoice())
    *_, answered = handlers.predict_if_changed(*bound, None, *question)
    assert answered == question
    assert handlers.predict_if_changed(*bound, answered, *question) == (gr.skip(),) * 5
    assert "41 years" in handlers.predict_if_changed(*bound, answered, *question[:2], "41", *question[3:])[0]


@pytest.mark.parametrize(("choice", "models"), [(AUTOMATIC, 1), (BOTH, 2)])
def test_a_question_sends_the_image_through_each_network_once(
    two_models: Workspace, send: Send, monkeypatch: pytest.MonkeyPatch, choice: str, models: int
) -> None:
    encode, seen = OnnxNetwork.encode, []

    def counting(network: OnnxNetwork, images: np.ndarray) -> Features:
        seen.append(len(images))
        return encode(network, images)

    predictors = Predictors(two_models)
    predictors.choose(BOTH, someone())  # which asks each of them once
    monkeypatch.setattr(OnnxNetwork, "encode", counting)
    question = (send(photograph()), "60", "male", "back", choice, "grad-cam", DecisionChoice())
    _, effect, curve, _ = handlers.predict_one(predictors, OpenDatasets(two_models), "", *question)
    assert "By body site" in effect
    assert curve.visible
    assert sum(seen) == models * ORIENTATIONS


def test_a_prediction_downloads_as_the_record_of_the_api_and_its_patient(two_models: Workspace, send: Send) -> None:
    sent = send(photograph("blue"), "jane_doe.png")
    content = Path(sent["path"]).read_bytes()
    for age, name in (("", "ham10000-image"), ("90", "ham10000-multimodal")):
        said, *_ = ask(two_models, sent, age)
        (encoded,) = re.findall(rf'download="prediction-{name}.json" href="data:application/json;base64,([^"]+)"', said)
        record = json.loads(base64.b64decode(encoded))
        assert record["image_sha256"] == hashlib.sha256(content).hexdigest()
        assert record.get("age") == (90 if age else None)
        (predictor,) = Predictors(two_models).choose(name, someone())
        asked = predictor.record(predictor.predict(content, someone(age)))
        assert {key: record[key] for key in asked} == asked


def test_both_models_stand_side_by_side(two_models: Workspace, send: Send) -> None:
    said, *_ = ask(two_models, send(photograph()), "60", "female", "back", BOTH)
    assert re.findall(r"<strong>(ham10000-\w+)</strong>", said) == ["ham10000-image", "ham10000-multimodal"]
    assert "60 years, female, back" in said


@pytest.mark.parametrize("method", EXPLANATIONS)
def test_every_heatmap_comes_with_its_limits(two_models: Workspace, send: Send, method: str) -> None:
    said, *_ = ask(two_models, send(photograph()), "", "unknown", "unknown", AUTOMATIC, method)
    assert EXPLANATIONS[method].limits in said
    assert 'type="range"' in said
    ranked = re.findall(r"<li[^>]*><span>([^<]+)</span>", said)
    offered = re.findall(r'<option data-heat="([^"]+)" data-alt="[^"]+">([^<]+)</option>', said)
    assert [name for _, name in offered] == ranked
    assert f'class="heat" src="{offered[0][0]}"' in said


def test_without_an_image_the_page_says_what_to_do(two_models: Workspace) -> None:
    said, effect, _ = ask(two_models)
    assert "Drop, paste or photograph" in said
    assert effect == ""
    assert all(known.name in said for known in HAM10000.diagnoses)


def test_without_a_model_the_page_says_how_to_get_one(bare: Workspace, send: Send) -> None:
    assert "no trained model yet" in ask(bare)[0]
    assert "no trained run yet" in ask(bare, send(photograph()))[0]


@pytest.mark.parametrize(
    ("question", "words"),
    [
        (("400",), "between 0 and 120 years, not 400"),
        (("old",), "must be a number of years"),
        (("", "other"), "Unknown sex"),
        (("", "male", "elbow"), "Unknown site"),
        (("", "male", "back", "../../etc"), "no finished run of this name"),
        (("", "male", "back", ["a"]), "no finished run of this name"),
        (("", "male", "back", AUTOMATIC, "magic"), "no explanation"),
        (("", "male", "back", AUTOMATIC, ["grad-cam"]), "no explanation"),
        ((*UNKNOWN_PATIENT, DecisionChoice("magic")), "no decision rule &#39;magic&#39;"),
        ((*UNKNOWN_PATIENT, DecisionChoice("sensitivity", 2)), "must be a number between 0 and 1"),
        ((*UNKNOWN_PATIENT, DecisionChoice(prevalence="mel=0.5")), "lacks akiec, bcc, bkl, df, nv and vasc"),
    ],
)
def test_what_is_wrong_in_the_form_is_said_in_the_page(
    two_models: Workspace, send: Send, question: tuple[object, ...], words: str
) -> None:
    said, effect, curve = ask(two_models, send(photograph()), *question)
    assert 'role="alert"' in said
    assert words in said
    assert effect == ""
    assert curve.visible is False


def test_the_page_says_by_which_rule_it_was_decided(two_models: Workspace, send: Send) -> None:
    sent = send(photograph("red"))
    usual, *_ = ask(two_models, sent)
    assert "Decided by the most probable diagnosis." in usual
    for name in DECISIONS:
        said, *_ = ask(two_models, sent, *UNKNOWN_PATIENT, DecisionChoice(name))
        assert f"Decided by {fit_words(two_models, name)}" in html.unescape(said)
        assert re.findall(r"<b>([^<]+)</b></li>", said) == re.findall(r"<b>([^<]+)</b></li>", usual)


def test_the_heatmap_opens_on_the_diagnosis_that_was_decided(two_models: Workspace, send: Send) -> None:
    sent = send(photograph("red"))
    opened = set()
    for target in (0.5, 0.99):
        said, *_ = ask(two_models, sent, *UNKNOWN_PATIENT, DecisionChoice("sensitivity", target))
        first = re.findall(r"<option [^>]*>([^<]+)</option>", said)[0]
        assert re.search(rf"<h2>.*{re.escape(first)}.*</h2>", said)
        opened.add(first)
    assert len(opened) == 2


def fit_words(workspace: Workspace, name: str) -> str:
    (predictor,) = Predictors(workspace).choose(AUTOMATIC, someone(), DecisionChoice(name))
    return predictor.predict(np.zeros((60, 80, 3), np.uint8)).ruling.decision.words


def test_a_prevalence_reweighs_the_bars_and_is_said(two_models: Workspace, send: Send) -> None:
    sent = send(photograph("red"))
    usual, *_ = ask(two_models, sent)
    said, *_ = ask(two_models, sent, *UNKNOWN_PATIENT, DecisionChoice(prevalence=NEARLY_ALL_NEVI))
    assert re.findall(r"<b>([^<]+)</b></li>", said) != re.findall(r"<b>([^<]+)</b></li>", usual)
    assert "The probabilities are for the diagnoses&#39; shares that were given" in said
    assert "goes by the model's own probabilities, before the prevalence" in html.unescape(said)
    assert 'class="bars reweighed"' in said
    assert "High risk" in said  # as without it


def test_both_models_decide_by_the_rule(two_models: Workspace, send: Send) -> None:
    said, *_ = ask(two_models, send(photograph()), "60", "male", "back", BOTH, "grad-cam", DecisionChoice("balanced"))
    assert said.count("Decided by the highest probability once each is divided") == 2


def test_the_form_makes_the_choice(two_models: Workspace) -> None:
    assert decision_form.choose("balanced", 0.9, "equal") == DecisionChoice("balanced", 0.9, "equal")
    rule, target = decision_form.show_rule("sensitivity")
    assert rule.info == DECISIONS["sensitivity"].help
    assert target.visible
    assert not decision_form.show_rule("balanced")[1].visible
    first = decision_form.shares_of_model(Predictors(two_models), AUTOMATIC)
    assert prevalence_form.show_shares(lambda _: first, None, "typed", "").value == first
    assert parse_prevalence(first, HAM10000, np.full(7, 1 / 7)) is not None
    assert not prevalence_form.show_shares(lambda _: first, None, "equal", first).visible
    assert prevalence_form.tell("typed", "mel=1") == "mel=1"
    assert prevalence_form.tell("equal", "mel=1") == "equal"


def test_what_is_no_image_is_said_in_the_page(two_models: Workspace, send: Send) -> None:
    assert "not an image" in ask(two_models, send(b"<script>alert(1)</script>", "image.jpg"))[0]


def test_a_name_cannot_bring_markup_into_the_page(two_models: Workspace, send: Send) -> None:
    said, *_ = ask(two_models, send(photograph()), "<img src=x>")
    assert "<img src=x>" not in said
    assert "&lt;img src=x&gt;" in said


def test_a_run_that_was_deleted_meanwhile_is_missed_in_a_sentence(two_models: Workspace, send: Send) -> None:
    bound = Predictors(two_models), OpenDatasets(two_models)
    question = (send(photograph()), "", "unknown", "unknown", "ham10000-image", "grad-cam", DecisionChoice())
    assert "Melanoma <b>" in handlers.predict_one(*bound, "", *question)[0]
    shutil.rmtree(two_models.runs / "ham10000-image")
    assert "renamed or deleted" in handlers.predict_one(*bound, "", *question)[0]


def test_what_was_hidden_in_the_upload_does_not_reach_the_page(two_models: Workspace, send: Send) -> None:
    exif = Image.Exif()
    exif[0x010E] = "Jane Doe, born 1970"
    content = photograph(format="JPEG", exif=exif)
    assert b"Jane Doe" in content
    said, *_ = ask(two_models, send(content, "jane_doe.jpg"))
    assert "jane_doe" not in said
    pictures = re.findall(r"image/\w+;base64,([^\"]+)", said)
    assert len(pictures) == 2 + len(CODES)  # the upload, the heatmap that is shown, and those to choose from
    assert all(b"Jane Doe" not in base64.b64decode(picture) for picture in pictures)


# Words


def prediction(**shares: float) -> Prediction:
    thresholds = Thresholds(0.1, dict.fromkeys(CODES, 0.25))
    return Prediction({code: shares.get(code, 0.0) for code in CODES}, thresholds)


def test_bars_run_from_the_most_to_the_least_probable() -> None:
    bars = result_card.probability_bars(prediction(nv=0.7, mel=0.2995, bkl=0.0005))
    assert re.findall(r"<span>([^<]+)</span>", bars)[:3] == ["Melanocytic nevus", "Melanoma", "Benign keratosis"]
    assert re.findall(r"<b>([^<]+)</b>", bars)[:4] == ["70.0%", "29.9%", "&lt;0.1%", "0.0%"]
    assert bars.count('class="kept"') == 2


def test_nothing_is_certain_or_impossible_that_is_not() -> None:
    shares = (1.0, 0.9996, 0.5, 0.0004, 0.0)
    assert [templates.percent(share) for share in shares] == ["100.0%", ">99.9%", "50.0%", "<0.1%", "0.0%"]


def test_how_the_answer_hangs_on_the_patient_is_told_in_numbers() -> None:
    said = result_card.effect_of_patient(prediction(nv=0.7, mel=0.3), prediction(nv=0.4, mel=0.6), someone(30))
    assert "it would say Melanoma (60.0% instead of 30.0%), malignant 60.0% instead of 30.0%" in said


def test_a_heatmap_says_in_words_where_it_is_strongest() -> None:
    heatmap = np.zeros((32, 32), np.float32)
    picture = Image.new("RGB", (2000, 1500))
    assert "nothing speaks for this diagnosis" in heatmap_overlay(picture, {"Nevus": heatmap}, "", "")
    heatmap[30, 2] = 1
    assert "Heatmap of Nevus over the image: strongest in the lower left third" in heatmap_overlay(
        picture, {"Nevus": heatmap}, "", ""
    )


# Choosing models


def test_finished_runs_can_be_chosen_the_shipped_ones_first(two_models: Workspace) -> None:
    (two_models.runs / "ham10000-multimodal" / "LICENSE").write_text("")
    Run.create(two_models, "unfinished", TrainConfig.from_preset("demo"))
    (two_models.runs / "broken").mkdir()
    (two_models.runs / "broken" / "config.json").write_text("{")
    names = [run.name for run in Predictors(two_models).runs()]
    assert names[0] == "ham10000-multimodal"
    assert "ham10000-image" in names
    assert not {"broken", "unfinished"} & set(names)


def test_what_was_chosen_stays_until_it_is_gone(two_models: Workspace) -> None:
    predictors = Predictors(two_models)
    assert "value" not in handlers.offer_models(predictors, "ham10000-image").constructor_args
    shutil.rmtree(two_models.runs / "ham10000-image")
    offered = handlers.offer_models(predictors, "ham10000-image")
    assert offered.value == AUTOMATIC
    assert BOTH not in [value for _, value in offered.choices]


def test_a_run_opened_elsewhere_is_chosen_if_it_can_predict(two_models: Workspace) -> None:
    predictors = Predictors(two_models)
    assert handlers.open_model(predictors, "ham10000-image").value == "ham10000-image"
    assert not isinstance(handlers.open_model(predictors, "unfinished"), gr.Dropdown)


def test_a_network_is_loaded_once_and_again_when_it_was_replaced(two_models: Workspace) -> None:
    predictors = Predictors(two_models)
    run = predictors.named("ham10000-image")
    first = predictors.open(run)
    assert predictors.open(run) is first
    run.onnx_path.write_bytes(run.onnx_path.read_bytes())
    assert predictors.open(run) is not first


# Examples


@pytest.fixture
def photographed(workspace: Workspace, demo: Dataset) -> Run:
    """A run that was trained on a folder."""
    run = Run.create(workspace, "photographed", TrainConfig.from_preset("demo", dataset=demo.images[0].path.parents[1]))
    split = SPLITTERS["by-lesion"](demo.images, 42)
    split.save(run.split_path)
    images = [image for image in demo.images if image.image_id in split.test]
    ids, lesions = zip(*((image.image_id, image.lesion_id) for image in images), strict=True)
    truth = np.array([CODES.index(image.diagnosis) for image in images])
    save_predictions(run.predictions_path, {"test": Predictions(ids, lesions, truth, np.eye(7, dtype="f")[truth])})
    return run


def test_examples_are_test_images_of_every_diagnosis_and_keep_their_secret(
    photographed: Run, workspace: Workspace
) -> None:
    shown = examples.load_examples(OpenDatasets(workspace), photographed, 0)
    assert sorted(example.diagnosis for example in shown.images) == sorted(CODES)
    assert {example.origin for example in shown.images} <= set(Split.load(photographed.split_path).test)
    assert "photographed was not trained on" in shown.about
    html = examples.example_buttons(shown)
    assert html.count("data-number") == len(CODES)
    assert not any(known.name in html for known in HAM10000.diagnoses)
    assert not any(example.origin in html for example in shown.images)


def test_examples_come_from_a_folder_that_was_opened_where_the_runs_own_is_elsewhere(
    photographed: Run, workspace: Workspace, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("KAGGLEHUB_CACHE", str(tmp_path))
    folder = Path(photographed.config.dataset)
    config = json.loads(photographed.config_path.read_text())
    photographed.config_path.write_text(json.dumps(config | {"dataset": "kaggle"}))
    moved = Run(photographed.folder)
    assert "Synthetic" in examples.load_examples(OpenDatasets(workspace), moved, 0).about

    recent_folders.remember(workspace, str(folder))
    assert "photographed was not trained on" in examples.load_examples(OpenDatasets(workspace), moved, 0).about


def test_where_no_test_image_is_at_hand_examples_are_drawn(workspace: Workspace) -> None:
    shown = examples.load_examples(OpenDatasets(workspace), None, 0)
    assert "Synthetic" in shown.about
    assert "picked because the shipped models recognise them" in shown.about
    assert sorted(example.diagnosis for example in shown.images) == sorted(CODES)


@pytest.fixture(scope="module")
def shipped() -> Predictors:
    """The shipped runs, each opened once."""
    return Predictors(Workspace(PROJECT))


@pytest.mark.slow
@pytest.mark.parametrize("code", CODES)
def test_the_shipped_models_recognise_every_drawn_example(shipped: Predictors, code: str) -> None:
    drawn = [examples.drawn_example(code, seed) for seed in examples.RECOGNISED[code]]
    for name in SHIPPED.values():
        predictor = shipped.open(run.get(shipped.workspace, name))
        for example in drawn:
            prediction = predictor.predict(example.content, example.patient)
            assert (prediction.diagnosis.code, prediction.scope.in_scope) == (code, True)


@pytest.fixture
def take(two_models: Workspace, send: Send) -> Callable[..., tuple[Any, ...]]:
    """Clicks an example of a patient of 45 years, male, with a lesion on the ear."""
    sent = send(photograph())
    example = examples.Example(Path(sent["path"]).read_bytes(), someone(45, "male", "ear"), "bcc", "ISIC_1")
    showcase = lambda run, number: Examples("about", (example,))  # noqa: E731, ARG005
    return partial(handlers.fill_in_example, Predictors(two_models), showcase, AUTOMATIC, 0, 0)


Take = Callable[..., tuple[Any, ...]]
NO_FIELDS = (None,) * 4  # of other tasks
BLANK = ("", "unknown", "unknown", *NO_FIELDS)


def test_an_example_fills_the_form_and_folds_its_diagnosis_away(take: Take) -> None:
    path, *patient, truth, loan, _ = take(ExamplePatient(), *BLANK)
    assert Path(path).read_bytes() == photograph()
    assert tuple(patient) == loan.filled == ("45", "male", "ear", *NO_FIELDS)
    assert truth.value.startswith("<details")
    assert "Basal cell carcinoma" in truth.value


@pytest.mark.parametrize(
    "typed", [BLANK, ("70", "female", "unknown", *NO_FIELDS)], ids=["blank", "typed before the example"]
)
def test_another_image_finds_the_patient_that_stood_there_before_the_example(
    take: Take, typed: tuple[str, ...]
) -> None:
    _, *patient, _, loan, first = take(ExamplePatient(), *typed)
    _, *patient, _, loan, second = take(loan, *patient)
    *sent, truth, loan, third = handlers.withdraw_example(loan, *patient)
    assert tuple(now if field == gr.skip() else field for now, field in zip(patient, sent, strict=True)) == typed
    assert truth.visible is False
    assert first < second < third
    # Nothing is sent to a form that nothing was lent to: it would undo what is typed while the image is uploaded.
    assert handlers.withdraw_example(loan, "45", "male", "ear", *NO_FIELDS)[:7] == (gr.skip(),) * 7


def test_what_is_typed_over_an_example_stays_for_the_next_image(take: Take) -> None:
    *_, loan, _ = take(ExamplePatient(), *BLANK)
    assert loan.withdrawn(("50", "male", "back", *NO_FIELDS)) == ("50", "unknown", "back", *NO_FIELDS)
    *_, loan, _ = take(loan, "50", "male", "back", *NO_FIELDS)
    assert loan.withdrawn(("45", "male", "ear", *NO_FIELDS)) == ("50", "unknown", "back", *NO_FIELDS)


def test_an_image_that_was_sent_from_a_data_set_is_an_example(
    shared_workspace: Workspace, demo: Dataset, send: Send
) -> None:
    send(photograph())
    open_datasets, image = OpenDatasets(shared_workspace), demo.images[3]
    taking = partial(handlers.fill_in_sent_image, open_datasets, Predictors(shared_workspace), AUTOMATIC)
    path, *patient, truth, _, _ = taking(SentImage("demo", image.image_id, 0.0), patient_form.ExamplePatient())
    assert Path(path).read_bytes() == image.path.read_bytes()
    assert patient[1:3] == [image.patient["sex"], image.patient["site"]]
    assert f"{image.image_id} of Demo (synthetic)" in truth.value
    with pytest.raises(UserError, match="is gone: open its data set again"):
        taking(SentImage("demo", "gone", 0.0), patient_form.ExamplePatient())


# Many images


def test_a_batch_gives_a_table_a_file_and_a_summary(two_models: Workspace, send: Send) -> None:
    files = [send(photograph("red"), "red.png"), send(b"text", "bad.jpg")]
    csv = send(b"image,age\nred.png,50\n", "patients.csv")
    said, download = handlers.predict_many(Predictors(two_models), files, csv, AUTOMATIC)
    assert "1 answer. 1 file could not be read" in said
    assert "<td>Melanoma</td>" in said
    assert Path(download.value["path"]).read_text().startswith("image,age,sex,site,run,in_scope,reason,diagnosis")


# The API, through the whole app


def test_programs_may_call_two_documented_endpoints_and_nothing_else(url: str, tmp_path: Path) -> None:
    client = Client(url, verbose=False)
    red, bad = tmp_path / "red.png", tmp_path / "bad.jpg"
    red.write_bytes(photograph("red"))
    bad.write_text("text")

    described = client.view_api(return_format="dict", print_info=False)["named_endpoints"]
    assert sorted(described) == ["/predict", "/predict_batch"]
    parameters = {row["parameter_name"]: row for row in described["/predict"]["parameters"]}
    deciding = ["decision", "target", "prevalence"]
    assert list(parameters) == ["image", "age", "sex", "site", "model", "patient", *deciding]
    assert parameters["decision"]["type"]["enum"] == list(DECISIONS)
    assert parameters["sex"]["type"]["enum"] == ["female", "male", "unknown"]
    assert parameters["age"]["parameter_default"] is None

    found = client.predict(handle_file(str(red)), api_name="/predict")
    assert (found["run"], found["diagnosis"], found["risk"]) == ("ham10000-image", "mel", "high")
    assert sum(found["probabilities"].values()) == pytest.approx(1, abs=1e-4)
    told = client.predict(handle_file(str(red)), age=90, sex="female", site="back", api_name="/predict")
    assert told["run"] == "ham10000-multimodal"

    others = {"age": 90, "sex": "female", "site": "back"}
    assert client.predict(handle_file(str(red)), patient=others, api_name="/predict") == told
    with pytest.raises(AppError, match="no field 'itch' in HAM10000: use age, sex, site"):
        client.predict(handle_file(str(red)), patient={"itch": "yes"}, api_name="/predict")

    asked = client.predict(
        handle_file(str(red)), decision="balanced", target=0.9, prevalence="equal", api_name="/predict"
    )
    assert (asked["decision"], asked["prevalence"]["nv"]) == ("balanced", pytest.approx(1 / 7))
    with pytest.raises(AppError, match="no prevalence 'winter'"):
        client.predict(handle_file(str(red)), prevalence="winter", api_name="/predict")
    (row,) = client.predict([handle_file(str(red))], decision="sensitivity", api_name="/predict_batch")
    assert row["decision"] == "sensitivity"

    rows = client.predict([handle_file(str(red)), handle_file(str(bad))], api_name="/predict_batch")
    assert (rows[0]["image"], rows[0]["diagnosis"]) == ("red.png", "mel")
    assert "not an image" in rows[1]["error"]

    with pytest.raises(AppError, match="between 0 and 120"):
        client.predict(handle_file(str(red)), age=400, api_name="/predict")
    with pytest.raises(AppError, match="call once for each"):
        client.predict(handle_file(str(red)), model="both", api_name="/predict")


def test_the_api_page_says_what_each_parameter_and_result_is(url: str) -> None:
    described = httpx.get(f"{url}gradio_api/info").json()["named_endpoints"]
    for endpoint in described.values():
        for parameter in endpoint["parameters"]:
            assert parameter["label"] == parameter["parameter_name"]
            assert parameter["python_type"]["description"] == endpoints.PARAMETERS[parameter["label"]]
    one, many = described["/predict"], described["/predict_batch"]
    assert RISK_RULE in one["description"]
    assert all(field in one["description"] for field in get_type_hints(Record))
    assert "image, age, sex, site" in many["description"]
    models = one["parameters"][4]["python_type"]["description"]
    assert all(name in models for name in (*SHIPPED.values(), AUTOMATIC, BOTH))
    assert one["parameters"][0]["example_input"]["meta"] == {"_type": "gradio.FileData"}


def test_curl_may_call_too_and_reads_no_file_of_the_server(url: str, tmp_path: Path) -> None:
    def call(*data: object) -> str:
        event = httpx.post(f"{url}gradio_api/call/predict", json={"data": data}).json()["event_id"]
        return httpx.get(f"{url}gradio_api/call/predict/{event}").text

    files = {"files": ("red.png", photograph("red"))}
    (path,) = httpx.post(f"{url}gradio_api/upload", files=files).json()
    answered = call({"path": path, "meta": {"_type": "gradio.FileData"}}, 45, "male", "back", "automatic")
    assert answered.startswith("event: complete")
    assert '"diagnosis": "mel"' in answered

    secret = tmp_path / "secret.png"
    secret.write_bytes(photograph("blue"))
    for data in ({"path": str(secret)}, {"path": str(secret), "meta": {"_type": "gradio.FileData"}}, str(secret)):
        answered = call(data, None, "unknown", "unknown", "automatic")
        assert answered.startswith("event: error")
        assert "nv" not in answered


FIRST_PREDICTION = """
import sys
from pathlib import Path
from skin.patient import Patient
from skin.ui.components.predictors import Predictors
from skin.workspace import Workspace
predictors = Predictors(Workspace(Path(sys.argv[1])))
(predictor,) = predictors.choose("ham10000-multimodal", Patient())
print(predictor.predict(Path(sys.argv[2]).read_bytes()).diagnosis.code)
print([name for name in ("tensorflow", "keras", "sklearn") if name in sys.modules])
"""


@pytest.mark.slow
def test_the_first_prediction_loads_neither_tensorflow_nor_keras(two_models: Workspace, tmp_path: Path) -> None:
    image = tmp_path / "red.png"
    image.write_bytes(photograph("red"))
    command = [sys.executable, "-c", FIRST_PREDICTION, str(two_models.home), str(image)]
    output = subprocess.run(command, cwd=PROJECT, capture_output=True, check=True, text=True).stdout
    assert output.split("\n")[:2] == ["mel", "[]"]
