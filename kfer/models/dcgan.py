"""A generator of faces from noise and classes, and the discriminator that it is trained against.

Radford et al. 2016, "Unsupervised representation learning with deep convolutional generative adversarial
networks" (https://arxiv.org/abs/1511.06434), section 3, with what later work made of its conditions.
"""

from collections.abc import Mapping, Sequence

import keras
from keras import layers, ops

from kfer.models import precision
from kfer.models.spectral import SpectralNormalization
from kfer.settings.generation import DcganSettings

NOISE, IMAGES, SCORE = "noise", "images", "score"
# Radford et al. 2016, section 4: weights from a normal distribution, the slope of LeakyReLU.
_DEVIATION, _SLOPE = 0.02, 0.2
# Of the moving statistics of batches: the generator that makes them never stops moving.
_MOMENTUM = 0.9
# Even in a stride of 2, so that transposed convolutions leave no checkerboard (Odena et al. 2016).
_KERNEL, _RESIZED_KERNEL = 4, 3


def generator(
    settings: DcganSettings,
    image_size: int,
    channels: int,
    num_classes: Mapping[str, int],
    dtype_policy: str = "float32",
) -> keras.Model:
    """Returns an untrained generator.

    Noise becomes the smallest maps; each layer makes them twice as high and wide. Batches are normalised,
    with a scale and a shift that the classes choose (de Vries et al. 2017, equation 4,
    https://arxiv.org/abs/1707.00683). Classes beside the noise, at the input, would be most of what a
    batch differs by, and noise then has little to say: generators that had them drew one face a class.

    Args:
        settings: Of both networks.
        image_size: Height and width of the images in pixels.
        channels: 1 for grey, 3 for RGB.
        num_classes: Of each of `settings.conditions`.
        dtype_policy: Keras's.

    Returns:
        A model from a dict of "noise", float32 `[n, noise_size]`, standard normal, and of each condition,
        float32 `[n, num_classes]`, 1 for its class and else 0, or 0 alone where it is open, to images
        float32 `[n, image_size, image_size, channels]` in [-1, 1].

    Raises:
        ValueError: The images cannot be halved as often as there are widths.
    """
    start = _smallest(image_size, settings.generator_widths)
    with precision.dtype_policy(dtype_policy):
        noise = keras.Input((settings.noise_size,), name=NOISE, dtype="float32")
        classes = _inputs(settings.conditions, num_classes)
        first, *widths = settings.generator_widths
        project = layers.Dense(start * start * first, use_bias=False, **_normal(), name="project")
        features = project(noise)
        features = layers.Reshape((start, start, first))(features)
        features = _normalized(features, classes, "project")
        for number, width in enumerate(widths, 1):
            features = _grown(features, width, settings.upsampling, f"grow{number}", use_bias=False)
            features = _normalized(features, classes, f"grow{number}")
        images = _grown(features, channels, settings.upsampling, "draw")
        images = layers.Activation("tanh", dtype="float32", name=IMAGES)(images)
        return keras.Model({NOISE: noise, **classes}, images, name="generator")


def discriminator(
    settings: DcganSettings,
    image_size: int,
    channels: int,
    num_classes: Mapping[str, int],
    dtype_policy: str = "float32",
) -> keras.Model:
    """Returns an untrained discriminator.

    Strided convolutions and LeakyReLU; its score is that of the image, and the inner product of the
    image's features and the weights of its classes (Miyato and Koyama 2018, equation 4,
    https://arxiv.org/abs/1802.05637). Kernels are divided by their largest singular value (Miyato et al.
    2018, equation 8, https://arxiv.org/abs/1802.05957), or maps but the first by their batch.

    Args:
        settings: Of both networks.
        image_size: Height and width of the images in pixels.
        channels: 1 for grey, 3 for RGB.
        num_classes: Of each of `settings.conditions`.
        dtype_policy: Keras's.

    Returns:
        A model from a dict of "images", float32 `[n, image_size, image_size, channels]` in [-1, 1], and
        of each condition, as the generator takes it, to a dict of float32: "score" `[n]`, higher for real
        ones; with `settings.auxiliary` also the logits of each condition, `[n, num_classes]`.

    Raises:
        ValueError: The images cannot be halved as often as there are widths.
    """
    _smallest(image_size, settings.discriminator_widths)
    spectral = settings.normalization == "spectral"
    with precision.dtype_policy(dtype_policy):
        images = keras.Input((image_size, image_size, channels), name=IMAGES, dtype="float32")
        classes = _inputs(settings.conditions, num_classes)
        features = images
        for number, width in enumerate(settings.discriminator_widths, 1):
            normalized = number > 1 and settings.normalization == "batch"
            convolution = layers.Conv2D(
                *(width, _KERNEL),
                strides=2,
                padding="same",
                use_bias=not normalized,
                **_normal(),
                name=f"shrink{number}",
            )
            features = _bounded(convolution, spectral)(features)
            if normalized:
                features = layers.BatchNormalization(momentum=_MOMENTUM, name=f"shrink{number}.norm")(
                    features
                )
            features = layers.LeakyReLU(_SLOPE)(features)
        features = layers.Flatten()(features)
        real = layers.Dense(1, **_normal(), dtype="float32", name="real")
        score = _bounded(real, spectral)(features)[:, 0]
        features = ops.cast(features, "float32")
        outputs = {}
        for name, chosen in classes.items():
            weights = _chosen(features.shape[-1], f"{name}.seen", dtype="float32")
            score = score + ops.sum(features * _bounded(weights, spectral)(chosen), axis=-1)
            if settings.auxiliary:
                said = layers.Dense(num_classes[name], **_normal(), dtype="float32", name=f"{name}.said")
                outputs[name] = said(features)
        return keras.Model({IMAGES: images, **classes}, {SCORE: score, **outputs}, name="discriminator")


def _inputs(conditions: Sequence[str], num_classes: Mapping[str, int]) -> dict[str, keras.KerasTensor]:
    return {name: keras.Input((num_classes[name],), name=name, dtype="float32") for name in conditions}


def _chosen(units: int, name: str, dtype: str | None = None) -> layers.Dense:
    """Weights of their own for each class."""
    return layers.Dense(units, use_bias=False, **_normal(), dtype=dtype, name=name)


def _smallest(image_size: int, widths: Sequence[int]) -> int:
    parts = 2 ** len(widths)
    if image_size % parts or image_size < 2 * parts:
        raise ValueError(
            f"image_size must be a multiple of {parts}, at least {2 * parts}, for {len(widths)} widths, "
            f"each of which halves it; got {image_size}"
        )
    return image_size // parts


def _normal() -> dict[str, object]:
    return {"kernel_initializer": keras.initializers.RandomNormal(stddev=_DEVIATION)}


def _bounded(layer: layers.Layer, spectral: bool) -> layers.Layer:
    if not spectral:
        return layer
    return SpectralNormalization(layer, name=f"{layer.name}.bounded")


def _grown(
    features: keras.KerasTensor, width: int, upsampling: str, name: str, use_bias: bool = True
) -> keras.KerasTensor:
    arguments = {"padding": "same", "use_bias": use_bias, **_normal(), "name": name}
    if upsampling == "transposed":
        return layers.Conv2DTranspose(width, _KERNEL, strides=2, **arguments)(features)
    features = layers.UpSampling2D(2)(features)
    return layers.Conv2D(width, _RESIZED_KERNEL, **arguments)(features)


def _normalized(
    features: keras.KerasTensor, classes: Mapping[str, keras.KerasTensor], name: str
) -> keras.KerasTensor:
    width = features.shape[-1]
    features = layers.BatchNormalization(momentum=_MOMENTUM, name=f"{name}.norm")(features)
    for condition, chosen in classes.items():
        scale, shift = (
            ops.reshape(_chosen(width, f"{name}.{condition}.{kind}")(chosen), (-1, 1, 1, width))
            for kind in ("scale", "shift")
        )
        features = features * (1 + scale) + shift
    return layers.ReLU()(features)
