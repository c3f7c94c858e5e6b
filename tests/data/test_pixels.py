import contextlib
import os
import shutil
import signal
import struct
import subprocess
import sys
import zlib
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from ham import someone
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from skin.data.dataset import Dataset, LesionImage
from skin.data.image_file import FORMATS, MAX_BYTES, check
from skin.data.pixels import decode, open_pixels, prepare
from skin.errors import UserError
from skin.workspace import Workspace


def picture(size: tuple[int, int] = (60, 45), mode: str = "RGB") -> Image.Image:
    """Left half dark, right half light, so that turns, colours and depths can be told."""
    image = Image.new("RGB", size, (200, 150, 100))
    image.paste((20, 40, 60), (0, 0, size[0] // 2, size[1]))
    return image.convert(mode)


def encoded(image: Image.Image, format: str, **options: object) -> bytes:
    buffer = BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def folder_dataset(folder: Path, n: int, size: tuple[int, int] = (40, 30)) -> Dataset:
    rng = np.random.default_rng(0)
    images = []
    for index in range(n):
        path = folder / f"{index:04}.png"
        Image.fromarray(rng.integers(0, 256, (size[1], size[0], 3), np.uint8)).save(path)
        images.append(LesionImage(path.stem, f"L{index}", "nv", someone(), path))
    return Dataset("test", "Test", tuple(images))


# Decoding


@pytest.mark.parametrize("format", FORMATS)
def test_every_format_is_told_from_its_content(format: str, tmp_path: Path) -> None:
    path = tmp_path / "image.with_a_wrong_name"
    path.write_bytes(encoded(picture(), format))
    decoded = decode(path)
    assert decoded.mode == "RGB"
    assert decoded.size == (60, 45)
    assert np.abs(np.asarray(decoded)[5, 5] - np.array([20, 40, 60])).max() < 8


def test_bytes_path_image_and_array_give_the_same_tensor(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    picture().save(path)
    tensors = [prepare(image, 32) for image in (path, path.read_bytes(), picture(), np.asarray(picture()))]
    for tensor in tensors[1:]:
        np.testing.assert_array_equal(tensor, tensors[0])


def test_a_large_jpeg_gives_the_same_tensor_from_every_kind_of_input(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    picture((2000, 1500)).save(path)
    np.testing.assert_array_equal(prepare(path, 64), prepare(decode(path), 64))


def test_the_callers_image_is_left_as_it_was() -> None:
    image = picture()
    decode(image).putpixel((0, 0), (255, 0, 0))
    assert image.getpixel((0, 0)) == (20, 40, 60)


@pytest.mark.parametrize("mode", ["1", "L", "P", "LA", "RGBA", "CMYK"])
def test_every_mode_becomes_rgb(mode: str) -> None:
    image = picture(mode=mode)
    decoded = np.asarray(decode(encoded(image, "TIFF")))
    assert decoded.shape == (45, 60, 3)
    assert decoded[5, 50].mean() > decoded[5, 5].mean() + 50


def test_transparency_is_laid_on_white() -> None:
    image = picture(mode="RGBA")
    image.putalpha(0)
    assert np.asarray(decode(encoded(image, "PNG"))).min() == 255


def test_a_transparent_palette_colour_is_laid_on_white() -> None:
    image = picture(mode="P")
    data = encoded(image, "PNG", transparency=image.getpixel((5, 5)))
    decoded = np.asarray(decode(data))
    assert decoded[5, 5].tolist() == [255, 255, 255]
    assert decoded[5, 50].max() < 255


@pytest.mark.parametrize("format", ["PNG", "TIFF"])
def test_sixteen_bits_are_scaled_to_eight(format: str) -> None:
    ramp = np.tile(np.linspace(0, 65535, 256).astype(np.uint16), (20, 1))
    decoded = np.asarray(decode(encoded(Image.fromarray(ramp), format)))
    np.testing.assert_array_equal(decoded[0, :, 0], np.arange(256))


def test_sixteen_bit_pixels_are_turned_upright_too() -> None:
    grey = np.zeros((20, 40), np.uint16)
    exif = Image.Exif()
    exif[0x0112] = 6
    assert decode(encoded(Image.fromarray(grey), "PNG", exif=exif)).size == (20, 40)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_exif_orientation_is_applied(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    decoded = decode(encoded(picture(), "JPEG", exif=exif))
    assert decoded.size == ((60, 45) if orientation < 5 else (45, 60))
    dark = np.asarray(decoded).mean(axis=2) < 100
    dark_side = {1: dark[:, :10], 2: dark[:, -10:], 3: dark[:, -10:], 4: dark[:, :10]}
    dark_side |= {5: dark[:10], 6: dark[:10], 7: dark[-10:], 8: dark[-10:]}
    assert dark_side[orientation].all()


@pytest.mark.parametrize("format", ["PNG", "WEBP", "TIFF"])
def test_the_first_frame_of_an_animation_is_taken(format: str) -> None:
    second = Image.new("RGB", (60, 45), "red")
    decoded = decode(encoded(picture(), format, save_all=True, append_images=[second]))
    assert np.asarray(decoded)[5, 50, 1] > 100


# Refusals


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "not an image"),
        (b"no image at all", "not an image"),
        (encoded(picture(), "GIF"), "JPEG, PNG, WEBP, TIFF, BMP"),
        (encoded(picture((1, 1)), "PNG"), "only 1×1 pixels"),
        (encoded(picture((20_000, 2)), "PNG"), "only 20000×2"),
        (encoded(picture((400, 300)), "JPEG")[:1500], "damaged or cut short"),
        (encoded(picture((400, 300)), "PNG")[:-200], "damaged or cut short"),
        (encoded(Image.fromarray(np.zeros((20, 20), np.float32)), "TIFF"), "type F"),
        (bytes(MAX_BYTES + 1), "20 MB"),
    ],
    ids=["empty", "text", "gif", "one pixel", "strip", "cut jpeg", "cut png", "floats", "heavy"],
)
def test_bad_bytes_are_refused_in_one_sentence(data: bytes, message: str) -> None:
    with pytest.raises(UserError, match=message) as refusal:
        decode(data)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("side", [5_000, 10_000, 20_000])
def test_a_huge_image_is_refused_before_it_is_decoded(side: int) -> None:
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    without_pixels = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"")
    with pytest.raises(UserError, match=r"(24|50) million pixels.* make it smaller"):
        decode(without_pixels)


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((20, 20, 3), np.float32),
        np.zeros((20, 20, 2), np.uint8),
        np.zeros(20, np.uint8),
        np.zeros((0, 0, 3), np.uint8),
        np.zeros((1, 2, 20, 20), np.uint8),
    ],
)
def test_an_array_that_is_no_image_is_refused(array: NDArray[np.uint8]) -> None:
    with pytest.raises(UserError):
        decode(array)


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none.jpg"):
        with pytest.raises(UserError, match="check the path"):
            decode(path)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(FORMATS), st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), max_size=20))
def test_damaged_bytes_decode_or_are_refused(format: str, damages: list[tuple[float, int]]) -> None:
    data = bytearray(encoded(picture(), format))
    for place, value in damages:
        data[int(place * (len(data) - 1))] = value
    with contextlib.suppress(UserError):
        assert decode(bytes(data)).mode == "RGB"


@pytest.mark.parametrize("progressive", [False, True])
def test_check_refuses_what_decode_refuses(progressive: bool, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (300, 400, 3), np.uint8)
    data = encoded(Image.fromarray(noise), "JPEG", progressive=progressive)
    whole, cut = tmp_path / "whole.jpg", tmp_path / "cut.jpg"
    whole.write_bytes(data)
    cut.write_bytes(data[: len(data) * 9 // 10])
    check(whole)
    with pytest.raises(UserError, match=r"cut.jpg is damaged"):
        check(cut)
    with pytest.raises(UserError, match=r"cut.jpg is damaged"):
        decode(cut)


# Resizing


@pytest.mark.parametrize(
    ("format", "size", "reduced"),
    [
        ("JPEG", (1999, 2000), (1999, 2000)),
        ("JPEG", (4000, 3000), (2000, 1500)),
        ("PNG", (1999, 2000), (1999, 2000)),
        ("PNG", (4000, 3001), (1334, 1001)),
        ("TIFF", (2900, 2001), (1450, 1001)),
    ],
)
def test_a_large_photograph_is_reduced_and_stays_the_same_picture(
    format: str, size: tuple[int, int], reduced: tuple[int, int]
) -> None:
    whole = Image.effect_noise((40, 30), 60).resize(size).convert("RGB")
    decoded = decode(encoded(whole, format))
    assert decoded.size == reduced
    seen, expected = (np.asarray(image.resize((160, 160)), float) for image in (decoded, whole))
    assert np.abs(seen - expected).max() <= 8
    assert np.abs(seen - expected).mean() < 1


def test_a_reduced_image_is_upright_too_and_lies_on_white() -> None:
    image = picture((3000, 2000), "RGBA")
    image.putalpha(Image.linear_gradient("L").resize(image.size))
    exif = Image.Exif()
    exif[0x0112] = 6
    decoded = decode(encoded(image, "PNG", exif=exif))
    whole = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB").rotate(-90, expand=True)
    assert decoded.size == (1000, 1500)
    assert np.abs(np.asarray(decoded, float) - np.asarray(whole.reduce(2), float)).max() <= 1


def test_prepare_makes_a_square_of_bytes() -> None:
    tensor = prepare(picture(), 32)
    assert tensor.shape == (32, 32, 3)
    assert tensor.dtype == np.uint8
    assert tensor[16, 4].tolist() == [20, 40, 60]
    assert tensor[16, 28].tolist() == [200, 150, 100]


def test_prepare_is_antialiased() -> None:
    stripes = np.zeros((512, 512, 3), np.uint8)
    stripes[:, ::2] = 255
    assert np.ptp(prepare(stripes, 64).astype(int)) <= 16  # without antialiasing it keeps black and white


# The cache


def test_open_pixels_is_prepare_of_every_image(tmp_path: Path, workspace: Workspace) -> None:
    dataset = folder_dataset(tmp_path, 5)
    opened = open_pixels(dataset, 16, workspace)
    assert opened.shape == (5, 16, 16, 3)
    np.testing.assert_array_equal(opened, np.stack([prepare(image.path, 16) for image in dataset.images]))
    with pytest.raises(ValueError, match="read-only"):
        opened[0] = 0


def test_open_pixels_decodes_once(tmp_path: Path, workspace: Workspace) -> None:
    dataset = folder_dataset(tmp_path, 3)
    first = np.array(open_pixels(dataset, 16, workspace))
    for image in dataset.images:
        image.path.unlink()
    np.testing.assert_array_equal(open_pixels(dataset, 16, workspace), first)


def test_sizes_and_changed_files_are_kept_apart(tmp_path: Path, workspace: Workspace) -> None:
    dataset = folder_dataset(tmp_path, 3)
    before = open_pixels(dataset, 16, workspace)
    assert open_pixels(dataset, 24, workspace).shape == (3, 24, 24, 3)
    picture().save(dataset.images[0].path)
    changed = Dataset("test", "Test", dataset.images)
    assert (open_pixels(changed, 16, workspace)[0] != before[0]).any()


def test_a_cut_off_cache_is_made_again(tmp_path: Path, workspace: Workspace) -> None:
    dataset = folder_dataset(tmp_path, 3)
    whole = np.array(open_pixels(dataset, 16, workspace))
    [path] = workspace.pixels.glob("*.npy")
    os.truncate(path, 500)
    np.testing.assert_array_equal(open_pixels(dataset, 16, workspace), whole)


BUILD = """
import os, signal, sys
from pathlib import Path
from skin.data.dataset import Dataset, LesionImage
from skin.data.pixels import open_pixels
from skin.patient import Patient
from skin.workspace import Workspace

def dying(iterable, *, desc, total):
    for number, item in enumerate(iterable):
        if number == 2 and "die" in sys.argv:
            os.kill(os.getpid(), signal.SIGKILL)
        yield item

paths = sorted(Path(sys.argv[1]).glob("*.png"))
images = tuple(LesionImage(path.stem, path.stem, "nv", Patient(), path) for path in paths)
open_pixels(Dataset("test", "Test", images), 16, Workspace(Path(sys.argv[2])), dying)
"""


def build(folder: Path, home: Path, *arguments: str) -> "subprocess.Popen[bytes]":
    return subprocess.Popen([sys.executable, "-c", BUILD, folder, home, *arguments])


def test_a_killed_build_goes_on_where_it_ended(tmp_path: Path, workspace: Workspace) -> None:
    images = tmp_path / "images"
    images.mkdir()
    dataset = folder_dataset(images, 400)
    assert build(images, workspace.home, "die").wait() == -signal.SIGKILL
    [partial] = workspace.pixels.glob("*.partial")
    assert 0 < partial.stat().st_size < 400 * 16 * 16 * 3
    with partial.open("ab") as file:
        file.write(b"half a row")
    for image in dataset.images[:256]:  # two chunks are done; whoever decodes them again, fails
        facts = image.path.stat()
        image.path.write_bytes(bytes(facts.st_size))
        os.utime(image.path, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    opened = open_pixels(dataset, 16, workspace)
    folder_dataset(images, 400)
    np.testing.assert_array_equal(opened, np.stack([prepare(image.path, 16) for image in dataset.images]))


def test_two_processes_build_one_sound_cache(tmp_path: Path, workspace: Workspace) -> None:
    images = tmp_path / "images"
    images.mkdir()
    dataset = folder_dataset(images, 300)
    assert [process.wait() for process in [build(images, workspace.home) for _ in range(2)]] == [0, 0]
    assert len(list(workspace.pixels.glob("*.npy"))) == 1
    np.testing.assert_array_equal(open_pixels(dataset, 16, workspace)[299], prepare(dataset.images[299].path, 16))


def test_a_disk_that_fills_up_costs_a_sentence_and_no_row(tmp_path: Path, workspace: Workspace) -> None:
    dataset = folder_dataset(tmp_path, 300)
    resource = pytest.importorskip("resource")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (150 * 16 * 16 * 3, limits[1]))
    try:
        with pytest.raises(UserError, match="free some space"):
            open_pixels(dataset, 16, workspace)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert not list(workspace.pixels.glob("*.npy"))
    np.testing.assert_array_equal(open_pixels(dataset, 16, workspace)[299], prepare(dataset.images[299].path, 16))


def test_a_full_disk_is_seen_beforehand(tmp_path: Path, workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    full = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: full)
    with pytest.raises(UserError, match=r"GB are needed in .*free some space"):
        open_pixels(folder_dataset(tmp_path, 3), 16, workspace)
    assert not list(workspace.pixels.glob("*.partial"))


def test_an_image_that_vanished_is_named(tmp_path: Path, workspace: Workspace) -> None:
    dataset = folder_dataset(tmp_path, 3)
    assert dataset.key
    dataset.images[1].path.unlink()
    with pytest.raises(UserError, match=r"0001\.png"):
        open_pixels(dataset, 16, workspace)
