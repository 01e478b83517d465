"""One way to see a picture: training, the served model and `kfer.inference` see the same pixels."""

import io
import struct
import zlib

import cv2
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from kfer import decoding, preprocessing
from kfer.media import headers, pictures


def scene(height: int = 60, width: int = 80) -> Image.Image:
    """A picture that is no other when it is turned or mirrored."""
    y, x = np.mgrid[:height, :width].astype(float)
    pixels = np.stack([255 * x / width, 255 * y / height, 90 + 60 * np.sin(x / 9) * np.cos(y / 7)], -1)
    pixels[5:20, 8:30] = (250, 30, 40)
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def encoded(picture: Image.Image, kind: str, **settings) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, **settings)
    return file.getvalue()


def with_alpha(mode: str = "RGBA") -> Image.Image:
    picture = scene().convert("RGBA")
    alpha = np.linspace(0, 255, 60 * 80).reshape(60, 80).astype(np.uint8)
    alpha[:10] = 0
    picture.putalpha(Image.fromarray(alpha))
    return picture.convert(mode)


def exif(orientation: int, order: str = "<", kind: int = 3, more: int = 3) -> bytes:
    """A block of EXIF with the orientation between other entries."""
    letter = {1: "B3x", 3: "H2x", 4: "I"}[kind]
    entries = [struct.pack(f"{order}HHII", 0x0100 + number, 4, 1, number) for number in range(more)]
    entries.insert(more // 2, struct.pack(f"{order}HHI{letter}", 0x0112, kind, 1, orientation))
    mark = b"II*\0" if order == "<" else b"MM\0*"
    head = mark + struct.pack(f"{order}I", 11) + b"odd"  # the directory is at an odd place
    return head + struct.pack(f"{order}H", len(entries)) + b"".join(entries) + bytes(4)


def segment(marker: int, content: bytes) -> bytes:
    return bytes([0xFF, marker]) + struct.pack(">H", len(content) + 2) + content


def jpeg_with(*segments: bytes) -> bytes:
    content = encoded(scene(), "JPEG", quality=95)
    return content[:2] + b"".join(segments) + content[2:]


def exif_segment(orientation: int, **settings) -> bytes:
    return segment(0xE1, b"Exif\0\0" + exif(orientation, **settings))


def chunk(kind: bytes, content: bytes) -> bytes:
    return (
        struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
    )


def wide(picture: Image.Image, factor: int = 257) -> np.ndarray:
    pixels = np.asarray(picture).astype(np.uint16) * factor
    return pixels if pixels.ndim == 2 else cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR)


def cv(kind: str, pixels: np.ndarray) -> bytes:
    return cv2.imencode(kind, pixels)[1].tobytes()


def encodings() -> dict[str, bytes]:
    """Many ways to store a picture, by a name for each."""
    rgb, palette = scene(), scene().quantize(64)
    clear = palette.getpixel((12, 10))
    bgra = cv2.cvtColor(np.asarray(with_alpha()), cv2.COLOR_RGBA2BGRA)
    later = [rgb.transpose(Image.Transpose.ROTATE_180)]
    found = {
        **{f"JPEG turned {turn}": jpeg_with(exif_segment(turn)) for turn in range(1, 9)},
        "JPEG, big-endian EXIF": jpeg_with(exif_segment(6, order=">")),
        "JPEG, long orientation": jpeg_with(exif_segment(8, kind=4)),
        "JPEG, byte orientation": jpeg_with(exif_segment(3, kind=1)),
        "JPEG, EXIF late": jpeg_with(segment(0xE2, bytes(900)), segment(0xED, b"x"), exif_segment(7)),
        "JPEG, filled up": jpeg_with(b"\xff" * 5 + exif_segment(5)),
        "JPEG, another EXIF within": jpeg_with(segment(0xE2, b"preview" + exif_segment(6))),
        "JPEG, XMP and EXIF": jpeg_with(
            segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0"), exif_segment(2)
        ),
        "JPEG, damaged EXIF": jpeg_with(segment(0xE1, b"Exif\0\0II*\0\xff\xff\xff\x7f")),
        "JPEG, EXIF of 0": jpeg_with(exif_segment(0)),
        "JPEG, EXIF of 9": jpeg_with(exif_segment(9)),
        "JPEG, grey": encoded(rgb.convert("L"), "JPEG", quality=95),
        "JPEG, progressive": encoded(rgb, "JPEG", progressive=True),
        "JPEG, little colour": encoded(rgb, "JPEG", quality=60, subsampling=2),
        "JPEG, CMYK": encoded(rgb.convert("CMYK"), "JPEG", quality=95),
        "JPEG, whole colour": encoded(rgb, "JPEG", quality=95, subsampling=0),
        "PNG": encoded(rgb, "PNG"),
        "PNG, palette": encoded(palette, "PNG"),
        "PNG, 4 bits": encoded(rgb.quantize(12), "PNG"),
        "PNG, 1 bit": encoded(rgb.convert("1"), "PNG"),
        "PNG, clear palette": encoded(palette, "PNG", transparency=clear),
        "PNG, palette of alpha": encoded(palette, "PNG", transparency=bytes(range(0, 256, 4))),
        "PNG, clear colour": encoded(rgb, "PNG", transparency=(250, 30, 40)),
        "PNG, clear grey": encoded(
            rgb.convert("L"), "PNG", transparency=rgb.convert("L").getpixel((12, 10))
        ),
        "PNG, 1 bit, clear": encoded(rgb.convert("1"), "PNG", transparency=0),
        "PNG, alpha": encoded(with_alpha(), "PNG"),
        "PNG, grey alpha": encoded(with_alpha("LA"), "PNG"),
        "PNG, 16 bits": cv(".png", wide(rgb)),
        "PNG, 16 bits grey": cv(".png", wide(rgb.convert("L"))),
        "PNG, 16 bits alpha": cv(".png", bgra.astype(np.uint16) * 257),
        "PNG, 12 bits in 16": cv(".png", wide(rgb, 16)),
        "PNG, 12 bits grey": cv(".png", wide(rgb.convert("L"), 16)),
        "PNG, turned": encoded(rgb, "PNG", exif=exif(6)),
        "PNG, turned late": encoded(rgb, "PNG")[:-12] + chunk(b"eXIf", exif(8)) + chunk(b"IEND", b""),
        "PNG, alpha, turned": encoded(with_alpha(), "PNG", exif=exif(5)),
        "PNG, animated": encoded(rgb, "PNG", save_all=True, append_images=later),
        "BMP": encoded(rgb, "BMP"),
        "BMP, grey": encoded(rgb.convert("L"), "BMP"),
        "BMP, palette": encoded(palette, "BMP"),
        "BMP, 32 bits": encoded(with_alpha(), "BMP"),
        "BMP, alpha": cv(".bmp", bgra),
        "GIF": encoded(palette, "GIF"),
        "GIF, grey": encoded(rgb.convert("L"), "GIF"),
        "GIF, clear": encoded(palette, "GIF", transparency=clear),
        "GIF, animated": encoded(rgb, "GIF", save_all=True, append_images=later),
        "GIF, commented": encoded(palette, "GIF", comment=b"words " * 99, transparency=clear),
        "WebP": encoded(rgb, "WEBP", quality=90),
        "WebP, lossless": encoded(rgb, "WEBP", lossless=True),
        "WebP, alpha": encoded(with_alpha(), "WEBP", lossless=True, exact=True),
        "WebP, lossy alpha": encoded(with_alpha(), "WEBP", quality=95, exact=True),
        "WebP, turned": encoded(rgb, "WEBP", lossless=True, exif=exif(6)),
        "WebP, profile": encoded(rgb, "WEBP", lossless=True, icc_profile=bytes(301), exif=exif(3)),
    }
    # These are not TensorFlow's: the served model refuses them, whoever else reads them.
    found |= {
        "BMP, 1 bit": encoded(rgb.convert("1"), "BMP"),
        "WebP, animated": encoded(rgb, "WEBP", save_all=True, append_images=later, lossless=True),
        "TIFF": encoded(rgb, "TIFF"),
        "TIFF, turned": encoded(rgb, "TIFF", exif=Image.Exif()),
        "TIFF, 16 bits": encoded(Image.fromarray(wide(rgb.convert("L"))), "TIFF"),
        "TIFF, float": encoded(
            Image.fromarray((np.asarray(rgb.convert("L")) / 255).astype("f4")), "TIFF"
        ),
        "TIFF, float of 255": encoded(Image.fromarray(np.asarray(rgb.convert("L")).astype("f4")), "TIFF"),
        "TIFF, CMYK": encoded(rgb.convert("CMYK"), "TIFF"),
        "PPM": encoded(rgb, "PPM"),
        "PGM": encoded(rgb.convert("L"), "PPM"),
        "ICO": encoded(rgb, "ICO"),
        "text": b"no picture at all",
        "nothing": b"",
    }
    return found


ENCODINGS = encodings()
#: What `kfer.inference` reads, and the served model refuses by name.
ONLY_IN_PYTHON = ("BMP, 1 bit", "WebP, animated", "TIFF", "PPM", "PGM")


def seen_by_inference(content: bytes) -> np.ndarray | None:
    try:
        return pictures.read(content)
    except pictures.ImageError:
        return None


def seen_by_tensorflow(content: bytes) -> np.ndarray | None:
    try:
        return decoding.decode(tf.constant(content)).numpy()
    except tf.errors.InvalidArgumentError:
        return None


def seen_by_training(content: bytes) -> np.ndarray | None:
    try:
        return seen_by_tensorflow(pictures.as_stored(content, "x"))
    except pictures.ImageError:
        return None


@pytest.mark.parametrize("name", ENCODINGS)
def test_all_see_the_same(name):
    content = ENCODINGS[name]
    inference, training, served = (
        see(content) for see in (seen_by_inference, seen_by_training, seen_by_tensorflow)
    )
    if inference is None:
        assert training is None and served is None
        return
    assert training.shape == inference.shape
    assert np.abs(training.astype(int) - inference).mean() < 0.5
    if served is None:
        assert name.startswith(ONLY_IN_PYTHON)
        return
    assert served.shape == inference.shape
    assert np.abs(served.astype(int) - inference).mean() < 0.5


def test_there_are_enough():
    assert len(ENCODINGS) > 60
    refused = {name for name, content in ENCODINGS.items() if seen_by_inference(content) is None}
    assert refused == {
        "PNG, 12 bits in 16",
        "PNG, 12 bits grey",
        "TIFF, float of 255",
        "ICO",
        "text",
        "nothing",
    }


@pytest.mark.parametrize("turn", range(1, 9))
def test_a_jpeg_is_upright(turn):
    methods = (None, 0, 3, 1, 5, 2, 6, 4)  # Image.Transpose, of what a camera held so stores
    lying = (
        scene() if methods[turn - 1] is None else scene().transpose(Image.Transpose(methods[turn - 1]))
    )
    content = encoded(lying, "JPEG", quality=95, exif=b"Exif\0\0" + exif(turn))
    in_map = tf.data.Dataset.from_tensors(content).map(decoding.decode)
    for seen in (decoding.decode(content), next(iter(in_map))):
        assert np.abs(seen.numpy().astype(int) - np.asarray(scene())).mean() < 3


@pytest.mark.parametrize("seed", range(4))
def test_damaged_exif_is_read_alike(seed):
    random = np.random.default_rng(seed)
    read = tf.function(decoding.orientation_of, input_signature=[tf.TensorSpec([None], tf.uint8)])
    found = set()
    for _ in range(150):
        settings = {"order": random.choice(["<", ">"]), "kind": int(random.choice([1, 3, 4]))}
        block = bytearray(exif(int(random.integers(0, 10)), **settings, more=int(random.integers(0, 5))))
        for place in random.integers(0, len(block), random.integers(0, 4)):
            block[place] = random.integers(0, 256)
        if random.random() < 0.3:
            block = block[: random.integers(0, len(block))]
        expected = headers.orientation_of(bytes(block))
        found.add(expected)
        assert int(read(np.frombuffer(bytes(block), np.uint8))) == expected, bytes(block)
    assert len(found) == 8


@pytest.mark.parametrize(
    "name", ["JPEG turned 6", "PNG, alpha, turned", "GIF, clear", "BMP, palette", "WebP, turned"]
)
def test_damaged_pictures_are_read_or_refused(name):
    random = np.random.default_rng(0)
    whole = ENCODINGS[name]
    for _ in range(100):
        broken = bytearray(whole)
        for place in random.integers(0, min(len(broken), 200), random.integers(1, 4)):
            broken[place] = random.integers(0, 256)
        if random.random() < 0.3:
            broken = broken[: random.integers(0, len(broken))]
        try:
            seen = decoding.decode(bytes(broken))
        except tf.errors.InvalidArgumentError:
            continue
        assert seen.shape[-1] == 3


def test_too_many_pixels_are_refused_before_they_are_decoded():
    bomb = encoded(Image.new("1", (13_000, 13_000)), "PNG")
    with pytest.raises(tf.errors.InvalidArgumentError, match="a picture of more than 150000000 pixels"):
        decoding.decode(bomb)


def test_decode_is_that_of_preprocessing():
    content = ENCODINGS["PNG, alpha"]
    np.testing.assert_array_equal(preprocessing.decode(content, 3), decoding.decode(content))
