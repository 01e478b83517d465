"""Whether the triplet losses are the same with tensorflow-addons as without, each in a fresh process."""

import importlib.util
import json
import subprocess
import sys

import pytest

from kfer.losses import addons

COMPARE = """
import json, sys
if "tf.keras first" in sys.argv:
    import tensorflow as tf
    tf.keras.Model
import keras, numpy as np, tensorflow as tf
from kfer import losses
from kfer.losses import addons

def measure(loss, labels, embeddings, graph):
    @(tf.function if graph else lambda function: function)
    def value_and_gradient(embeddings):
        with tf.GradientTape() as tape:
            tape.watch(embeddings)
            value = loss(labels, embeddings)
        return value, tf.convert_to_tensor(tape.gradient(value, embeddings))
    value, gradient = value_and_gradient(tf.constant(embeddings, tf.float32))
    return [float(value), gradient.numpy().tolist()]

def measure_all():
    found = []
    # Few, some and many images of a person; the margin seldom, or always, reached.
    for seed, people, margin in ((0, 40, 1.0), (1, 6, 0.05), (2, 2, 0.2), (3, 6, 1.0)):
        generator = np.random.default_rng(seed)
        embeddings = generator.normal(size=(16, 8))
        embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
        labels = generator.integers(-1, people, 16)
        for loss in (
            lambda *given: losses.triplet_semihard(*given, margin),
            lambda *given: losses.triplet_hard(*given, margin),
            lambda *given: losses.triplet_hard(*given, soft=True),
        ):
            found.append(measure(loss, labels, embeddings, graph=seed == 3))
    for labels in ([1, 2, 3], [1, 1, 1], [1, 1, -1], [-1, -1, -1]):
        for loss in (losses.triplet_semihard, losses.triplet_hard):
            found.append(measure(loss, labels, np.eye(3), graph=False))
    return found

result = {"available": addons.available(), "theirs": measure_all()}
addons.available = lambda: False
result["own"] = measure_all()
result["keras stays"] = tf.keras.Model is keras.Model and "keras.src.engine" not in sys.modules
import tensorflow.keras.layers
result["keras stays"] &= tensorflow.keras.layers.Dense is keras.layers.Dense
print(json.dumps(result))
"""


@pytest.mark.skipif(
    importlib.util.find_spec("tensorflow_addons") is None or sys.version_info >= (3, 12),
    reason="tensorflow-addons is not installed (the extra `addons`, Python 3.11)",
)
@pytest.mark.parametrize("first", ["keras first", "tf.keras first"])
def test_own_triplet_losses_agree_with_tensorflow_addons(first: str) -> None:
    process = subprocess.run([sys.executable, "-c", COMPARE, first], capture_output=True, text=True)
    assert process.returncode == 0, process.stderr
    result = json.loads(process.stdout.splitlines()[-1])
    assert result["available"]
    assert result["keras stays"]
    assert len(result["own"]) == 4 * 3 + 8
    for (value, gradient), (their_value, their_gradient) in zip(
        result["own"], result["theirs"], strict=True
    ):
        assert value == pytest.approx(their_value, abs=1e-5)
        for row, their_row in zip(gradient, their_gradient, strict=True):
            assert row == pytest.approx(their_row, abs=1e-5)


def test_without_the_package_own_losses_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    addons.available.cache_clear()
    try:
        assert not addons.available()
    finally:
        addons.available.cache_clear()


def test_a_package_that_does_not_load_is_not_used(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> None:
        raise AttributeError("module 'numpy' has no attribute 'gone'")

    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    monkeypatch.setattr(addons, "_losses", fail)
    addons.available.cache_clear()
    try:
        assert not addons.available()
        assert "does not load, so it is not used: module 'numpy' has no attribute 'gone'" in caplog.text
    finally:
        addons.available.cache_clear()
