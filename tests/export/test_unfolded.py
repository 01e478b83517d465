import collections
from pathlib import Path

import keras
import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from keras import layers

from kfer import export, inference, models
from kfer.backbones.normalization import FusedBatchNormalization
from kfer.export import network, tflite
from kfer.export.unfolded import with_convolutions
from kfer.settings import ExportSettings, ModelSettings, TaskSettings

TASKS = {
    "expression": TaskSettings(names=("calm", "glad", "sad", "wild")),
    "identity": TaskSettings("embedding"),
}
SIZE = 32
IMAGES = np.random.default_rng(0).integers(0, 256, (40, SIZE, SIZE, 1), np.uint8)


def with_statistics(model: keras.Model) -> keras.Model:
    """The network, whose channels differ in their ranges as trained ones do, by a factor of a hundred."""
    rng = np.random.default_rng(1)
    for layer in model._flatten_layers():
        if isinstance(layer, (FusedBatchNormalization, layers.BatchNormalization)):
            for variable in (layer.gamma, layer.beta):
                if variable is not None:
                    variable.assign(rng.normal(1.0, 0.3, variable.shape))
        elif isinstance(layer, layers.Conv2D):
            spread = np.exp(rng.uniform(-2.3, 2.3, layer.kernel.shape[-1]))
            layer.kernel.assign(np.asarray(layer.kernel) * spread)
    for _ in range(120):  # moving statistics forget a tenth a step
        model(IMAGES.astype(np.float32), training=True)
    return model


def dense_net(**arguments: object) -> keras.Model:
    sizes = {"blocks": (3, 3), "growth_rate": 8, "stem_filters": 8}
    settings = ModelSettings("densenet161", sizes | arguments)
    return with_statistics(models.build(settings, SIZE, 1, TASKS, 3, seed=0))


def second_residual_net() -> keras.Model:
    """Normalisation in front of convolutions, behind a sum, with Keras's own layer."""
    keras.utils.set_random_seed(0)
    images = keras.Input((SIZE, SIZE, 1))
    features = layers.Conv2D(8, 3, strides=2)(layers.Rescaling(1 / 127.5, -1.0)(images))
    for _ in range(2):
        branch = layers.ReLU()(layers.BatchNormalization(momentum=0.9)(features))
        features = layers.add([features, layers.Conv2D(8, 3, padding="same", activation="relu")(branch)])
    features = layers.BatchNormalization(momentum=0.9, center=False, scale=False)(features)
    pooled = layers.GlobalAveragePooling2D()(features)
    embedding = layers.UnitNormalization(name="embedding")(layers.Dense(6)(pooled))
    outputs = {"expression": layers.Dense(4, name="expression")(pooled), "embedding": embedding}
    return with_statistics(keras.Model(images, outputs))


NETWORKS = {
    "dense": dense_net,
    "recomputed": lambda: dense_net(recompute=True),
    "keras": lambda: dense_net(fused=False),
    "residual": second_residual_net,
}


@pytest.fixture(scope="module", params=NETWORKS.values(), ids=NETWORKS)
def trained(request: pytest.FixtureRequest) -> keras.Model:
    return request.param()


def test_the_outputs_stay_the_same(trained: keras.Model) -> None:
    before = network.without_tails(trained, TASKS)
    after = with_convolutions(before)
    alone = {
        layer.name
        for layer in after._flatten_layers()
        if isinstance(layer, (FusedBatchNormalization, layers.BatchNormalization))
    }
    assert alone < {layer.name for layer in before._flatten_layers()}
    expected, found = (model.predict(IMAGES, verbose=0) for model in (before, after))
    for name, values in expected.items():
        scale = np.abs(values).max()
        np.testing.assert_allclose(found[name] / scale, values / scale, atol=2e-5)
    # The first one can still say what its layers take, and still be called.
    assert all(layer.input is not None for layer in before.layers)
    np.testing.assert_array_equal(before.predict(IMAGES, verbose=0)["expression"], expected["expression"])


def test_a_network_without_such_layers_is_itself() -> None:
    settings = ModelSettings(backbone_arguments={"widths": [8, 8]})
    model = models.build(settings, SIZE, 1, TASKS, 3, seed=0)
    assert with_convolutions(model) is model


def test_int8_loses_less(trained: keras.Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reference = export.keras_outputs(trained, TASKS, IMAGES)
    rgb = np.broadcast_to(IMAGES, (*IMAGES.shape[:3], 3))
    # Whole ranges, for of a network of random weights every image is at some end.
    settings = ExportSettings(tflite=("int8",), output_signatures=False, calibration_percentile=100.0)
    errors, operations = {}, {}
    for name in ("after", "before"):
        files = export.save_tflite(trained, tmp_path / name, TASKS, settings, IMAGES, SIZE, 1)
        path = files["int8"].path
        outputs = inference.load(path)(rgb)
        errors[name] = np.sqrt(np.mean((outputs["embedding"] - reference["embedding"]) ** 2))
        details = Interpreter(str(path))._get_ops_details()
        operations[name] = collections.Counter(operation["op_name"] for operation in details)
        monkeypatch.setattr(tflite, "with_convolutions", lambda model: model)
    # A sum has one step for all of its channels, which no rewriting changes.
    if not any(isinstance(layer, layers.Add) for layer in trained.layers):
        assert errors["after"] < 0.7 * errors["before"]
    assert operations["before"]["MUL"] > operations["after"]["MUL"]
    assert operations["after"].total() <= operations["before"].total()
