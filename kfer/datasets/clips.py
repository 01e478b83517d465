"""Recordings made examples: what the builders of clips share."""

import abc
import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import cv2
import numpy as np
import tensorflow_datasets as tfds

from kfer import spec
from kfer.console import only_python_on_stderr
from kfer.datasets import archives, naming
from kfer.media.frames import USUAL_RATE, VideoError
from kfer.media.recording import Recording
from kfer.media.sound import SoundError, read_wav
from kfer.progress import progress

SOUNDS = ("none", "beside", "required")
_LARGEST_RATE = 1000.0
_JPEG_QUALITY = 95
_NO_SOUND = np.zeros(0, np.int16)
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ClipSettings:
    """How recordings become clips.

    Attributes:
        frame_rate: Frames a second that are taken, those nearest in time; where a recording has fewer,
            some come more than once. None for each frame at the recording's own rate.
        largest_side: Larger pictures are made smaller, so that their longer side has so many pixels;
            None for their own size.
        sound: "none" for clips without; "beside" for the sound that there is, empty where there is none;
            "required" where it must be there.
    """

    frame_rate: float | None = None
    largest_side: int | None = 256
    sound: str = "beside"

    def __post_init__(self) -> None:
        naming.check_name(self.sound, SOUNDS, "The argument sound")
        if self.frame_rate is not None and not 0 < self.frame_rate <= _LARGEST_RATE:
            raise ValueError(
                f"frame_rate must be in (0, {_LARGEST_RATE:g}] a second, or None; got {self.frame_rate!r}"
            )
        if self.largest_side is not None and self.largest_side < 1:
            raise ValueError(f"largest_side must be at least 1 pixel, or None; got {self.largest_side!r}")

    def config(
        self, builder: type[tfds.core.DatasetBuilder], chosen: tfds.core.BuilderConfig | str | None
    ) -> tfds.core.BuilderConfig:
        """Returns a builder's config with what differs from the defaults in its name.

        Clips prepared in two ways are so not taken for one another.

        Args:
            builder: Has configs and a default one.
            chosen: A config's name, None for the default; a whole config is returned as it is.

        Raises:
            ValueError: There is no config of that name.
        """
        if isinstance(chosen, tfds.core.BuilderConfig):
            return chosen
        named = chosen or builder.DEFAULT_BUILDER_CONFIG_NAME
        naming.check_name(named, list(builder.builder_configs), f"The config of {builder.name}")
        config, default = builder.builder_configs[named], ClipSettings()
        if self.frame_rate != default.frame_rate:
            named += f"_{self.frame_rate:g}fps"
        if self.largest_side != default.largest_side:
            named += f"_{self.largest_side or 'own'}px"
        if self.sound != default.sound:
            named += f"_sound_{self.sound}"
        return tfds.core.BuilderConfig(name=named, description=config.description)


class RecordedClips(tfds.core.GeneratorBasedBuilder):
    """Recordings of actors that somebody published, whose splits are made of `Take`s."""

    @property
    @abc.abstractmethod
    def _expressions(self) -> tuple[str, ...]:
        """The names of a clip's expression."""

    def __init__(
        self,
        *,
        frame_rate: float | None = None,
        largest_side: int | None = 256,
        sound: str = "beside",
        config: tfds.core.BuilderConfig | str | None = None,
        **arguments: Any,
    ) -> None:
        """Takes how recordings become clips; see `ClipSettings`.

        Args:
            frame_rate: Frames a second; None for the recordings' own.
            largest_side: The longer side in pixels at most; None for their own.
            sound: "none", "beside" or "required".
            config: The name of one of the builder's, or a whole one.
            arguments: TFDS's own (`data_dir`, `version`).

        Raises:
            ValueError: An argument is out of its range.
        """
        self._settings = ClipSettings(frame_rate, largest_side, sound)
        super().__init__(config=self._settings.config(type(self), config), **arguments)

    def _create_builder_config(self, builder_config: tfds.core.BuilderConfig, version: Any) -> Any:
        # TFDS would look for it among the named configs, and warn that it is not there.
        return builder_config

    def _generate_examples(self, takes: list["Take"]) -> Iterator[tuple[str, dict[str, Any]]]:
        yield from examples(takes, self._settings, self._expressions, self.MANUAL_DOWNLOAD_INSTRUCTIONS)


@dataclass(frozen=True)
class Place:
    """Where a file or a folder of frames is.

    Attributes:
        source: A folder or an archive.
        name: The path within.
    """

    source: Path
    name: str

    @property
    def basename(self) -> str:
        """The last part of the path."""
        return PurePosixPath(self.name).name


@dataclass(frozen=True)
class Take:
    """One recording and what is known of it.

    Attributes:
        filename: What the example is called.
        picture: The video or the folder of frames; a folder only where the source is one.
        sound: The WAV file, if there is one.
        labels: The features that the source says.
        frame_expressions: The name of each of the recording's frames' expression, "" where it is missing;
            nothing at all where no frame has one.
        folder_rate: Frames a second of a folder of frames.
    """

    filename: str
    picture: Place
    sound: Place | None
    labels: Mapping[str, Any]
    frame_expressions: Sequence[str] = ()
    folder_rate: float = USUAL_RATE


def features(expressions: Sequence[str]) -> dict[str, Any]:
    """The features of every clip; `spec` says what they are.

    Args:
        expressions: The names of the classes.
    """
    return {
        # A video's frames have lost what JPEG loses; PNG would keep what their codec has added.
        spec.CLIP: tfds.features.Video(shape=(None, None, None, 3), encoding_format="jpeg"),
        spec.FRAME_RATE: tfds.features.Scalar(dtype=np.float32),
        spec.EXPRESSION: tfds.features.ClassLabel(names=expressions),
        spec.FRAME_EXPRESSION: tfds.features.Sequence(tfds.features.ClassLabel(names=expressions)),
        spec.SOUND: tfds.features.Tensor(
            shape=(None,),
            dtype=np.int16,
            encoding="zlib",
            doc=f"One channel of {spec.SAMPLE_RATE:,} samples a second; empty where there is none.",
        ),
        spec.FILENAME: tfds.features.Text(),
    }


def split(takes: Iterable[Take], split_of: Callable[[Take], str]) -> dict[str, list[Take]]:
    """Returns the recordings of each split that has some."""
    found: dict[str, list[Take]] = {}
    for take in takes:
        found.setdefault(split_of(take), []).append(take)
    return found


def check_sounds(takes: Collection[Take], settings: ClipSettings, expected: str) -> None:
    """Checks before the work that there is as much sound as is asked for.

    Args:
        takes: All of a dataset's.
        settings: Say what is asked for.
        expected: Where the sound should be, for the error's words.

    Raises:
        FileNotFoundError: Sound is required, and missing.
    """
    silent = [take.filename for take in takes if take.sound is None]
    if settings.sound == "required" and silent:
        raise FileNotFoundError(
            f"{len(silent)} of {len(takes)} recordings have no sound, the first is {silent[0]}; expected "
            f'{expected}. Add it, or let sound be "beside", with which it may be missing'
        )
    if settings.sound == "beside" and 0 < len(silent) < len(takes):
        _log.warning(
            "%d of %d recordings have no sound, the first is %s", len(silent), len(takes), silent[0]
        )


def examples(
    takes: Sequence[Take], settings: ClipSettings, expressions: Sequence[str], advice: str
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yields the key and the features of each example; recordings that cannot be read are left out.

    Args:
        takes: A split's.
        settings: How they become clips.
        expressions: The names of the classes.
        advice: Where to get the source anew; ends the message about a damaged archive.

    Raises:
        ValueError: An archive is damaged, or a recording has more frames than expressions of frames.
        SoundError: Sound is required, and cannot be read.
    """
    num_failed = 0
    for take in progress(takes, "recordings read", len(takes)):
        try:
            pictures, numbers, recording = _frames(take, settings, advice)
        except VideoError as error:
            num_failed += 1
            _log.warning("%s is left out: %s", take.filename, error)
            continue
        example = {
            spec.CLIP: pictures,
            spec.FRAME_RATE: np.float32(recording.rate),
            spec.EXPRESSION: spec.MISSING_LABEL,
            spec.FRAME_EXPRESSION: _frame_labels(take, numbers, recording.num_frames, expressions),
            spec.SOUND: _sound(take, settings, advice),
            spec.FILENAME: take.filename,
        }
        yield take.filename, example | dict(take.labels)
    if num_failed:
        _log.warning("%d of %d recordings could not be read: left out", num_failed, len(takes))


def _frames(take: Take, settings: ClipSettings, advice: str) -> tuple[list[bytes], list[int], Recording]:
    """The frames as JPEG, their numbers in the recording, and the recording, read to its end."""
    with archives.file_in(take.picture.source, take.picture.name, advice) as path:
        # OpenCV's readers tell in C what they make of a damaged file; kfer says it in a sentence.
        with only_python_on_stderr():
            recording = Recording(path, settings.frame_rate, settings.largest_side, take.folder_rate)
            pictures: list[bytes] = []
            numbers: list[int] = []
            for number, image in recording:
                # What is taken twice is coded once.
                again = bool(numbers) and numbers[-1] == number
                pictures.append(pictures[-1] if again else _jpeg(image))
                numbers.append(number)
        for warning in recording.warnings:
            _log.warning(warning)
    return pictures, numbers, recording


def _jpeg(image: np.ndarray) -> bytes:
    bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    return cv2.imencode(".jpg", bgr, (cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY))[1].tobytes()


def _frame_labels(
    take: Take, numbers: Sequence[int], num_frames: int, expressions: Sequence[str]
) -> list[int]:
    known = take.frame_expressions
    if not known:
        return [spec.MISSING_LABEL] * len(numbers)
    if len(known) < num_frames:
        raise ValueError(
            f"{take.filename} has {num_frames} frames, and expressions for {len(known)}; expected one "
            "line a frame, empty where it is missing"
        )
    if len(known) > num_frames:
        _log.warning(
            "%s has %d frames, and expressions for %d: the last are left out",
            take.filename,
            num_frames,
            len(known),
        )
    return [
        expressions.index(known[number]) if known[number] else spec.MISSING_LABEL for number in numbers
    ]


def _sound(take: Take, settings: ClipSettings, advice: str) -> np.ndarray:
    if take.sound is None or settings.sound == "none":
        return _NO_SOUND
    try:
        with archives.file_in(take.sound.source, take.sound.name, advice) as path:
            return read_wav(path, spec.SAMPLE_RATE, take.sound.name)
    except SoundError as error:
        if settings.sound == "required":
            raise
        _log.warning("The sound of %s is left out: %s", take.filename, error)
        return _NO_SOUND
