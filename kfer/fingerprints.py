"""What is read of files and folders: shows that something has changed, and what, in words.

Of each file its name, its size and two times count: when it was written last, which a copy may take over,
and when the system noted its last change, which no program can set. Of tables of labels, which are small,
the content counts in place of the times: one that is saved again without a change is the same. Where
reports tell what a listing leaves out (`kfer.listing`), that counts by its name; hidden files never do.

Every file is looked at each time. A folder's own times say whether files came or went, not whether their
content is another, so that nothing of an earlier fingerprint can be trusted.
"""

import base64
import dataclasses
import hashlib
import json
import os
import stat
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kfer import listing
from kfer.console import printable
from kfer.listing import LeftOut, Reason

#: Endings of tables whose content is compared, line by line.
_TABLES = (".csv", ".tsv", ".txt")
_LABEL = "label"
# Larger tables (three million boxes) are compared by size and time, as all other files are.
_LARGEST_TABLE = 16 * 1024**2
# Bytes of the hash of a table's line.
_LINE_BYTES = 8
_CHUNK = 1 << 16
_NOUNS = {
    **dict.fromkeys(listing.PICTURES, "image"),
    **dict.fromkeys((".mp4", ".avi", ".mov", ".mkv", ".webm", ".flv"), "recording"),
    ".wav": "sound",
    **dict.fromkeys((".zip", ".tar", ".tgz", ".gz", ".xz", ".bz2"), "archive"),
}
# In place of the size of what a listing leaves out.
_LEFT_OUT = "left out"
# So many files that are new or gone are looked through for one that was renamed.
_MOST_RENAMED = 100_000


@dataclass(frozen=True, order=True)
class Read:
    """A file or folder that is read, or looked for.

    Attributes:
        path: Where it is or would be.
        endings: Of the files in a folder that are read, in small letters; None for all files, an empty
            tuple where it only matters whether the folder is there.
        starts: Of the paths within a folder that are read, in small letters; empty for all.
        tells: Whether reports tell the names of what is left out of the folder.
    """

    path: str
    endings: tuple[str, ...] | None = None
    starts: tuple[str, ...] = ()
    tells: bool = False

    @staticmethod
    def of(content: dict[str, Any]) -> "Read":
        """Returns what JSON says of one, by its attributes' names."""
        endings = content["endings"]
        return Read(
            str(content["path"]),
            None if endings is None else tuple(endings),
            tuple(content["starts"]),
            bool(content["tells"]),
        )


def read(
    path: str | os.PathLike[str],
    endings: Iterable[str] | None = None,
    starts: Sequence[str] = (),
    tells: bool = False,
) -> Read:
    """Returns a `Read` of the place that a path leads to, links followed."""
    sorted_endings = None if endings is None else tuple(sorted(endings))
    return Read(os.path.realpath(path), sorted_endings, tuple(starts), tells)


@dataclass(frozen=True)
class Fingerprint:
    """What was there to be read.

    Attributes:
        digest: Another one wherever something is new, removed, renamed, written again or elsewhere.
        places: The files and folders that were looked at and are there.
        num_files: That are read.
        num_bytes: Of all of them.
        packed: What is known of each file, packed: about 20 bytes a file.
    """

    digest: str
    places: tuple[str, ...]
    num_files: int
    num_bytes: int
    packed: bytes

    def content(self) -> dict[str, Any]:
        """Returns it as JSON has it."""
        return {
            **dataclasses.asdict(self),
            "places": list(self.places),
            "packed": base64.b85encode(self.packed).decode(),
        }

    @staticmethod
    def of(content: dict[str, Any]) -> "Fingerprint":
        """Returns what `content` returned.

        Raises:
            ValueError: It is damaged.
        """
        try:
            packed = base64.b85decode(content["packed"])
            zlib.decompress(packed)
            return Fingerprint(
                str(content["digest"]),
                tuple(map(str, content["places"])),
                int(content["num_files"]),
                int(content["num_bytes"]),
                packed,
            )
        except (KeyError, TypeError, zlib.error) as error:
            raise ValueError(f"no fingerprint: {error}") from error


def check_apart(written: Path, reads: Iterable[Read]) -> None:
    """Checks that a folder that kfer writes is not within one that a dataset reads.

    Raises:
        ValueError: It is: each run would change its own source.
    """
    place = Path(os.path.realpath(written))
    for each in reads:
        if not each.tells or not place.is_relative_to(each.path):
            continue
        if listing.is_shown(place.relative_to(each.path).as_posix()):
            raise ValueError(
                f"{written} lies in {each.path}, whose files are read as a dataset: write to a folder "
                "outside of it, or move the dataset's files into a folder of their own"
            )


def take(reads: Iterable[Read]) -> Fingerprint:
    """Returns the fingerprint of what is there at this moment.

    Args:
        reads: All that is read or looked for; what is not there may be missing.

    Raises:
        OSError: A folder may not be read.
    """
    digest, packer, packed = hashlib.sha256(), zlib.compressobj(1), bytearray()
    places, num_files, num_bytes = [], 0, 0
    waiting: list[str] = []

    def note() -> None:
        chunk = "".join(waiting).encode()
        waiting.clear()
        digest.update(chunk)
        packed.extend(packer.compress(chunk))

    for each in sorted(set(reads)):
        rows = _rows(each)
        waiting.append(f"{json.dumps(next(rows))}\n")
        if os.path.lexists(each.path):
            places.append(each.path)
        for row in rows:
            if row[1] != _LEFT_OUT:
                num_files += 1
                num_bytes += row[1]
            waiting.append(f"{json.dumps(row)}\n")
            if len(waiting) >= _CHUNK:
                note()
    note()
    packed.extend(packer.flush())
    return Fingerprint(digest.hexdigest(), tuple(places), num_files, num_bytes, bytes(packed))


def changes(before: Fingerprint, after: Fingerprint) -> str:
    """Returns what has changed in words: "32 images new, 1 label changed, 1 image removed".

    Empty where nothing that is read has.
    """
    found = _Changes()
    for old, new in _paired(before, after):
        if old is None or new is None:
            found.add_lone(new or old, is_new=old is None)
        elif old[2] != new[2] and (_is_left_out(old) or _is_left_out(new)):
            found.add_lone(old, is_new=False)
            found.add_lone(new, is_new=True)
        elif old[2] != new[2]:
            found.add_changed(old, new)
    return found.words()


def _rows(each: Read) -> Iterator[Any]:
    """Yields the place and what it is, then of each file its name, size and times, or content."""
    try:
        status = Path(each.path).stat()
    except FileNotFoundError:
        yield {"path": each.path, "is": "missing"}
        return
    if not stat.S_ISDIR(status.st_mode):
        yield {"path": each.path, "is": "file"}
        is_table = listing.ending_of(each.path) in _TABLES and status.st_size <= _LARGEST_TABLE
        yield _table_row(each.path) if is_table else _row("", status)
        return
    yield {"path": each.path, "is": "folder", "endings": each.endings, "starts": each.starts}
    if each.endings == ():
        return
    endings, starts = each.endings and frozenset(each.endings), each.starts
    left_out = _Names()
    for file in listing.files(each.path, left_out):
        yield from left_out.rows(each)
        name = file.name
        if starts and not name.lower().startswith(starts):
            continue
        if endings is None or listing.ending_of(name) in endings:
            yield (name, file.size, file.modified_ns, file.changed_ns)
        elif each.tells:
            yield (name, _LEFT_OUT)
    yield from left_out.rows(each)


class _Names(LeftOut):
    """The names that a listing leaves out, in its order."""

    def __init__(self) -> None:
        super().__init__()
        self._waiting: list[str] = []

    def add(self, reason: Reason, name: str, ending: str = "") -> None:
        del ending
        if reason != Reason.HIDDEN:
            self._waiting.append(printable(name))

    def rows(self, each: Read) -> Iterator[tuple[str, str]]:
        """Yields those that came since the last time and are told."""
        names, self._waiting = self._waiting, []
        for name in names if each.tells else ():
            if not each.starts or name.lower().startswith(each.starts):
                yield name, _LEFT_OUT


def _row(name: str, status: os.stat_result) -> tuple[Any, ...]:
    return name, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _table_row(path: str) -> tuple[Any, ...]:
    content = Path(path).read_bytes()
    rows = content.splitlines()
    if _line_noun(path) == _LABEL:
        rows = rows[1:]  # without the columns' names
    lines = b"".join(hashlib.blake2b(row.strip(), digest_size=_LINE_BYTES).digest() for row in rows)
    own = hashlib.sha256(content).hexdigest()
    return "", len(content), own, base64.b85encode(lines).decode()


#: A place, the parts of the path within in their order, and the row.
_Known = tuple[str, tuple[tuple[str, str], ...], tuple[Any, ...]]


def _known(packed: bytes) -> Iterator[_Known]:
    """Yields what is known of each file."""
    unpacker, rest, place = zlib.decompressobj(), b"", ""
    for start in range(0, len(packed), _CHUNK):
        *lines, rest = (rest + unpacker.decompress(packed[start : start + _CHUNK])).split(b"\n")
        for line in lines:
            content = json.loads(line)
            if isinstance(content, dict):
                place = content["path"]
                continue
            parts = tuple((listing.composed(part), part) for part in content[0].split("/"))
            yield place, parts, tuple(content)


def _paired(before: Fingerprint, after: Fingerprint) -> Iterator[tuple[_Known | None, _Known | None]]:
    """Pairs the files of two fingerprints by place and name, in one pass: both are in one order."""
    old_rows, new_rows = _known(before.packed), _known(after.packed)
    old, new = next(old_rows, None), next(new_rows, None)
    while old is not None or new is not None:
        if new is None or (old is not None and old[:2] < new[:2]):
            yield old, None
            old = next(old_rows, None)
        elif old is None or new[:2] < old[:2]:
            yield None, new
            new = next(new_rows, None)
        else:
            yield old, new
            old, new = next(old_rows, None), next(new_rows, None)


class _Changes:
    """Counts by what has become of files and lines, and by what they are."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, str]] = Counter()
        # Of files that are new and that are gone, by size and time.
        self._lone: tuple[Counter[Any], Counter[Any]] = Counter(), Counter()

    def add_lone(self, known: Any, is_new: bool) -> None:
        place, parts, row = known
        noun, how = _noun(place, parts), "new" if is_new else "removed"
        if _is_left_out(known):
            self._counts[how, _LEFT_OUT] += 1
            return
        if len(row) == 4 and isinstance(row[2], str):
            self._counts[how, _line_noun(place)] += len(_lines(row))
            return
        self._counts[how, noun] += 1
        if sum(map(len, self._lone)) < _MOST_RENAMED:
            self._lone[is_new][noun, row[1], row[2]] += 1

    def add_changed(self, old: _Known, new: _Known) -> None:
        place, parts, row = new
        if not (isinstance(row[2], str) and isinstance(old[2][2], str)):
            self._counts["changed", _noun(place, parts)] += 1
            return
        before, after = _lines(old[2]), _lines(row)
        came, went = (after - before).total(), (before - after).total()
        noun, changed = _line_noun(place), min(came, went)
        self._counts["changed", noun] += changed
        self._counts["new", noun] += came - changed
        self._counts["removed", noun] += went - changed
        if not came and not went:
            self._counts["changed", "table"] += 1  # its columns' names, or the order of its rows

    def words(self) -> str:
        gone, came = self._lone
        for (noun, *_), number in (gone & came).items():
            self._counts["renamed", noun] += number
            self._counts["new", noun] -= number
            self._counts["removed", noun] -= number
        return ", ".join(
            f"{count:,} {_counted(noun, count)} {how}"
            for wanted in ("new", "changed", "renamed", "removed")
            for (how, noun), count in sorted(self._counts.items())
            if how == wanted and count
        )


def _is_left_out(known: _Known) -> bool:
    return bool(known[2][1] == _LEFT_OUT)


def _counted(noun: str, count: int) -> str:
    if noun == _LEFT_OUT:
        return "file that is left out" if count == 1 else "files that are left out"
    return noun if count == 1 else f"{noun}s"


def _noun(place: str, parts: tuple[tuple[str, str], ...]) -> str:
    return _NOUNS.get(listing.ending_of(parts[-1][1] or place), "file")


def _line_noun(place: str) -> str:
    return "line" if listing.ending_of(place) == ".txt" else _LABEL


def _lines(row: tuple[Any, ...]) -> Counter[bytes]:
    content = base64.b85decode(row[3])
    return Counter(content[at : at + _LINE_BYTES] for at in range(0, len(content), _LINE_BYTES))
