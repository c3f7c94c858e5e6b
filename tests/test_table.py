import io

import pandas as pd
import pytest

from skin.errors import UserError
from skin.table import read_table, write_table


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_separators_and_line_ends_do_not_matter(separator: str, end: str) -> None:
    text = f"Image ,AGE{end}a.jpg, 45{end}{end}b.jpg,{end}".replace(",", separator)
    assert read_table(text) == (["image", "age"], [{"image": "a.jpg", "age": "45"}, {"image": "b.jpg", "age": ""}])


def test_quoted_fields_may_hold_separators_and_line_ends() -> None:
    assert read_table('id,note\n1,"a, ""b""\nc"\n').rows == [{"id": "1", "note": 'a, "b"\nc'}]


def test_short_rows_are_filled_and_long_ones_cut() -> None:
    assert read_table("a,b\n1\n1,2,3\n").rows == [{"a": "1", "b": ""}, {"a": "1", "b": "2"}]


def test_of_two_columns_of_one_name_the_first_counts() -> None:
    assert read_table("dx,DX\nmel,nv\n") == (["dx"], [{"dx": "mel"}])


def test_nothing_is_an_empty_table() -> None:
    assert read_table("") == ([], [])


def test_short_rows_cannot_be_blown_up() -> None:
    columns = ",".join(map(str, range(100_000)))
    with pytest.raises(ValueError, match="more than 5,000,000 cells"):
        read_table(f"{columns}\n" + 1000 * "1\n")


@pytest.mark.parametrize("text", ['a,b\n"1,2\n', 'a,b\n"1"x,2\n'])
def test_what_is_no_table_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"expected|end of data"):
        read_table(text)


FORMULAS = ("=1+1", "+1", "-1", "@a", "'=1", "''-", "\t=1", "\r=1")
TEXTS = (*FORMULAS, "ISIC_1", "it's", "'quoted'", "a=b", "")


def test_text_that_a_spreadsheet_would_calculate_is_disarmed_and_numbers_are_not() -> None:
    written = write_table(pd.DataFrame({"image": FORMULAS, "change": -0.5}))
    for _, image, change in pd.read_csv(io.StringIO(written)).itertuples():
        assert image.startswith("'")
        assert change == -0.5


def test_what_was_disarmed_is_read_as_it_was() -> None:
    texts = [text for text in TEXTS if text == text.strip()]
    written = write_table(pd.DataFrame({"image": texts, "n": 1}))
    assert [row["image"] for row in read_table(written).rows] == texts


@pytest.mark.parametrize("end", ["\n", "\r", "\r\n"])
def test_too_many_rows_are_refused_before_they_are_read(end: str) -> None:
    unreadable = end.join(["image,age", '"a"x,1', *["b,2"] * 100])
    with pytest.raises(UserError, match="more than 50 rows"):
        read_table(unreadable, max_rows=50)
    with pytest.raises(ValueError, match="expected"):
        read_table(unreadable, max_rows=101)
