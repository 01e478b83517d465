"""A user's own recordings: in a folder a label, or listed in a CSV with a column a task."""

import dataclasses
import hashlib
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import tensorflow_datasets as tfds

from kfer import listing, spec, tables
from kfer.datasets import archives, clips, label_table, layout, left_out, naming
from kfer.fingerprints import Read, read
from kfer.listing import LeftOut, Reason
from kfer.media import frames

_TASKS = (spec.EXPRESSION, spec.IDENTITY)
_LABELS = (*_TASKS, spec.FRAME_EXPRESSION)
_LAYOUT = (
    "Recordings are laid out as <path>/<split>/<label>/<recording>, with splits such as train, "
    "validation and test, and the name of the task that the labels are of; or there is a CSV with a "
    "column filename (relative to <path>), a column expression or identity or both (an empty field is a "
    "missing label), and, if wanted, columns split, sound (a WAV file) and frame_expression (a text file "
    "with a line for each frame: its expression, or nothing). A recording is a video "
    f"({', '.join(frames.VIDEO_SUFFIXES)}) or a folder of frames as pictures; its sound is "
    "<recording>.wav beside it."
)


class KferClipFolder(tfds.core.GeneratorBasedBuilder):
    """Splits and labels are those of the folders or the CSV.

    Each choice of arguments is a config of its own, so that two folders prepared side by side are
    not taken for one another.
    """

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "First version."}

    def __init__(
        self,
        *,
        path: str | Path,
        task: str = "",
        labels: str = "",
        expressions: Sequence[str] = spec.EXPRESSIONS,
        frame_rate: float | None = None,
        largest_side: int | None = 256,
        sound: str = "beside",
        folder_rate: float = frames.USUAL_RATE,
        config: str | None = None,
        **arguments: Any,
    ) -> None:
        """Takes the folder, what its labels are and how its recordings become clips.

        Args:
            path: The folder.
            task: "expression" or "identity": what the names of folders label.
            labels: The CSV's path relative to `path`, in place of `task`.
            expressions: The expression names that may occur.
            frame_rate: Frames a second, see `clips.ClipSettings`; None for the recordings' own.
            largest_side: The longer side in pixels at most; None for the recordings' own.
            sound: "none", "beside" (a recording may have none) or "required".
            folder_rate: Frames a second that folders of frames were recorded with.
            config: Unused; the arguments name the config.
            arguments: TFDS's own (`data_dir`, `version`).

        Raises:
            ValueError: The task is unknown, both or neither of `task` and `labels` are given, or a number
                is out of its range.
        """
        label_table.check_choice(task, labels, _TASKS, _LAYOUT)
        if folder_rate <= 0:
            raise ValueError(f"folder_rate must be above 0 frames a second; got {folder_rate!r}")
        self._settings = clips.ClipSettings(frame_rate, largest_side, sound)
        self._path = Path(path)
        self._task = task
        self._labels = labels
        self._expressions = tuple(map(listing.composed, expressions))
        self._folder_rate = folder_rate
        choices = dataclasses.astuple(self._settings), folder_rate
        chosen = repr((os.path.realpath(self._path), task, labels, self._expressions, *choices))
        digest = hashlib.sha256(chosen.encode()).hexdigest()[:12]
        own_config = tfds.core.BuilderConfig(name=digest, description=f"Clips of {self._path}.")
        super().__init__(config=own_config, **arguments)

    def reads(self, download_dir: Path) -> list[Read]:
        """Returns what is read or looked for; see `kfer.datasets.preparation`."""
        del download_dir
        if not self._labels:
            endings = (*frames.VIDEO_SUFFIXES, *listing.PICTURES, ".wav")
            return [read(self._path, endings, tells=True)]
        # The table may name files of any ending that tell the expressions of frames.
        return [read(self._path, tells=True), read(self._path / self._labels)]

    def _info(self) -> tfds.core.DatasetInfo:
        table = self._path / self._labels
        tasks = (self._task,) if self._task else label_table.columns(table, _LABELS, _LAYOUT)
        features = clips.features(self._expressions)
        if spec.IDENTITY in tasks:
            # The names are known once the folders were listed.
            features[spec.IDENTITY] = tfds.features.ClassLabel()
        return tfds.core.DatasetInfo(
            builder=self,
            description="A user's own clips.",
            features=tfds.features.FeaturesDict(features),
            homepage="https://www.tensorflow.org/datasets",
            license="The user's own.",
            citation="The user's own.",
            metadata=tfds.core.MetadataDict(),
        )

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict[str, Any]:
        if not self._path.is_dir():
            raise FileNotFoundError(f"{self._path} is not there, or no folder. {_LAYOUT}")
        omitted = LeftOut()
        files = archives.list_files(self._path, _LAYOUT, omitted)
        if self._labels:
            recordings, table = _recordings(files), self._path / self._labels
            columns = (*_LABELS, spec.SOUND)
            rows = label_table.read(
                table,
                recordings,
                self._path,
                columns,
                self._expressions,
                "video or folder of frames",
                _LAYOUT,
            )
            for name in recordings:
                if name not in rows:
                    omitted.add(Reason.UNLISTED, name)
        else:
            rows = self._folder_rows(files, omitted)
        left_out.keep(self.info, omitted, self._path)
        if spec.IDENTITY in self.info.features:
            people = {row[spec.IDENTITY] for row in rows.values() if row[spec.IDENTITY]}
            listing.warn_of_alike(sorted(people), "people", self._path)
            self.info.features[spec.IDENTITY].names = sorted(people)
        sounds = {name.lower(): name for name in files if name.lower().endswith(".wav")}
        names = label_table.Names(files, self._path)
        takes = {name: self._take(name, row, sounds, names) for name, row in rows.items()}
        clips.check_sounds(takes.values(), self._settings, "<recording>.wav beside it")
        splits = clips.split(takes.values(), lambda take: rows[take.filename]["split"])
        listing.warn_of_alike(sorted(splits), "splits", self._path)
        return {split: self._generate_examples(own) for split, own in sorted(splits.items())}

    def _generate_examples(self, takes: list[clips.Take]) -> Iterator[tuple[str, dict[str, Any]]]:
        yield from clips.examples(takes, self._settings, self._expressions, _LAYOUT)

    def _folder_rows(self, files: Sequence[str], omitted: LeftOut) -> dict[str, dict[str, str]]:
        recordings = [
            name
            for name in _recordings(files)
            # Pictures that lie in a label's folder are no recording; a video there is one.
            if frames.is_video(name) or len(PurePosixPath(name).parts) > 2
        ]
        known = set(recordings)
        for name in files:
            is_frame = frames.is_picture(name) and PurePosixPath(name).parent.as_posix() in known
            if not (name in known or name.lower().endswith(".wav") or is_frame):
                omitted.add(Reason.NO_RECORDING, name)
        rows = {}
        for name, (split, label) in layout.splits_and_labels(recordings, self._path, _LAYOUT).items():
            if self._task == spec.EXPRESSION:
                what = f"The expression of {name} in {self._path}"
                naming.check_name(label, self._expressions, what)
            rows[name] = {"split": split, self._task: label}
        if not rows:
            raise ValueError(f"{self._path} holds no recordings. {_LAYOUT}")
        return rows

    def _take(
        self,
        name: str,
        row: Mapping[str, str],
        sounds: Mapping[str, str],
        names: label_table.Names,
    ) -> clips.Take:
        expression = row.get(spec.EXPRESSION, "")
        sound = self._named(row.get(spec.SOUND, ""), "sound", name, names)
        further = self._named(row.get(spec.FRAME_EXPRESSION, ""), "frame_expression", name, names)
        base = name if not frames.is_video(name) else PurePosixPath(name).with_suffix("").as_posix()
        sound = sound or sounds.get(f"{base}.wav".lower(), "")
        labels = {spec.EXPRESSION: expression or spec.MISSING_LABEL}
        if spec.IDENTITY in self.info.features:
            labels[spec.IDENTITY] = row[spec.IDENTITY] or spec.MISSING_LABEL
        return clips.Take(
            name,
            clips.Place(self._path, name),
            clips.Place(self._path, sound) if sound else None,
            labels,
            self._frame_expressions(self._path / further) if further else (),
            self._folder_rate,
        )

    def _named(self, cell: str, column: str, recording: str, names: label_table.Names) -> str:
        """The file that a cell of the table names; "" where it is empty."""
        if not cell:
            return ""
        place = f"{self._path / self._labels}: the {column} of {recording}"
        found = names.find(cell, place)
        if found is None:
            raise FileNotFoundError(f"{place} is {cell}, which is not in {self._path}. {_LAYOUT}")
        return found

    def _frame_expressions(self, path: Path) -> tuple[str, ...]:
        found = tuple(line.strip() for line in tables.lines(path))
        for number, name in enumerate(found, 1):
            if name:
                naming.check_name(name, self._expressions, f"The expression in line {number} of {path}")
        return found


def _recordings(files: Collection[str]) -> list[str]:
    """Videos, and the folders in which pictures lie."""
    found = {name for name in files if frames.is_video(name)}
    found |= {PurePosixPath(name).parent.as_posix() for name in files if frames.is_picture(name)}
    return sorted(found)
