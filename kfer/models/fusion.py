"""What faces and sound say together."""

from collections.abc import Sequence

import keras
from keras import layers, ops

from kfer.models import temporal
from kfer.settings import ModelSettings
from kfer.settings.tasks import CLASSES, MULTI_LABEL, SOFT_CLASSES

_HEADS, _KEY_SIZE = 4, 16
_LEAST = 1e-7


@keras.saving.register_keras_serializable("kfer")
class ModalityDropout(layers.Layer):
    """Sets one of two modalities to 0 in some examples, in training: the other must do without it.

    Neverova et al. 2016 (https://arxiv.org/abs/1501.00102), section 4.3, but never both.

    Args:
        rate: The share of examples that lose one, each of the two as often.
        seed: Of what is drawn.
        **arguments: What every Keras layer takes.
    """

    def __init__(self, rate: float, seed: int | None = None, **arguments: object) -> None:
        super().__init__(**arguments)
        self.rate, self.seed = rate, seed
        self._generator = keras.random.SeedGenerator(seed)

    def call(
        self, first: keras.KerasTensor, second: keras.KerasTensor, training: bool = False
    ) -> tuple[keras.KerasTensor, keras.KerasTensor]:
        """Returns both, `[n, ...]` each."""
        if not training or not self.rate:
            return first, second
        drawn = keras.random.uniform((ops.shape(first)[0],), seed=self._generator)
        kept = drawn >= self.rate / 2, (drawn < self.rate / 2) | (drawn >= self.rate)
        return _times(first, kept[0]), _times(second, kept[1])

    def compute_output_shape(self, first_shape: tuple, second_shape: tuple) -> tuple[tuple, tuple]:
        """Returns the shapes of both."""
        return first_shape, second_shape

    def get_config(self) -> dict[str, object]:
        """Returns what the constructor takes."""
        return super().get_config() | {"rate": self.rate, "seed": self.seed}


@keras.saving.register_keras_serializable("kfer")
class WeightedMean(layers.Layer):
    """The mean of two answers with weights that are stated or learned; of one alone, that one.

    Args:
        weights: Of the two, at least 0 and not both 0; None to learn them.
        **arguments: What every Keras layer takes.
    """

    def __init__(self, weights: Sequence[float] | None = None, **arguments: object) -> None:
        super().__init__(**arguments)
        self.stated = None if weights is None else tuple(weights)

    def build(self, *shapes: object) -> None:
        """Makes the weights, equal at first."""
        if self.stated is None:
            self.logits = self.add_weight(shape=(2,), initializer="zeros", name="logits")

    def call(
        self, first: keras.KerasTensor, second: keras.KerasTensor, there: keras.KerasTensor
    ) -> keras.KerasTensor:
        """Returns the mean `[n, k]` of two such; `there` says which of them count, bool `[n, 2]`."""
        weights = ops.softmax(self.logits) if self.stated is None else ops.convert_to_tensor(self.stated)
        # Where neither is there, both say what they say of nothing.
        shares = weights * ops.cast(there | ~ops.any(there, axis=1, keepdims=True), "float32")
        shares = shares / ops.maximum(ops.sum(shares, axis=1, keepdims=True), _LEAST)
        return first * shares[:, :1] + second * shares[:, 1:]

    def compute_output_shape(self, first_shape: tuple, second_shape: tuple, there_shape: tuple) -> tuple:
        """Returns the shape of the mean."""
        return first_shape

    def get_config(self) -> dict[str, object]:
        """Returns what the constructor takes."""
        return super().get_config() | {"weights": self.stated}


def of_both(
    frames: keras.KerasTensor, sound: keras.KerasTensor, settings: ModelSettings
) -> tuple[tuple[keras.KerasTensor, ...], keras.KerasTensor]:
    """Returns what the heads take: features of the clip, `[n, size]`; of "decision", of each modality.

    Behind them come features of each frame, `[n, frames, size]`, that know nothing of the sound.

    Args:
        frames: Features of frames, `[n, frames, c]` or with height and width, 0 where there is none.
        sound: Features of the sound, `[n, steps, c]`, 0 where there is none.
        settings: How they are fused.
    """
    kind, units = settings.temporal, settings.temporal_units
    seen, seen_in_order = temporal.of_clip(frames, kind, units)
    if settings.fusion == "frames":
        return (seen,), seen_in_order
    heard, heard_in_order = temporal.of_clip(sound, kind, units, "sound.")
    if settings.fusion == "sound":
        # Training, stages and exports look for a backbone, whatever it is worth.
        return (heard + 0.0 * seen,), seen_in_order
    if settings.fusion == "decision":
        return (seen, heard), seen_in_order
    parts = [seen, heard]
    if settings.fusion == "model":
        parts += [
            _attended(seen_in_order, frames, heard_in_order, sound, "frames_to_sound"),
            _attended(heard_in_order, sound, seen_in_order, frames, "sound_to_frames"),
        ]
    joined = ops.concatenate(parts, axis=-1)
    return (layers.Dense(units[-1], "relu", dtype="float32", name="fused")(joined),), seen_in_order


def mean_of_answers(
    seen: keras.KerasTensor,
    heard: keras.KerasTensor,
    there: keras.KerasTensor,
    name: str,
    kind: str,
    weights: Sequence[float] | None,
) -> keras.KerasTensor:
    """Returns a task's output of those of both modalities: logits of the mean of their probabilities.

    Args:
        seen: Logits or numbers `[n, k]` by the frames.
        heard: The same by the sound.
        there: Which of them are there, bool `[n, 2]`.
        name: The task.
        kind: Of the task.
        weights: As of `WeightedMean`.
    """
    mean = WeightedMean(weights, dtype="float32", name=f"{name}.mean")
    if kind in (CLASSES, SOFT_CLASSES):
        shares = mean(ops.softmax(seen), ops.softmax(heard), there)
        found = ops.log(ops.maximum(shares, _LEAST))
    elif kind == MULTI_LABEL:
        shares = ops.clip(mean(ops.sigmoid(seen), ops.sigmoid(heard), there), _LEAST, 1 - _LEAST)
        found = ops.log(shares) - ops.log(1 - shares)
    else:
        found = mean(seen, heard, there)
    return layers.Identity(dtype="float32", name=name)(found)


def _attended(
    own: keras.KerasTensor,
    own_raw: keras.KerasTensor,
    other: keras.KerasTensor,
    other_raw: keras.KerasTensor,
    name: str,
) -> keras.KerasTensor:
    """What steps of one modality find in those of the other, as a mean over the steps that are there."""
    there, others = temporal.frames_there(own_raw), temporal.frames_there(other_raw)
    # Attention to nothing has no softmax: then all steps count, and are 0.
    mask = others | ~ops.any(others, axis=1, keepdims=True)
    attention = layers.MultiHeadAttention(_HEADS, _KEY_SIZE, dtype="float32", name=name)
    found = attention(own, other, attention_mask=ops.expand_dims(mask, 1))
    found = found * ops.reshape(ops.cast(ops.any(others, axis=1), "float32"), (-1, 1, 1))
    return temporal.MeanOverFrames(dtype="float32")(found, there)


def _times(features: keras.KerasTensor, kept: keras.KerasTensor) -> keras.KerasTensor:
    shape = (-1, *[1] * (len(features.shape) - 1))
    return features * ops.reshape(ops.cast(kept, features.dtype), shape)
