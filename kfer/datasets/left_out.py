"""What a dataset leaves out of its source: logged, and kept with the prepared data for reports."""

import logging
from collections.abc import Collection
from pathlib import Path

import tensorflow_datasets as tfds

from kfer import listing
from kfer.datasets import archives
from kfer.listing import LeftOut, Reason

_log = logging.getLogger(__name__)


def keep(info: tfds.core.DatasetInfo, left_out: LeftOut, source: Path) -> None:
    """Logs what was left out of one source, and adds it to the dataset's metadata.

    Args:
        info: Of the dataset, with metadata.
        left_out: What was left out.
        source: The folder or archive.
    """
    left_out.log(_log, source)
    info.metadata[listing.LEFT_OUT] = [*info.metadata.get(listing.LEFT_OUT, ()), *left_out.content()]


def files(
    info: tfds.core.DatasetInfo, source: Path, advice: str, endings: Collection[str] = listing.PICTURES
) -> list[str]:
    """Lists the files of a published dataset, and keeps what is left out.

    Tables, readmes and the like belong to such a dataset and are not told.

    Args:
        info: Of the dataset, with metadata.
        source: A zip, a tar (compressed or not) or a folder.
        advice: Where to get the source anew; ends the message about a damaged one.
        endings: Of the wanted files, in small letters, with their dots.

    Raises:
        DamagedError: The source is damaged, an entry points outside of it, or unpacks to too much.
    """
    left_out = LeftOut(passed=(Reason.OTHER_ENDING,))
    names = archives.list_files(source, advice, left_out)
    found = list(listing.chosen(names, left_out, endings))
    keep(info, left_out, source)
    return found
