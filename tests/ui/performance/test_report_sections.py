"""A report as HTML."""

import re
from html.parser import HTMLParser

import numpy as np
import plotly.graph_objects as go
from ham import CODES

from skin.evaluation.chosen import choose
from skin.evaluation.evidence import warnings
from skin.evaluation.metrics import METRICS
from skin.evaluation.predictions import Predictions
from skin.evaluation.report import evaluate
from skin.evaluation.summary import best, challenging
from skin.ui.components.confusion_matrix import confusion_table
from skin.ui.components.document import document
from skin.ui.components.tables import rows_table
from skin.ui.performance import sections


def predictions(truth: list[int], predicted: list[int]) -> Predictions:
    ids = tuple(str(i) for i in range(len(truth)))
    return Predictions(ids, ids, np.array(truth), (0.3 * np.eye(7) + 0.1).astype(np.float32)[predicted])


PREDICTIONS = predictions([0, 0, 4, 4, 4, 5], [0, 1, 4, 5, 5, 5])
REPORT = evaluate(PREDICTIONS, choose(PREDICTIONS))


class Text(HTMLParser):
    """Collects the texts of the elements with a tag."""

    def __init__(self, tag: str) -> None:
        super().__init__()
        self.tag, self.inside, self.texts = tag, False, list[str]()

    def handle_starttag(self, tag: str, attrs: object) -> None:  # noqa: ARG002 (of HTMLParser)
        if tag == self.tag:
            self.inside, self.texts = True, [*self.texts, ""]

    def handle_endtag(self, tag: str) -> None:
        self.inside = self.inside and tag != self.tag

    def handle_data(self, data: str) -> None:
        if self.inside:
            self.texts[-1] += data


def texts(html: str, tag: str) -> list[str]:
    parser = Text(tag)
    parser.feed(html)
    return parser.texts


def test_tiles_show_every_metric_and_the_words() -> None:
    html = sections.headline_tiles(REPORT)
    assert texts(html, "dt") == [metric.label for metric in METRICS.values()]
    assert texts(html, "dd")[0].startswith("0.500")
    words = texts(html, "li")[len(warnings(REPORT)) :]
    assert words[1:3] == [best(REPORT), challenging(REPORT)]
    assert words[3:6] == [row for row in words if row.startswith("Risk comes out low for")]
    assert len(words) == 7


def test_what_rests_on_too_few_lesions_is_marked_and_said() -> None:
    html = sections.headline_tiles(REPORT)
    assert texts(html, "li")[: len(warnings(REPORT))] == warnings(REPORT)
    assert "Called malignant from a probability of 0.00" not in html
    marked = [
        label for label, tile in zip(texts(html, "dt"), re.findall("<dd>.*?</dd>", html), strict=True) if "few" in tile
    ]
    assert marked == ["Accuracy", "Melanoma sensitivity", "Malignant AUC"]
    rows = [row for row in texts(sections.class_table(REPORT), "th") if "too few lesions" in row]
    assert [row.split()[0] for row in rows] == ["akiec", "mel", "nv"]
    enough = predictions(list(range(7)) * 40, [*range(7), 1, 2, 3, 4, 5, 6, 0] * 20)
    assert "too-few" not in sections.headline_tiles(evaluate(enough))


def test_groups_have_a_table_each_with_their_size_and_figures() -> None:
    sexes = {str(i): "female" if i % 2 else "male" for i in range(60)}
    sources = {str(i): "a_b" for i in range(60)}
    report = evaluate(predictions([4] * 30 + [5] * 30, [4] * 20 + [5] * 40), groups={"sex": sexes, "source": sources})
    html = sections.group_tables(report)
    assert texts(html, "th")[:5] == ["Sex", "Images", "Accuracy", "Melanoma sensitivity", "Malignant AUC"]
    assert [name for name in texts(html, "th") if name in ("female", "male", "a b")] == ["female", "male", "a b"]
    female, *_ = re.findall(r'scope="row">female</th><td>(.*?)</td><td>(.*?) <small>.*?</td><td>(.*?)</td>', html)
    assert female == ("30", "0.833", "–")


def test_what_is_undefined_is_said_to_be() -> None:
    html = sections.headline_tiles(evaluate(predictions([5, 5], [5, 5])))
    assert "nan" not in "".join(texts(html, "dd") + texts(html, "li"))
    assert html.count("undefined here") == 3


def test_confusion_in_counts_and_shares() -> None:
    counts = texts(confusion_table(REPORT), "td")[1:]
    shares = texts(confusion_table(REPORT, shares=True), "td")[1:]
    mel, nv = CODES.index("mel"), CODES.index("nv")
    assert counts[7 * mel + nv] == "2"
    assert shares[7 * mel + nv] == "67%"
    assert "<button" not in confusion_table(REPORT)


def test_clickable_cells_are_buttons_with_names() -> None:
    html = confusion_table(REPORT, clickable=True)
    assert html.count("<button") == 49
    assert 'data-truth="4" data-predicted="5" aria-label="Melanoma taken for Melanocytic nevus: 2"' in html


def test_class_table_ends_with_the_weighted_mean() -> None:
    cells = texts(sections.class_table(REPORT), "td")
    mel = cells[5 * CODES.index("mel") :][:5]
    assert mel[0] == "1.000"
    assert mel[1].startswith("0.333")
    assert mel[4] == "3"
    assert cells[-1] == "6"
    assert cells[-4] == "0.500"


def test_texts_from_elsewhere_are_escaped() -> None:
    html = rows_table(["<b>"], [["<script>alert(1)</script>", "<i>"]], "<u>")
    assert not re.search("<(script|b|i|u)>", html)
    assert "<script>alert" not in document("<script>alert(1)</script>", {"<i>": ""}, [])


def test_the_document_needs_no_network() -> None:
    html = document("Report", {"One": "<p>text</p>"}, [go.Figure(), go.Figure()])
    assert html.count("Plotly.newPlot") >= 2
    assert html.count("plotly.js v") == 1
    assert not re.search("<(script|link|img)[^>]+(src|href)=", html)
