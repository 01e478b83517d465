"""A user's own images: in a folder a label, or listed in a CSV with a column a task."""

import hashlib
import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import tensorflow_datasets as tfds

from kfer import spec
from kfer.datasets import archives, label_table, naming

_log = logging.getLogger(__name__)
_TASKS = (spec.EXPRESSION, spec.IDENTITY)
_LAYOUT = (
    "An image folder is laid out as <path>/<split>/<label>/<image>.jpg (or .png, .bmp), with splits "
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
        self._expressions = tuple(expressions)
        chosen = repr((str(self._path.absolute()), task, labels, self._expressions))
        digest = hashlib.sha256(chosen.encode()).hexdigest()[:12]
        own_config = tfds.core.BuilderConfig(name=digest, description=f"Images of {self._path}.")
        super().__init__(config=own_config, **arguments)

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
        )

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict[str, Any]:
        if not self._path.exists():
            raise FileNotFoundError(f"{self._path} is not there. {_LAYOUT}")
        rows = self._csv_rows() if self._labels else self._folder_rows()
        for filename, row in rows.items():
            if row.get(spec.EXPRESSION):
                what = f"The expression of {filename} in {self._path}"
                naming.check_name(row[spec.EXPRESSION], self._expressions, what)
        if spec.IDENTITY in self.info.features:
            people = {row[spec.IDENTITY] for row in rows.values() if row[spec.IDENTITY]}
            self.info.features[spec.IDENTITY].names = sorted(people)
        splits = sorted({row["split"] for row in rows.values()})
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
        for name, content in archives.read_files(self._path, rows.__contains__, _LAYOUT):
            labels = {task: rows[name][task] or spec.MISSING_LABEL for task in tasks}
            yield name, {spec.IMAGE: content, spec.FILENAME: name, **labels}

    def _folder_rows(self) -> dict[str, dict[str, str]]:
        rows = {}
        names = archives.list_files(self._path, _LAYOUT)
        images = [name for name in names if archives.is_image(name)]
        if len(images) < len(names):
            _log.warning(
                "%d of %d files in %s are no %s: left out",
                len(names) - len(images),
                len(names),
                self._path,
                ", ".join(archives.IMAGE_SUFFIXES),
            )
        for name in images:
            parts = PurePosixPath(name).parts
            if len(parts) < 3:
                raise ValueError(f"{self._path} has {name}, outside of split and label. {_LAYOUT}")
            rows[name] = {"split": parts[-3], self._task: parts[-2]}
        if not rows:
            raise ValueError(f"{self._path} holds no images. {_LAYOUT}")
        return rows

    def _csv_rows(self) -> dict[str, dict[str, str]]:
        files = set(archives.list_files(self._path, _LAYOUT))
        return label_table.read(self._path / self._labels, files, str(self._path), _TASKS, _LAYOUT)
