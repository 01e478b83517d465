import dataclasses
import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest

from kfer.inference.gallery import Gallery, GalleryError
from kfer.inference.gallery import file as file_module

SIZE = 8


@pytest.fixture
def path(tmp_path) -> Path:
    gallery = Gallery("m", SIZE)
    generator = np.random.default_rng(0)
    for name in ("Ada", "Grace", "Zoë"):
        gallery.enroll(name, generator.standard_normal((5, SIZE)))
    gallery.save(tmp_path / "people")
    return tmp_path / "people"


def refused(path: Path, content: bytes, message: str = "damaged") -> None:
    path.write_bytes(content)
    with pytest.raises(GalleryError, match=message):
        Gallery.load(path)


def test_any_changed_byte_is_noticed(path):
    whole = path.read_bytes()
    for place in range(len(whole)):
        changed = bytearray(whole)
        changed[place] ^= 1 << place % 8
        refused(path, bytes(changed))
    path.write_bytes(whole)
    assert Gallery.load(path).names == ("Ada", "Grace", "Zoë")


def test_damage_is_noticed_in_every_block(path, monkeypatch):
    monkeypatch.setattr(file_module, "_BLOCK", 64)
    gallery = Gallery("m", SIZE)
    gallery.enroll("Ada", np.random.default_rng(1).standard_normal((50, SIZE)))
    gallery.save(path)
    whole = path.read_bytes()
    assert Gallery.load(path).templates == {"Ada": 50}
    for place in range(0, len(whole), 13):
        changed = bytearray(whole)
        changed[place] ^= 255
        refused(path, bytes(changed))
    # Two blocks that changed places have each the right checksum, but not in this order.
    refused(path, whole[:512] + whole[576:640] + whole[512:576] + whole[640:])


def test_any_cut_is_noticed(path):
    whole = path.read_bytes()
    for length in range(0, len(whole), 3):
        refused(path, whole[:length])
    refused(path, whole[:-1])


@pytest.mark.parametrize("more", [b"\0", b"\0" * 4, b"\0" * 64, b"x" * 5000])
def test_appended_bytes_are_noticed(path, more):
    refused(path, path.read_bytes() + more)
    refused(path, more + path.read_bytes())


def test_other_files_are_refused(path):
    whole = path.read_bytes()
    refused(path, b"PK\3\4" * 100, "is no gallery of kfer")
    refused(path, whole[:8] + struct.pack("<I", 2) + whole[12:], "version 2, this kfer reads 1: a newer")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b'"Grace"', b'"Ada"  '),
        (b'"Grace"', b"1234567"),
        (b'["Ada"', b'{"Ada"'),
        (b', "Zo\xc3\xab"', b"        "),
        (b'"model"', b'"Model"'),
    ],
)
def test_contents_that_contradict_one_another_are_refused(path, before, after):
    changed = path.read_bytes().replace(before, after)
    # One block: its checksum is the last four bytes.
    changed = changed[:-4] + struct.pack("<I", zlib.crc32(changed[:-4]))
    refused(path, changed, "was not written by kfer")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda found: {"owners": found.owners + 1}, "a template is nobody's"),
        (lambda found: {"owners": np.minimum(found.owners, 1)}, "somebody has no template"),
        (lambda found: {"embeddings": found.embeddings * 2}, "an embedding is not of length 1"),
        (lambda found: {"embeddings": found.embeddings * np.float32("nan")}, "not of length 1"),
        (lambda found: {"rows": np.array([3], np.int32)}, "its index is of other templates"),
        (lambda found: {"names": ["Ada", "Grace", "Zoe\u0308"]}, "not in Unicode's composed form"),
        (lambda found: {"names": ["Ada", "Gr\x1bce", "Zoe"]}, "control characters"),
        (lambda found: {"names": ["Ada", " ", "Zoe"]}, "at least one visible character"),
        (lambda found: {"names": ["Ada", "Ada", "Zoe"]}, "a name is there twice"),
        (lambda found: {"model": "m\nn"}, "no fingerprint of one line"),
    ],
)
def test_contents_that_nobody_enrols_are_refused(path, change, words):
    found = file_module.read(path)
    file_module.write(path, dataclasses.replace(found, **change(found)))
    with pytest.raises(
        GalleryError, match=rf"people was not written by kfer \(.*{words}.*\): restore it"
    ):
        Gallery.load(path)


def test_a_large_file_is_mapped_and_says_the_same(path, monkeypatch):
    expected = Gallery.load(path).identify(np.ones(SIZE))
    monkeypatch.setattr(file_module, "_LARGEST_READ", 0)
    assert Gallery.load(path).identify(np.ones(SIZE)) == expected


@pytest.mark.parametrize("largest_read", [0, 2**28])
def test_a_graph_is_never_mapped(path, monkeypatch, largest_read):
    found = file_module.read(path)
    graph = memoryview(bytes(range(256)))
    file_module.write(path, dataclasses.replace(found, graph=graph))
    monkeypatch.setattr(file_module, "_LARGEST_READ", largest_read)
    read = file_module.read(path).graph
    content = path.read_bytes()
    with path.open("r+b") as file:  # another process writes into the file
        file.seek(content.index(graph))
        file.write(bytes(256))
    assert read == graph
    assert np.frombuffer(read, np.uint8).ctypes.data % 64 == 0


def test_what_others_cut_short_later_was_read_already(path):
    gallery = Gallery.load(path)
    expected = gallery.identify(np.ones(SIZE))
    os.truncate(path, 0)
    assert gallery.identify(np.ones(SIZE)) == expected


def test_a_pipe_is_not_opened(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for place in (tmp_path, tmp_path / "pipe"):
        with pytest.raises(GalleryError, match="is no gallery of kfer, but a folder, a pipe or a device"):
            Gallery.load(place)


def test_the_header_is_as_it_is_described(path):
    content = path.read_bytes()
    magic, version, size, metadata, templates, keys, graph, checksums = struct.unpack_from(
        "<8sII5Q", content
    )
    assert (magic, version, size, templates, keys, graph, checksums) == (
        b"KFERGLRY",
        1,
        SIZE,
        15,
        0,
        0,
        1,
    )
    assert content[64 : 64 + metadata].decode() == '{"model": "m", "names": ["Ada", "Grace", "Zoë"]}'
    owners = np.frombuffer(content, "<i4", 15, 128)
    assert owners.tolist() == [0] * 5 + [1] * 5 + [2] * 5
    embeddings = np.frombuffer(content, "<f4", 15 * SIZE, 192)
    np.testing.assert_allclose((embeddings.reshape(15, SIZE) ** 2).sum(axis=1), 1, rtol=1e-6)


def test_a_save_that_fails_leaves_what_was_there(path, monkeypatch):
    before = path.read_bytes()

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    gallery = Gallery.load(path)
    gallery.remove("Ada")
    with pytest.raises(OSError, match=r"the disk is full: .*people cannot be written"):
        gallery.save(path)
    assert path.read_bytes() == before
    assert not list(path.parent.glob(".kfer-*"))
