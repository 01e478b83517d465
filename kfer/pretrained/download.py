"""Weights that others publish: downloaded once, checked, and kept."""

import hashlib
import http.client
import logging
import os
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import filelock

from kfer.files import DiskFullError, told_if_full
from kfer.progress import progress

SITE = "https://download.pytorch.org/models/"
#: torchvision's files; "imagenet-v2" is its second training recipe.
_FILES = {
    ("densenet161", "imagenet"): "densenet161-8d451a50.pth",
    ("resnet152", "imagenet"): "resnet152-394f9c45.pth",
    ("resnet152", "imagenet-v2"): "resnet152-f82ba261.pth",
}
RECIPES = ("imagenet", "imagenet-v2")

_MEBIBYTE = 2**20
_TIMEOUT_SECONDS = 30.0
_log = logging.getLogger(__name__)


def published(name: str, recipe: str) -> Path:
    """Returns the file of published weights, downloading it where it is not yet in the cache.

    An interrupted download goes on where it stopped. A file that has been put into the cache by hand
    is checked and used.

    Args:
        name: The backbone.
        recipe: "imagenet" or "imagenet-v2".

    Raises:
        ValueError: Nothing is published for this backbone and recipe, or the SHA-256 of the file does
            not begin with the digits in its name.
        OSError: The file is not there and cannot be downloaded.
    """
    if (name, recipe) not in _FILES:
        known = "; ".join(f"{recipe!r} for {name}" for name, recipe in _FILES)
        raise ValueError(
            f"no weights {recipe!r} are published for {name!r}. Published are {known}; otherwise give "
            "None or a file"
        )
    filename = _FILES[name, recipe]
    path = cache() / filename
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        # A second process waits for the first one's file.
        with filelock.FileLock(path.with_suffix(".lock")):
            if not path.exists():
                _download(SITE + filename, path)
    wrong = _wrong_hash(path, _digits(path))
    if wrong:
        raise ValueError(f"{path} is not the published file: {wrong}. Delete it to have it downloaded")
    return path


def cache() -> Path:
    """Returns the folder of downloaded weights: KFER_CACHE, or kfer in XDG_CACHE_HOME or ~/.cache."""
    if os.environ.get("KFER_CACHE"):
        return Path(os.environ["KFER_CACHE"]).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "kfer"


def _download(url: str, path: Path) -> None:
    partial = path.with_suffix(".partial")
    _log.info("downloading %s to %s", url, path)
    try:
        with told_if_full(path):
            _fetch(url, partial)
    except DiskFullError:
        raise
    except (OSError, http.client.HTTPException) as error:
        raise OSError(
            f"could not download {url} ({error}). Run again to go on, or put the file at {path}; the "
            "environment variable KFER_CACHE names another folder"
        ) from error
    wrong = _wrong_hash(partial, _digits(path))
    if wrong:
        partial.unlink()
        raise ValueError(
            f"what {url} sent is not the published file: {wrong}. Nothing was kept; run again"
        )
    partial.replace(path)


def _fetch(url: str, partial: Path) -> None:
    have = partial.stat().st_size if partial.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    try:
        response = urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS)
    except urllib.error.HTTPError as error:
        if error.code != http.client.REQUESTED_RANGE_NOT_SATISFIABLE or not have:
            raise
        # There is nothing after what is here: whole already, or not a beginning of this file.
        partial.unlink()
        _fetch(url, partial)
        return
    with response:
        if have and not response.headers.get("Content-Range", "").startswith(f"bytes {have}-"):
            have = 0
        length = int(response.headers.get("Content-Length") or 0)
        total = -(-length // _MEBIBYTE) or None
        with open(partial, "ab" if have else "wb", opener=_opener) as file:
            for chunk in progress(_chunks(response), f"MiB of {partial.stem}", total):
                file.write(chunk)
            if length and file.tell() < have + length:
                raise ConnectionError(f"it stopped after {file.tell():,} of {have + length:,} bytes")


def _opener(path: str, flags: int) -> int:
    # The name is the same each time, to go on with it; a link that somebody put there is not followed.
    return os.open(path, flags | getattr(os, "O_NOFOLLOW", 0), 0o666)


def _chunks(file: BinaryIO) -> Iterator[bytes]:
    while chunk := file.read(_MEBIBYTE):
        yield chunk


def _digits(path: Path) -> str:
    """The first digits of the SHA-256, which published files bear in their names."""
    return path.stem.rpartition("-")[2]


def _wrong_hash(path: Path, digits: str) -> str:
    """Says how the file's SHA-256 differs; nothing where it begins with these digits."""
    with path.open("rb") as file:
        came = hashlib.file_digest(file, "sha256").hexdigest()
    return "" if came.startswith(digits) else f"expected a SHA-256 of {digits}..., got {came}"
