"""A frozen trunk's features: what it says of each example, found once."""

import dataclasses
import logging
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

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
    """

    examples: Decoded
    make_batches: Callable[[Decoded, int], tf.data.Dataset]
    memory_budget_gb: float


def with_features(trunk: keras.Model, examples: Decoded, memory_budget_gb: float, file: Path) -> Decoded:
    """Returns the examples with a trunk's features in place of their images.

    Args:
        trunk: From images to features `[n, ...]`; run in inference mode.
        examples: Of any split.
        memory_budget_gb: As for `FeatureCache`.
        file: Where they are written if they need more; an .npy file, replaced where there is one.

    Returns:
        Examples whose images are float32 `[n, *trunk.output_shape[1:]]`.
    """
    shape = (len(examples), *trunk.output_shape[1:])
    size = 4 * math.prod(shape)
    place = "in memory" if size <= memory_budget_gb * 1e9 else f"in {file}"
    _log.info("the backbone is run once: %s GB of features are kept %s", f"{size / 1e9:.2g}", place)
    if size <= memory_budget_gb * 1e9:
        features = np.empty(shape, np.float32)
        for start, batch in _batches(trunk, examples.images):
            features[start : start + len(batch)] = batch
    else:
        # Not written through a memory map: on a full disk that kills the process.
        with file.open("wb") as stream:
            header = {"descr": "<f4", "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(stream, header)
            for _, batch in _batches(trunk, examples.images):
                stream.write(np.ascontiguousarray(batch, "<f4").data)
        features = np.load(file, mmap_mode="r")
    return dataclasses.replace(examples, images=features)


def _batches(trunk: keras.Model, images: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    run = tf.function(trunk, reduce_retracing=True)
    starts = range(0, len(images), _BATCH_SIZE)
    for start in progress(starts, f"batches of {_BATCH_SIZE} images seen", len(starts)):
        batch = tf.cast(images[start : start + _BATCH_SIZE], tf.float32)
        yield start, tf.cast(run(batch, training=False), tf.float32).numpy()
