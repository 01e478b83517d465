"""Videos and cameras: the faces of every frame, each with its track.

A detector takes most of the time, so it looks at every n-th frame and where a face was lost; in between
faces are followed by optical flow. The model is asked about every face in every frame.
"""

import logging
import math
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from kfer.inference.analyzer import FaceAnalyzer
from kfer.inference.face import Detection
from kfer.inference.flow import moved
from kfer.inference.gallery.people import PersonStore
from kfer.inference.tracking import TrackedFace, Tracker

#: A path of a video, or the number of a camera.
VideoSource = str | os.PathLike[str] | int

# From which cosine on two faces of a video are one person's, where the model says no threshold.
_LEAST_SIMILARITY = 0.5
# What is taken for a frame rate, and what stands for one that is none.
_LARGEST_RATE, _USUAL_RATE = 1000.0, 25.0
# A time beyond the video's announced end by more than this share and a second is none.
_OVERTIME = 0.1
# Announced numbers of frames are estimates in some formats: that share, and a few, missing is no loss.
_ESTIMATE, _FEW = 0.05, 5
_log = logging.getLogger(__name__)


class VideoError(ValueError):
    """A video or camera that cannot be read; the message names it and says why."""


@dataclass(frozen=True, eq=False)
class Frame:
    """A frame of a video and the faces in it.

    Attributes:
        number: From 0; frames that cannot be read have numbers too.
        seconds: When it is shown, from the start of the video; of a camera, since its first frame.
        faces: In the order of their tracks.
        image: RGB uint8 `[height, width, 3]`, upright.
        skipped: How many frames before this one could not be read.
    """

    number: int
    seconds: float
    faces: tuple[TrackedFace, ...]
    image: np.ndarray
    skipped: int


def analyze_video(
    source: VideoSource,
    analyzer: FaceAnalyzer,
    gallery: PersonStore | None = None,
    threshold: float | None = None,
    detect_every: int = 5,
    time_constant: float = 0.3,
    most_unseen: int = 60,
    least_similarity: float | None = None,
    most_failures: int = 30,
) -> Iterator[Frame]:
    """Returns an iterator over a video's frames; what they show is found as they are asked for.

    The video is opened at once. A frame that cannot be read is left out and counted.

    Args:
        source: A path, or the number of a camera.
        analyzer: Finds faces and asks the model.
        gallery: The people to look for; None to name nobody.
        threshold: From which mean similarity on a track has a name, in [-1, 1]; None for the model's.
        detect_every: The detector looks at every so many frames, and for a face that was lost at once:
            a new face may be found so many frames late, less one. 1 for all frames.
        time_constant: Of the smoothing of expressions, in seconds: see `Tracker`.
        most_unseen: After so many frames without it a face that comes back has a new track.
        least_similarity: The cosine from which on a face that jumped or came back is taken for the same,
            in [-1, 1]; None for the model's threshold, or 0.5 where it has none.
        most_failures: A video that gives no picture more often than this, one time after the other, has
            ended; a camera has failed.

    Raises:
        FileNotFoundError: There is no such file.
        VideoError: The file is no video, or the camera does not open; while iterating: no frame can be
            read, or the camera fails.
        ValueError: A number is out of its range; the gallery has no threshold, or holds another model's
            embeddings.
    """
    for name, number, least in (("detect_every", detect_every, 1), ("most_failures", most_failures, 0)):
        if number < least:
            raise ValueError(f"{name} must be an integer from {least} on; got {number!r}")
    model = analyzer.model
    if model.threshold is not None and least_similarity is None:
        least_similarity = model.threshold.similarity
    if gallery is not None:
        threshold = model.threshold_or(threshold).similarity
    fingerprint = getattr(gallery, "model", model.fingerprint)
    if fingerprint != model.fingerprint:
        raise ValueError(
            f"the gallery holds embeddings of the model {fingerprint!r}, not of {model.fingerprint!r}"
        )
    tracker = Tracker(
        gallery,
        threshold,
        time_constant,
        most_unseen,
        least_similarity=_LEAST_SIMILARITY if least_similarity is None else least_similarity,
    )
    video = _Video(source, most_failures)
    return _frames(video, analyzer, tracker, detect_every)


def _frames(video: "_Video", analyzer: FaceAnalyzer, tracker: Tracker, every: int) -> Iterator[Frame]:
    before, since = None, every
    for number, seconds, picture in video:
        image = cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)
        grey = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
        places = tracker.in_sight
        followed: dict[int, Detection] = {}
        if before is not None and before.shape == grey.shape:
            found = {track: moved(before, grey, place) for track, place in places.items()}
            followed = {track: place for track, place in found.items() if place is not None}
        if since >= every or tracker.lost or len(followed) < len(places):
            (faces,) = analyzer.analyze_pixels([image])
            tracked = tracker.update(
                faces, seconds, {track: place.box for track, place in followed.items()}
            )
            since = 0
        else:
            (faces,) = analyzer.analyze_pixels([image], [list(followed.values())])
            tracked = tracker.follow(dict(zip(followed, faces, strict=True)), seconds)
        since += 1
        before = grey
        yield Frame(number, seconds, tracked, image, video.skipped)


class _Video:
    """Yields the number, the seconds and the pixels (BGR) of each frame that can be read.

    Attributes:
        skipped: How many could not be read before the one that came last.
    """

    def __init__(self, source: VideoSource, most_failures: int) -> None:
        self.skipped = 0
        self._most_failures = most_failures
        self._is_camera = isinstance(source, int)
        if isinstance(source, int):
            self._name = f"camera {source}"
            self._capture = cv2.VideoCapture(source)
            why = "it is not there, another program uses it, or this one may not"
        else:
            self._name = str(source)
            self._capture = cv2.VideoCapture(str(_checked(Path(source))))
            why = "it is no video of a format that OpenCV reads, or its end is missing"
        if not self._capture.isOpened():
            raise VideoError(f"{self._name} does not open: {why}")

    def __iter__(self) -> Iterator[tuple[int, float, np.ndarray]]:
        try:
            yield from self._read()
        finally:
            self._capture.release()

    def _read(self) -> Iterator[tuple[int, float, np.ndarray]]:
        announced = self._announced()
        number, failures, read, seconds, start = 0, 0, 0, -math.inf, 0.0
        while failures <= self._most_failures:
            succeeded, picture = self._capture.read()
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
                yield number, seconds, picture
            number += 1
        if self._is_camera:
            raise VideoError(f"{self._name} gave no picture {failures} times in a row")
        if not read:
            raise VideoError(f"{self._name} has no frame that can be read")
        if self.skipped:
            _log.warning("%s: %d frames could not be read", self._name, self.skipped)
        missing = announced - read - self.skipped
        if missing > max(_ESTIMATE * announced, _FEW):
            _log.warning("%s ends %d frames before the %d it announces", self._name, missing, announced)

    def _announced(self) -> int:
        """How many frames there should be; 0 where that is unknown."""
        count = self._capture.get(cv2.CAP_PROP_FRAME_COUNT)
        return int(count) if not self._is_camera and math.isfinite(count) and count > 0 else 0

    def _seconds(self, number: int, announced: int, previous: float) -> float:
        """When the frame that was read is shown: later than the one before."""
        rate = self._capture.get(cv2.CAP_PROP_FPS)
        rate = rate if 0 < rate <= _LARGEST_RATE else _USUAL_RATE
        seconds = self._capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
        last = (1 + _OVERTIME) * announced / rate + 1 if announced else math.inf
        if max(previous, -1e-9) < seconds <= last:
            return max(seconds, 0.0)
        return max(number / rate, previous + 1 / rate)


def _checked(path: Path) -> Path:
    if path.is_dir():
        raise VideoError(f"{path} is a folder, not a video")
    if not path.exists():
        raise FileNotFoundError(f"there is no video {path}")
    if path.is_file() and not path.stat().st_size:
        raise VideoError(f"{path} is empty")
    return path
