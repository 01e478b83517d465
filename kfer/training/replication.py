"""A second copy of a network to train on, where the given one cannot hold the weights in training."""

import keras
import numpy as np
import tensorflow as tf

from kfer.training.devices import Devices

# Apart enough that the states of two replicas' random generators never meet.
_BETWEEN_SEEDS = 1_000_003


def replicated(model: keras.Model, devices: Devices) -> keras.Model:
    """Returns a copy of a network whose variables are on each device.

    Its batch normalisation takes the statistics of all replicas' batches together.

    Args:
        model: From `kfer.models.build`.
        devices: Where the copy lives.
    """

    def copy(layer: keras.layers.Layer) -> keras.layers.Layer:
        config = layer.get_config()
        # kfer's own layer does so by itself.
        if isinstance(layer, keras.layers.BatchNormalization) and devices.num_replicas > 1:
            config["synchronized"] = True
        return layer.__class__.from_config(config)

    with devices.strategy.scope():
        network = keras.models.clone_model(model, clone_function=copy, recursive=True)
    assign(model, network)
    return network


def assign(source: keras.Model, target: keras.Model) -> None:
    """Gives a network the state of its copy, random states too."""
    for old, new in zip(source.variables, target.variables, strict=True):
        new.assign(np.asarray(old))


def part_seeds(network: keras.Model, devices: Devices) -> None:
    """Lets each replica drop out other features; the first one as a single device would.

    Args:
        network: Whose random states are the same in all replicas.
        devices: Where it lives.
    """
    if devices.num_replicas == 1:
        return
    states = [v.value for v in network.variables if v.name == "seed_generator_state"]

    def move() -> None:
        replica = tf.distribute.get_replica_context().replica_id_in_sync_group
        for state in states:
            offset = tf.cast(tf.stack([replica * _BETWEEN_SEEDS, 0]), tf.int64)
            state.assign(tf.cast(tf.cast(state, tf.int64) + offset, state.dtype))

    tf.function(lambda: devices.strategy.run(move), autograph=False)()
