"""A recording as a clip: its frames of one size and at one rate."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import cv2
import numpy as np

from kfer.media.frames import USUAL_RATE, FrameFolder, TimedFrame, Video

# In seconds.
_ROUNDING = 1e-9
# Of a frame's time: a last one that would be shown for less comes of times rounded to milliseconds.
_SHORTEST = 0.05


class Recording:
    """Yields once the number in the recording and the pixels of each frame of a clip of it.

    Frames of another size than the first are scaled to the first's. Pixels are RGB uint8
    `[height, width, 3]`.

    Attributes:
        num_frames: How many frames the recording has up to the last that could be read; complete after
            that.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        frame_rate: float | None = None,
        largest_side: int | None = None,
        folder_rate: float = USUAL_RATE,
    ) -> None:
        """Opens the recording.

        Args:
            path: A video, or a folder with its frames as pictures.
            frame_rate: Frames a second of the clip, see `at_rate`; None for each frame of the recording.
            largest_side: A larger picture is made smaller, so that its longer side has so many pixels;
                None for no limit.
            folder_rate: Frames a second of a folder, which does not say.

        Raises:
            FileNotFoundError: There is no such file or folder.
            VideoError: It is no video and no folder with frames. While iterating: no frame can be read.
        """
        self._name = str(path)
        self._frame_rate, self._largest_side = frame_rate, largest_side
        self._frames = FrameFolder(path, folder_rate) if Path(path).is_dir() else Video(path)
        self._num_scaled = 0
        self.num_frames = 0

    @property
    def rate(self) -> float:
        """Frames a second of the clip; known for sure after the last frame."""
        return self._frame_rate or self._frames.rate

    @property
    def warnings(self) -> list[str]:
        """What is amiss with the recording, a sentence each; complete after the last frame."""
        found = list(self._frames.warnings)
        if self._num_scaled:
            found.append(
                f"{self._name}: {self._num_scaled} frames have another size than the first, and are "
                "scaled to it"
            )
        return found

    def __iter__(self) -> Iterator[tuple[int, np.ndarray]]:
        own = self._of_one_size(self._frames)
        for number, _, image in at_rate(own, self._frame_rate) if self._frame_rate else own:
            yield number, image

    def _of_one_size(self, frames: Iterable[TimedFrame]) -> Iterator[TimedFrame]:
        first, size = None, (0, 0)
        for number, seconds, image in frames:
            if first is None:
                first = image.shape
                size = _size(image, self._largest_side)
            self._num_scaled += image.shape != first
            self.num_frames = number + 1
            yield number, seconds, _scaled(image, size)


def at_rate(frames: Iterable[TimedFrame], rate: float) -> Iterator[TimedFrame]:
    """Yields the frames that are nearest to times 1 / rate apart, from the first frame's on.

    Where the rate is above the frames' own, some come more than once, so that time is kept. The last
    frame is shown for as long as the frames are on average.

    Args:
        frames: In the order of their times.
        rate: Frames a second.
    """
    taken, start, before, num_before = 0, 0.0, None, 0
    for frame in frames:
        if before is None:
            start = frame[1]
        else:
            # Of two frames that are as near the later one, whichever way times are rounded.
            middle = (before[1] + frame[1]) / 2 - start - _ROUNDING
            while taken / rate < middle:
                yield before
                taken += 1
        before, num_before = frame, num_before + 1
    if before is None:
        return
    length = before[1] - start
    end = length + length / (num_before - 1) if num_before > 1 else 0.0
    while taken == 0 or taken / rate < end - _SHORTEST / rate:
        yield before
        taken += 1


def _size(image: np.ndarray, largest_side: int | None) -> tuple[int, int]:
    """Height and width."""
    height, width = image.shape[:2]
    if largest_side is None or max(height, width) <= largest_side:
        return height, width
    scale = largest_side / max(height, width)
    return max(1, round(height * scale)), max(1, round(width * scale))


def _scaled(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    if image.shape[:2] == size:
        return image
    is_smaller = size[0] * size[1] < image.shape[0] * image.shape[1]
    return cv2.resize(image, size[::-1], interpolation=cv2.INTER_AREA if is_smaller else cv2.INTER_LINEAR)
