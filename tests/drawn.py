"""Data sets of other tasks than HAM10000's, drawn by the project's own painter."""

import csv
import json
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from skin.data.synthetic.camera import photograph
from skin.data.synthetic.canvas import Canvas
from skin.data.synthetic.morphology import paint
from skin.task import ISIC2019

PAINTED_AS = {"AK": "akiec", "SCC": "akiec", "UNK": "nv"}
"""The painter of each class of ISIC 2019 that has none of its own."""

OWN_TASK = {
    "name": "clinic",
    "title": "Our clinic",
    "diagnoses": [
        {"code": "nevus", "name": "Common nevus", "malignancy": "benign", "description": "A mole."},
        {"code": "melanoma", "name": "Malignant melanoma", "malignancy": "malignant", "colour": "#AA0044"},
        {"code": "angioma", "malignancy": "benign"},
        {"code": "keratosis", "name": "Keratosis <seborrheic>", "malignancy": "benign"},
    ],
    "fields": [
        {"kind": "number", "name": "diameter", "maximum": 30, "unit": "mm", "groups": [5, 10]},
        {"kind": "choice", "name": "itch", "label": "Does it itch?", "values": ["no", "sometimes", "yes"]},
    ],
}
"""Four classes, and two fields of a patient that no other task has."""

OWN_CODES = {"nevus": "nv", "melanoma": "mel", "angioma": "vasc", "keratosis": "bkl"}
"""The painter of each class of OWN_TASK."""


def isic2019(folder: Path, lesions: int = 6, size: tuple[int, int] = (150, 112)) -> Path:
    """So many lesions of each class and one that is none of them, in ISIC 2019's layout, two images a lesion."""
    truths, metadata = [], []
    images = folder / "ISIC_2019_Training_Input" / "ISIC_2019_Training_Input"
    for number, (code, lesion) in enumerate((code, n) for code in (*ISIC2019.codes, "UNK") for n in range(lesions)):
        if code == "UNK" and lesion:
            continue
        rng = np.random.default_rng([7, number])
        for view, image_id in enumerate(
            draw(images, f"ISIC_{number:07}", PAINTED_AS.get(code, code.lower()), rng, size)
        ):
            truths.append({"image": image_id, **{own: f"{own == code:.1f}" for own in (*ISIC2019.codes, "UNK")}})
            metadata.append(
                {
                    "image": image_id,
                    "age_approx": "" if lesion == 1 else str(float(40 + 5 * (number % 9))),
                    "anatom_site_general": ("anterior torso", "head/neck", "")[number % 3],
                    "lesion_id": "" if lesion == 0 and view else f"BCN_{number:07}",
                    "sex": ("female", "male")[number % 2],
                }
            )
    write(folder / "ISIC_2019_Training_GroundTruth.csv", truths)
    write(folder / "ISIC_2019_Training_Metadata.csv", metadata)
    return folder


def own(
    folder: Path, lesions: int = 8, size: tuple[int, int] = (150, 112), task: Mapping[str, object] = OWN_TASK
) -> Path:
    """So many lesions of each class of OWN_TASK in a folder with a `task.json`, two images a lesion."""
    rows = []
    for number, (code, lesion) in enumerate((code, n) for code in OWN_CODES for n in range(lesions)):
        rng = np.random.default_rng([8, number])
        for image_id in draw(folder / "images", f"clinic-{number:03}", OWN_CODES[code], rng, size):
            itch = rng.choice(["no", "sometimes", "yes"], p=[0.1, 0.2, 0.7] if code == "melanoma" else [0.8, 0.1, 0.1])
            diameter = f"{abs(rng.normal(11 if code == 'melanoma' else 5, 2)):.1f}" if lesion else ""
            told = {"image_id": f"{image_id}.jpg", "lesion_id": f"L{number}", "diagnosis": code.upper()}
            rows.append({**told, "diameter": diameter, "itch": str(itch)})
    (folder / "task.json").write_text(json.dumps(task), encoding="utf-8")
    write(folder / "metadata.csv", rows)
    return folder


def draw(folder: Path, name: str, painter: str, rng: np.random.Generator, size: tuple[int, int]) -> Iterable[str]:
    """Two views of a new lesion; returns their names."""
    folder.mkdir(parents=True, exist_ok=True)
    light = paint(painter, Canvas(rng))
    for view in "ab":
        photograph(light, rng, size).save(folder / f"{name}{view}.jpg", quality=90)
        yield f"{name}{view}"


def write(path: Path, rows: list[dict[str, str]]) -> None:
    """The rows as a table."""
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, list(rows[0]))
        table.writeheader()
        table.writerows(rows)
