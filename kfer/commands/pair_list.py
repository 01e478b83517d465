"""Pairs of pictures that a user has, and whether they show one person."""

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kfer.inference.images import is_picture
from kfer.pairs import make_pairs

_COLUMNS = ("first", "second", "same")
_ANSWERS = {"1": True, "true": True, "yes": True, "same": True}
_ANSWERS |= {"0": False, "false": False, "no": False, "different": False}
_LAYOUT = (
    "Pairs are a CSV with the columns first, second (pictures, relative to it) and same (1 or 0); a list "
    "in LFW's format with --images; or a folder with a folder of pictures a person"
)


@dataclass(frozen=True)
class PicturePair:
    """Two pictures, and whether they show one person."""

    first: Path
    second: Path
    same: bool


def read_pairs(source: Path, pictures: Path | None, max_pairs: int, seed: int) -> list[PicturePair]:
    """Returns pairs of pictures.

    Args:
        source: A CSV with the columns first, second and same; a list in LFW's format; or a folder with
            a folder of pictures a person, whose pairs are drawn.
        pictures: What the names in a file are relative to; None for the CSV's own folder.
        max_pairs: The most pairs that are drawn, both kinds together.
        seed: Seeds the draw.

    Raises:
        FileNotFoundError: There is no such file or folder, or a picture is missing.
        ValueError: It is none of these, or has no pair of both kinds.
    """
    if source.is_dir():
        return _of_people(source, max_pairs, seed)
    if source.suffix.lower() == ".csv":
        pairs = _of_csv(source, pictures or source.parent)
    elif pictures is None:
        raise ValueError(f"{source} is no CSV and no folder, and --images is not given. {_LAYOUT}")
    else:
        pairs = _of_list(source, pictures)
    missing = [path for pair in pairs for path in (pair.first, pair.second) if not path.is_file()]
    if missing:
        raise FileNotFoundError(
            f"{source} names {missing[0]}, which is not there"
            + (f", as {len(missing) - 1} others" if len(missing) > 1 else "")
        )
    return pairs


def _of_csv(source: Path, pictures: Path) -> list[PicturePair]:
    with source.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file)
        if not set(_COLUMNS) <= set(reader.fieldnames or ()):
            raise ValueError(f"{source} has the columns {reader.fieldnames or []}. {_LAYOUT}")
        pairs = []
        for row in reader:
            answer = (row["same"] or "").strip().lower()
            if answer not in _ANSWERS:
                raise ValueError(
                    f"{source}, line {reader.line_num}: same must be 1 or 0; got {row['same']!r}"
                )
            first, second = (pictures / (row[name] or "") for name in ("first", "second"))
            pairs.append(PicturePair(first, second, _ANSWERS[answer]))
    return pairs


def _of_list(source: Path, pictures: Path) -> list[PicturePair]:
    from kfer.datasets import lfw

    return [
        PicturePair(
            _with_ending(pictures / pair.filename_a),
            _with_ending(pictures / pair.filename_b),
            pair.is_same,
        )
        for pair in lfw.read_pairs(source)
    ]


def _with_ending(path: Path) -> Path:
    """A picture of LFW, or the face that `kfer align` cut from it."""
    face = path.with_suffix(".png")
    return face if face.exists() and not path.exists() else path


def _of_people(folder: Path, max_pairs: int, seed: int) -> list[PicturePair]:
    paths = sorted(filter(is_picture, folder.glob("*/*")))
    if not paths:
        raise FileNotFoundError(f"there is no picture in the folders of {folder}. {_LAYOUT}")
    people = {name: number for number, name in enumerate(sorted({path.parent for path in paths}))}
    identities = np.array([people[path.parent] for path in paths])
    return [
        PicturePair(paths[a], paths[b], bool(same))
        for a, b, same in zip(*make_pairs(identities, max_pairs, seed), strict=True)
    ]
