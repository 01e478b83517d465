"""Training of a generator: what it learns, resuming, and what goes wrong."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from kfer.settings import AdversarialSettings, DcganSettings
from kfer.training import dcgan
from kfer.training.adversarial import ConditionalDcgan

NETWORK = DcganSettings(noise_size=4, generator_widths=(16, 8), discriminator_widths=(8, 16))
TRAINING = AdversarialSettings(epochs=2, batch_size=16, samples=3, average=0.9, mirror=False)
CLASSES = {"expression": 2}
GOOD = {
    "variety": 0.8,
    "least_variety": 0.5,
    "real_accuracy": 0.7,
    "fake_accuracy": 0.8,
    "generator_gradient": 1.0,
}


def drawn(labels: np.ndarray) -> np.ndarray:
    """Bright above and dark below for class 0, the other way round for 1, of changing brightness."""
    rows = np.where(np.arange(16) < 8, 1.0, -1.0) * (1 - 2 * labels[:, None])
    strength = np.random.default_rng(labels.sum()).uniform(60, 120, (len(labels), 1))
    return np.tile((127.5 + strength * rows)[:, :, None, None], (1, 1, 16, 1)).astype(np.float32)


def batches(start: int, labels: np.ndarray | None = None) -> tf.data.Dataset:
    def batch(step: tf.Tensor) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
        chosen = np.random.default_rng(int(step)).integers(0, 2, 16).astype(np.int32)
        return drawn(chosen), chosen

    steps = tf.data.Dataset.counter(start)
    made = steps.map(lambda step: tf.numpy_function(batch, [step], [tf.float32, tf.int32]))
    return made.map(
        lambda images, chosen: (
            tf.ensure_shape(images, [16, 16, 16, 1]),
            {"expression": tf.ensure_shape(chosen, [16])},
        )
    )


def fit(
    work_dir: Path,
    training: AdversarialSettings = TRAINING,
    network: DcganSettings = NETWORK,
    make_batches: dcgan.MakeBatches = batches,
    steps: int = 4,
    until: int | None = None,
    shown: dict | None = None,
    digest: str = "",
):
    real = {label: drawn(np.full(8, label)).astype(np.uint8) for label in (0, 1)}
    shown = {} if shown is None else shown
    arguments = (16, 1, CLASSES, work_dir, real, shown.__setitem__)
    return dcgan.fit(make_batches, steps, network, training, *arguments, until=until, digest=digest)


@pytest.mark.parametrize("normalization", ["spectral", "batch", "none"])
def test_a_generator_learns_what_a_class_looks_like(tmp_path, normalization):
    training = dataclasses.replace(
        TRAINING, epochs=1, generator_learning_rate=2e-3, discriminator_learning_rate=2e-3
    )
    network = dataclasses.replace(NETWORK, normalization=normalization)
    generator, history = fit(tmp_path, training, network, steps=150)
    noise = np.random.default_rng(5).standard_normal((20, 4), np.float32)
    for label, sign in ((0, 1), (1, -1)):
        told = {"expression": np.full(20, label)}
        images = dcgan.draw(generator, told, noise, CLASSES).astype(float)
        differences = images[:, :8].mean((1, 2, 3)) - images[:, 8:].mean((1, 2, 3))
        assert np.median(sign * differences) > 30
    assert history[0]["class_loss"] < np.log(2)


@pytest.mark.parametrize(
    "changes",
    [
        {"loss": "hinge"},
        {"loss": "non_saturating", "label_smoothing": 0.1},
        {"loss": "non_saturating", "r1": 1.0, "r1_interval": 2},
        {"mixed_precision": "mixed_bfloat16"},
        {"schedule": "constant", "average": 0.0, "mirror": True, "augmentation": ()},
    ],
)
def test_every_setting_trains(tmp_path, changes):
    shown: dict = {}
    _, history = fit(tmp_path, dataclasses.replace(TRAINING, **changes), shown=shown)
    assert [row["epoch"] for row in history] == [1, 2]
    assert np.isfinite([list(row.values()) for row in history]).all()
    assert sorted(shown) == [1, 2]
    assert {label: images.shape for label, images in shown[2].items()} == dict.fromkeys(
        (0, 1), (3, 16, 16, 1)
    )
    assert (tmp_path / "history.csv").read_text().startswith("epoch,")
    assert list((tmp_path / "logs").rglob("events.out.tfevents.*"))


def test_a_resumed_training_ends_as_one_that_was_not_stopped(tmp_path):
    whole, history = fit(tmp_path / "whole")
    fit(tmp_path / "parts", until=1)
    resumed, resumed_history = fit(tmp_path / "parts")
    for expected, got in zip(whole.get_weights(), resumed.get_weights(), strict=True):
        np.testing.assert_allclose(got, expected, atol=1e-6)
    for expected, got in zip(history, resumed_history, strict=True):
        kept = expected.keys() - {"images_per_second"}
        assert {name: got[name] for name in kept} == pytest.approx(
            {name: expected[name] for name in kept}, rel=1e-3
        )
    again, _ = fit(tmp_path / "parts")
    for expected, got in zip(resumed.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(got, expected)


def test_other_settings_do_not_go_on_from_a_checkpoint(tmp_path):
    fit(tmp_path, until=1)
    with pytest.raises(ValueError, match="other settings: loss was 'non_saturating' and is 'hinge'"):
        fit(tmp_path, dataclasses.replace(TRAINING, loss="hinge"))
    with pytest.raises(ValueError, match="generator_widths was"):
        fit(tmp_path, network=dataclasses.replace(NETWORK, generator_widths=(8, 8)))
    with pytest.raises(ValueError, match="examples was '' and is 'abc'"):
        fit(tmp_path, digest="abc")


def test_what_is_not_a_number_stops_and_keeps_the_last_checkpoint(tmp_path):
    def spoilt(start: int) -> tf.data.Dataset:
        return tf.data.Dataset.zip((batches(start), tf.data.Dataset.counter(start))).map(
            lambda batch, step: (batch[0] + tf.where(step == 5, float("nan"), 0.0), batch[1])
        )

    with pytest.raises(FloatingPointError, match=r"step 2 is not a number in epoch 2.*epoch 1 is kept"):
        fit(tmp_path, make_batches=spoilt)
    _, history = fit(tmp_path)
    assert len(history) == 2
    assert np.isfinite([list(row.values()) for row in history]).all()


def test_weights_that_are_not_numbers_replace_no_checkpoint(tmp_path):
    """The losses of the last step were those of the weights before it."""

    def spoilt(start: int) -> tf.data.Dataset:
        factor = tf.data.Dataset.counter(start).map(lambda step: tf.where(step == 7, 1e30, 1.0))
        return tf.data.Dataset.zip((batches(start), factor)).map(
            lambda batch, factor: (batch[0] * factor, batch[1])
        )

    network = dataclasses.replace(NETWORK, normalization="none")
    training = dataclasses.replace(TRAINING, loss="hinge", augmentation=())
    with pytest.raises(FloatingPointError, match=r"in epoch 2.*epoch 1 is kept"):
        fit(tmp_path, training, network, spoilt)
    assert len(dcgan.checkpoint.load(tmp_path, {}).history) == 1


def test_real_images_are_judged_as_the_settings_say(tmp_path):
    """A step's figures do not depend on the number of classes that the labels leave open."""
    model = ConditionalDcgan(NETWORK, TRAINING, 16, 1, CLASSES, 10)
    images = tf.zeros([16, 16, 16, 1])
    figures = model.train_step((images, {"expression": tf.fill([16], -1)}))
    assert float(figures["class_loss"]) == 0


def test_warnings_say_what_goes_wrong():
    assert dcgan.warnings(GOOD) == []
    assert "mode collapse" in dcgan.warnings({**GOOD, "least_variety": 0.1})[0]
    assert "tells nearly all" in dcgan.warnings({**GOOD, "real_accuracy": 1.0, "fake_accuracy": 1.0})[0]
    assert "vanished" in dcgan.warnings({**GOOD, "generator_gradient": 1e-6})[0]


def test_a_collapsed_generator_is_told(tmp_path, caplog):
    """A generator that cannot move draws one picture whatever the noise is."""
    training = dataclasses.replace(TRAINING, epochs=1, generator_learning_rate=1e-12)
    with caplog.at_level("WARNING", "kfer.training.dcgan"):
        _, history = fit(tmp_path, training)
    assert history[0]["least_variety"] < dcgan.LEAST_VARIETY
    assert "mode collapse" in caplog.text
