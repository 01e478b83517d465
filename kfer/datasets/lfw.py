"""Labeled Faces in the Wild: 13,233 photographs of 5,749 people, and its verification pairs."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from kfer import spec, tables
from kfer.datasets import archives, left_out, naming
from kfer.fingerprints import Read, read
from kfer.listing import PICTURES, check_depth, composed

_ADVICE = (
    "LFW is described at http://vis-www.cs.umass.edu/lfw/. The aligned lfw-deepfunneled is at "
    "https://www.kaggle.com/datasets/jessicali9530/lfw-dataset; scikit-learn keeps, under "
    "https://ndownloader.figshare.com/files/, lfw-funneled.tgz (5976015), pairs.txt (5976006), "
    "pairsDevTest.txt (5976009) and pairsDevTrain.txt (5976012). Put lfw-deepfunneled.tgz (or "
    "lfw-funneled.tgz, lfw.tgz, or the extracted folder) and the three lists into <data folder>/lfw."
)
_SOURCES = ("lfw-deepfunneled", "lfw-funneled", "lfw_funneled", "lfw")
_SOURCE_NAMES = tuple(name + suffix for name in _SOURCES for suffix in (".tgz", ""))
_LEGEND = "expression_legend.csv"
_VALIDATION_PERCENT = 8
_LEGEND_EXPRESSIONS: dict[str, str | int] = {
    "anger": "angry",
    "contempt": spec.MISSING_LABEL,
    "disgust": "disgust",
    "fear": "fear",
    "happiness": "happy",
    "neutral": "neutral",
    "sadness": "sad",
    "surprise": "surprise",
}
_PAIRS_FILES = {
    "view1_train": "pairsDevTrain.txt",
    "view1_test": "pairsDevTest.txt",
    "view2": "pairs.txt",
}


@dataclass(frozen=True)
class Pair:
    """Two images, as "Name/Name_0001.jpg", and their fold (-1 where the list has no folds)."""

    filename_a: str
    filename_b: str
    is_same: bool
    fold: int


class KferLfw(tfds.core.GeneratorBasedBuilder):
    """Config people: splits of disjoint people. Config pairs: the official pairs of View 1 and 2.

    In config people, test has the people of pairsDevTest.txt; of everybody else, validation has
    those whose name's SHA-256 is below 8 modulo 100, and train has the rest. Expressions come from
    expression_legend.csv where that file is present, and are missing (-1) else.
    """

    FOLDER = "lfw"
    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "First version."}
    BUILDER_CONFIGS = [
        tfds.core.BuilderConfig(name="people", description="Single images, split by people."),
        tfds.core.BuilderConfig(
            name="pairs", description="Verification pairs: view1_train, view1_test, view2."
        ),
    ]
    DEFAULT_BUILDER_CONFIG_NAME = "people"
    MANUAL_DOWNLOAD_INSTRUCTIONS = (
        f"{_ADVICE} Optional, in the same folder: {_LEGEND}, which is data/legend.csv of "
        "https://github.com/muxspace/facial_expressions, with columns image and emotion."
    )

    def reads(self, download_dir: Path) -> list[Read]:
        """Returns what is read or looked for; see `kfer.datasets.preparation`."""
        folder = archives.dataset_folder(download_dir, self.FOLDER)
        names = [*_SOURCE_NAMES, *_PAIRS_FILES.values(), _LEGEND]
        return [read(folder / name, PICTURES, tells=True) for name in names]

    def _info(self) -> tfds.core.DatasetInfo:
        image = tfds.features.Image(shape=(None, None, 3))
        if self.builder_config.name == "pairs":
            features = {
                spec.IMAGE_A: image,
                spec.IMAGE_B: image,
                spec.SAME: tfds.features.ClassLabel(names=["different", "same"]),
                spec.FOLD: tfds.features.Scalar(dtype=np.int32),
                "filename_a": tfds.features.Text(),
                "filename_b": tfds.features.Text(),
            }
        else:
            features = {
                spec.IMAGE: image,
                # The names are known once the archive was read.
                spec.IDENTITY: tfds.features.ClassLabel(),
                spec.EXPRESSION: tfds.features.ClassLabel(names=spec.EXPRESSIONS),
                spec.FILENAME: tfds.features.Text(),
            }
        return tfds.core.DatasetInfo(
            builder=self,
            metadata=tfds.core.MetadataDict(),
            description="Press photographs of faces, 250 x 250 pixels, the face in the middle.",
            features=tfds.features.FeaturesDict(features),
            homepage="http://vis-www.cs.umass.edu/lfw/",
            license="Press photographs, for research. Expression labels: Apache-2.0.",
            citation=_CITATION,
        )

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict[str, Any]:
        folder = archives.dataset_folder(dl_manager.manual_dir, self.FOLDER)
        source = archives.find(folder, _SOURCE_NAMES, _ADVICE)
        is_pairs = self.builder_config.name == "pairs"
        lists = {
            split: archives.find(folder, (filename,), _ADVICE)
            for split, filename in _PAIRS_FILES.items()
            if is_pairs or split == "view1_test"
        }
        pairs = {split: read_pairs(path) for split, path in lists.items()}
        left_out.files(self.info, source, _ADVICE)
        images = _read_images(source)
        if is_pairs:
            return {split: self._generate_pairs(images, pairs[split], lists[split]) for split in pairs}
        people = sorted({_person(filename) for filename in images})
        self.info.features[spec.IDENTITY].names = people
        expressions = _read_legend(folder / _LEGEND)
        test_people = {
            _person(filename)
            for pair in pairs["view1_test"]
            for filename in (pair.filename_a, pair.filename_b)
        }
        split_of = {person: _split_of(person, test_people) for person in people}
        return {
            split: self._generate_examples(
                {name: image for name, image in images.items() if split_of[_person(name)] == split},
                expressions,
            )
            for split in spec.SPLITS
        }

    def _generate_examples(
        self, images: Mapping[str, bytes], expressions: Mapping[str, str | int]
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        for filename, image in images.items():
            yield (
                filename,
                {
                    spec.IMAGE: image,
                    spec.IDENTITY: _person(filename),
                    spec.EXPRESSION: expressions.get(PurePosixPath(filename).name, spec.MISSING_LABEL),
                    spec.FILENAME: filename,
                },
            )

    def _generate_pairs(
        self, images: Mapping[str, bytes], pairs: list[Pair], source: Path
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        for number, pair in enumerate(pairs):
            for filename in (pair.filename_a, pair.filename_b):
                if filename not in images:
                    raise ValueError(
                        f"{source} names {filename}, which is not among LFW's images. {_ADVICE}"
                    )
            yield (
                f"{number:05d}",
                {
                    spec.IMAGE_A: images[pair.filename_a],
                    spec.IMAGE_B: images[pair.filename_b],
                    spec.SAME: int(pair.is_same),
                    spec.FOLD: pair.fold,
                    "filename_a": pair.filename_a,
                    "filename_b": pair.filename_b,
                },
            )


def read_pairs(source: Path) -> list[Pair]:
    """Returns the pairs of a list in LFW's own format.

    The first line has the number of pairs of each kind, after the number of folds where there are
    folds. Each fold has that many lines "name number number" of one person, then as many
    "name number name number" of two.

    Raises:
        ValueError: A line has another form, or there are more or fewer lines than announced.
    """
    # Names with spaces are told apart by tabs.
    rows = [
        [field.strip() for field in line.split("\t" if "\t" in line else None)]
        for line in tables.lines(source)
        if line.strip()
    ]
    try:
        header, *lines = rows
        num_folds, pairs_of_kind = (1, *map(int, header))[-2:]
        if num_folds < 1 or pairs_of_kind < 1:
            raise ValueError(f"expected a number of pairs above 0 in its first line; got {header}")
        has_folds = len(header) == 2
        pairs = []
        for number, fields in enumerate(lines):
            fold = number // (2 * pairs_of_kind) if has_folds else spec.MISSING_LABEL
            pairs.append(_pair(fields, fold))
    except ValueError as error:
        raise ValueError(
            f"{source} is not a list of pairs in LFW's format ({error}). {_ADVICE}"
        ) from error
    expected = 2 * num_folds * pairs_of_kind
    if len(pairs) != expected:
        raise ValueError(f"{source} announces {expected} pairs but has {len(pairs)}. {_ADVICE}")
    return pairs


def _pair(fields: list[str], fold: int) -> Pair:
    if len(fields) == 3:
        name, number_a, number_b = fields
        return Pair(_filename(name, number_a), _filename(name, number_b), True, fold)
    if len(fields) == 4:
        name_a, number_a, name_b, number_b = fields
        return Pair(_filename(name_a, number_a), _filename(name_b, number_b), False, fold)
    raise ValueError(f"expected 3 or 4 fields, got {fields}")


def _filename(person: str, number: str) -> str:
    return f"{person}/{person}_{int(number):04d}.jpg"


def _person(filename: str) -> str:
    return PurePosixPath(filename).parts[0]


def _split_of(person: str, test_people: set[str]) -> str:
    if person in test_people:
        return spec.TEST
    percent = int(hashlib.sha256(person.encode()).hexdigest(), 16) % 100
    return spec.VALIDATION if percent < _VALIDATION_PERCENT else spec.TRAIN


def _read_images(source: Path) -> dict[str, bytes]:
    """All images by "Name/Name_0001.jpg": about 110 MB, which spares reading the archive again."""
    images, names = {}, []
    for name, content in archives.read_files(source, archives.is_image, _ADVICE):
        parts = PurePosixPath(name).parts
        if len(parts) < 2:
            raise ValueError(f"{source} has {name}, which lies in no person's folder. {_ADVICE}")
        names.append(name)
        images["/".join(map(composed, parts[-2:]))] = content
    check_depth(names, source, _ADVICE)
    if not images:
        raise ValueError(f"{source} holds no images. {_ADVICE}")
    return images


def _read_legend(source: Path) -> dict[str, str | int]:
    """The expression of each labelled file; missing where two labels differ."""
    expressions: dict[str, str | int] = {}
    if not source.exists():
        return expressions
    for row in tables.rows(source, ("image", "emotion"), advice=_ADVICE):
        label = naming.check_name(
            row.cells["emotion"].lower(),
            tuple(_LEGEND_EXPRESSIONS),
            f"Emotion in line {row.line} of {source}",
        )
        expression = _LEGEND_EXPRESSIONS[label]
        if expressions.setdefault(row.cells["image"], expression) != expression:
            expressions[row.cells["image"]] = spec.MISSING_LABEL
    return expressions


_CITATION = """\
@techreport{huang2007labeled,
  title = {Labeled Faces in the Wild: A Database for Studying Face Recognition in Unconstrained
    Environments},
  author = {Huang, Gary B. and Ramesh, Manu and Berg, Tamara and Learned-Miller, Erik},
  institution = {University of Massachusetts, Amherst},
  number = {07-49},
  year = {2007}
}
"""
