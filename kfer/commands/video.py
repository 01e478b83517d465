"""Follows the faces of a video: who they are, and what they express over time.

Prints each face with the times between which it is seen and the share of each expression; those that are
seen for less than half a second, or never well enough, are only counted. A frame that cannot be read is
left out and counted.
"""

import argparse
import contextlib
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from kfer import spec
from kfer.arguments import whole
from kfer.commands import NO, YES, counted, options, print_table
from kfer.console import after_the_deed
from kfer.files import check_new, replacing
from kfer.inference import timeline
from kfer.inference.drawing import Annotation, draw
from kfer.inference.episodes import expressed
from kfer.inference.gallery import Gallery
from kfer.inference.observations import Observations
from kfer.inference.records import JsonLines, RecordedModel, Summary, Table
from kfer.inference.tracking import TrackedFace
from kfer.inference.video import Frame, VideoSource, analyze_video
from kfer.media.frames import Video

# Of an annotated video whose own rate is unknown.
_FRAMES_A_SECOND = 25.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Of this command."""
    parser.add_argument("video", type=Path, metavar="FILE", help="a video that OpenCV reads")
    add_outputs(parser)


def add_outputs(parser: argparse.ArgumentParser) -> None:
    """What is written, and how faces are followed."""
    parser.add_argument(
        "--json", type=Path, metavar="JSONL", help="write a line of JSON a frame (.jsonl)"
    )
    parser.add_argument("--csv", type=Path, metavar="CSV", help="write a row a face and frame (.csv)")
    parser.add_argument(
        "--draw", type=Path, metavar="MP4", help="write the video with what was found (.mp4)"
    )
    parser.add_argument(
        "--timeline",
        type=Path,
        metavar="PNG",
        help='draw the expressions of each person over time (.png; pip install "kfer[plots]")',
    )
    parser.add_argument("--gallery", type=Path, metavar="FILE", help="name the people of this gallery")
    options.add_threshold(parser)
    parser.add_argument(
        "--detect-every",
        type=whole("at least 1"),
        default=5,
        metavar="N",
        help="look for new faces every N frames [5]",
    )
    options.add_model(parser)


def run(parsed: argparse.Namespace) -> int:
    """Runs it."""
    video = Video(parsed.video)
    return follow(parsed, parsed.video, video.announced or None, video.rate)


def follow(parsed: argparse.Namespace, source: VideoSource, total: int | None, rate: float) -> int:
    """Follows faces until the video ends or the user stops it, writes what is asked for, and prints."""
    for path, ending in ((parsed.json, ".jsonl"), (parsed.csv, ".csv"), (parsed.draw, ".mp4")):
        if path is not None:
            check_new(path, ending)
    if parsed.timeline is not None:
        check_new(parsed.timeline, ".png")
        timeline.check_drawable()
    analyzer = options.analyzer_of(parsed, *([spec.EMBEDDING] if parsed.gallery else []))
    gallery = Gallery.load(parsed.gallery, analyzer.model.fingerprint) if parsed.gallery else None
    threshold = options.threshold_of(parsed, analyzer.model).similarity if gallery else None
    frames = analyze_video(source, analyzer, gallery, threshold, parsed.detect_every)
    model = RecordedModel.of(analyzer.model)
    summary, observations, skipped = Summary(), Observations(model), 0
    with contextlib.ExitStack() as outputs:
        writers: list[Callable[[Frame], None]] = [summary.add]
        if parsed.timeline is not None:
            writers.append(observations.add)
        if parsed.json is not None:
            writers.append(outputs.enter_context(JsonLines(parsed.json, model)).write)
        if parsed.csv is not None:
            table = Table(parsed.csv, analyzer.model.expressions)
            writers.append(outputs.enter_context(table).write)
        if parsed.draw is not None:
            drawn = _Drawn(parsed.draw, rate if 1 <= rate <= 240 else _FRAMES_A_SECOND)
            writers.append(outputs.enter_context(drawn).write)
        with contextlib.suppress(KeyboardInterrupt):  # it ends a camera, and what was seen is kept
            for frame in tqdm(frames, total=total, unit="frame", file=sys.stderr):
                skipped = frame.skipped
                for write in writers:
                    write(frame)
    if parsed.timeline is not None and summary.tracks:
        told = expressed(observations.recording(str(source)))
        timeline.save(parsed.timeline, [each for each in told if not each.is_glimpse] or told)
    if skipped:
        print(f"kfer: {skipped} frames could not be read", file=sys.stderr)
    written = any((parsed.json, parsed.csv, parsed.draw, parsed.timeline))
    with after_the_deed() if written else contextlib.nullcontext():
        options.print_model(analyzer.model)
        return _print(summary)
    return YES if summary.tracks else NO  # the lines could not be printed


class _Drawn:
    """A video with what was found, whole under its name or not there."""

    def __init__(self, path: Path, rate: float) -> None:
        self._path, self._rate = path, rate
        self._whole = contextlib.ExitStack()
        self._writer: cv2.VideoWriter | None = None
        self._count = 0

    def __enter__(self) -> "_Drawn":
        return self

    def write(self, frame: Frame) -> None:
        picture = draw(frame.image, [_annotation(face) for face in frame.faces])
        if self._writer is None:
            self._new = self._whole.enter_context(replacing(self._path))
            height, width = picture.shape[:2]
            code = cv2.VideoWriter.fourcc(*"mp4v")
            self._writer = cv2.VideoWriter(str(self._new), code, self._rate, (width, height))
            if not self._writer.isOpened():
                raise OSError(f"{self._path} cannot be written: OpenCV opens no video there")
        self._writer.write(np.ascontiguousarray(picture[..., ::-1]))
        self._count += 1

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, *_: object) -> None:
        with self._whole:
            if self._writer is not None:
                self._writer.release()
            if error is not None:
                raise error
            if self._writer is not None:
                self._check()

    def _check(self) -> None:
        """OpenCV says nothing where it could not write: a full disk, say."""
        capture = cv2.VideoCapture(str(self._new))
        count = int(capture.get(cv2.CAP_PROP_FRAME_COUNT)) if capture.isOpened() else 0
        capture.release()
        if count < self._count:
            raise OSError(f"{self._path} cannot be written: {count} of {self._count} frames were")


def _annotation(tracked: TrackedFace) -> Annotation:
    face, words = tracked.face, [tracked.name or f"face {tracked.track}"]
    if tracked.expression is not None:
        words.append(f"{tracked.expression} {tracked.expressions[tracked.expression]:.0%}")
    return Annotation(face.box, face.landmarks, "  ".join(words), tracked.expressions)


def shares_words(shares: Mapping[str, float]) -> str:
    """The three largest of shares in words: "happy 62%, neutral 38%"."""
    largest = sorted(shares.items(), key=lambda item: -item[1])[:3]
    return ", ".join(f"{name} {share:.0%}" for name, share in largest if share >= 0.005)


def left_out_words(number: int) -> str:
    """That so many faces are not told of, and why."""
    return (
        f"{counted(number, 'face')} left out, seen for less than half a second or never well enough "
        "(--json and --csv have them)"
    )


def _print(summary: Summary) -> int:
    rows: list[Sequence[str]] = []
    for track in summary.tracks:
        if not track.is_glimpse:
            times = (f"{track.first_seconds:.1f}", f"{track.last_seconds:.1f}", str(track.frames))
            told = shares_words(track.expressions)
            rows.append([str(track.track), track.name or "", *times, told])
    if not summary.tracks:
        print("no face")
        return NO
    if rows:
        print_table(["face", "name", "from s", "to s", "frames", "expressions"], rows)
    if len(rows) < len(summary.tracks):
        print(left_out_words(len(summary.tracks) - len(rows)))
    return YES
