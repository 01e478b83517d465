"""What turns a backbone's features into expressions and identities."""

import keras
import tensorflow as tf
from keras import layers

from kfer import spec


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
    """The cosines of embeddings with one learned direction a person.

    Args:
        num_identities: People that are trained on.
        **arguments: What every Keras layer takes.
    """

    def __init__(self, num_identities: int, **arguments: object) -> None:
        super().__init__(**arguments)
        self.num_identities = num_identities

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Makes the directions `[embedding_size, num_identities]`."""
        self.directions = self.add_weight(
            shape=(input_shape[-1], self.num_identities),
            initializer="glorot_normal",
            name="directions",
        )

    def call(self, embeddings: tf.Tensor) -> tf.Tensor:
        """Returns float cosines `[n, num_identities]` of L2-normalised `[n, embedding_size]`."""
        return tf.matmul(embeddings, tf.math.l2_normalize(self.directions, axis=0))

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Returns `(n, num_identities)`."""
        return (*input_shape[:-1], self.num_identities)

    def get_config(self) -> dict[str, object]:
        """Returns what the constructor takes."""
        return super().get_config() | {"num_identities": self.num_identities}


def expression(features: keras.KerasTensor, num_expressions: int, dropout: float) -> keras.KerasTensor:
    """Returns expression logits, float32 `[n, num_expressions]`.

    Args:
        features: A backbone's output, `[n, h, w, c]` or `[n, c]`.
        num_expressions: Number of classes.
        dropout: Share of features that are dropped in training.
    """
    if len(features.shape) == 4:
        features = layers.GlobalAveragePooling2D()(features)
    features = layers.Dropout(dropout)(features)
    return layers.Dense(num_expressions, dtype="float32", name=spec.EXPRESSION)(features)


def embedding(features: keras.KerasTensor, embedding_size: int, dropout: float) -> keras.KerasTensor:
    """Returns L2-normalised embeddings, float32 `[n, embedding_size]`.

    Feature maps are flattened, not pooled: who somebody is shows in where things are (the output
    layers of Deng et al. 2019, section 3.2.2, option E).

    Args:
        features: A backbone's output, `[n, h, w, c]` or `[n, c]`.
        embedding_size: Numbers in an embedding.
        dropout: Share of features that are dropped in training.
    """
    features = layers.Dropout(dropout)(layers.Flatten()(features))
    features = layers.Dense(embedding_size, use_bias=False, dtype="float32")(features)
    features = layers.BatchNormalization(momentum=0.9, scale=False, dtype="float32")(features)
    return L2Normalization(dtype="float32", name=spec.EMBEDDING)(features)
