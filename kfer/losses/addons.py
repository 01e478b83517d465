"""The triplet losses of tensorflow-addons, where it is installed; nothing else imports that package.

It is at its end of life (0.23.0, Python 3.11 at most) and knows Keras 2 alone. It loads beside Keras 3
where `tf.keras` is tf_keras while it is imported, and `keras.src.engine`, a module that Keras 3 no longer
has, holds tf_keras's `keras_tensor`. Both are put back afterwards: `tf.keras`, and what the rest of the
process sees of Keras, is as it was.
"""

import contextlib
import functools
import importlib.util
import logging
import sys
import types
import warnings
from collections.abc import Iterator
from typing import Any

import tensorflow as tf

_PACKAGES = ("tensorflow_addons", "tf_keras")
_LEGACY_NAMES = ("tensorflow.keras", "keras.src.engine")

_logger = logging.getLogger(__name__)


@functools.cache
def available() -> bool:
    """Returns whether tensorflow-addons can be used; the first call loads it, which takes seconds."""
    missing = [name for name in _PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        _logger.debug("tensorflow-addons is not used: %s not installed", " and ".join(missing))
        return False
    try:
        _losses()
    except Exception as error:  # Nobody mends that package: beside newer ones it may fail in any way.
        _logger.warning("tensorflow-addons is installed and does not load, so it is not used: %s", error)
        return False
    _logger.info("the triplet losses are those of tensorflow-addons")
    return True


def triplet_semihard(labels: tf.Tensor, embeddings: tf.Tensor, margin: float) -> tf.Tensor:
    """Returns tfa.losses.triplet_semihard_loss on squared distances.

    Args:
        labels: Integers `[n]`, none missing.
        embeddings: Float32 `[n, size]`, L2-normalised.
        margin: Added to the distance of a pair of one person.
    """
    return _losses().triplet_semihard_loss(labels, embeddings, margin, "squared-L2")


def triplet_hard(labels: tf.Tensor, embeddings: tf.Tensor, margin: float, soft: bool) -> tf.Tensor:
    """Returns tfa.losses.triplet_hard_loss on distances.

    Args:
        labels: Integers `[n]`, none missing.
        embeddings: Float32 `[n, size]`, L2-normalised.
        margin: Added to the distance of a pair of one person.
        soft: Whether the margin is a soft one.
    """
    return _losses().triplet_hard_loss(labels, embeddings, margin, soft, "L2")


@functools.cache
def _losses() -> Any:
    with _legacy_keras(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Of its end, and of a TensorFlow that it was not tested with.
        from tensorflow_addons import losses
    return losses


@contextlib.contextmanager
def _legacy_keras() -> Iterator[None]:
    import tf_keras
    from tf_keras.src.engine import keras_tensor

    engine = types.ModuleType("keras.src.engine")
    engine.keras_tensor = keras_tensor  # type: ignore[attr-defined]
    modules, attribute = _pop_legacy_modules(), vars(tf)["keras"]
    sys.modules.update(dict(zip(_LEGACY_NAMES, (tf_keras, engine), strict=True)))
    tf.keras = tf_keras
    try:
        yield
    finally:
        _pop_legacy_modules()
        sys.modules.update(modules)
        tf.keras = attribute


def _pop_legacy_modules() -> dict[str, types.ModuleType]:
    prefixes = tuple(f"{name}." for name in _LEGACY_NAMES)
    names = [name for name in sys.modules if name in _LEGACY_NAMES or name.startswith(prefixes)]
    return {name: sys.modules.pop(name) for name in names}
