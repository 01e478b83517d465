"""The trained network as exports need it: float32, without what only training uses."""

import hashlib
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kfer import spec
from kfer.models import heads
from kfer.settings import TaskSettings
from kfer.settings.tasks import CLASSES, EMBEDDING, MULTI_LABEL, SOFT_CLASSES, Tasks

_BATCH_SIZE = 64
_PROBABILITIES = {
    CLASSES: tf.nn.softmax,
    SOFT_CLASSES: tf.nn.softmax,
    MULTI_LABEL: tf.math.sigmoid,
}


def weights_digest(model: keras.Model) -> str:
    """Returns a SHA-256 of the network's weights: that of no other network, and of every export of it."""
    digest = hashlib.sha256()
    for weight in model.weights:
        digest.update(f"{weight.shape} {weight.dtype}".encode())
        digest.update(np.ascontiguousarray(weight.numpy()).tobytes())
    return digest.hexdigest()


def exported_tasks(model: keras.Model, tasks: Tasks) -> dict[str, TaskSettings]:
    """Returns the tasks that the network's exports have an output for, in the order of the outputs.

    Args:
        model: The trained network.
        tasks: What it was trained for; those that it has no output for are left out.

    Raises:
        ValueError: The network is not built or its outputs have no names, no task is left, an output is
            no task's, or a task has another number of names than its output has numbers.
    """
    outputs = getattr(model, "output", None)  # a network that is not built has none
    if not isinstance(outputs, dict):
        raise ValueError(
            "expected a network as kfer.models.build makes it, whose outputs have names; got "
            f"{type(model).__name__} {getattr(model, 'name', '')!r} with "
            f"{'no outputs: it is not built' if outputs is None else 'outputs without names'}"
        )
    found = {name: task for name, task in tasks.items() if output_of(name, task) in model.output}
    known = {spec.IDENTITY, *(output_of(name, task) for name, task in found.items())}
    strange = [name for name in model.output if name not in known]
    if strange or not found:
        raise ValueError(
            f"the tasks {', '.join(tasks) or '(none)'} must say what each output of the network is, and "
            f"be at least one; it has {', '.join(model.output)}"
        )
    for name, task in found.items():
        width = model.output[output_of(name, task)].shape[-1]
        if task.kind != EMBEDDING and len(task.names) != width:
            raise ValueError(
                f"tasks.{name}: the network's output has {width} numbers; got {len(task.names)} names: "
                f"{', '.join(task.names)}"
            )
    return found


def check_input(model: keras.Model, image_size: int, channels: int) -> None:
    """Checks what a network takes.

    Raises:
        ValueError: It is not `[n, image_size, image_size, channels]`.
    """
    expected = (None, image_size, image_size, channels)
    if model.input_shape != expected:
        raise ValueError(
            f"expected a network that takes {list(expected)}, as image_size and channels say; "
            f"{model.name!r} takes {model.input_shape}"
        )


def output_of(name: str, task: TaskSettings) -> str:
    """Returns the output that exports have for a task: called as the task, but "embedding"."""
    return spec.EMBEDDING if task.kind == EMBEDDING else name


def keras_outputs(
    model: keras.Model, tasks: Tasks, images: np.ndarray | dict[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """Returns what Keras says of the images, as the exports say it: the reference for parity.

    Args:
        model: The trained network. Whatever its dtype policy, it is run in float32.
        tasks: What it was trained for.
        images: What its input takes, `[n, size, size, channels]` in [0, 255].

    Returns:
        Of float32, by the task's name and in the order of the tasks: of classes and soft classes,
        probabilities `[n, num_classes]` that sum to 1; of several labels, the probability of each,
        `[n, num_labels]`; of a regression, `[n, num_numbers]`; of identity "embedding", L2-normalised
        `[n, embedding_size]`.
    """
    tasks = exported_tasks(model, tasks)
    outputs = in_float32(model).predict(images, batch_size=_BATCH_SIZE, verbose=0)
    tails = add_tails(outputs, tasks, normalise=False)
    return {name: np.asarray(output) for name, output in tails.items()}


def in_float32(model: keras.Model) -> keras.Model:
    """Returns the network with every layer computing in float32: itself, or a copy."""
    config, changed = _with_float32_policies(model.get_config())
    if not changed:
        return model
    copy = type(model).from_config(config)
    copy.set_weights(model.get_weights())
    return copy


def without_tails(model: keras.Model, tasks: Tasks) -> keras.Model:
    """Returns the float32 network from images to logits, numbers, and the raw "embedding".

    The embedding is taken before its layer normalises it: `add_tails` does that with operations
    that the TFLite converter knows as one builtin. The cosines with the people trained on are left out.

    Args:
        model: The trained network.
        tasks: What is exported of it, from `exported_tasks`.
    """
    model = in_float32(model)
    names = [output_of(name, task) for name, task in tasks.items()]
    outputs = {name: model.output[name] for name in names}
    if spec.EMBEDDING in outputs:
        layer = next((layer for layer in model.layers if layer.name == spec.EMBEDDING), None)
        if isinstance(layer, heads.L2Normalization):
            outputs[spec.EMBEDDING] = layer.input
    return keras.Model(model.inputs, outputs, name="exported")


def add_tails(outputs: Mapping[str, Any], tasks: Tasks, normalise: bool = True) -> dict[str, tf.Tensor]:
    """Returns probabilities of the logits, and the embedding L2-normalised unless told not.

    Args:
        outputs: The network's, of `without_tails` or its own.
        tasks: What is exported of it, from `exported_tasks`.
        normalise: Whether the embedding is raw.
    """
    tails = {}
    for name, task in tasks.items():
        output = outputs[output_of(name, task)]
        if task.kind in _PROBABILITIES:
            output = _PROBABILITIES[task.kind](output)
        elif task.kind == EMBEDDING and normalise:
            output = tf.math.l2_normalize(output, axis=-1)
        tails[output_of(name, task)] = output
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
