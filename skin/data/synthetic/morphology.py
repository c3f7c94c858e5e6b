"""The looks of each diagnosis through a dermatoscope, as pigments in the skin.

A lesion is drawn as maps of what absorbs and scatters light, and the colours follow from the absorption of each
pigment (Beer-Lambert), as they do in skin: melanin is brown at the surface and blue-grey deep in the dermis.
"""

from collections.abc import Callable
from math import cos, pi, sin

import numpy as np

from skin.data.synthetic.canvas import SIDE, Canvas, Field, Stroke, soft

Pigments = dict[str, Field]
"""Optical density of each pigment of ABSORPTION, and cover (0 to 1) of each of COVERS, of shape (SIDE, SIDE)."""

ABSORPTION = {
    "tone": (0.70, 0.95, 1.15),
    "melanin": (0.58, 1.00, 1.35),
    "dermal": (1.15, 0.95, 0.72),
    "blood": (0.16, 1.10, 0.80),
    "keratin": (0.12, 0.30, 0.90),
}
"""Share of red, green and blue that one unit of each pigment absorbs; `tone` is the melanin of healthy skin."""

COVERS = {"scar": (0.97, 0.88, 0.86), "scale": (0.97, 0.94, 0.86), "veil": (0.58, 0.63, 0.76)}
"""Colours of what scatters light over the pigments: fibrous tissue, keratin scale and the blue-white veil."""

PALE = (0.96, 0.86, 0.82)
"""Red, green and blue that skin without any pigment returns."""


def paint_skin(canvas: Canvas) -> Pigments:
    """Healthy skin of a random tone with mottling, fine furrows and, on some, freckles or dilated vessels."""
    tones = (canvas.between(0, 0.12), canvas.between(0.15, 0.4), canvas.between(0.5, 1.0))
    tone = canvas.one_of(tones, (0.7, 0.2, 0.1))
    flush = canvas.between(0.03, 0.22)
    grain = 0.5 * canvas.noise(60) + 0.35 * canvas.noise(7, 3) + 0.5 * canvas.veins(22)
    freckles = canvas.patches(18, 1.9, 3) * canvas.between(0.1, 0.35) * canvas.chance(0.25)
    vessels = canvas.veins(45, 16) * canvas.patches(50, 0.5, 3) * canvas.between(0.05, 0.25) * canvas.chance(0.2)
    return {
        "tone": tone + (0.025 + 0.05 * tone) * grain,
        "melanin": freckles,
        "blood": flush + (0.015 + 0.1 * flush) * (canvas.noise(50) + 0.5 * canvas.noise(9, 3)) + vessels,
    }


def paint_nevus(canvas: Canvas) -> Pigments:
    """A round, even brown mole with a regular network or globules; one in three is atypical, more like a melanoma."""
    atypical = canvas.chance(0.33)
    radius = canvas.between(28, 78)
    depth = canvas.blob(radius, 0.2 if atypical else 0.07, canvas.between(1, 1.5)) + 2.5 * canvas.noise(30)
    body = soft(depth, canvas.between(0.15, 0.7) * radius)
    centre = soft(depth - 0.4 * radius, radius) * canvas.between(-0.25, 0.6)
    uneven = (0.35 if atypical else 0.1) * canvas.noise(60)
    pattern = canvas.one_of((_reticular, _globular, _even))(canvas)
    return {
        "melanin": canvas.between(0.3, 1.0) * body * np.clip(0.6 + centre + uneven + pattern, 0.1, None),
        "blood": body * canvas.between(0.02, 0.35),
        "dermal": soft(depth - 0.4 * radius, radius) * canvas.between(0, 0.6) * canvas.chance(0.3),
    }


def paint_melanoma(canvas: Canvas) -> Pigments:
    """An asymmetric, ragged lesion of several colours; two in five are early and look much like a mole."""
    early = canvas.chance(0.4)
    radius = canvas.between(35, 62) if early else canvas.between(42, 80)
    outline = canvas.blob(radius, 0.16, canvas.between(1, 1.6))
    depth = (outline if early else _with_lobe(canvas, outline, radius)) + 4 * canvas.noise(30) + 1.2 * canvas.noise(8)
    body = soft(depth, canvas.between(8, 22))
    colours = canvas.between(0, 0.4) if early else 1.0
    dark = colours * soft(canvas.noise(110) + 0.3 * canvas.noise(25) - canvas.between(0, 1), 1.6) * soft(depth - 6, 16)
    network = canvas.network(canvas.between(6, 11), 0.4) * canvas.patches(80, 0, 2)
    brown = canvas.between(0.35, 0.8) + 0.2 * canvas.noise(70) + 0.08 * canvas.noise(12, 3) + 0.4 * network
    pale = colours * canvas.patches(90, canvas.between(0.7, 2.0), 1.6)
    veil = colours * canvas.patches(80, canvas.between(0.2, 1.8), 1.8) * soft(depth - 14, 24)
    specks = canvas.dots(canvas.points(30, np.abs(depth) < 9), (0.8, 2.2), 0.8)
    brown = np.clip(brown + canvas.between(0.3, 1.4) * dark, 0.1, None) * (1 - 0.8 * pale)
    return {
        "melanin": body * brown + 0.8 * specks,
        "dermal": body * dark * canvas.between(0.1, 0.9),
        "blood": body * (canvas.between(0.05, 0.3) + canvas.between(0, 0.6) * canvas.patches(90, 0.6, 2)),
        "veil": canvas.between(0.2, 0.7) * veil,
        "scar": body * pale * canvas.between(0, 0.4),
    }


def paint_keratosis(canvas: Canvas) -> Pigments:
    """A sharply bordered, waxy, tan to brown plaque with milia-like cysts, comedo-like openings and furrows."""
    radius = canvas.between(35, 85)
    outline = canvas.blob(radius, canvas.between(0.06, 0.2), canvas.between(1, 1.6))
    depth = outline + 3 * canvas.noise(35) + 1.5 * canvas.noise(12)
    body = soft(depth, canvas.between(4, 20))
    furrows = canvas.between(0, 0.6) * canvas.veins(canvas.between(20, 36), 5)
    openings = canvas.dots(canvas.points(16, depth > 8), (1.2, 3.6), 1.0)
    cysts = canvas.dots(canvas.points(14, depth > 8), (1.2, 3.0), 1.3)
    mottle = 1 + 0.25 * canvas.noise(60) + 0.1 * canvas.noise(12, 3) + furrows
    return {
        "melanin": body * canvas.between(0.1, 0.75) * np.clip(mottle, 0.2, None) + 0.9 * openings,
        "keratin": body * canvas.between(0.05, 0.5),
        "dermal": body * canvas.between(0, 0.35) * canvas.patches(60, -0.5, 2) + 0.2 * openings,
        "blood": body * canvas.between(0, 0.25) + 0.06 * soft(depth + 8, 24),
        "scale": 0.7 * cysts + 0.12 * body * canvas.patches(25, 0, 2),
    }


def paint_basal(canvas: Canvas) -> Pigments:
    """A pink, translucent nodule with branching vessels, blue-grey ovoid nests and, on some, an ulcer."""
    radius = canvas.between(35, 75)
    depth = canvas.blob(radius, 0.11, canvas.between(1, 1.5)) + 4 * canvas.noise(40)
    body = soft(depth, canvas.between(14, 34))
    nests = canvas.dots(canvas.points(10, depth > 6), (3, 11), 2.5) * np.clip(1 + 0.3 * canvas.noise(14), 0, None)
    leaves = canvas.patches(32, 0.8, 1.4) * soft(depth, 12) * soft(0.4 * radius - depth, 16) * canvas.chance(0.35)
    crater = canvas.blob(radius * canvas.between(0.15, 0.4), 0.15, 1.4) + 2 * canvas.noise(16)
    ulcer = soft(crater, 6) * canvas.chance(0.3)
    vessels = canvas.strokes(_arbor(canvas, radius), 0.9)
    return {
        "blood": body * (canvas.between(0.08, 0.35) + 0.06 * canvas.noise(40)) + 0.75 * vessels + 1.2 * ulcer,
        "dermal": canvas.between(0.5, 1.1) * nests + 0.4 * leaves,
        "melanin": canvas.between(0.1, 0.5) * nests + 0.35 * leaves + ulcer * (0.5 + 0.3 * canvas.noise(14)),
        "keratin": 0.4 * ulcer,
        "scar": (1 - ulcer) * body * canvas.between(0.05, 0.45) * canvas.patches(60, 0, 2.5),
    }


def paint_actinic(canvas: Canvas) -> Pigments:
    """An ill-defined red patch: a red network around pale follicles (strawberry pattern) under white-yellow scale."""
    radius = canvas.between(45, 90)
    depth = canvas.blob(radius, 0.15, canvas.between(1, 1.6)) + 9 * canvas.noise(50)
    body = soft(depth, canvas.between(30, 60))
    spacing = canvas.between(11, 17)
    follicles = canvas.dots(canvas.lattice(spacing, where=depth > 0), (1.5, 3.4), 1.3)
    flakes = soft(0.8 * canvas.noise(20, 2.5) + canvas.noise(90) - canvas.between(0.8, 2.6), 1.2) * body
    mottle = 0.07 * canvas.noise(16, 3) + 0.1 * canvas.noise(60)
    red = canvas.between(0.05, 0.4) + canvas.between(0.05, 0.35) * canvas.network(spacing, 0.35) + mottle
    return {
        "blood": body * red,
        "melanin": body * canvas.one_of((0.1, 0.5)) * canvas.patches(70, -0.3, 2),
        "keratin": body * canvas.between(0.03, 0.2) + 0.3 * flakes,
        "scale": np.maximum(canvas.between(0, 0.6) * body * follicles, canvas.between(0.4, 0.8) * flakes),
    }


def paint_fibroma(canvas: Canvas) -> Pigments:
    """A white, scar-like centre in a delicate brown ring that fades into the skin."""
    radius = canvas.between(38, 75)
    depth = canvas.blob(radius, 0.05, canvas.between(1, 1.3)) + 3 * canvas.noise(50)
    body = soft(depth, canvas.between(0.5, 0.9) * radius)
    core = soft(depth + 5 * canvas.noise(35) - radius * canvas.between(0.45, 0.7), canvas.between(0.5, 0.9) * radius)
    network = canvas.between(0.1, 0.4) * canvas.network(canvas.between(5, 8))
    brown = canvas.between(0.1, 0.45) + network + 0.08 * canvas.noise(40)
    shine = canvas.between(0.1, 0.5) * canvas.veins(26, 8) * core
    return {
        "melanin": body * brown * (1 - canvas.between(0.4, 1) * core),
        "blood": body * canvas.between(0.05, 0.4),
        "dermal": body * canvas.between(0, 0.3),
        "scar": np.clip(core * (canvas.between(0, 0.65) + 0.1 * canvas.noise(30)) + shine, 0, 0.9),
    }


def paint_vascular(canvas: Canvas) -> Pigments:
    """Sharply bounded red, purple or blue lagoons, parted by paler walls."""
    radius = canvas.between(18, 60)
    depth = canvas.blob(radius, 0.09, canvas.between(1, 1.4)) + 2 * canvas.noise(25)
    spacing = radius * canvas.between(0.22, 0.4)
    centres = canvas.lattice(spacing, 0.5, depth > 0)
    lagoons = canvas.dots(centres, (0.4 * spacing, 0.62 * spacing), 0.07 * spacing + 0.6)
    body = np.maximum(canvas.between(0.6, 1) * soft(depth, 7), lagoons)
    blue = canvas.one_of((0, 0.25, 0.8), (0.5, 0.3, 0.2))
    clot = canvas.patches(60, 0.9, 1.2) * canvas.between(0, 1) * canvas.chance(0.4)
    return {
        "blood": body * (canvas.between(0.5, 0.9) + 0.5 * lagoons) + 0.1 * soft(depth + 12, 24),
        "dermal": body * (blue * (0.4 + 0.4 * lagoons) + 0.8 * clot),
        "melanin": body * 0.4 * clot,
        "veil": 0.3 * body * canvas.patches(40, 0.6, 1.6) * canvas.chance(0.5),
    }


PAINTERS: dict[str, Callable[[Canvas], Pigments]] = {
    "akiec": paint_actinic,
    "bcc": paint_basal,
    "bkl": paint_keratosis,
    "df": paint_fibroma,
    "mel": paint_melanoma,
    "nv": paint_nevus,
    "vasc": paint_vascular,
}
"""The painter of each diagnosis in HAM10000."""


def paint(code: str | None, canvas: Canvas) -> Field:
    """A lesion in its skin, or None in it, as the light that each point returns: (SIDE, SIDE, 3), from 0 to 1."""
    skin, lesion = paint_skin(canvas), PAINTERS[code](canvas) if code else {}
    none = np.zeros((SIDE, SIDE), np.float32)
    pigments = np.stack([skin.get(pigment, none) + lesion.get(pigment, none) for pigment in ABSORPTION], axis=-1)
    light = np.array(PALE, np.float32) * np.exp(-pigments @ np.array(list(ABSORPTION.values()), np.float32))
    for cover, colour in COVERS.items():
        share = np.clip(lesion.get(cover, none), 0, 1)[..., None]
        light += share * (np.array(colour, np.float32) - light)
    return light


def _reticular(canvas: Canvas) -> Field:
    return canvas.between(0.3, 0.9) * (canvas.network(canvas.between(5, 9)) - 0.4) * canvas.patches(60, -1, 3)


def _globular(canvas: Canvas) -> Field:
    spacing = canvas.between(7, 11)
    globules = canvas.dots(canvas.lattice(spacing, 0.6), (0.25 * spacing, 0.45 * spacing), 1.2)
    return canvas.between(0.3, 0.9) * (globules - 0.2)


def _even(canvas: Canvas) -> Field:
    return 0.12 * canvas.noise(12, 3)


def _with_lobe(canvas: Canvas, depth: Field, radius: float) -> Field:
    reach, turn = radius * canvas.between(0.4, 0.9), canvas.between(0, 2 * pi)
    centre = (reach * cos(turn), reach * sin(turn))
    return np.maximum(depth, canvas.blob(radius * canvas.between(0.4, 0.7), 0.15, 1.3, centre))


def _arbor(canvas: Canvas, radius: float) -> list[Stroke]:
    trees: list[Stroke] = []
    for _ in range(canvas.rng.integers(0, 5)):
        turn = canvas.between(0, 2 * pi)
        root = (radius * cos(turn), radius * sin(turn))
        inwards = turn + pi + canvas.between(-0.6, 0.6)
        trees += canvas.tree(root, inwards, radius * canvas.between(0.7, 1.5), canvas.between(1.2, 2.8))
    return trees
