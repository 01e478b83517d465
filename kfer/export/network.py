"""The trained network as exports need it: float32, without what only training uses."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kfer import spec
from kfer.models import heads

_BATCH_SIZE = 64


def keras_outputs(model: keras.Model, images: np.ndarray) -> dict[str, np.ndarray]:
    """Returns what Keras says of the images, as the exports say it: the reference for parity.

    Args:
        model: The trained network. Whatever its dtype policy, it is run in float32.
        images: What its input takes, `[n, size, size, channels]` in [0, 255].

    Returns:
        Of float32, where the network has them: "expression", probabilities
        `[n, num_expressions]`; "embedding", L2-normalised `[n, embedding_size]`.
    """
    outputs = in_float32(model).predict(images, batch_size=_BATCH_SIZE, verbose=0)
    results = {}
    if spec.EXPRESSION in outputs:
        results[spec.EXPRESSION] = tf.nn.softmax(outputs[spec.EXPRESSION]).numpy()
    if spec.EMBEDDING in outputs:
        results[spec.EMBEDDING] = outputs[spec.EMBEDDING]
    return results


def in_float32(model: keras.Model) -> keras.Model:
    """Returns the network with every layer computing in float32: itself, or a copy."""
    config, changed = _with_float32_policies(model.get_config())
    if not changed:
        return model
    copy = type(model).from_config(config)
    copy.set_weights(model.get_weights())
    return copy


def without_tails(model: keras.Model) -> keras.Model:
    """Returns the float32 network from images to "expression" logits and the raw "embedding".

    The embedding is taken before its layer normalises it: `add_tails` does that with operations
    that the TFLite converter knows as one builtin.
    """
    model = in_float32(model)
    outputs = {name: model.output[name] for name in output_names(model)}
    if spec.EMBEDDING in outputs:
        layer = next((layer for layer in model.layers if layer.name == spec.EMBEDDING), None)
        if isinstance(layer, heads.L2Normalization):
            outputs[spec.EMBEDDING] = layer.input
    return keras.Model(model.inputs, outputs, name="exported")


def output_names(model: keras.Model) -> list[str]:
    """Returns which outputs of the network are exported.

    Raises:
        ValueError: There is none.
    """
    names = [name for name in (spec.EXPRESSION, spec.EMBEDDING) if name in model.output]
    if not names:
        raise ValueError(
            f"a network with an output {spec.EXPRESSION!r} or {spec.EMBEDDING!r} can be exported; "
            f"this one has {', '.join(model.output)}"
        )
    return names


def add_tails(outputs: dict[str, tf.Tensor], normalise: bool = True) -> dict[str, tf.Tensor]:
    """Returns probabilities of the logits, and the raw embedding L2-normalised unless told not."""
    tails = dict(outputs)
    if spec.EXPRESSION in outputs:
        tails[spec.EXPRESSION] = tf.nn.softmax(outputs[spec.EXPRESSION])
    if spec.EMBEDDING in outputs and normalise:
        tails[spec.EMBEDDING] = tf.math.l2_normalize(outputs[spec.EMBEDDING], axis=-1)
    return tails


def _with_float32_policies(config: Any) -> tuple[Any, bool]:
    """The config with each dtype policy replaced by float32, and whether any was another."""
    if isinstance(config, dict):
        if config.get("class_name") == "DTypePolicy":
            return "float32", config["config"]["name"] != "float32"
        items = {key: _with_float32_policies(value) for key, value in config.items()}
        return {key: new for key, (new, _) in items.items()}, any(c for _, c in items.values())
    if isinstance(config, (list, tuple)):
        parts = [_with_float32_policies(value) for value in config]
        return type(config)(new for new, _ in parts), any(changed for _, changed in parts)
    return config, False
