"""The ORL Database of Faces: 40 people, ten grey portraits each."""

import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import tensorflow_datasets as tfds

from kfer import spec
from kfer.datasets import archives, left_out, pgm
from kfer.fingerprints import Read, read

_ADVICE = (
    "The ORL (AT&T) Database of Faces comes from https://cam-orl.co.uk/facedatabase.html: put "
    "att_faces.zip, or its extracted folders s1 to s40, into <data folder>/orl_faces."
)
_ARCHIVE = "att_faces.zip"


class KferOrl(tfds.core.GeneratorBasedBuilder):
    """One split, train; the identity is the name of the folder."""

    FOLDER = "orl_faces"
    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "First version."}
    MANUAL_DOWNLOAD_INSTRUCTIONS = _ADVICE

    def reads(self, download_dir: Path) -> list[Read]:
        """Returns what is read or looked for; see `kfer.datasets.preparation`."""
        folder = archives.dataset_folder(download_dir, self.FOLDER)
        archive = read(folder / _ARCHIVE)
        return [archive] if (folder / _ARCHIVE).exists() else [archive, read(folder, (".pgm",))]

    def _info(self) -> tfds.core.DatasetInfo:
        return tfds.core.DatasetInfo(
            builder=self,
            metadata=tfds.core.MetadataDict(),
            description="Grey 92 x 112 portraits of 40 people, taken from 1992 to 1994.",
            features=tfds.features.FeaturesDict(
                {
                    spec.IMAGE: tfds.features.Image(shape=(None, None, 1)),
                    # The names are known once the folders were listed.
                    spec.IDENTITY: tfds.features.ClassLabel(),
                    spec.FILENAME: tfds.features.Text(),
                }
            ),
            homepage="https://cam-orl.co.uk/facedatabase.html",
            license="Free to use with credit to AT&T Laboratories Cambridge.",
            citation=_CITATION,
        )

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict[str, Any]:
        folder = archives.dataset_folder(dl_manager.manual_dir, self.FOLDER)
        source = archives.find(folder, (_ARCHIVE, "s1"), _ADVICE)
        if source.name == "s1":
            source = folder
        names = left_out.files(self.info, source, _ADVICE, (".pgm",))
        for name in names:
            if not re.search(r"(^|/)s\d+/\d+\.pgm$", name, re.ASCII | re.IGNORECASE):
                raise ValueError(f"{source} has {name}; expected s<person>/<number>.pgm. {_ADVICE}")
        if not names:
            raise ValueError(f"{source} holds no PGM images. {_ADVICE}")
        people = {PurePosixPath(name).parts[-2] for name in names}
        self.info.features[spec.IDENTITY].names = sorted(people, key=lambda name: int(name[1:]))
        return {spec.TRAIN: self._generate_examples(source)}

    def _generate_examples(self, source: Path) -> Iterator[tuple[str, dict[str, Any]]]:
        for name, content in archives.read_files(source, _is_pgm, _ADVICE):
            person, number = PurePosixPath(name).parts[-2:]
            filename = f"{person}/{number}"
            yield (
                filename,
                {
                    spec.IMAGE: pgm.to_png(content),
                    spec.IDENTITY: person,
                    spec.FILENAME: filename,
                },
            )


def _is_pgm(name: str) -> bool:
    return name.lower().endswith(".pgm")


_CITATION = """\
@inproceedings{samaria1994parameterisation,
  title = {Parameterisation of a stochastic model for human face identification},
  author = {Samaria, Ferdinando S. and Harter, Andy C.},
  booktitle = {IEEE Workshop on Applications of Computer Vision},
  year = {1994}
}
"""
