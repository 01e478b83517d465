import math

import numpy as np
import pytest
import tensorflow as tf

from kfer import losses

SOFTMAX = losses.softmax_distillation
ALL = [
    losses.softmax_distillation,
    losses.binary_distillation,
    losses.regression_distillation,
    losses.embedding_distillation,
]


def test_softmax_distillation_by_hand() -> None:
    # At a temperature of 2, (2 log 3, 0) is (3/4, 1/4); the student says (1/2, 1/2).
    value = losses.softmax_distillation([[0.0, 0.0]], [[[2 * math.log(3), 0.0]]], temperature=2.0)
    divergence = 0.75 * math.log(0.75 / 0.5) + 0.25 * math.log(0.25 / 0.5)
    assert float(value) == pytest.approx(4 * divergence, rel=1e-5)


def test_binary_distillation_by_hand() -> None:
    value = losses.binary_distillation([[0.0]], [[[2 * math.log(3)]]], temperature=2.0)
    divergence = 0.75 * math.log(0.75 / 0.5) + 0.25 * math.log(0.25 / 0.5)
    assert float(value) == pytest.approx(4 * divergence, rel=1e-5)


def test_probabilities_of_teachers_are_averaged_not_their_logits() -> None:
    # (3/4, 1/4) and (1/4, 3/4) average to (1/2, 1/2); with (3/4, 1/4) and (1/100, 99/100) they would not.
    one, other = [[math.log(3), 0.0]], [[0.0, math.log(99)]]
    average = (0.75 + 0.01) / 2
    student = [[math.log(average / (1 - average)), 0.0]]
    assert float(SOFTMAX(student, [one, other], temperature=1.0)) == pytest.approx(0, abs=1e-6)
    student = [[student[0][0]]]
    teachers = [[[math.log(3)]], [[-math.log(99)]]]
    value = losses.binary_distillation(student, teachers, temperature=1.0)
    assert float(value) == pytest.approx(0, abs=1e-6)


def test_regression_and_embedding_distillation_by_hand() -> None:
    value = losses.regression_distillation([[0.0, 1.0]], [[[1.0, 1.0]], [[2.0, 3.0]]])
    assert float(value) == pytest.approx((1.5**2 + 1.0**2) / 2)
    # 0 and 90 degrees from two teachers of other lengths.
    value = losses.embedding_distillation([[2.0, 0.0]], [[[5.0, 0.0]], [[0.0, 0.1]]])
    assert float(value) == pytest.approx(0.5)


@pytest.mark.parametrize("loss", ALL)
def test_a_student_that_agrees_has_no_loss_and_no_gradient(loss, value_and_gradient) -> None:
    outputs = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)
    value, gradient = value_and_gradient(lambda t, s: loss(s, t), [outputs, outputs], outputs)
    assert value == pytest.approx(0, abs=1e-6)
    np.testing.assert_allclose(gradient, 0, atol=1e-6)


@pytest.mark.parametrize("loss", ALL)
def test_a_list_of_teachers_equals_a_stack_of_them(loss) -> None:
    student, one, other = np.random.default_rng(0).normal(size=(3, 4, 3)).astype(np.float32)
    value = float(loss(student, [one, other]))
    assert value > 0.01
    assert float(loss(student, tf.stack([one, other]))) == pytest.approx(value)


@pytest.mark.parametrize("loss", ALL)
def test_teachers_have_no_gradient(loss) -> None:
    student, teacher = np.random.default_rng(0).normal(size=(2, 4, 3)).astype(np.float32)
    teacher = tf.Variable(teacher)
    with tf.GradientTape() as tape:
        value = loss(student, [teacher])
    assert tape.gradient(value, teacher) is None


@pytest.mark.parametrize("loss", ALL)
def test_extreme_outputs_have_a_finite_gradient(loss, value_and_gradient) -> None:
    huge = np.array([[1e15, -1e15, 0.0], [0.0, 0.0, 0.0]])
    value, gradient = value_and_gradient(lambda t, s: loss(s, t), [-huge, huge], huge)
    assert np.isfinite(value)
    assert np.isfinite(gradient).all()


@pytest.mark.parametrize("loss", ALL)
def test_mixed_precision_is_computed_with_in_float32(loss, value_and_gradient) -> None:
    student, teacher = np.random.default_rng(0).normal(size=(2, 4, 3))
    narrow = [tf.constant(teacher, tf.bfloat16)]
    rounded = tf.cast(tf.constant(student, tf.bfloat16), tf.float32).numpy()
    value, _ = value_and_gradient(lambda t, s: loss(s, t), narrow, rounded)
    assert value_and_gradient(lambda t, s: loss(s, t), narrow, student, dtype=tf.bfloat16)[0] == value


@pytest.mark.parametrize("loss", ALL)
def test_no_example_gives_zero(loss) -> None:
    assert float(loss(np.zeros((0, 3)), [np.zeros((0, 3))])) == 0


def test_the_gradient_keeps_its_size_as_the_temperature_rises(value_and_gradient) -> None:
    # Hinton et al. 2015, section 2.1: at high temperatures it nears (student - teacher) / classes.
    student, teacher = np.random.default_rng(0).normal(size=(2, 1, 3))
    student, teacher = student - student.mean(), teacher - teacher.mean()
    _, gradient = value_and_gradient(lambda t, s: SOFTMAX(s, t, 1000.0), [teacher], student)
    np.testing.assert_allclose(gradient, (student - teacher) / 3, atol=2e-3)


@pytest.mark.parametrize("loss", ALL)
def test_a_teacher_of_other_classes_is_refused(loss) -> None:
    with pytest.raises(
        ValueError, match=r"teachers with 3 outputs .* got 4.* must have learned the same"
    ):
        loss(np.zeros((2, 3)), [np.zeros((2, 3)), np.zeros((2, 4))])
