"""The trained networks that a network learns from."""

from typing import Any

import keras

from kfer import spec
from kfer.files import newest
from kfer.models.multitask import load
from kfer.settings.tasks import EMBEDDING, Tasks, active


def teachers(network: keras.Model, tasks: Tasks) -> dict[str, list[keras.Model]]:
    """Returns the networks that each task is distilled from; tasks without any are left out.

    They are frozen, take images of the network's size, and are to be called with `training=False`: one of
    another size sees them resized. What a task learns from is their output of its name; of identity,
    "embedding". A file that several tasks name is loaded once.

    Args:
        network: The one that learns, from `kfer.models.build`.
        tasks: What it learns.

    Raises:
        ValueError: A file is missing or not a network, or the channels of its input or its output for the
            task are not like the network's.
    """
    loaded: dict[str, keras.Model] = {}
    found: dict[str, list[keras.Model]] = {}
    for name, task in active(tasks).items():
        for path in task.teachers:
            where = f"tasks.{name}.teachers: {path}"
            if path not in loaded:
                loaded[path] = _of_size(_loaded(path, where), network)
            output = spec.EMBEDDING if task.kind == EMBEDDING else name
            _check(loaded[path], network, output, where)
            found.setdefault(name, []).append(loaded[path])
    return found


def _loaded(path: str, where: str) -> keras.Model:
    try:
        teacher = load(newest(path))
    except (FileNotFoundError, ValueError) as error:
        raise ValueError(
            f"{where}: expected the .keras file of a network that kfer trained: {error}"
        ) from error
    teacher.trainable = False
    return teacher


def _of_size(teacher: keras.Model, network: keras.Model) -> keras.Model:
    """The teacher behind a layer that brings images of the network's size to its own."""
    own: Any = getattr(teacher, "input_shape", None)
    images: Any = network.input_shape
    are_images = isinstance(own, tuple) and isinstance(images, tuple) and len(own) == len(images) == 4
    if not are_images or own[1:3] == images[1:3] or own[3] != images[3]:
        return teacher  # what does not fit is told of later
    inputs = keras.Input(images[1:])
    resized = keras.layers.Resizing(*own[1:3], interpolation="bilinear", dtype="float32")(inputs)
    sized = keras.Model(inputs, teacher(resized, training=False))
    sized.trainable = False
    return sized


def _check(teacher: keras.Model, network: keras.Model, output: str, where: str) -> None:
    outputs = getattr(teacher, "output", None)  # Keras's sequential networks have none
    found = outputs if isinstance(outputs, dict) else {}
    if output not in found:
        raise ValueError(
            f"{where}: expected a network with an output {output!r}; it has "
            f"{', '.join(found) or 'none with a name'}"
        )
    expected, came = network.output[output].shape[1:], found[output].shape[1:]
    if came != expected:
        raise ValueError(
            f"{where}: expected {list(expected)} numbers an image in {output!r}, as the network that "
            f"learns has; got {list(came)}"
        )
    if teacher.input_shape != network.input_shape:
        raise ValueError(
            f"{where}: expected images {list(network.input_shape[1:])}, as the network that learns takes "
            f"(data.channels; another data.image_size will do); it takes {list(teacher.input_shape[1:])}"
        )
