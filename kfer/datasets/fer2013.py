"""FER2013: 35,887 grey faces of 48 x 48 pixels with one of seven expressions."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import cv2
import numpy as np
import tensorflow_datasets as tfds

from kfer import spec, tables
from kfer.datasets import archives, left_out, naming
from kfer.fingerprints import Read, read
from kfer.listing import PICTURES, check_depth

_ADVICE = (
    "FER2013 comes from https://www.kaggle.com/datasets/msambare/fer2013: put archive.zip, or its "
    "extracted train and test folders, or the original competition's fer2013.csv "
    "(https://www.kaggle.com/c/challenges-in-representation-learning-facial-expression-recognition-"
    "challenge) into <data folder>/fer2013."
)
_FERPLUS_ADVICE = (
    "The FER+ labels come from https://github.com/microsoft/FERPlus: put fer2013new.csv into "
    "<data folder>/ferplus, and, unless you use fer2013.csv, fer2013_to_ferplus.csv beside it, with "
    "columns fer2013_path (train/angry/Training_1.jpg) and ferplus_image (fer0000000.png)."
)
_SOURCES = ("archive.zip", "train", "fer2013.csv")
_FERPLUS_TABLES = ("fer2013new.csv", "fer2013_to_ferplus.csv")
_SPLITS = {"Training": spec.TRAIN, "PublicTest": spec.VALIDATION, "PrivateTest": spec.TEST}

#: The order of the numbers in fer2013.csv's column "emotion".
_CSV_EXPRESSIONS = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")

#: FER+'s columns in the order of spec.EXPRESSIONS, then the eighth, which kfer has no name for.
_VOTE_COLUMNS = ("anger", "disgust", "fear", "happiness", "neutral", "sadness", "surprise")
_ALL_VOTE_COLUMNS = (*_VOTE_COLUMNS, "contempt", "unknown", "NF")
#: How many of them the configs with distributions have shares of.
_DISTRIBUTION_SIZES = {"ferplus_distribution": 8, "ferplus_distribution_seven": 7}


class KferFer2013(tfds.core.GeneratorBasedBuilder):
    """Splits: train (Training), validation (PublicTest), test (PrivateTest).

    Image bytes pass through untouched, so that damaged images are kept for the statistics to count.
    """

    FOLDER = "fer2013"
    VERSION = tfds.core.Version("1.1.0")
    RELEASE_NOTES = {"1.0.0": "First version.", "1.1.0": "Examples say which set they come from."}
    BUILDER_CONFIGS = [
        tfds.core.BuilderConfig(name="seven_class", description="All seven expressions."),
        tfds.core.BuilderConfig(name="six_class", description="Without disgust, which is rare."),
        tfds.core.BuilderConfig(
            name="ferplus_majority",
            description="The expression that more than half of FER+'s ten votes name, single votes "
            "left out; images without such a majority among the seven are dropped.",
        ),
        tfds.core.BuilderConfig(
            name="ferplus_distribution",
            description="The shares of FER+'s votes over the seven expressions and contempt, single "
            "votes left out, and the majority's expression where there is one.",
        ),
        tfds.core.BuilderConfig(
            name="ferplus_distribution_seven",
            description="The same without contempt: shares over the seven expressions alone.",
        ),
    ]
    DEFAULT_BUILDER_CONFIG_NAME = "seven_class"
    MANUAL_DOWNLOAD_INSTRUCTIONS = f"{_ADVICE}\n{_FERPLUS_ADVICE}"

    def reads(self, download_dir: Path) -> list[Read]:
        """Returns what is read or looked for; see `kfer.datasets.preparation`."""
        folder = archives.dataset_folder(download_dir, self.FOLDER)
        found = [read(folder / name, ()) for name in _SOURCES]
        if (folder / "train").is_dir() and not (folder / "archive.zip").exists():
            found.append(read(folder, PICTURES))
        if self.builder_config.name.startswith("ferplus"):
            tables = _ferplus_folder(download_dir)
            # The folder too: another one is taken where it is gone.
            found += [read(tables, ()), *(read(tables / name) for name in _FERPLUS_TABLES)]
        return found

    def _info(self) -> tfds.core.DatasetInfo:
        names = [
            name
            for name in spec.EXPRESSIONS
            if name != "disgust" or self.builder_config.name != "six_class"
        ]
        features = {
            spec.IMAGE: tfds.features.Image(shape=(None, None, 1)),
            spec.EXPRESSION: tfds.features.ClassLabel(names=names),
            spec.FILENAME: tfds.features.Text(),
            # Where test images are of both sets, figures of each: evaluation.slices=("usage",).
            "usage": tfds.features.ClassLabel(names=list(_SPLITS)),
        }
        if self.builder_config.name in _DISTRIBUTION_SIZES:
            features["expression_distribution"] = tfds.features.Tensor(
                shape=(_DISTRIBUTION_SIZES[self.builder_config.name],), dtype=np.float32
            )
        return tfds.core.DatasetInfo(
            builder=self,
            metadata=tfds.core.MetadataDict(),
            description="Grey 48 x 48 faces from a web search, labelled with seven expressions.",
            features=tfds.features.FeaturesDict(features),
            homepage="https://www.kaggle.com/datasets/msambare/fer2013",
            license="No clear licence: images from the web, for research. FER+ labels: MIT.",
            citation=_CITATION,
        )

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict[str, Any]:
        folder = archives.dataset_folder(dl_manager.manual_dir, self.FOLDER)
        source = archives.find(folder, _SOURCES, _ADVICE)
        if source.name == "train":
            source = folder
        is_csv = source.suffix == ".csv"
        label_of = self._labels(Path(dl_manager.manual_dir), is_csv)
        read = _read_csv if is_csv else _read_images
        if not is_csv:
            _check_names(left_out.files(self.info, source, _ADVICE), source)
        return {
            split: self._generate_examples(read(source, usage), usage, label_of)
            for usage, split in _SPLITS.items()
        }

    def _generate_examples(
        self,
        images: Iterator[tuple[str, str, bytes]],
        usage: str,
        label_of: Callable[[str, str], dict[str, Any] | None],
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        for filename, expression, content in images:
            labels = label_of(filename, expression)
            if labels is not None:
                yield filename, {spec.IMAGE: content, spec.FILENAME: filename, "usage": usage, **labels}

    def _labels(self, download_dir: Path, is_csv: bool) -> Callable[[str, str], dict[str, Any] | None]:
        """A function from file name and own label to the example's labels; None drops it."""
        config = self.builder_config.name
        if config == "seven_class":
            return lambda _, expression: {spec.EXPRESSION: expression}
        if config == "six_class":
            return lambda _, own: None if own == "disgust" else {spec.EXPRESSION: own}
        votes = _read_votes(download_dir, is_csv)
        if config == "ferplus_majority":
            return lambda filename, _: _majority_labels(votes, filename)
        size = _DISTRIBUTION_SIZES[config]
        return lambda filename, _: _distribution_labels(votes, filename, size)


def _check_names(names: Sequence[str], source: Path) -> None:
    if not names:
        raise ValueError(f"{source} holds no images. {_ADVICE}")
    for name in names:
        parts = PurePosixPath(name).parts
        folder = parts[-2] if len(parts) > 1 else ""
        naming.check_name(folder, spec.EXPRESSIONS, f"The class folder of {name} in {source}")
        usage = parts[-1].partition("_")[0]
        naming.check_name(usage, tuple(_SPLITS), f"The first word of {name} in {source}")
    check_depth(names, source, _ADVICE)


def _read_images(source: Path, usage: str) -> Iterator[tuple[str, str, bytes]]:
    def is_wanted(name: str) -> bool:
        return archives.is_image(name) and PurePosixPath(name).name.startswith(f"{usage}_")

    for name, content in archives.read_files(source, is_wanted, _ADVICE):
        # Some unpack into another folder; FER+ knows the last three parts.
        parts = PurePosixPath(name).parts[-3:]
        yield "/".join(parts), parts[-2], content


def _read_csv(source: Path, usage: str) -> Iterator[tuple[str, str, bytes]]:
    codes = [str(code) for code in range(len(_CSV_EXPRESSIONS))]
    rows = tables.rows(source, ("emotion", "pixels", "Usage"), advice=_ADVICE)
    for number, row in enumerate(rows):
        named = naming.check_name(
            row.cells["Usage"], tuple(_SPLITS), f"Usage in line {row.line} of {source}"
        )
        if named == usage:
            place = f"Emotion in line {row.line} of {source}"
            code = naming.check_name(row.cells["emotion"], codes, place)
            expression = _CSV_EXPRESSIONS[int(code)]
            yield f"fer2013.csv/{number:05d}", expression, _png(row.cells["pixels"])


def _png(pixels: str) -> bytes:
    try:
        image = np.array(pixels.split(), np.int64).reshape(48, 48)
    except (ValueError, OverflowError):
        image = None
    if image is None or image.min() < 0 or image.max() > 255:
        # Not an image: kept as it is, for the statistics to count as undecodable.
        return pixels.encode()
    return cv2.imencode(".png", image.astype(np.uint8))[1].tobytes()


def _ferplus_folder(download_dir: Path) -> Path:
    folder = download_dir / "ferplus"
    return folder if folder.is_dir() else download_dir.parent / "ferplus"


def _read_votes(download_dir: Path, is_csv: bool) -> dict[str, np.ndarray]:
    """Each FER2013 file's FER+ votes, int64 [10] in the order of _ALL_VOTE_COLUMNS."""
    folder = _ferplus_folder(download_dir)
    votes_file = archives.find(folder, _FERPLUS_TABLES[:1], _FERPLUS_ADVICE)
    by_row, by_image = [], {}
    for row in tables.rows(votes_file, ("Image name", *_ALL_VOTE_COLUMNS), advice=_FERPLUS_ADVICE):
        place = f"{votes_file}, line {row.line}: the votes for"
        votes = np.array(
            [tables.whole_number(row.cells[name], f"{place} {name}") for name in _ALL_VOTE_COLUMNS]
        )
        if votes.min() < 0:
            raise ValueError(f"{place} an expression must not be below 0; got {votes.min()}")
        by_row.append(votes)
        by_image[row.cells["Image name"]] = votes
    if is_csv:
        return {f"fer2013.csv/{number:05d}": votes for number, votes in enumerate(by_row)}
    map_file = archives.find(folder, _FERPLUS_TABLES[1:], _FERPLUS_ADVICE)
    rows = tables.rows(map_file, ("fer2013_path", "ferplus_image"), advice=_FERPLUS_ADVICE)
    return {
        row.cells["fer2013_path"].replace("\\", "/"): by_image[row.cells["ferplus_image"]]
        for row in rows
        if row.cells["ferplus_image"] in by_image
    }


def _reliable_votes(votes: np.ndarray) -> np.ndarray:
    """Without single votes, which FER+'s authors take for outliers."""
    return np.where(votes > 1, votes, 0)


def _majority(votes: np.ndarray) -> int:
    winner = int(votes.argmax())
    has_majority = 2 * votes[winner] > votes.sum()
    return winner if has_majority and winner < len(spec.EXPRESSIONS) else spec.MISSING_LABEL


def _majority_labels(votes: Mapping[str, np.ndarray], filename: str) -> dict[str, Any] | None:
    if filename not in votes:
        return None
    expression = _majority(_reliable_votes(votes[filename]))
    return None if expression == spec.MISSING_LABEL else {spec.EXPRESSION: expression}


def _distribution_labels(
    votes: Mapping[str, np.ndarray], filename: str, size: int
) -> dict[str, Any] | None:
    if filename not in votes:
        return None
    reliable = _reliable_votes(votes[filename])
    named = reliable[:size]
    if not named.sum():
        return None
    return {
        spec.EXPRESSION: _majority(reliable),
        "expression_distribution": (named / named.sum()).astype(np.float32),
    }


_CITATION = """\
@inproceedings{goodfellow2013challenges,
  title = {Challenges in representation learning: A report on three machine learning contests},
  author = {Goodfellow, Ian J. and others},
  booktitle = {International Conference on Neural Information Processing},
  year = {2013}
}
@inproceedings{barsoum2016training,
  title = {Training deep networks for facial expression recognition with crowd-sourced label
    distribution},
  author = {Barsoum, Emad and Zhang, Cha and Canton Ferrer, Cristian and Zhang, Zhengyou},
  booktitle = {ACM International Conference on Multimodal Interaction},
  year = {2016}
}
"""
