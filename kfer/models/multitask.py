"""One network that says who a face is and what it expresses."""

import keras
from keras import layers

from kfer import backbones, spec
from kfer.models import heads
from kfer.settings import ModelSettings


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
        `[n, num_identities]` in [-1, 1]; "embedding", L2-normalised `[n, embedding_size]`.

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
        backbone = backbones.build(
            settings.backbone, scaled.shape[1:], settings.weights, **settings.backbone_arguments
        )
        features = backbone(scaled)
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
