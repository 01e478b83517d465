"""CREMA-D: 91 actors say twelve sentences in six expressions, as video and as sound."""

import re
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import tensorflow_datasets as tfds

from kfer import spec
from kfer.datasets import archives, clips, left_out, naming
from kfer.fingerprints import Read, read
from kfer.media.frames import VIDEO_SUFFIXES

_ADVICE = (
    "CREMA-D comes from https://github.com/CheyneyComputerScience/CREMA-D by git lfs clone: put the "
    "clone, or its folder VideoFlash and, for sound, AudioWAV, into <data folder>/crema_d."
)
_CLONES = ("", "CREMA-D/", "CREMA-D-master/")
_FORM = "<actor>_<sentence>_<emotion>_<level>.flv or .wav, such as 1001_DFA_ANG_XX.flv"
#: Actors are 1001 to 1091.
_FIELDS = re.compile(r"10(0[1-9]|[1-8]\d|9[01])_[A-Z]{3}_(ANG|DIS|FEA|HAP|NEU|SAD)_(LO|MD|HI|XX?)")
_EMOTIONS = {
    "ANG": "angry",
    "DIS": "disgust",
    "FEA": "fear",
    "HAP": "happy",
    "NEU": "neutral",
    "SAD": "sad",
}
# The level of 1040_ITH_SAD_X lacks a letter in some copies.
_LEVELS = {"LO": "low", "MD": "medium", "HI": "high", "XX": "unspecified", "X": "unspecified"}
_ACTORS = tuple(str(number) for number in range(1001, 1092))
#: By the remainder of an actor's number divided by five.
_SPLIT_OF_FIVE = (spec.TEST, spec.TRAIN, spec.TRAIN, spec.TRAIN, spec.VALIDATION)
_POINTER = b"version https://git-lfs"


class KferCremaD(clips.RecordedClips):
    """Every clip has who it is, the expression acted and how strongly.

    Splits are by actor: those whose numbers end in 5 or 0 are in test, in 4 or 9 in validation, all
    others in train: 18, 18 and 55 people.
    """

    FOLDER = "crema_d"
    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "First version."}
    BUILDER_CONFIGS = [
        tfds.core.BuilderConfig(name="six_class", description="All six expressions; no surprise.")
    ]
    DEFAULT_BUILDER_CONFIG_NAME = "six_class"
    MANUAL_DOWNLOAD_INSTRUCTIONS = _ADVICE

    @property
    def _expressions(self) -> tuple[str, ...]:
        return tuple(_EMOTIONS.values())

    def reads(self, download_dir: Path) -> list[Read]:
        """Returns what is read or looked for; see `kfer.datasets.preparation`."""
        folder = archives.dataset_folder(download_dir, self.FOLDER)
        wanted = {"VideoFlash": VIDEO_SUFFIXES, "AudioWAV": (".wav",)}
        return [
            read(folder / name, endings, tells=True)
            for kind, endings in wanted.items()
            for name in _variants(kind)
        ]

    def _info(self) -> tfds.core.DatasetInfo:
        own = {
            spec.IDENTITY: tfds.features.ClassLabel(names=_ACTORS),
            "level": tfds.features.ClassLabel(names=list(dict.fromkeys(_LEVELS.values()))),
        }
        return tfds.core.DatasetInfo(
            builder=self,
            metadata=tfds.core.MetadataDict(),
            description="Twelve sentences said by 91 actors in six expressions.",
            features=tfds.features.FeaturesDict(clips.features(self._expressions) | own),
            homepage="https://github.com/CheyneyComputerScience/CREMA-D",
            license="Open Database License 1.0; its contents: Database Contents License 1.0.",
            citation=_CITATION,
        )

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict[str, Any]:
        folder = archives.dataset_folder(dl_manager.manual_dir, self.FOLDER)
        videos = _files(
            self.info, archives.find(folder, _variants("VideoFlash"), _ADVICE), VIDEO_SUFFIXES
        )
        has_sound = any((folder / name).exists() for name in _variants("AudioWAV"))
        sounds = (
            _files(self.info, archives.find(folder, _variants("AudioWAV"), _ADVICE), (".wav",))
            if has_sound
            else {}
        )
        takes = [
            clips.Take(place.basename, place, sounds.get(fields), _labels(fields))
            for fields, place in sorted(videos.items())
        ]
        clips.check_sounds(takes, self._settings, "AudioWAV/<the same name>.wav")
        splits = clips.split(takes, lambda take: _SPLIT_OF_FIVE[int(take.labels[spec.IDENTITY]) % 5])
        return {split: self._generate_examples(own) for split, own in splits.items()}


def _variants(name: str) -> list[str]:
    return [f"{clone}{name}{ending}" for clone in _CLONES for ending in ("", ".zip")]


def _files(
    info: tfds.core.DatasetInfo, source: Path, suffixes: tuple[str, ...]
) -> dict[tuple[str, ...], clips.Place]:
    """The files by actor, sentence, emotion and level."""
    places = [clips.Place(source, name) for name in left_out.files(info, source, _ADVICE, suffixes)]
    if not places:
        raise ValueError(f"{source} has no file *{' or *'.join(suffixes)}. {_ADVICE}")
    stems = {place: PurePosixPath(place.name).stem for place in places}
    naming.check_form(stems.values(), _FIELDS, _FORM, source, _ADVICE)
    if source.is_dir():
        _check_fetched(source, places)
    return {_fields(stem): place for place, stem in stems.items()}


def _fields(stem: str) -> tuple[str, ...]:
    *fields, level = stem.split("_")
    return (*fields, _LEVELS[level])


def _labels(fields: tuple[str, ...]) -> dict[str, str]:
    actor, _, emotion, level = fields
    return {spec.IDENTITY: actor, spec.EXPRESSION: _EMOTIONS[emotion], "level": level}


def _check_fetched(source: Path, places: Sequence[clips.Place]) -> None:
    """Checks that Git has brought the files themselves, not what stands for them."""
    missing = [place.name for place in places if _is_pointer(source / place.name)]
    if missing:
        raise ValueError(
            f"{len(missing)} of {len(places)} files in {source} only stand for the real ones, the first "
            f"is {missing[0]}: run git lfs pull in the clone. {_ADVICE}"
        )


def _is_pointer(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(_POINTER)) == _POINTER


_CITATION = """\
@article{cao2014crema,
  title = {{CREMA-D}: Crowd-sourced Emotional Multimodal Actors Dataset},
  author = {Cao, Houwei and Cooper, David G. and Keutmann, Michael K. and Gur, Ruben C. and
    Nenkova, Ani and Verma, Ragini},
  journal = {IEEE Transactions on Affective Computing},
  volume = {5},
  number = {4},
  year = {2014}
}
"""
