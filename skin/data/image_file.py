"""An image file decoded within limits, with Pillow alone: a process of `skin.data.decoder` loads nothing else.

What a file may cost is bounded three times: by what its header says before any pixel is decoded, by never copying a
whole large image, and, for what strangers send, by the process in which it is decoded.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from io import BytesIO
from math import isqrt
from pathlib import Path

from PIL import ExifTags, Image, ImageOps, JpegImagePlugin, TiffImagePlugin, UnidentifiedImageError, WebPImagePlugin

from skin.errors import UserError

Source = bytes | Path | Image.Image

MAX_PIXELS = {"JPEG": 50_000_000, "PNG": 24_000_000, "WEBP": 6_000_000, "TIFF": 24_000_000, "BMP": 24_000_000}
"""Largest image by format, in pixels: a JPEG is decoded at a fraction of its size, a WebP takes 20 bytes a pixel."""

_MOST = max(MAX_PIXELS.values())

FORMATS = tuple(MAX_PIXELS)
"""The formats that are read, told from the content, never from the name."""

MAX_BYTES = 20_000_000
"""Largest upload, in bytes."""

MIN_SIDE = 16
"""Smallest side, in pixels."""

KEPT_PIXELS = 1_000_000
"""At least so many remain of an image that is reduced, and up to four times as many are never reduced."""

MAX_SCANS = 100
"""Passes over the image of one JPEG; a progressive one has about ten, and each takes as long as it has pixels."""

MAX_COEFFICIENTS = 100_000_000
"""Bytes that a progressive JPEG may make the decoder hold."""

_MODES = (
    "1",
    "L",
    "LA",
    "P",
    "PA",
    "RGB",
    "RGBA",
    "RGBa",
    "RGBX",
    "CMYK",
    "YCbCr",
    "HSV",
    "I",
    "I;16",
    "I;16B",
    "I;16L",
)
_STRIP_PIXELS = 1 << 20
_START_OF_SCAN = b"\xff\xda"
_PLUGINS = (TiffImagePlugin, WebPImagePlugin)  # what is loaded here need not be found while a stranger waits


def decode(image: Source) -> Image.Image:
    """The image in RGB, upright as its EXIF says, transparency on white, the first frame of an animation.

    An image of four million pixels or more is reduced by a whole number on both sides while it is decoded, to between
    one and four million pixels. Raises UserError in one sentence for what is no image, damaged, too large or too small.
    """
    with _opened(image) as (opened, name):
        if opened is not image:  # the caller's is left as it was
            factor = reduction(opened.size)
            opened.draft(None, (opened.width // factor, opened.height // factor))  # changes a JPEG alone
        return _upright(opened, name)


def check(path: Path) -> None:
    """Raise the UserError that `decode` would, at a fraction of its cost: a JPEG is decoded at an eighth of its size."""
    with _opened(path) as (opened, name):
        opened.draft(None, (1, 1))
        _upright(opened, name)


def reduction(size: tuple[int, int]) -> int:
    """The whole number by which both sides of an image of this size are divided."""
    return max(1, isqrt(size[0] * size[1] // KEPT_PIXELS))


COSTLY = "takes more memory or time than a photograph does: save it as an ordinary JPEG, or make it smaller."
"""Said of a file that would cost more than the process that decodes it may use, after its name."""

DAMAGED = "is damaged or cut short: save it again, or choose another image."


@contextmanager
def _opened(image: Source) -> Iterator[tuple[Image.Image, str]]:
    """The image, checked by its header alone, and its name in a message. Whatever fails inside is a UserError."""
    name = image.name if isinstance(image, Path) else "The image"
    try:
        with _read(image, name) as opened:
            _check_size(opened.size, opened.format, name)
            if isinstance(opened, JpegImagePlugin.JpegImageFile) and opened is not image:
                _check_passes(opened, name)
            yield opened, name
    except UserError:
        raise
    except (FileNotFoundError, PermissionError, IsADirectoryError) as error:
        raise UserError(f"{error.filename} is no file that can be read: check the path.") from error
    except UnidentifiedImageError as error:
        raise UserError(f"{name} is not an image in a format that is read here: use {', '.join(FORMATS)}.") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise UserError(_too_large("", name)) from error
    except MemoryError as error:
        raise UserError(f"{name} {COSTLY}") from error
    except Exception as error:  # on damaged data Pillow's readers raise nearly anything
        lacks_memory = str(error) == "decoder error -9"  # of Pillow's reader of TIFF
        raise UserError(f"{name} {COSTLY if lacks_memory else DAMAGED}") from error


def _read(image: Source, name: str) -> AbstractContextManager[Image.Image]:
    if isinstance(image, Image.Image):
        return nullcontext(image)  # the caller's, who closes it
    with BytesIO(image) if isinstance(image, bytes) else image.open("rb") as file:
        if size := _webp_size(file.read(30)):
            _check_size(size, "WEBP", name)
    return Image.open(BytesIO(image) if isinstance(image, bytes) else image, formats=FORMATS)


def _webp_size(head: bytes) -> tuple[int, int] | None:
    """Width and height that the first 30 bytes of a WebP claim: Pillow makes room for them before it tells them.

    The three layouts are those of https://developers.google.com/speed/webp/docs/riff_container.
    """
    if len(head) < 30 or head[:4] + head[8:12] != b"RIFFWEBP":
        return None
    width, height = int.from_bytes(head[24:27], "little") + 1, int.from_bytes(head[27:30], "little") + 1
    if head[12:16] == b"VP8L":
        bits = int.from_bytes(head[21:25], "little")
        width, height = (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    elif head[12:16] == b"VP8 ":
        width, height = (int.from_bytes(head[place : place + 2], "little") & 0x3FFF for place in (26, 28))
    return width, height


def _check_size(size: tuple[int, int], format: str | None, name: str) -> None:
    width, height = size
    if width * height > MAX_PIXELS.get(format or "", _MOST):
        raise UserError(_too_large(format or "", name))
    if min(width, height) < MIN_SIDE:
        raise UserError(f"{name} is only {width}×{height} pixels: {MIN_SIDE}×{MIN_SIDE} is the least.")


def _too_large(format: str, name: str) -> str:
    most = MAX_PIXELS.get(format, _MOST)
    instead = "make it smaller" if most == _MOST else f"the most of a {format}: save it as a JPEG, or make it smaller"
    return f"{name} has more than {most // 10**6} million pixels{':' if most == _MOST else ','} {instead}."


def _check_passes(image: JpegImagePlugin.JpegImageFile, name: str) -> None:
    """Refuse a JPEG whose decoder would go over the image too often, or hold too much of it at once."""
    scans = _content(image).count(_START_OF_SCAN)  # in a sound file these two bytes stand nowhere else
    if scans > MAX_SCANS:
        raise UserError(f"{name} is a JPEG of {scans:,} scans, where {MAX_SCANS} is the most: save it again as a JPEG.")
    across, down = (max(layer[axis] for layer in image.layer) for axis in (1, 2))
    samples = image.width * image.height * sum(layer[1] * layer[2] for layer in image.layer) / (across * down)
    if image.info.get("progressive") and 2 * samples > MAX_COEFFICIENTS:
        raise UserError(
            f"{name} is a progressive JPEG of more pixels than can be held: save it as an ordinary (baseline) JPEG, "
            "or make it smaller."
        )


def _content(image: JpegImagePlugin.JpegImageFile) -> bytes:
    assert image.fp is not None
    image.fp.seek(0)
    return image.fp.read()


def _upright(image: Image.Image, name: str) -> Image.Image:
    image.load()
    if image.mode not in _MODES:
        raise UserError(f"{name} has pixels of type {image.mode}: save it as an ordinary JPEG or PNG.")
    upright = _reduced(image)
    upright.getexif()[ExifTags.Base.Orientation] = image.getexif().get(ExifTags.Base.Orientation, 1)
    ImageOps.exif_transpose(upright, in_place=True)
    return upright


def _reduced(image: Image.Image) -> Image.Image:
    """The image in RGB and reduced, strip by strip: a copy of the whole would double what it takes."""
    factor = reduction(image.size)
    width, height = image.size
    rows = factor * max(1, _STRIP_PIXELS // (factor * width))
    reduced = Image.new("RGB", (-(-width // factor), -(-height // factor)))
    for top in range(0, height, rows):
        strip = image.crop((0, top, width, min(top + rows, height)))
        reduced.paste(_rgb(strip).reduce(factor), (0, top // factor))
    return reduced


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):  # Pillow cuts 16-bit grey off at 255 when it converts it; this scales it
        image = image.convert("I").point(lambda value: value * (1 / 257) + 0.5).convert("L")
    if not image.has_transparency_data:
        return image.convert("RGB")
    layer = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer).convert("RGB")
