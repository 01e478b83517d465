import io
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest

from kfer.datasets import archives

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
    with pytest.raises(ValueError, match=f"{name} is damaged or incomplete .* Get it from"):
        list(archives.read_files(source, lambda _: True, ADVICE))


def test_changed_byte_in_a_zip_is_told(tmp_path):
    source = write_zip(tmp_path / "x.zip")
    data = bytearray(source.read_bytes())
    data[1000] ^= 0xFF
    source.write_bytes(data)
    with pytest.raises(ValueError, match=r"damaged or incomplete .*CRC"):
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
