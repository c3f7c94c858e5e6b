import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ham import someone

from skin.errors import UsageError, UserError
from skin.patient import ChoiceField, NumberField
from skin.task import BEFORE_TASKS, HAM10000, ISIC2019, MAX_CLASSES, TASKS, Diagnosis, Malignancy, Task
from skin.workspace import PROJECT

TWO = [{"code": "a"}, {"code": "b"}]


# The tasks that come with the project


def test_the_seven_diagnoses_stand_in_alphabetical_order() -> None:
    assert HAM10000.codes == ("akiec", "bcc", "bkl", "df", "mel", "nv", "vasc")


def test_the_eight_diagnoses_stand_in_the_challenges_order() -> None:
    assert ISIC2019.codes == ("MEL", "NV", "BCC", "AK", "BKL", "DF", "VASC", "SCC")


@pytest.mark.parametrize(
    ("code", "malignancy"),
    [
        ("akiec", Malignancy.PRECANCEROUS),
        ("bcc", Malignancy.MALIGNANT),
        ("bkl", Malignancy.BENIGN),
        ("df", Malignancy.BENIGN),
        ("mel", Malignancy.MALIGNANT),
        ("nv", Malignancy.BENIGN),
        ("vasc", Malignancy.BENIGN),
    ],
)
def test_malignancy(code: str, malignancy: Malignancy) -> None:
    assert HAM10000.diagnosis(code).malignancy is malignancy


def test_the_malignant_columns() -> None:
    assert [HAM10000.codes[index] for index in HAM10000.malignant] == ["bcc", "mel"]
    assert [ISIC2019.codes[index] for index in ISIC2019.malignant] == ["MEL", "BCC", "SCC"]


EVERY = [
    pytest.param(task, known, id=f"{task.name}-{known.code}") for task in TASKS.values() for known in task.diagnoses
]


@pytest.mark.parametrize(("task", "known"), EVERY)
def test_every_diagnosis_has_a_name_one_sentence_and_a_colour(task: Task, known: Diagnosis) -> None:
    assert known.name[0].isupper()
    assert known.description.endswith(".")
    assert known.description.count(". ") == 0
    assert known.colour
    assert task.find(known.name) == task.find(known.code.swapcase()) == known.code


def test_an_unknown_code_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UsageError, match=r"'wart'.*akiec.*vasc"):
        HAM10000.diagnosis("wart")


@pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)
def test_a_task_comes_back_from_its_file(task: Task, tmp_path: Path) -> None:
    path = tmp_path / "task.json"
    path.write_text(task.to_json(), encoding="utf-8")
    assert Task.load(path) == task


# A task of one's own


def test_what_is_left_out_takes_its_default() -> None:
    fields = [
        {"kind": "number", "name": "diameter", "maximum": 30},
        {"kind": "choice", "name": "skin_type", "values": [1, 2]},
    ]
    task = Task.parse_json({"name": "clinic", "diagnoses": TWO, "fields": fields})

    assert (task.title, task.diagnoses[0]) == ("clinic", Diagnosis("a", "a"))
    assert not task.tells_malignant
    assert task.fields == (
        NumberField("diameter", "Diameter", 0, 30, "", 30),
        ChoiceField("skin_type", "Skin type", ("1", "2")),
    )
    assert task.width == 5
    [row] = task.encode([task.parse({"diameter": "15", "skin_type": 2})])
    assert row.tolist() == [0.5, 0, 0, 1, 0]


NUMBER = {"kind": "number", "name": "size", "maximum": 9}
CHOICE = {"kind": "choice", "name": "itch", "values": ["yes", "no"]}


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ([], "must be a JSON object"),
        ({}, "from 2 to 50 diagnoses, not 0"),
        ({"diagnoses": TWO[:1]}, "from 2 to 50 diagnoses, not 1"),
        ({"diagnoses": [{"code": f"c{n}"} for n in range(MAX_CLASSES + 1)]}, "from 2 to 50 diagnoses, not 51"),
        ({"diagnoses": "ab"}, "diagnoses must be a list of objects"),
        ({"diagnoses": [*TWO, {"code": "A"}]}, "two diagnoses are called 'a'"),
        ({"diagnoses": [*TWO, {"code": "c", "name": "B"}]}, "two diagnoses are called 'b'"),
        ({"diagnoses": [*TWO, {"name": "No code"}]}, "'' cannot be the code"),
        ({"diagnoses": [*TWO, {"code": "image_id"}]}, "'image_id' cannot be the code"),
        ({"diagnoses": [*TWO, {"code": "<b>"}]}, "cannot be the code"),
        ({"diagnoses": [*TWO, {"code": "c", "color": "#fff"}]}, "There is no 'color' in a diagnosis"),
        ({"diagnoses": [*TWO, {"code": "c", "colour": "red"}]}, "must be like '#1AA096', not 'red'"),
        (
            {"diagnoses": [*TWO, {"code": "c", "malignancy": "bad"}]},
            "one of benign, pre-cancerous, malignant or missing",
        ),
        (
            {"diagnoses": [*TWO, {"code": "c", "malignancy": "benign"}]},
            "either every diagnosis has a malignancy, or none",
        ),
        ({"diagnoses": TWO, "classes": 2}, "There is no 'classes' in the task"),
        (
            {"diagnoses": TWO, "fields": [{**NUMBER, "kind": "date"}]},
            "no kind of field 'date': 'size' must be .* number or choice",
        ),
        ({"diagnoses": TWO, "fields": [{**NUMBER, "name": "Size"}]}, "'Size' cannot be the name of a field"),
        ({"diagnoses": TWO, "fields": [{**NUMBER, "name": "risk"}]}, "'risk' cannot be the name of a field"),
        ({"diagnoses": TWO, "fields": [NUMBER, NUMBER]}, "two fields are called 'size'"),
        ({"diagnoses": TWO, "fields": [NUMBER, {**CHOICE, "columns": ["size"]}]}, "two fields are called 'size'"),
        ({"diagnoses": TWO, "fields": [{**NUMBER, "maximum": 0}]}, "minimum of 'size' must be below its maximum"),
        ({"diagnoses": TWO, "fields": [{**NUMBER, "maximum": None}]}, "'size', maximum is 'None'"),
        ({"diagnoses": TWO, "fields": [{**NUMBER, "maximum": True}]}, "'size', maximum is 'True'"),
        ({"diagnoses": TWO, "fields": [{**NUMBER, "scale": -1}]}, "scale of 'size' must be above 0"),
        (
            {"diagnoses": TWO, "fields": [{**NUMBER, "values": ["a"]}]},
            "There is no 'values' in a field of the kind number",
        ),
        ({"diagnoses": TWO, "fields": [{**CHOICE, "values": []}]}, "'itch' has no value to choose"),
        ({"diagnoses": TWO, "fields": [{**CHOICE, "values": "yes"}]}, "'itch', values is 'yes'"),
        ({"diagnoses": TWO, "fields": [{**CHOICE, "values": ["yes", "Yes"]}]}, "two values of 'itch' have one name"),
        ({"diagnoses": TWO, "fields": [{**CHOICE, "values": ["yes", "unknown"]}]}, "may be empty or 'unknown'"),
        ({"diagnoses": TWO, "fields": [{**CHOICE, "name": f"f{n}"} for n in range(21)]}, "at most 20 fields"),
        ({"diagnoses": TWO, "fields": [{**CHOICE, "values": [str(n) for n in range(101)]}]}, "at most 100 values"),
    ],
)
def test_what_makes_no_sense_is_refused_in_a_sentence(values: Any, said: str, tmp_path: Path) -> None:
    path = tmp_path / "task.json"
    path.write_text(json.dumps(values))
    with pytest.raises(UserError, match=said) as refusal:
        Task.load(path)
    assert str(path) in str(refusal.value)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[" * 100_000])
def test_a_damaged_file_is_refused_in_a_sentence(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "task.json"
    path.write_bytes(content)
    with pytest.raises(UserError, match="tells no task") as refusal:
        Task.load(path)
    assert "\n" not in str(refusal.value)


# The patient


@pytest.mark.parametrize("blank", [None, "", "  ", "unknown", "Unknown", "nan", "None", float("nan")])
def test_blanks_are_unknown_even_of_what_the_task_does_not_know(blank: object) -> None:
    patient = HAM10000.parse({"age": blank, "sex": blank, "site": blank, "itch": blank})
    assert patient == someone()
    assert patient.is_unknown


@pytest.mark.parametrize("age", [45, 45.0, "45", " 45.0 "])
def test_an_age_may_be_a_number_or_text(age: object) -> None:
    parsed = HAM10000.parse({"age": age, "sex": "MALE", "site": " Lower Extremity "})
    assert dict(parsed.known) == {"age": 45.0, "sex": "male", "site": "lower extremity"}
    assert HAM10000.in_words(parsed) == "45 years, male, lower extremity"


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"age": -3}, "age must lie between 0 and 120 years, not -3"),
        ({"age": 121}, "between 0 and 120 years, not 121"),
        ({"age": "inf"}, "between 0 and 120"),
        ({"age": "old"}, "number of years or empty, not 'old'"),
        ({"sex": "x"}, r"Unknown sex 'x': use one of female, male, unknown"),
        ({"site": "elbow"}, r"Unknown site 'elbow': use one of abdomen, .*unknown"),
        ({"itch": "yes"}, "no field 'itch' in HAM10000: use age, sex, site"),
    ],
)
def test_what_is_neither_blank_nor_valid_is_refused(fields: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        HAM10000.parse(fields)


def test_the_encoding_of_the_shipped_runs() -> None:
    """What a network was trained on, written out: it may never change."""
    assert BEFORE_TASKS.columns == {"age": slice(0, 2), "sex": slice(2, 5), "site": slice(5, 20)}
    [row] = BEFORE_TASKS.encode([someone(80, "female", "scalp")])
    assert row.dtype == np.float32
    assert row.tolist() == [np.float32(0.8), 0, 1, 0, 0, *[0] * 11, 1, 0, 0, 0]
    assert BEFORE_TASKS.unknown.tolist() == [0, 1, 0, 0, 1, *[0] * 14, 1]


def test_what_another_task_knows_of_a_patient_is_unknown_here() -> None:
    elsewhere = ISIC2019.parse({"age": 80, "sex": "female", "site": "head/neck"})
    np.testing.assert_array_equal(HAM10000.encode([elsewhere]), HAM10000.encode([someone(80, "female")]))


def test_only_what_the_numbers_mean_tells_tasks_apart() -> None:
    renamed = Task("x", "X", tuple(Diagnosis(code, code) for code in HAM10000.codes), HAM10000.fields)
    assert renamed != HAM10000
    assert renamed.asks_as(HAM10000)
    assert not ISIC2019.asks_as(HAM10000)
    assert not Task("x", "X", HAM10000.diagnoses, HAM10000.fields[:2]).asks_as(HAM10000)


def test_the_task_of_the_documentation_is_one() -> None:
    page = (PROJECT / "docs" / "tasks.md").read_text()
    (written,) = re.findall(r"```json\n(.+?)```", page, re.DOTALL)
    task = Task.parse_json(json.loads(written))
    assert task.parse({"diameter": 12, "itch": "yes"}).known == {"diameter": 12, "itch": "yes"}
    assert task.tells_malignant
