"""The individual typology angle of the skin around a lesion."""

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter

from skin.audit.skin_tone import TONES, agreement, lab, skin_mask, tone, typology_angle

SIZE = 160
SKINS = {
    "very light": (236, 202, 184),
    "light": (214, 172, 143),
    "intermediate": (196, 150, 116),
    "tan": (176, 130, 98),
    "brown": (135, 92, 66),
    "dark": (70, 46, 33),
}
"""A colour of skin in each group."""


def photographed(skin: tuple[int, int, int], lesion: tuple[int, int, int], frame: bool = False) -> Image.Image:
    """A lesion in the middle of skin, with soft edges and, if wanted, in the black frame of a dermatoscope."""
    image = Image.new("RGB", (SIZE, SIZE), skin)
    pen = ImageDraw.Draw(image)
    pen.ellipse((50, 45, 105, 115), lesion)
    if frame:
        disc = Image.new("L", (SIZE, SIZE))
        ImageDraw.Draw(disc).ellipse((-12, -12, SIZE + 12, SIZE + 12), 255)
        image = Image.composite(image, Image.new("RGB", (SIZE, SIZE)), disc)
    return image.filter(ImageFilter.GaussianBlur(2))


def angle_of(colour: tuple[int, int, int]) -> float:
    lightness, _, blue_to_yellow = lab(np.array(colour))
    return float(np.degrees(np.arctan2(lightness - 50, blue_to_yellow)))


@pytest.mark.parametrize(
    ("colour", "expected"),
    [
        ((255, 255, 255), (100, 0, 0)),
        ((0, 0, 0), (0, 0, 0)),
        ((255, 0, 0), (53.24, 80.09, 67.20)),
        ((0, 0, 255), (32.30, 79.19, -107.86)),
        ((119, 119, 119), (50.03, 0, 0)),
        ((10, 10, 10), (2.74, 0, 0)),
    ],
)
def test_colours_are_those_of_the_standard(colour: tuple[int, int, int], expected: tuple[float, float, float]) -> None:
    assert lab(np.array(colour)) == pytest.approx(expected, abs=0.02)


@pytest.mark.parametrize(("name", "skin"), SKINS.items())
@pytest.mark.parametrize("frame", [False, True])
def test_skin_of_a_known_colour_is_told_whatever_the_lesion_and_the_frame(
    name: str, skin: tuple[int, int, int], frame: bool
) -> None:
    lesion = tuple(part // 2 for part in skin)
    angle = typology_angle(np.asarray(photographed(skin, lesion, frame)))
    assert angle == pytest.approx(angle_of(skin), abs=2)
    assert tone(angle) == name


def test_hairs_and_reflections_do_not_change_the_tone() -> None:
    skin = SKINS["light"]
    image = photographed(skin, (90, 50, 40))
    pen = ImageDraw.Draw(image)
    for offset in range(-100, 200, 22):
        pen.line((offset, 0, offset + 60, SIZE), (40, 25, 20), 2)
    for place in ((20, 30), (130, 40), (140, 130)):
        pen.ellipse((*place, place[0] + 9, place[1] + 9), (255, 255, 255))
    assert typology_angle(np.asarray(image)) == pytest.approx(angle_of(skin), abs=2)


def test_the_mask_leaves_out_lesion_and_frame_and_keeps_the_skin() -> None:
    pixels = np.asarray(photographed(SKINS["tan"], (80, 50, 40), frame=True))
    mask = skin_mask(lab(pixels)[..., 0])
    assert not mask[45:115, 60:95].any()
    assert not mask[:8, :8].any()
    assert mask[30:130, 5:20].mean() > 0.9


@pytest.mark.parametrize("colour", [(0, 0, 0), (255, 255, 255), (120, 150, 220)])
def test_where_there_is_no_skin_there_is_no_tone(colour: tuple[int, int, int]) -> None:
    angle = typology_angle(np.full((SIZE, SIZE, 3), colour, np.uint8))
    assert np.isnan(angle)
    assert tone(angle) == "unknown"


def test_a_group_begins_above_its_angle() -> None:
    assert [tone(least) for least in TONES.values()][:-1] == list(TONES)[1:]
    assert [tone(least + 0.1) for least in TONES.values()] == list(TONES)


def test_agreement_is_that_of_lesions_with_several_images() -> None:
    angles = np.array([60.0, 58.0, 45.0, 30.0, 50.0, np.nan, 20.0])
    known = agreement(angles, ["a", "a", "b", "b", "c", "c", "d"])
    assert (known.lesions, known.same, known.spread) == (2, 0.5, 8.5)
    nothing = agreement(np.array([np.nan, 1.0]), ["a", "a"])
    assert nothing.lesions == 0
    assert np.isnan(nothing.same)
