import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skin.errors import UsageError
from skin.patient import FIELDS, MAX_AGE, UNKNOWN, WIDTH, Patient, Sex, Site, drop_fields, encode

patients = st.builds(
    Patient, st.none() | st.floats(0, MAX_AGE, width=32), st.sampled_from(tuple(Sex)), st.sampled_from(tuple(Site))
)


def test_the_vocabularies_are_those_of_ham10000() -> None:
    assert len(Site) == 15
    assert set(Sex) == {"female", "male", "unknown"}


# Parsing


@pytest.mark.parametrize("blank", [None, "", "  ", "unknown", "Unknown", "nan", "None", float("nan")])
def test_blanks_are_unknown(blank: object) -> None:
    patient = Patient.parse(blank, blank, blank)
    assert patient == Patient()
    assert patient.is_unknown


@pytest.mark.parametrize("age", [45, 45.0, "45", " 45.0 "])
def test_an_age_may_be_a_number_or_text(age: object) -> None:
    assert Patient.parse(age, "MALE", " Lower Extremity ") == Patient(45.0, Sex.MALE, Site.LOWER_EXTREMITY)


def test_one_known_field_is_enough_to_be_known() -> None:
    assert not Patient(age=0.0).is_unknown
    assert not Patient(sex=Sex.MALE).is_unknown
    assert not Patient(site=Site.EAR).is_unknown


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"age": -3}, "between 0 and 120 years, not -3"),
        ({"age": 121}, "between 0 and 120 years, not 121"),
        ({"age": "inf"}, "between 0 and 120"),
        ({"age": "old"}, "number of years or empty, not 'old'"),
        ({"sex": "x"}, r"Unknown sex 'x': use one of female, male, unknown"),
        ({"site": "elbow"}, r"Unknown site 'elbow': use one of abdomen, .*unknown"),
    ],
)
def test_what_is_neither_blank_nor_valid_is_refused(fields: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Patient.parse(**fields)


def test_no_patient_has_an_impossible_age() -> None:
    with pytest.raises(UsageError, match="between 0 and 120"):
        Patient(age=-0.5)
    assert [Patient(age=age).age for age in (0.0, MAX_AGE)] == [0.0, 120.0]


# The encoding


def test_the_encoding_of_one_patient() -> None:
    [row] = encode([Patient(80.0, Sex.FEMALE, Site.SCALP)])
    expected = np.zeros(WIDTH)
    expected[0] = 0.8
    expected[FIELDS["sex"].start + tuple(Sex).index(Sex.FEMALE)] = 1
    expected[FIELDS["site"].start + tuple(Site).index(Site.SCALP)] = 1
    np.testing.assert_allclose(row, expected, rtol=1e-6)
    assert row.dtype == np.float32


def test_unknown_is_a_value_of_every_field() -> None:
    np.testing.assert_array_equal(encode([Patient()])[0], UNKNOWN)
    assert UNKNOWN[:2].tolist() == [0, 1]
    for name in ("sex", "site"):
        assert UNKNOWN[FIELDS[name]].sum() == 1


def test_a_newborn_is_not_of_unknown_age() -> None:
    newborn, unknown = encode([Patient(age=0.0), Patient()])
    assert (newborn != unknown).any()


def test_the_fields_cover_every_column_once() -> None:
    columns = [column for field in FIELDS.values() for column in range(field.start, field.stop)]
    assert columns == list(range(WIDTH))


def test_no_patients_are_no_rows() -> None:
    assert encode([]).shape == (0, WIDTH)


@settings(deadline=None)
@given(patients, patients)
def test_different_patients_have_different_encodings(a: Patient, b: Patient) -> None:
    first, second = encode([a, b])
    same_age = a.age == b.age or (None not in (a.age, b.age) and np.float32(a.age / 100) == np.float32(b.age / 100))
    assert (first == second).all() == (same_age and a.sex == b.sex and a.site == b.site)


# Dropping fields while training


@settings(deadline=None)
@given(st.lists(patients, min_size=1, max_size=20), st.floats(0, 1), st.integers(0, 2**32))
def test_a_field_is_kept_or_unknown_as_a_whole(rows: list[Patient], rate: float, seed: int) -> None:
    encoded = encode(rows)
    dropped = drop_fields(encoded, rate, np.random.default_rng(seed))
    for columns in FIELDS.values():
        kept = (dropped[:, columns] == encoded[:, columns]).all(axis=1)
        unknown = (dropped[:, columns] == UNKNOWN[columns]).all(axis=1)
        assert (kept | unknown).all()
    np.testing.assert_array_equal(encoded, encode(rows))


def test_the_rate_is_the_share_of_dropped_fields() -> None:
    encoded = encode([Patient(50.0, Sex.MALE, Site.BACK)] * 4000)
    rng = np.random.default_rng(0)
    dropped = drop_fields(encoded, 0.25, rng)
    shares = [(dropped[:, columns] != encoded[:, columns]).any(axis=1).mean() for columns in FIELDS.values()]
    assert shares == pytest.approx([0.25] * 3, abs=0.03)
    np.testing.assert_array_equal(drop_fields(encoded, 0.0, rng), encoded)
    np.testing.assert_array_equal(drop_fields(encoded, 1.0, rng), np.tile(UNKNOWN, (4000, 1)))
