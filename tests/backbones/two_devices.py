"""Normalises one batch on one device and shared out over two, and prints by how much they differ.

A program of its own, because a process cannot change the number of its devices once TensorFlow runs.
"""

import json
import sys
from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

from kfer.backbones.normalization import FusedBatchNormalization
from kfer.backbones.recomputation import RecomputedBottleneck

ROWS, SHAPE = 8, (3, 5, 6)
LAYERS: dict[str, Callable[[], keras.layers.Layer]] = {
    "fused": lambda: FusedBatchNormalization(momentum=0.8),
    "recomputed": lambda: RecomputedBottleneck(4, momentum=0.8, epsilon=1e-3),
}


def results(name: str, strategy: tf.distribute.Strategy) -> list[np.ndarray]:
    """Outputs, gradients of inputs and weights, and the statistics on each device."""
    draw = np.random.default_rng(0)
    batch = draw.normal(2.0, 3.0, (ROWS, *SHAPE)).astype(np.float32)
    batch[: ROWS // 2] += 5.0  # the two halves have statistics of their own
    parts = [SHAPE] if name == "fused" else [(*SHAPE[:2], 2), (*SHAPE[:2], 4)]
    with strategy.scope():
        layer = LAYERS[name]()
        layer.build((None, *SHAPE) if name == "fused" else [(None, *part) for part in parts])
    for variable in layer.variables:
        variable.assign(draw.uniform(0.5, 2.0, variable.shape))
    factors = draw.normal(size=(ROWS, *SHAPE[:2], 6 if name == "fused" else 4)).astype(np.float32)

    def replica() -> tuple:
        context = tf.distribute.get_replica_context()
        size = ROWS // context.num_replicas_in_sync
        start = context.replica_id_in_sync_group * size
        inputs = tf.constant(batch)[start : start + size]
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            maps = tf.split(inputs, [part[-1] for part in parts], -1)
            outputs = layer(maps if len(maps) > 1 else maps[0], training=True)
            total = tf.reduce_sum(outputs * tf.constant(factors)[start : start + size])
        first, *rest = tape.gradient(total, [inputs, *(v.value for v in layer.trainable_variables)])
        return outputs, first, context.all_reduce(tf.distribute.ReduceOp.SUM, rest)

    outputs, gradient, rest = tf.function(lambda: strategy.run(replica), autograph=False)()
    local = strategy.experimental_local_results
    statistics = [np.stack([v.numpy() for v in local(s.value)]) for s in layer.non_trainable_variables]
    return [
        np.concatenate([value.numpy() for value in local(outputs)]),
        np.concatenate([value.numpy() for value in local(gradient)]),
        *(local(value)[0].numpy() for value in rest),
        *statistics,
    ]


def main() -> None:
    (cpu,) = tf.config.list_physical_devices("CPU")
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    two = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    differences = {
        name: [
            float(np.abs(one - other).max())
            for one, other in zip(
                results(name, tf.distribute.get_strategy()), results(name, two), strict=True
            )
        ]
        for name in LAYERS
    }
    json.dump(differences, sys.stdout)


if __name__ == "__main__":
    main()
