"""What turns a backbone's features into expressions and identities."""

from collections.abc import Sequence

import keras
import tensorflow as tf
from keras import layers

from kfer import spec
from kfer.losses import AdaCos
from kfer.settings.checks import check
from kfer.settings.tasks import EMBEDDING, LOSSES, PAIRWISE_LOSSES, PRETRAINED, TaskSettings

_SUB_CENTERS = "sub_centers"
_DEFAULT_SUB_CENTERS = 3


@keras.saving.register_keras_serializable("kfer")
class L2Normalization(layers.Layer):
    """Scales vectors to length 1.

    Unlike `keras.layers.UnitNormalization`, its gradient is finite at a vector of zeros, which
    batch normalisation makes of a batch of equal images.
    """

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Returns float `[n, size]` of length 1, or of length 0 where the input is 0."""
        return tf.math.l2_normalize(inputs, axis=-1)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Returns the shape of the inputs."""
        return input_shape


@keras.saving.register_keras_serializable("kfer")
class CosineLogits(layers.Layer):
    """The cosines of embeddings with one learned direction a person, or several.

    Args:
        num_identities: People that are trained on.
        sub_centers: Directions of each person, along an axis of their own; None for one, without it.
        **arguments: What every Keras layer takes.
    """

    def __init__(self, num_identities: int, sub_centers: int | None = None, **arguments: object) -> None:
        super().__init__(**arguments)
        self.num_identities = num_identities
        self.sub_centers = sub_centers

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Makes the directions `[embedding_size, num_identities * sub_centers]`, a person's together."""
        self.directions = self.add_weight(
            shape=(input_shape[-1], self.num_identities * (self.sub_centers or 1)),
            initializer="glorot_normal",
            name="directions",
        )

    def call(self, embeddings: tf.Tensor) -> tf.Tensor:
        """Returns float cosines, of L2-normalised `[n, embedding_size]`.

        Their shape is `[n, num_identities]` or `[n, num_identities, sub_centers]`.
        """
        cosines = tf.matmul(embeddings, tf.math.l2_normalize(self.directions, axis=0))
        return tf.reshape(cosines, (-1, *self._shape)) if self.sub_centers else cosines

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Returns `(n, num_identities)` or `(n, num_identities, sub_centers)`."""
        return (*input_shape[:-1], *self._shape)

    @property
    def _shape(self) -> tuple[int, ...]:
        return (self.num_identities, self.sub_centers) if self.sub_centers else (self.num_identities,)

    def get_config(self) -> dict[str, object]:
        """Returns what the constructor takes."""
        own = {"num_identities": self.num_identities, "sub_centers": self.sub_centers}
        return super().get_config() | own


@keras.saving.register_keras_serializable("kfer")
class TrainedIdentities(layers.Layer):
    """Passes features on unchanged, and says how many people the network is trained on.

    For networks whose loss has no direction for each person, which would say it.

    Args:
        num_identities: People that are trained on.
        **arguments: What every Keras layer takes.
    """

    def __init__(self, num_identities: int, **arguments: object) -> None:
        super().__init__(**arguments)
        self.num_identities = num_identities

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Returns the features."""
        return inputs

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Returns the shape of the inputs."""
        return input_shape

    def get_config(self) -> dict[str, object]:
        """Returns what the constructor takes."""
        return super().get_config() | {"num_identities": self.num_identities}


@keras.saving.register_keras_serializable("kfer")
class PretrainedEmbedding(layers.Layer):
    """Makes an embedding of pooled features with a matrix that came with the backbone's weights.

    Args:
        size: Numbers in an embedding.
        **arguments: What every Keras layer takes.
    """

    def __init__(self, size: int, **arguments: object) -> None:
        super().__init__(**arguments)
        self.size = size

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Makes the matrix `[features, size]`; nothing trains it."""
        self.kernel = self.add_weight(
            shape=(input_shape[-1], self.size),
            initializer="glorot_uniform",
            trainable=False,
            name="kernel",
        )

    def call(self, features: tf.Tensor) -> tf.Tensor:
        """Returns float `[n, size]`, of any length."""
        return tf.matmul(features, self.kernel)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Returns `(n, size)`."""
        return (*input_shape[:-1], self.size)

    def get_config(self) -> dict[str, object]:
        """Returns what the constructor takes."""
        return super().get_config() | {"size": self.size}


def numbers(
    features: keras.KerasTensor, name: str, count: int, dropout: float, widths: Sequence[int] = ()
) -> keras.KerasTensor:
    """Returns logits, or numbers to regress, float32 `[n, count]`.

    Args:
        features: A backbone's output, `[n, h, w, c]` or `[n, c]`.
        name: The task.
        count: Classes, labels, or numbers.
        dropout: Share of features that are dropped in training, after each of the hidden layers; where
            there is none, of the pooled features.
        widths: Of hidden layers, each with ReLU.
    """
    if len(features.shape) == 4:
        features = layers.GlobalAveragePooling2D()(features)
    features = _hidden(features, dropout, widths)
    return layers.Dense(count, dtype="float32", name=name)(features)


def embedding(
    features: keras.KerasTensor, embedding_size: int, dropout: float, widths: Sequence[int] = ()
) -> keras.KerasTensor:
    """Returns L2-normalised embeddings, float32 `[n, embedding_size]`.

    Feature maps are flattened, not pooled: who somebody is shows in where things are (the output
    layers of Deng et al. 2019, section 3.2.2, option E).

    Args:
        features: A backbone's output, `[n, h, w, c]` or `[n, c]`.
        embedding_size: Numbers in an embedding.
        dropout: As in `numbers`.
        widths: As in `numbers`.
    """
    features = _hidden(layers.Flatten()(features), dropout, widths)
    features = layers.Dense(embedding_size, use_bias=False, dtype="float32")(features)
    features = layers.BatchNormalization(momentum=0.9, scale=False, dtype="float32")(features)
    return L2Normalization(dtype="float32", name=spec.EMBEDDING)(features)


def identity(
    features: keras.KerasTensor,
    name: str,
    task: TaskSettings,
    num_identities: int,
    embedding_size: int,
    dropout: float,
) -> dict[str, keras.KerasTensor]:
    """Returns what the loss of a task of kind "embedding" and the users of its embeddings need.

    Args:
        features: A backbone's output, `[n, h, w, c]` or `[n, c]`.
        name: The task.
        task: Its loss decides which directions it has, its `layers` are in front of the embedding.
        num_identities: People that are trained on.
        embedding_size: Numbers in an embedding.
        dropout: As in `numbers`.

    Returns:
        Of float32, "embedding", L2-normalised `[n, embedding_size]`, and by the task's name, in [-1, 1],
        the cosines with the directions of the people, `[n, num_identities]`, for "subcenter_arcface"
        `[n, num_identities, sub_centers]`; without these for `PAIRWISE_LOSSES` and "pretrained".

    Raises:
        ValueError: There are fewer people, or sub-centres, than the loss needs.
    """
    loss = task.loss or LOSSES[EMBEDDING][0]
    if loss == PRETRAINED:
        return {spec.EMBEDDING: _pretrained(features, embedding_size)}
    if num_identities < 2:
        raise ValueError(
            f"tasks.{name}: expected at least two people to train on; got {num_identities}. Add a source "
            "that has identities, or set the task's weight to 0"
        )
    if loss in PAIRWISE_LOSSES:
        features = TrainedIdentities(num_identities)(features)
    embeddings = embedding(features, embedding_size, dropout, task.layers)
    if loss in PAIRWISE_LOSSES:
        return {spec.EMBEDDING: embeddings}
    sub_centers = None
    if loss == "subcenter_arcface":
        sub_centers = task.loss_arguments.get(_SUB_CENTERS, _DEFAULT_SUB_CENTERS)
        is_count = isinstance(sub_centers, int) and sub_centers >= 1
        check(is_count, f"tasks.{name}.loss_arguments: {_SUB_CENTERS}", "at least 1", sub_centers)
    cosines = CosineLogits(num_identities, sub_centers, dtype="float32", name=name)(embeddings)
    if loss == "adacos":
        cosines = AdaCos(dtype="float32", name=f"{name}.adacos")(cosines)
    return {spec.EMBEDDING: embeddings, name: cosines}


def _pretrained(features: keras.KerasTensor, embedding_size: int) -> keras.KerasTensor:
    features = TrainedIdentities(0)(features)  # of the people that examples name, nobody
    if len(features.shape) == 4:
        features = layers.GlobalAveragePooling2D(dtype="float32")(features)
    vectors = PretrainedEmbedding(embedding_size, dtype="float32")(features)
    return L2Normalization(dtype="float32", name=spec.EMBEDDING)(vectors)


def _hidden(features: keras.KerasTensor, dropout: float, widths: Sequence[int]) -> keras.KerasTensor:
    if not widths:
        return layers.Dropout(dropout)(features)
    for width in widths:
        features = layers.Dense(width, "relu", kernel_initializer="he_normal")(features)
        features = layers.Dropout(dropout)(features)
    return features
