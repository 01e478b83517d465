import io

import numpy as np
from PIL import Image

from kfer.input_pipeline.stored import Storing
from kfer.media import pictures


def encoded(kind: str, level: int = 90) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (12, 10), (level, 20, 30)).save(file, kind)
    return file.getvalue()


def test_pictures_are_stored_as_every_decoder_sees_them(caplog):
    storing = Storing("faces/train")
    png, tiff = encoded("PNG"), encoded("TIFF")
    assert storing.picture(png, "a.png") is png
    stored = storing.picture(tiff, "a.tif")
    assert stored.startswith(b"\x89PNG")
    np.testing.assert_array_equal(pictures.read(stored), pictures.read(tiff))
    storing.tell()
    assert not caplog.records


def test_what_cannot_be_read_is_named_and_counted(caplog):
    storing = Storing("faces/train")
    assert {storing.picture(b"%!PS", f"{number}.jpg") for number in range(7)} == {b"unreadable"}
    storing.tell()
    messages = [record.getMessage() for record in caplog.records]
    assert len(messages) == 6
    assert messages[0].startswith("faces/train: 0.jpg is no picture of a format that is read")
    assert messages[-1] == "faces/train: 7 pictures cannot be read"


def test_frames_that_repeat_are_read_once(monkeypatch):
    webp, jpeg = encoded("WEBP"), encoded("JPEG")
    asked = []
    as_stored = pictures.as_stored
    monkeypatch.setattr(
        pictures, "as_stored", lambda content, name: asked.append(name) or as_stored(content, name)
    )
    found = Storing("clips").frames([webp, webp, jpeg, webp, b"?"], "clip.mp4")
    assert found[0] == found[1] == found[3] != webp
    assert found[2] == jpeg and found[4] == b"unreadable"
    assert asked == [f"frame {number} of clip.mp4" for number in (0, 2, 4)]
