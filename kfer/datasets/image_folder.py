"""A user's own images: in a folder a label, or listed in a CSV with a column a task."""

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import tensorflow_datasets as tfds

from kfer import knowledge, listing, spec
from kfer.datasets import archives, label_table, layout, left_out, naming
from kfer.files import named_if_damaged, read_json
from kfer.fingerprints import Read, read
from kfer.listing import LeftOut, Reason
from kfer.media import png

_TASKS = (spec.EXPRESSION, spec.IDENTITY)
# What `kfer generate` writes beside the folders of its images.
_OF_GENERATOR, _OVERVIEWS = "generated.json", ("grid.png", "interpolation.png")
_LAYOUT = (
    "An image folder is laid out as <path>/<split>/<label>/<image>, with splits "
    "such as train, validation and test, and the name of the task that the labels are of; or it has "
    "a CSV with a column filename (relative to <path>), a column expression or identity or both "
    "(an empty field is a missing label), and, if wanted, a column split."
)


class KferImageFolder(tfds.core.GeneratorBasedBuilder):
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
        config: str | None = None,
        **arguments: Any,
    ) -> None:
        """Takes the folder and what its labels are.

        Args:
            path: The folder; a zip or tar of it will do where folders give the labels.
            task: "expression" or "identity": what the names of folders label.
            labels: The CSV's path relative to `path`, in place of `task`.
            expressions: The expression names that may occur.
            config: Unused; the arguments name the config.
            arguments: TFDS's own (`data_dir`, `version`).

        Raises:
            ValueError: The task is unknown, or both or neither of `task` and `labels` are given.
        """
        label_table.check_choice(task, labels, _TASKS, _LAYOUT)
        self._path = Path(path)
        self._task = task
        self._labels = labels
        self._expressions = tuple(map(listing.composed, expressions))
        chosen = repr((os.path.realpath(self._path), task, labels, self._expressions))
        digest = hashlib.sha256(chosen.encode()).hexdigest()[:12]
        own_config = tfds.core.BuilderConfig(name=digest, description=f"Images of {self._path}.")
        super().__init__(config=own_config, **arguments)

    def reads(self, download_dir: Path) -> list[Read]:
        """Returns what is read or looked for; see `kfer.datasets.preparation`."""
        del download_dir
        table = [read(self._path / self._labels)] if self._labels else []
        generated = [
            read(self._path / folder / _OF_GENERATOR) for folder in self._folders_of_generators()
        ]
        return [read(self._path, listing.PICTURES, tells=True), *table, *generated]

    def _info(self) -> tfds.core.DatasetInfo:
        features: dict[str, Any] = {
            spec.IMAGE: tfds.features.Image(shape=(None, None, 3)),
            spec.FILENAME: tfds.features.Text(),
        }
        table = self._path / self._labels
        tasks = (self._task,) if self._task else label_table.columns(table, _TASKS, _LAYOUT)
        if spec.EXPRESSION in tasks:
            features[spec.EXPRESSION] = tfds.features.ClassLabel(names=self._expressions)
        if spec.IDENTITY in tasks:
            # The names are known once the folders were listed.
            features[spec.IDENTITY] = tfds.features.ClassLabel()
        return tfds.core.DatasetInfo(
            builder=self,
            description="A user's own images.",
            features=tfds.features.FeaturesDict(features),
            homepage="https://www.tensorflow.org/datasets",
            license="The user's own.",
            citation="The user's own.",
            metadata=tfds.core.MetadataDict(),
        )

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict[str, Any]:
        if not self._path.exists():
            raise FileNotFoundError(f"{self._path} is not there. {_LAYOUT}")
        omitted = LeftOut(keep=None)
        images = archives.list_images(self._path, _LAYOUT, omitted, self._labels)
        for folder in self._folders_of_generators():
            overviews = {f"{folder}{name}" for name in _OVERVIEWS}.intersection(images)
            for name in sorted(overviews):
                omitted.add(Reason.OVERVIEW, name)
            images = [name for name in images if name not in overviews]
        rows = self._csv_rows(images, omitted) if self._labels else self._folder_rows(images)
        left_out.keep(self.info, omitted, self._path)
        if not rows:
            raise ValueError(f"{self._path} holds no images that can be read. {_LAYOUT}")
        if spec.IDENTITY in self.info.features:
            people = {row[spec.IDENTITY] for row in rows.values() if row[spec.IDENTITY]}
            listing.warn_of_alike(sorted(people), "people", self._path)
            self.info.features[spec.IDENTITY].names = sorted(people)
        splits = sorted({row["split"] for row in rows.values()})
        listing.warn_of_alike(splits, "splits", self._path)
        return {
            split: self._generate_examples(
                {name: row for name, row in rows.items() if row["split"] == split}
            )
            for split in splits
        }

    def _generate_examples(
        self, rows: Mapping[str, Mapping[str, str]]
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        tasks = [task for task in _TASKS if task in self.info.features]
        listed, generated = self._generated(), 0
        for name, content in archives.read_files(self._path, rows.__contains__, _LAYOUT):
            generated += name in listed or png.is_generated(content)
            labels = {task: rows[name][task] or spec.MISSING_LABEL for task in tasks}
            yield name, {spec.IMAGE: content, spec.FILENAME: name, **labels}
        if generated:
            split = next(iter(rows.values()))["split"]
            known = self.info.metadata.get(knowledge.NUM_GENERATED, {})
            self.info.metadata[knowledge.NUM_GENERATED] = {**known, split: generated}

    def _folders_of_generators(self) -> list[str]:
        """The source itself, as "", and its splits, as "train/", that `kfer generate` wrote into."""
        if not self._path.is_dir():
            return []
        found = [
            f"{each.name}/" for each in sorted(self._path.iterdir()) if not listing.is_hidden(each.name)
        ]
        return [each for each in ("", *found) if (self._path / each / _OF_GENERATOR).is_file()]

    def _generated(self) -> set[str]:
        """The images that `kfer generate` says it has drawn."""
        found: set[str] = set()
        for folder in self._folders_of_generators():
            file = self._path / folder / _OF_GENERATOR
            advice = "restore it from a copy, or delete it where these are photographs"
            told = read_json(file, advice)
            with named_if_damaged(file, advice):
                if told.get("generated") is True:
                    names = [name for drawn in told["files"].values() for name in drawn]
                    found |= {f"{folder}{name}" for name in names}
        return found

    def _folder_rows(self, images: Sequence[str]) -> dict[str, dict[str, str]]:
        rows = {}
        for name, (split, label) in layout.splits_and_labels(images, self._path, _LAYOUT).items():
            if self._task == spec.EXPRESSION:
                what = f"The expression of {name} in {self._path}"
                naming.check_name(label, self._expressions, what)
            rows[name] = {"split": split, self._task: label}
        return rows

    def _csv_rows(self, images: Sequence[str], omitted: LeftOut) -> dict[str, dict[str, str]]:
        table = self._path / self._labels
        # What a row names and cannot be read is left out with the others.
        unread = (name for name, reason, _ in omitted.named() if reason != Reason.HIDDEN)
        files = [*images, *unread]
        rows = label_table.read(table, files, self._path, _TASKS, self._expressions, "image", _LAYOUT)
        for name in images:
            if name not in rows:
                omitted.add(Reason.UNLISTED, name)
        return {name: rows[name] for name in images if name in rows}
