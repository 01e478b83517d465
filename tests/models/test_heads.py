import keras
import numpy as np
import pytest
import tensorflow as tf

from kfer.models import CosineLogits, L2Normalization, heads


def test_cosines_are_those_of_the_directions() -> None:
    layer = CosineLogits(2)
    layer.build((None, 2))
    layer.directions.assign([[3.0, 0.0], [4.0, -2.0]])
    np.testing.assert_allclose(layer(tf.constant([[1.0, 0.0]])), [[0.6, 0.0]], atol=1e-6)
    np.testing.assert_allclose(layer(tf.constant([[0.6, 0.8]])), [[1.0, -0.8]], atol=1e-6)


def test_a_vector_of_zeros_has_a_finite_gradient() -> None:
    vectors = tf.constant([[0.0, 0.0], [3.0, 4.0]])
    with tf.GradientTape() as tape:
        tape.watch(vectors)
        outputs = L2Normalization()(vectors)
    np.testing.assert_allclose(outputs, [[0.0, 0.0], [0.6, 0.8]], atol=1e-6)
    assert np.isfinite(tape.gradient(outputs, vectors)).all()


@pytest.mark.parametrize("shape", [(3, 3, 4), (4,)])
def test_heads_take_feature_maps_and_vectors(shape: tuple[int, ...]) -> None:
    features = keras.Input(shape)
    assert heads.expression(features, 7, 0.1).shape == (None, 7)
    assert heads.embedding(features, 16, 0.1).shape == (None, 16)


def test_the_embedding_sees_where_a_feature_is_and_the_expression_does_not() -> None:
    features = keras.Input((2, 2, 1))
    model = keras.Model(features, [heads.expression(features, 2, 0.0), heads.embedding(features, 2, 0.0)])
    here = np.zeros((1, 2, 2, 1))
    here[0, 0, 0] = 1
    there = here[:, ::-1]
    expressions, embeddings = zip(model(here), model(there), strict=True)
    np.testing.assert_allclose(*expressions, atol=1e-6)
    assert not np.allclose(*embeddings)
