import json
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter

from kfer.backbones.normalization import FusedBatchNormalization

SHAPE = (4, 3, 5, 6)


def random_maps(seed: int) -> tf.Tensor:
    return tf.constant(np.random.default_rng(seed).normal(2.0, 3.0, SHAPE), tf.float32)


def both_layers() -> tuple[FusedBatchNormalization, keras.layers.BatchNormalization]:
    fused = FusedBatchNormalization(momentum=0.8)
    keras_own = keras.layers.BatchNormalization(momentum=0.8)
    generator = np.random.default_rng(1)
    start = [generator.uniform(0.5, 2.0, SHAPE[-1]) for _ in range(4)]
    for layer in (fused, keras_own):
        layer.build(SHAPE)
        layer.set_weights(start)
    return fused, keras_own


@pytest.mark.parametrize("training", [True, False])
def test_outputs_gradients_and_statistics_equal_those_of_keras(training: bool) -> None:
    inputs, factors = random_maps(2), random_maps(3)
    results = []
    for layer in both_layers():
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            outputs = layer(inputs, training=training)
            total = tf.reduce_sum(outputs * factors)
        gradients = tape.gradient(total, [inputs, *[v.value for v in layer.trainable_variables]])
        results.append([outputs, *gradients, *layer.non_trainable_variables])
    for fused, keras_own in zip(*results, strict=True):
        np.testing.assert_allclose(fused, keras_own, rtol=1e-4, atol=1e-4)


def test_a_frozen_layer_keeps_its_statistics() -> None:
    layer, keras_own = both_layers()
    layer.trainable = False
    before = [variable.numpy() for variable in layer.variables]
    outputs = layer(random_maps(2), training=True)
    np.testing.assert_allclose(outputs, keras_own(random_maps(2), training=False), atol=1e-4)
    for variable, old in zip(layer.variables, before, strict=True):
        np.testing.assert_array_equal(variable, old)


def test_one_value_a_channel_has_no_variance() -> None:
    layer = FusedBatchNormalization(momentum=0.5)
    layer(tf.ones((1, 1, 1, 2)), training=True)
    np.testing.assert_allclose(layer.moving_variance, [0.5, 0.5])


def test_is_saved_and_loaded(tmp_path) -> None:
    images = keras.Input(SHAPE[1:])
    model = keras.Model(images, FusedBatchNormalization(0.7, 1e-2, True)(images))
    model(random_maps(2), training=True)
    model.layers[1].gamma.assign(np.arange(6))
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.layers[1].get_config() == model.layers[1].get_config()
    np.testing.assert_allclose(loaded(random_maps(3)), model(random_maps(3)), atol=1e-6)


def test_statistics_stay_float32_under_mixed_precision() -> None:
    layer = FusedBatchNormalization(dtype="mixed_bfloat16")
    outputs = layer(random_maps(2), training=True)
    assert outputs.dtype == tf.bfloat16
    assert {variable.dtype for variable in layer.variables} == {"float32"}


def test_two_devices_normalize_as_one_with_the_same_batch() -> None:
    script = Path(__file__).with_name("two_devices.py")
    process = subprocess.run([sys.executable, script], capture_output=True, text=True)
    assert process.returncode == 0, process.stderr
    differences = json.loads(process.stdout)
    assert differences.keys() == {"fused", "recomputed"}
    for name, found in differences.items():
        # Outputs, gradients of inputs and weights, moving statistics on both devices.
        assert len(found) == {"fused": 6, "recomputed": 7}[name]
        np.testing.assert_allclose(found, 0.0, atol=1e-4, err_msg=name)


def test_folds_into_the_convolution_in_tflite(tmp_path) -> None:
    images = keras.Input((8, 8, 3), batch_size=1)
    features = keras.layers.Conv2D(4, 3, padding="same", use_bias=False)(images)
    model = keras.Model(images, keras.layers.ReLU()(FusedBatchNormalization()(features)))
    model(random_images(), training=True)
    model.export(tmp_path, verbose=False)
    converter = tf.lite.TFLiteConverter.from_saved_model(str(tmp_path))
    interpreter = Interpreter(model_content=converter.convert())
    interpreter.allocate_tensors()
    names = [operation["op_name"] for operation in interpreter._get_ops_details()]
    assert [name for name in names if name != "DELEGATE"] == ["CONV_2D"]
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], random_images())
    interpreter.invoke()
    found = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
    np.testing.assert_allclose(found, model(random_images()), atol=1e-5)


def random_images() -> np.ndarray:
    return np.random.default_rng(4).normal(size=(1, 8, 8, 3)).astype(np.float32)
