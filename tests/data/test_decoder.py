"""Files made to cost much: each is refused in a sentence or decoded, within bounds of memory and of processes."""

import json
import struct
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path

import psutil
import pytest
from PIL import Image

from skin.data import image_file
from skin.data.decoder import MEMORY, SIMULTANEOUS, Decoders
from skin.data.pixels import decode
from skin.errors import UserError
from skin.stress import overlapping_tags, png, progressive
from skin.workspace import PROJECT

PROMISED = 150_000_000
"""Bytes that the decoding of any image may take, in all processes."""

linux = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the system bounds no memory")


def encoded(image: Image.Image, format: str, **options: object) -> bytes:
    buffer = BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def small() -> bytes:
    return encoded(Image.new("RGB", (60, 45), "red"), "PNG")


def webp(side: int) -> bytes:
    """A WebP that claims to be so large."""
    small = bytearray(encoded(Image.new("RGB", (64, 64), "red"), "WEBP"))
    assert small[12:16] == b"VP8 "
    small[26:30] = struct.pack("<HH", side, side)
    return bytes(small)


def extended_webp(side: int) -> bytes:
    frames = [Image.new("RGB", (64, 64), colour) for colour in ("red", "blue")]
    animated = bytearray(encoded(frames[0], "WEBP", save_all=True, append_images=frames[1:]))
    assert animated[12:16] == b"VP8X"
    animated[24:30] = (side - 1).to_bytes(3, "little") * 2
    return bytes(animated)


def lossless_webp(side: int) -> bytes:
    content = bytearray(encoded(Image.new("RGB", (64, 64), "red"), "WEBP", lossless=True))
    assert content[12:16] == b"VP8L"
    content[21:25] = ((side - 1) | (side - 1) << 14 | content[24] >> 4 << 28).to_bytes(4, "little")
    return bytes(content)


# Refused by the header


@pytest.mark.parametrize("as_bytes", [True, False])
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (progressive(64, empty_scans=100), "1[01][0-9] scans, where 100 is the most: save it again"),
        (progressive(64, claimed=7000), "progressive JPEG of more pixels .*baseline"),
        (webp(3000), "6 million pixels, the most of a WEBP: save it as a JPEG"),
        (extended_webp(16_000), "6 million pixels, the most of a WEBP"),
        (lossless_webp(16_000), "6 million pixels, the most of a WEBP"),
        (encoded(Image.new("1", (5000, 5000)), "TIFF", compression="group4"), "24 million pixels, the most of a TIFF"),
    ],
    ids=["scans", "coefficients", "webp", "extended webp", "lossless webp", "tiff"],
)
def test_what_the_header_says_is_too_much(content: bytes, message: str, as_bytes: bool, tmp_path: Path) -> None:
    path = tmp_path / "picture"
    path.write_bytes(content)
    with pytest.raises(UserError, match=message) as refusal:
        decode(content if as_bytes else path)
    assert str(refusal.value).startswith("The image" if as_bytes else "picture")


def test_a_progressive_photograph_is_read() -> None:
    image = Image.effect_noise((400, 300), 60).resize((4000, 3000)).convert("RGB")
    assert decode(encoded(image, "JPEG", progressive=True)).size == (2000, 1500)


# Bounded by the system

MEASURE = """
import json, resource, sys
from pathlib import Path
from skin.data.decoder import DECODERS
from skin.data.pixels import decode
from skin.errors import UserError

def peak(who):
    return resource.getrusage(who).ru_maxrss * 1024

said = {}
contents = {path.name: path.read_bytes() for path in sorted(Path(sys.argv[1]).iterdir())}
before = peak(resource.RUSAGE_SELF)
for name, content in contents.items():
    try:
        said[name] = decode(content).size
    except UserError as error:
        said[name] = str(error)
DECODERS.close()
print(json.dumps([said, peak(resource.RUSAGE_SELF) - before, peak(resource.RUSAGE_CHILDREN)]))
"""


@linux
def test_whatever_an_image_says_it_takes_so_much_memory_and_no_more(tmp_path: Path) -> None:
    grey = Image.new("L", (7071, 7071), 128)
    wide = Image.new("RGB", (2900, 2050), "red")
    hostile = {
        "flat.jpg": encoded(grey, "JPEG"),
        "alpha.png": png(6000, 4000),
        "colour.png": png(6000, 4000, 3),
        "wide.webp": encoded(wide, "WEBP", lossless=True, quality=0, method=0),
        "one_strip.tif": encoded(
            Image.new("RGB", (5000, 4000)), "TIFF", compression="tiff_adobe_deflate", strip_size=1 << 30
        ),
        "tags.tif": overlapping_tags(),
    }
    for name, content in hostile.items():
        assert len(content) < 1_500_000
        (tmp_path / name).write_bytes(content)
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, tmp_path], cwd=PROJECT, capture_output=True, text=True, check=True
    )
    said, grown, of_processes = json.loads(done.stdout)
    assert grown < PROMISED / 3
    assert of_processes < PROMISED
    assert said["tags.tif"] == said["one_strip.tif"] == f"The image {image_file.COSTLY}"
    read = {"flat.jpg": [1768, 1768], "alpha.png": [1500, 1000], "colour.png": [1500, 1000], "wide.webp": [1450, 1025]}
    assert {name: said[name] for name in read} == read


@linux
def test_what_computes_too_long_is_ended_and_the_next_image_is_read() -> None:
    decoders = Decoders(1, seconds=0.1)
    with pytest.raises(UserError, match="more memory or time than a photograph"):
        decoders.decode(png(6000, 4000))
    assert decoders.decode(small()).size == (60, 45)
    decoders.close()


@linux
def test_what_one_image_took_is_not_missing_for_the_next() -> None:
    decoders = Decoders(1)
    large = png(6000, 4000)
    for _ in range(3):
        assert decoders.decode(large).size == (1500, 1000)
        with pytest.raises(UserError, match="more memory or time"):
            decoders.decode(overlapping_tags())
    decoders.close()


def test_so_many_images_are_decoded_at_once_and_no_more() -> None:
    before = set(psutil.Process().children())
    decoders = Decoders()
    with ThreadPoolExecutor(16) as threads:
        images = list(threads.map(decoders.decode, [encoded(Image.new("RGB", (900, 900), "red"), "PNG")] * 64))
    assert {image.getpixel((0, 0)) for image in images} == {(255, 0, 0)}
    assert len(set(psutil.Process().children()) - before) <= SIMULTANEOUS
    decoders.close()
    assert set(psutil.Process().children()) <= before


@linux
def test_a_process_that_nobody_asks_ends_and_another_takes_its_place() -> None:
    before = set(psutil.Process().children())
    decoders = Decoders(1, idle=0.05)
    for _ in range(2):
        assert decoders.decode(small()).size == (60, 45)
        (process,) = set(psutil.Process().children()) - before
        psutil.wait_procs([process])
    decoders.close()


def test_a_process_that_was_killed_costs_nobody_his_answer() -> None:
    before = set(psutil.Process().children())
    decoders = Decoders(1)
    decoders.decode(small())
    (process,) = set(psutil.Process().children()) - before
    process.kill()
    process.wait()
    assert decoders.decode(small()).size == (60, 45)
    decoders.close()


@linux
def test_the_memory_of_a_process_is_below_what_is_promised_of_an_image() -> None:
    assert MEMORY < PROMISED
