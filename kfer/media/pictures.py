"""Pictures of every kind that kfer reads, as RGB, upright: the one place that says what a file shows.

Training, the commands, `kfer.inference` and folders of frames read through here, and the exported graph
(`kfer.preprocessing`) computes the same:

- The content decides the format, not the name: JPEG, PNG, WebP, BMP, GIF, TIFF, PNM (PBM, PGM, PPM, PFM)
  and, where pillow-heif is installed, HEIC. Each has one reader; nothing else is ever opened, and no
  reader starts another program.
- Pictures are turned upright by their EXIF orientation.
- Transparency is laid over white. Palettes, grey, CMYK and Lab become RGB; no colour profile is applied.
- Of several pictures in a file, the first counts.
- More than 8 bits a channel become 8 by the range that the file states: 65,535 of 16 bits, 1.0 of floats.
  Where the brightest value lies in the lowest quarter of that range, the file probably holds fewer bits
  than it says (10, 12 or 14 in 16): it is refused, because it would be read as nearly black.
- The size is read before anything is decoded, and bounded: see `kfer.spec.MOST_PIXELS`.
"""

import io
import os
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import (
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    ImageFile,
    JpegImagePlugin,
    PngImagePlugin,
    PpmImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from kfer import spec
from kfer.media import headers
from kfer.media.headers import Header

#: What can be read as a picture: a file's path, its bytes, pixels, or an image of Pillow.
ImageSource = str | os.PathLike[str] | bytes | np.ndarray | Image.Image

# What has more pixels is refused before it is decoded. Pillow's reader of TIFF warns of more than these.
_MOST_PIXELS_OF = {headers.WEBP: spec.MOST_PIXELS_OF_WEBP, headers.TIFF: 85_000_000}
#: What messages say is read.
FORMATS = "JPEG, PNG, WebP, BMP, GIF, TIFF, PNM or, with pillow-heif, HEIC"

_READERS: dict[str, type[ImageFile.ImageFile]] = {
    headers.JPEG: JpegImagePlugin.JpegImageFile,
    headers.PNG: PngImagePlugin.PngImageFile,
    headers.WEBP: WebPImagePlugin.WebPImageFile,
    headers.BMP: BmpImagePlugin.BmpImageFile,
    headers.GIF: GifImagePlugin.GifImageFile,
    headers.TIFF: TiffImagePlugin.TiffImageFile,
    headers.PNM: PpmImagePlugin.PpmImageFile,
}
# Formats of pictures that a caller has opened with Pillow.
_OPENED = frozenset(("JPEG", "MPO", "PNG", "WEBP", "BMP", "DIB", "GIF", "TIFF", "PPM", "HEIF"))
# Pixels that are converted at once, so that no second picture is in memory.
_STRIP = 1 << 20
# The brightest of 256 levels that a picture of more than 8 bits must exceed.
_DARKEST = 64
_RANGE = 65535
_CLEAR = ("LA", "La", "PA", "RGBA", "RGBa")
# TIFF's tags and the values of them that Pillow leaves to its callers.
_BITS, _PHOTOMETRIC, _SAMPLE_FORMAT = 258, 262, 339
_WHITE_IS_ZERO, _SIGNED = 0, 2


class ImageError(ValueError):
    """A picture that cannot be read; the message names it and says why."""


def read(source: ImageSource, name: str | None = None) -> np.ndarray:
    """Returns a picture upright, in RGB; the module says by which rules.

    Args:
        source: A file's path, the bytes of a file, an image of Pillow, or pixels: uint8 or uint16
            `[height, width]`, or with 1, 3 (RGB) or 4 (RGBA) channels behind.
        name: How messages call it; by default its path, or what it is.

    Returns:
        RGB uint8 `[height, width, 3]`.

    Raises:
        FileNotFoundError: There is no such file.
        ImageError: It is no picture of these formats, damaged, of too many pixels or of values outside
            of its range.
    """
    if isinstance(source, np.ndarray):
        return _of_pixels(source, name or "the array")
    if isinstance(source, Image.Image):
        return _of_opened(source, name or "the image")
    if isinstance(source, bytes):
        return _of_file(io.BytesIO(source), name or "the bytes")
    path = Path(source)
    if path.is_dir():
        raise ImageError(f"{path} is a folder, not a picture")
    with path.open("rb") as file:
        return _of_file(file, name or str(path))


def as_stored(content: bytes, name: str) -> bytes:
    """Returns a picture's file in a form that every decoder sees alike.

    A JPEG or PNG that is grey or RGB, of 8 bits, upright and opaque comes back as it is, without a
    look at its pixels; anything else as a PNG of what `read` sees.

    Args:
        content: The file's bytes.
        name: How messages call it.

    Raises:
        ImageError: As `read`.
    """
    kind = headers.format_of(content[: headers.NUM_BYTES])
    if kind is not None and headers.read_header(io.BytesIO(content), kind).is_plain:
        return content
    pixels = read(content, name)
    is_grey = bool((pixels[..., 0] == pixels[..., 1]).all() and (pixels[..., 0] == pixels[..., 2]).all())
    file = io.BytesIO()
    Image.fromarray(pixels[..., 0] if is_grey else pixels).save(file, "PNG", compress_level=1)
    return file.getvalue()


def _of_file(file: BinaryIO, name: str) -> np.ndarray:
    beginning = file.read(headers.NUM_BYTES)
    if not beginning:
        raise ImageError(f"{name} is empty")
    kind = headers.format_of(beginning)
    if kind is None:
        raise ImageError(f"{name} is no picture of a format that is read: {FORMATS}")
    with ExitStack() as stack:
        try:
            header = headers.read_header(file, kind)
            file.seek(0)
            picture = stack.enter_context(_reader(kind, name)(file))
        except ImageError:
            raise
        except Exception as error:  # a reader may fail in any way on what was made to make it fail
            raise _damaged(name, error) from error
        _check_size(picture.height, picture.width, name, _MOST_PIXELS_OF.get(kind, spec.MOST_PIXELS))
        return _decoded(picture, header, name)


def _reader(kind: str, name: str) -> type[ImageFile.ImageFile]:
    if kind == headers.HEIC:
        try:
            from pillow_heif.as_plugin import HeifImageFile
        except ImportError as error:
            raise ImageError(
                f"{name} is a HEIC picture: install pillow-heif, or convert it to JPEG"
            ) from error
        return HeifImageFile  # type: ignore[no-any-return]
    return _READERS[kind]


def _of_opened(picture: Image.Image, name: str) -> np.ndarray:
    if picture.format is not None and picture.format not in _OPENED:
        raise ImageError(
            f"{name} is of the format {picture.format}; expected {FORMATS}, or a converted copy, as "
            'image.convert("RGB") gives'
        )
    _check_size(picture.height, picture.width, name, spec.MOST_PIXELS)
    try:
        picture.load()
        orientation = picture.getexif().get(0x0112, 1)
    except Exception as error:  # as above
        raise _damaged(name, error) from error
    valid = orientation if isinstance(orientation, int) and 1 <= orientation <= 8 else 1
    # Whoever opened a CMYK picture sees it as Pillow does.
    return _decoded(picture, Header(valid, is_adobe=True), name)


def _decoded(picture: Image.Image, header: Header, name: str) -> np.ndarray:
    """The pixels of an opened picture, converted strip by strip."""
    try:
        picture.load()
        width, height = picture.size  # Pillow turns a TIFF when it loads it, and libheif a HEIC
        upright, lying = _canvas(height, width, header.orientation)
        rows = max(_STRIP // max(width, 1), 1)
        brightest = 0
        deep = _is_deep(picture, header)
        for top in range(0, height, rows):
            strip = picture.crop((0, top, width, min(top + rows, height)))
            levels, alpha = _levels(strip, picture, header, name)
            if deep:
                brightest = max(brightest, int(levels.max()))
            lying[top : top + rows] = levels if alpha is None else _over_white(levels, alpha)
    except ImageError:
        raise
    except Exception as error:  # as above
        raise _damaged(name, error) from error
    if deep:
        _check_brightness(brightest, name)
    return upright


def _canvas(height: int, width: int, orientation: int) -> tuple[np.ndarray, np.ndarray]:
    """An upright picture to be filled, and a view of it as the picture is stored."""
    sides = (width, height) if orientation >= 5 else (height, width)
    upright = np.empty((*sides, 3), np.uint8)
    lying = upright
    if orientation in (3, 4, 7, 8):
        lying = lying[::-1]
    if orientation in (2, 3, 6, 7):
        lying = lying[:, ::-1]
    return upright, lying.transpose(1, 0, 2) if orientation >= 5 else lying


def _levels(
    strip: Image.Image, picture: Image.Image, header: Header, name: str
) -> tuple[np.ndarray, np.ndarray | None]:
    """The colours of a part, uint8 `[height, width, 3 or 1]`, and its alpha `[height, width, 1]`."""
    clear = picture.info.get("transparency")
    if strip.mode.startswith(("I", "F")):
        values = _of_range(np.asarray(strip), picture, name)
        alpha = None if not isinstance(clear, int) else np.uint8(255) * (values != clear)[..., None]
        return (values >> 8).astype(np.uint8)[..., None], alpha
    if strip.mode in ("1", "L"):
        if isinstance(picture, TiffImagePlugin.TiffImageFile) and _is_signed(picture):
            raise ImageError(f"{name} has numbers of 8 bits with a sign, which are no grey levels")
        grey = np.asarray(strip.convert("L"))[..., None]
        if not isinstance(clear, int):
            return grey, None
        # A PNG of few bits names the clear level in its own bits.
        own = clear * 255 // (2**header.bits - 1) if header.bits < 8 else clear
        return grey, np.uint8(255) * (grey != own)
    if clear is not None and header.bits > 8:
        raise ImageError(f"{name} has a transparent colour of 16 bits; save it with an alpha channel")
    if strip.mode in _CLEAR or clear is not None:
        pixels = np.asarray(strip.convert("RGBA"))
        return pixels[..., :3], pixels[..., 3:]
    if strip.mode == "CMYK" and picture.format == "JPEG" and not header.is_adobe:
        # Pillow takes every CMYK of a JPEG for an inverted one, as Adobe writes it.
        strip = strip.point(lambda value: 255 - value)
    return np.asarray(strip.convert("RGB")), None


def _is_deep(picture: Image.Image, header: Header) -> bool:
    """Whether there are more than 8 bits a channel."""
    if picture.mode.startswith(("I", "F")) or header.bits > 8:
        return True
    if isinstance(picture, TiffImagePlugin.TiffImageFile):
        return max(_tag(picture, _BITS, (1,))) > 8
    return False


def _of_range(values: np.ndarray, picture: Image.Image, name: str) -> np.ndarray:
    """Grey of more than 8 bits as uint16, by the range that its file states."""
    if values.dtype.kind == "f":
        if not np.isfinite(values).all() or values.min() < 0 or values.max() > 1:
            raise ImageError(
                f"{name} has values from {values.min():g} to {values.max():g}; numbers with a point must "
                "be finite and lie in [0, 1]"
            )
        return np.rint(values.astype(np.float64) * _RANGE).astype(np.uint16)
    shift = 0
    is_inverted = False
    if isinstance(picture, TiffImagePlugin.TiffImageFile):
        bits = _tag(picture, _BITS, (16,))[0]
        shift = 16 - bits if bits < 16 else int(bits == 16 and _is_signed(picture))
        is_inverted = _tag(picture, _PHOTOMETRIC, (1,))[0] == _WHITE_IS_ZERO
    if values.min() < 0 or int(values.max()) << shift > _RANGE:
        raise ImageError(
            f"{name} has values from {values.min()} to {values.max()}; whole numbers must lie in "
            f"[0, {_RANGE >> shift:,}]"
        )
    wide = values.astype(np.uint16) << shift
    return _RANGE - wide if is_inverted else wide


def _is_signed(picture: TiffImagePlugin.TiffImageFile) -> bool:
    return _tag(picture, _SAMPLE_FORMAT, (1,))[0] == _SIGNED


def _tag(picture: TiffImagePlugin.TiffImageFile, tag: int, default: tuple[int, ...]) -> tuple[int, ...]:
    value = picture.tag_v2.get(tag, default)
    return value if isinstance(value, tuple) else (value,)


def _of_pixels(pixels: np.ndarray, name: str) -> np.ndarray:
    channels = 1 if pixels.ndim == 2 else pixels.shape[-1] if pixels.ndim == 3 else 0
    if pixels.dtype not in (np.uint8, np.uint16) or channels not in (1, 3, 4):
        raise ImageError(
            f"{name}: pixels must be uint8 or uint16, [height, width] or [height, width, 1, 3 or 4]; "
            f"got {pixels.dtype} {list(pixels.shape)}"
        )
    height, width = pixels.shape[:2]
    _check_size(height, width, name, spec.MOST_PIXELS)
    if pixels.dtype == np.uint16:
        _check_brightness(int(pixels.reshape(height, width, -1)[..., :3].max()) >> 8, name)
    seen = np.empty((height, width, 3), np.uint8)
    rows = max(_STRIP // width, 1)
    for top in range(0, height, rows):
        strip = pixels[top : top + rows].reshape(-1, width, channels)
        strip = (strip >> 8).astype(np.uint8) if strip.dtype == np.uint16 else strip
        seen[top : top + rows] = _over_white(strip[..., :3], strip[..., 3:]) if channels == 4 else strip
    return seen


def _over_white(colours: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    if (alpha == 255).all():
        return colours
    share = alpha.astype(np.uint16)
    return ((colours * share + 255 * (255 - share) + 127) // 255).astype(np.uint8)


def _check_size(height: int, width: int, name: str, most: int) -> None:
    if min(height, width) < 1:
        raise ImageError(f"{name} has {width} x {height} pixels: there is nothing to see")
    if height * width > most:
        raise ImageError(
            f"{name} has {width} x {height} pixels, more than the {most:,} that are read of its format; "
            "make it smaller first"
        )


def _check_brightness(brightest: int, name: str) -> None:
    if brightest < _DARKEST:
        raise ImageError(
            f"{name} says that it has more than 8 bits a channel, and uses {brightest + 1} of 256 parts "
            "of their range: it probably holds 10, 12 or 14 bits. Save it with 8 bits, or scaled "
            "to its whole range"
        )


def _damaged(name: str, error: Exception) -> ImageError:
    lines = str(error).splitlines() or [type(error).__name__]
    return ImageError(f"{name} is damaged: {lines[0]}")
