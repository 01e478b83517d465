"""RAVDESS: 24 actors say and sing two sentences in eight expressions, as video and as sound."""

import re
from pathlib import Path
from typing import Any

import tensorflow_datasets as tfds

from kfer import spec
from kfer.datasets import archives, clips, left_out, naming
from kfer.fingerprints import Read, read
from kfer.media.frames import is_video

_ADVICE = (
    "RAVDESS comes from https://zenodo.org/records/1188976: put Video_Speech_Actor_01.zip to "
    "Video_Speech_Actor_24.zip, and Video_Song_Actor_*.zip if wanted, or the folders Actor_01 to "
    "Actor_24 that are in them, into <data folder>/ravdess, and Audio_Speech_Actors_01-24.zip and "
    "Audio_Song_Actors_01-24.zip for sound: a video's own cannot be read."
)
_FORM = (
    "<modality>-<vocal channel>-<emotion>-<intensity>-<statement>-<repetition>-<actor>.mp4 or .wav, "
    "such as 01-01-03-02-01-01-07.mp4"
)
#: Modality (with sound, video only, sound only) to actor, two digits each.
_FIELDS = re.compile(
    r"(0[123])-((0[12])-(0[1-8])-(0[12])-(0[12])-(0[12])-(0[1-9]|1\d|2[0-4]))\.(mp4|wav)", re.IGNORECASE
)
_STARTS, _ENDINGS = ("actor_", "video_", "audio_"), (".mp4", ".wav")
_SOUND_ONLY = "03"
_CALM = "calm"
#: In the order of their numbers, from 01.
_EMOTIONS = ("neutral", _CALM, "happy", "sad", "angry", "fear", "disgust", "surprise")
_CHANNELS, _INTENSITIES = ("speech", "song"), ("normal", "strong")
_ACTORS = tuple(f"{number:02}" for number in range(1, 25))
_LAST_TRAIN, _LAST_VALIDATION = "16", "20"


class KferRavdess(clips.RecordedClips):
    """Every clip has who it is, the expression acted, how strongly, and whether it is said or sung.

    Splits are by actor: 01 to 16 in train, 17 to 20 in validation, 21 to 24 in test, in each as many
    women as men. In config seven_class "calm" is a missing label; in eight_class it is the eighth name.

    Each performance is there once, although RAVDESS has its video with and without sound. Its sound is
    the WAV file of the same name, whose first field is 03.
    """

    FOLDER = "ravdess"
    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "First version."}
    BUILDER_CONFIGS = [
        tfds.core.BuilderConfig(name="seven_class", description="Calm is a missing label."),
        tfds.core.BuilderConfig(name="eight_class", description="Calm is an expression too."),
    ]
    DEFAULT_BUILDER_CONFIG_NAME = "seven_class"
    MANUAL_DOWNLOAD_INSTRUCTIONS = _ADVICE

    @property
    def _expressions(self) -> tuple[str, ...]:
        has_calm = self.builder_config.name.startswith("eight_class")
        return (*spec.EXPRESSIONS, _CALM) if has_calm else spec.EXPRESSIONS

    def reads(self, download_dir: Path) -> list[Read]:
        """Returns what is read or looked for; see `kfer.datasets.preparation`."""
        folder = archives.dataset_folder(download_dir, self.FOLDER)
        return [read(folder, (".zip", *_ENDINGS), _STARTS)]

    def _info(self) -> tfds.core.DatasetInfo:
        own = {
            spec.IDENTITY: tfds.features.ClassLabel(names=_ACTORS),
            "vocal_channel": tfds.features.ClassLabel(names=_CHANNELS),
            "intensity": tfds.features.ClassLabel(names=_INTENSITIES),
        }
        return tfds.core.DatasetInfo(
            builder=self,
            metadata=tfds.core.MetadataDict(),
            description="Two sentences said and sung by 24 actors in eight expressions.",
            features=tfds.features.FeaturesDict(clips.features(self._expressions) | own),
            homepage="https://zenodo.org/records/1188976",
            license="CC BY-NC-SA 4.0.",
            citation=_CITATION,
        )

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict[str, Any]:
        folder = archives.dataset_folder(dl_manager.manual_dir, self.FOLDER)
        takes = self._takes(folder)
        clips.check_sounds(takes, self._settings, "Audio_*.zip or Actor_*/03-*.wav beside the videos")
        splits = clips.split(takes, lambda take: _split_of(take.labels[spec.IDENTITY]))
        return {split: self._generate_examples(own) for split, own in splits.items()}

    def _takes(self, folder: Path) -> list[clips.Take]:
        videos: dict[str, tuple[str, clips.Place]] = {}
        sounds: dict[str, clips.Place] = {}
        for place in _places(folder, self.info):
            fields = _FIELDS.fullmatch(place.basename)
            assert fields
            modality, performance = fields[1], fields[2]
            if not is_video(place.name):
                if modality == _SOUND_ONLY:
                    sounds.setdefault(performance, place)
            elif performance not in videos or modality < videos[performance][0]:
                videos[performance] = modality, place
        if not videos:
            raise ValueError(f"{folder} has no video of RAVDESS in its folders and archives. {_ADVICE}")
        return [
            clips.Take(place.basename, place, sounds.get(performance), self._labels(performance))
            for performance, (_, place) in sorted(videos.items())
        ]

    def _labels(self, performance: str) -> dict[str, Any]:
        channel, emotion, intensity, _, _, actor = performance.split("-")
        expression = _EMOTIONS[int(emotion) - 1]
        return {
            spec.IDENTITY: actor,
            spec.EXPRESSION: expression if expression in self._expressions else spec.MISSING_LABEL,
            "vocal_channel": _CHANNELS[int(channel) - 1],
            "intensity": _INTENSITIES[int(intensity) - 1],
        }


def _split_of(actor: str) -> str:
    if actor <= _LAST_TRAIN:
        return spec.TRAIN
    return spec.VALIDATION if actor <= _LAST_VALIDATION else spec.TEST


def _places(folder: Path, info: tfds.core.DatasetInfo) -> list[clips.Place]:
    """All videos and sounds, in unpacked folders before those in archives."""
    sources = [
        path
        for path in sorted(folder.iterdir())
        if path.name.lower().startswith(_STARTS) and (path.is_dir() or path.suffix.lower() == ".zip")
    ]
    if not sources:
        raise FileNotFoundError(f"{folder} has no Actor_*, Video_*.zip or Audio_*.zip. {_ADVICE}")
    places = [
        clips.Place(source, name)
        for source in sorted(sources, key=Path.is_file)
        for name in left_out.files(info, source, _ADVICE, _ENDINGS)
    ]
    naming.check_form((place.basename for place in places), _FIELDS, _FORM, folder, _ADVICE)
    return places


_CITATION = """\
@article{livingstone2018ryerson,
  title = {The Ryerson Audio-Visual Database of Emotional Speech and Song ({RAVDESS}): A dynamic,
    multimodal set of facial and vocal expressions in North American English},
  author = {Livingstone, Steven R. and Russo, Frank A.},
  journal = {PLoS ONE},
  volume = {13},
  number = {5},
  year = {2018}
}
"""
