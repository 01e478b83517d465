"""Losses by which a network learns from others, its teachers. They need no label: every example counts.

Several teachers' outputs come as a list, or stacked `[teachers, n, ...]`; they get no gradient.
"""

from collections.abc import Sequence
from typing import TypeAlias

import tensorflow as tf

from kfer.losses.means import weighted_mean

Teachers: TypeAlias = "tf.Tensor | Sequence[tf.Tensor]"


def softmax_distillation(
    student_logits: tf.Tensor, teacher_logits: Teachers, temperature: float = 2.0
) -> tf.Tensor:
    """Returns how far a student's class probabilities are from its teachers', at a temperature.

    Hinton et al. 2015, "Distilling the Knowledge in a Neural Network", equation 1 and section 2: the
    divergence `KL(teacher || student)` of softmaxes of logits over the temperature `T`, times `T^2`, so
    that its gradient keeps its size; the mean over examples. It differs from their cross-entropy by what
    the student cannot change, and is 0 for a student that agrees. The probabilities of several
    teachers are averaged.

    Example:
        >>> teacher = [[100.0, 0.0]]  # all but sure at any temperature near 1
        >>> round(float(softmax_distillation([[0.0, 0.0]], [teacher], temperature=2.0)), 4)  # 4 log 2
        2.7726

    Args:
        student_logits: Float `[n, num_classes]`.
        teacher_logits: Float `[n, num_classes]` of each teacher.
        temperature: Above 0.

    Returns:
        A float32 scalar, at least 0; 0 where there is no example.

    Raises:
        ValueError: A teacher has another number of classes.
    """
    student, teachers = _aligned(student_logits, teacher_logits)
    targets = tf.reduce_mean(tf.nn.softmax(teachers / temperature), 0)
    log_student = tf.nn.log_softmax(student / temperature)
    values = tf.reduce_sum(tf.math.xlogy(targets, targets) - targets * log_student, -1)
    return temperature**2 * _mean(values)


def binary_distillation(
    student_logits: tf.Tensor, teacher_logits: Teachers, temperature: float = 2.0
) -> tf.Tensor:
    """Returns how far a student's yes-or-no probabilities are from its teachers', at a temperature.

    As `softmax_distillation`, with the sigmoid's two classes for each label; the mean over all labels.

    Example:
        >>> round(float(binary_distillation([[0.0]], [[[100.0]]], temperature=2.0)), 4)  # 4 log 2
        2.7726

    Args:
        student_logits: Float `[n, num_labels]`.
        teacher_logits: Float `[n, num_labels]` of each teacher.
        temperature: Above 0.

    Returns:
        A float32 scalar, at least 0; 0 where there is no example.

    Raises:
        ValueError: A teacher has another number of labels.
    """
    student, teachers = _aligned(student_logits, teacher_logits)
    targets = tf.reduce_mean(tf.sigmoid(teachers / temperature), 0)
    values = tf.nn.sigmoid_cross_entropy_with_logits(targets, student / temperature)
    values += tf.math.xlogy(targets, targets) + tf.math.xlogy(1.0 - targets, 1.0 - targets)
    return temperature**2 * _mean(values)


def regression_distillation(student: tf.Tensor, teachers: Teachers) -> tf.Tensor:
    """Returns the mean squared difference between a student's numbers and the mean of its teachers'.

    Ba and Caruana 2014, "Do Deep Nets Really Need to be Deep?", equation 1, twice the mean.

    Example:
        >>> float(regression_distillation([[0.0]], [[[1.0]], [[3.0]]]))
        4.0

    Args:
        student: Float `[n, k]`.
        teachers: Float `[n, k]` of each teacher.

    Returns:
        A float32 scalar, at least 0; 0 where there is no example.

    Raises:
        ValueError: A teacher has another number of numbers.
    """
    student, teachers = _aligned(student, teachers)
    return _mean((student - tf.reduce_mean(teachers, 0)) ** 2)


def embedding_distillation(student: tf.Tensor, teachers: Teachers) -> tf.Tensor:
    """Returns 1 minus the cosine of a student's and a teacher's embedding, the mean over all.

    On the unit sphere it is half the squared distance, by which a student imitates features in Romero
    et al. 2015, "FitNets", equation 3.

    Example:
        >>> round(float(embedding_distillation([[0.0, 2.0]], [[[3.0, 4.0]]])), 4)  # 1 - 4 / 5
        0.2

    Args:
        student: Float `[n, size]`, not necessarily normalised.
        teachers: Float `[n, size]` of each teacher; likewise.

    Returns:
        A float32 scalar in [0, 2]; 0 where there is no example.

    Raises:
        ValueError: A teacher's embeddings have another size.
    """
    student, teachers = _aligned(student, teachers)
    products = tf.math.l2_normalize(student, -1) * tf.math.l2_normalize(teachers, -1)
    return _mean(1.0 - tf.reduce_sum(products, -1))


def _aligned(student: tf.Tensor, teachers: Teachers) -> tuple[tf.Tensor, tf.Tensor]:
    student = tf.cast(student, tf.float32)
    if isinstance(teachers, Sequence):
        each = [tf.cast(teacher, tf.float32) for teacher in teachers]
    else:
        each = tf.unstack(tf.cast(teachers, tf.float32))
    for teacher in each:
        if teacher.shape[-1] != student.shape[-1]:
            raise ValueError(
                f"expected teachers with {student.shape[-1]} outputs for an example, as the student "
                f"has; got {teacher.shape[-1]}. A teacher must have learned the same classes, in the "
                "same order, or embeddings of the same size"
            )
    return student, tf.stop_gradient(tf.stack(each))


def _mean(values: tf.Tensor) -> tf.Tensor:
    return weighted_mean(values, tf.ones_like(values))
