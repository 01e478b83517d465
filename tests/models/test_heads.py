import keras
import numpy as np
import pytest
import tensorflow as tf

from kfer.models import CosineLogits, L2Normalization, heads
from kfer.settings import TaskSettings
from kfer.settings.tasks import EMBEDDING, LOSSES


def test_cosines_are_those_of_the_directions() -> None:
    layer = CosineLogits(2)
    layer.build((None, 2))
    layer.directions.assign([[3.0, 0.0], [4.0, -2.0]])
    np.testing.assert_allclose(layer(tf.constant([[1.0, 0.0]])), [[0.6, 0.0]], atol=1e-6)
    np.testing.assert_allclose(layer(tf.constant([[0.6, 0.8]])), [[1.0, -0.8]], atol=1e-6)


def test_cosines_with_several_directions_of_a_person_are_together() -> None:
    layer = CosineLogits(2, sub_centers=3)
    layer.build((None, 2))
    layer.directions.assign([[3.0, 0.0, 1.0, -1.0, 0.0, 6.0], [4.0, 2.0, 0.0, 0.0, -5.0, 8.0]])
    expected = [[[0.6, 0.0, 1.0], [-1.0, 0.0, 0.6]]]
    np.testing.assert_allclose(layer(tf.constant([[1.0, 0.0]])), expected, atol=1e-6)


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
    assert heads.numbers(features, "pose", 7, 0.1).shape == (None, 7)
    assert heads.embedding(features, 16, 0.1).shape == (None, 16)


def test_the_embedding_sees_where_a_feature_is_and_the_expression_does_not() -> None:
    features = keras.Input((2, 2, 1))
    outputs = [heads.numbers(features, "pose", 2, 0.0), heads.embedding(features, 2, 0.0)]
    model = keras.Model(features, outputs)
    here = np.zeros((1, 2, 2, 1))
    here[0, 0, 0] = 1
    there = here[:, ::-1]
    expressions, embeddings = zip(model(here), model(there), strict=True)
    np.testing.assert_allclose(*expressions, atol=1e-6)
    assert not np.allclose(*embeddings)


@pytest.mark.parametrize("widths", [(), (6,), (6, 3)])
def test_hidden_layers_have_relu_and_dropout_each(widths: tuple[int, ...]) -> None:
    features = keras.Input((4,))
    hidden = ["Dense", "Dropout"] * len(widths) or ["Dropout"]
    pose = keras.Model(features, heads.numbers(features, "pose", 2, 0.3, widths)).layers
    assert [type(layer).__name__ for layer in pose] == ["InputLayer", *hidden, "Dense"]
    face = keras.Model(features, heads.embedding(features, 2, 0.3, widths)).layers
    ending = ["Dense", "BatchNormalization", "L2Normalization"]
    assert [type(layer).__name__ for layer in face] == ["InputLayer", "Flatten", *hidden, *ending]
    for own in (pose, face):
        *inner, last = [layer for layer in own if isinstance(layer, keras.layers.Dense)]
        assert [layer.units for layer in inner] == list(widths)
        assert all(layer.activation is keras.activations.relu for layer in inner)
        assert last.activation is keras.activations.linear
        assert {layer.rate for layer in own if isinstance(layer, keras.layers.Dropout)} == {0.3}


SHAPES = {
    "": (None, 4),
    "arcface": (None, 4),
    "cosface": (None, 4),
    "adacos": (None, 4),
    "subcenter_arcface": (None, 4, 3),
    "center": (None, 4),
    "triplet_semihard": None,
    "triplet_hard": None,
    "supervised_contrastive": None,
    "pretrained": None,
}


def test_every_loss_of_identity_has_a_known_output() -> None:
    assert set(SHAPES) == {"", *LOSSES[EMBEDDING]}


@pytest.mark.parametrize("loss", SHAPES)
def test_the_loss_decides_the_outputs_of_identity(loss: str) -> None:
    task = TaskSettings("embedding", loss=loss)
    outputs = heads.identity(keras.Input((6,)), "identity", task, 4, 5, 0.1)
    shapes = {name: output.shape for name, output in outputs.items()}
    expected = {"embedding": (None, 5), "identity": SHAPES[loss]}
    assert shapes == {name: shape for name, shape in expected.items() if shape}


def test_the_number_of_directions_of_a_person_is_an_argument_of_the_loss() -> None:
    def output(sub_centers: object) -> keras.KerasTensor:
        arguments = {"sub_centers": sub_centers}
        task = TaskSettings("embedding", loss="subcenter_arcface", loss_arguments=arguments)
        return heads.identity(keras.Input((6,)), "identity", task, 4, 5, 0.1)["identity"]

    assert output(1).shape == (None, 4, 1)
    for wrong in (0, 1.5):
        with pytest.raises(ValueError, match=rf"sub_centers must be at least 1; got {wrong}"):
            output(wrong)


def test_one_person_is_not_enough_to_tell_people_apart() -> None:
    task = TaskSettings("embedding")
    with pytest.raises(ValueError, match=r"tasks.identity: expected at least two people .*; got 1"):
        heads.identity(keras.Input((6,)), "identity", task, 1, 5, 0.1)
