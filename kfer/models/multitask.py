"""One network that says who a face is and what it expresses."""

from pathlib import Path

import keras
from keras import layers

from kfer import backbones, spec

# Keras finds layers of its own file format by name once their modules are imported.
from kfer.backbones import normalization as normalization
from kfer.backbones import recomputation as recomputation
from kfer.models import heads
from kfer.settings import ModelSettings

_FEATURES = "features"


def build(
    settings: ModelSettings,
    image_size: int,
    channels: int,
    num_expressions: int,
    num_identities: int,
    seed: int,
    dtype_policy: str = "float32",
) -> keras.Model:
    """Returns an untrained network.

    Args:
        settings: The backbone and its heads.
        image_size: Height and width of the input in pixels.
        channels: 1 for grey, 3 for RGB.
        num_expressions: Expression classes; 0 leaves the head out.
        num_identities: People to train on; 0 leaves the head and the embedding out.
        seed: Seeds the random weights and dropout, and with them Python's, NumPy's and
            TensorFlow's global generators.
        dtype_policy: Keras's policy of the backbone: "float32", "mixed_bfloat16" or
            "mixed_float16". The outputs are float32 under each.

    Returns:
        A model from images `[n, image_size, image_size, channels]` in [0, 255], uint8 or float, to
        a dict of float32: "expression", logits `[n, num_expressions]`; "identity", cosines
        `[n, num_identities]` in [-1, 1]; "embedding", L2-normalised `[n, embedding_size]`. Its only
        layer that is a model is the backbone (`backbone`); the output of its layer "features" is what
        the heads take (`split`).

    Raises:
        ValueError: There is nothing to predict, or the settings name an unknown backbone.
    """
    if not num_expressions and not num_identities:
        raise ValueError("a network needs expressions or identities to predict; both numbers are 0")
    keras.utils.set_random_seed(seed)
    previous = keras.config.dtype_policy()
    keras.config.set_dtype_policy(dtype_policy)
    try:
        images = keras.Input((image_size, image_size, channels), name=spec.IMAGE)
        scaled = layers.Rescaling(1 / 127.5, offset=-1.0, name="scale")(images)
        trunk = backbones.build(
            settings.backbone, scaled.shape[1:], settings.weights, **settings.backbone_arguments
        )
        features = layers.Identity(name=_FEATURES)(trunk(scaled))
        outputs = {}
        if num_expressions:
            outputs[spec.EXPRESSION] = heads.expression(features, num_expressions, settings.dropout)
        if num_identities:
            embedding = heads.embedding(features, settings.embedding_size, settings.dropout)
            cosines = heads.CosineLogits(num_identities, dtype="float32", name=spec.IDENTITY)
            outputs[spec.IDENTITY] = cosines(embedding)
            outputs[spec.EMBEDDING] = embedding
        return keras.Model(images, outputs, name="multitask")
    finally:
        keras.config.set_dtype_policy(previous)


def load(path: str | Path) -> keras.Model:
    """Returns a network that `build` made and that was saved as a `.keras` file, for inference.

    Raises:
        ValueError: The file is not such a network.
    """
    return keras.models.load_model(path, compile=False)


def backbone(network: keras.Model) -> keras.Model:
    """Returns the backbone of a network that `build` made, also of one that was saved and loaded.

    Raises:
        ValueError: The network does not have one backbone.
    """
    found = [layer for layer in network.layers if isinstance(layer, keras.Model)]
    if len(found) != 1:
        raise ValueError(
            f"expected a network from kfer.models.build, which has one backbone; got {network.name!r}, "
            f"which has {len(found)}"
        )
    return found[0]


def split(network: keras.Model) -> tuple[keras.Model, keras.Model]:
    """Returns the two halves of a network that `build` made, from images to features and from there on.

    They share the network's variables. The first holds the scaling and the backbone; the second gives
    the network's outputs.
    """
    features = network.get_layer(_FEATURES).output
    trunk = keras.Model(network.input, features, name="trunk")
    return trunk, keras.Model(features, network.output, name="heads")
