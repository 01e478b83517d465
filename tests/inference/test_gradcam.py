"""Grad-CAM of real exports: by hand, beside Keras's own gradients, and of what has no gradients."""

import threading

import cv2
import keras
import numpy as np
import pytest
import tensorflow as tf

from kfer import export, models
from kfer.inference.gradcam import GradCAM
from kfer.settings import ModelSettings, TaskSettings

TASKS = {"expression": TaskSettings(names=("glad", "sad"))}
# Each halves the size until 4 x 4 are left.
BACKBONES = {
    "compact": (64, {"widths": [4, 4, 6, 8]}),
    "squeezed": (64, {"widths": [4, 4, 6, 8], "squeeze_excitation": True}),
    "resnet152": (128, {"width": 4, "blocks": [1, 1, 2, 2]}),
    "densenet161": (128, {"growth_rate": 4, "stem_filters": 8, "blocks": [1, 2, 2, 2]}),
}


def save(folder, network: keras.Model, size: int, channels: int = 3):
    export.save_saved_model(network, folder, TASKS, size, channels)
    return folder


@pytest.fixture(scope="module")
def by_hand(tmp_path_factory):
    """Its features are red and green: glad is twice the red and once the green, sad is neither."""
    images = keras.Input((16, 16, 3))
    features = keras.layers.Conv2D(2, 1, use_bias=False, name="colours")(images / 255)
    pooled = keras.layers.GlobalAveragePooling2D()(keras.layers.ReLU()(features))
    network = keras.Model(images, {"expression": keras.layers.Dense(2, name="expression")(pooled)})
    network.get_layer("colours").set_weights([np.eye(3, dtype=np.float32)[None, None, :, :2]])
    kernel = np.array([[2, -1], [1, -1]], np.float32)
    network.get_layer("expression").set_weights([kernel, np.zeros(2, np.float32)])
    return save(tmp_path_factory.mktemp("models") / "1", network, 16)


@pytest.fixture
def halves() -> np.ndarray:
    face = np.zeros((112, 112, 3), np.uint8)
    face[:, :56, 0], face[:, 56:, 1] = 200, 200
    return face


def test_a_map_by_hand(by_hand, halves):
    gradcam = GradCAM(by_hand)
    glad = gradcam(halves, 0)
    assert glad.shape == (112, 112) and glad.dtype == np.float32
    # The weights are 2 and 1, for pooling gives each place the same gradient.
    assert glad[:, :40] == pytest.approx(1, abs=1e-3) and glad[:, 72:] == pytest.approx(0.5, abs=1e-3)
    # Nothing speaks for sad.
    assert not gradcam(halves, 1).any()
    assert gradcam(cv2.resize(halves, (150, 150)), 0).shape == (150, 150)


def test_threads_may_share_it(by_hand, halves):
    gradcam = GradCAM(by_hand)
    expected = [gradcam(np.roll(halves, 7 * number, axis=1), 0) for number in range(6)]
    found: dict[int, np.ndarray] = {}

    def ask(number: int) -> None:
        for _ in range(10):
            found[number] = gradcam(np.roll(halves, 7 * number, axis=1), 0)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number, each in enumerate(expected):
        np.testing.assert_array_equal(found[number], each)


@pytest.mark.parametrize("name", BACKBONES)
def test_every_backbone_is_explained_as_keras_would(name, tmp_path):
    size, arguments = BACKBONES[name]
    settings = ModelSettings("compact" if name == "squeezed" else name, arguments)
    network = models.build(settings, size, 1, TASKS, 0, seed=0)
    random = np.random.default_rng(0)
    for weight in network.weights:
        if "kernel" not in weight.path:
            weight.assign(random.uniform(0.5, 1.5, weight.shape))
    face = np.repeat(random.integers(0, 255, (112, 112, 1), np.uint8), 3, axis=-1)
    gradcam = GradCAM(save(tmp_path / "1", network, size, channels=1))
    trunk, heads = models.split(network)
    pixels = np.round(tf.image.resize(face[None, ..., :1], (size, size), antialias=True))
    features = trunk(pixels)
    assert features.shape[1:3] == (4, 4)
    maps = []
    for index in range(2):
        with tf.GradientTape() as tape:
            tape.watch(features)
            logit = heads(features)["expression"][:, index]
        weights = tf.reduce_mean(tape.gradient(logit, features), axis=(1, 2), keepdims=True)
        expected = tf.nn.relu(tf.reduce_sum(weights * features, axis=-1))[0].numpy()
        expected = cv2.resize(expected, (112, 112)) / max(expected.max(), 1e-12)
        maps.append(gradcam(face, index))
        np.testing.assert_allclose(maps[-1], expected / max(expected.max(), 1e-12), atol=2e-3)
    assert np.abs(maps[0] - maps[1]).max() > 0.1


def test_a_map_that_says_little_of_where_is_passed_over(tmp_path):
    network = models.build(ModelSettings("compact", {"widths": [2, 3, 4, 5]}), 48, 1, TASKS, 0, seed=0)
    gradcam = GradCAM(save(tmp_path / "1", network, 48, channels=1))
    # 48 pixels end as 3 x 3; before that they are 6 x 6.
    (scaled,) = (op for op in gradcam._weighted.graph.get_operations() if op.name == "Relu")
    assert scaled.outputs[0].shape.as_list() == [None, 6, 6]


def test_what_cannot_be_explained_is_said(by_hand, tflite, saved_model, tmp_path):
    with pytest.raises(
        ValueError, match=r"SavedModel \(--variant saved_model\); got .*\.tflite.*occlusion"
    ):
        GradCAM(tflite)
    with pytest.raises(ValueError, match=r"no SavedModel: it has no saved_model\.pb"):
        GradCAM(tmp_path)
    with pytest.raises(ValueError, match="no output 'age'; it has expression"):
        GradCAM(by_hand, "age")
    # It divides colours by their sum.
    with pytest.raises(ValueError, match=r"has no softmax\. The occlusion map works with it"):
        GradCAM(saved_model)
    images = keras.Input((16, 16, 3))
    numbers = keras.layers.Dense(2, name="expression")(keras.layers.Flatten()(images))
    with pytest.raises(ValueError, match=r"has no such features\. The occlusion map works with it"):
        GradCAM(save(tmp_path / "1", keras.Model(images, {"expression": numbers}), 16))
