import numpy as np
import pytest
from ham import UNKNOWN, WIDTH, someone
from hypothesis import given, settings
from hypothesis import strategies as st

from skin.patient import Patient
from skin.task import HAM10000

_, SEX, SITE = HAM10000.fields
patients = st.builds(
    someone, st.none() | st.floats(0, 120, width=32), st.sampled_from(SEX.choices), st.sampled_from(SITE.choices)
)


def test_one_known_field_is_enough_to_be_known() -> None:
    assert Patient().is_unknown
    assert not someone(age=0.0).is_unknown
    assert not someone(sex="male").is_unknown
    assert someone(45).having("age", None) == Patient()
    assert someone(45).having("sex", "male") == someone(45, "male")
    assert len({someone(45), someone(45.0), someone(46)}) == 2


def test_a_newborn_is_not_of_unknown_age() -> None:
    newborn, unknown = HAM10000.encode([someone(age=0.0), Patient()])
    assert (newborn != unknown).any()


def test_the_fields_cover_every_column_once() -> None:
    columns = [column for field in HAM10000.columns.values() for column in range(field.start, field.stop)]
    assert columns == list(range(WIDTH))


def test_no_patients_are_no_rows() -> None:
    assert HAM10000.encode([]).shape == (0, WIDTH)


@settings(deadline=None)
@given(patients, patients)
def test_different_patients_have_different_encodings(a: Patient, b: Patient) -> None:
    first, second = HAM10000.encode([a, b])
    ages = [patient["age"] for patient in (a, b)]
    same_age = ages[0] == ages[1] or (None not in ages and np.float32(ages[0] / 100) == np.float32(ages[1] / 100))
    assert (first == second).all() == (same_age and a["sex"] == b["sex"] and a["site"] == b["site"])


# Dropping fields while training


@settings(deadline=None)
@given(st.lists(patients, min_size=1, max_size=20), st.floats(0, 1), st.integers(0, 2**32))
def test_a_field_is_kept_or_unknown_as_a_whole(rows: list[Patient], rate: float, seed: int) -> None:
    encoded = HAM10000.encode(rows)
    dropped = HAM10000.drop_fields(encoded, rate, np.random.default_rng(seed))
    for columns in HAM10000.columns.values():
        kept = (dropped[:, columns] == encoded[:, columns]).all(axis=1)
        unknown = (dropped[:, columns] == UNKNOWN[columns]).all(axis=1)
        assert (kept | unknown).all()
    np.testing.assert_array_equal(encoded, HAM10000.encode(rows))


def test_the_rate_is_the_share_of_dropped_fields() -> None:
    encoded = HAM10000.encode([someone(50.0, "male", "back")] * 4000)
    rng = np.random.default_rng(0)
    dropped = HAM10000.drop_fields(encoded, 0.25, rng)
    shares = [(dropped[:, columns] != encoded[:, columns]).any(axis=1).mean() for columns in HAM10000.columns.values()]
    assert shares == pytest.approx([0.25] * 3, abs=0.03)
    np.testing.assert_array_equal(HAM10000.drop_fields(encoded, 0.0, rng), encoded)
    np.testing.assert_array_equal(HAM10000.drop_fields(encoded, 1.0, rng), np.tile(UNKNOWN, (4000, 1)))
