"""A frozen trunk's features: what it says of each example, found once."""

import dataclasses
import hashlib
import logging
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from kfer.files import replacing
from kfer.input_pipeline import Decoded
from kfer.progress import progress

_BATCH_SIZE = 256
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class FeatureCache:
    """What a run needs to keep a frozen trunk's features.

    Attributes:
        examples: The training split.
        make_batches: As `kfer.training.train` takes it, but of the examples that it is given first;
            its batches are not augmented.
        memory_budget_gb: The features of a split are held in memory up to this many GB (10**9 bytes),
            else mapped from disk.
        shared_dir: Where features are kept for further runs with the same backbone; None keeps none.
    """

    examples: Decoded
    make_batches: Callable[[Decoded, int], tf.data.Dataset]
    memory_budget_gb: float
    shared_dir: Path | None = None


def with_features(
    trunk: keras.Model, examples: Decoded, memory_budget_gb: float, file: Path, keep: bool = False
) -> Decoded:
    """Returns the examples with a trunk's features in place of their images.

    Args:
        trunk: From images to features `[n, ...]`; run in inference mode.
        examples: Of any split.
        memory_budget_gb: As for `FeatureCache`.
        file: Where they are written if they need more; an .npy file, replaced where there is one.
        keep: Whether they are written in any case, and read where they were.

    Returns:
        Examples whose images are float32 `[n, *trunk.output_shape[1:]]`.
    """
    shape = (len(examples), *trunk.output_shape[1:])
    size = 4 * math.prod(shape)
    in_memory = size <= memory_budget_gb * 1e9
    if keep and file.exists():
        _log.info("the features of an earlier run with this backbone are taken from %s", file)
    elif keep or not in_memory:
        _log.info("the backbone is run once: %s GB of features are kept in %s", f"{size / 1e9:.2g}", file)
        _write(trunk, examples.images, shape, file)
    else:
        _log.info("the backbone is run once: %s GB of features are kept in memory", f"{size / 1e9:.2g}")
        features = np.empty(shape, np.float32)
        for start, batch in _batches(trunk, examples.images):
            features[start : start + len(batch)] = batch
        return dataclasses.replace(examples, images=features)
    features = np.load(file, mmap_mode=None if in_memory else "r")
    return dataclasses.replace(examples, images=features)


def _write(trunk: keras.Model, images: np.ndarray, shape: tuple[int, ...], file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    # Not written through a memory map: on a full disk that kills the process.
    with replacing(file) as new, new.open("wb") as stream:
        header = {"descr": "<f4", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(stream, header)
        for _, batch in _batches(trunk, images):
            stream.write(np.ascontiguousarray(batch, "<f4").data)


def shared_file(trunk: keras.Model, examples: Decoded, folder: Path) -> Path:
    """Returns where features are kept that only depend on the trunk's weights and the examples.

    Args:
        trunk: As for `with_features`.
        examples: Likewise.
        folder: Of all such files.
    """
    digest = hashlib.sha256(repr((trunk.input_shape, trunk.output_shape, len(examples))).encode())
    for weights in trunk.get_weights():
        digest.update(np.ascontiguousarray(weights).data)
    # All of them: one image that is another has other features.
    for start in range(0, len(examples), _BATCH_SIZE):
        digest.update(np.ascontiguousarray(examples.images[start : start + _BATCH_SIZE]).data)
    return folder / f"features_{digest.hexdigest()[:16]}.npy"


def _batches(trunk: keras.Model, images: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    run = tf.function(trunk, reduce_retracing=True)
    starts = range(0, len(images), _BATCH_SIZE)
    for start in progress(starts, f"batches of {_BATCH_SIZE} images seen", len(starts)):
        batch = tf.cast(images[start : start + _BATCH_SIZE], tf.float32)
        yield start, tf.cast(run(batch, training=False), tf.float32).numpy()
