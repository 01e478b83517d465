import keras
import numpy as np
import pytest

from kfer import export
from kfer.export import network
from kfer.models import heads


def test_reference_is_probabilities_and_unit_vectors(colour):
    logits = colour.model.predict(colour.images, verbose=0)["expression"]
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    expected = powers / powers.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(colour.reference["expression"], expected, atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(colour.reference["embedding"], axis=1), 1, atol=1e-5)
    assert set(colour.reference) == {"expression", "embedding"}
    assert colour.reference["expression"].std(axis=0).min() > 0.1  # the images do differ


def test_missing_task_is_missing(only_expression, only_embedding):
    assert set(only_expression.reference) == {"expression"}
    assert set(only_embedding.reference) == {"embedding"}


def test_mixed_precision_is_taken_out():
    def build(policy):
        inputs = keras.Input((8, 8, 1))
        features = keras.layers.Conv2D(4, 3, dtype=policy)(inputs)
        inner = keras.Sequential(
            [keras.Input((6, 6, 4)), keras.layers.Conv2D(4, 3, dtype=policy)], name="inner"
        )
        features = keras.layers.Flatten(dtype=policy)(inner(features))
        features = heads.L2Normalization(dtype="float32", name="embedding")(features)
        return keras.Model(inputs, {"embedding": features})

    mixed, plain = build("mixed_bfloat16"), build("float32")
    plain.set_weights(mixed.get_weights())
    images = np.random.default_rng(0).integers(0, 256, (5, 8, 8, 1)).astype(np.float32)
    in_mixed = mixed.predict(images, verbose=0)["embedding"]
    in_float = export.keras_outputs(mixed, images)["embedding"]
    np.testing.assert_array_equal(in_float, plain.predict(images, verbose=0)["embedding"])
    assert np.abs(in_float - in_mixed).max() > 1e-4
    assert network.in_float32(plain) is plain


def test_network_without_exported_output_is_refused():
    inputs = keras.Input((4,))
    model = keras.Model(inputs, {"identity": keras.layers.Dense(2)(inputs)})
    with pytest.raises(ValueError, match=r"'expression' or 'embedding'.*this one has identity"):
        network.without_tails(model)
