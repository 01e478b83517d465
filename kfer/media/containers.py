"""Opens a file as the video that its ending and its first bytes say, and as nothing else.

FFmpeg looks at the content alone: a text named `clip.mp4` may be a playlist, of which it opens the files
and addresses; OpenCV takes a name with "%d" for a series of pictures. So the ending must be a video's,
the content must begin as such videos do, and FFmpeg is told to read this format, from files.
"""

import contextlib
import os
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2

from kfer.files import reason


@dataclass(frozen=True)
class _Container:
    """A format of videos.

    Attributes:
        name: How people call it.
        demuxer: How FFmpeg calls it.
        magic: What the first bytes of a file look like.
    """

    name: str
    demuxer: str
    magic: re.Pattern[bytes]


_MP4 = _Container(
    "MP4 or QuickTime", "mov", re.compile(rb"....(ftyp|moov|mdat|wide|free|skip|pnot)", re.S)
)
_MATROSKA = _Container("Matroska or WebM", "matroska", re.compile(rb"\x1aE\xdf\xa3"))
_AVI = _Container("AVI", "avi", re.compile(rb"RIFF....AVI ", re.S))
_FLASH = _Container("Flash Video", "flv", re.compile(rb"FLV\x01"))
_MPEG = _Container("an MPEG program stream", "mpeg", re.compile(rb"\0\0\x01\xba"))
_WINDOWS = _Container("Windows Media", "asf", re.compile(rb"\x30\x26\xb2\x75\x8e\x66\xcf\x11"))
_BY_ENDING = {
    **dict.fromkeys((".mp4", ".m4v", ".mov"), _MP4),
    **dict.fromkeys((".mkv", ".webm"), _MATROSKA),
    ".avi": _AVI,
    ".flv": _FLASH,
    **dict.fromkeys((".mpg", ".mpeg"), _MPEG),
    ".wmv": _WINDOWS,
}
#: Endings of the names of videos; which codecs within are read depends on OpenCV's own FFmpeg.
VIDEO_SUFFIXES = tuple(_BY_ENDING)
_MAGIC_BYTES = 16
# Of a frame: 8192 x 4352, as of the largest cameras. Decoders keep a dozen frames.
_MOST_PIXELS = 8192 * 4352
# Those that read files themselves; others build commands, or series of pictures, of a name.
_BACKENDS = ("FFMPEG", "AVFOUNDATION", "MSMF")
_OPTIONS = "OPENCV_FFMPEG_CAPTURE_OPTIONS"
_WAIT_MS = 10_000
_environment = threading.Lock()


class VideoError(ValueError):
    """A video, camera or folder of frames that cannot be read; the message names it and says why."""


def opened(path: Path) -> cv2.VideoCapture:
    """Returns a video that OpenCV has opened.

    Args:
        path: A file with one of `VIDEO_SUFFIXES`.

    Raises:
        FileNotFoundError: There is no such file.
        VideoError: It is no file, has another ending or content, or frames that are too large.
    """
    container = _checked(path)
    # An absolute path is never taken for an address.
    name = str(path.absolute())
    limits = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, _WAIT_MS, cv2.CAP_PROP_READ_TIMEOUT_MSEC, _WAIT_MS]
    try:
        with _told(f"input_format;{container.demuxer}|protocol_whitelist;file"):
            capture = cv2.VideoCapture(name, _backend(), limits)
    except cv2.error as error:
        raise VideoError(f"{path} does not open: {reason(error)}") from error
    if not capture.isOpened():
        why = f"it is no {container.name} that OpenCV reads, or its end is missing"
        raise VideoError(f"{path} does not open: {why}")
    width, height = (capture.get(of) for of in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT))
    check_size(str(path), width, height)
    return capture


def check_size(name: str, width: float, height: float) -> None:
    """Refuses frames that are too large; `name` is the video's."""
    if not 0 <= width * height <= _MOST_PIXELS:
        raise VideoError(
            f"{name} has frames of {width:,.0f} x {height:,.0f} pixels; at most {_MOST_PIXELS:,} are read"
        )


def _checked(path: Path) -> _Container:
    if path.is_dir():
        raise VideoError(f"{path} is a folder, not a video")
    if not path.exists():
        raise FileNotFoundError(f"there is no video {path}")
    if not path.is_file():
        raise VideoError(f"{path} is a device or a pipe, not a video")
    container = _BY_ENDING.get(path.suffix.lower())
    if container is None:
        raise VideoError(
            f"{path} does not open: expected a name that ends in {', '.join(VIDEO_SUFFIXES)}"
        )
    with path.open("rb") as file:
        start = file.read(_MAGIC_BYTES)
    if not start:
        raise VideoError(f"{path} is empty")
    if not container.magic.match(start):
        others = (each for each in dict.fromkeys(_BY_ENDING.values()) if each.magic.match(start))
        other = next(others, None)
        advice = "convert it, or take another file"
        if other is not None:
            endings = " or ".join(ending for ending, each in _BY_ENDING.items() if each is other)
            advice = f"it begins like {other.name}: rename it to {endings}"
        raise VideoError(f"{path} does not open: it does not begin as {container.name} does; {advice}")
    return container


def _backend() -> int:
    found = {
        cv2.videoio_registry.getBackendName(each): each
        for each in cv2.videoio_registry.getStreamBackends()
    }
    for name in _BACKENDS:
        if name in found:
            return int(found[name])
    raise VideoError(f"this OpenCV reads no videos: expected one that has {' or '.join(_BACKENDS)}")


@contextlib.contextmanager
def _told(options: str) -> Iterator[None]:
    """Gives FFmpeg options, which OpenCV takes from the environment alone."""
    with _environment:
        before = os.environ.get(_OPTIONS)
        os.environ[_OPTIONS] = options
        try:
            yield
        finally:
            if before is None:
                del os.environ[_OPTIONS]
            else:
                os.environ[_OPTIONS] = before
