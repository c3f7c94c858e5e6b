"""Procedural texture on a square patch of drawn skin: noise, blobs, networks, dots and branching strokes."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from math import cos, log2, pi, sin
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

Field = NDArray[np.floating[Any]]
Item = TypeVar("Item")
Point = tuple[float, float]
Stroke = tuple[Sequence[Point], float]

SIDE = 320
"""Pixels along each side of the patch of skin that a lesion is drawn on."""

_TILE = 512
_FINE = 2  # dots and strokes are drawn finer and reduced, which smooths their edges


@cache
def _tile(scale: float, roughness: float) -> Field:
    """Periodic noise with features of `scale` pixels, from a fixed seed, mean 0 and sd 1.

    Roughness is the fall of the amplitude spectrum above that scale: 2 is grainy, 4 is cloudy, 6 is smooth.
    """
    white = np.random.default_rng(round(scale * 100)).standard_normal((_TILE, _TILE), np.float32)
    rows, columns = np.fft.fftfreq(_TILE)[:, None], np.fft.rfftfreq(_TILE)[None, :]
    spectrum = np.fft.rfft2(white) / (1 + (rows**2 + columns**2) * scale**2) ** (roughness / 2)
    spectrum[0, 0] = 0
    noise = np.fft.irfft2(spectrum, white.shape)
    tile: Field = np.pad((noise / noise.std()).astype(np.float32), (0, SIDE), mode="wrap")
    tile.flags.writeable = False
    return tile


def soft(distance: Field, width: float) -> Field:
    """An edge that rises smoothly from 0 to 1 over `width` pixels where a signed distance crosses zero."""
    ramp: Field = np.clip(distance / width + 0.5, 0, 1)
    return ramp * ramp * (3 - 2 * ramp)


@dataclass(frozen=True)
class Canvas:
    """A square of skin, SIDE pixels wide, whose every texture is drawn from one random generator."""

    rng: np.random.Generator

    @property
    def grid(self) -> tuple[Field, Field]:
        """Horizontal and vertical distance from the centre in pixels, of shapes (1, SIDE) and (SIDE, 1)."""
        axis = np.arange(SIDE, dtype=np.float32) - SIDE / 2
        return axis[None, :], axis[:, None]

    def chance(self, probability: float) -> bool:
        """True with this probability."""
        return bool(self.rng.random() < probability)

    def between(self, low: float, high: float) -> float:
        """A number between two others."""
        return float(self.rng.uniform(low, high))

    def one_of(self, choices: Sequence[Item], shares: Sequence[float] | None = None) -> Item:
        """One of several things, each with its share of the probability or all alike."""
        return choices[int(self.rng.choice(len(choices), p=shares))]

    def noise(self, scale: float, roughness: float = 4) -> Field:
        """Cloudy noise with features of `scale` pixels, mean about 0 and sd about 1: a window of a periodic tile."""
        top, left = self.rng.integers(_TILE, size=2)
        scale = 2 ** (round(2 * log2(scale)) / 2)  # few scales, so that few tiles are ever made
        window = _tile(scale, roughness)[top : top + SIDE, left : left + SIDE]
        return np.rot90(window, int(self.rng.integers(4)))

    def patches(self, scale: float, threshold: float, softness: float) -> Field:
        """Patches of about `scale` pixels, between 0 and 1, where noise exceeds a threshold in standard deviations."""
        return soft(self.noise(scale) - threshold, softness)

    def blob(self, radius: float, wobble: float, stretch: float = 1, centre: Point = (0, 0)) -> Field:
        """Distance inside the border of a wobbly ellipse in pixels, negative outside."""
        turn = self.between(0, pi)
        x, y = (axis - at for axis, at in zip(self.grid, centre, strict=True))
        along = (x * cos(turn) + y * sin(turn)) / stretch**0.5
        across = (y * cos(turn) - x * sin(turn)) * stretch**0.5
        waves = np.arange(2, 9)
        sizes, phases = self.rng.normal(0, wobble, len(waves)) / waves, self.rng.uniform(0, 2 * pi, len(waves))
        angles = np.linspace(-pi, pi, 361)
        outline = 1 + (sizes * np.cos(angles[:, None] * waves + phases)).sum(1)
        border = radius * np.interp(np.arctan2(across, along), angles, outline)
        inside: Field = border.astype(np.float32) - np.hypot(along, across)
        return inside

    def network(self, spacing: float, jitter: float = 0.3) -> Field:
        """A pigment network: a warped honeycomb of lines, between 0 in the holes and 1 on the lines."""
        x, y = (axis + jitter * spacing * self.noise(3 * spacing) for axis in self.grid)
        turn, wave = self.between(0, pi), 4 * pi / 3**0.5 / spacing
        waves = [np.cos(wave * (x * cos(a) + y * sin(a))) for a in (turn, turn + 2 * pi / 3, turn + 4 * pi / 3)]
        return np.clip(0.6 - 0.45 * (waves[0] + waves[1] + waves[2]), 0, 1)

    def veins(self, scale: float, thinness: float = 6) -> Field:
        """Winding lines about `scale` pixels apart, between 0 and 1: where smooth noise crosses zero."""
        return np.exp(-thinness * np.abs(self.noise(scale, 4.5)))

    def points(self, most: int, where: NDArray[np.bool_]) -> list[Point]:
        """A random number of points, at most `most`, in a mask of shape (SIDE, SIDE), as (x, y) from the centre."""
        inside = np.flatnonzero(where)
        chosen = self.rng.choice(inside, min(int(self.rng.integers(most + 1)), len(inside)), replace=False)
        return [(float(at % SIDE - SIDE / 2), float(at // SIDE - SIDE / 2)) for at in chosen]

    def lattice(self, spacing: float, jitter: float = 0.3, where: NDArray[np.bool_] | None = None) -> list[Point]:
        """Points of a jittered hexagonal lattice, as (x, y) from the centre, in a mask of shape (SIDE, SIDE) if any."""
        rows, columns = np.mgrid[0 : SIDE / spacing / 0.87, 0 : SIDE / spacing]
        x = (columns + rows % 2 / 2 + self.rng.normal(0, jitter / 2, rows.shape)) * spacing
        y = (rows * 0.87 + self.rng.normal(0, jitter / 2, rows.shape)) * spacing
        points = np.stack([x.ravel(), y.ravel()], 1)
        if where is not None:
            left, top = np.clip(points, 0, SIDE - 1).astype(int).T
            points = points[where[top, left]]
        return [(float(x), float(y)) for x, y in points - SIDE / 2]

    def dots(self, points: Sequence[Point], radii: tuple[float, float], blur: float) -> Field:
        """Ovals of random radius and strength around points, between 0 and 1."""
        image, pen = _blank()
        sizes = self.rng.uniform(*radii, (len(points), 2)).tolist()
        strengths = self.rng.integers(128, 256, len(points)).tolist()
        for (x, y), (width, height), strength in zip(points, sizes, strengths, strict=True):
            box = (x - width, y - height, x + width, y + height)
            pen.ellipse([_FINE * (at + SIDE / 2) for at in box], fill=strength)
        return _field(image, blur)

    def strokes(self, paths: Sequence[Stroke], blur: float) -> Field:
        """Lines along paths, each of its own width in pixels, between 0 and 1."""
        image, pen = _blank()
        for path, width in paths:
            fine = [(_FINE * (x + SIDE / 2), _FINE * (y + SIDE / 2)) for x, y in path]
            pen.line(fine, fill=255, width=max(1, round(_FINE * width)), joint="curve")
        return _field(image, blur)

    def tree(self, start: Point, heading: float, length: float, width: float) -> list[Stroke]:
        """The wandering paths of a branching vessel with their widths, thinner with each branch."""
        if width < 0.6 or length < 6:
            return []
        headings = heading + np.cumsum(self.rng.normal(0, 0.22, max(3, int(length / 4))))
        steps = np.cumsum(4 * np.stack([np.cos(headings), np.sin(headings)], 1), 0) + start
        path = [start, *((float(x), float(y)) for x, y in steps)]
        paths: list[Stroke] = [(path, width)]
        for at in self.rng.integers(1, len(path), 3):
            side = headings[at - 1] + self.rng.choice([-1, 1]) * self.between(0.5, 1.1)
            paths += self.tree(path[at], side, length * self.between(0.4, 0.7), width * 0.62)
        return paths


def _blank() -> tuple[Image.Image, ImageDraw.ImageDraw]:
    image = Image.new("L", (_FINE * SIDE, _FINE * SIDE))
    return image, ImageDraw.Draw(image)


def _field(image: Image.Image, blur: float) -> Field:
    blurred = image.reduce(_FINE).filter(ImageFilter.BoxBlur(blur))
    return np.asarray(blurred, np.float32) / 255
