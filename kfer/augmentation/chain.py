"""All random image steps, one after the other."""

from collections.abc import Mapping

import tensorflow as tf

from kfer.augmentation import seeds
from kfer.augmentation.compositing import composite
from kfer.augmentation.degradation import degrade
from kfer.augmentation.erasing import erase
from kfer.augmentation.geometry import move
from kfer.augmentation.light import relight
from kfer.augmentation.mixing import mix
from kfer.augmentation.policy import apply_policy
from kfer.settings import AugmentationSettings

# One for each step; mixing has the last.
_SEEDS = 7


def augment(images: tf.Tensor, settings: AugmentationSettings, seed: tf.Tensor) -> tf.Tensor:
    """Returns a batch in which each image is changed at random, in its own way, and keeps its labels.

    In the order in which a photograph comes about: the background, where the face is, the light, the
    camera's faults; RandAugment between place and light, and erasing last. A setting of 0 costs
    nothing. Mixing is left to `augment_batch`.

    Args:
        images: float32 [n, height, width, 1 or 3] in 0..255; all but n are known.
        settings: How much of each step.
        seed: int32 [2]; the same seed gives the same images.

    Returns:
        float32 of the same shape, in 0..255 but for the rounding of an interpolation.
    """
    settings = settings.scaled()
    place, lamp, hole, camera, background, policy, _ = seeds.split(seed, _SEEDS)
    if settings.compositing:
        images = composite(images, settings.compositing, background)
    if any((settings.flip, settings.shift, settings.rotation)) or any(
        (settings.scale, settings.shear, settings.crop)
    ):
        images = move(images, settings, place)
    if settings.policy_operations and settings.policy_strength:
        images = apply_policy(images, settings, policy)
    images = relight(images, settings, lamp)
    images = degrade(images, settings, camera)
    if settings.erase:
        images = erase(images, settings.erase, hole)
    return images


def augment_batch(
    images: tf.Tensor,
    labels: Mapping[str, tf.Tensor],
    settings: AugmentationSettings,
    seed: tf.Tensor,
) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
    """Returns what `augment` makes of the images, some of them mixed, and the labels for that.

    Args:
        images: float32 [n, height, width, 1 or 3] in 0..255; all but n are known. Or clips
            [n, frames, height, width, 1 or 3], of which each frame is changed alike, and frames of 0
            alone, which are none, stay so.
        labels: By name: integers, negative where missing, or floats, nan where missing; [n, ...].
        settings: How much of each step.
        seed: int32 [2]; the same seed gives the same batch.

    Returns:
        Images float32 of the same shape, in 0..255, and the labels. Where settings.mixes(), these have
        companions, as `kfer.augmentation.mixing.mix` describes.

    Raises:
        ValueError: `mix_tasks` names a task without labels, or clips are to be mixed.
    """
    if len(images.shape) == 5:
        if settings.mixes():
            raise ValueError("clips cannot be mixed: set augmentation.mixup and augmentation.cutmix to 0")
        return _augment_clips(images, settings, seed), dict(labels)
    images = augment(images, settings, seed)
    if settings.mixes():
        return mix(images, labels, settings.scaled(), seeds.split(seed, _SEEDS)[-1])
    return images, dict(labels)


def _augment_clips(clips: tf.Tensor, settings: AugmentationSettings, seed: tf.Tensor) -> tf.Tensor:
    there = tf.reduce_any(clips != 0, axis=[2, 3, 4], keepdims=True)
    by_frame = tf.unstack(clips, axis=1)
    # The same seed changes the same example of each frame in the same way.
    changed = tf.stack([augment(frames, settings, seed) for frames in by_frame], axis=1)
    return tf.where(there, changed, 0.0)
