"""Faces and sound together: at each level, with both and with one alone."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from toy_clips import clips
from toy_tasks import tasks

from kfer import models
from kfer.models.fusion import ModalityDropout, WeightedMean
from kfer.settings import ModelSettings, TaskSettings

FUSED, ALONE = ("feature", "decision", "model"), ("frames", "sound")
SAMPLES = 4000


def build(fusion: str, frames: int = 5, their_tasks=None, **settings) -> keras.Model:
    chosen = ModelSettings(
        backbone_arguments={"widths": [4, 8], "blocks": 1},
        embedding_size=5,
        temporal="gru",
        temporal_units=(6,),
        fusion=fusion,
        **settings,
    )
    return models.build(chosen, 16, 1, their_tasks or tasks(3), 4, seed=0, frames=frames, samples=SAMPLES)


def both(number: int = 3, frames: int = 5) -> dict[str, np.ndarray]:
    sound = np.random.default_rng(1).normal(0, 0.1, (number, SAMPLES)).astype(np.float32)
    return {"image": clips(number, frames), "sound": sound}


def without(given: dict[str, np.ndarray], name: str) -> dict[str, np.ndarray]:
    return given | {name: np.zeros_like(given[name])}


def answers(network: keras.Model, given: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {name: np.asarray(value) for name, value in network(given).items()}


@pytest.mark.parametrize("fusion", [*FUSED, *ALONE])
def test_answers_of_both_and_of_one_alone_are_finite_and_differ(fusion):
    network, given = build(fusion), both()
    found = {
        name: answers(network, shown)
        for name, shown in (
            ("both", given),
            ("no sound", without(given, "sound")),
            ("no face", without(given, "image")),
            ("nothing", without(without(given, "sound"), "image")),
        )
    }
    for said in found.values():
        assert all(np.isfinite(value).all() for value in said.values())
        assert said["expression"].shape == (3, 3) and said["embedding"].shape == (3, 5)
    # Who somebody is, frames alone say.
    np.testing.assert_array_equal(found["both"]["embedding"], found["no sound"]["embedding"])
    changes = {
        name: np.abs(found["both"]["expression"] - found[name]["expression"]).max()
        for name in ("no sound", "no face")
    }
    assert (changes["no sound"] > 1e-5) == (fusion != "frames")
    assert (changes["no face"] > 1e-5) == (fusion != "sound")


@pytest.mark.parametrize("fusion", [*FUSED, *ALONE])
def test_padding_changes_nothing(fusion):
    short, long = build(fusion, 5), build(fusion, 8)
    long.set_weights(short.get_weights())
    given = both()
    padded = given | {"image": np.pad(given["image"], [(0, 0), (0, 3), (0, 0), (0, 0), (0, 0)])}
    for name, value in answers(long, padded).items():
        np.testing.assert_allclose(value, answers(short, given)[name], atol=1e-5)


@pytest.mark.parametrize("fusion", FUSED)
def test_saved_and_split_networks_give_the_same(fusion, tmp_path):
    network, given = build(fusion), both()
    network.save(tmp_path / "fused.keras")
    trunk, heads = models.split(network)
    halves = {"image": trunk(given["image"]), "sound": tf.constant(given["sound"])}
    for other in (models.load(tmp_path / "fused.keras")(given), heads(halves)):
        for name, value in answers(network, given).items():
            np.testing.assert_allclose(other[name], value, atol=1e-6)


def test_a_decision_is_the_mean_of_what_both_say():
    network, given = build("decision", fusion_weights=(3.0, 1.0)), both()
    parts = [network.get_layer(f"expression.{by}").output for by in ("seen", "heard")]
    seen, heard = (tf.nn.softmax(each).numpy() for each in keras.Model(network.input, parts)(given))
    said = tf.nn.softmax(network(given)["expression"])
    np.testing.assert_allclose(said, 0.75 * seen + 0.25 * heard, atol=1e-6)
    # Of one alone it is what that one says.
    alone = tf.nn.softmax(network(without(given, "sound"))["expression"])
    np.testing.assert_allclose(alone, seen, atol=1e-6)


def test_decisions_on_labels_and_numbers():
    of_all = {
        "units": TaskSettings("multi_label", ("a", "b")),
        "pose": TaskSettings("regression", ("yaw",)),
    }
    network, given = build("decision", their_tasks=of_all, fusion_weights=(1.0, 1.0)), both()
    names = [f"{task}.{by}" for task in of_all for by in ("seen", "heard")]
    parts = keras.Model(network.input, [network.get_layer(name).output for name in names])(given)
    unit_seen, unit_heard, pose_seen, pose_heard = (np.asarray(part) for part in parts)
    said = answers(network, given)
    np.testing.assert_allclose(said["pose"], (pose_seen + pose_heard) / 2, atol=1e-6)
    expected = (tf.sigmoid(unit_seen) + tf.sigmoid(unit_heard)) / 2
    np.testing.assert_allclose(tf.sigmoid(said["units"]), expected, atol=1e-6)


def test_learned_weights_begin_equal_and_learn():
    mean = WeightedMean()
    first, second = tf.constant([[1.0, 0.0]]), tf.constant([[0.0, 1.0]])
    there = tf.constant([[True, True]])
    with tf.GradientTape() as tape:
        found = mean(first, second, there)
        loss = -found[0, 0]
    np.testing.assert_allclose(found, [[0.5, 0.5]])
    (gradient,) = tape.gradient(loss, mean.trainable_weights)
    np.testing.assert_allclose(gradient, [-0.25, 0.25])
    np.testing.assert_allclose(mean(first, second, tf.constant([[False, True]])), [[0.0, 1.0]])


def test_dropout_takes_one_of_two_as_often_as_the_other_and_never_both():
    dropout = ModalityDropout(0.4, seed=3)
    ones = np.ones((4000, 2, 3), np.float32)
    first, second = (np.asarray(each)[:, 0, 0] for each in dropout(ones, ones, training=True))
    assert set(np.unique(first)) == set(np.unique(second)) == {0.0, 1.0}
    assert (first + second).min() == 1
    assert (1 - first).mean() == pytest.approx(0.2, abs=0.02)
    assert (1 - second).mean() == pytest.approx(0.2, abs=0.02)
    for kept in dropout(ones, ones, training=False):
        np.testing.assert_array_equal(kept, ones)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"fusion": "late"}, "fusion"),
        ({"fusion_weights": (1.0,)}, "two numbers of at least 0"),
        ({"fusion_weights": (0.0, 0.0)}, "not both 0"),
        ({"modality_dropout": 1.0}, "modality_dropout"),
        ({"temporal": "transformer"}, "temporal"),
        ({"temporal_units": ()}, "temporal_units"),
    ],
)
def test_settings_that_make_no_sense(changed, words):
    with pytest.raises(ValueError, match=words):
        ModelSettings(**changed)
