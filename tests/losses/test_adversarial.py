"""Losses of generators and discriminators, by hand."""

import math

import pytest
import tensorflow as tf

from kfer.losses import adversarial


@pytest.mark.parametrize(("kind", "expected"), [("non_saturating", 2 * math.log(2)), ("hinge", 2.0)])
def test_a_discriminator_that_knows_nothing(kind, expected):
    zeros = tf.zeros([4])
    assert float(adversarial.discriminator(zeros, zeros, kind)) == pytest.approx(expected)


def test_hinge_by_hand():
    real, fake = tf.constant([2.0, 0.5]), tf.constant([-3.0, 0.0, 1.0])
    # (0 + 0.5) / 2 + (0 + 1 + 2) / 3
    assert float(adversarial.discriminator(real, fake, "hinge")) == pytest.approx(1.25)
    assert float(adversarial.generator(fake, "hinge")) == pytest.approx(2 / 3)


def test_non_saturating_by_hand():
    score = math.log(3)  # sigmoid(log 3) = 3/4
    real, fake = tf.constant([score]), tf.constant([-score])
    expected = -2 * math.log(0.75)
    assert float(adversarial.discriminator(real, fake, "non_saturating")) == pytest.approx(expected)
    assert float(adversarial.generator(fake, "non_saturating")) == pytest.approx(-math.log(0.25))


def test_smoothed_labels_are_best_met_by_a_finite_score():
    """With labels of 0.9, sigmoid(score) = 0.9 is best, and 0.9 of certainty costs less than more."""
    score = tf.Variable([math.log(9.0)])
    fake = tf.constant([-100.0])
    with tf.GradientTape() as tape:
        loss = adversarial.discriminator(score, fake, "non_saturating", 0.1)
    assert float(tape.gradient(loss, score)[0]) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("kind", ["non_saturating", "hinge"])
def test_generator_and_discriminator_pull_a_score_apart(kind):
    fake = tf.Variable([0.3])
    with tf.GradientTape(persistent=True) as tape:
        of_generator = adversarial.generator(fake, kind)
        of_discriminator = adversarial.discriminator(tf.zeros([1]), fake, kind)
    assert (
        float(tape.gradient(of_generator, fake)[0]) < 0 < float(tape.gradient(of_discriminator, fake)[0])
    )


def test_the_gradient_penalty_of_a_linear_score():
    """A score of w.x has gradient w for every image: half of |w|^2."""
    weights = tf.constant([[1.0, 2.0], [2.0, 4.0]])
    images = tf.random.stateless_normal([3, 2, 2], [0, 1])
    with tf.GradientTape() as tape:
        tape.watch(images)
        scores = tf.reduce_sum(images * weights, axis=[1, 2])
    assert float(adversarial.gradient_penalty(tape.gradient(scores, images))) == pytest.approx(12.5)
