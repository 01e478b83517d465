"""VGGFace2: 3.3 million photographs of 9,131 people."""

from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from kfer import spec
from kfer.datasets import archives, left_out
from kfer.fingerprints import Read, read
from kfer.listing import PICTURES, check_depth, composed

_ADVICE = (
    "VGGFace2 is described at https://www.robots.ox.ac.uk/~vgg/data/vgg_face2/, which no longer "
    "offers it; copies are found on https://academictorrents.com. Put vggface2_train.tar.gz and "
    "vggface2_test.tar.gz, or the extracted folders train and test (train/n000002/0001_01.jpg), "
    "into <data folder>/vggface2, and, if you want the faces' boxes, loose_bb_train.csv and "
    "loose_bb_test.csv beside them or in its folder bb_landmark."
)
_NO_BOX = np.full(4, -1, np.float32)


class KferVggface2(tfds.core.GeneratorBasedBuilder):
    """Splits train and test, of disjoint people; the identity is the name of the folder.

    `box` is float32 [4], (ymin, xmin, ymax, xmax) in pixels, from VGGFace2's loose boxes. It is -1
    throughout where there is no such file or it does not name the image.
    """

    FOLDER = "vggface2"
    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "First version."}
    MANUAL_DOWNLOAD_INSTRUCTIONS = _ADVICE

    def reads(self, download_dir: Path) -> list[Read]:
        """Returns what is read or looked for; see `kfer.datasets.preparation`."""
        folder = archives.dataset_folder(download_dir, self.FOLDER)
        splits = (spec.TRAIN, spec.TEST)
        names = [name for split in splits for name in (*_source_names(split), *_box_names(split))]
        return [read(folder / name, PICTURES, tells=True) for name in names]

    def _info(self) -> tfds.core.DatasetInfo:
        return tfds.core.DatasetInfo(
            builder=self,
            metadata=tfds.core.MetadataDict(),
            description="Photographs from a web search, with large variation of pose and age.",
            features=tfds.features.FeaturesDict(
                {
                    spec.IMAGE: tfds.features.Image(shape=(None, None, 3)),
                    # The names are known once the archives were listed.
                    spec.IDENTITY: tfds.features.ClassLabel(),
                    "box": tfds.features.Tensor(shape=(4,), dtype=np.float32),
                    spec.FILENAME: tfds.features.Text(),
                }
            ),
            homepage="https://www.robots.ox.ac.uk/~vgg/data/vgg_face2/",
            license="CC BY-NC 4.0 when it was released; photographs from the web, for research.",
            citation=_CITATION,
        )

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict[str, Any]:
        folder = archives.dataset_folder(dl_manager.manual_dir, self.FOLDER)
        sources = {
            split: archives.find(folder, _source_names(split), _ADVICE)
            for split in (spec.TRAIN, spec.TEST)
        }
        people: set[str] = set()
        for source in sources.values():
            names = left_out.files(self.info, source, _ADVICE)
            check_depth(names, source, _ADVICE)
            split_people = {_person(name, source) for name in names}
            if not split_people:
                raise ValueError(f"{source} holds no images. {_ADVICE}")
            people |= split_people
        self.info.features[spec.IDENTITY].names = sorted(people)
        return {
            split: self._generate_examples(source, folder, split) for split, source in sources.items()
        }

    def _generate_examples(
        self, source: Path, folder: Path, split: str
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        box_of = _read_boxes(folder, split)
        for name, content in archives.read_files(source, archives.is_image, _ADVICE):
            person = _person(name, source)
            filename = f"{split}/{person}/{PurePosixPath(name).name}"
            yield (
                filename,
                {
                    spec.IMAGE: content,
                    spec.IDENTITY: person,
                    "box": box_of(f"{person}/{PurePosixPath(name).stem}"),
                    spec.FILENAME: filename,
                },
            )


def _source_names(split: str) -> list[str]:
    stems = (f"vggface2_{split}", split)
    names = [stem + suffix for stem in stems for suffix in (".tar.gz", ".tar", ".zip", "")]
    return [*names, f"data/{split}"]


def _box_names(split: str) -> list[str]:
    return [f"loose_bb_{split}.csv", f"bb_landmark/loose_bb_{split}.csv"]


def _person(name: str, source: Path) -> str:
    parts = PurePosixPath(name).parts
    if len(parts) < 2:
        raise ValueError(f"{source} has {name}, which lies in no person's folder. {_ADVICE}")
    return composed(parts[-2])


def _read_boxes(folder: Path, split: str) -> Callable[[str], np.ndarray]:
    """A function from "n000002/0001_01" to the image's box; of columns NAME_ID, X, Y, W, H."""
    paths = [folder / name for name in _box_names(split) if (folder / name).exists()]
    if not paths:
        return lambda _: _NO_BOX
    columns = [("name", "S24"), ("x", "f4"), ("y", "f4"), ("width", "f4"), ("height", "f4")]
    try:
        table = np.atleast_1d(
            np.loadtxt(paths[0], dtype=columns, delimiter=",", skiprows=1, quotechar='"')
        )
    except ValueError as error:
        raise ValueError(
            f"{paths[0]} is not VGGFace2's list of boxes: expected the columns NAME_ID, X, Y, W, H "
            f"({error}). {_ADVICE}"
        ) from error
    # Three million boxes: a sorted table takes a tenth of a dictionary's memory.
    table.sort(order="name")
    names = table["name"]

    def box_of(name: str) -> np.ndarray:
        key = name.encode()
        row = np.searchsorted(names, key)
        if row == len(names) or names[row] != key:
            return _NO_BOX
        _, x, y, width, height = table[row]
        return np.array([y, x, y + height, x + width], np.float32)

    return box_of


_CITATION = """\
@inproceedings{cao2018vggface2,
  title = {{VGGFace2}: A dataset for recognising faces across pose and age},
  author = {Cao, Qiong and Shen, Li and Xie, Weidi and Parkhi, Omkar M. and Zisserman, Andrew},
  booktitle = {IEEE International Conference on Automatic Face and Gesture Recognition},
  year = {2018}
}
"""
