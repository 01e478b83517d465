"""Trains the generator on its examples, draws samples of each epoch, and judges them."""

import functools
from collections.abc import Callable, Mapping
from pathlib import Path

import keras
import numpy as np

from kfer import files, input_pipeline, metrics, spec
from kfer.generation.examples import RealImages, digest
from kfer.generation.features import Reader, scaled
from kfer.generation.settings import GenerationSettings
from kfer.input_pipeline import Decoded
from kfer.media import png
from kfer.media.grids import grid
from kfer.settings import SamplingSettings
from kfer.training import dcgan

_EPOCH = "epoch_{:03d}.png"
# Training images that each epoch is compared with.
_COMPARED = 2000


def train(
    settings: GenerationSettings,
    real: RealImages,
    reader: Reader | None,
    output_dir: Path,
    until: int | None = None,
) -> tuple[keras.Model, list[dict[str, float]]]:
    """Trains a generator, or goes on after its last epoch, and returns it with the figures of each epoch.

    It leaves "training/" with the checkpoint and history.csv, and "samples/" with a grid of each epoch.

    Args:
        settings: Of the generator.
        real: What it learns.
        reader: Judges each epoch; None for no such figures.
        output_dir: Its folder.
        until: Ends after this epoch.

    Raises:
        ValueError: The checkpoint is of other settings or examples.
        FloatingPointError: A loss is not a number.
    """
    training = settings.adversarial
    names = real.classes[spec.EXPRESSION]
    samples = output_dir / "samples"
    samples.mkdir(parents=True, exist_ok=True)

    def show(epoch: int, drawn: Mapping[int, np.ndarray]) -> None:
        rows = {names[label]: images for label, images in drawn.items()}
        files.write_bytes(samples / _EPOCH.format(epoch), png.encoded(grid(rows), {"epoch": str(epoch)}))

    make_batches = functools.partial(
        input_pipeline.for_training,
        real.train,
        training.batch_size,
        training.seed,
        None,
        sampling=SamplingSettings(balance=(spec.EXPRESSION,), balance_power=training.balance),
        learned=settings.network.conditions,
    )
    return dcgan.fit(
        lambda step: make_batches(start_step=step),
        max(len(real.train) // training.batch_size, 1),
        settings.network,
        training,
        settings.base.data.image_size,
        settings.base.data.channels,
        real.num_classes,
        output_dir / "training",
        real.of_each_expression(),
        show,
        _judge(settings, real, reader),
        until,
        digest(real.train, settings.network.conditions, real.classes),
    )


def drawn(generator: keras.Model, settings: GenerationSettings, real: RealImages, count: int) -> Decoded:
    """Returns generated images whose labels are those of training images, drawn at random.

    So classes, and where several are told their combinations, are as frequent as there.

    Args:
        generator: As `kfer.models.dcgan.generator` builds it.
        settings: Its settings.
        real: What it learned from.
        count: How many.
    """
    draws = np.random.default_rng([settings.measures.seed, count])
    noise = draws.standard_normal((count, settings.network.noise_size), np.float32)
    known = np.flatnonzero(real.train.expression >= 0)
    rows = draws.choice(known, count)
    labels = {name: real.train.label(name)[rows] for name in settings.network.conditions}
    unknown = np.full(count, spec.MISSING_LABEL, np.int32)
    return Decoded(
        images=dcgan.draw(generator, labels, noise, real.num_classes),
        expression=labels[spec.EXPRESSION],
        identity=labels.get(spec.IDENTITY, unknown),
        source=np.zeros(count, np.int32),
        filename=np.array([f"generated:{number}" for number in range(count)]),
    )


def _judge(
    settings: GenerationSettings, real: RealImages, reader: Reader | None
) -> Callable[[keras.Model], Mapping[str, float]]:
    count = settings.measures.num_images_each_epoch
    if reader is None or not count:
        return lambda generator: {}
    draws = np.random.default_rng(settings.measures.seed)
    rows = np.sort(draws.permutation(len(real.train))[:_COMPARED])
    compared = scaled(reader(real.train.images[rows]).embeddings)

    def judge(generator: keras.Model) -> dict[str, float]:
        shown = drawn(generator, settings, real, count)
        said = reader(shown.images)
        distance, _ = metrics.kernel_distance(compared, scaled(said.embeddings), subset_size=count)
        right = said.probabilities.argmax(axis=1) == shown.expression
        of_classes = [right[shown.expression == label].mean() for label in np.unique(shown.expression)]
        return {"kid": distance, "conditional_accuracy": float(np.mean(of_classes))}

    return judge
