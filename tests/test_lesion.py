import pytest

from skin.errors import UsageError
from skin.lesion import CODES, MALIGNANT, TAXONOMY, Diagnosis, Malignancy, diagnosis


def test_the_seven_diagnoses_stand_in_alphabetical_order() -> None:
    assert CODES == ("akiec", "bcc", "bkl", "df", "mel", "nv", "vasc")


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
    assert diagnosis(code).malignancy is malignancy


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
