"""The networks that turn an image into features, found by name.

A module of this folder whose function `build` takes `(image_shape, weights, **arguments)` is a
backbone of the module's name; so is every network of `keras.applications`.
"""

import difflib
import importlib
import inspect
import pkgutil
import sys
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np

from kfer import pretrained


def names() -> list[str]:
    """Returns the backbones' names: this folder's, then those of `keras.applications`."""
    own = _own()
    return [*own, *sorted(_applications().keys() - own.keys())]


def build(
    name: str, image_shape: tuple[int, int, int], weights: str | None = None, **arguments: Any
) -> keras.Model:
    """Returns a backbone.

    Args:
        name: "compact", "densenet161", "dlib_resnet", "resnet152", or a function of `keras.applications`
            in any case ("MobileNetV3Small").
        image_shape: Height, width and channels (1 or 3) of its input.
        weights: None for random ones, or what the backbone's own `weights` takes ("imagenet", a
            file).
        **arguments: Keyword arguments of the backbone.

    Returns:
        A model from float images `[n, height, width, channels]` in [-1, 1] to a feature map
        `[n, h, w, c]`, or to a feature vector `[n, c]`.

    Raises:
        ValueError: No backbone has this name, or it cannot take this image, weights or arguments.
    """
    known = _known(name)
    own = _own().get(known)
    if own is None:
        return application(known, image_shape, weights, **arguments)
    _check_arguments(known, own, arguments)
    return own(image_shape, weights, **arguments)


def embedding(name: str, weights: str) -> np.ndarray:
    """Returns the matrix with which a backbone's weights make an embedding of its pooled features.

    Args:
        name: A backbone whose module has a function `embedding`: "dlib_resnet".
        weights: As of `build`.

    Returns:
        float32 `[features, numbers]`.

    Raises:
        ValueError: The backbone has none, or the weights are of another kind.
    """
    own = _own().get(_known(name))
    make = vars(sys.modules[own.__module__]).get("embedding") if own else None
    if make is None:
        raise ValueError(f"backbone {name!r} brings no embedding of its own; 'dlib_resnet' does")
    return np.asarray(make(weights))


def application(
    name: str, image_shape: tuple[int, int, int], weights: str | None = None, **arguments: Any
) -> keras.Model:
    """Returns a network of `keras.applications` without its classifier.

    It is given what it was made for: RGB (grey is repeated), in the range of its own
    `preprocess_input`.

    Args:
        name: The function's name in lower case.
        image_shape: Height, width and channels (1 or 3).
        weights: The function's `weights`, or a file that `kfer.pretrained.load_weights` reads.
        **arguments: Its other keyword arguments.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The function does not take this image, weights or arguments.
    """
    function = _applications()[name]
    _check_arguments(name, function, arguments)
    height, width, channels = image_shape
    images = keras.Input(image_shape, name="images")
    colour = keras.layers.Concatenate()([images] * 3) if channels == 1 else images
    scaled = keras.layers.Rescaling(127.5, offset=127.5)(colour)
    preprocess_input = sys.modules[function.__module__].preprocess_input
    file = weights if weights and weights.endswith(pretrained.ENDINGS) else None
    trunk = function(
        include_top=False,
        weights=None if file else weights,
        input_shape=(height, width, 3),
        **arguments,
    )
    if file:
        pretrained.load_weights(trunk, file, ignore="predictions")
    return keras.Model(images, trunk(preprocess_input(scaled)), name=name)


def load(network: keras.Model, weights: str | None, first: str = "", head: str = "") -> None:
    """Puts weights into a network; None leaves it as it is.

    Args:
        network: A backbone of this folder.
        weights: None, one of `kfer.pretrained.RECIPES`, or a file.
        first: The layer whose kernel is summed over its inputs where the network sees grey and the
            weights RGB.
        head: The classifier's layer; the network may lack it where the weights have it.

    Raises:
        OSError: The file is not there, or cannot be downloaded.
        ValueError: The weights do not fit the network, or are not published for it.
    """
    if weights:
        published = weights in pretrained.RECIPES
        path = pretrained.published(network.name, weights) if published else weights
        pretrained.load_weights(network, path, sum_inputs_of=first, ignore=head)


def check_size(name: str, image_shape: Sequence[int], smallest: int) -> None:
    """Checks that images are large enough for a network's strides.

    Raises:
        ValueError: Height or width is below `smallest` pixels.
    """
    height, width = image_shape[:2]
    if min(height, width) < smallest:
        raise ValueError(
            f"backbone {name!r} halves images until {smallest} pixels are one: expected at least "
            f"{smallest} x {smallest} pixels; got {height} x {width}"
        )


def _own() -> dict[str, Callable[..., keras.Model]]:
    """The functions `build` of this folder's modules by the modules' names."""
    found = [module.name for module in pkgutil.iter_modules(__path__)]
    modules = {name: importlib.import_module(f"{__name__}.{name}") for name in found}
    return {name: module.build for name, module in modules.items() if hasattr(module, "build")}


def _applications() -> dict[str, Callable[..., keras.Model]]:
    """The functions of `keras.applications` by their names in lower case."""
    found = vars(keras.applications)
    return {name.lower(): value for name, value in found.items() if callable(value)}


def _known(name: str) -> str:
    allowed = names()
    if name.lower() in allowed:
        return name.lower()
    nearest = difflib.get_close_matches(name.lower(), allowed, n=1, cutoff=0.0)[0]
    raise ValueError(
        f"no backbone is called {name!r}; the nearest is {nearest!r}; allowed: {', '.join(allowed)}"
    )


def _check_arguments(name: str, function: Callable[..., keras.Model], arguments: dict[str, Any]) -> None:
    try:
        inspect.signature(function).bind_partial(**arguments)
    except TypeError as error:
        allowed = ", ".join(inspect.signature(function).parameters)
        raise ValueError(f"backbone {name!r}: {error}; allowed: {allowed}") from error
