"""Batches for training and evaluation, from decoded examples."""

import functools
import math
import time
from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf

from kfer import spec
from kfer.augmentation import augment
from kfer.input_pipeline.decoded import Decoded
from kfer.settings import AugmentationSettings

_LARGEST_INT32 = 2**31


def for_training(
    decoded: Decoded,
    batch_size: int,
    seed: int,
    augmentation: AugmentationSettings | None,
    start_step: int = 0,
    weights: Sequence[float] | None = None,
) -> tf.data.Dataset:
    """Endless shuffled batches; each is a function of `seed` and its step alone.

    So there is no state to save: a run that resumes at step k with ``start_step=k`` gets the batches
    that it would have got. Without weights, each run of ``len(decoded)`` examples from the start has
    every example once. With weights every batch has the same number of examples from a source, and
    each source is shuffled and cycled on its own.

    Args:
        decoded: What to train on.
        batch_size: Examples a batch.
        seed: Not negative; another seed gives another order and other augmentation.
        augmentation: How images are changed at random; None leaves them as they are.
        start_step: The step of the first batch.
        weights: For each source index, its share of a batch relative to the others'; 0 leaves it out.

    Returns:
        Dataset of (images float32 [batch_size, size, size, channels] in 0..255, {"expression": int32
        [batch_size], "identity": int32 [batch_size]}), -1 where a label is missing.

    Raises:
        ValueError: If there is no example, or a weight gives a source no example a batch.
    """
    order = _Order(decoded.source, batch_size, seed, weights)

    def batch(step: tf.Tensor) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
        images, labels = _gathered(decoded, order.indices, step)
        images = tf.ensure_shape(images, [batch_size, *decoded.images.shape[1:]])
        labels = {name: tf.ensure_shape(label, [batch_size]) for name, label in labels.items()}
        if augmentation is not None:
            at = tf.stack([seed % _LARGEST_INT32, tf.cast(step % _LARGEST_INT32, tf.int32)])
            images = augment(images, augmentation, at)
        return images, labels

    steps = tf.data.Dataset.counter(start_step)
    return steps.map(batch, num_parallel_calls=tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)


def for_evaluation(decoded: Decoded, batch_size: int) -> tf.data.Dataset:
    """All examples once, in order; the last batch may be smaller.

    Returns:
        Dataset of (images float32 [n, size, size, channels] in 0..255, {"expression": int32 [n],
        "identity": int32 [n]}).
    """

    def indices(start: int) -> np.ndarray:
        return np.arange(start, min(start + batch_size, len(decoded)))

    starts = tf.data.Dataset.range(0, len(decoded), batch_size)
    batches = starts.map(
        lambda start: _gathered(decoded, indices, start), num_parallel_calls=tf.data.AUTOTUNE
    )
    return batches.prefetch(tf.data.AUTOTUNE)


def steps_per_epoch(decoded: Decoded, batch_size: int) -> int:
    """Steps until every example was seen at least once (without weights)."""
    return math.ceil(len(decoded) / batch_size)


def measure_speed(dataset: tf.data.Dataset, seconds: float = 2.0) -> float:
    """Images a second that a dataset of batches gives when nothing else waits, after one batch."""
    batches = iter(dataset)
    next(batches)
    start = time.monotonic()
    count, passed = 0, 0.0
    for images, _ in batches:
        count += int(images.shape[0])
        passed = time.monotonic() - start
        if passed >= seconds:
            break
    return count / passed if passed else 0.0


def _gathered(
    decoded: Decoded, indices: Callable[[int], np.ndarray], at: tf.Tensor
) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
    """The examples that `indices` names for `at`.

    They are taken in NumPy: a tensor of all images would be a second copy of them in memory, and
    images that are mapped from disk cannot be one.
    """

    def take(at: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        chosen = indices(int(at))
        return (
            np.asarray(decoded.images[chosen]),
            decoded.expression[chosen],
            decoded.identity[chosen],
        )

    # A trunk's features are float32 in the place of images.
    types = (tf.as_dtype(decoded.images.dtype), tf.int32, tf.int32)
    images, expression, identity = tf.numpy_function(take, [at], types, stateful=False)
    images = tf.ensure_shape(tf.cast(images, tf.float32), [None, *decoded.images.shape[1:]])
    labels = {spec.EXPRESSION: expression, spec.IDENTITY: identity}
    return images, {name: tf.ensure_shape(label, [None]) for name, label in labels.items()}


class _Order:
    """Which examples a training step sees."""

    def __init__(
        self, source: np.ndarray, batch_size: int, seed: int, weights: Sequence[float] | None
    ) -> None:
        if not len(source):
            raise ValueError("there is no example to train on")
        if seed < 0:
            raise ValueError(f"the seed must not be negative; it is {seed}")
        self._seed = seed
        if weights is None:
            self._counts = [batch_size]
            self._members = [np.arange(len(source))]
        else:
            self._counts = _counts(weights, batch_size)
            self._members = [np.flatnonzero(source == index) for index in range(len(weights))]
            self._check(source, weights, batch_size)
        # Batches are made in parallel and out of order, around an epoch's end from two epochs.
        self._permutation = functools.lru_cache(3 * len(self._counts))(self._permuted)

    def indices(self, step: int) -> np.ndarray:
        groups = range(len(self._counts))
        chosen = np.concatenate([self._of_group(group, step) for group in groups])
        if len(self._counts) == 1:
            return chosen
        return np.random.default_rng([self._seed, 0, step]).permutation(chosen)

    def _of_group(self, group: int, step: int) -> np.ndarray:
        count, size = self._counts[group], len(self._members[group])
        if not count:
            return self._members[group][:0]
        epochs, positions = np.divmod(np.arange(step * count, (step + 1) * count), size)
        return np.concatenate(
            [self._permutation(group, e)[positions[epochs == e]] for e in np.unique(epochs).tolist()]
        )

    def _permuted(self, group: int, epoch: int) -> np.ndarray:
        return np.random.default_rng([self._seed, 1 + group, epoch]).permutation(self._members[group])

    def _check(self, source: np.ndarray, weights: Sequence[float], batch_size: int) -> None:
        if source.max() >= len(weights):
            raise ValueError(
                f"there are {len(weights)} weights, but examples of source {source.max()}; "
                "give every source a weight"
            )
        for index, weight in enumerate(weights):
            if weight and not self._counts[index]:
                raise ValueError(
                    f"source {index} has weight {weight:g} of {sum(weights):g}: no example in a batch "
                    f"of {batch_size}; raise the weight or the batch size, or set the weight to 0"
                )
            if weight and not len(self._members[index]):
                raise ValueError(f"source {index} has weight {weight:g} but no example to train on")


def _counts(weights: Sequence[float], batch_size: int) -> list[int]:
    """How many examples of a batch each source gives, by largest remainder."""
    if min(weights) < 0 or not sum(weights):
        raise ValueError(f"weights must not be negative, and not all 0; they are {tuple(weights)}")
    shares = np.asarray(weights, np.float64) / sum(weights) * batch_size
    counts = np.floor(shares).astype(int)
    by_remainder = np.argsort(counts - shares, kind="stable")
    counts[by_remainder[: batch_size - counts.sum()]] += 1
    return counts.tolist()
