"""Examples between components: TFRecord files of tf.train.Example, laid out and named as TFX does.

Not compressed, unlike TFX's default, because the images in them are already: the name has no ``.gz``.
"""

import struct
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import tensorflow as tf

from kfer import spec
from kfer.files import named_if_damaged, replacing
from kfer.settings import LabelSettings

_FILE = "data_tfrecord-00000-of-00001"
_PATTERN = "data_tfrecord-?????-of-?????"
_BYTES = tf.io.FixedLenFeature([], tf.string)
_INT = tf.io.FixedLenFeature([], tf.int64)
_EXAMPLE = {
    spec.IMAGE: _BYTES,
    spec.EXPRESSION: _INT,
    spec.IDENTITY: _INT,
    spec.SOURCE: _INT,
    spec.FILENAME: _BYTES,
}
_PAIR = {
    spec.IMAGE_A: _BYTES,
    spec.IMAGE_B: _BYTES,
    spec.SAME: _INT,
    spec.FOLD: _INT,
    spec.SOURCE: _INT,
}
# What clips have besides; their image is one of their frames.
_CLIP = {
    spec.CLIP: tf.io.FixedLenSequenceFeature([], tf.string, allow_missing=True),
    spec.FRAME_EXPRESSION: tf.io.FixedLenSequenceFeature([], tf.int64, allow_missing=True),
    spec.FRAME_RATE: tf.io.FixedLenFeature([1], tf.float32),
    spec.SOUND: _BYTES,
}
Labels = Mapping[str, LabelSettings]
# A record is its length (8 bytes) and the length's checksum (4), the data, and the data's checksum (4).
_HEADER = struct.Struct("<Q4x")
_FOOTER_BYTES = 4
# Crossing from TensorFlow to Python costs as much for many examples as for one.
_CHUNK = 64
_ADVICE = "delete it to have it written anew"


def write_examples(
    examples: Iterable[Mapping[str, Any]],
    folder: Path,
    further: Labels | None = None,
    clips: bool = False,
) -> int:
    """Writes examples as one TFRecord file, which takes its name when it is whole.

    Args:
        examples: Each has image (bytes, encoded), expression, identity, source (int), filename (str or
            bytes), and what `further` names.
        folder: Where the file goes; made where missing.
        further: Labels besides expression and identity.
        clips: Whether they also have what clips have: clip (the frames' bytes), frame_expression
            (integers), frame_rate (a list of one) and sound (the bytes of int16).

    Returns:
        How many examples there were.
    """
    return _write(examples, folder, _EXAMPLE | _features(further) | (_CLIP if clips else {}))


def read_examples(folder: Path, further: Labels | None = None, clips: bool = False) -> tf.data.Dataset:
    """What `write_examples` wrote, in order.

    Args:
        folder: Where it wrote.
        further: Labels to read besides expression and identity.
        clips: Whether to read what clips have besides.

    Returns:
        Dataset of {"image": string, "expression", "identity", "source": int64, "filename": string},
        all scalars, and of each further label: int64 scalars of classes, else float32 vectors. Of clips
        also "clip", string `[frames]`, "frame_expression", int64 `[frames]`, "frame_rate", float32 `[1]`,
        and "sound", a string.

    Raises:
        FileNotFoundError: If the folder has no record file.
    """
    return _read(folder, _EXAMPLE | _features(further) | (_CLIP if clips else {}))


def iterate_examples(folder: Path, further: Labels | None = None) -> Iterator[dict[str, Any]]:
    """What `write_examples` wrote, in order, as Python values.

    Args:
        folder: Where it wrote.
        further: Labels to read besides expression and identity.

    Returns:
        Iterator of bytes, integers and a str filename, and of each further label an integer or a list of
        floats.

    Raises:
        FileNotFoundError: If the folder has no record file.
        DamagedError: A record is damaged.
    """
    names = (*_EXAMPLE, *(further or ()))
    with named_if_damaged(folder, _ADVICE):
        for chunk in read_examples(folder, further).batch(_CHUNK).prefetch(1).as_numpy_iterator():
            # Python's own numbers, not NumPy's; bytes stay bytes.
            columns = [chunk[name].tolist() for name in names]
            for values in zip(*columns, strict=True):
                example = dict(zip(names, values, strict=True))
                yield {**example, spec.FILENAME: example[spec.FILENAME].decode()}


def write_pairs(pairs: Iterable[Mapping[str, Any]], folder: Path) -> int:
    """Writes verification pairs like `write_examples`.

    Args:
        pairs: Each has image_a, image_b (bytes, encoded), same (0 or 1), fold (-1 for none), source.
        folder: Where the file goes; made where missing.

    Returns:
        How many pairs there were.
    """
    return _write(pairs, folder, _PAIR)


def read_pairs(folder: Path) -> tf.data.Dataset:
    """What `write_pairs` wrote, in order.

    Returns:
        Dataset of {"image_a", "image_b": string, "same", "fold", "source": int64}, all scalars.

    Raises:
        FileNotFoundError: If the folder has no record file.
    """
    return _read(folder, _PAIR)


def count_records(folder: Path) -> int:
    """How many examples or pairs a folder holds, without reading them.

    Raises:
        FileNotFoundError: If the folder has no record file.
        ValueError: If a file ends within a record.
    """
    return sum(_count(path) for path in _paths(folder))


def _write(examples: Iterable[Mapping[str, Any]], folder: Path, features: Mapping[str, Any]) -> int:
    folder.mkdir(parents=True, exist_ok=True)
    count = 0
    with replacing(folder / _FILE) as new, tf.io.TFRecordWriter(str(new)) as writer:
        for example in examples:
            writer.write(_serialized(example, features))
            count += 1
    return count


def _serialized(example: Mapping[str, Any], features: Mapping[str, Any]) -> bytes:
    message = tf.train.Example()
    for name, feature in features.items():
        value, target = example[name], message.features.feature[name]
        if feature is _INT:
            target.int64_list.value.append(int(value))
        elif feature.dtype == tf.int64:
            target.int64_list.value.extend(value)
        elif feature.dtype == tf.float32:
            target.float_list.value.extend(value)
        elif feature is _BYTES:
            target.bytes_list.value.append(value.encode() if isinstance(value, str) else value)
        else:
            target.bytes_list.value.extend(value)
    return message.SerializeToString()


def _features(labels: Labels | None) -> dict[str, Any]:
    return {
        name: _INT if label.is_integer else tf.io.FixedLenFeature([len(label.names)], tf.float32)
        for name, label in (labels or {}).items()
    }


def _read(folder: Path, features: Mapping[str, Any]) -> tf.data.Dataset:
    records = tf.data.TFRecordDataset([str(path) for path in _paths(folder)])
    return records.map(lambda record: tf.io.parse_single_example(record, features))


def _paths(folder: Path) -> list[Path]:
    paths = sorted(folder.glob(_PATTERN))
    if not paths:
        raise FileNotFoundError(f"{folder} has no file like {_FILE}; was it written by write_examples?")
    return paths


def _count(path: Path) -> int:
    count, size = 0, path.stat().st_size
    with named_if_damaged(path, _ADVICE), path.open("rb") as file:
        while header := file.read(_HEADER.size):
            count += 1
            if len(header) < _HEADER.size:
                break
            file.seek(_HEADER.unpack(header)[0] + _FOOTER_BYTES, 1)
        if len(header) or file.tell() != size:
            raise ValueError(f"it ends within record {count}: it was not written to its end")
    return count
