"""Images to try a model on: test images of its data set where that is at hand, else drawn ones."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from markupsafe import Markup

from skin.data import pixels
from skin.data.dataset import LesionImage
from skin.data.synthetic.dataset import PROFILES, draw_lesion
from skin.errors import UserError
from skin.evaluation.predictions import load_predictions
from skin.patient import Patient
from skin.run import Run
from skin.task import HAM10000, Task
from skin.ui.components.gallery import true_diagnoses
from skin.ui.components.notices import SYNTHETIC
from skin.ui.components.open_datasets import OpenDatasets, SentImage
from skin.ui.components.templates import render
from skin.ui.predict.heatmap_overlay import data_url, shrunk


@dataclass(frozen=True)
class Example:
    """An encoded image, what is known of its patient, and the diagnosis that stays hidden until asked for."""

    content: bytes
    patient: Patient
    diagnosis: str
    origin: str
    task: Task = HAM10000

    @property
    def caption(self) -> str:
        """The known facts of the patient."""
        return self.task.in_words(self.patient) or "nothing known of the patient"

    @property
    def truth(self) -> Markup:
        """The diagnosis as HTML, folded away."""
        known = self.task.diagnosis(self.diagnosis)
        return render("predict/true_diagnosis.html", diagnosis=known.name, origin=self.origin)


@dataclass(frozen=True)
class Examples:
    """One example of each diagnosis there is, in mixed order, and a sentence on what they are."""

    about: str
    images: tuple[Example, ...]


def load_examples(open_datasets: OpenDatasets, run: Run | None, number: int) -> Examples:
    """This set of examples for a run; drawn ones where its test images are not at hand."""
    rng = np.random.default_rng(number)
    try:
        tested = _test_images(open_datasets, run, rng) if run else None
    except (UserError, OSError):  # of a damaged run or data set, which other pages speak of
        tested = None
    return tested or (_drawn(number, rng) if _fits_drawn_lesions(run) else NOT_AT_HAND)


def _fits_drawn_lesions(run: Run | None) -> bool:
    """True where the run tells apart what is drawn."""
    try:
        return run is None or run.task.asks_as(HAM10000)
    except UserError:
        return False


def _test_images(open_datasets: OpenDatasets, run: Run, rng: np.random.Generator) -> Examples | None:
    """The test part of the photographs that the run was trained on, or None where they are not at hand.

    A data set that lies elsewhere is looked for among those that are; see `OpenDatasets.find_images`.
    """
    predictions = load_predictions(run.predictions_path).get("test")
    if predictions is None or run.config.dataset == "demo":
        return None
    tested = true_diagnoses(predictions)
    opened = open_datasets.find_images(tested, run.config.dataset)
    if opened is None:
        return None
    images = [image for image_id, image in opened.images.items() if image_id in tested]
    about = f"Test images of {opened.dataset.title}, which {run.name} was not trained on."
    return Examples(about, tuple(_pick(images, opened.dataset.task, rng)))


def _pick(images: Sequence[LesionImage], task: Task, rng: np.random.Generator) -> Iterator[Example]:
    for code in rng.permutation(task.codes)[:MOST]:
        shown = [image for image in images if image.diagnosis == code]
        if shown:
            image = shown[rng.integers(len(shown))]
            yield Example(image.path.read_bytes(), image.patient, image.diagnosis, image.image_id, task)


def sent_example(open_datasets: OpenDatasets, sent_image: SentImage) -> Example:
    """An image of an open data set as an example. Raises UserError when it is gone."""
    opened = open_datasets[sent_image.dataset]
    image = opened.images.get(sent_image.image_id)
    try:
        content = image.path.read_bytes() if image else b""
    except OSError:
        content = b""
    if not image or not content:
        raise UserError(f"The image {sent_image.image_id} is gone: open its data set again.")
    origin = f"{image.image_id} of {opened.dataset.title}; a model may have been trained on it"
    return Example(content, image.patient, image.diagnosis, origin, opened.dataset.task)


RECOGNISED: Mapping[str, tuple[int, ...]] = {
    "akiec": (0, 6, 12, 13, 15, 22),
    "bcc": (1, 2, 20, 31, 40, 43, 53),
    "bkl": (0, 1, 2, 4, 5, 6, 8, 9),
    "df": (0, 3, 4, 8, 11),
    "mel": (0, 5, 8, 10, 14, 15),
    "nv": (0, 1, 7, 11),
    "vasc": (0, 3, 4, 5, 6, 7, 8, 10),
}
"""Seeds of drawn lesions to which both shipped models give half or more of the probability, and which neither refuses.

Searched for beforehand, because a page cannot wait for it: of basal cell carcinomas that is one drawing in seven.
"""

MOST = 8
"""Examples of a set: one of each diagnosis, of so many diagnoses at most."""

DRAWN = (
    f"Drawn images. {SYNTHETIC} They were picked because the shipped models recognise them, so they show how the page "
    "works, not how often a model is right."
)

NOT_AT_HAND = Examples(
    "This model's own images are not at hand: open its data set on the Dataset tab, and its test images appear here.",
    (),
)


def _drawn(number: int, rng: np.random.Generator) -> Examples:
    seeds = {code: each[number % len(each)] for code, each in RECOGNISED.items()}
    return Examples(DRAWN, tuple(drawn_example(code, seeds[code]) for code in rng.permutation(HAM10000.codes)))


def drawn_example(code: str, seed: int) -> Example:
    """A drawn lesion with this diagnosis and a patient whom it is likely in."""
    rng = np.random.default_rng([seed, HAM10000.index(code)])
    profile, buffer = PROFILES[code], BytesIO()
    draw_lesion(code, rng).save(buffer, "JPEG", quality=90)
    age = 5 * round(float(np.clip(rng.normal(*profile.age), 5, 85)) / 5)
    sex = "male" if rng.random() < profile.male else "female"
    weights = np.array(list(profile.sites.values()))
    site = str(rng.choice(list(profile.sites), p=weights / weights.sum()))
    patient = Patient({"age": float(age), "sex": sex, "site": site})
    return Example(buffer.getvalue(), patient, code, "drawn, synthetic")


THUMBNAIL = (160, 120)
"""Pixels."""

EXAMPLE_CLICKED_JS = """element.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    if (button.dataset.number) trigger("select", { number: Number(button.dataset.number) });
    else trigger("click");
});"""
"""The script that answers a click on one of `example_buttons`: an example has a number, the other button has none."""


def example_buttons(shown: Examples) -> Markup:
    """The examples as buttons that tell nothing of their diagnosis."""
    images = [
        {"caption": example.caption, "url": data_url(shrunk(pixels.decode(example.content), THUMBNAIL), "JPEG")}
        for example in shown.images
    ]
    return render("predict/examples.html", about=shown.about, images=images)
