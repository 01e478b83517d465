"""CMU Face Images: 20 people, each with four expressions, four poses, with and without sunglasses."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import tensorflow_datasets as tfds

from kfer import spec
from kfer.datasets import archives, left_out, naming, pgm
from kfer.fingerprints import Read, read

_ADVICE = (
    "CMU Face Images come from https://archive.ics.uci.edu/dataset/124/cmu+face+images: put the "
    "folder faces (faces/<user>/<user>_<pose>_<expression>_<eyes>.pgm), or faces.tar.gz, "
    "which is inside the download, into <data folder>/cmu_faces."
)
_SOURCES = ("faces", "faces.tar.gz", "faces.zip")
_POSES = ("left", "right", "straight", "up")
_EXPRESSIONS = ("angry", "happy", "neutral", "sad")
_EYES = ("open", "sunglasses")
_REDUCED_SIZES = ("2", "4")
#: Of five people in the order of their names, the splits that they go to.
_SPLIT_OF_FIVE = (spec.TRAIN, spec.TRAIN, spec.TRAIN, spec.VALIDATION, spec.TEST)


class KferCmuFaces(tfds.core.GeneratorBasedBuilder):
    """Every image has an identity, an expression, a pose and the eyes' state.

    Config all has one split, train. Config people has nobody in two splits: of each five people, in the
    order of their names, the first three are in train, the fourth in validation and the fifth in test.

    The copies at half and quarter size, whose names end in _2 and _4, are left out.
    """

    FOLDER = "cmu_faces"
    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "First version."}
    BUILDER_CONFIGS = [
        tfds.core.BuilderConfig(name="all", description="Everything in train."),
        tfds.core.BuilderConfig(name="people", description="Train, validation, test: other people."),
    ]
    DEFAULT_BUILDER_CONFIG_NAME = "all"
    MANUAL_DOWNLOAD_INSTRUCTIONS = _ADVICE

    def reads(self, download_dir: Path) -> list[Read]:
        """Returns what is read or looked for; see `kfer.datasets.preparation`."""
        folder = archives.dataset_folder(download_dir, self.FOLDER)
        return [read(folder / name, (".pgm",), tells=True) for name in _SOURCES]

    def _info(self) -> tfds.core.DatasetInfo:
        return tfds.core.DatasetInfo(
            builder=self,
            metadata=tfds.core.MetadataDict(),
            description="Grey 128 x 120 portraits with joint labels of identity and expression.",
            features=tfds.features.FeaturesDict(
                {
                    spec.IMAGE: tfds.features.Image(shape=(None, None, 1)),
                    # The names are known once the folders were listed.
                    spec.IDENTITY: tfds.features.ClassLabel(),
                    spec.EXPRESSION: tfds.features.ClassLabel(names=_EXPRESSIONS),
                    "pose": tfds.features.ClassLabel(names=_POSES),
                    "eyes": tfds.features.ClassLabel(names=_EYES),
                    spec.FILENAME: tfds.features.Text(),
                }
            ),
            homepage="https://archive.ics.uci.edu/dataset/124/cmu+face+images",
            license="Free for education, with attribution.",
            citation=_CITATION,
        )

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict[str, Any]:
        folder = archives.dataset_folder(dl_manager.manual_dir, self.FOLDER)
        source = archives.find(folder, _SOURCES, _ADVICE)
        labels = {
            name: _labels(name, source)
            for name in left_out.files(self.info, source, _ADVICE, (".pgm",))
            if PurePosixPath(name).stem.split("_")[-1] not in _REDUCED_SIZES
        }
        if not labels:
            raise ValueError(f"{source} holds no PGM images. {_ADVICE}")
        people = sorted({label[spec.IDENTITY] for label in labels.values()})
        self.info.features[spec.IDENTITY].names = people
        if self.builder_config.name == "all":
            return {spec.TRAIN: self._generate_examples(source, labels)}
        splits = _split_people(people, source)
        return {
            split: self._generate_examples(
                source, {name: label for name, label in labels.items() if label[spec.IDENTITY] in own}
            )
            for split, own in splits.items()
        }

    def _generate_examples(
        self, source: Path, labels: Mapping[str, Mapping[str, str]]
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        for name, content in archives.read_files(source, labels.__contains__, _ADVICE):
            filename = "/".join(PurePosixPath(name).parts[-2:])
            yield (
                filename,
                {spec.IMAGE: pgm.to_png(content), spec.FILENAME: filename, **labels[name]},
            )


def _split_people(people: Sequence[str], source: Path) -> dict[str, set[str]]:
    if len(people) < len(_SPLIT_OF_FIVE):
        raise ValueError(
            f"{source} has {len(people)} people; expected at least {len(_SPLIT_OF_FIVE)}, to split them. "
            f"{_ADVICE}"
        )
    splits: dict[str, set[str]] = {split: set() for split in spec.SPLITS}
    for number, person in enumerate(people):
        splits[_SPLIT_OF_FIVE[number % len(_SPLIT_OF_FIVE)]].add(person)
    return splits


def _labels(name: str, source: Path) -> dict[str, str]:
    fields = PurePosixPath(name).stem.split("_")
    if len(fields) != 4:
        raise ValueError(
            f"{source} has {name}; expected <user>_<pose>_<expression>_<eyes>.pgm. {_ADVICE}"
        )
    identity, pose, expression, eyes = fields
    return {
        spec.IDENTITY: identity,
        spec.EXPRESSION: naming.check_name(expression, _EXPRESSIONS, f"Expression of {name}"),
        "pose": naming.check_name(pose, _POSES, f"Pose of {name}"),
        "eyes": naming.check_name(eyes, _EYES, f"Eyes of {name}"),
    }


_CITATION = """\
@misc{mitchell1999cmu,
  title = {{CMU Face Images}},
  author = {Mitchell, Tom},
  year = {1999},
  howpublished = {UCI Machine Learning Repository}
}
"""
