"""Examples mixed with each other: mixup and cutmix."""

from collections.abc import Mapping, Sequence

import tensorflow as tf

from kfer.augmentation import seeds
from kfer.settings import AugmentationSettings

#: Of a mixed batch: the weight of each example's own labels.
MIX = "mix"


def mixed_name(name: str) -> str:
    """Returns under which name a mixed batch has the partners' labels."""
    return f"{name}/mixed"


def mix(
    images: tf.Tensor,
    labels: Mapping[str, tf.Tensor],
    settings: AugmentationSettings,
    seed: tf.Tensor,
) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
    """Returns images of which some are mixed with another one of the batch, and the labels of both.

    With probability `mixup` an image is the weighted mean of both (Zhang et al. 2018, "mixup", section
    2); with probability `cutmix` a rectangle comes from the other (Yun et al. 2019, "CutMix", section
    3.1). An example's loss is the weighted mean of the losses with its own and with its partner's
    label, each left out where it is missing.

    Args:
        images: float32 [n, height, width, channels].
        labels: By name: integers, negative where missing, or floats, nan where missing; [n, ...].
        settings: `mixup`, `cutmix`, their alphas, and `mix_tasks`.
        seed: int32 [2].

    Returns:
        The images, and the labels with two additions: for each name `mixed_name(name)`, the partner's
        label (the own one where an example is not mixed), and `MIX`, the weight of the own label,
        float32 [n] in [0, 1], 1 where an example is not mixed.

    Raises:
        ValueError: `mix_tasks` names a task without labels.
    """
    choice, order, share, place = seeds.split(seed, 4)
    count = tf.shape(images)[0]
    labels = {name: tf.convert_to_tensor(label) for name, label in labels.items()}
    eligible, partners = _partners(labels, settings.mix_tasks, order, count)
    draw = seeds.uniform(choice, [count])
    blended = eligible & (draw < settings.mixup)
    patched = eligible & (draw >= settings.mixup) & (draw < settings.mixup + settings.cutmix)
    others = tf.gather(images, partners)
    weights = tf.ones([count])
    if settings.cutmix:
        inside = _rectangles(images, settings.cutmix_alpha, place) & patched[:, tf.newaxis, tf.newaxis]
        images = tf.where(inside[..., tf.newaxis], others, images)
        weights -= tf.reduce_mean(tf.cast(inside, tf.float32), axis=[1, 2])
    if settings.mixup:
        kept = tf.where(blended, _beta(settings.mixup_alpha, count, share), 1.0)
        share_of_own = tf.reshape(kept, [-1, 1, 1, 1])
        images = share_of_own * images + (1.0 - share_of_own) * others
        weights *= kept
    partners = tf.where(blended | patched, partners, tf.range(count))
    further = {
        mixed_name(name): tf.ensure_shape(tf.gather(label, partners), label.shape)
        for name, label in labels.items()
    }
    return images, {**labels, **further, MIX: tf.ensure_shape(weights, images.shape[:1])}


def _partners(
    labels: Mapping[str, tf.Tensor], tasks: Sequence[str], seed: tf.Tensor, count: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Which examples may be mixed, bool [n], and with whom, int32 [n]."""
    unknown = sorted(set(tasks) - set(labels))
    if unknown:
        raise ValueError(
            f"augmentation.mix_tasks names {', '.join(unknown)}, but the examples carry labels of "
            f"{', '.join(labels)}; name some of these, or none to mix all examples"
        )
    eligible = tf.ones([count], tf.bool)
    if tasks:
        carried = {name: _carried(label) for name, label in labels.items()}
        own = tf.stack([carried[name] for name in tasks])
        foreign = [label for name, label in carried.items() if name not in tasks]
        eligible = tf.reduce_any(own, axis=0) & ~tf.reduce_any(
            tf.stack([*foreign, tf.zeros([count], tf.bool)]), axis=0
        )
    partners = seeds.others(seed, eligible)
    if len(tasks) > 1:
        # Of several tasks, the two must have one in common.
        eligible &= tf.reduce_any(own & tf.gather(own, partners, axis=1), axis=0)
    return eligible & (partners != tf.range(count)), partners


def _carried(label: tf.Tensor) -> tf.Tensor:
    """Whether any of an example's label is there, bool [n]."""
    there = label >= 0 if label.dtype.is_integer else ~tf.math.is_nan(label)
    return tf.reduce_any(tf.reshape(there, [tf.shape(there)[0], -1]), axis=1)


def _beta(alpha: float, count: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Numbers in [0, 1] of the distribution Beta(alpha, alpha), float32 [n]."""
    # Two gammas; of a small alpha both would often be 0 in float32.
    drawn = tf.random.stateless_gamma([2, count], seed, alpha, dtype=tf.float64)
    return tf.cast(tf.math.divide_no_nan(drawn[0], drawn[0] + drawn[1]), tf.float32)


def _rectangles(images: tf.Tensor, alpha: float, seed: tf.Tensor) -> tf.Tensor:
    """Rectangles with any centre and an area from Beta, cut at the edge; bool [n, height, width]."""
    count, (height, width) = tf.shape(images)[0], images.shape[1:3]
    area, centre = seeds.split(seed, 2)
    side = tf.sqrt(1.0 - _beta(alpha, count, area))[:, tf.newaxis]
    y, x = tf.unstack(seeds.uniform(centre, [2, count, 1]))
    rows = tf.abs((tf.range(height, dtype=tf.float32) + 0.5) / height - y) < side / 2
    columns = tf.abs((tf.range(width, dtype=tf.float32) + 0.5) / width - x) < side / 2
    return rows[:, :, tf.newaxis] & columns[:, tf.newaxis]
