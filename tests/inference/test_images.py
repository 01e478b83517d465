"""Every kind of picture that comes from outside, and what is none."""

import io

import numpy as np
import pytest
from PIL import Image

from kfer.inference import images
from kfer.inference.images import ImageError

RED, GREEN = (250, 10, 20), (10, 200, 30)


def halves(mode="RGB", size=(40, 30)) -> Image.Image:
    """Red on the left, green on the right."""
    picture = Image.new("RGB", size, RED)
    picture.paste(GREEN, (size[0] // 2, 0, *size))
    return picture.convert(mode)


def encoded(picture: Image.Image, kind: str, **settings) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, **settings)
    return file.getvalue()


def assert_halves(pixels: np.ndarray, tolerance: int = 12) -> None:
    assert pixels.dtype == np.uint8 and pixels.shape == (30, 40, 3) and pixels.flags.c_contiguous
    np.testing.assert_allclose(pixels[15, 5].astype(int), RED, atol=tolerance)
    np.testing.assert_allclose(pixels[15, 35].astype(int), GREEN, atol=tolerance)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "BMP", "GIF", "TIFF", "WEBP", "PPM"])
def test_formats(kind, tmp_path):
    content = encoded(halves(), kind)
    assert_halves(images.read(content), tolerance=60 if kind == "GIF" else 12)
    path = tmp_path / "picture.anything"
    path.write_bytes(content)
    np.testing.assert_array_equal(images.read(path), images.read(content))
    np.testing.assert_array_equal(images.read(str(path)), images.read(content))


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P", "CMYK", "YCbCr", "HSV", "LAB"])
def test_modes_become_rgb(mode):
    # Lab has the colours of another light.
    if mode == "LAB":
        picture = Image.merge("LAB", [halves("L")] * 3)
        assert images.read(picture).shape == (30, 40, 3)
        return
    assert_halves(images.read(halves(mode)), tolerance=60)


def test_cmyk_in_a_jpeg():
    assert_halves(images.read(encoded(halves("CMYK"), "JPEG")))


@pytest.mark.parametrize("mode", ["L", "1", "LA", "I;16", "I", "F"])
def test_grey_becomes_rgb(mode):
    grey = np.linspace(0, 255, 40).astype(np.uint8)[None].repeat(30, 0)
    if mode in ("I;16", "I", "F"):
        wide = grey.astype(np.uint16) * 257
        types = {"I;16": np.uint16, "I": np.int32, "F": np.float32}
        picture = Image.fromarray(wide.astype(types[mode]))
        assert picture.mode == mode
    else:
        picture = Image.fromarray(grey).convert(mode)
    pixels = images.read(picture)
    assert pixels.shape == (30, 40, 3)
    assert (pixels == pixels[..., :1]).all()
    assert pixels[:, 0].max() < 30 and pixels[:, -1].min() > 225


def test_sixteen_bits_in_a_file():
    values = np.array([[0, 128, 65535]], np.uint16).repeat(30, 0).repeat(10, 1)
    pixels = images.read(encoded(Image.fromarray(values), "PNG"))
    assert sorted(np.unique(pixels)) == [0, 255]


def test_what_is_transparent_is_white():
    picture = halves("RGBA")
    picture.putalpha(Image.fromarray(np.full((30, 40), 0, np.uint8)))
    assert (images.read(picture) == 255).all()
    palette = halves("P")
    palette.info["transparency"] = palette.getpixel((0, 0))
    pixels = images.read(encoded(palette, "PNG", transparency=palette.getpixel((0, 0))))
    assert (pixels[15, 5] == 255).all() and not (pixels[15, 35] == 255).all()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_obeyed(orientation):
    # What a camera that was held so stores, for the same scene.
    stored = {
        1: None,
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }[orientation]
    picture = halves() if stored is None else halves().transpose(stored)
    exif = Image.Exif()
    exif[0x0112] = orientation
    assert_halves(images.read(encoded(picture, "JPEG", exif=exif)))


def test_of_what_moves_the_first_picture_is_taken():
    later = [Image.new("RGB", (40, 30), "blue")] * 2
    for kind in ("GIF", "WEBP", "PNG"):
        content = encoded(halves(), kind, save_all=True, append_images=later)
        assert_halves(images.read(content), tolerance=60)


@pytest.mark.parametrize(
    "shape", [(30, 40), (30, 40, 1), (30, 40, 3), (30, 40, 4)], ids=["grey", "one", "rgb", "rgba"]
)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_pixels(shape, dtype):
    pixels = images.read(np.full(shape, np.iinfo(dtype).max, dtype))
    assert pixels.shape == (30, 40, 3) and (pixels == 255).all()


@pytest.mark.parametrize(
    "pixels",
    [
        np.zeros((30, 40, 3), np.float32),
        np.zeros((30, 40, 2), np.uint8),
        np.zeros((2, 30, 40, 3), np.uint8),
        np.zeros(40, np.uint8),
        np.zeros((30, 40, 3), bool),
    ],
    ids=["float", "two channels", "batch", "row", "bool"],
)
def test_other_arrays_are_refused(pixels):
    with pytest.raises(ImageError, match=r"the array: pixels must be uint8 or uint16.*; got"):
        images.read(pixels)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is empty"),
        (b"It was a dark and stormy night.\n" * 9, "is no picture of a format"),
        (b"\xff\xd8\xff\xe0", "is (no picture|damaged)"),
        (encoded(halves(), "PNG")[:60], "is damaged"),
        (encoded(halves(size=(400, 300)), "JPEG")[:900], "is damaged"),
    ],
    ids=["empty", "text", "head", "cut PNG", "cut JPEG"],
)
def test_what_is_no_picture_is_refused(content, reason, tmp_path):
    path = tmp_path / "holiday.jpg"
    path.write_bytes(content)
    with pytest.raises(ImageError, match=rf"holiday\.jpg {reason}"):
        images.read(path)


def test_sizes_are_bounded(monkeypatch):
    with pytest.raises(ImageError, match="has 7 x 20 pixels; a face needs 8"):
        images.read(Image.new("RGB", (7, 20)))
    # A small file of many pixels is refused before it is decoded.
    bombs = {side: encoded(Image.new("1", (side, 13_000)), "PNG") for side in (13_000, 20_000)}
    assert max(map(len, bombs.values())) < 100_000
    monkeypatch.setattr(Image.Image, "load", lambda self: pytest.fail("it was decoded"))
    with pytest.raises(
        ImageError, match=r"^small\.png has 13000 x 13000 pixels, more than the 150,000,000"
    ):
        images.read(bombs[13_000], name="small.png")
    with pytest.raises(ImageError, match=r"^large\.png has more than the 150,000,000 pixels"):
        images.read(bombs[20_000], name="large.png")


def test_what_is_not_there_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nobody\.jpg"):
        images.read(tmp_path / "nobody.jpg")
    with pytest.raises(ImageError, match="is a folder, not a picture"):
        images.read(tmp_path)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "TIFF", "WEBP", "BMP"])
def test_damage_is_an_error_or_a_picture(kind):
    whole = bytearray(encoded(halves(), kind))
    random = np.random.default_rng(0)
    for _ in range(150):
        broken = bytearray(whole)
        for place in random.integers(0, len(broken), random.integers(1, 6)):
            broken[place] = random.integers(0, 256)
        if random.random() < 0.3:
            broken = broken[: random.integers(0, len(broken))]
        try:
            pixels = images.read(bytes(broken))
        except ImageError as error:
            assert str(error).startswith("the bytes ")
        else:
            assert pixels.dtype == np.uint8 and pixels.shape[2] == 3
