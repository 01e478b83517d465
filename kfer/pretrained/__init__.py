"""Weights that others trained, or that were saved before, into networks of Keras."""

from pathlib import Path

import keras

from kfer.pretrained import dlib, keras_files, state_dicts
from kfer.pretrained.download import RECIPES, published

__all__ = ["ENDINGS", "RECIPES", "load_weights", "published"]

_KERAS = (".weights.h5", ".keras")
_TORCH = (".pth", ".pt", ".safetensors")
_DLIB = (".dat",)
ENDINGS = _KERAS + _TORCH + _DLIB


def load_weights(
    network: keras.Model, path: str | Path, sum_inputs_of: str = "", ignore: str = ""
) -> None:
    """Puts a file's weights into a network, after everything has been checked.

    Files of torch (`.pth`, `.pt`, `.safetensors`) are state dictionaries whose keys are the names of the
    network's layers and "weight", "bias", "running_mean" or "running_var"; old names of torchvision's
    DenseNets and the prefix of DataParallel are understood. Files of Keras are this network's weights
    (`.weights.h5`), a saved model (`.keras`), or either of a model that contains this network, as kfer's
    models contain their backbone. dlib's network of face recognition (`.dat`) is for "dlib_resnet".

    Args:
        network: A network that is built. Where an error is raised, nothing in it has changed.
        path: The file.
        sum_inputs_of: The layer whose kernel is summed over its three inputs where the network's has one
            (grey images into a network that was trained with RGB).
        ignore: The classifier's layer, which the network may lack where the file has it.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The ending is unknown, the file is damaged or asks for more than arrays, or an array
            is missing, one too many, of another shape or type, NaN or infinite.
    """
    path = Path(path)
    if not path.name.endswith(ENDINGS):
        raise ValueError(f"weights end in {', '.join(ENDINGS)}; got {str(path)!r}")
    if not path.is_file():
        raise FileNotFoundError(f"there is no file of weights {path}; name one that is there")
    loaders = {_KERAS: keras_files.load, _TORCH: state_dicts.load, _DLIB: dlib.load}
    load = next(load for endings, load in loaders.items() if path.name.endswith(endings))
    load(network, path, sum_inputs_of, ignore)
