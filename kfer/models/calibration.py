"""Statistics for batch normalisation that was restored from published weights."""

import itertools
from collections.abc import Callable, Iterable

import keras

from kfer.backbones.normalization import RestoredBatchNormalization
from kfer.backbones.stages import leaves

_BATCHES = 16


def calibrate(network: keras.Model, make_batches: Callable[[], Iterable[tuple]]) -> None:
    """Gives restored batch normalisation that trains the statistics of images.

    The network's outputs in inference stay the same: see `RestoredBatchNormalization`.

    Args:
        network: From `kfer.models.build`.
        make_batches: Makes batches of what the network takes, and labels; the first 16 are seen. Not
            called where the network has no such layer.
    """
    restored = [
        layer
        for layer in leaves(network)
        if isinstance(layer, RestoredBatchNormalization) and layer.trainable
    ]
    if not restored:
        return
    for layer in restored:
        layer.observe()
    for inputs, _ in itertools.islice(make_batches(), _BATCHES):
        network(inputs, training=False)
    for layer in restored:
        layer.calibrate()
