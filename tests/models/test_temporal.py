"""Networks of clips: what they make of order, and of frames that are none."""

import numpy as np
import pytest
import tensorflow as tf
from toy_clips import build, clips

from kfer import models
from kfer.models.temporal import AttentionOverFrames, MeanOverFrames
from kfer.settings.model import TEMPORAL

ORDERLESS = ("mean", "attention")
#: One of each sort, for backbones of half precision.
HALF = ("gru", "convolution", "attention")


def padded(shown: np.ndarray, frames: int) -> np.ndarray:
    return np.pad(shown, [(0, 0), (0, frames), (0, 0), (0, 0), (0, 0)])


@pytest.mark.parametrize(
    ("kind", "policy"),
    [*((kind, "float32") for kind in TEMPORAL), *((kind, "mixed_bfloat16") for kind in HALF)],
)
def test_a_padded_clip_gives_the_answer_of_the_clip(kind, policy):
    short, long = build(kind, 5, dtype_policy=policy), build(kind, 8, dtype_policy=policy)
    long.set_weights(short.get_weights())
    expected, got = short(clips()), long(padded(clips(), 3))
    assert {name: tuple(value.shape) for name, value in got.items()} == {
        "expression": (2, 3),
        "identity": (2, 4),
        "embedding": (2, 5),
    }
    for name, value in got.items():
        assert value.dtype == tf.float32
        np.testing.assert_allclose(value, expected[name], atol=1e-5 if policy == "float32" else 2e-2)


@pytest.mark.parametrize("kind", TEMPORAL)
def test_order_tells_expressions_and_not_people(kind):
    network = build(kind, 5)
    # Else what a network makes of noise hardly differs from frame to frame.
    network.set_weights([3 * weights for weights in network.get_weights()])
    forwards, backwards = network(clips()), network(clips()[:, ::-1])
    np.testing.assert_allclose(forwards["embedding"], backwards["embedding"], atol=1e-4)
    difference = np.abs(np.asarray(forwards["expression"]) - np.asarray(backwards["expression"])).max()
    assert difference < 1e-4 if kind in ORDERLESS else difference > 1e-3


@pytest.mark.parametrize("kind", TEMPORAL)
def test_a_clip_without_frames_gives_finite_answers_and_gradients(kind):
    network = build(kind, 4)
    with tf.GradientTape() as tape:
        outputs = network(np.zeros((2, 4, 16, 16, 1), np.uint8), training=True)
        total = sum(tf.reduce_sum(value) for value in outputs.values())
    gradients = [each for each in tape.gradient(total, network.trainable_weights) if each is not None]
    assert gradients
    for value in (*outputs.values(), *map(tf.convert_to_tensor, gradients)):
        assert np.isfinite(value).all()


@pytest.mark.parametrize("kind", TEMPORAL)
def test_saved_and_split_networks_give_the_same(kind, tmp_path):
    network = build(kind, 5)
    network.save(tmp_path / "clips.keras")
    loaded = models.load(tmp_path / "clips.keras")
    trunk, heads = models.split(network)
    shown = clips()
    shown[1, 3:] = 0
    expected, features = network(shown), trunk(shown)
    assert tuple(features.shape[:2]) == (2, 5) and not np.any(features[1, 3:])
    for outputs in (loaded(shown), heads(features)):
        for name, value in outputs.items():
            np.testing.assert_allclose(value, expected[name], atol=1e-6)


def test_means_are_of_the_frames_that_are_there():
    features = np.array([[[1.0, 5.0], [3.0, 1.0], [0.0, 0.0]], [[0.0, 0.0]] * 3], np.float32)
    there = np.array([[True, True, False], [False] * 3])
    np.testing.assert_allclose(MeanOverFrames()(features, there), [[2.0, 3.0], [0.0, 0.0]])
    attention = AttentionOverFrames(2)
    found = np.asarray(attention(features, there))
    # A point between the two frames, on their line.
    share = (found[0, 0] - 1) / 2
    assert 0 < share < 1
    np.testing.assert_allclose(found, [[1 + 2 * share, 5 - 4 * share], [0.0, 0.0]], atol=1e-6)
