import io
import re
from collections.abc import Iterable, Sequence
from functools import partial
from threading import Event
from typing import TypeVar

import numpy as np
import pandas as pd
import pytest
from ham import CODES, someone
from PIL import Image

from skin.data import pixels
from skin.errors import UsageError, UserError
from skin.inference import batch
from skin.inference.predictor import Predictor
from skin.patient import Patient
from skin.task import HAM10000
from skin.ui.components.predictors import AUTOMATIC, BOTH, Predictors
from skin.ui.predict import batch_results
from skin.ui.uploads import Upload
from skin.workspace import Workspace

Item = TypeVar("Item")


def table(text: str) -> batch.Patients:
    return batch.read_patients("patients.csv", text.encode(), HAM10000)


def photograph(name: str, colour: str) -> Upload:
    buffer = io.BytesIO()
    Image.new("RGB", (40, 30), colour).save(buffer, "PNG")
    return Upload(name, buffer.getvalue())


def asking(workspace: Workspace, choice: str) -> batch.Choose:
    return partial(Predictors(workspace).choose, choice)


# The table of patients


def test_the_table_says_what_is_known_of_each_image() -> None:
    patients = table("image,age,sex,site\na.jpg,45,female,back\nb.jpg,,male,\n")
    assert patients == {"a.jpg": someone(45, "female", "back"), "b.jpg": someone(None, "male")}


@pytest.mark.parametrize(
    "text",
    [
        "\ufeffimage;age\na.jpg;45\n",
        "IMAGE\tAge\textra\na.jpg\t45\tx\n",
        "image_id,dx,age,localization\na.jpg,mel,45.0,unknown\n",
        "image, age\n a.jpg , 45 \n",
    ],
)
def test_separators_letter_case_order_and_further_columns_do_not_matter(text: str) -> None:
    assert table(text) == {"a.jpg": someone(45)}


@pytest.mark.parametrize("text", ["", "age,sex\n45,male\n", "image,diagnosis\na.jpg,mel\n", "\n\n\n", "image\na.jpg\n"])
def test_a_table_without_its_columns_is_refused(text: str) -> None:
    with pytest.raises(UserError, match=r"patients\.csv"):
        table(text)


@pytest.mark.parametrize("content", [bytes(range(256)), b"\xff\xfe\x00", b'image,age\n"a.jpg,45\n'])
def test_what_is_no_table_is_refused(content: bytes) -> None:
    with pytest.raises(UserError, match=r"patients\.csv"):
        batch.read_patients("patients.csv", content, HAM10000)


def test_a_wrong_value_is_named_with_its_row() -> None:
    with pytest.raises(UsageError, match=r"Row 2 of the table: The age must lie between 0 and 120"):
        table("image,age\na.jpg,45\nb.jpg,400\n")


@pytest.mark.parametrize("name", ["A.JPG", "folder/a.jpg", "folder/sub/a.jpg"])
def test_an_image_is_found_by_its_name_with_or_without_its_folder(name: str) -> None:
    assert batch.patient_of(name, {"a.jpg": someone(45)}) == someone(45)


def test_an_image_is_found_by_its_id() -> None:
    assert batch.patient_of("ISIC_1.jpg", {"isic_1": someone(45)}) == someone(45)


def test_the_full_path_goes_before_the_name() -> None:
    patients = {"left/a.jpg": someone(45), "a.jpg": someone(50)}
    assert batch.patient_of("left/a.jpg", patients) == someone(45)
    assert batch.patient_of("right/a.jpg", patients) == someone(50)
    assert batch.patient_of("images/left/a.jpg", patients) == someone(45)


# Predicting


def test_a_row_an_image_with_the_model_that_fits_what_is_known(two_models: Workspace) -> None:
    files = [photograph("red.png", "red"), photograph("blue.png", "blue")]
    red, blue = batch.predict_all(asking(two_models, AUTOMATIC), files, {"blue.png": someone(90)})
    assert (red["image"], red["run"], red["diagnosis"]) == ("red.png", "ham10000-image", "mel")
    assert (blue["image"], blue["run"], blue["age"]) == ("blue.png", "ham10000-multimodal", 90)
    assert blue["malignant_probability"] > 0.2


def test_a_batch_says_the_same_as_one_image_alone(two_models: Workspace) -> None:
    patient, choose = someone(60, "male", "face"), asking(two_models, "ham10000-multimodal")
    file = photograph("a.png", "purple")
    (row,) = batch.predict_all(choose, [file], {"a.png": patient})
    (predictor,) = choose(patient)
    alone = predictor.predict(file.content, patient)
    np.testing.assert_allclose(
        [row["probabilities"][code] for code in CODES], list(alone.probabilities.values()), atol=1e-6
    )


def test_both_models_give_two_rows(two_models: Workspace) -> None:
    rows = batch.predict_all(asking(two_models, BOTH), [photograph("a.png", "red")], {})
    assert [row["run"] for row in rows] == ["ham10000-image", "ham10000-multimodal"]


def test_what_cannot_be_read_has_its_error_and_the_rest_goes_on(two_models: Workspace) -> None:
    files = [Upload("bad.jpg", b"text"), photograph("red.png", "red")]
    bad, good = batch.predict_all(asking(two_models, AUTOMATIC), files, {})
    assert "not an image" in bad["error"]
    assert good["diagnosis"] == "mel"
    assert "error" not in good


def test_the_next_image_is_decoded_while_a_model_is_asked(
    two_models: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    decode, begun, choose = pixels.decode, [Event(), Event()], asking(two_models, AUTOMATIC)
    coming, asked = iter(begun), []

    def telling(image: pixels.ImageInput) -> Image.Image:
        if isinstance(image, bytes):  # not the picture that is prepared from it
            next(coming).set()
        return decode(image)

    def waiting(patient: Patient) -> Sequence[Predictor]:
        asked.append(not asked or begun[1].wait(30))  # the first call comes before any image
        return choose(patient)

    monkeypatch.setattr(pixels, "decode", telling)
    rows = batch.predict_all(waiting, [photograph("a.png", "red"), photograph("b.png", "blue")], {})
    assert [row["image"] for row in rows] == ["a.png", "b.png"]
    assert asked == [True] * 3


def test_an_empty_batch_and_an_unknown_model_are_refused(two_models: Workspace) -> None:
    with pytest.raises(UsageError, match="no image"):
        batch.predict_all(asking(two_models, AUTOMATIC), [], {})
    with pytest.raises(UserError, match="no finished run"):
        batch.predict_all(asking(two_models, "nobody"), [photograph("a.png", "red")], {})


def test_progress_is_told(two_models: Workspace) -> None:
    told: list[tuple[str, int]] = []

    def progress(iterable: Iterable[Item], *, desc: str, total: int) -> Iterable[Item]:
        told.append((desc, total))
        return iterable

    batch.predict_all(asking(two_models, AUTOMATIC), [photograph("a.png", "red")] * 3, {}, progress)
    assert told == [("Predicting", 3)]


# The answers as tables


@pytest.fixture
def rows(two_models: Workspace) -> list[batch.Row]:
    files = [photograph("red.png", "red"), Upload("bad.jpg", b"text")]
    return batch.predict_all(asking(two_models, AUTOMATIC), files, {"red.png": someone(45.5)})


def test_the_file_holds_everything(rows: list[batch.Row]) -> None:
    frame = pd.read_csv(io.StringIO(batch.to_frame(rows).to_csv(index=False)))
    assert list(frame) == ["image", "age", "sex", "site", *batch.ANSWER, *CODES, "error"]
    assert frame.loc[0, list(CODES)].sum() == pytest.approx(1, abs=1e-4)
    assert frame.loc[0, "age"] == 45.5
    assert pd.isna(frame.loc[0, "error"])
    assert frame.loc[1, "diagnosis":"prediction_set"].isna().all()
    assert "not an image" in frame.loc[1, "error"]


def test_the_page_shows_the_error_in_the_place_of_the_diagnosis(rows: list[batch.Row]) -> None:
    cells = re.findall("<td>(.*?)</td>", batch_results.batch_table(rows))
    good, bad = cells[: len(cells) // 2], cells[len(cells) // 2 :]
    assert (good[0], good[1], good[3], good[5]) == ("red.png", "Melanoma", "high", "45.5")
    assert good[2].endswith("%")
    assert "not an image" in bad[1]
    assert bad[2] == ""


def test_the_name_of_a_file_is_no_markup() -> None:
    row = {"image": "<img src=x>.jpg", "age": None, "sex": "unknown", "site": "unknown", "error": "<b>"}
    assert "<img" not in batch_results.batch_table([row])
    assert "<b>" not in batch_results.batch_table([row])


def test_the_summary_counts_what_failed_and_what_the_table_named_in_vain(rows: list[batch.Row]) -> None:
    said = batch.summary(rows, {"red.png": someone(), "elsewhere.png": someone(), "other": someone()})
    assert said == (
        "1 answer. 1 file could not be read: the table says why. 2 rows of your table named no image of this batch."
    )
    assert batch.summary(rows[:1], {}) == "1 answer."
