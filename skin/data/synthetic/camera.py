"""The drawn dermatoscope: one view of a drawn patch of skin, with all that a photograph adds.

Framing, hairs, gel, lighting and noise are drawn without a look at the lesion, so that they tell nothing of it.
"""

from math import cos, pi, sin

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from skin.data.synthetic.canvas import SIDE, Field

Size = tuple[int, int]

_MARGIN = 96  # pixels of mirrored skin around the patch, seen where a view reaches past its edge
_HAIR = (62, 42, 36)
_GLARE = (250, 246, 246)
_TINTS = ((1.0, 1.0, 1.0), (1.02, 0.88, 0.96), (0.97, 0.94, 1.03), (1.03, 0.96, 0.86))  # neutral, pink, lilac, yellow


def photograph(light: Field, rng: np.random.Generator, size: Size = (300, 225)) -> Image.Image:
    """A view of a patch of shape (SIDE, SIDE, 3), light from 0 to 1; `size` is width and height in pixels."""
    view = _frame(light, rng, size)
    if rng.random() < 0.4:
        add_hairs(view, rng)
    _add_gel(view, rng)
    view = view.filter(ImageFilter.BoxBlur(rng.uniform(0, 0.8)))
    return Image.fromarray(_expose(np.asarray(view, np.float32), rng))


def _frame(light: Field, rng: np.random.Generator, size: Size) -> Image.Image:
    pixels = np.clip(light * 255, 0, 255).astype(np.uint8)
    patch = Image.fromarray(np.pad(pixels, ((_MARGIN, _MARGIN), (_MARGIN, _MARGIN), (0, 0)), mode="reflect"))
    step = 300 / size[0] / rng.uniform(0.8, 1.35)
    turn = rng.uniform(0, 2 * pi)
    along, across = step * cos(turn), step * sin(turn)
    x, y = SIDE / 2 + _MARGIN + rng.normal(0, 8, 2)
    left = x - (along * size[0] - across * size[1]) / 2
    top = y - (across * size[0] + along * size[1]) / 2
    matrix = (along, -across, left, across, along, top)
    return patch.transform(size, Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR)


def add_hairs(view: Image.Image, rng: np.random.Generator) -> None:
    """Draw up to thirteen hairs over a view."""
    mask = Image.new("L", (2 * view.width, 2 * view.height))
    pen = ImageDraw.Draw(mask)
    growth, length = rng.uniform(0, 2 * pi), rng.choice([6, 25, 70])  # shaved, short or long
    for _ in range(rng.integers(2, 14)):
        bends = rng.normal(0, 0.02) + rng.normal(0, 0.02, length)
        headings = growth + rng.normal(0, 0.5) + np.cumsum(bends)
        path = rng.uniform(0, mask.size) + 8 * np.cumsum(np.stack([np.cos(headings), np.sin(headings)], 1), 0)
        pen.line(path.ravel().tolist(), fill=int(rng.integers(140, 240)), width=int(rng.integers(2, 4)))
    shade = rng.uniform(0.5, 1.6)
    view.paste(tuple(int(shade * value) for value in _HAIR), mask=mask.reduce(2))


def _add_gel(view: Image.Image, rng: np.random.Generator) -> None:
    mask = Image.new("L", view.size)
    pen = ImageDraw.Draw(mask)
    for x, y in rng.uniform(0, view.size, (rng.integers(0, 7), 2)):
        radius = rng.uniform(0.4, 1.2)
        pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=170)
    bubbles = rng.integers(1, 3) if rng.random() < 0.2 else 0
    for x, y in rng.uniform(0, view.size, (bubbles, 2)):
        radius, start = rng.uniform(5, 18), rng.uniform(0, 360)
        pen.arc((x - radius, y - radius, x + radius, y + radius), start, start + rng.uniform(120, 300), fill=130)
    view.paste(_GLARE, mask=mask)


def _expose(pixels: Field, rng: np.random.Generator) -> NDArray[np.uint8]:
    height, width = pixels.shape[:2]
    x = np.linspace(-1, 1, width, dtype=np.float32)[None, :]
    y = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    distance = np.hypot(x * width / height, y) * 0.75
    tilt = 1 + rng.normal(0, 0.04) * x + rng.normal(0, 0.04) * y
    shade = rng.uniform(0.95, 1.12) * tilt * (1 - rng.uniform(0, 0.3) * distance**3)
    if rng.random() < 0.15:  # the round end of the dermatoscope is in the picture
        shade = shade * np.clip((rng.uniform(0.8, 0.98) - distance) * 18, 0.02, 1)
    tint = np.float32(rng.choice(_TINTS) + rng.normal(0, 0.02, 3))
    grain = rng.standard_normal((height, width, 1), np.float32) * rng.uniform(1, 4)
    exposed: NDArray[np.uint8] = np.clip(pixels * shade[..., None] * tint + grain, 0, 255).astype(np.uint8)
    return exposed
