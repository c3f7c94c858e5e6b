"""Refusals, their override, and similar cases on the Predict tab, in the batch and in the API."""

import hashlib
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tiny_audit
from PIL import Image
from typer.testing import CliRunner

from skin import run as runs
from skin.cli.main import app
from skin.data.dataset import Dataset
from skin.evaluation.chosen import DecisionChoice
from skin.inference.neighbours import INDEX, SHOWN
from skin.run import Run
from skin.ui.components.open_datasets import OpenDatasets
from skin.ui.components.predictors import AUTOMATIC, BOTH, Predictors
from skin.ui.endpoints import Endpoints
from skin.ui.predict import handlers, result_card
from skin.workspace import Workspace

Send = Callable[..., dict[str, str]]
REASON = "It does not look like the images of lesions"


def picture(colour: str) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (80, 60), colour).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture
def gated(two_models: Workspace, demo: Dataset) -> Workspace:
    """Both models, to which red is a lesion and blue is none, and the data set that similar cases are looked for in."""
    two_models.cache.mkdir()
    two_models.datasets.symlink_to(demo.images[0].path.parents[2])
    for run in runs.list_runs(two_models):
        tiny_audit.write(run)
    return two_models


def ask(workspace: Workspace, sent: object, age: str = "", choice: str = AUTOMATIC, allowed: str = "") -> Any:
    values = sent, age, "unknown", "unknown", choice, "grad-cam", DecisionChoice()
    return handlers.predict_one(Predictors(workspace), OpenDatasets(workspace), allowed, *values)


def test_what_is_no_lesion_gets_the_reason_and_no_diagnosis(gated: Workspace, send: Send) -> None:
    said, effect, curve, button = ask(gated, send(picture("blue")), "50")
    assert REASON in said
    assert "nevus" not in said
    assert 'class="bars"' not in said
    assert (effect, curve.visible, button.visible) == ("", False, True)


def test_a_refusal_tells_the_share_that_is_refused_by_mistake(gated: Workspace, send: Send) -> None:
    assert "refused by mistake: if" in ask(gated, send(picture("blue")))[0]
    assert "refused by mistake, 2.5% of those it was tested on: if" in result_card.refusal("run", REASON, 0.0247)


def test_a_lesion_is_answered_and_no_button_offered(gated: Workspace, send: Send) -> None:
    said, effect, _, button = ask(gated, send(picture("red")), "50")
    assert "Melanoma <b>" in said
    assert REASON not in said
    assert "Not checked" not in said
    assert "If the patient" in effect
    assert button.visible is False


def test_the_override_counts_for_this_image_alone(gated: Workspace, send: Send) -> None:
    blue = send(picture("blue"))
    allowed = handlers.allow(blue)
    assert allowed == hashlib.sha256(picture("blue")).hexdigest()
    said, effect, _, button = ask(gated, blue, "50", allowed=allowed)
    assert "Melanocytic nevus <b>" in said
    assert "<strong>Refused</strong>" in said
    assert REASON in said
    assert "If the patient" in effect
    assert button.visible is False
    assert 'class="bars"' not in ask(gated, send(picture("navy")), allowed=allowed)[0]


def test_one_of_two_models_may_refuse(gated: Workspace, send: Send) -> None:
    (runs.get(gated, "ham10000-image").audit_folder / "scope.npz").unlink()
    said, _, _, button = ask(gated, send(picture("blue")), choice=BOTH)
    assert said.count('class="bars"') == 1
    assert "Not checked" in said
    assert "python -m skin audit ham10000-image" in said
    assert said.count('class="scope"') == 2  # a note of no risk has none of its classes
    assert button.visible


def test_similar_cases_stand_below_the_answer_with_their_shares(gated: Workspace, send: Send) -> None:
    said = ask(gated, send(picture("red")))[0]
    cases = said[said.index("Similar cases") :]
    assert cases.count("<li>") == SHOWN
    assert "confirmed by histology; 40 years, female, back" in cases
    assert '<th scope="row">' in cases
    assert "<img" not in cases
    assert "Their pictures are not shown, because the data set is not at hand" in cases


@pytest.mark.parametrize("content", [None, b"damaged"], ids=["gone", "damaged"])
def test_an_index_that_is_not_there_is_said_with_the_command(
    gated: Workspace, send: Send, content: bytes | None
) -> None:
    path = runs.get(gated, "ham10000-image").audit_folder / INDEX
    path.unlink() if content is None else path.write_bytes(content)
    said = ask(gated, send(picture("red")))[0]
    assert "Melanoma <b>" in said
    assert "python -m skin audit ham10000-image" in said


def test_a_batch_has_the_reason_in_the_row_and_its_file(gated: Workspace, send: Send) -> None:
    files = [send(picture("red"), "red.png"), send(picture("blue"), "blue.png")]
    said, download = handlers.predict_many(Predictors(gated), files, None, AUTOMATIC)
    assert "1 answer of these is refused" in said
    assert f"<td>Refused. {REASON}" in said
    header, red, blue = Path(download.value["path"]).read_text().splitlines()
    assert header.startswith("image,age,sex,site,run,in_scope,reason,diagnosis")
    assert ",true,," in red
    assert f",false,{REASON}" in blue


def test_the_api_tells_scope_and_reason(gated: Workspace, send: Send) -> None:
    endpoints = Endpoints(Predictors(gated))
    answers = [endpoints.predict(send(picture(colour))) for colour in ("red", "blue")]
    assert [answer["in_scope"] for answer in answers] == [True, False]
    assert answers[0]["reason"] == ""
    assert answers[1]["reason"].startswith(REASON)
    assert answers[1]["diagnosis"] == "nv"


def test_the_command_line_refuses_unless_told_anyway(gated: Workspace, tmp_path: Path) -> None:
    path = tmp_path / "blue.png"
    path.write_bytes(picture("blue"))
    words = ["predict", str(path), "--run", "ham10000-image", "--home", str(gated.home)]
    refused = CliRunner().invoke(app, words)
    assert refused.exit_code == 0
    assert f"is refused by ham10000-image. {REASON}" in refused.stdout
    assert "Melanocytic nevus" not in refused.stdout
    assert "Melanocytic nevus" in CliRunner().invoke(app, [*words, "--anyway"]).stdout


def test_a_run_without_an_audit_answers_and_says_so(two_models: Workspace, send: Send) -> None:
    said, *_, button = ask(two_models, send(picture("blue")))
    assert "Melanocytic nevus <b>" in said
    assert "Not checked" in said
    assert button.visible is False
    answer = Endpoints(Predictors(two_models)).predict(send(picture("blue")))
    assert answer["in_scope"] is None
    assert f"`{Run(Path('ham10000-image')).audit_command}`" in answer["reason"]
