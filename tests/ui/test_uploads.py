import io
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from skin.data.image_file import MAX_BYTES
from skin.errors import UserError
from skin.ui import uploads

Send = Callable[..., dict[str, str]]


def packed(files: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def test_an_upload_is_read_with_the_name_it_had(send: Send) -> None:
    assert uploads.read(send(b"content", "mole.jpg")) == ("mole.jpg", b"content")
    assert uploads.read(None) is None


@pytest.mark.parametrize("sent", ["/etc/passwd", {"path": "/etc/passwd"}, {"path": "../../../etc/passwd"}])
def test_nothing_but_uploads_is_read(send: Send, sent: object) -> None:
    send(b"so that the folder exists")
    with pytest.raises(UserError, match="Only uploaded files"):
        uploads.read(sent)


def test_a_link_out_of_the_folder_is_not_followed(send: Send, tmp_path: Path) -> None:
    secret, link = tmp_path / "secret", Path(send(b"")["path"]).with_name("link.png")
    secret.write_bytes(b"secret")
    link.symlink_to(secret)
    with pytest.raises(UserError, match="Only uploaded files"):
        uploads.read({"path": str(link)})


@pytest.mark.parametrize("sent", [5, [], {}, "", {"path": None}, {"path": 3}, {"path": "a\0b"}, True])
@pytest.mark.usefixtures("send")
def test_what_is_no_upload_is_refused_in_a_sentence(sent: object) -> None:
    with pytest.raises(UserError, match="no uploaded file"):
        uploads.read(sent)


def test_an_upload_that_was_deleted_is_asked_for_again(send: Send) -> None:
    sent = send(b"content")
    Path(sent["path"]).unlink()
    with pytest.raises(UserError, match="upload it again"):
        uploads.read(sent)


def test_a_file_over_the_limit_is_refused(send: Send) -> None:
    sent = send(b"")
    with Path(sent["path"]).open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    with pytest.raises(UserError, match="more than 20 MB"):
        uploads.read(sent)


def test_a_zip_is_replaced_by_its_members_and_nothing_is_written(send: Send, tmp_path: Path) -> None:
    archive = packed({"a.jpg": b"a", "../../b.jpg": b"b", "/c.jpg": b"c", "d/e.jpg": b"e"})
    sent = [send(archive, "images.zip"), send(b"f", "f.jpg")]
    before = sorted(tmp_path.rglob("*"))
    files = uploads.read_all(sent)
    assert [file.content for file in files] == [b"a", b"b", b"c", b"e", b"f"]
    assert files[3].name == "d/e.jpg"
    assert sorted(tmp_path.rglob("*")) == before


def test_what_file_managers_leave_in_a_zip_is_skipped(send: Send) -> None:
    archive = packed({"__MACOSX/._a.jpg": b"x", ".DS_Store": b"x", "folder/": b"", "a.jpg": b"a"})
    assert [file.name for file in uploads.read_all([send(archive)])] == ["a.jpg"]


def test_an_archive_in_an_archive_is_not_unpacked(send: Send) -> None:
    inner = packed({"a.jpg": b"a"})
    (file,) = uploads.read_all([send(packed({"inner.zip": inner}))])
    assert file.content == inner


def test_a_bomb_is_refused_before_it_is_unpacked(send: Send) -> None:
    bomb = packed({"a.bmp": bytes(10_000_000)}, zipfile.ZIP_DEFLATED)
    with pytest.raises(UserError, match="times its packed size"):
        uploads.read_all([send(bomb)])


def test_a_size_that_lies_does_not_lead_to_more_being_read(send: Send) -> None:
    """The headers say ten bytes, the data inflates to ten million."""
    bomb = bytearray(packed({"a.bmp": bytes(10_000_000)}, zipfile.ZIP_DEFLATED))
    true, lie = struct.pack("<I", 10_000_000), struct.pack("<I", 10)
    assert bomb.count(true) == 2
    with pytest.raises(UserError, match="encrypted or damaged"):
        uploads.read_all([send(bytes(bomb).replace(true, lie))])


def test_a_batch_of_too_many_files_is_refused(send: Send) -> None:
    archive = packed({f"{number}.jpg": b"" for number in range(uploads.MAX_FILES + 1)})
    with pytest.raises(UserError, match="at most 500 images"):
        uploads.read_all([send(archive)])


def test_a_batch_of_too_many_bytes_is_refused(send: Send) -> None:
    large = send(bytes(15_000_000))
    with pytest.raises(UserError, match="200 MB in all"):
        uploads.read_all([large] * 14)


def test_uncommon_compression_is_refused_because_it_may_claim_gigabytes(send: Send) -> None:
    with pytest.raises(UserError, match="ordinary ZIP"):
        uploads.read_all([send(packed({"a.jpg": b"a" * 100}, zipfile.ZIP_LZMA))])


def test_an_encrypted_zip_is_refused(send: Send) -> None:
    archive = bytearray(packed({"a.jpg": b"content"}))
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        archive[archive.index(signature) + offset] |= 1
    with pytest.raises(UserError, match="without a password"):
        uploads.read_all([send(bytes(archive))])


def test_a_single_upload_is_no_list(send: Send) -> None:
    with pytest.raises(UserError, match="list of uploads"):
        uploads.read_all(send(b"a"))
    assert uploads.read_all(None) == []
