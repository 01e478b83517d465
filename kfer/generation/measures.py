"""How good generated faces are: beside real ones, to a network that knows faces, and to learn from."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from PIL import Image, ImageDraw, ImageFont

from kfer import evaluation, metrics, models, spec, training
from kfer.evaluation.slices import as_dict, number_or_none
from kfer.generation import examples
from kfer.generation.features import Features, Reader, scaled
from kfer.input_pipeline import Decoded, for_training, steps_per_epoch
from kfer.settings import EvaluationSettings, PipelineSettings

_RESAMPLES = 1000
# What the accuracy of each sort of images is called, and how the names of its distances end.
_ACCURACIES = {
    "generated": "conditional_accuracy",
    "heldout": "real_accuracy",
    "untrained": "untrained_accuracy",
}
_ENDINGS = {"generated": "", "heldout": "_real", "untrained": "_untrained"}
# Embeddings of one image differ by less from batch to batch.
_DECIMALS = 5
_CLOSEST = 24
# Of a picture of neighbours, in pixels but for the colours.
_LETTERS, _LINE, _GAP, _MARGIN = 13, 20, 2, 16
_PAPER, _INK = (255, 255, 255), (40, 40, 40)
_TITLE = "left: generated, right: nearest in training, below: {} between them"

# From images and training images, a row each, to the positions of the nearest ones and their distances.
_Nearest = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]


def measure(
    generated: Decoded,
    train: Decoded,
    heldout: Decoded,
    reader: Reader,
    features: Features | None = None,
    share: float = 0.01,
    seed: int = 0,
    untrained: Decoded | None = None,
) -> dict[str, Any]:
    """Returns how good generated images are, beside the same figures of real ones: the best to hope for.

    Let the expressions of generated images be as frequent as in the training split: to distances, another
    mix of classes is a difference too. Accuracies are means over classes, whatever their mix.

    Args:
        generated: With the expression that each was to show.
        train: What the generator learned from.
        heldout: Real images that neither it nor the reader saw.
        reader: Says what images show.
        features: What "fid" and "kid" are of; None for the reader's embeddings times the root of their
            size.
        share: Of held-out images that count as copies, as `kfer.metrics.copies` takes it.
        seed: Seeds the draws of images and of resamples.
        untrained: What the generator drew before it learned, to compare with.

    Returns:
        A JSON-able report in which intervals have `value`, `low` and `high`, and what nobody can tell is
        None:

        - "reader", its name; "num_generated", "num_train" and "num_heldout";
        - "fid", "kid" and "kid_error", its standard error, of generated images and `train`, and
          "fid_real", "kid_real", "kid_real_error" of held-out ones and `train`: of "num_compared" each,
          as fewer images are farther; of `untrained` images "fid_untrained" and so on;
        - "conditional_accuracy", how often the reader sees what an image was to show, and
          "real_accuracy", how often what a held-out one is labelled with, and "untrained_accuracy":
          intervals;
        - where the generator is told whom it draws after, "rank1", how often the training image that is
          nearest to a generated one (of half of them, by embeddings) shows whom it was to show, and
          "rank1_real", how often of the other half: intervals;
        - "classes", of each "name", "num_generated", "accuracy" and "real_accuracy", intervals, and
          "variety", `kfer.metrics.variety` of its embeddings beside those of `train`;
        - "confusion": rows are what images were to show, columns what the reader sees;
        - "copies", by "embedding" and by "pixels" (root mean square of grey levels, the nearer of the
          image and its mirror image): what `kfer.metrics.Copies` has, "duplicates" and "copies" as
          intervals, and "closest", of the 24 generated images that are nearest to a training image, the
          nearest first, the positions "generated" and "train", and "distance".

    Raises:
        ValueError: A generated image has no expression of the reader's, no held-out one has any, images
            are of different sizes, or there are fewer than 2 of a kind.
    """
    sets = {"generated": generated, "train": train, "heldout": heldout}
    sets |= {} if untrained is None else {"untrained": untrained}
    num_classes = len(reader.classes)
    _check(sets, num_classes)
    readings = {name: reader(images.images) for name, images in sets.items()}
    embeddings = {name: reading.embeddings for name, reading in readings.items()}
    confusions = {
        name: metrics.confusion_matrix(
            sets[name].expression, readings[name].probabilities.argmax(axis=1), num_classes
        )
        for name in _ACCURACIES
        if name in sets
    }
    confusion, real_confusion = confusions["generated"], confusions["heldout"]
    spread, real_spread = (
        metrics.spread(embeddings[name], sets[name].expression, num_classes)
        for name in ("generated", "train")
    )
    variety = metrics.variety(spread, real_spread)
    pixels = {name: images.images for name, images in sets.items()}
    return {
        "reader": reader.name,
        **{f"num_{name}": len(images) for name, images in sets.items()},
        **_distances(sets, embeddings, features, seed),
        **{_ACCURACIES[name]: _balanced(found, seed) for name, found in confusions.items()},
        **_identification(generated, train, embeddings, seed),
        "classes": [
            {
                "name": name,
                "num_generated": int(confusion[index].sum()),
                "accuracy": _recall(confusion[index], index),
                "real_accuracy": _recall(real_confusion[index], index),
                "variety": number_or_none(variety[index]),
            }
            for index, name in enumerate(reader.classes)
        ],
        "confusion": confusion.tolist(),
        "copies": {
            "embedding": _copies(_nearest_embeddings, embeddings, share),
            "pixels": _copies(_nearest_pixels, pixels, share),
        },
    }


def learned_from(
    images: Decoded, heldout: Decoded, settings: PipelineSettings, work_dir: Path
) -> dict[str, Any]:
    """Returns how well a network that saw these images alone tells the expressions of real ones.

    Args:
        images: With an expression each: generated ones, or real ones to compare them with.
        heldout: Real images of the same size.
        settings: Of which the task "expression", `model`, `augmentation` and `training` count. The
            network is that of the last epoch: none is chosen.
        work_dir: Where a training that was stopped goes on, if images and settings are the same.

    Returns:
        A JSON-able report: "accuracy" and "macro_f1" on the held-out images with "intervals", of each
        `value`, `low` and `high`, and how many they are, "num_examples".

    Raises:
        ValueError: An image has no expression of the task's, no held-out one has any, or images are of
            different sizes.
    """
    tasks = {spec.EXPRESSION: settings.tasks[spec.EXPRESSION]}
    _check({"generated": images, "heldout": heldout}, len(tasks[spec.EXPRESSION].names))
    # Epochs are validated on the very images that judge the network.
    chosen = dataclasses.replace(settings.training, stop_metric="", patience=0, keep_best=False)
    _, size, _, channels = images.images.shape
    network = models.build(settings.model, size, channels, tasks, 0, chosen.seed, chosen.mixed_precision)

    told = {"model": settings.model, "augmentation": settings.augmentation, "training": chosen}

    def batches(step: int, rows: Sequence[int] | None = None) -> tf.data.Dataset:
        return for_training(
            *(images, chosen.batch_size, chosen.seed, settings.augmentation, step),
            *(None, chosen.sampling, rows, [spec.EXPRESSION]),
        )

    training.train(
        *(network, batches, steps_per_epoch(images, chosen.batch_size), heldout, chosen, tasks),
        work_dir / examples.digest(images, [spec.EXPRESSION], told),
        class_counts=training.class_counts(images, tasks),
    )
    report, _ = evaluation.evaluate(
        *(network, heldout, heldout, None, tasks, {}),
        EvaluationSettings(calibrate=False, seed=chosen.seed),
    )
    found = report["tasks"][spec.EXPRESSION]
    return {name: found[name] for name in ("num_examples", "accuracy", "macro_f1", "intervals")}


def neighbours_picture(
    generated: np.ndarray,
    train: np.ndarray,
    closest: Sequence[Mapping[str, Any]],
    unit: str,
    scale: int = 2,
    columns: int = 4,
) -> np.ndarray:
    """Returns generated images, each beside the training image that is nearest, over their distance.

    Args:
        generated: uint8 [n, size, size, 1 or 3].
        train: uint8 [m, size, size, 1 or 3].
        closest: "generated" and "train", positions, and "distance" of each pair, as `measure` has them.
        unit: What distances are in, "grey levels".
        scale: Pixels on a side that one of an image becomes.
        columns: Pairs in a row.

    Returns:
        RGB uint8 [height, width, 3].

    Raises:
        ValueError: There is no pair.
    """
    if not closest:
        raise ValueError("expected at least one pair of images to draw; got none")
    side = scale * generated.shape[1]
    width, height = 2 * side + _GAP + _MARGIN, side + _LINE + _MARGIN // 2
    columns = min(columns, len(closest))
    rows = -(-len(closest) // columns)
    font = ImageFont.load_default(_LETTERS)
    title = _TITLE.format(unit)
    all_width = _MARGIN + max(columns * width, int(font.getlength(title)) + _MARGIN)
    picture = Image.new("RGB", (all_width, _MARGIN + _LINE + rows * height), _PAPER)
    pen = ImageDraw.Draw(picture)
    pen.text((_MARGIN, _MARGIN // 2), title, _INK, font)
    for number, pair in enumerate(closest):
        left = _MARGIN + number % columns * width
        top = _MARGIN + _LINE + number // columns * height
        for place, pixels in enumerate((generated[pair["generated"]], train[pair["train"]])):
            shown = np.broadcast_to(pixels, (*pixels.shape[:2], 3)).repeat(scale, 0).repeat(scale, 1)
            picture.paste(Image.fromarray(shown), (left + place * (side + _GAP), top))
        middle = left + side + _GAP // 2
        pen.text((middle, top + side + 2), f"{pair['distance']:.3g}", _INK, font, anchor="ma")
    return np.asarray(picture)


def _check(sets: Mapping[str, Decoded], num_classes: int) -> None:
    shape = sets["generated"].images.shape[1:]
    for name, images in sets.items():
        if images.images.ndim != 4 or images.images.shape[1:] != shape or len(images) < 2:
            raise ValueError(
                f"expected at least 2 images of one size, as the generated ones, {list(shape)}; "
                f"{name} are {list(images.images.shape)}"
            )
    asked = sets["generated"].expression
    wrong = int(((asked < 0) | (asked >= num_classes)).sum())
    if wrong:
        raise ValueError(
            f"expected an expression in [0, {num_classes}) of each generated image; {wrong} of "
            f"{len(asked)} have none"
        )
    if not (sets["heldout"].expression >= 0).any():
        raise ValueError(
            f"expected held-out images with expressions; none of {len(sets['heldout'])} has one"
        )


def _distances(
    sets: Mapping[str, Decoded],
    embeddings: Mapping[str, np.ndarray],
    features: Features | None,
    seed: int,
) -> dict[str, Any]:
    """The distances of generated and of held-out images to training images."""

    def told(name: str, rows: np.ndarray | slice) -> np.ndarray:
        return scaled(embeddings[name][rows]) if features is None else features(sets[name].images[rows])

    train, rng = told("train", slice(None)), np.random.default_rng(seed)
    compared_sets = [(name, ending) for name, ending in _ENDINGS.items() if name in sets]
    num_compared = min(len(sets[name]) for name, _ in compared_sets)
    found: dict[str, Any] = {"num_compared": num_compared}
    for name, ending in compared_sets:
        rows = np.sort(rng.choice(len(sets[name]), num_compared, replace=False))
        compared = told(name, rows)
        found[f"fid{ending}"] = metrics.frechet_distance(train, compared)
        kid, error = metrics.kernel_distance(train, compared, seed=seed)
        found |= {f"kid{ending}": kid, f"kid{ending}_error": error}
    return found


def _identification(
    generated: Decoded, train: Decoded, embeddings: Mapping[str, np.ndarray], seed: int
) -> dict[str, Any]:
    """Whether generated images show whom they were to show, beside training images of the same people."""
    told = np.flatnonzero(generated.identity >= 0)
    if not len(told):
        return {}
    of_train = embeddings["train"]
    people = np.random.default_rng(seed).permutation(np.flatnonzero(train.identity >= 0))
    gallery, others = people[::2], people[1::2]

    def rank1(probes: np.ndarray, whom: np.ndarray) -> dict[str, float | None]:
        found = metrics.rank1(probes, whom, of_train[gallery], train.identity[gallery])
        return as_dict(metrics.share_interval(round(found * len(probes)), len(probes)))

    return {
        "rank1": rank1(embeddings["generated"][told], generated.identity[told]),
        "rank1_real": rank1(of_train[others], train.identity[others]),
    }


def _balanced(confusion: np.ndarray, seed: int) -> dict[str, float | None]:
    return as_dict(metrics.balanced_accuracy_interval(confusion, _RESAMPLES, seed))


def _recall(row: np.ndarray, index: int) -> dict[str, float | None] | None:
    """How often images of a class are told right, from its row of the confusion matrix."""
    return as_dict(metrics.share_interval(int(row[index]), int(row.sum()))) if row.sum() else None


def _nearest_embeddings(embeddings: np.ndarray, train: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    indices, distances = metrics.nearest(embeddings, train)
    return indices, distances.round(_DECIMALS)


def _nearest_pixels(images: np.ndarray, train: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """As `metrics.nearest`, of an image or its mirror image; the distances are of one number of it."""
    either = np.concatenate([images, images[:, :, ::-1]]).reshape(2 * len(images), -1)
    found = metrics.nearest(either, train.reshape(len(train), -1))
    indices, distances = (each.reshape(2, -1) for each in found)
    nearer = distances.argmin(axis=0), np.arange(len(images))
    return indices[nearer], distances[nearer] / np.sqrt(either.shape[1])


def _copies(nearest: _Nearest, sets: Mapping[str, np.ndarray], share: float) -> dict[str, Any]:
    indices, distances = nearest(sets["generated"], sets["train"])
    found = metrics.copies(distances, nearest(sets["heldout"], sets["train"])[1], share)
    return {
        "duplicates": as_dict(found.duplicates),
        "heldout_duplicates": found.heldout_duplicates,
        "threshold": found.threshold,
        "copies": as_dict(found.copies),
        "heldout_copies": found.heldout_copies,
        "is_usual": found.is_usual,
        "closest": [
            {
                "generated": int(place),
                "train": int(indices[place]),
                "distance": float(distances[place]),
            }
            for place in np.argsort(distances, kind="stable")[:_CLOSEST]
        ],
    }
