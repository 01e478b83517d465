"""Decoded examples on disk and in memory: every image is decoded, cropped and resized only once.

A folder a split holds ``images.npy`` and a file for each label. ``images.npy`` comes last and under its
final name only when whole, so a folder that has it is complete.
"""

import contextlib
import logging
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
import tensorflow as tf

from kfer import preprocessing, spec
from kfer.files import replacing
from kfer.input_pipeline.frames import OF_FRAMES, Frames
from kfer.progress import progress
from kfer.settings import LabelSettings

if TYPE_CHECKING:
    from hashlib import _Hash as Hash

_log = logging.getLogger(__name__)
_CHUNK = 256
_FURTHER, _SOUND = "further", "sound.npy"
_NAMED_BAD_IMAGES = 5


@dataclass(frozen=True)
class Decoded:
    """Examples whose images are ready for the network.

    Attributes:
        images: uint8 [n, size, size, channels], or clips [n, frames, size, size, channels], whose frames
            of 0 alone are none; maybe mapped from disk.
        expression: int32 [n], -1 where missing.
        identity: int32 [n], global ids, -1 where missing.
        source: int32 [n], index of the source that each example comes from.
        filename: Unicode [n], where the image came from.
        further: Other labels by feature: int32 [n], -1 where missing, or float32 [n, k], nan where
            missing.
        sound: Of clips with sound, int16 [n, samples], of which 0 alone is none; else None.
    """

    images: np.ndarray
    expression: np.ndarray
    identity: np.ndarray
    source: np.ndarray
    filename: np.ndarray
    further: Mapping[str, np.ndarray] = field(default_factory=dict)
    sound: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.images)

    @property
    def labels(self) -> dict[str, np.ndarray]:
        """Every label by feature, "source" not among them."""
        return {spec.EXPRESSION: self.expression, spec.IDENTITY: self.identity, **self.further}

    def label(self, feature: str) -> np.ndarray:
        """A label, or "source", by its feature.

        Raises:
            ValueError: The examples carry no such label.
        """
        labels = {**self.labels, spec.SOURCE: self.source}
        if feature not in labels:
            raise ValueError(f"the examples carry no {feature!r}; they carry {', '.join(labels)}")
        return labels[feature]

    def add_to(self, digest: "Hash", features: Sequence[str]) -> None:
        """Adds the images, and their labels of some features, to a digest of `hashlib`."""
        for start in range(0, len(self), _CHUNK):
            digest.update(self.images[start : start + _CHUNK].tobytes())
        for feature in features:
            digest.update(self.label(feature).tobytes())

    def inputs(self, positions: np.ndarray | slice) -> np.ndarray | dict[str, np.ndarray]:
        """What a network takes of some examples: images or clips or, with sound, "image" and "sound".

        Args:
            positions: Of the examples.

        Returns:
            The images as they are; sound float32 `[n, samples]` in [-1, 1).
        """
        images = np.asarray(self.images[positions])
        if self.sound is None:
            return images
        return {spec.IMAGE: images, spec.SOUND: as_wave(self.sound[positions])}

    def at(self, positions: np.ndarray | slice) -> "Decoded":
        """The examples at these positions."""
        return Decoded(
            images=self.images[positions],
            expression=self.expression[positions],
            identity=self.identity[positions],
            source=self.source[positions],
            filename=self.filename[positions],
            further={name: values[positions] for name, values in self.further.items()},
            sound=None if self.sound is None else self.sound[positions],
        )

    @classmethod
    def concatenate(cls, parts: Sequence["Decoded"]) -> "Decoded":
        """All examples of the parts, in order, in memory; all must have images of one shape and the same
        labels."""
        names = ("images", spec.EXPRESSION, spec.IDENTITY, spec.SOURCE, spec.FILENAME)
        joined = {name: np.concatenate([vars(part)[name] for part in parts]) for name in names}
        further = {
            name: np.concatenate([part.further[name] for part in parts]) for name in parts[0].further
        }
        sounds = [part.sound for part in parts if part.sound is not None]
        return cls(**joined, further=further, sound=np.concatenate(sounds) if sounds else None)


@dataclass(frozen=True)
class DecodedPairs:
    """Verification pairs whose images are ready for the network.

    Attributes:
        images_a: uint8 [n, size, size, channels].
        images_b: uint8 [n, size, size, channels].
        same: bool [n], whether both images show one person.
        fold: int32 [n], the fold that the dataset puts a pair in, -1 for none.
    """

    images_a: np.ndarray
    images_b: np.ndarray
    same: np.ndarray
    fold: np.ndarray

    def __len__(self) -> int:
        return len(self.same)


def as_wave(sound: np.ndarray) -> np.ndarray:
    """Returns sound of int16 as float32 in [-1, 1)."""
    return sound.astype(np.float32) / 32768


def write_decoded(
    folder: Path,
    examples: tf.data.Dataset,
    size: int,
    channels: int,
    crops: Sequence[tuple[float, float]],
    num_examples: int,
    further: Mapping[str, LabelSettings] | None = None,
    frames: Frames | None = None,
) -> int:
    """Decodes, crops and resizes examples, and writes them for `load_decoded`.

    Images that do not decode are left out, counted and named in the log.

    Args:
        folder: Where the files go; made where missing.
        examples: As from `records.read_examples`.
        size: Height and width in pixels.
        channels: 1 or 3.
        crops: For each source, which part of an image is kept: `SourceSettings.crop`.
        num_examples: How many examples there are.
        further: Labels besides expression and identity.
        frames: Which frames are kept of examples that are clips; None for images. A clip of which one
            does not decode is left out.

    Returns:
        How many images did not decode.
    """
    further = further or {}
    kept = (spec.EXPRESSION, spec.IDENTITY, spec.SOURCE, spec.FILENAME, *further)
    shown = spec.IMAGE
    shape: tuple[int, ...] = (size, size, channels)
    if frames is not None:
        examples = examples.map(frames.choose)
        shown, shape = spec.CLIP, (frames.number, *shape)
        kept = (*kept, *OF_FRAMES, *([spec.SOUND] if frames.samples else []))
    labels: dict[str, list[np.ndarray]] = {name: [] for name in kept}
    (folder / _FURTHER).mkdir(parents=True, exist_ok=True)
    good: list[np.ndarray] = []
    with _ImageFile(folder / "images.npy", shape) as images:
        for chunk in _prepared(examples, (shown,), size, channels, crops, num_examples):
            images.append(chunk[shown])
            good.append(chunk["position"])
            for name, values in labels.items():
                values.append(chunk[name])
        for name in (spec.EXPRESSION, spec.IDENTITY, spec.SOURCE):
            _save(folder / f"{name}.npy", _joined(labels[name]).astype(np.int32))
        for name, label in further.items():
            dtype, own = (np.int32, (-1,)) if label.is_integer else (np.float32, (-1, len(label.names)))
            numbers = _joined(labels[name]).astype(dtype).reshape(own)
            _save(folder / _FURTHER / f"{name}.npy", numbers)
        for name in OF_FRAMES if frames is not None else ():
            _save(folder / _FURTHER / f"{name}.npy", _joined(labels[name]))
        if spec.SOUND in labels:
            _save(folder / _SOUND, _joined(labels[spec.SOUND]).astype(np.int16))
        filenames = np.char.decode(_joined(labels[spec.FILENAME]).astype(bytes), "utf-8")
        _save(folder / "filename.npy", filenames)
    bad = np.setdiff1d(np.arange(num_examples), _joined(good))
    if len(bad):
        _log.warning(
            "%d of %d images do not decode: %s",
            len(bad),
            num_examples,
            ", ".join(_names(examples, bad[:_NAMED_BAD_IMAGES]))
            + ", ..." * (len(bad) > _NAMED_BAD_IMAGES),
        )
    return len(bad)


def write_decoded_pairs(
    folder: Path,
    pairs: tf.data.Dataset,
    size: int,
    channels: int,
    crops: Sequence[tuple[float, float]],
    num_pairs: int,
) -> int:
    """Decodes, crops and resizes verification pairs, and writes them for `load_pairs`.

    Args:
        folder: Where the files go; made where missing.
        pairs: As from `records.read_pairs`.
        size: Height and width in pixels.
        channels: 1 or 3.
        crops: For each source, which part of an image is kept: `SourceSettings.crop`.
        num_pairs: How many pairs there are.

    Returns:
        How many pairs were left out because one of their images did not decode.
    """
    folder.mkdir(parents=True, exist_ok=True)
    same, fold = [], []
    with (
        _ImageFile(folder / "images_a.npy", (size, size, channels)) as images_a,
        _ImageFile(folder / "images_b.npy", (size, size, channels)) as images_b,
    ):
        for chunk in _prepared(pairs, (spec.IMAGE_A, spec.IMAGE_B), size, channels, crops, num_pairs):
            images_a.append(chunk[spec.IMAGE_A])
            images_b.append(chunk[spec.IMAGE_B])
            same.append(chunk[spec.SAME])
            fold.append(chunk[spec.FOLD])
        _save(folder / "same.npy", _joined(same).astype(bool))
        _save(folder / "fold.npy", _joined(fold).astype(np.int32))
    bad = num_pairs - len(_joined(same))
    if bad:
        _log.warning("%d of %d pairs have an image that does not decode", bad, num_pairs)
    return bad


def load_decoded(folder: Path, memory_budget_gb: float) -> Decoded:
    """What `write_decoded` wrote.

    Args:
        folder: One split's folder.
        memory_budget_gb: Images are held in memory up to this many GB (10**9 bytes), else mapped
            from disk.

    Raises:
        FileNotFoundError: If the folder holds no complete split.
    """
    images = _load_images(folder / "images.npy", memory_budget_gb)
    names = (spec.EXPRESSION, spec.IDENTITY, spec.SOURCE, spec.FILENAME)
    further = {path.stem: np.load(path) for path in sorted((folder / _FURTHER).glob("[!.]*.npy"))}
    sound = np.load(folder / _SOUND) if (folder / _SOUND).exists() else None
    labels = {name: np.load(folder / f"{name}.npy") for name in names}
    return Decoded(images, **labels, further=further, sound=sound)


def has_sound(folder: Path) -> bool:
    """Returns whether some example of a split that `write_decoded` wrote has sound."""
    path = folder / _SOUND
    return path.exists() and bool(np.load(path, mmap_mode="r").any())


def load_pairs(folder: Path) -> DecodedPairs:
    """What `write_decoded_pairs` wrote; the images are mapped from disk.

    Raises:
        FileNotFoundError: If the folder holds no complete pairs.
    """
    images_b = _load_images(folder / "images_b.npy", 0)
    images_a = _load_images(folder / "images_a.npy", 0)
    return DecodedPairs(images_a, images_b, np.load(folder / "same.npy"), np.load(folder / "fold.npy"))


def _prepared(
    examples: tf.data.Dataset,
    image_keys: Sequence[str],
    size: int,
    channels: int,
    crops: Sequence[tuple[float, float]],
    total: int,
) -> Iterator[dict[str, np.ndarray]]:
    """Chunks of the examples that decode, with their positions, in order."""

    def with_crop(position: tf.Tensor, example: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        crop = tf.gather(tf.constant(crops, tf.float32), example[spec.SOURCE])
        return {**example, "position": position, "crop": crop}

    def prepare(example: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        def decoded(encoded: tf.Tensor) -> tf.Tensor:
            return preprocessing.prepare(encoded, size, channels, *tf.unstack(example["crop"]))

        def of_frames(encoded: tf.Tensor) -> tf.Tensor:
            nothing = tf.zeros([size, size, channels], tf.uint8)
            one = lambda frame: tf.cond(frame == b"", lambda: nothing, lambda: decoded(frame))  # noqa: E731
            return tf.map_fn(one, encoded, fn_output_signature=tf.TensorSpec(nothing.shape, tf.uint8))

        images = {
            key: of_frames(example[key]) if example[key].shape.rank else decoded(example[key])
            for key in image_keys
        }
        return {**example, **images}

    def decodable(chunk: dict[str, tf.Tensor]) -> tf.data.Dataset:
        # Errors are ignored here, around decoding only: a damaged record file must stop the run.
        return (
            tf.data.Dataset.from_tensor_slices(chunk)
            .map(prepare, num_parallel_calls=tf.data.AUTOTUNE)
            .ignore_errors(log_warning=False)
        )

    chunks = (
        examples.enumerate().map(with_crop).batch(_CHUNK).flat_map(decodable).batch(_CHUNK).prefetch(1)
    )
    seen = progress(
        chunks.as_numpy_iterator(), f"batches of {_CHUNK} images decoded", math.ceil(total / _CHUNK)
    )
    yield from seen


class _ImageFile:
    """An .npy file of images that grows, and takes its name when it is whole.

    Not a memory map: on a full disk writing to one kills the process, where a file raises OSError.
    """

    def __init__(self, path: Path, shape: tuple[int, ...]) -> None:
        self._path = path
        self._shape = shape
        self._count = 0

    def __enter__(self) -> "_ImageFile":
        self._path.unlink(missing_ok=True)
        with contextlib.ExitStack() as whole:
            new = whole.enter_context(replacing(self._path))
            self._file: BinaryIO = whole.enter_context(new.open("wb"))
            self._write_header()
            self._whole = whole.pop_all()
        return self

    def append(self, images: np.ndarray) -> None:
        self._file.write(np.ascontiguousarray(images).data)
        self._count += len(images)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, *_: Any) -> None:
        with self._whole:
            if error is not None:
                raise error
            # NumPy pads headers so that the first axis may grow in place.
            self._file.seek(0)
            self._write_header()

    def _write_header(self) -> None:
        shape = (self._count, *self._shape)
        header = {"descr": "|u1", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(self._file, header)


def _joined(parts: list[np.ndarray]) -> np.ndarray:
    return np.concatenate(parts) if parts else np.zeros(0, np.int64)


def _save(path: Path, array: np.ndarray) -> None:
    with replacing(path) as new, new.open("wb") as file:
        np.save(file, array)


def _names(examples: tf.data.Dataset, positions: np.ndarray) -> list[str]:
    wanted = examples.enumerate().filter(lambda i, _: tf.reduce_any(i == positions))
    names = wanted.map(lambda _, example: example[spec.FILENAME]).take(len(positions))
    return [name.decode() for name in names.as_numpy_iterator()]


def _load_images(path: Path, memory_budget_gb: float) -> np.ndarray:
    if not path.exists():
        raise FileNotFoundError(f"{path.parent} holds no complete decoded split: {path.name} is missing")
    mapped = np.load(path, mmap_mode="r")
    return np.array(mapped) if mapped.nbytes <= memory_budget_gb * 1e9 else mapped
