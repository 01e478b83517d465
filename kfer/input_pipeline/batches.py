"""Batches for training and evaluation, from decoded examples."""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

import numpy as np
import tensorflow as tf

from kfer import spec
from kfer.augmentation import augment_batch
from kfer.input_pipeline.decoded import Decoded
from kfer.input_pipeline.frames import windows
from kfer.input_pipeline.order import Order, without_few_images
from kfer.settings import AugmentationSettings, SamplingSettings

#: Images or clips or, with sound, "image" and "sound".
Inputs: TypeAlias = tf.Tensor | dict[str, tf.Tensor]
_LARGEST_INT32 = 2**31
_NAMED_EXAMPLES = 5
_COUNTED_BATCHES = 20


def for_training(
    decoded: Decoded,
    batch_size: int,
    seed: int,
    augmentation: AugmentationSettings | None,
    start_step: int = 0,
    weights: Sequence[float] | None = None,
    sampling: SamplingSettings | None = None,
    rows: Sequence[int] | None = None,
    learned: Sequence[str] | None = None,
    frames: int = 0,
) -> tf.data.Dataset:
    """Endless shuffled batches; each is a function of `seed` and its step alone.

    So there is no state to save: a run that resumes at step k with ``start_step=k`` gets the batches
    that it would have got. Without weights, each run of ``len(decoded)`` examples from the start has
    every example once. With weights every batch has the same number of examples from a source, and
    each source is shuffled and cycled on its own. `sampling` changes how often examples come; an epoch
    is still `steps_per_epoch` steps.

    Args:
        decoded: What to train on.
        batch_size: Examples a batch.
        seed: Not negative; another seed gives another order and other augmentation.
        augmentation: How images are changed at random; None leaves them as they are.
        start_step: The step of the first batch.
        weights: For each source index, its share of a batch relative to the others'; 0 leaves it out.
        sampling: How often examples are seen, as `kfer.input_pipeline.order.Order` says; None for each
            as often as any other.
        rows: The rows of each batch that are made, where other processes make the others; None for all.
            They are the examples that they are in the whole batch, but augmented and mixed apart.
        learned: The labels that batches carry, by feature; None for all that the examples have.
        frames: Of the clips that batches have, where the examples have more: they begin at a random one.
            0 for images, and for all frames.

    Returns:
        Dataset of (images float32 [batch_size, size, size, channels] in 0..255, labels by feature):
        int32 [batch_size], -1 where missing, or float32 [batch_size, k], nan where missing. Where the
        augmentation mixes examples there are further labels, as `kfer.augmentation.augment_batch` says.

    Raises:
        ValueError: If there is no example, weights or sampling cannot be met, or examples are to be mixed
            by the labels of a task and carry none of it.
    """
    decoded, order = _order(decoded, batch_size, seed, weights, sampling)
    size = batch_size if rows is None else len(rows)
    kept = decoded.labels if learned is None else {name: decoded.label(name) for name in learned}

    def indices(step: int) -> np.ndarray:
        chosen = order.indices(step)
        return chosen if rows is None else chosen[np.asarray(rows)]

    def batch(step: tf.Tensor) -> tuple[Inputs, dict[str, tf.Tensor]]:
        images, labels, sound = _gathered(decoded, kept, indices, step)
        images = tf.ensure_shape(images, [size, *decoded.images.shape[1:]])
        labels = {
            name: tf.ensure_shape(label, [size, *label.shape[1:]]) for name, label in labels.items()
        }
        at = tf.stack([seed % _LARGEST_INT32, tf.cast(step % _LARGEST_INT32, tf.int32)])
        if rows is not None:
            at = tf.random.experimental.stateless_fold_in(at, rows[0])
        if 0 < frames < images.shape[1]:
            images, labels = windows(images, labels, frames, at)
        if augmentation is not None:
            images, labels = augment_batch(images, labels, augmentation, at)
        if sound is None:
            return images, labels
        return {spec.IMAGE: images, spec.SOUND: tf.ensure_shape(sound, [size, sound.shape[1]])}, labels

    steps = tf.data.Dataset.counter(start_step)
    return steps.map(batch, num_parallel_calls=tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)


def batch_describer(
    decoded: Decoded,
    batch_size: int,
    seed: int,
    weights: Sequence[float] | None = None,
    sampling: SamplingSettings | None = None,
) -> Callable[[int], str]:
    """Returns what names the examples that `for_training` puts into a step's batch, for messages.

    Args:
        decoded: As for `for_training`, like all others.
        batch_size: Likewise.
        seed: Likewise.
        weights: Likewise.
        sampling: Likewise.
    """

    def describe(step: int) -> str:
        kept, order = _order(decoded, batch_size, seed, weights, sampling)
        names = kept.filename[order.indices(step)]
        told = ", ".join(names[:_NAMED_EXAMPLES])
        return told + f" and {len(names) - _NAMED_EXAMPLES} more" * (len(names) > _NAMED_EXAMPLES)

    return describe


def share_with_partner(
    decoded: Decoded,
    batch_size: int,
    seed: int,
    weights: Sequence[float] | None = None,
    sampling: SamplingSettings | None = None,
) -> float:
    """Returns how many of the faces of known people have another one of the person in their batch.

    Args:
        decoded: As for `for_training`, like all others.
        batch_size: Likewise.
        seed: Likewise.
        weights: Likewise.
        sampling: Likewise.

    Returns:
        A share in [0, 1], of the first batches; nan where these know nobody.
    """
    kept, order = _order(decoded, batch_size, seed, weights, sampling)
    faces = partners = 0
    for step in range(_COUNTED_BATCHES):
        people = kept.identity[order.indices(step)]
        _, images = np.unique(people[people >= 0], return_counts=True)
        faces, partners = faces + images.sum(), partners + images[images > 1].sum()
    return float(partners / faces) if faces else float("nan")


def _order(
    decoded: Decoded,
    batch_size: int,
    seed: int,
    weights: Sequence[float] | None,
    sampling: SamplingSettings | None,
) -> tuple[Decoded, Order]:
    """The examples with the identities that are learned, and what each step sees of them."""
    chosen = sampling or SamplingSettings()
    kept = without_few_images(decoded, chosen.least_images_per_person)
    return kept, Order(kept, batch_size, seed, weights, chosen)


def for_evaluation(decoded: Decoded, batch_size: int) -> tf.data.Dataset:
    """All examples once, in order; the last batch may be smaller.

    Returns:
        Dataset of (images float32 [n, size, size, channels] in 0..255, labels by feature), as
        `for_training`.
    """

    def indices(start: int) -> np.ndarray:
        return np.arange(start, min(start + batch_size, len(decoded)))

    starts = tf.data.Dataset.range(0, len(decoded), batch_size)

    def batch(start: tf.Tensor) -> tuple[Inputs, dict[str, tf.Tensor]]:
        images, labels, sound = _gathered(decoded, decoded.labels, indices, start)
        return images if sound is None else {spec.IMAGE: images, spec.SOUND: sound}, labels

    batches = starts.map(batch, num_parallel_calls=tf.data.AUTOTUNE)
    return batches.prefetch(tf.data.AUTOTUNE)


def steps_per_epoch(decoded: Decoded, batch_size: int) -> int:
    """Steps until every example was seen at least once (without weights and sampling)."""
    return math.ceil(len(decoded) / batch_size)


def measure_speed(dataset: tf.data.Dataset, seconds: float = 2.0) -> float:
    """Images a second that a dataset of batches gives when nothing else waits, after one batch."""
    batches = iter(dataset)
    next(batches)
    start = time.monotonic()
    count, passed = 0, 0.0
    for inputs, _ in batches:
        count += int(tf.nest.flatten(inputs)[0].shape[0])
        passed = time.monotonic() - start
        if passed >= seconds:
            break
    return count / passed if passed else 0.0


def _gathered(
    decoded: Decoded,
    labels: Mapping[str, np.ndarray],
    indices: Callable[[int], np.ndarray],
    at: tf.Tensor,
) -> tuple[tf.Tensor, dict[str, tf.Tensor], tf.Tensor | None]:
    """The examples that `indices` names for `at`, and their sound where they have some.

    They are taken in NumPy: a tensor of all images would be a second copy of them in memory, and
    images that are mapped from disk cannot be one.
    """

    images, heard = decoded.images, [] if decoded.sound is None else [decoded.sound]

    def take(at: int) -> list[np.ndarray]:
        chosen = indices(int(at))
        return [np.asarray(each[chosen]) for each in (images, *labels.values(), *heard)]

    # A trunk's features are float32 in the place of images.
    types = [tf.as_dtype(each.dtype) for each in (images, *labels.values(), *heard)]
    batch, *taken = tf.numpy_function(take, [at], types, stateful=False)
    sound = None
    if heard:
        sound = tf.ensure_shape(tf.cast(taken.pop(), tf.float32) / 32768, [None, *heard[0].shape[1:]])
    return (
        tf.ensure_shape(tf.cast(batch, tf.float32), [None, *images.shape[1:]]),
        {
            name: tf.ensure_shape(values, [None, *label.shape[1:]])
            for (name, label), values in zip(labels.items(), taken, strict=True)
        },
        sound,
    )
