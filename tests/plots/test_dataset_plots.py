import pandas as pd
import pytest
from ham import CODES

from skin.plots import dataset as plots
from skin.plots.style import colours
from skin.task import HAM10000

COLOURS = colours(HAM10000)

ROWS = [
    # lesion, diagnosis, age, sex, site, confirmed_by, source
    ("a", "nv", 20.0, "female", "back", "follow_up", ""),
    ("a", "nv", 22.0, "female", "back", "follow_up", ""),
    ("b", "nv", 40.0, "male", "face", "histo", ""),
    ("c", "mel", 60.0, "male", "back", "histo", ""),
    ("d", "bcc", float("nan"), "unknown", "unknown", "", ""),
]


@pytest.fixture
def frame() -> pd.DataFrame:
    return pd.DataFrame(ROWS, columns=["lesion_id", "diagnosis", "age", "sex", "site", "confirmed_by", "source"])


def test_ages_are_binned_and_the_unknown_ones_told(frame: pd.DataFrame) -> None:
    figure = plots.histogram(frame, HAM10000)

    assert {trace.marker.color for trace in figure.data} == {COLOURS["nv"], COLOURS["mel"]}
    heights = {(trace.name, x): y for trace in figure.data for x, y in zip(trace.x, trace.y, strict=True) if y}
    assert heights == {("Melanocytic nevus", 20): 2, ("Melanocytic nevus", 40): 1, ("Melanoma", 60): 1}
    assert "1 unknown" in figure.layout.title.text
    assert "unknown" not in plots.histogram(frame.dropna(), HAM10000).layout.title.text


def test_boxes_are_the_quantiles_of_the_known_ages(frame: pd.DataFrame) -> None:
    boxes = {trace.name: trace for trace in plots.boxes(frame, HAM10000).data}

    assert set(boxes) == {"female", "male"}
    assert (boxes["female"].x, boxes["female"].median, boxes["female"].q1) == (("nv",), (21.0,), (20.5,))
    assert dict(zip(boxes["male"].x, boxes["male"].median, strict=True)) == {"mel": 60.0, "nv": 40.0}


@pytest.mark.parametrize("normalisation", plots.NORMALISATIONS)
def test_the_heat_map_counts_or_shares(frame: pd.DataFrame, normalisation: str) -> None:
    [trace] = plots.heat_map(frame, HAM10000, normalisation).data
    cells = pd.DataFrame(trace.z, index=trace.y, columns=list(CODES))

    expected = {"images": (2, 1), "% of the row": (2 / 3, 1 / 3), "% of the diagnosis": (2 / 3, 1.0)}
    assert (cells.loc["back", "nv"], cells.loc["back", "mel"]) == pytest.approx(expected[normalisation])
    assert (cells["vasc"] == 0).all()


def test_confirmations_are_stacked_by_diagnosis(frame: pd.DataFrame) -> None:
    figure = plots.confirmation(frame, HAM10000)
    assert figure is not None

    counts = {(label, trace.name): x for trace in figure.data for label, x in zip(trace.y, trace.x, strict=True) if x}
    assert counts == {
        ("follow up · 2", "Melanocytic nevus"): 2,
        ("histo · 2", "Melanocytic nevus"): 1,
        ("histo · 2", "Melanoma"): 1,
        ("unknown · 1", "Basal cell carcinoma"): 1,
    }


def test_what_is_known_of_no_image_is_not_drawn(frame: pd.DataFrame) -> None:
    assert plots.sources(frame, HAM10000) is None
    assert plots.sources(frame.assign(source="archive"), HAM10000) is not None


def test_the_leak_is_a_share_of_each_diagnosis() -> None:
    [trace] = plots.leak({"mel": 4, "nv": 10, "df": 0}, {"mel": 3}, HAM10000).data

    assert dict(zip(trace.y, trace.x, strict=True)) == {"mel": 0.75, "nv": 0.0}
    assert dict(zip(trace.y, trace.text, strict=True)) == {"mel": "3 of 4", "nv": "0 of 10"}
    assert dict(zip(trace.y, trace.marker.color, strict=True))["mel"] == COLOURS["mel"]
