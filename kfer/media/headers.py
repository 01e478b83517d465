"""What the first bytes of a picture say before it is decoded: its format, how it lies, how it is stored.

Only what TensorFlow can find too is looked at, so that the exported graph turns a picture as kfer does:
`kfer.preprocessing` follows the same steps. EXIF is obeyed; XMP and ImageMagick's "raw profiles" are not.
"""

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

JPEG, PNG, WEBP, BMP, GIF, TIFF, PNM, HEIC = "JPEG", "PNG", "WebP", "BMP", "GIF", "TIFF", "PNM", "HEIC"
#: So many bytes from the beginning are enough for `format_of`.
NUM_BYTES = 16

_EXIF = b"Exif\0\0"
_ORIENTATION = 0x0112
_PNG_BEGIN = b"\x89PNG\r\n\x1a\n"
# Chunks of a file that are looked at; a PNG of 30 MB has so many.
_MOST_CHUNKS = 4096
_BEGINNINGS = (
    (JPEG, b"\xff\xd8\xff"),
    (PNG, _PNG_BEGIN),
    (GIF, b"GIF87a"),
    (GIF, b"GIF89a"),
    (BMP, b"BM"),
    (TIFF, b"II*\0"),
    (TIFF, b"MM\0*"),
    (TIFF, b"II+\0"),  # BigTIFF
    (TIFF, b"MM\0+"),
)
# Of still pictures and of bursts in HEVC; AVIF's brands are not among them.
_HEIC_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
_PNM_KINDS = b"123456fF"
# Markers of a JPEG without a length, those that end its header, and its APP1 and frame headers.
_ALONE = frozenset((0x00, 0x01, *range(0xD0, 0xD9)))
_END, _SCAN, _APP1, _APP14 = 0xD9, 0xDA, 0xE1, 0xEE
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_COMMON_FRAMES = (0xC0, 0xC1, 0xC2)
# PNG's types of colour.
_GREY, _RGB = 0, 2
_PNM_BYTES = 4096
#: Blanks and comments between the numbers of a PNM. Possessive: what was taken as blank is never tried
#: again, so that thousands of spaces cost no time.
PNM_BLANK = rb"(?:\s|#[^\n]*\n)++"
_PNM_HEAD = re.compile(PNM_BLANK.join((rb"P[2356]", rb"\d+", rb"\d+", rb"(\d{1,5})\s")))


@dataclass(frozen=True)
class Header:
    """What a picture's file says of itself.

    Attributes:
        orientation: EXIF's, 1 to 8; 1 is upright, and where there is none.
        bits: Of a JPEG, PNG or PNM, bits a channel.
        is_plain: Whether every decoder sees the same: grey or RGB, 8 bits a channel, upright, opaque.
        is_adobe: Of a JPEG, whether it was written by Adobe's rules, by which CMYK is inverted.
    """

    orientation: int = 1
    bits: int = 8
    is_plain: bool = False
    is_adobe: bool = False


def format_of(beginning: bytes) -> str | None:
    """Returns the format that a file's content is of, whatever its name; None where it is none of ours.

    Args:
        beginning: Its first `NUM_BYTES` bytes, or all of them.
    """
    for name, begin in _BEGINNINGS:
        if beginning.startswith(begin):
            return name
    if beginning[:4] == b"RIFF" and beginning[8:12] == b"WEBP":
        return WEBP
    if beginning[:1] == b"P" and beginning[1:2] in _PNM_KINDS and beginning[2:3] in b" \t\r\n#\v\f":
        return PNM if beginning[1:3] else None
    if beginning[4:8] == b"ftyp" and beginning[8:12] in _HEIC_BRANDS:
        return HEIC
    return None


def read_header(file: BinaryIO, name: str) -> Header:
    """Reads what a file says of itself.

    Args:
        file: At any place.
        name: Its format, from `format_of`.
    """
    readers = {JPEG: _of_jpeg, PNG: _of_png, WEBP: _of_webp, PNM: _of_pnm}
    return readers[name](file) if name in readers else Header()


def orientation_of(exif: bytes) -> int:
    """Returns the orientation that a block of EXIF says, 1 to 8; 1 where it says none, or is damaged.

    Args:
        exif: The block, with or without "Exif" before it.
    """
    block = exif[len(_EXIF) :] if exif.startswith(_EXIF) else exif
    order = {b"II": "<", b"MM": ">"}.get(block[:2])
    if order is None or len(block) < 8:
        return 1
    (place,) = struct.unpack_from(f"{order}I", block, 4)
    if place + 2 > len(block):
        return 1
    (count,) = struct.unpack_from(f"{order}H", block, place)
    found = 1
    for entry in range(place + 2, place + 2 + 12 * count, 12):
        if entry + 12 > len(block):
            break
        tag, kind, number = struct.unpack_from(f"{order}HHI", block, entry)
        # Of an entry that comes twice the last one counts, as in Pillow.
        if tag == _ORIENTATION:
            letter = {1: "B", 3: "H", 4: "I"}.get(kind)
            value = struct.unpack_from(order + letter, block, entry + 8)[0] if letter else 1
            found = value if number == 1 and 1 <= value <= 8 else 1
    return found


def _of_jpeg(file: BinaryIO) -> Header:
    orientation, bits, is_common, is_adobe = None, 8, False, False
    for marker, length in _segments(file):
        if marker == _APP1 and orientation is None and length >= len(_EXIF):
            content = file.read(len(_EXIF))
            if content == _EXIF:
                orientation = orientation_of(file.read(length - len(_EXIF)))
        elif marker == _APP14:
            is_adobe = is_adobe or file.read(5) == b"Adobe"
        elif marker in _FRAMES and length >= 6:
            frame = file.read(6)
            if len(frame) == 6:
                bits = frame[0]
                is_common = marker in _COMMON_FRAMES and frame[5] in (1, 3)
    upright = orientation in (None, 1)
    return Header(orientation or 1, bits, is_common and bits == 8 and upright, is_adobe)


def _segments(file: BinaryIO) -> Iterator[tuple[int, int]]:
    """Yields the marker and the length of each segment before the scan, the file at its content."""
    place = 2
    while True:
        file.seek(place)
        head = file.read(4)
        if len(head) < 4 or head[0] != 0xFF or head[1] in (_END, _SCAN):
            return
        marker = head[1]
        if marker == 0xFF:  # filled up
            place += 1
        elif marker in _ALONE:
            place += 2
        else:
            length = int.from_bytes(head[2:], "big")
            if length < 2:
                return
            yield marker, length - 2
            place += 2 + length


def _of_png(file: BinaryIO) -> Header:
    orientation, bits, colour, is_clear = 1, 8, -1, False
    place = len(_PNG_BEGIN)
    for _ in range(_MOST_CHUNKS):
        file.seek(place)
        head = file.read(8)
        if len(head) < 8 or head[4:] == b"IEND":
            break
        length, kind = int.from_bytes(head[:4], "big"), head[4:]
        if kind == b"IHDR":
            bits, colour = file.read(10)[8:].ljust(2, b"\0")
        elif kind == b"tRNS":
            is_clear = True
        elif kind == b"eXIf":
            orientation = orientation_of(file.read(length))
        place += length + 12
    is_plain = bits == 8 and colour in (_GREY, _RGB) and not is_clear and orientation == 1
    return Header(orientation, bits, is_plain)


def _of_webp(file: BinaryIO) -> Header:
    file.seek(12)
    head = file.read(9)
    # Only the extended form has EXIF, and says so in a bit.
    if head[:4] != b"VP8X" or len(head) < 9 or not head[8] & 8:
        return Header()
    place = 12
    for _ in range(_MOST_CHUNKS):
        file.seek(place)
        head = file.read(8)
        if len(head) < 8:
            break
        length = int.from_bytes(head[4:], "little")
        if head[:4] == b"EXIF":
            return Header(orientation_of(file.read(length)))
        place += 8 + length + length % 2
    return Header()


def _of_pnm(file: BinaryIO) -> Header:
    file.seek(0)
    found = _PNM_HEAD.match(file.read(_PNM_BYTES))
    return Header(bits=int(found.group(1)).bit_length()) if found else Header()
