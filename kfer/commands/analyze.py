"""Finds the faces in pictures and says what they express.

The exit code is 0 where every picture could be read, with faces or without, else 2. Of a folder, files
whose names do not end as those of pictures that are read are left out, and named on stderr.
"""

import argparse
import contextlib
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from tqdm import tqdm

from kfer import listing, spec
from kfer.commands import ERROR, YES, options, print_json, print_table
from kfer.console import after_the_deed
from kfer.inference import images
from kfer.inference.analyzer import Face, FaceAnalyzer
from kfer.inference.drawing import annotation, draw, save
from kfer.listing import LeftOut

_BATCH = 16


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Of this command."""
    parser.add_argument(
        "images", nargs="+", type=Path, metavar="IMAGE", help="pictures, or folders of them"
    )
    parser.add_argument("--json", action="store_true", help="print JSON, one object with all pictures")
    parser.add_argument(
        "--embeddings", action="store_true", help="with --json: the embedding of each face"
    )
    parser.add_argument(
        "--points",
        action="store_true",
        help="with --json and --landmarks dense: the 468 points of each face, y, x and z in pixels",
    )
    parser.add_argument(
        "--draw",
        type=Path,
        metavar="OUT",
        help="write the pictures with what was found to this file (.png or .jpg), or into this folder",
    )
    options.add_model(parser)


def run(parsed: argparse.Namespace) -> int:
    """Runs it."""
    if parsed.points and parsed.landmarks != "dense":
        raise ValueError("--points prints dense landmarks: give --landmarks dense as well")
    paths = list(_pictures(parsed.images))
    drawn = _places(paths, parsed.draw)
    analyzer = options.analyzer_of(parsed, *([spec.EMBEDDING] if parsed.embeddings else []))
    results: list[tuple[Path, list[Face]]] = []
    failures: dict[Path, str] = {}
    with tqdm(
        total=len(paths), unit="picture", disable=len(paths) <= _BATCH, file=sys.stderr
    ) as progress:
        for read, unread in images.read_batches(paths, _BATCH):
            failures |= unread
            for path, faces in zip(read, analyzer.analyze_pixels(list(read.values())), strict=True):
                results.append((path, faces))
                if path in drawn:
                    drawn[path].parent.mkdir(parents=True, exist_ok=True)
                    picture = draw(read[path], [annotation(face) for face in faces])
                    save(picture, drawn[path])
            progress.update(len(read) + len(unread))
    with after_the_deed() if drawn else contextlib.nullcontext():
        _tell(parsed, analyzer, results, failures)
    return ERROR if failures else YES


def _tell(
    parsed: argparse.Namespace,
    analyzer: FaceAnalyzer,
    results: Sequence[tuple[Path, list[Face]]],
    failures: Mapping[Path, str],
) -> None:
    if parsed.json:
        pictures = [
            {"image": str(path), "faces": [_described(face, parsed) for face in faces]}
            for path, faces in results
        ]
        failed = [{"image": str(path), "error": reason} for path, reason in failures.items()]
        print_json({**options.told_of(analyzer.model), "images": pictures, "failures": failed})
    else:
        options.print_model(analyzer.model)
        _print(results)
    for reason in failures.values():
        print(f"kfer analyze: {reason}", file=sys.stderr)


def _pictures(given: Sequence[Path]) -> Iterator[Path]:
    """Files as they are; of folders, what has the ending of a picture."""
    for path in given:
        if not path.is_dir():
            yield path
            continue
        left_out, found = LeftOut(), False
        for name in listing.pictures(path, left_out):
            found = True
            yield path / name
        if not found:
            raise FileNotFoundError(
                f"there is no picture in {path}" + (f"; left out: {left_out}" if left_out.count else "")
            )
        if left_out.count:
            print(f"kfer analyze: left out of {path}: {left_out}", file=sys.stderr)


def _places(paths: Sequence[Path], target: Path | None) -> dict[Path, Path]:
    """Where each picture is drawn to."""
    if target is None:
        return {}
    if target.suffix.lower() in options.PICTURES:
        if len(paths) != 1:
            raise ValueError(f"--draw must be a folder for {len(paths)} pictures; got {target}")
        places = {paths[0]: target}
    else:
        places = {path: target / f"{path.stem}.png" for path in paths}
        if len(set(places.values())) < len(places):
            raise ValueError(f"two pictures have the same name: they cannot both be drawn into {target}")
    for place in places.values():
        options.check_picture(place)
    return places


def _described(face: Face, parsed: argparse.Namespace) -> dict[str, object]:
    described = options.described(face)
    if parsed.points:
        points = face.dense_landmarks
        described["dense_landmarks"] = None if points is None else points.astype(float).round(2).tolist()
    if parsed.embeddings and face.embedding is not None:
        described["embedding"] = [float(number) for number in face.embedding]
    return described


def _print(results: Sequence[tuple[Path, list[Face]]]) -> None:
    rows = []
    for path, faces in results:
        if not faces:
            rows.append([str(path), "", "no face", "", "", "", ""])
        for number, face in enumerate(faces, 1):
            share = "" if face.expression is None else f"{face.expressions[face.expression]:.0%}"
            rows.append(
                [
                    str(path) if number == 1 else "",
                    str(number),
                    face.expression or "",
                    share,
                    f"{face.quality.score:.2f}",
                    options.place_of(face),
                    "; ".join(face.quality.warnings),
                ]
            )
    print_table(["image", "face", "expression", "", "quality", "x,y size", "notes"], rows)
