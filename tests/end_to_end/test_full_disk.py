"""Every writer on a disk that is full, a small file system: one error, and nothing half written."""

import contextlib
import os
import shutil
import subprocess
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from kfer import files
from kfer.inference.drawing import save
from kfer.inference.gallery import Gallery
from kfer.pipeline.components.pusher import push
from kfer.pipeline.metadata import MetadataStore

KILOBYTES = 48
NOISE = np.random.default_rng(0).integers(0, 256, (400, 400, 3)).astype(np.uint8)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    if os.getuid() or not shutil.which("mount"):
        pytest.skip("a file system can be mounted by root alone")
    place = tmp_path / "disk"
    place.mkdir()
    typed = ["mount", "-t", "tmpfs", "-o", f"size={KILOBYTES}k", "tmpfs", str(place)]
    if subprocess.run(typed, capture_output=True).returncode:
        pytest.skip("no file system can be mounted here")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


def bundle(path: Path) -> None:
    with files.replacing(path) as new, zipfile.ZipFile(new, "w") as archive:
        archive.writestr("a", NOISE.tobytes())


def array(path: Path) -> None:
    with files.replacing(path) as new:
        np.save(new, NOISE)


def compressed(path: Path) -> None:
    with files.replacing(path) as new:
        np.savez(new, noise=NOISE)


def network(path: Path) -> None:
    model = keras.Sequential([keras.layers.Input((200,)), keras.layers.Dense(500)])
    with files.replacing(path) as new:
        model.save(new)


def saved_model(path: Path) -> None:
    module = tf.Module()
    module.weights = tf.Variable(NOISE.astype(np.float32))
    with files.replacing_folder(path) as new:
        tf.saved_model.save(module, str(new))


def tfrecords(path: Path) -> None:
    with files.replacing(path) as new, tf.io.TFRecordWriter(str(new)) as writer:
        for _ in range(4):
            writer.write(NOISE.tobytes())


def logs(path: Path) -> None:
    with files.replacing_folder(path) as new:
        writer = tf.summary.create_file_writer(str(new))
        with writer.as_default():
            for step in range(20):
                tf.summary.image("noise", NOISE[None], step)
            writer.flush()
        writer.close()
        files.check_room(new)


def chart(path: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure()
    figure.add_subplot().imshow(NOISE)
    with files.replacing(path) as new:
        figure.savefig(new, dpi=300)


def gallery(path: Path) -> None:
    with Gallery.edit(path, "m", 512) as people:
        people.enroll("Ada", np.random.default_rng(0).standard_normal((100, 512)))


def pushed(path: Path) -> None:
    model = path.parents[1] / "model"
    model.mkdir()
    (model / "model.json").write_bytes(NOISE.tobytes())
    push(model, path)


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("a.json", lambda path: files.write_json(path, {"a": NOISE.tolist()})),
        ("a.txt", lambda path: files.write_text(path, "a" * 200_000)),
        ("a.csv", lambda path: files.write_csv(path, [{"a": number} for number in range(50_000)])),
        ("a.png", lambda path: save(NOISE, path)),
        ("a.jpg", lambda path: save(NOISE, path)),
        ("a.tiff", lambda path: save(NOISE, path)),
        ("a.zip", bundle),
        ("a.npy", array),
        ("a.npz", compressed),
        ("a.keras", network),
        ("saved_model", saved_model),
        ("a.tfrecord", tfrecords),
        ("logs", logs),
        ("chart.png", chart),
        ("people.gallery", gallery),
        ("faces", pushed),
    ],
)
def test_a_full_disk_is_named_and_nothing_is_left(disk: Path, name: str, write: Callable[[Path], None]):
    with pytest.raises(
        files.DiskFullError, match=rf"^the disk is full: {disk}/{name}.* cannot be written"
    ):
        write(disk / name)
    left = {path.name for path in disk.rglob("*")} - {"people.gallery.lock", "faces"}
    assert not left
    with contextlib.suppress(FileNotFoundError):
        assert not any((disk / "faces").iterdir())


def test_what_was_there_stays(disk: Path):
    files.write_text(disk / "a.txt", "before")
    with pytest.raises(files.DiskFullError):
        files.write_text(disk / "a.txt", "a" * 200_000)
    assert (disk / "a.txt").read_text() == "before"


def test_not_a_byte_is_free(disk: Path):
    with contextlib.suppress(OSError):
        (disk / "ballast").write_bytes(bytes(1024 * KILOBYTES))
    with pytest.raises(files.DiskFullError, match=rf"^the disk is full: {disk}/a\.txt"):
        files.write_text(disk / "a.txt", "a")
    with pytest.raises(OSError, match="disk is full"):
        MetadataStore(disk)
    assert {path.name for path in disk.iterdir()} <= {"ballast", "metadata.sqlite"}
