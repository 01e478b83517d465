import keras
import numpy as np
import pytest

from kfer import export
from kfer.export import network
from kfer.models import heads
from kfer.settings import ExportSettings, TaskSettings

IDENTITY = {"identity": TaskSettings("embedding")}


def test_reference_is_probabilities_and_unit_vectors(colour):
    logits = colour.model.predict(colour.images, verbose=0)["expression"]
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    expected = powers / powers.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(colour.reference["expression"], expected, atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(colour.reference["embedding"], axis=1), 1, atol=1e-5)
    assert list(colour.reference) == ["expression", "embedding"]
    assert colour.reference["expression"].std(axis=0).min() > 0.1  # the images do differ


def test_reference_of_other_tasks_is_probabilities_and_numbers(grey):
    assert list(grey.reference) == ["expression", "embedding", "votes", "units", "angles"]
    said = grey.model.predict(grey.images, verbose=0)
    votes, units = grey.reference["votes"], grey.reference["units"]
    np.testing.assert_allclose(votes.sum(axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(np.log(votes[:, 0] / votes[:, 1]), said["votes"] @ [1, -1, 0], atol=1e-4)
    np.testing.assert_allclose(units, 1 / (1 + np.exp(-said["units"])), atol=1e-6)
    assert units.sum(axis=1).max() > 1.1  # each for itself
    np.testing.assert_array_equal(grey.reference["angles"], said["angles"])


def test_weights_have_a_digest_of_their_own(colour, grey):
    digest = network.weights_digest(colour.model)
    copy = keras.models.clone_model(colour.model)
    assert network.weights_digest(copy) != digest
    copy.set_weights(colour.model.get_weights())
    assert network.weights_digest(copy) == digest
    assert len({digest, network.weights_digest(grey.model)}) == 2


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
    in_float = export.keras_outputs(mixed, IDENTITY, images)["embedding"]
    np.testing.assert_array_equal(in_float, plain.predict(images, verbose=0)["embedding"])
    assert np.abs(in_float - in_mixed).max() > 1e-4
    assert network.in_float32(plain) is plain


def test_tasks_come_in_their_own_order_without_those_that_are_off(grey, only_expression):
    hat = {"hat": TaskSettings(names=("none", "cap"))}
    tasks = hat | dict(reversed(grey.tasks.items()))
    assert list(network.exported_tasks(grey.model, tasks)) == list(reversed(grey.tasks))
    assert list(network.exported_tasks(only_expression.model, tasks)) == ["expression"]


def test_a_network_for_pairwise_losses_has_an_embedding_alone():
    inputs = keras.Input((4,))
    model = keras.Model(inputs, {"embedding": heads.L2Normalization(name="embedding")(inputs)})
    assert network.exported_tasks(model, IDENTITY) == IDENTITY
    assert list(network.without_tails(model, IDENTITY).output) == ["embedding"]


def test_tasks_that_are_not_the_networks_are_refused(grey):
    inputs = keras.Input((4,))
    cosines = keras.Model(inputs, {"identity": keras.layers.Dense(2)(inputs)})
    with pytest.raises(ValueError, match=r"the tasks identity must .* it has identity"):
        export.keras_outputs(cosines, IDENTITY, np.zeros((1, 4)))
    unnamed = {name: task for name, task in grey.tasks.items() if name != "units"}
    with pytest.raises(ValueError, match=r"must say what each output of the network is.* it has .*units"):
        network.exported_tasks(grey.model, unnamed)
    fewer = grey.tasks | {"votes": TaskSettings("soft_classes", ("young", "old"))}
    with pytest.raises(ValueError, match=r"tasks\.votes: .* 3 numbers; got 2 names: young, old"):
        network.exported_tasks(grey.model, fewer)


def test_networks_of_others_are_refused(grey, tmp_path):
    unbuilt = keras.Sequential([keras.layers.Dense(4)])
    with pytest.raises(ValueError, match=r"got Sequential .* with no outputs: it is not built"):
        network.exported_tasks(unbuilt, IDENTITY)
    inputs = keras.Input((4,))
    foreign = keras.Model(inputs, keras.layers.Dense(4)(inputs), name="foreign")
    with pytest.raises(ValueError, match="got Functional 'foreign' with outputs without names"):
        network.exported_tasks(foreign, IDENTITY)
    settings, other = ExportSettings(tflite=("float32",)), np.zeros((1, 24, 24, 1), np.uint8)
    message = r"expected a network that takes \[None, 24, 24, 1\].*takes \(None, 16, 16, 1\)"
    with pytest.raises(ValueError, match=message):
        export.save_tflite(grey.model, tmp_path, grey.tasks, settings, other, 24, 1)
    with pytest.raises(ValueError, match=message):
        export.save_saved_model(grey.model, tmp_path, grey.tasks, 24, 1)
    assert list(tmp_path.iterdir()) == []
