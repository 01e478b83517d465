"""Every kind of picture that comes from outside, and what is none."""

import io
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from kfer.media import pictures
from kfer.media.pictures import ImageError

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
    assert_halves(pictures.read(content), tolerance=60 if kind == "GIF" else 12)
    path = tmp_path / "picture.anything"
    path.write_bytes(content)
    np.testing.assert_array_equal(pictures.read(path), pictures.read(content))
    np.testing.assert_array_equal(pictures.read(str(path)), pictures.read(content))


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P", "CMYK", "YCbCr", "HSV", "LAB"])
def test_modes_become_rgb(mode):
    # Lab has the colours of another light.
    if mode == "LAB":
        picture = Image.merge("LAB", [halves("L")] * 3)
        assert pictures.read(picture).shape == (30, 40, 3)
        return
    assert_halves(pictures.read(halves(mode)), tolerance=60)


def test_cmyk_in_a_jpeg():
    assert_halves(pictures.read(encoded(halves("CMYK"), "JPEG")))


@pytest.mark.parametrize("mode", ["L", "1", "LA", "I;16", "I", "F"])
def test_grey_becomes_rgb(mode):
    grey = np.linspace(0, 255, 40).astype(np.uint8)[None].repeat(30, 0)
    if mode in ("I;16", "I", "F"):
        wide = grey.astype(np.uint16) * 257
        values = {"I;16": wide, "I": wide.astype(np.int32), "F": (wide / 65535).astype(np.float32)}
        picture = Image.fromarray(values[mode])
        assert picture.mode == mode
    else:
        picture = Image.fromarray(grey).convert(mode)
    pixels = pictures.read(picture)
    assert pixels.shape == (30, 40, 3)
    assert (pixels == pixels[..., :1]).all()
    assert pixels[:, 0].max() < 30 and pixels[:, -1].min() > 225


def test_sixteen_bits_in_a_file():
    values = np.array([[0, 128, 65535]], np.uint16).repeat(30, 0).repeat(10, 1)
    pixels = pictures.read(encoded(Image.fromarray(values), "PNG"))
    assert sorted(np.unique(pixels)) == [0, 255]


def test_what_is_transparent_is_white():
    picture = halves("RGBA")
    picture.putalpha(Image.fromarray(np.full((30, 40), 0, np.uint8)))
    assert (pictures.read(picture) == 255).all()
    palette = halves("P")
    palette.info["transparency"] = palette.getpixel((0, 0))
    pixels = pictures.read(encoded(palette, "PNG", transparency=palette.getpixel((0, 0))))
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
    assert_halves(pictures.read(encoded(picture, "JPEG", exif=exif)))


def test_of_what_moves_the_first_picture_is_taken():
    later = [Image.new("RGB", (40, 30), "blue")] * 2
    for kind in ("GIF", "WEBP", "PNG"):
        content = encoded(halves(), kind, save_all=True, append_images=later)
        assert_halves(pictures.read(content), tolerance=60)


@pytest.mark.parametrize(
    "shape", [(30, 40), (30, 40, 1), (30, 40, 3), (30, 40, 4)], ids=["grey", "one", "rgb", "rgba"]
)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_pixels(shape, dtype):
    pixels = pictures.read(np.full(shape, np.iinfo(dtype).max, dtype))
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
        pictures.read(pixels)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is empty"),
        (b"It was a dark and stormy night.\n" * 9, "is no picture of a format that is read: JPEG"),
        (b"\xff\xd8\xff\xe0", "is (no picture|damaged)"),
        (encoded(halves(), "PNG")[:60], "is damaged"),
        (encoded(halves(size=(400, 300)), "JPEG")[:900], "is damaged"),
        # A pattern that tries each share of the spaces again would never end.
        (b"P6\n32" + b" " * 4000 + b"x", "is damaged"),
    ],
    ids=["empty", "text", "head", "cut PNG", "cut JPEG", "spaces"],
)
def test_what_is_no_picture_is_refused(content, reason, tmp_path):
    path = tmp_path / "holiday.jpg"
    path.write_bytes(content)
    with pytest.raises(ImageError, match=rf"holiday\.jpg {reason}"):
        pictures.read(path)


def test_sizes_are_bounded(monkeypatch):
    # A small file of many pixels is refused before it is decoded, and without a warning.
    bombs = {side: encoded(Image.new("1", (side, 13_000)), "PNG") for side in (13_000, 20_000)}
    assert max(map(len, bombs.values())) < 100_000
    wide = encoded(Image.new("1", (10_000, 9_000)), "TIFF", compression="group4")
    monkeypatch.setattr(Image.Image, "load", lambda self: pytest.fail("it was decoded"))
    for side, bomb in bombs.items():
        with pytest.raises(
            ImageError, match=rf"^small\.png has {side} x 13000 pixels, more than the 150,000,000"
        ):
            pictures.read(bomb, name="small.png")
    with pytest.raises(ImageError, match="more than the 85,000,000 that are read of its format"):
        pictures.read(wide)


def test_what_is_not_there_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nobody\.jpg"):
        pictures.read(tmp_path / "nobody.jpg")
    with pytest.raises(ImageError, match="is a folder, not a picture"):
        pictures.read(tmp_path)


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
            pixels = pictures.read(bytes(broken))
        except ImageError as error:
            assert str(error).startswith("the bytes ")
        else:
            assert pixels.dtype == np.uint8 and pixels.shape[2] == 3


def deep(values: np.ndarray, kind: str = "PNG") -> bytes:
    """A file of more than 8 bits a channel, written by OpenCV where Pillow cannot."""
    return cv2.imencode({"PNG": ".png", "TIFF": ".tif"}[kind], values)[1].tobytes()


GREY = np.linspace(20, 240, 1200).astype(np.uint8).reshape(30, 40)


@pytest.mark.parametrize(
    "content",
    [
        encoded(Image.fromarray((GREY / 255).astype(np.float32)), "TIFF"),
        encoded(Image.fromarray(GREY.astype(np.uint16) * 257), "TIFF"),
        encoded(Image.fromarray(GREY.astype(np.int32) * 257), "TIFF"),
        deep(GREY.astype(np.uint16) * 257),
        deep(np.repeat(GREY.astype(np.uint16)[..., None] * 257, 3, -1)),
        deep(np.repeat(GREY.astype(np.uint16)[..., None] * 257, 3, -1), "TIFF"),
        b"P5 40 30 4095\n" + (GREY.astype(int) * 4095 // 255).astype(">u2").tobytes(),
        b"Pf 40 30 -1.0\n" + (GREY[::-1] / 255).astype("<f4").tobytes(),
    ],
    ids=["float", "16 bits", "32 bits", "PNG", "RGB PNG", "RGB TIFF", "PGM", "PFM"],
)
def test_more_bits_become_8_by_the_range_that_the_file_states(content):
    seen = pictures.read(content)
    np.testing.assert_allclose(seen, np.repeat(GREY[..., None], 3, -1), atol=1)


def tiff(bits: int, sample_format: int, photometric: int, content: bytes) -> bytes:
    """A TIFF of 2 x 2 grey pixels."""
    fields = {256: 2, 257: 2, 258: bits, 259: 1, 262: photometric, 273: 134, 277: 1, 278: 2}
    fields |= {279: len(content), 339: sample_format}
    entries = b"".join(
        struct.pack("<HHIHH", tag, 3, 1, value, 0) for tag, value in sorted(fields.items())
    )
    return b"II*\0" + struct.pack("<IH", 8, len(fields)) + entries + bytes(4) + content


def test_bits_that_a_tiff_states_are_counted():
    packed = bytes([0xFF, 0xF0, 0x00, 0x80, 0x00, 0x00])
    assert pictures.read(tiff(12, 1, 1, packed))[..., 0].tolist() == [[255, 0], [128, 0]]
    signed = np.array([32767, 0, 16384, 0], "<i2").tobytes()
    assert pictures.read(tiff(16, 2, 1, signed))[..., 0].tolist() == [[255, 0], [128, 0]]
    inverted = np.array([0, 65535, 32768, 0], "<u2").tobytes()
    assert pictures.read(tiff(16, 1, 0, inverted))[..., 0].tolist() == [[255, 0], [127, 255]]


@pytest.mark.parametrize("bits", [8, 9, 10, 12, 14])
@pytest.mark.parametrize("shape", [(30, 40), (30, 40, 3)], ids=["grey", "RGB"])
def test_few_bits_in_16_are_refused_rather_than_read_as_black(bits, shape):
    values = np.full(shape, 2**bits - 1, np.uint16)
    for kind in ("PNG", "TIFF"):
        with pytest.raises(ImageError, match=r"^scan says that it has more than 8 bits .* Save it"):
            pictures.read(deep(values, kind), "scan")
    with pytest.raises(ImageError, match=r"^scan says that it has more than 8 bits"):
        pictures.read(values, "scan")


@pytest.mark.parametrize(
    ("picture", "reason"),
    [
        (GREY.astype(np.float32), r"values from 20 to 240; numbers with a point .* \[0, 1\]"),
        (np.where(GREY > 99, np.nan, 0.5).astype(np.float32), "finite"),
        (np.where(GREY > 99, np.inf, 0.5).astype(np.float32), "finite"),
        (np.full((30, 40), 0.01, np.float32), "more than 8 bits"),
        (GREY.astype(np.int32) - 100, r"values from -80 to 140; whole numbers .* \[0, 65,535\]"),
        (GREY.astype(np.int32) << 20, "whole numbers"),
    ],
    ids=["0 to 255", "nan", "inf", "dark", "negative", "32 bits"],
)
def test_values_beyond_the_range_are_refused(picture, reason):
    with pytest.raises(ImageError, match=reason):
        pictures.read(encoded(Image.fromarray(picture), "TIFF"))


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_a_clear_grey_level_is_named_in_the_bits_of_the_file(bits):
    clear = 2**bits - 2 if bits > 1 else 0
    row = bytes([0]) + bytes([clear << (8 - bits)]) * 8  # the first pixel of each byte is the clear one
    chunks = {
        b"IHDR": struct.pack(">IIBBBBB", 8 * 8 // bits, 8, bits, 0, 0, 0, 0),
        b"tRNS": struct.pack(">H", clear),
        b"IDAT": zlib.compress(row * 8),
        b"IEND": b"",
    }
    content = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks.items()
    )
    assert (pictures.read(content)[:, 0] == 255).all()
    assert bits == 8 or bits == 1 or (pictures.read(content)[:, 1] == 0).all()


def test_cmyk_that_is_not_adobes_is_not_inverted():
    content = encoded(halves("CMYK").point(lambda value: 255 - value), "JPEG")
    marker = content.index(b"Adobe") - 4
    assert_halves(pictures.read(content[:marker] + content[marker + 16 :]))


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", [1, 3, 6])
def test_exif_in_other_formats(kind, orientation):
    turns = {3: Image.Transpose.ROTATE_180, 6: Image.Transpose.ROTATE_90}
    picture = halves().transpose(turns[orientation]) if orientation > 1 else halves()
    exif = Image.Exif()
    exif[0x0112] = orientation
    assert_halves(pictures.read(encoded(picture, kind, exif=exif)))


@pytest.mark.parametrize("orientation", [1, 3, 6, 7])
def test_heic_is_turned_once(orientation):
    pillow_heif = pytest.importorskip("pillow_heif")
    exif = Image.Exif()
    exif[0x0112] = orientation
    turned = {3: Image.Transpose.ROTATE_180, 6: Image.Transpose.ROTATE_90, 7: Image.Transpose.TRANSVERSE}
    wide = halves(size=(400, 300))
    lying = wide.transpose(turned[orientation]) if orientation > 1 else wide
    file = io.BytesIO()
    pillow_heif.from_pillow(lying).save(file, exif=exif.tobytes())
    seen = pictures.read(file.getvalue())
    assert seen.shape == (300, 400, 3)
    np.testing.assert_allclose(seen[150, 50].astype(int), RED, atol=20)


@pytest.mark.parametrize(
    "content",
    [
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 100 100\nshowpage\n%%EOF\n",
        b"\xc5\xd0\xd3\xc6" + bytes(40),  # EPS with a preview
        encoded(halves(), "ICO"),
        encoded(halves(), "PCX"),
        encoded(halves(), "TGA"),
        encoded(halves(), "JPEG2000"),
        encoded(halves(), "SGI"),
        encoded(halves(), "PDF"),
        b"8BPS\0\1" + bytes(40),
        b"\xd7\xcd\xc6\x9a" + bytes(40),  # WMF
        b"SIMPLE  =                    T" + bytes(3000),  # FITS
        b"P7\nWIDTH 4\nHEIGHT 4\n",
        b"\xff\x0a" + bytes(40),  # JPEG XL
        b"\0\0\0\x1cftypavif" + bytes(40),
    ],
)
def test_what_is_not_on_the_list_is_never_opened(content, monkeypatch):
    monkeypatch.setattr(subprocess, "Popen", lambda *_, **__: pytest.fail("a program is started"))
    with pytest.raises(ImageError, match=r"^x is no picture of a format that is read"):
        pictures.read(content, "x")


def test_an_unread_postscript_picture_of_pillow_is_refused():
    picture = Image.open(io.BytesIO(encoded(halves(), "EPS")))
    with pytest.raises(ImageError, match=r"^the image is of the format EPS; expected JPEG"):
        pictures.read(picture)


def test_xmp_does_not_turn():
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><a tiff:Orientation="6"/></x:xmpmeta>'
    assert_halves(pictures.read(encoded(halves(), "JPEG", xmp=xmp)))
    assert_halves(pictures.read(encoded(halves(), "PNG", xmp=xmp)))


@pytest.mark.parametrize(
    "content",
    [
        encoded(halves(), "JPEG"),
        encoded(halves(), "JPEG", progressive=True),
        encoded(halves("L"), "JPEG"),
        encoded(halves(), "PNG"),
        encoded(halves("L"), "PNG"),
    ],
)
def test_what_everybody_sees_alike_is_stored_as_it_is(content, monkeypatch):
    monkeypatch.setattr(pictures, "read", lambda *_: pytest.fail("it was decoded"))
    assert pictures.as_stored(content, "x") is content


@pytest.mark.parametrize("kind", ["BMP", "GIF", "TIFF", "WEBP", "PPM"])
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_the_rest_is_stored_as_png_of_what_is_seen(kind, mode):
    content = encoded(halves(mode), kind)
    stored = pictures.as_stored(content, "x")
    assert Image.open(io.BytesIO(stored)).format == "PNG"
    np.testing.assert_array_equal(pictures.read(stored), pictures.read(content))
    assert pictures.as_stored(stored, "x") is stored


_MEASURE = """
import re, sys
from kfer.media import pictures
def peak():
    return int(re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read()).group(1)) * 1024
pictures.read(sys.argv[2])
before = peak()
height, width, _ = pictures.read(sys.argv[1]).shape
print((peak() - before) / (height * width))
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux's figures")
@pytest.mark.parametrize(
    ("kind", "mode"),
    [
        ("PNG", "RGBA"),
        *(
            pytest.param(kind, mode, marks=pytest.mark.slow)
            for kind, mode in (
                ("PNG", "LA"),
                ("PNG", "P"),
                ("PNG, 16 bits", "RGB"),
                ("JPEG", "RGB"),
                ("JPEG", "CMYK"),
                ("BMP", "RGB"),
                ("PPM", "RGB"),
                ("GIF", "P"),
                ("TIFF", "RGB"),
                ("TIFF", "F"),
                ("WEBP", "RGBA"),
                ("HEIC", "RGB"),
            )
        ),
    ],
)
def test_memory_a_pixel(kind, mode, tmp_path):
    side = 5000
    path, small = tmp_path / "picture", tmp_path / "small"
    for file, sides in ((path, (side, side)), (small, (16, 16))):
        if kind == "PNG, 16 bits":
            file.write_bytes(deep(np.full((*sides, 3), 50_000, np.uint16)))
        elif kind == "HEIC":
            pytest.importorskip("pillow_heif").from_pillow(Image.new(mode, sides)).save(file)
        else:
            exif = Image.Exif()
            exif[0x0112] = 6
            settings = {"exif": exif} if kind in ("PNG", "JPEG") else {}
            Image.new(mode, sides, 1 if mode in "PF" else "green").save(file, kind, **settings)
    command = [sys.executable, "-c", _MEASURE, str(path), str(small)]
    bytes_a_pixel = float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    print(f"{kind} {mode}: {bytes_a_pixel:.1f} bytes a pixel")
    assert bytes_a_pixel < (17 if kind == "WEBP" else 8.5)
