"""Pictures that are no dermatoscopic image of a lesion, and real lesions with what may lie on them.

They are made here, from photographs that libraries ship, by drawing, and from the test images themselves, so that every
run can be tried on them. Nothing is fitted to them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from math import cos, pi, sin
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from skin.data.synthetic.camera import add_hairs, photograph
from skin.data.synthetic.canvas import Canvas
from skin.data.synthetic.morphology import paint

SIZE = (400, 300)
"""Width and height of what is made, in pixels."""

_PRINT = (
    "patient report invoice total amount date of birth address department referral please find enclosed the results of "
    "your examination no further action is needed at this time with kind regards page one settings file edit view help"
)

Colour = tuple[int, int, int]
Lesions = Sequence[Image.Image]
Negative = Callable[[np.random.Generator, Lesions], Image.Image]
"""Draws one picture; the lesions are images of the test part, of which some kinds are composed."""


def photograph_of_something(rng: np.random.Generator, lesions: Lesions) -> Image.Image:  # noqa: ARG001 (a Negative)
    """A part of a photograph of a temple, a flower or a portrait."""
    photographs = _photographs()
    picture = photographs[int(rng.integers(len(photographs)))]
    share = rng.uniform(0.3, 1)
    width, height = (max(32, int(share * side)) for side in picture.size)
    left, top = (int(rng.integers(0, side - own + 1)) for side, own in zip(picture.size, (width, height), strict=True))
    part = picture.crop((left, top, left + width, top + height)).resize(SIZE, Image.Resampling.BICUBIC)
    return part.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if rng.random() < 0.5 else part


@cache
def _photographs() -> list[Image.Image]:
    """The photographs that scikit-learn and Matplotlib ship; both take a while to import."""
    from matplotlib import get_data_path
    from sklearn.datasets import load_sample_images

    with Image.open(Path(get_data_path()) / "sample_data" / "grace_hopper.jpg") as file:
        portrait = file.convert("RGB")
    return [*map(Image.fromarray, load_sample_images().images), portrait]


def scene(rng: np.random.Generator, lesions: Lesions) -> Image.Image:  # noqa: ARG001 (a Negative)
    """A drawn landscape: sky, sun, hills, houses and trees."""
    width, height = SIZE
    top, bottom = _colour(rng, (60, 110, 180), 40), _colour(rng, (200, 210, 235), 25)
    picture = _gradient(top, bottom)
    pen = ImageDraw.Draw(picture)
    _circle(pen, rng.uniform(0, width), rng.uniform(20, 100), rng.uniform(12, 35), _colour(rng, (250, 220, 120), 20))
    for layer in range(int(rng.integers(1, 4))):
        places = np.arange(0, width + 8, 8)
        wave = rng.uniform(8, 35) * np.sin(places / rng.uniform(25, 90) + rng.uniform(0, 2 * pi))
        line = height * (0.5 + 0.12 * layer) + wave
        points = [(0, height), *zip(places.tolist(), line.tolist(), strict=True), (width, height)]
        pen.polygon(points, fill=_colour(rng, (70, 130, 60), 45))
    for _ in range(int(rng.integers(1, 5))):
        x, y, side = rng.uniform(0, width), rng.uniform(0.5, 0.9) * height, rng.uniform(20, 60)
        pen.rectangle((x, y - side, x + side, y), fill=_colour(rng, (190, 140, 110), 50))
        pen.polygon(
            [(x - 5, y - side), (x + side / 2, y - 1.6 * side), (x + side + 5, y - side)],
            fill=_colour(rng, (130, 50, 40), 30),
        )
        x = rng.uniform(0, width)
        pen.rectangle((x - 3, y - side, x + 3, y), fill=(90, 60, 40))
        _circle(pen, x, y - side, side / 2, _colour(rng, (40, 100, 40), 30))
    return picture


def document(rng: np.random.Generator, lesions: Lesions) -> Image.Image:  # noqa: ARG001 (a Negative)
    """A page of print, with a ruled table or a stamp at times, seen a little from the side."""
    paper = _colour(rng, (246, 244, 238), 9)
    picture = Image.new("RGB", SIZE, paper)
    pen, ink = ImageDraw.Draw(picture), _colour(rng, (35, 35, 40), 25)
    size = int(rng.integers(9, 22))
    font = ImageFont.load_default(size)
    for y in range(12, SIZE[1] - size, int(1.5 * size)):
        pen.text((int(rng.integers(8, 30)), y), _words(rng, int(rng.integers(1, 60 // size + 6))), fill=ink, font=font)
    if rng.random() < 0.4:
        for x in range(20, SIZE[0], 60):
            pen.line((x, 100, x, 280), fill=ink)
        for y in range(100, 281, 30):
            pen.line((20, y, 380, y), fill=ink)
    if rng.random() < 0.3:
        pen.ellipse((260, 190, 370, 270), outline=(60, 60, 160), width=4)
    return picture.rotate(rng.uniform(-6, 6), Image.Resampling.BICUBIC, fillcolor=paper)


def screenshot(rng: np.random.Generator, lesions: Lesions) -> Image.Image:  # noqa: ARG001 (a Negative)
    """Windows with title bars, buttons, text and a chart."""
    is_dark = rng.random() < 0.4
    back, text = ((30, 32, 36), (225, 225, 230)) if is_dark else ((240, 241, 244), (30, 30, 35))
    picture = Image.new("RGB", SIZE, back)
    pen, font = ImageDraw.Draw(picture), ImageFont.load_default(11)
    for _ in range(int(rng.integers(1, 4))):
        x, y = rng.uniform(0, 200), rng.uniform(0, 140)
        width, height = rng.uniform(140, 260), rng.uniform(90, 200)
        pen.rectangle((x, y, x + width, y + height), fill=_colour(rng, back, 12), outline=text)
        pen.rectangle((x, y, x + width, y + 18), fill=_colour(rng, (60, 110, 190), 60))
        for row in range(int(height / 16) - 2):
            pen.text((x + 8, y + 24 + 16 * row), _words(rng, int(rng.integers(1, 5))), fill=text, font=font)
        for bar in range(int(rng.integers(0, 7))):
            rise = rng.uniform(8, 60)
            left = x + width - 16 - 14 * bar
            pen.rectangle((left, y + height - rise, left + 10, y + height - 4), fill=_colour(rng, (120, 120, 160), 90))
    return picture


def noise(rng: np.random.Generator, lesions: Lesions) -> Image.Image:  # noqa: ARG001 (a Negative)
    """White or smooth noise, stripes, a chequerboard, a gradient or a single colour."""
    width, height = SIZE
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    kind = rng.integers(6)
    if kind < 2:
        step = 1 if kind == 0 else int(rng.integers(4, 60))
        small = rng.integers(0, 256, (max(2, height // step), max(2, width // step), 3), dtype=np.uint8)
        return Image.fromarray(small).resize(SIZE, Image.Resampling.BICUBIC)
    first, second = (_colour(rng, (128, 128, 128), 127) for _ in range(2))
    turn, period = rng.uniform(0, pi), rng.uniform(4, 50)
    along = (x * cos(turn) + y * sin(turn)) / period
    masks = {2: along % 1, 3: (along % 1 < 0.5) * 1.0, 4: (x // int(period) + y // int(period)) % 2, 5: 0 * x}
    share = masks[int(kind)][..., None]
    return Image.fromarray((np.array(first) * share + np.array(second) * (1 - share)).astype(np.uint8))


def texture(rng: np.random.Generator, lesions: Lesions) -> Image.Image:  # noqa: ARG001 (a Negative)
    """Cloth, wood or fur: lines of noise in one direction or two."""
    width, height = SIZE
    grain = rng.standard_normal((height, width))
    length, turn = int(rng.integers(8, 40)), int(rng.integers(2))
    kernel = np.ones(length) / length
    lines = np.apply_along_axis(np.convolve, 1 - turn, grain, kernel, "same")
    if rng.random() < 0.5:
        lines = lines + np.apply_along_axis(np.convolve, turn, grain, kernel, "same")
    base = np.array(_colour(rng, (140, 120, 110), 60), np.float64)
    pixels = base * (1 + rng.uniform(0.15, 0.5) * (lines / lines.std())[..., None] / 2)
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def skin_alone(rng: np.random.Generator, lesions: Lesions) -> Image.Image:
    """Skin without a lesion: the evenest corner of real images, or skin that is drawn."""
    if rng.random() < 0.25:
        return photograph(paint(None, Canvas(rng)), rng, SIZE)
    chosen = rng.choice(len(lesions), min(5, len(lesions)), replace=False)
    share = rng.uniform(0.22, 0.3)
    corners = [corner for at in chosen for corner in _corners(lesions[at], share)]
    bright = [corner for corner in corners if np.asarray(corner).mean() > 90] or corners
    evenest = min(bright, key=lambda corner: np.asarray(corner, np.float64).std(axis=(0, 1)).mean())
    return evenest.resize(SIZE, Image.Resampling.BICUBIC)


def far_shot(rng: np.random.Generator, lesions: Lesions) -> Image.Image:
    """A real lesion as it looks from afar: small, on a limb before a cloth or a wall."""
    width, height = SIZE
    lesion = lesions[int(rng.integers(len(lesions)))]
    is_cloth = rng.random() < 0.5
    wall = _colour(rng, (120, 130, 140), 100)
    picture = texture(rng, lesions) if is_cloth else _gradient(wall, _colour(rng, wall, 40))
    left, right = height * rng.uniform(0.3, 0.7, 2)
    thick, thin = rng.uniform(70, 120), rng.uniform(40, 80)
    outline = [(0, left - thick), (width, right - thin), (width, right + thin), (0, left + thick)]
    limb = Image.new("L", SIZE)
    ImageDraw.Draw(limb).polygon(outline, fill=255)
    picture.paste(_shaded_skin(rng, lesion), mask=limb.filter(ImageFilter.GaussianBlur(3)))
    side = int(rng.uniform(0.05, 0.14) * width)
    small = lesion.resize((side, max(8, 3 * side // 4)), Image.Resampling.LANCZOS)
    mask = Image.new("L", small.size)
    ImageDraw.Draw(mask).ellipse((1, 1, small.width - 2, small.height - 2), fill=255)
    along = rng.uniform(0.1, 0.85)
    middle = left + along * (right - left) + rng.uniform(-20, 20)
    at = int(along * width), int(middle - small.height / 2)
    picture.paste(small, at, mask.filter(ImageFilter.GaussianBlur(side / 12)))
    return picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if rng.random() < 0.5 else picture


def _shaded_skin(rng: np.random.Generator, lesion: Image.Image) -> Image.Image:
    """Skin of the colour around a lesion, darker towards the top and the bottom."""
    width, height = SIZE
    around = np.concatenate([np.asarray(corner).reshape(-1, 3) for corner in _corners(lesion)])
    shade = 0.55 + 0.5 * np.cos(np.linspace(-1.2, 1.2, height))[:, None, None]
    pixels = np.median(around, axis=0) * shade + rng.normal(0, 4, (height, width, 1))
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


NEGATIVES: dict[str, Negative] = {
    "photographs": photograph_of_something,
    "drawn scenes": scene,
    "documents": document,
    "screenshots": screenshot,
    "noise and patterns": noise,
    "textures": texture,
    "skin without a lesion": skin_alone,
    "far shots": far_shot,
}
"""The kinds of pictures that are no dermatoscopic image of a lesion."""


def with_ink(rng: np.random.Generator, lesion: Image.Image) -> Image.Image:
    """The lesion between the dots or strokes of a surgical marker."""
    picture, pen = _drawn_on(lesion)
    colour = _colour(rng, (70, 50, 150), 30)
    for _ in range(int(rng.integers(3, 8))):
        turn, away = rng.uniform(0, 2 * pi), rng.uniform(0.36, 0.46)
        x, y = (0.5 + away * cos(turn)) * SIZE[0], (0.5 + away * sin(turn)) * SIZE[1]
        if rng.random() < 0.5:
            _circle(pen, x, y, rng.uniform(5, 11), colour)
        else:
            pen.line((x, y, x + rng.normal(0, 35), y + rng.normal(0, 35)), fill=colour, width=int(rng.integers(4, 9)))
    return Image.blend(lesion.resize(SIZE), picture, rng.uniform(0.6, 0.9))


def with_ruler(rng: np.random.Generator, lesion: Image.Image) -> Image.Image:
    """The lesion with the scale of the dermatoscope, or a strip of paper with one, along an edge."""
    picture, pen = _drawn_on(lesion)
    width, height = SIZE
    if rng.random() < 0.5:
        pen.rectangle((0, height - 36, width, height), fill=_colour(rng, (245, 245, 240), 8))
    step = int(rng.integers(6, 16))
    for number, x in enumerate(range(4, width, step)):
        pen.line((x, height - 2, x, height - (22 if number % 5 == 0 else 12)), fill=(25, 25, 30), width=2)
    return picture.transpose(Image.Transpose.FLIP_TOP_BOTTOM) if rng.random() < 0.5 else picture


def with_hairs(rng: np.random.Generator, lesion: Image.Image) -> Image.Image:
    """The lesion below hairs."""
    picture, _ = _drawn_on(lesion)
    for _ in range(int(rng.integers(1, 4))):
        add_hairs(picture, rng)
    return picture


DECORATIONS: dict[str, Callable[[np.random.Generator, Image.Image], Image.Image]] = {
    "ink": with_ink,
    "ruler": with_ruler,
    "hairs": with_hairs,
}
"""Things that may lie on a lesion, which are no reason to refuse it."""


def _drawn_on(lesion: Image.Image) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    picture = lesion.resize(SIZE, Image.Resampling.BICUBIC)
    return picture, ImageDraw.Draw(picture)


def _corners(picture: Image.Image, share: float = 0.28) -> list[Image.Image]:
    """The four corners of a picture, a little within its edge."""
    width, height = picture.size
    inset, side = 0.04, share
    starts = [
        (inset, inset),
        (1 - inset - side, inset),
        (inset, 1 - inset - side),
        (1 - inset - side, 1 - inset - side),
    ]
    return [
        picture.crop((int(x * width), int(y * height), int((x + side) * width), int((y + side) * height)))
        for x, y in starts
    ]


def _colour(rng: np.random.Generator, around: Sequence[int], spread: int) -> Colour:
    red, green, blue = (int(np.clip(value + rng.integers(-spread, spread + 1), 0, 255)) for value in around)
    return red, green, blue


def _gradient(top: Colour, bottom: Colour) -> Image.Image:
    share = np.linspace(0, 1, SIZE[1])[:, None, None]
    pixels: NDArray[np.float64] = np.array(top) * (1 - share) + np.array(bottom) * share
    return Image.fromarray(np.broadcast_to(pixels, (SIZE[1], SIZE[0], 3)).astype(np.uint8))


def _circle(pen: ImageDraw.ImageDraw, x: float, y: float, radius: float, colour: Colour) -> None:
    pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)


def _words(rng: np.random.Generator, n: int) -> str:
    return " ".join(rng.choice(_PRINT.split(), n))
