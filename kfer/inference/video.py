"""Videos and cameras: the faces of every frame, each with its track.

A detector takes most of the time, so it looks at every n-th frame and where a face was lost; in between
faces are followed by optical flow. The model is asked about every face in every frame.
"""

import logging
from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from kfer.inference.analyzer import FaceAnalyzer
from kfer.inference.face import Detection
from kfer.inference.flow import moved
from kfer.inference.gallery.people import PersonStore
from kfer.inference.over_time import OverTime
from kfer.inference.tracking import TrackedFace, Tracker
from kfer.media.frames import Video, VideoError, VideoSource

__all__ = ["Frame", "VideoError", "VideoSource", "analyze_video"]

# From which cosine on two faces of a video are one person's, where the model says no threshold.
_LEAST_SIMILARITY = 0.5
_log = logging.getLogger(__name__)


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
    video = Video(source, most_failures)
    return _frames(video, analyzer, tracker, detect_every)


def _frames(video: Video, analyzer: FaceAnalyzer, tracker: Tracker, every: int) -> Iterator[Frame]:
    before, since = None, every
    over_time = OverTime(analyzer) if analyzer.model.clip_frames else None
    for number, seconds, image in video:
        grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
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
        if over_time is not None:
            tracked = over_time.update(tracked, tracker.tracks)
        since += 1
        before = grey
        yield Frame(number, seconds, tracked, image, video.skipped)
    for warning in video.warnings:
        _log.warning(warning)
