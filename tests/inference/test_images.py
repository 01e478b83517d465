import numpy as np
import pytest
from PIL import Image

from kfer.inference import images
from kfer.inference.images import ImageError


def test_a_picture_in_which_no_face_can_be_seen_is_refused(tmp_path):
    with pytest.raises(ImageError, match=r"^the picture has 7 x 20 pixels; a face needs 8"):
        images.read(Image.new("RGB", (7, 20)))
    Image.new("RGB", (20, 7)).save(tmp_path / "small.png")
    with pytest.raises(ImageError, match=r"small\.png has 20 x 7 pixels; a face needs 8"):
        images.read(tmp_path / "small.png")


def write_pictures(folder, count):
    paths = [folder / f"{number}.png" for number in range(count)]
    for number, path in enumerate(paths):
        Image.new("L", (10, 10), number).save(path)
    return paths


def test_batches_name_what_cannot_be_read(tmp_path):
    paths = write_pictures(tmp_path, 5)
    paths[1].write_bytes(b"no picture")
    batches = list(images.read_batches(paths, 2))
    assert [list(found) for found, _ in batches] == [paths[:1], paths[2:4], paths[4:]]
    assert [list(reasons) for _, reasons in batches] == [[paths[1]], [], []]
    assert "1.png is no picture" in batches[0][1][paths[1]]
    np.testing.assert_array_equal(batches[1][0][paths[2]], np.full((10, 10, 3), 2))


def test_batches_of_big_pictures_are_smaller(tmp_path, monkeypatch):
    monkeypatch.setattr(images, "_PIXELS_AT_ONCE", 250)
    paths = write_pictures(tmp_path, 5)
    assert [len(found) for found, _ in images.read_batches(paths, 16)] == [3, 2]
