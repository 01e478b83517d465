"""Gradients of several tasks: which variables they share, and what they make together.

A row has the gradients of one task for each variable, from the network's input to its outputs, with None
for those that the task does not reach.
"""

import itertools
from collections.abc import Mapping, Sequence

import tensorflow as tf

Row = Sequence[tf.Tensor | None]


def shared(rows: Sequence[Row]) -> list[bool]:
    """Returns of each variable whether more than one task reaches it."""
    return [sum(gradient is not None for gradient in column) > 1 for column in zip(*rows, strict=True)]


def last_shared_kernel(rows: Sequence[Row]) -> int | None:
    """Returns where the last kernel is that all tasks reach which share one; None where none is shared.

    Biases and what normalisation scales by are no kernels, but vectors.
    """
    kernels = [
        {index for index, gradient in enumerate(row) if gradient is not None and gradient.shape.rank > 1}
        for row in rows
    ]
    pairs = itertools.permutations(kernels, 2)
    sharing = [own for own, other in pairs if own & other]
    return max(set.intersection(*sharing), default=None) if sharing else None


def inner_products(rows: Sequence[Row], variables: Sequence[bool]) -> tf.Tensor:
    """Returns the inner products of the gradients of each two tasks, float32 `[tasks, tasks]`.

    Args:
        rows: A row a task.
        variables: Of each variable, whether it counts.
    """
    size = len(rows)
    products: dict[tuple[int, int], tf.Tensor] = {}
    for i, j in itertools.combinations_with_replacement(range(size), 2):
        terms = [
            tf.reduce_sum(one * other)
            for one, other, counts in zip(rows[i], rows[j], variables, strict=True)
            if counts and one is not None and other is not None
        ]
        products[i, j] = products[j, i] = tf.add_n(terms) if terms else tf.constant(0.0)
    return tf.stack([tf.stack([products[i, j] for j in range(size)]) for i in range(size)])


def weighted_sum(rows: Mapping[str, Row], weights: Mapping[str, tf.Tensor]) -> list[tf.Tensor | None]:
    """Returns the sum of the tasks' gradients for each variable; None for what no task reaches.

    Args:
        rows: By task.
        weights: Float32 scalars by task.
    """
    columns = zip(*rows.values(), strict=True)
    terms = [
        [
            weights[task] * gradient
            for task, gradient in zip(rows, column, strict=True)
            if gradient is not None
        ]
        for column in columns
    ]
    return [tf.add_n(own) if own else None for own in terms]
