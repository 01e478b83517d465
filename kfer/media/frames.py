"""The frames of videos, cameras and folders of pictures, one by one, with their times."""

import math
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from kfer import listing
from kfer.files import reason
from kfer.listing import LeftOut, Reason
from kfer.media import containers, pictures
from kfer.media.containers import VIDEO_SUFFIXES, VideoError

#: A path of a video, or the number of a camera.
VideoSource = str | os.PathLike[str] | int
#: A frame's number from 0, when it is shown in seconds, and its pixels, RGB uint8 `[height, width, 3]`.
TimedFrame = tuple[int, float, np.ndarray]

#: Frames a second where a recording does not say.
USUAL_RATE = 25.0

# What is taken for a frame rate.
_LARGEST_RATE = 1000.0
# An announced rate that is this close to that of the frames' times is the exact one.
_RATE_TOLERANCE = 0.01
# A time beyond the video's announced end by more than this share and a second is none.
_OVERTIME = 0.1
# Announced numbers of frames are estimates in some formats: that share, and a few, missing is no loss.
_ESTIMATE, _FEW = 0.05, 5


class Video:
    """Yields once each frame of a video or a camera that can be read.

    Frames that cannot be read have numbers too.

    Attributes:
        skipped: How many could not be read before the one that came last.
        warnings: What is amiss with the video, a sentence each; complete after the last frame.
    """

    def __init__(self, source: VideoSource, most_failures: int = 30) -> None:
        """Opens it.

        Args:
            source: A path, or the number of a camera.
            most_failures: A video that gives no picture more often than this, one time after the other,
                has ended; a camera has failed.

        Raises:
            FileNotFoundError: There is no such file.
            VideoError: The file is no video that `containers.opened` takes, or the camera does not open.
                While iterating: no frame can be read, or the camera fails.
        """
        self.skipped = 0
        self.warnings: list[str] = []
        self._most_failures = most_failures
        self._is_camera = isinstance(source, int)
        if isinstance(source, int):
            self._name = f"camera {source}"
            self._capture = cv2.VideoCapture(source)
            if not self._capture.isOpened():
                why = "it is not there, another program uses it, or this one may not"
                raise VideoError(f"{self._name} does not open: {why}")
        else:
            self._name = str(source)
            self._capture = containers.opened(Path(source))
        rate = self._capture.get(cv2.CAP_PROP_FPS)
        self._announced_rate = rate if 0 < rate <= _LARGEST_RATE else USUAL_RATE
        self._measured_rate = self._announced_rate

    @property
    def announced(self) -> int:
        """How many frames there should be, by the video's own words; 0 where that is unknown."""
        count = self._capture.get(cv2.CAP_PROP_FRAME_COUNT)
        return int(count) if not self._is_camera and math.isfinite(count) and count > 0 else 0

    @property
    def rate(self) -> float:
        """Frames a second: as announced, unless the times of the frames that came say otherwise."""
        announced, measured = self._announced_rate, self._measured_rate
        return announced if abs(measured / announced - 1) <= _RATE_TOLERANCE else measured

    def __iter__(self) -> Iterator[TimedFrame]:
        try:
            yield from self._read()
        finally:
            self._capture.release()

    def _read(self) -> Iterator[TimedFrame]:
        announced = self.announced
        number, failures, read, seconds, start = 0, 0, 0, -math.inf, 0.0
        first = 0, 0.0
        while failures <= self._most_failures:
            try:
                succeeded, picture = self._capture.read()
            except (cv2.error, MemoryError) as error:
                raise VideoError(f"{self._name} cannot be read: {reason(error)}") from error
            if picture is not None:
                containers.check_size(self._name, picture.shape[1], picture.shape[0])
            if not succeeded or picture is None:
                if announced and number >= announced:
                    break
                failures += 1
            else:
                self.skipped, failures, read = self.skipped + failures, 0, read + 1
                if self._is_camera:
                    now = time.monotonic()
                    start = now if read == 1 else start
                    seconds = now - start
                else:
                    seconds = self._seconds(number, announced, seconds)
                if read == 1:
                    first = number, seconds
                elif seconds > first[1]:
                    self._measured_rate = (number - first[0]) / (seconds - first[1])
                yield number, seconds, cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)
            number += 1
        if self._is_camera:
            raise VideoError(f"{self._name} gave no picture {failures} times in a row")
        if not read:
            raise VideoError(f"{self._name} has no frame that can be read")
        if self.skipped:
            self.warnings.append(f"{self._name}: {self.skipped} frames could not be read")
        missing = announced - read - self.skipped
        if missing > max(_ESTIMATE * announced, _FEW):
            self.warnings.append(
                f"{self._name} ends {missing} frames before the {announced} it announces"
            )

    def _seconds(self, number: int, announced: int, previous: float) -> float:
        """When the frame that was read is shown: later than the one before."""
        rate = self._announced_rate
        seconds = self._capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
        last = (1 + _OVERTIME) * announced / rate + 1 if announced else math.inf
        if max(previous, -1e-9) < seconds <= last:
            return max(seconds, 0.0)
        return max(number / rate, previous + 1 / rate)


class FrameFolder:
    """Yields each picture in a folder that can be read, in the natural order of names.

    frame_2 comes before frame_10. Pictures that cannot be read have numbers too.

    Attributes:
        rate: Frames a second.
        skipped: How many could not be read before the one that came last.
        warnings: What is amiss with the folder, a sentence each; complete after the last frame.
    """

    def __init__(self, folder: str | os.PathLike[str], rate: float = USUAL_RATE) -> None:
        """Lists the folder.

        Args:
            folder: The folder, with nothing but one recording's pictures; other files are passed over.
            rate: Frames a second, which the pictures do not say.

        Raises:
            FileNotFoundError: There is no such folder.
            VideoError: It has no picture. While iterating: none can be read.
        """
        self.rate, self.skipped = rate, 0
        self.warnings: list[str] = []
        self._folder = Path(folder)
        if not self._folder.is_dir():
            raise FileNotFoundError(f"there is no folder {folder}")
        names = {path.name: path for path in self._folder.iterdir() if _is_shown_file(path)}
        left_out = LeftOut()
        frames = listing.chosen(sorted(names), left_out)
        self._paths = sorted((names[name] for name in frames), key=_natural)
        if not self._paths:
            raise VideoError(f"{folder} has no frame: expected pictures, {pictures.FORMATS}")
        if any(reason == Reason.UNREAD_FORMAT for _, reason, _ in left_out.named()):
            self.warnings.append(f"left out of {folder}: {left_out}")

    def __iter__(self) -> Iterator[TimedFrame]:
        failed: list[str] = []
        for number, path in enumerate(self._paths):
            try:
                picture = pictures.read(path)
            except pictures.ImageError:
                failed.append(path.name)
                continue
            self.skipped = len(failed)
            yield number, number / self.rate, picture
        if len(failed) == len(self._paths):
            raise VideoError(f"{self._folder} has no frame that can be read")
        if failed:
            self.warnings.append(
                f"{self._folder}: {len(failed)} frames could not be read, the first is {failed[0]}"
            )


def is_video(name: str) -> bool:
    """Whether the file's name is that of a video."""
    return name.lower().endswith(VIDEO_SUFFIXES)


def is_picture(name: str) -> bool:
    """Whether the file's name is that of a picture that can be a frame."""
    return listing.ending_of(name) in listing.PICTURES


def _is_shown_file(path: Path) -> bool:
    return not listing.is_hidden(path.name) and path.is_file()


def _natural(path: Path) -> tuple[list[tuple[str, int]], str]:
    """A key for sorting in which numbers count as such: "a2b" is ("a", 2), ("b", 0)."""
    found = re.findall(r"(\D*)(\d*)", path.name.lower())
    return [(text, int(digits or 0)) for text, digits in found], path.name
