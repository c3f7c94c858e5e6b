import pytest

from skin.errors import UsageError
from skin.lesion import CODES, MALIGNANT, TAXONOMY, Diagnosis, Malignancy, Risk, diagnosis


def test_the_seven_diagnoses_stand_in_alphabetical_order() -> None:
    assert CODES == ("akiec", "bcc", "bkl", "df", "mel", "nv", "vasc")


@pytest.mark.parametrize(
    ("code", "malignancy", "risk"),
    [
        ("akiec", Malignancy.PRECANCEROUS, Risk.MODERATE),
        ("bcc", Malignancy.MALIGNANT, Risk.HIGH),
        ("bkl", Malignancy.BENIGN, Risk.LOW),
        ("df", Malignancy.BENIGN, Risk.LOW),
        ("mel", Malignancy.MALIGNANT, Risk.HIGH),
        ("nv", Malignancy.BENIGN, Risk.LOW),
        ("vasc", Malignancy.BENIGN, Risk.LOW),
    ],
)
def test_malignancy_and_risk(code: str, malignancy: Malignancy, risk: Risk) -> None:
    assert diagnosis(code).malignancy is malignancy
    assert diagnosis(code).risk is risk


def test_the_malignant_columns_are_bcc_and_mel() -> None:
    assert [CODES[index] for index in MALIGNANT] == ["bcc", "mel"]


@pytest.mark.parametrize("entry", TAXONOMY, ids=CODES)
def test_every_diagnosis_has_a_name_and_one_sentence(entry: Diagnosis) -> None:
    assert entry.name[0].isupper()
    assert entry.description.endswith(".")
    assert entry.description.count(". ") == 0


def test_an_unknown_code_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UsageError, match=r"'wart'.*akiec.*vasc"):
        diagnosis("wart")
