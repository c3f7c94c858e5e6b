"""The demo data set: drawn lesions of drawn patients, in the folder layout of HAM10000; no pixel is a photograph's."""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from skin.data.synthetic.camera import Size, photograph
from skin.data.synthetic.canvas import Canvas
from skin.data.synthetic.morphology import paint
from skin.progress import Progress, silent

_COLUMNS = ("lesion_id", "image_id", "dx", "dx_type", "age", "sex", "localization")
_PARTS = ("HAM10000_images_part_1", "HAM10000_images_part_2")
_VIEWS = (0.55, 0.3, 0.15)  # share of the lesions with one, two and three images
_MISSING = 0.02  # share of the lesions that lack each field of the patient


@dataclass(frozen=True)
class Profile:
    """The drawn lesions of one diagnosis: how many, whose, where, and how they were confirmed."""

    lesions: int
    age: tuple[float, float]  # mean and standard deviation in years
    male: float  # share
    sites: dict[str, float]  # weights, as are the ways of confirmation
    confirmed_by: dict[str, float]


# Patients, sites and confirmations have the shares of HAM10000's lesions; the lesions have the order of its counts,
# with the rare diagnoses raised so that a split by lesion finds every diagnosis in every part.
PROFILES = {
    "akiec": Profile(
        18,
        (67, 12),
        0.65,
        {"face": 37, "upper extremity": 18, "lower extremity": 18, "back": 10, "chest": 4, "neck": 4, "scalp": 4},
        {"histo": 100},
    ),
    "bcc": Profile(
        24,
        (67, 13),
        0.63,
        {"back": 38, "face": 19, "lower extremity": 11, "chest": 10, "upper extremity": 10, "scalp": 3, "neck": 3},
        {"histo": 100},
    ),
    "bkl": Profile(
        40,
        (64, 14),
        0.58,
        {"face": 27, "back": 18, "lower extremity": 15, "upper extremity": 9, "trunk": 8, "chest": 7, "abdomen": 5},
        {"histo": 67, "consensus": 28, "confocal": 5},
    ),
    "df": Profile(
        12,
        (53, 13),
        0.48,
        {"lower extremity": 74, "upper extremity": 19, "abdomen": 3, "back": 2, "foot": 2},
        {"consensus": 60, "histo": 40},
    ),
    "mel": Profile(
        36,
        (61, 15),
        0.60,
        {"back": 30, "upper extremity": 18, "lower extremity": 17, "face": 11, "chest": 6, "abdomen": 5, "trunk": 4},
        {"histo": 100},
    ),
    "nv": Profile(
        108,
        (47, 14),
        0.52,
        {"lower extremity": 23, "trunk": 21, "back": 20, "abdomen": 13, "upper extremity": 9, "foot": 4, "face": 1},
        {"follow_up": 69, "histo": 25, "consensus": 6},
    ),
    "vasc": Profile(
        12,
        (53, 20),
        0.51,
        {"trunk": 28, "abdomen": 22, "lower extremity": 16, "back": 12, "upper extremity": 6, "face": 5, "hand": 3},
        {"consensus": 66, "histo": 34},
    ),
}
"""The profile of each diagnosis in HAM10000."""


@dataclass(frozen=True)
class _Case:
    """One lesion to draw. `record` holds dx_type, age, sex and localization; `seed` fixes all of its look."""

    lesion_id: str
    image_ids: tuple[str, ...]
    code: str
    record: tuple[str, ...]
    seed: np.random.SeedSequence


def draw_dataset(
    folder: Path, seed: int = 42, progress: Progress = silent, profiles: Mapping[str, Profile] = PROFILES
) -> None:
    """Draw the lesions of `profiles` into a folder, in the layout of Kaggle's HAM10000, the table last.

    Unless told otherwise these are 250 lesions in about 400 images. The same seed draws the same files, bit for bit
    on one machine.
    """
    cases = _plan(profiles, np.random.SeedSequence(seed))
    for part in _PARTS:
        (folder / part).mkdir(parents=True, exist_ok=True)
    for number, case in enumerate(progress(cases, desc="Drawing the demo data set", total=len(cases))):
        _draw_case(case, folder / _PARTS[2 * number // len(cases)])
    rows = [(case.lesion_id, image_id, case.code, *case.record) for case in cases for image_id in case.image_ids]
    with (folder / "HAM10000_metadata.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([_COLUMNS, *rows])


def draw_lesion(code: str, rng: np.random.Generator, size: Size = (300, 225)) -> Image.Image:
    """One view of a new lesion with this diagnosis; `size` is width and height in pixels."""
    return photograph(paint(code, Canvas(rng)), rng, size)


def _plan(profiles: Mapping[str, Profile], seed: np.random.SeedSequence) -> list[_Case]:
    """All lesions in random order, their images numbered in that order."""
    rng = np.random.default_rng(seed)
    codes = rng.permutation([code for code, profile in profiles.items() for _ in range(profile.lesions)]).tolist()
    views = rng.choice((1, 2, 3), len(codes), p=_VIEWS)
    ends = np.cumsum(views)
    seeds = seed.spawn(len(codes))
    return [
        _Case(
            f"DEMO_L{number + 1:05}",
            tuple(f"DEMO_{image + 1:07}" for image in range(ends[number] - views[number], ends[number])),
            code,
            _draw_record(profiles[code], rng),
            seeds[number],
        )
        for number, code in enumerate(codes)
    ]


def _draw_record(profile: Profile, rng: np.random.Generator) -> tuple[str, ...]:
    age = float(np.clip(5 * round(rng.normal(*profile.age) / 5), 0, 85))
    sex = "male" if rng.random() < profile.male else "female"
    fields = ((f"{age:.1f}", ""), (sex, "unknown"), (_pick(profile.sites, rng), "unknown"))
    return _pick(profile.confirmed_by, rng), *(blank if rng.random() < _MISSING else value for value, blank in fields)


def _pick(weights: dict[str, float], rng: np.random.Generator) -> str:
    shares = np.array(list(weights.values()))
    return str(rng.choice(list(weights), p=shares / shares.sum()))


def _draw_case(case: _Case, folder: Path) -> None:
    """Every image of a lesion: the lesion is painted once and photographed anew for each view."""
    rng = np.random.default_rng(case.seed)
    light = paint(case.code, Canvas(rng))
    for image_id in case.image_ids:
        photograph(light, rng).save(folder / f"{image_id}.jpg", quality=90)
