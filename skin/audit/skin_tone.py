"""The tone of the skin around a lesion, by the individual typology angle of its colour: a proxy, and called one.

A photograph's colour is the skin's under the light, the contact and the white balance of one dermatoscope. How far images of
one lesion agree tells how far the proxy can be trusted.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from skin.audit.inputs import AuditInput
from skin.data.lesion_mask import Mask, otsu
from skin.evaluation.group_figures import GroupReport, judge_groups, spaced
from skin.evaluation.operating_point import choose_thresholds
from skin.evaluation.predictions import load_predictions
from skin.patient import UNKNOWN
from skin.task import listed

TONES: Mapping[str, float] = {
    "very light": 55,
    "light": 41,
    "intermediate": 28,
    "tan": 10,
    "brown": -30,
    "dark": -90,
}
"""The groups of Chardon et al. (1991), with the angle in degrees above which each begins; brown and dark by Del Bino (2006)."""

MIN_SKIN = 0.04
"""Share of the picture that must be skin for its tone to be told."""

_OUTER, _INNER = 1.15, 0.45
"""Distances from the centre, in halves of the side, beyond which the corners and within which the lesion is expected."""

_DARK = 12.0
"""Lightness below which what touches the border is the frame that a dermatoscope leaves black; no skin is as dark."""

_GLARE = 97.0
"""Lightness above which a reflection or a bubble hides the skin."""

_CONTRAST = 6.0
"""Difference in lightness from which a darker part is taken for the lesion."""

_LEAST_YELLOW = 5.0
"""The coordinate b* below which a colour is too blue or grey for any skin."""

Floats = NDArray[np.float64]

_TO_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)
"""Linear sRGB to XYZ under D65 (IEC 61966-2-1)."""


def lab(picture: NDArray[np.uint8]) -> Floats:
    """The picture's colours as CIE L*a*b* under D65, of shape (..., 3)."""
    share = picture / 255
    linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    xyz = linear @ _TO_XYZ.T / _TO_XYZ.sum(axis=1)
    root = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz * (29 / 6) ** 2 / 3 + 4 / 29)
    x, y, z = np.moveaxis(root, -1, 0)
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)


def typology_angle(picture: NDArray[np.uint8]) -> float:
    """The individual typology angle of the skin in a picture of shape (size, size, 3), in degrees.

    ITA = arctan((L* - 50) / b*) of the median colour (Chardon, Cretois & Hourseau 1991). NaN where too little skin is seen,
    or its colour is one that no skin has.
    """
    colours = lab(picture)
    skin = skin_mask(colours[..., 0])
    if skin.mean() < MIN_SKIN:
        return np.nan
    lightness, _, blue_to_yellow = np.median(colours[skin], axis=0)
    return float(np.degrees(np.arctan2(lightness - 50, blue_to_yellow))) if blue_to_yellow >= _LEAST_YELLOW else np.nan


def skin_mask(lightness: Floats) -> Mask:
    """True for the pixels of a picture of this lightness L*, of shape (size, size), that show skin beside the lesion.

    Left out are the corners, the black frame, reflections, the centre, and what is darker by Otsu's threshold (1979).

    It is no complement of `lesion_mask`, which gives the one part that is most likely the lesion, so that its size means
    something; here whatever may be no bare skin goes, every dark part and a margin around it.
    """
    size = len(lightness)
    smooth = ndimage.gaussian_filter(lightness, size / 100)
    distance = _distance_from_centre(size)
    candidates = (distance <= _OUTER) & ~_grown(_frame(smooth), size / 20) & (lightness < _GLARE)
    if not candidates.any():
        return candidates
    threshold = otsu(smooth[candidates], bins=64)
    lesion = candidates & (smooth <= threshold)
    skin = candidates & ~lesion
    if skin.any() and lesion.any() and smooth[skin].mean() - smooth[lesion].mean() >= _CONTRAST:
        skin &= ~_grown(lesion, size / 25)
    else:
        skin = candidates
    return skin & (distance > _INNER)


def _distance_from_centre(size: int) -> Floats:
    offsets = np.abs(np.arange(size) + 0.5 - size / 2) / (size / 2)
    return np.hypot(*np.meshgrid(offsets, offsets))


def _frame(lightness: Floats) -> Mask:
    """The dark parts that touch the border."""
    parts, _ = ndimage.label(lightness < _DARK)
    at_border = np.unique(np.concatenate([parts[0], parts[-1], parts[:, 0], parts[:, -1]]))
    return np.isin(parts, at_border[at_border > 0])


def _grown(mask: Mask, pixels: float) -> Mask:
    """The mask with all that lies within so many pixels of it."""
    if not mask.any():
        return mask
    grown: Mask = ndimage.distance_transform_edt(~mask) <= pixels
    return grown


def tone(angle: float) -> str:
    """The group of TONES that the angle belongs to, "unknown" of NaN."""
    return next((name for name, least in TONES.items() if angle > least), UNKNOWN)


@dataclass(frozen=True)
class Agreement:
    """Agreement of the images of one lesion, over the lesions with several that could be measured.

    `lesions` counts them, `same` is the share of them whose images all lie in one group of TONES, `spread` the median
    over them of the difference between the largest and the smallest angle, in degrees.
    """

    lesions: int
    same: float
    spread: float


def agreement(angles: Floats, lesion_ids: Sequence[str]) -> Agreement:
    """The agreement of the angles, of shape (n_images,), within lesions."""
    by_lesion: dict[str, list[float]] = {}
    for angle, lesion in zip(angles.tolist(), lesion_ids, strict=True):
        if np.isfinite(angle):
            by_lesion.setdefault(lesion, []).append(angle)
    several = [known for known in by_lesion.values() if len(known) > 1]
    if not several:
        return Agreement(0, np.nan, np.nan)
    same = [len({tone(angle) for angle in known}) == 1 for known in several]
    return Agreement(
        len(several), float(np.mean(same)), float(np.median([max(known) - min(known) for known in several]))
    )


@dataclass(frozen=True)
class SkinTone:
    """The tone of the skin in the test images, and the figures of each group of TONES as of any other group.

    `angle` is the median in degrees of the images that could be measured, `measured` their number; `by_source` is the share
    that could be by the archive that the image came from, where that is known.
    """

    n: int
    n_lesions: int
    measured: int
    angle: float
    agreement: Agreement
    tones: GroupReport
    by_source: dict[str, float]

    def sentences(self) -> list[str]:
        """The figures in words."""
        return [
            "The tone is that of the skin around the lesion in one photograph, by its individual typology angle (ITA): a "
            "proxy, which light, pressure and the camera's white balance change, and nobody's skin type.",
            *(self._of_measured() if self.measured else ["It could be measured in none of the test images."]),
        ]

    def _of_measured(self) -> list[str]:
        shares = [f"{spaced(name)} {group.n / self.n:.1%}" for name, group in self.tones.groups.items()]
        return [
            f"It could be measured in {self.measured:,} of {self.n:,} test images, with a median of {self.angle:.0f}°: "
            f"{listed(shares)}.",
            *self._by_source(),
            *self._agreement(),
            *self.tones.sentences(),
        ]

    def _by_source(self) -> list[str]:
        """The archives with the smallest and the largest share, where there are several."""
        if len(self.by_source) < 2:
            return []
        least, most = (pick(self.by_source, key=lambda name: self.by_source[name]) for pick in (min, max))
        return [
            f"In the others the picture's colours leave the skin less yellow than skin is. It can be measured in "
            f"{self.by_source[least]:.0%} of the images from {spaced(least)} and in {self.by_source[most]:.0%} of those from "
            f"{spaced(most)}: the camera has as much part in it as the skin, and a gap between tones may be one of archives."
        ]

    def _agreement(self) -> list[str]:
        known = self.agreement
        if not known.lesions:
            return []
        return [
            f"Of {known.lesions:,} lesions with several such images, {known.same:.1%} have all of them in one group, and the "
            f"angles of a lesion lie {known.spread:.0f}° apart (median): so far the proxy can be trusted, and no further."
        ]


def compute(inputs: AuditInput) -> SkinTone:
    """The skin around the lesions of a run's test images."""
    rows, images = inputs.rows["test"].tolist(), inputs.images("test")
    shown = inputs.progress(rows, desc="Measuring skin", total=len(rows))
    angles = np.array([typology_angle(inputs.pixels[row]) for row in shown])
    parts = load_predictions(inputs.run.predictions_path)
    tone_of = {image.image_id: tone(angle) for image, angle in zip(images, angles.tolist(), strict=True)}
    report = judge_groups(parts["test"], choose_thresholds(parts["validation"]), tone_of)
    lesions, sources = [image.lesion_id for image in images], np.array([image.source for image in images])
    is_measured = np.isfinite(angles)
    return SkinTone(
        n=len(images),
        n_lesions=len(set(lesions)),
        measured=int(is_measured.sum()),
        angle=float(np.median(angles[is_measured])) if is_measured.any() else np.nan,
        agreement=agreement(angles, lesions),
        tones=dataclasses.replace(
            report, groups={name: report.groups[name] for name in (*TONES, UNKNOWN) if name in report.groups}
        ),
        by_source={name: float(is_measured[sources == name].mean()) for name in sorted({*sources.tolist()} - {""})},
    )
