"""Trains a generator of faces, epoch by epoch: checkpoints, samples, figures, and what goes wrong."""

import dataclasses
import logging
import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from kfer import metrics, spec
from kfer.models import dcgan
from kfer.settings.generation import AdversarialSettings, DcganSettings
from kfer.training import checkpoint
from kfer.training.adversarial import ConditionalDcgan

#: From a step on, the endless batches.
MakeBatches = Callable[[int], tf.data.Dataset]
_SAMPLES = 1_000_003  # the seed of the grid's noise, beside that of the training
_BATCH = 64
_SECONDS_BETWEEN_LINES = 20.0
#: Below this share of the variety of real images, a class is said to have collapsed.
LEAST_VARIETY = 0.25
#: Above this share of right answers of both sorts, the discriminator is said to have won.
MOST_ACCURACY = 0.99
#: Below this length, the generator's gradient is said to have vanished.
LEAST_GRADIENT = 1e-4
_log = logging.getLogger(__name__)


def fit(
    make_batches: MakeBatches,
    steps_per_epoch: int,
    network: DcganSettings,
    training: AdversarialSettings,
    image_size: int,
    channels: int,
    num_classes: Mapping[str, int],
    work_dir: Path,
    real: Mapping[int, np.ndarray],
    show: Callable[[int, Mapping[int, np.ndarray]], None],
    validate: Callable[[keras.Model], Mapping[str, float]] = lambda generator: {},
    until: int | None = None,
    digest: str = "",
) -> tuple[keras.Model, checkpoint.History]:
    """Trains a generator, or goes on after the last epoch that `work_dir` has a checkpoint of.

    Args:
        make_batches: From a step on, the endless batches of images, float32 `[n, h, w, c]` in [0, 255],
            and a dict of labels by condition, int32 `[n]`, -1 where missing. Batches must be a function
            of the step: a run that was killed then ends as one that was not.
        steps_per_epoch: Batches an epoch.
        network: Of both networks.
        training: How to train.
        image_size: Height and width of the images in pixels.
        channels: 1 for grey, 3 for RGB.
        num_classes: Of each condition.
        work_dir: Holds "checkpoint.npz", "history.csv" and TensorBoard's "logs".
        real: By expression, real images, uint8 `[m, h, w, c]` with m of at least 2,
            whose variety that of generated ones is compared with.
        show: Called after each epoch with its number, from 1, and by expression the images that were
            drawn, uint8 `[training.samples, h, w, c]`, each time of the same noise.
        validate: Is given the generator that draws after each epoch; its figures are added to the
            epoch's.
        until: Ends after this epoch, although the settings have more; called again with a later one it
            goes on as if it had not ended.
        digest: Of the examples and of what their classes are called; a checkpoint of others is refused.

    Returns:
        The generator that draws, and the figures of each epoch: "epoch" (from 1), the means of what
        `ConditionalDcgan.train_step` says, "variety" and "least_variety", the mean and the least of the
        classes, as shares of that of real images, "images_per_second", and what `validate` says.

    Raises:
        ValueError: `work_dir` has a checkpoint of other settings or examples, or images do not fit the
            settings.
        FloatingPointError: A loss is not a number. The checkpoint of the last epoch stays.
    """
    run = {
        **dataclasses.asdict(network),
        **dataclasses.asdict(training),
        "image_size": image_size,
        "channels": channels,
        "num_classes": dict(num_classes),
        "steps_per_epoch": steps_per_epoch,
        "examples": digest,
    }
    work_dir.mkdir(parents=True, exist_ok=True)
    found = checkpoint.load(work_dir, run)
    model = ConditionalDcgan(
        network, training, image_size, channels, num_classes, steps_per_epoch * training.epochs
    )
    history = list(found.history)
    if history:
        for part, variables in model.state().items():
            found.restore(part, variables)
        _log.info("goes on after epoch %d", len(history))
    last = training.epochs if until is None else min(until, training.epochs)
    if len(history) < last:
        noise = np.random.default_rng([training.seed, _SAMPLES]).standard_normal(
            (training.samples, network.noise_size), np.float32
        )

        # Whom each image shows, where the generator is told people: it never draws without.
        others = {
            name: np.random.default_rng([training.seed, _SAMPLES, place]).integers(count, size=len(noise))
            for place, (name, count) in enumerate(num_classes.items())
        }

        def samples() -> dict[int, np.ndarray]:
            shown = model.drawing_generator()
            told = {label: {**others, spec.EXPRESSION: np.full(len(noise), label)} for label in real}
            return {label: draw(shown, labels, noise, num_classes) for label, labels in told.items()}

        epochs = _Epochs(
            training, steps_per_epoch, samples, real, lambda: validate(model.drawing_generator())
        )
        model.fit(
            make_batches(len(history) * steps_per_epoch),
            epochs=last,
            initial_epoch=len(history),
            steps_per_epoch=steps_per_epoch,
            shuffle=False,
            verbose=0,
            callbacks=[
                epochs,
                keras.callbacks.TensorBoard(work_dir / "logs", write_graph=False),
                _Record(history, run, model, work_dir),
                _Shown(epochs, show),
            ],
        )
    return model.drawing_generator(), history


def draw(
    generator: keras.Model,
    labels: Mapping[str, np.ndarray],
    noise: np.ndarray,
    num_classes: Mapping[str, int],
) -> np.ndarray:
    """Returns images, uint8 `[n, h, w, c]`.

    Args:
        generator: As `kfer.models.dcgan.generator` builds it.
        labels: By condition, int `[n]`, -1 where open; a condition that is not named is open.
        noise: Float32 `[n, noise_size]`.
        num_classes: Of each condition.
    """
    told = {}
    for name, count in num_classes.items():
        rows = np.concatenate([np.eye(count, dtype=np.float32), np.zeros((1, count), np.float32)])
        told[name] = rows[labels.get(name, np.full(len(noise), -1))]
    drawn = []
    for start in range(0, len(noise), _BATCH):
        part = {name: rows[start : start + _BATCH] for name, rows in told.items()}
        images = generator({dcgan.NOISE: noise[start : start + _BATCH], **part}, training=False)
        drawn.append(np.clip(np.rint((images.numpy() + 1.0) * 127.5), 0, 255).astype(np.uint8))
    return np.concatenate(drawn)


class _Epochs(keras.callbacks.Callback):
    """Draws samples after an epoch, adds figures to its logs, and says them and what is wrong."""

    def __init__(
        self,
        settings: AdversarialSettings,
        steps: int,
        draw: Callable[[], dict[int, np.ndarray]],
        real: Mapping[int, np.ndarray],
        validate: Callable[[], Mapping[str, float]],
    ) -> None:
        super().__init__()
        self._settings, self._steps, self._draw = settings, steps, draw
        self._spread = _spread(real)
        self._validate = validate
        self.drawn: dict[int, np.ndarray] = {}

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Starts the clock."""
        self._epoch = epoch + 1
        self._start = self._last_line = time.monotonic()

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        """Stops where a loss is not a number; says every few seconds how far the epoch is."""
        assert logs is not None
        bad = [name for name, value in logs.items() if not math.isfinite(float(value))]
        if bad:
            what = f"{', '.join(bad)} of step {batch + 1} is not a number"
            raise FloatingPointError(f"{what} {_stopped(self._epoch)}")
        now = time.monotonic()
        if now - self._last_line >= _SECONDS_BETWEEN_LINES:
            self._last_line = now
            speed = (batch + 1) * self._settings.batch_size / (now - self._start)
            _log.info(
                "  epoch %d of %d: %d of %d steps, %.0f images a second",
                *(self._epoch, self._settings.epochs, batch + 1, self._steps, speed),
            )

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Draws, adds figures, says them, and warns."""
        assert logs is not None
        speed = self._steps * self._settings.batch_size / (time.monotonic() - self._start)
        self.drawn = self._draw()
        variety = metrics.variety(_spread(self.drawn), self._spread)
        logs["variety"] = float(np.mean(variety))
        logs["least_variety"] = float(np.min(variety))
        logs["images_per_second"] = speed
        logs.update(self._validate())
        told = {name: value for name, value in logs.items() if name != "images_per_second"}
        figures = ", ".join(f"{name.replace('_', ' ')} {value:.3f}" for name, value in told.items())
        _log.info(
            "epoch %d of %d: %s; %.0f images a second", self._epoch, self._settings.epochs, figures, speed
        )
        for warning in warnings(logs):
            _log.warning("epoch %d: %s", self._epoch, warning)


def _spread(images: Mapping[int, np.ndarray]) -> np.ndarray:
    """How much images of each class differ among themselves, float `[classes]`, in the keys' order."""
    same = {label: np.zeros(len(images[label]), int) for label in sorted(images)}
    return np.array([metrics.spread(images[label], zeros, 1)[0] for label, zeros in same.items()])


class _Record(keras.callbacks.Callback):
    """Appends to the history, and saves it with a checkpoint."""

    def __init__(
        self,
        history: checkpoint.History,
        run: Mapping[str, object],
        trained: ConditionalDcgan,
        work_dir: Path,
    ) -> None:
        super().__init__()
        self._history, self._run, self._trained, self._work_dir = history, run, trained, work_dir

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Keeps the epoch."""
        for part, variables in self._trained.state().items():
            # The last step's losses were those of the weights before it.
            if not all(np.isfinite(np.asarray(variable)).all() for variable in variables):
                raise FloatingPointError(f"a weight of {part} is not a number {_stopped(epoch + 1)}")
        figures = {name: float(value) for name, value in (logs or {}).items()}
        self._history.append({"epoch": epoch + 1, **figures})
        checkpoint.save(self._work_dir, self._trained.state(), self._run, self._history)


class _Shown(keras.callbacks.Callback):
    """Shows what was drawn after an epoch; only once it is kept, as nothing of a lost epoch is shown."""

    def __init__(self, epochs: _Epochs, show: Callable[[int, Mapping[int, np.ndarray]], None]) -> None:
        super().__init__()
        self._epochs, self._show = epochs, show

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Shows it."""
        self._show(epoch + 1, self._epochs.drawn)


def _stopped(epoch: int) -> str:
    return (
        f"in epoch {epoch}: the training stops. Lower generator_learning_rate and "
        "discriminator_learning_rate, or raise r1."
        + (f" The checkpoint of epoch {epoch - 1} is kept." if epoch > 1 else "")
    )


def warnings(figures: Mapping[str, float]) -> list[str]:
    """Returns what an epoch's figures say that goes wrong, in words; nothing where all is well.

    Args:
        figures: Of an epoch, as `fit` returns them.
    """
    found = []
    if figures["least_variety"] < LEAST_VARIETY:
        found.append(
            f"mode collapse: images of a class differ by {figures['least_variety']:.2f} of what real "
            f"ones differ (all classes: {figures['variety']:.2f}). Where this stays, try r1, another "
            "loss, or a lower auxiliary_weight"
        )
    if min(figures["real_accuracy"], figures["fake_accuracy"]) > MOST_ACCURACY:
        found.append(
            "the discriminator tells nearly all images apart, so that the generator learns little: lower "
            "discriminator_learning_rate, raise r1, or augment"
        )
    if figures["generator_gradient"] < LEAST_GRADIENT:
        found.append(
            f"the generator's gradient has vanished (length {figures['generator_gradient']:.1e}): take "
            "the non_saturating loss, or a lower discriminator_learning_rate"
        )
    return found
