import bz2
import errno
import gzip
import io
import lzma
import os
import struct
import tarfile
import zipfile
import zlib
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from kfer.datasets import archives
from kfer.files import DamagedError
from kfer.listing import LeftOut, Reason

ADVICE = "Get it from example.org and put it here."
# Random, so that neither format can compress it away.
CONTENT = np.random.default_rng(0).bytes(5000)
FILES = {"a/1.jpg": CONTENT, "a/2.JPG": b"two", "b/notes.txt": b"three"}


def write_zip(path: Path, files: dict[str, bytes] = FILES) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def write_tar(path: Path, files: dict[str, bytes] = FILES) -> Path:
    with tarfile.open(path, "w:gz" if path.suffix == ".tgz" else "w") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def write_folder(path: Path, files: dict[str, bytes] = FILES) -> Path:
    for name, content in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(content)
    return path


WRITERS = [("x.zip", write_zip), ("x.tgz", write_tar), ("x.tar", write_tar), ("x", write_folder)]
ARCHIVE_WRITERS = WRITERS[:3]


@pytest.mark.parametrize(("name", "write"), WRITERS)
def test_every_source_gives_the_same_files(tmp_path, name, write):
    source = write(tmp_path / name, FILES | {".DS_Store": b"x", "__MACOSX/a/._1.jpg": b"x"})
    assert archives.list_files(source, ADVICE) == list(FILES)
    read = dict(archives.read_files(source, archives.is_image, ADVICE))
    assert read == {"a/1.jpg": CONTENT, "a/2.JPG": b"two"}


@pytest.mark.parametrize(("name", "write"), WRITERS)
def test_hidden_files_of_every_source_are_left_out(tmp_path, name, write):
    hidden = ("a/.ipynb_checkpoints/1.jpg", "@eaDir/1.jpg", "a/Thumbs.db", "$RECYCLE.BIN/1.jpg")
    source = write(tmp_path / name, FILES | dict.fromkeys(hidden, b"x"))
    assert archives.list_files(source, ADVICE) == list(FILES)


def test_names_of_a_zip_in_other_encodings(tmp_path):
    """As macOS writes them, UTF-8 without the flag; as old programs do, in that of DOS; backslashes."""
    path = write_zip(tmp_path / "x.zip", {"a/Jos__.jpg": b"1", "b/caf_.jpg": b"2", "c\\d\\1.jpg": b"3"})
    content = path.read_bytes().replace(b"Jos__", "Jos\u00e9".encode()).replace(b"caf_", b"caf\x82")
    path.write_bytes(content)
    found = ["a/Jos\u00e9.jpg", "b/caf\u00e9.jpg", "c/d/1.jpg"]
    assert archives.list_files(path, ADVICE) == found
    assert dict(archives.read_files(path, lambda _: True, ADVICE)) == dict(
        zip(found, (b"1", b"2", b"3"), strict=True)
    )


@pytest.mark.parametrize(("name", "write"), WRITERS[1:])
def test_a_name_that_is_not_utf8_is_left_out_and_named(tmp_path, caplog, name, write):
    source = write(tmp_path / name, FILES | {os.fsdecode(b"a/caf\xe9.jpg"): b"x"})
    assert archives.list_files(source, ADVICE) == list(FILES)
    assert rf"Left out of {source}: 1 with a name that is not UTF-8 (a/caf\xe9.jpg)" in caplog.text


@pytest.mark.parametrize(("name", "write"), WRITERS)
def test_images_without_empty_ones(tmp_path, name, write):
    source = write(tmp_path / name, FILES | {"a/3.png": b"", "a/4.AVIF": b"x", "labels.csv": b"x"})
    left_out = LeftOut()
    assert archives.list_images(source, ADVICE, left_out, "labels.csv") == ["a/1.jpg", "a/2.JPG"]
    found = {(name, reason, ending) for name, reason, ending in left_out.named()}
    assert found == {
        ("a/3.png", Reason.EMPTY, ""),
        ("a/4.AVIF", Reason.UNREAD_FORMAT, ".avif"),
        ("b/notes.txt", Reason.OTHER_ENDING, ".txt"),
    }


@pytest.mark.parametrize(("name", "write"), WRITERS)
def test_one_file_has_a_path(tmp_path, name, write):
    source = write(tmp_path / name)
    with archives.file_in(source, "a/1.jpg", ADVICE) as path:
        assert path.name == "1.jpg" and path.read_bytes() == CONTENT
    assert path.exists() == source.is_dir()


@pytest.mark.parametrize(("name", "write"), ARCHIVE_WRITERS)
def test_one_file_that_is_not_there(tmp_path, name, write):
    source = write(tmp_path / name)
    with (
        pytest.raises(FileNotFoundError, match=rf"{name} has no a/3\.jpg\. Get it from"),
        archives.file_in(source, "a/3.jpg", ADVICE),
    ):
        pass


@pytest.mark.parametrize(("name", "write"), ARCHIVE_WRITERS)
@pytest.mark.parametrize("kept", [0.0, 0.5, 0.9])
def test_truncated_archive_is_told_with_advice(tmp_path, name, write, kept):
    source = write(tmp_path / name)
    source.write_bytes(source.read_bytes()[: int(kept * 5000)])
    with pytest.raises(ValueError, match=rf"{name}(, a/1\.jpg)? is damaged \(.*\): Get it from"):
        list(archives.read_files(source, lambda _: True, ADVICE))


def test_changed_byte_in_a_zip_is_told(tmp_path):
    source = write_zip(tmp_path / "x.zip")
    data = bytearray(source.read_bytes())
    data[1000] ^= 0xFF
    source.write_bytes(data)
    with pytest.raises(ValueError, match=r"x\.zip, a/1\.jpg is damaged \(.*CRC"):
        list(archives.read_files(source, lambda _: True, ADVICE))


@pytest.mark.parametrize(("name", "write"), ARCHIVE_WRITERS)
@pytest.mark.parametrize(
    "entry", ["../x.jpg", "a/../../x.jpg", "/etc/x.jpg", "..\\x.jpg", "C:\\x.jpg", "C:/x.jpg"]
)
def test_entry_outside_the_archive_is_refused(tmp_path, name, write, entry):
    source = write(tmp_path / name, {entry: b"x"})
    with pytest.raises(ValueError, match=r"outside the archive's own folder\. Refused"):
        archives.list_files(source, ADVICE)


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE])
def test_link_or_device_in_a_tar_is_refused(tmp_path, kind):
    with tarfile.open(tmp_path / "x.tar", "w") as archive:
        info = tarfile.TarInfo("a/1.jpg")
        info.type = kind
        info.linkname = "/etc/passwd"
        archive.addfile(info)
    with pytest.raises(ValueError, match=r"'a/1\.jpg', a link or device\. Refused"):
        archives.list_files(tmp_path / "x.tar", ADVICE)


def test_link_in_a_zip_is_refused(tmp_path):
    info = zipfile.ZipInfo("a/1.jpg")
    info.external_attr = 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr(info, "/etc/passwd")
    with pytest.raises(ValueError, match=r"'a/1\.jpg', a link or device\. Refused"):
        archives.list_files(tmp_path / "x.zip", ADVICE)


def test_find_prefers_the_first_name(tmp_path):
    write_folder(tmp_path, {"second": b"", "third": b""})
    assert archives.find(tmp_path, ("first", "second", "third"), ADVICE) == tmp_path / "second"


def test_find_tells_what_is_missing_and_where_to_get_it(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"has no x\.zip or x\.csv\. Get it from"):
        archives.find(tmp_path, ("x.zip", "x.csv"), ADVICE)


def test_dataset_folder_may_be_the_download_folder_itself(tmp_path):
    assert archives.dataset_folder(tmp_path, "orl_faces") == tmp_path
    (tmp_path / "orl_faces").mkdir()
    assert archives.dataset_folder(tmp_path, "orl_faces") == tmp_path / "orl_faces"


MEGABYTE = 2**20
PACKERS = {"gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress}


def tar_bytes(files: dict[str, bytes] = FILES, pax_headers: dict[str, str] | None = None) -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, part in files.items():
            info = tarfile.TarInfo(name)
            info.size, info.pax_headers = len(part), pax_headers or {}
            archive.addfile(info, io.BytesIO(part))
    return content.getvalue()


def in_zip_headers(path: Path, local: int, central: int, number: str, value: int) -> Path:
    """Writes a number into the headers of all entries."""
    content = bytearray(path.read_bytes())
    for mark, place in ((b"PK\x03\x04", local), (b"PK\x01\x02", central)):
        at = content.find(mark)
        while at >= 0:
            struct.pack_into(number, content, at + place, value)
            at = content.find(mark, at + 4)
    path.write_bytes(content)
    return path


def refused(source: Path, words: str) -> None:
    """Checks that reading all of a source fails, and that the message names it."""
    with pytest.raises(DamagedError, match=words) as raised:
        list(archives.read_files(source, lambda _: True, ADVICE))
    assert source.name in str(raised.value)


@pytest.mark.parametrize("ending", PACKERS)
def test_tars_of_every_compression_are_read(tmp_path, ending):
    source = tmp_path / f"x.tar.{ending}"
    source.write_bytes(PACKERS[ending](tar_bytes()))
    assert dict(archives.read_files(source, lambda _: True, ADVICE)) == FILES
    # Two streams, one after the other, with zeros between, are one file.
    if ending == "xz":
        half = len(tar_bytes()) // 2
        source.write_bytes(
            b"".join(lzma.compress(p) + bytes(8) for p in (tar_bytes()[:half], tar_bytes()[half:]))
        )
        assert dict(archives.read_files(source, lambda _: True, ADVICE)) == FILES


@pytest.mark.parametrize("ending", ["", *PACKERS])
def test_a_tar_that_is_cut_anywhere_is_told(tmp_path, ending):
    whole = PACKERS.get(ending, bytes)(tar_bytes({f"{n}.jpg": b"x" for n in range(3)}))
    source = tmp_path / "x.tar"
    # A tar's end is padded with zeros, of which two blocks are enough.
    last = len(whole) if ending else 3 * 1024 + 1
    for end in range(1, last, 1 if ending else 128):
        source.write_bytes(whole[:end])
        refused(source, "is damaged")


def test_a_tar_with_a_damaged_header_is_told(tmp_path):
    content = bytearray(tar_bytes({f"{n}.jpg": b"x" for n in range(3)}))
    content[1024 + 5] ^= 1
    (tmp_path / "x.tar").write_bytes(content)
    refused(tmp_path / "x.tar", "a header is damaged")


@pytest.mark.parametrize("ending", ["zip", "tar", *PACKERS])
def test_a_file_above_the_limit_is_refused_and_the_limit_is_a_setting(tmp_path, monkeypatch, ending):
    source, files = tmp_path / f"x.{ending}", {"a.jpg": bytes(MEGABYTE + 1)}
    monkeypatch.setattr(archives, "_LARGEST_RATIO", 10_000_000)
    monkeypatch.setenv(archives.LIMIT, "1")
    if ending == "zip":
        with zipfile.ZipFile(source, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("a.jpg", files["a.jpg"])
    else:
        source.write_bytes(PACKERS.get(ending, bytes)(tar_bytes(files)))
    refused(
        source, r"'a\.jpg' of 1,048,577 bytes or more; at most 1,048,576 .* KFER_ARCHIVE_LIMIT_MB to more"
    )
    with archives.file_in(source, "a.jpg", ADVICE) as copy:
        assert copy.stat().st_size == MEGABYTE + 1
    monkeypatch.setenv(archives.LIMIT, "2")
    assert dict(archives.read_files(source, lambda _: True, ADVICE)) == files


@pytest.mark.parametrize("text", ["0", "-1", "nan", "1e3", "9" * 20, "\u0661"])
def test_a_limit_that_is_none_is_told(tmp_path, monkeypatch, text):
    monkeypatch.setenv(archives.LIMIT, text)
    with pytest.raises(
        ValueError, match=r"^KFER_ARCHIVE_LIMIT_MB must be a number of megabytes in \[1, "
    ):
        list(archives.read_files(write_zip(tmp_path / "x.zip"), lambda _: True, ADVICE))


def test_an_entry_that_lies_about_its_size_is_read_no_further(tmp_path, monkeypatch):
    with zipfile.ZipFile(tmp_path / "x.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.jpg", bytes(4 * MEGABYTE))
    in_zip_headers(tmp_path / "x.zip", 22, 24, "<I", 100)
    monkeypatch.setattr(archives, "_CHUNK", 10)
    refused(tmp_path / "x.zip", r"x\.zip, a\.jpg is damaged")


@pytest.mark.parametrize("ending", ["zip", *PACKERS])
def test_an_archive_of_many_small_bombs_is_refused(tmp_path, monkeypatch, ending):
    monkeypatch.setenv(archives.LIMIT, "1")
    files, source = {f"{n}.jpg": bytes(MEGABYTE // 2) for n in range(30)}, tmp_path / f"x.{ending}"
    if ending == "zip":
        with zipfile.ZipFile(source, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in files.items():
                archive.writestr(name, content)
    else:
        source.write_bytes(PACKERS[ending](tar_bytes(files)))
    refused(source, "it unpacks to .* more than|it unpacks to more than")


def test_a_tar_of_entries_without_content_is_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr("kfer.datasets.tars._FREE_FILES", 10)
    monkeypatch.setattr(archives, "_LARGEST_RATIO", 10_000_000)
    (tmp_path / "x.tgz").write_bytes(gzip.compress(tar_bytes({f"{n}.jpg": b"" for n in range(1000)})))
    refused(tmp_path / "x.tgz", "has more than .* entries in .* bytes")


def test_a_huge_header_of_a_tar_is_refused(tmp_path):
    for name, content in {
        "long": tar_bytes({"x": b""}, {"comment": "x" * 2 * MEGABYTE}),
        "digits": tar_bytes({"x": b""}, {"comment": "1" * 1000}),
        "sparse": tar_bytes({"x": b""}, {"GNU.sparse.major": "1", "GNU.sparse.minor": "0"}),
        "backwards": tar_bytes({"x": b"1"}, {"size": "-2000"}),
    }.items():
        (tmp_path / name).write_bytes(content)
        refused(tmp_path / name, f"{name} is damaged")


def test_xz_has_bounded_memory(tmp_path):
    packer = lzma.LZMACompressor(filters=[{"id": lzma.FILTER_LZMA2, "dict_size": 2**12}])
    content = bytearray(packer.compress(tar_bytes()) + packer.flush())
    # The byte of the dictionary's size in the block's header, and the header's checksum.
    assert content[12:16] == bytes((2, 0, 0x21, 1))
    content[16] = 36  # 1 GiB
    content[20:24] = struct.pack("<I", zlib.crc32(content[12:20]))
    (tmp_path / "x.tar.xz").write_bytes(content)
    refused(tmp_path / "x.tar.xz", "Memory usage limit")


def test_a_password_is_told(tmp_path):
    source = in_zip_headers(write_zip(tmp_path / "x.zip"), 6, 8, "<H", 1)
    refused(source, r"x\.zip, a/1\.jpg is damaged \(it has a password; unpack")


@pytest.mark.parametrize("method", [9, 12, 14, 93, 97])
def test_a_method_that_cannot_be_bounded_is_told(tmp_path, method):
    source = in_zip_headers(write_zip(tmp_path / "x.zip"), 8, 10, "<H", method)
    refused(source, rf"x\.zip, a/1\.jpg is damaged \(it is packed by the method {method}, ")


def test_the_same_name_twice_is_told(tmp_path):
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("a.jpg", "1")
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("a.jpg", "2")
    refused(tmp_path / "x.zip", r"has the file 'a\.jpg' twice")


def test_a_pipe_is_told(tmp_path):
    os.mkfifo(tmp_path / "x.zip")
    refused(tmp_path / "x.zip", "it is a device or a pipe")


def test_a_copy_that_the_disk_cannot_hold_is_told_before_it_is_written(tmp_path, monkeypatch):
    source = write_zip(tmp_path / "x.zip")
    monkeypatch.setattr(archives.shutil, "disk_usage", lambda _: SimpleNamespace(free=4999))
    with (
        pytest.raises(OSError, match=r"4,999 bytes free; a/1\.jpg of .* takes 5,000") as raised,
        archives.file_in(source, "a/1.jpg", ADVICE),
    ):
        pass
    assert raised.value.errno == errno.ENOSPC
