"""Two hundred malformed uploads and form values through the real API: each a clear error or a valid answer."""

import io
import itertools
import struct
import zipfile
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from ham import CODES
from PIL import Image

N_CLIENTS = 4
"""They call at once; one client alone does not bear several threads."""

Draw = Callable[[np.random.Generator], bytes]
Answer = str | dict[str, Any] | list[dict[str, Any]]

FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "PPM")
MODES = ("RGB", "L", "1", "P", "LA", "RGBA", "CMYK", "I;16", "I", "F", "YCbCr", "LAB")
NAMES = ("a.jpg", "a.png", "a.txt", "a", "ä ö.jpeg", "a.zip", "a.csv", "a.svg", ".jpg", "x" * 90 + ".png")
AGES = (400, -1, "old", "", [], {}, True, 1e308, "nan", "inf", "-0", None, "1e1", [45], "45 years", 10**30)
SEXES = ("male", "MALE ", "other", "", None, 1, [], {}, "ſex", False, "unknown" * 50)
SITES = ("back", "Back", "elbow", "", None, 7, ["back"], {}, "../back", "\0", "lower  extremity")
MODELS = (
    "automatic",
    "",
    None,
    "ham10000-image",
    "nobody",
    "..",
    "/etc",
    "both",
    3,
    ["automatic"],
    {},
    "a\0b",
    "x" * 999,
)


def encoded(rng: np.random.Generator, formats: tuple[str, ...] = FORMATS) -> bytes:
    """An image of a random format, mode and size, where there is such."""
    width, height = rng.integers(1, 80, 2)
    buffer = io.BytesIO()
    try:
        Image.effect_noise((width, height), 80).convert(str(rng.choice(MODES))).save(buffer, str(rng.choice(formats)))
    except (OSError, ValueError, KeyError, DeprecationWarning):
        return encoded(rng, formats)
    return buffer.getvalue()


def noise(rng: np.random.Generator) -> bytes:
    return rng.bytes(int(rng.integers(0, 3000)))


def cut(rng: np.random.Generator) -> bytes:
    content = encoded(rng)
    return content[: int(rng.integers(0, len(content)))]


def flipped(rng: np.random.Generator) -> bytes:
    content = bytearray(encoded(rng))
    for place in rng.integers(0, len(content), 20):
        content[place] ^= int(rng.integers(1, 256))
    return bytes(content)


def disguised(rng: np.random.Generator) -> bytes:
    heads = (b"\xff\xd8\xff\xe0", b"\x89PNG\r\n\x1a\n", b"RIFF\0\0\0\0WEBP", b"II*\0", b"BM", b"PK\x03\x04", b"<svg>")
    return heads[rng.integers(len(heads))] + noise(rng)


def bomb(rng: np.random.Generator) -> bytes:
    """A PNG that claims to be huge."""
    side = int(rng.integers(8_000, 2**31))
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(bytes(1000))), (b"IEND", b""))
    packed = (
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(packed)


IMAGES: tuple[Draw, ...] = (encoded, noise, cut, flipped, disguised, bomb)


def archive(rng: np.random.Generator) -> bytes:
    buffer = io.BytesIO()
    names = ("../../a.png", "/etc/passwd", "a/b/c.jpg", "C:\\a.jpg", " ", "ä.png", "__MACOSX/x", "a" * 300)
    with zipfile.ZipFile(
        buffer, "w", int(rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2)))
    ) as out:
        for name in rng.permutation(names)[: int(rng.integers(0, 6))]:
            out.writestr(str(name), bytes(1_000_000) if rng.random() < 0.1 else IMAGES[rng.integers(len(IMAGES))](rng))
    content = bytearray(buffer.getvalue())
    if rng.random() < 0.4:
        for place in rng.integers(0, len(content), 8):
            content[place] ^= int(rng.integers(1, 256))
    return bytes(content)


def table(rng: np.random.Generator) -> bytes:
    if rng.random() < 0.3:
        return noise(rng)
    columns = ("image", "age", "sex", "site", "dx", "", '"', "image")
    header = [str(name) for name in rng.permutation(columns)[: int(rng.integers(1, 6))]]
    values = ("a.jpg", "45", "400", "male", "elbow", '"', "\0", "", "=1+1", "\n")
    rows = [
        [str(value) for value in rng.choice(values, int(rng.integers(0, 7)))] for _ in range(int(rng.integers(0, 5)))
    ]
    return "\n".join(str(rng.choice([",", ";"])).join(row) for row in [header, *rows]).encode()


class Caller:
    """A client that sends the malformed; what comes back is an answer, or the sentence of an error."""

    def __init__(self, url: str, folder: Path) -> None:
        self.client = Client(url, verbose=False)
        self.folder = folder

    def file(self, rng: np.random.Generator, draw: Draw) -> Any:
        folder = self.folder / str(rng.integers(2**60))
        folder.mkdir()
        path = folder / str(rng.choice(NAMES))
        path.write_bytes(draw(rng))
        return handle_file(str(path))

    def one(self, seed: int) -> Answer:
        """An upload that may be malformed, with form values that may be, too."""
        rng = np.random.default_rng(seed)
        draw = IMAGES[seed % len(IMAGES)]
        fields = [values[rng.integers(len(values))] for values in (AGES, SEXES, SITES, MODELS)]
        if rng.random() < 0.5:
            fields = [None, "unknown", "unknown", "automatic"]
        return self.call(self.file(rng, draw), *fields, api_name="/predict")

    def batch(self, seed: int) -> Answer:
        """Malformed images and archives, with a table or none."""
        rng = np.random.default_rng(seed)
        draws = (*IMAGES, archive, archive, archive)
        files = [self.file(rng, draws[rng.integers(len(draws))]) for _ in range(int(rng.integers(0, 4)))]
        patients = self.file(rng, table) if rng.random() < 0.6 else None
        model = MODELS[rng.integers(len(MODELS))] if rng.random() < 0.3 else "automatic"
        return self.call(files, patients, model, api_name="/predict_batch")

    def several(self, first: int) -> list[Answer]:
        """This client's share of 140 single uploads."""
        return [self.one(seed) for seed in range(first, 140, N_CLIENTS)]

    def several_batches(self, first: int) -> list[Answer]:
        """This client's share of 60 batches."""
        return [self.batch(seed) for seed in range(1000 + first, 1060, N_CLIENTS)]

    def call(self, *values: Any, api_name: str) -> Answer:
        try:
            answer: Answer = self.client.predict(*values, api_name=api_name)
        except AppError as error:
            return str(error)
        return answer


def is_answer(row: dict[str, Any]) -> bool:
    return "error" in row or (
        set(row["probabilities"]) == set(CODES) and abs(sum(row["probabilities"].values()) - 1) < 1e-3
    )


def is_clear(answer: Answer) -> bool:
    """A sentence to the user or a sound answer; Gradio's own words for a crash are neither."""
    if isinstance(answer, str):
        return answer.endswith(".") and "verbose error reporting" not in answer and "Traceback" not in answer
    return all(is_answer(row) for row in (answer if isinstance(answer, list) else [answer]))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::pandas.errors.Pandas4Warning")  # of Gradio's queue
def test_whatever_is_sent_the_answer_is_clear_and_the_app_goes_on(
    url: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    callers = [Caller(url, tmp_path) for _ in range(N_CLIENTS)]
    with ThreadPoolExecutor(N_CLIENTS) as pool:
        singles = list(itertools.chain(*pool.map(Caller.several, callers, range(N_CLIENTS))))
        batches = list(itertools.chain(*pool.map(Caller.several_batches, callers, range(N_CLIENTS))))
    assert len(singles) + len(batches) == 200
    unclear = [answer for answer in (*singles, *batches) if not is_clear(answer)]
    assert not unclear
    kinds = {type(answer) for answer in singles}, {type(answer) for answer in batches}
    assert kinds == ({str, dict}, {str, list})  # else the generators would draw only one kind
    assert "Traceback" not in capfd.readouterr().err

    red = tmp_path / "red.png"
    Image.new("RGB", (64, 48), "red").save(red)
    assert callers[0].client.predict(handle_file(str(red)), api_name="/predict")["diagnosis"] == "mel"
    assert httpx.get(url).status_code == 200
