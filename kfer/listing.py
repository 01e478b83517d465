"""What of a folder or an archive is looked at: one rule for datasets and commands.

Hidden files, and what systems and programs put into folders for themselves, are passed over. Links are
followed. Whatever else is left out is counted and named in a `LeftOut`.
"""
# Of a million files, strings take a tenth of the time and memory of pathlib's objects.
# ruff: noqa: PTH114, PTH116, PTH118, PTH208

import enum
import errno
import logging
import os
import re
import stat
import unicodedata
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import NamedTuple

from kfer.console import printable

#: What a prepared dataset's metadata call that which was left out of its source.
LEFT_OUT = "left_out"
# HEIC needs pillow-heif: `kfer.media.pictures` names each picture that it cannot read without.
_READ = """
.jpg .jpeg .jpe .jfif .mpo .png .apng .webp .bmp .gif .tif .tiff .ppm .pgm .pbm .pnm .pfm .heic .heif .hif
"""
_UNREAD = """
.avif .dib .mng .jxl .jp2 .j2k .jpx .tga .ico .icns .pcx .exr .hdr .dds .pam .qoi
.sgi .rgb .dcm .fits .psd .psb .xcf .kra .svg .svgz .eps .ai .pdf .emf .wmf .raw .dng .cr2 .cr3 .crw .nef
.nrw .arw .srf .sr2 .orf .rw2 .raf .pef .srw .x3f .3fr .iiq
"""
#: Endings of the names of pictures that kfer reads.
PICTURES = frozenset(_READ.split())
# Endings of pictures that it does not read: a user may think that they are read.
_UNREAD_PICTURES = frozenset(_UNREAD.split())
# What programs and systems put into folders for themselves, besides names that begin with a dot.
_SYSTEM_NAMES = frozenset(
    (
        "__macosx",  # in zips of macOS
        "network trash folder",
        "temporary items",
        "icon\r",
        "thumbs.db",
        "ehthumbs.db",
        "desktop.ini",
        "$recycle.bin",
        "recycler",
        "system volume information",
        "lost+found",
        "@eadir",  # of network storage
        "@tmp",
        "@recycle",
        "@recently-snapshot",
        "#recycle",
        "#snapshot",
    )
)
# Links to folders within what links to folders lead to; folders that link to each other are endless.
_MOST_LINKS = 4
# So many different endings are counted by themselves, and so many names are told of each.
_MOST_REASONS, _NUM_TOLD = 12, 3
_LONGEST_ENDING = 8
_log = logging.getLogger(__name__)


class Reason(enum.Enum):
    """Why something is left out."""

    HIDDEN = "hidden"
    NOT_TEXT = "with a name that is not UTF-8"
    BROKEN_LINK = "broken link"
    CIRCLE = "link that leads in a circle"
    SPECIAL = "pipe, socket or device"
    UNREADABLE = "that may not be read"
    UNREAD_FORMAT = "picture of a format that is not read"
    OTHER_ENDING = "without the ending of what is read"
    EMPTY = "empty file"
    NO_RECORDING = "neither recording nor frame or sound"
    UNLISTED = "not in the table"
    OVERVIEW = "overview of generated images"


class File(NamedTuple):
    """A file that is there.

    Attributes:
        name: The path within the folder, with forward slashes, as it is on the disk.
        size: In bytes.
        modified_ns: When it was written last, in nanoseconds since 1970.
        changed_ns: When the system noted its last change, likewise; no program can set it.
    """

    name: str
    size: int
    modified_ns: int
    changed_ns: int


@dataclass
class _Omitted:
    count: int
    names: list[str]


class LeftOut:
    """What a listing left out: counts by reason, and names."""

    def __init__(self, keep: int | None = _NUM_TOLD, passed: Collection[Reason] = ()) -> None:
        """Starts with nothing.

        Args:
            keep: How many names of each reason are kept; None for all.
            passed: Reasons that are nothing to tell of.
        """
        self._keep = keep
        self._passed = passed
        self._omitted: dict[tuple[Reason, str], _Omitted] = {}

    def add(self, reason: Reason, name: str, ending: str = "") -> None:
        """Counts a file or folder.

        Args:
            reason: Why it is left out.
            name: Its path, in any form; it is kept in one that can be printed.
            ending: The ending of its name, where that is the reason.
        """
        if reason in self._passed:
            return
        key = reason, ending
        if key not in self._omitted and len(self._omitted) >= _MOST_REASONS:
            key = reason, ""
        omitted = self._omitted.setdefault(key, _Omitted(0, []))
        omitted.count += 1
        if self._keep is None or len(omitted.names) < self._keep:
            omitted.names.append(printable(name))

    @property
    def count(self) -> int:
        """How many were left out, hidden ones not counted."""
        return sum(each.count for (reason, _), each in self._omitted.items() if reason != Reason.HIDDEN)

    def named(self) -> Iterator[tuple[str, Reason, str]]:
        """Yields the names that were kept, each with its reason and its ending."""
        for (reason, ending), omitted in self._omitted.items():
            for name in omitted.names:
                yield name, reason, ending

    def content(self) -> list[dict[str, object]]:
        """What a report shows: of each reason "reason", "count" and "names", the first of them."""
        return [
            {"reason": in_words(reason, ending), "count": each.count, "names": each.names[:_NUM_TOLD]}
            for (reason, ending), each in self._omitted.items()
        ]

    def __str__(self) -> str:
        """What was left out in words: "1 .txt (notes.txt), 2 broken link (sad, glad)"."""
        parts = []
        for (reason, ending), each in self._omitted.items():
            told = ", ".join(each.names[:_NUM_TOLD])
            more = f" and {each.count - _NUM_TOLD:,} more" if each.count > _NUM_TOLD else ""
            parts.append(f"{each.count:,} {in_words(reason, ending)} ({told}{more})")
        return ", ".join(parts)

    def log(self, log: logging.Logger, place: object) -> None:
        """Says in one line what was left out: a warning, unless all of it is hidden.

        Args:
            log: Of the caller.
            place: The folder or archive.
        """
        if self._omitted:
            level = logging.WARNING if self.count else logging.INFO
            log.log(level, "Left out of %s: %s", printable(str(place)), self)


def files(folder: str | os.PathLike[str], left_out: LeftOut | None = None) -> Iterator[File]:
    """Yields the files below a folder, in the order of their paths, and asks the system once for each.

    Links to files and folders are followed, and never in a circle. Only regular files are opened.

    Args:
        folder: The folder; it may be hidden itself, or a link.
        left_out: Gets what is left out.

    Raises:
        OSError: The folder is not there, is no folder, or may not be read.
    """
    left_out = LeftOut() if left_out is None else left_out
    root = os.fspath(folder)
    levels = [_Level("", _sorted_names(root), _place(os.stat(root)), 0)]
    while levels:
        level = levels[-1]
        base = next(level.names, None)
        if base is None:
            levels.pop()
            continue
        name = f"{level.prefix}{base}"
        if is_hidden(base):
            left_out.add(Reason.HIDDEN, name)
        elif not is_text(base):
            left_out.add(Reason.NOT_TEXT, name)
        else:
            path = os.path.join(root, name)
            status = _status(path, name, left_out)
            if status is None:
                continue
            if stat.S_ISREG(status.st_mode):
                if os.access(path, os.R_OK):
                    yield File(name, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
                else:
                    left_out.add(Reason.UNREADABLE, name)
            elif stat.S_ISDIR(status.st_mode):
                opened = _opened(path, name, status, levels, left_out)
                if opened is not None:
                    levels.append(opened)
            else:
                left_out.add(Reason.SPECIAL, name)


def chosen(
    names: Iterable[str], left_out: LeftOut | None = None, endings: Collection[str] = PICTURES
) -> Iterator[str]:
    """Yields the names with one of the endings, in capitals or not.

    Args:
        names: Of files.
        left_out: Gets the others.
        endings: In small letters, with their dots.
    """
    for name in names:
        ending = ending_of(name)
        if ending in endings:
            yield name
        elif left_out is not None:
            is_picture = ending in _UNREAD_PICTURES or ending in PICTURES
            reason = Reason.UNREAD_FORMAT if is_picture else Reason.OTHER_ENDING
            left_out.add(reason, name, ending if len(ending) <= _LONGEST_ENDING else "")


def pictures(
    folder: str | os.PathLike[str],
    left_out: LeftOut | None = None,
    endings: Collection[str] = PICTURES,
) -> Iterator[str]:
    """Yields the paths of the pictures within a folder, with forward slashes; see `files` and `chosen`.

    Raises:
        OSError: The folder is not there, is no folder, or may not be read.
    """
    return chosen((file.name for file in files(folder, left_out)), left_out, endings)


def ending_of(name: str) -> str:
    """The ending of a file's name in small letters, with its dot; "" where there is none."""
    base = name[name.rfind("/") + 1 :]
    dot = base.rfind(".")
    return base[dot:].lower() if dot > 0 else ""


def is_hidden(base: str) -> bool:
    """Whether a file's or folder's own name says that it is hidden, or made by a system for itself."""
    return base.startswith(".") or base.lower() in _SYSTEM_NAMES


def is_shown(name: str) -> bool:
    """Whether no part of a path within an archive is hidden."""
    return not any(map(is_hidden, PurePosixPath(name).parts))


def is_text(name: str) -> bool:
    """Whether a name that came from the system is UTF-8."""
    if name.isascii():
        return True
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def composed(name: str) -> str:
    """A name in Unicode's composed form (NFC), in which equal names are equal strings."""
    return name if name.isascii() else unicodedata.normalize("NFC", name)


def in_words(reason: Reason, ending: str) -> str:
    """What a `LeftOut` says of a reason and an ending."""
    if reason == Reason.UNREAD_FORMAT and ending:
        return f"{ending}, a format that is not read"
    return ending or reason.value


def depth(name: str) -> int:
    """In how many folders within the listed one a file lies."""
    return name.count("/")


def check_depth(names: Sequence[str], place: object, advice: str) -> None:
    """Checks that all files lie equally deep: else folders are taken for people who are none.

    Args:
        names: The files' paths, with forward slashes.
        place: The folder or archive.
        advice: What is expected; ends the message.

    Raises:
        ValueError: They do not; the message has an example of each depth.
    """
    if names:
        least, most = min(names, key=depth), max(names, key=depth)
        if depth(least) < depth(most):
            raise ValueError(
                f"{place} has {printable(least)} and {printable(most)}, which do not lie equally deep: "
                f"folders within a label's or a person's are not read. {advice}"
            )


def warn_of_alike(names: Iterable[str], what: str, place: object) -> None:
    """Logs a warning for names that people take for one: "Ann" and "ann ", "7" and "7.0".

    Args:
        names: Different ones, in Unicode's composed form.
        what: What they are the names of, in the plural.
        place: Where they come from.
    """
    for one, other in alike(names):
        _log.warning(
            "%s has the %s %r and %r: rename one of them if both are the same", place, what, one, other
        )


def alike(names: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yields names that people take for an earlier one, each after that one; see `warn_of_alike`."""
    found: dict[str, str] = {}
    for name in names:
        other = found.setdefault(_looks(name), name)
        if other != name:
            yield other, name


class _Level(NamedTuple):
    """A folder that is being listed."""

    prefix: str
    names: Iterator[str]
    place: tuple[int, int]
    num_links: int


def _opened(
    path: str, name: str, status: os.stat_result, levels: list[_Level], left_out: LeftOut
) -> _Level | None:
    num_links = levels[-1].num_links + os.path.islink(path)
    place = _place(status)
    if num_links > _MOST_LINKS or any(place == level.place for level in levels):
        left_out.add(Reason.CIRCLE, name)
        return None
    try:
        return _Level(f"{name}/", _sorted_names(path), place, num_links)
    except OSError:
        left_out.add(Reason.UNREADABLE, name)
        return None


def _sorted_names(path: str) -> Iterator[str]:
    names = os.listdir(path)
    # In one order whichever form of Unicode a system keeps names in.
    names.sort(key=None if all(map(str.isascii, names)) else lambda name: (composed(name), name))
    return iter(names)


def _place(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino


def _status(path: str, name: str, left_out: LeftOut) -> os.stat_result | None:
    try:
        return os.stat(path)
    except FileNotFoundError:
        # What is gone since the folder was listed is nothing to tell of.
        if os.path.islink(path):
            left_out.add(Reason.BROKEN_LINK, name)
    except OSError as error:
        left_out.add(Reason.CIRCLE if error.errno == errno.ELOOP else Reason.UNREADABLE, name)
    return None


def _looks(name: str) -> str:
    text = unicodedata.normalize("NFKC", name).casefold()
    visible = "".join(sign for sign in text if unicodedata.category(sign) not in ("Cf", "Cc"))
    return re.sub(r"[\s_]+", " ", visible).strip().removesuffix(".0")
