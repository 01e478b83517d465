"""A folder of pictures made a folder of aligned faces: what `kfer align` does."""

import concurrent.futures
import dataclasses
import json
import multiprocessing
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from kfer import documents, files, listing
from kfer.documents.artifacts import AlignedFaces
from kfer.inference import alignment, detection, images
from kfer.inference.alignment import Crop
from kfer.inference.face import Detection
from kfer.inference.landmarks import DenseLandmarks, check_source
from kfer.listing import LeftOut, Reason

_SETTINGS, _NOT_FOUND = "alignment.json", "not_found.csv"
# So many pictures are handed to a process at once, and to the detector.
_CHUNK = 16


@dataclass(frozen=True)
class AlignmentSettings:
    """How the faces of a folder are cut.

    Attributes:
        crop: What of a face's surroundings is seen.
        size: Height and width of the faces in pixels.
        detector: The name of the detector.
        smallest_face: Smaller faces are left out, in pixels; None for none.
        least_score: In (0, 1): less sure detections are left out; None for the detector's own.
        weights: The file of the detector "yunet".
        landmarks: Where the five landmarks come from: "detector" or "dense", as of a `FaceAnalyzer`.
    """

    crop: Crop = dataclasses.field(default_factory=Crop)
    size: int = alignment.SIZE
    detector: str = "mtcnn"
    smallest_face: float | None = None
    least_score: float | None = None
    weights: str | None = None
    landmarks: str = "detector"

    def __post_init__(self) -> None:
        if not 8 <= self.size <= 1024:
            raise ValueError(f"size must be in [8, 1024] pixels; got {self.size!r}")
        check_source(self.landmarks)


@dataclass(frozen=True)
class Outcome:
    """What became of a picture.

    Attributes:
        path: Relative to the folder.
        reason: Why there is no face of it; empty where there is one.
    """

    path: Path
    reason: str


def align_folder(
    source: Path, target: Path, settings: AlignmentSettings, workers: int
) -> Iterator[Outcome]:
    """Cuts the largest face out of each picture below a folder, and yields what became of each.

    The faces keep the pictures' names and folders, as PNG. What is there already is not made again, so
    that a run that was stopped goes on. alignment.json says how they were cut, and not_found.csv, once
    all are done, which pictures have none, and why: those of formats that are not read are among them.

    Args:
        source: The folder.
        target: Where the faces go; made where missing.
        settings: How they are cut.
        workers: In how many processes.

    Raises:
        FileNotFoundError: There is no such folder, or no picture in it.
        ValueError: Faces in `target` were cut otherwise, or two pictures would give one face's file, or
            `target` lies within `source`.
    """
    if not source.is_dir():
        raise FileNotFoundError(f"there is no folder {source}")
    if target.resolve().is_relative_to(source.resolve()):
        raise ValueError(f"{target} is within {source}: its faces would be taken for pictures")
    left_out = LeftOut(keep=None)
    paths = list(map(Path, listing.pictures(source, left_out)))
    if not paths:
        raise FileNotFoundError(
            f"there is no picture in {source}" + (f"; left out: {left_out}" if left_out.count else "")
        )
    _check_names(paths)
    _keep_settings(target, settings)
    for folder in {target, *(_face_of(target, path).parent for path in paths)}:
        files.remove_leftovers(folder)
    todo = [path for path in paths if not _face_of(target, path).exists()]
    for path in sorted(set(paths) - set(todo)):
        yield Outcome(path, "")
    missing = [
        Outcome(Path(name), f"left out: {listing.in_words(reason, ending)}")
        for name, reason, ending in left_out.named()
        if reason not in (Reason.HIDDEN, Reason.OTHER_ENDING)
    ]
    yield from missing
    for outcome in _aligned(source, target, todo, settings, workers):
        if outcome.reason:
            missing.append(outcome)
        yield outcome
    rows = [{"picture": outcome.path.as_posix(), "reason": outcome.reason} for outcome in missing]
    files.write_csv(target / _NOT_FOUND, rows)


def _check_names(paths: list[Path]) -> None:
    found: dict[Path, Path] = {}
    for path in paths:
        other = found.setdefault(path.with_suffix(""), path)
        if other != path:
            raise ValueError(f"{other} and {path} would give one face's file: rename one of them")


def _keep_settings(target: Path, settings: AlignmentSettings) -> None:
    """Writes how faces are cut, or checks that those that are there were cut so."""
    path = target / _SETTINGS
    target.mkdir(parents=True, exist_ok=True)
    content, usual = (
        json.loads(json.dumps(dataclasses.asdict(each))) for each in (settings, AlignmentSettings())
    )
    with files.locked(target):
        if not path.exists():
            files.write_json(path, content)
    known = documents.read(path, AlignedFaces, "take another folder for the faces").content()
    # A setting that kfer did not have yet when the faces were cut was what it is by default.
    changed = [key for key in content if known.get(key, usual[key]) != content[key]]
    if changed:
        raise ValueError(
            f"the faces in {target} were cut with another {', '.join(changed)}: take another folder, "
            f"or the settings of {path}"
        )


def _aligned(
    source: Path, target: Path, paths: list[Path], settings: AlignmentSettings, workers: int
) -> Iterator[Outcome]:
    if not paths:
        return
    chunks = [paths[start : start + _CHUNK] for start in range(0, len(paths), _CHUNK)]
    if workers == 1:
        _start(source, target, settings)
        for chunk in chunks:
            yield from _align_some(chunk)
        return
    # Not forked: TensorFlow's threads do not survive that.
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(
        min(workers, len(chunks)), context, _start, (source, target, settings, True)
    ) as pool:
        try:
            for outcomes in pool.map(_align_some, chunks):
                yield from outcomes
        finally:
            pool.shutdown(cancel_futures=True)


# Of a worker: the folders, the settings, the detector, and what finds dense landmarks or None.
_work: dict[str, Any] = {}


def _start(source: Path, target: Path, settings: AlignmentSettings, alone: bool = False) -> None:
    if alone:
        # Each process has a core; more threads than cores only wait for each other.
        os.environ |= {"OMP_NUM_THREADS": "1", "TF_NUM_INTRAOP_THREADS": "1"}
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    detector = detection.load(
        settings.detector, settings.smallest_face, settings.least_score, settings.weights
    )
    dense = DenseLandmarks() if settings.landmarks == "dense" else None
    _work.update(source=source, target=target, settings=settings, detector=detector, dense=dense)


def _align_some(paths: list[Path]) -> list[Outcome]:
    """Of pictures that share a pass of the detector."""
    source = _work["source"]
    reasons: dict[Path, str] = {}
    for pictures, unread in images.read_batches([source / path for path in paths], len(paths)):
        reasons |= unread
        found = _work["detector"].detect(list(pictures.values()))
        for (place, picture), faces in zip(pictures.items(), found, strict=True):
            if not faces:
                reasons[place] = "no face"
                continue
            try:
                _write(place.relative_to(source), picture, faces[0])
            except files.DiskFullError:
                raise
            except (OSError, ValueError) as error:  # one picture does not stop the others
                reasons[place] = f"the face cannot be written: {error}"
    return [Outcome(path, reasons.get(source / path, "")) for path in paths]


def _write(path: Path, picture: np.ndarray, face: Detection) -> None:
    settings: AlignmentSettings = _work["settings"]
    if _work["dense"]:
        face = _work["dense"].refined(picture, face)
    target = _face_of(_work["target"], path)
    target.parent.mkdir(parents=True, exist_ok=True)
    aligned = alignment.align(picture, face, settings.crop, settings.size)
    with files.replacing(target) as new:
        Image.fromarray(aligned).save(new, "PNG")


def _face_of(target: Path, path: Path) -> Path:
    return target / path.with_suffix(".png")
