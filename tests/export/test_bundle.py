import zipfile
from pathlib import Path

import pytest

from kfer import export


@pytest.fixture
def pushed(tmp_path: Path) -> Path:
    folder = tmp_path / "faces" / "3"
    for name in (
        "int8.tflite",
        "model.json",
        "golden/input_0.bin",
        "variables/index",
        "assets/labels.txt",
    ):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(name.encode() * 100)
    (folder / "saved_model.pb").write_bytes(b"graph")
    return folder


def test_a_bundle_has_what_phones_need(pushed: Path, tmp_path: Path) -> None:
    export.write_bundle(pushed, tmp_path / "new" / "out.zip")
    with zipfile.ZipFile(tmp_path / "new" / "out.zip") as archive:
        assert archive.namelist() == [
            "faces-3/golden/input_0.bin",
            "faces-3/int8.tflite",
            "faces-3/model.json",
        ]
        assert archive.read("faces-3/int8.tflite") == b"int8.tflite" * 100
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["out.zip"]


def test_the_same_model_gives_the_same_bytes(pushed: Path, tmp_path: Path) -> None:
    export.write_bundle(pushed, tmp_path / "one.zip")
    (pushed / "model.json").touch()
    export.write_bundle(pushed, tmp_path / "two.zip")
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()


def test_a_bundle_is_never_replaced(pushed: Path, tmp_path: Path) -> None:
    (tmp_path / "out.zip").write_bytes(b"mine")
    with pytest.raises(FileExistsError, match=r"out\.zip exists; name another file, or delete it"):
        export.write_bundle(pushed, tmp_path / "out.zip")
    assert (tmp_path / "out.zip").read_bytes() == b"mine"
    with pytest.raises(ValueError, match=r"must end in \.zip; got .*out\.tar"):
        export.write_bundle(pushed, tmp_path / "out.tar")


def test_a_disk_without_room_leaves_nothing(
    pushed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(zipfile.ZipFile, "writestr", full)
    with pytest.raises(OSError, match=r"the disk is full: .*out\.zip"):
        export.write_bundle(pushed, tmp_path / "new" / "out.zip")
    assert not list((tmp_path / "new").iterdir())


def test_what_is_no_pushed_model_is_refused(pushed: Path, tmp_path: Path) -> None:
    (pushed / "model.json").unlink()
    with pytest.raises(FileNotFoundError, match="is no pushed model with TFLite files"):
        export.write_bundle(pushed, tmp_path / "out.zip")
