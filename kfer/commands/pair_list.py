"""Pairs of pictures that a user has, and whether they show one person."""

import unicodedata
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kfer import listing, tables
from kfer.console import printable
from kfer.listing import LeftOut
from kfer.pairs import make_pairs

_NO_FOLD = -1

_COLUMNS = ("first", "second", "same")
_ANSWERS = {"1": True, "1.0": True, "1,0": True, "true": True, "yes": True, "same": True}
_ANSWERS |= {"0": False, "0.0": False, "0,0": False, "false": False, "no": False, "different": False}
_LAYOUT = (
    "Pairs are a CSV with the columns first, second (pictures, relative to it) and same (1 or 0); a list "
    "in LFW's format with --images; or a folder with a folder of pictures a person"
)


@dataclass(frozen=True)
class PicturePair:
    """Two pictures, whether they show one person, and their fold (-1 where the list has none)."""

    first: Path
    second: Path
    same: bool
    fold: int = _NO_FOLD


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
            f"{source} names {printable(str(missing[0]))}, which is not there"
            + (f", as {len(missing) - 1} others" if len(missing) > 1 else "")
        )
    return pairs


def _of_csv(source: Path, pictures: Path) -> list[PicturePair]:
    found: dict[frozenset[Path], tuple[PicturePair, int]] = {}
    again = 0
    for row in tables.rows(source, _COLUMNS, advice=_LAYOUT):
        place, answer = f"{source}, line {row.line}", row.cells["same"].lower()
        if answer not in _ANSWERS:
            raise ValueError(f"{place}: same must be 1 or 0; got {tables.told(row.cells['same'])}")
        for name in ("first", "second"):
            if not row.cells[name]:
                raise ValueError(f"{place}: it has no {name} picture")
        first, second = (_place_of(pictures, row.cells[name]) for name in ("first", "second"))
        pair = PicturePair(first, second, _ANSWERS[answer])
        known, line = found.setdefault(frozenset((first, second)), (pair, row.line))
        if known.same != pair.same:
            raise ValueError(
                f"{source} says of {row.cells['first']} and {row.cells['second']} that they are the same "
                f"and that they are not, in lines {line} and {row.line}"
            )
        again += line != row.line
    if again:
        warnings.warn(f"{source} has {again} pairs more than once; each counts once", stacklevel=1)
    if not found:
        raise ValueError(f"{source} has no pairs. {_LAYOUT}")
    return [pair for pair, _ in found.values()]


def _place_of(pictures: Path, named: str) -> Path:
    """The picture that a cell names, whose file may have another Unicode form, and no backslashes."""
    forms = [named, named.replace("\\", "/")]
    forms += [unicodedata.normalize("NFD", form) for form in forms]
    return next((pictures / form for form in forms if (pictures / form).exists()), pictures / named)


def _of_list(source: Path, pictures: Path) -> list[PicturePair]:
    from kfer.datasets import lfw

    return [
        PicturePair(
            _with_ending(pictures / pair.filename_a),
            _with_ending(pictures / pair.filename_b),
            pair.is_same,
            pair.fold,
        )
        for pair in lfw.read_pairs(source)
    ]


def _with_ending(path: Path) -> Path:
    """A picture of LFW, or the face that `kfer align` cut from it."""
    face = path.with_suffix(".png")
    return face if face.exists() and not path.exists() else path


def read_people(folder: Path) -> dict[Path, str]:
    """Returns the person of each picture in a folder with a folder of pictures a person, in order.

    Raises:
        FileNotFoundError: There is no picture in the folders of people.
        ValueError: A picture lies in no person's folder, or deeper.
    """
    left_out = LeftOut()
    names = list(listing.pictures(folder, left_out))
    said = f"left out of {folder}: {left_out}" if left_out.count else ""
    if not names:
        raise FileNotFoundError(f"there is no picture in the folders of {folder}. {said} {_LAYOUT}")
    listing.check_depth(names, folder, _LAYOUT)
    if listing.depth(names[0]) != 1:
        raise ValueError(f"{folder} has {names[0]}, which lies in no person's folder. {_LAYOUT}")
    if said:
        warnings.warn(said, stacklevel=1)
    person_of = {folder / name: listing.composed(Path(name).parent.name) for name in names}
    for one, other in listing.alike(sorted(set(person_of.values()))):
        warnings.warn(
            f"{folder} has the people {one!r} and {other!r}: rename one of them if both are the same",
            stacklevel=1,
        )
    return person_of


def _of_people(folder: Path, max_pairs: int, seed: int) -> list[PicturePair]:
    person_of = read_people(folder)
    paths = list(person_of)
    _, identities = np.unique(list(person_of.values()), return_inverse=True)
    return [
        PicturePair(paths[a], paths[b], bool(same))
        for a, b, same in zip(*make_pairs(identities, max_pairs, seed), strict=True)
    ]
