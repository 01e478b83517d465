"""The networks that draw faces, and how they are trained."""

from dataclasses import dataclass
from typing import Annotated

from kfer import spec
from kfer.settings.checks import check, check_choices, checked

#: The steps of differentiable augmentation.
DIFFERENTIABLE = ("colour", "translation", "cutout")


@dataclass(frozen=True)
@checked
class DcganSettings:
    """A generator and a discriminator of convolutions, both told what a face shall show.

    Attributes:
        noise_size: Numbers of noise that an image is drawn from.
        conditions: What both networks are told: ("expression",), or ("expression", "identity").
        generator_widths: Channels of the generator's maps, the smallest maps first; each following one,
            and the image, is twice as high and wide.
        discriminator_widths: Channels of the discriminator's maps, each half as high and wide as the one
            before.
        upsampling: How maps grow: "transposed" convolutions, or "resize", nearest neighbours and a
            convolution.
        normalization: Of the discriminator: "batch"; "spectral", its kernels are divided by their largest
            singular values; or "none".
        auxiliary: Whether the discriminator also says which classes it sees, and teaches the generator
            so (Odena et al. 2017), beside being told them.
    """

    noise_size: Annotated[int, "in [1, 65536]"] = 100
    conditions: tuple[str, ...] = (spec.EXPRESSION,)
    generator_widths: tuple[Annotated[int, "in [1, 65536]"], ...] = (256, 128, 64)
    discriminator_widths: tuple[Annotated[int, "in [1, 65536]"], ...] = (64, 128, 256)
    upsampling: str = "transposed"
    normalization: str = "batch"
    auxiliary: bool = True

    def __post_init__(self) -> None:
        both = (spec.EXPRESSION, spec.IDENTITY)
        check(self.conditions in (both[:1], both), "conditions", f"{both[:1]} or {both}", self.conditions)
        for name in ("generator_widths", "discriminator_widths"):
            widths = getattr(self, name)
            check(bool(widths), name, "at least one width", widths)
        check_choices(self, ("transposed", "resize"), "upsampling")
        check_choices(self, ("batch", "spectral", "none"), "normalization")


@dataclass(frozen=True)
@checked
class AdversarialSettings:
    """How a generator and a discriminator are trained against each other.

    Attributes:
        epochs: Passes over the training split.
        batch_size: Images a step, as many real ones as generated ones.
        loss: "non_saturating" (Goodfellow et al. 2014) or "hinge" (Lim and Ye 2017).
        generator_learning_rate: Of Adam, for the generator.
        discriminator_learning_rate: For the discriminator; a higher one is the two time-scale update
            rule (Heusel et al. 2017).
        beta_1: Share of Adam's moving mean of gradients that a step keeps, in [0, 1).
        schedule: "constant", or "linear": both rates fall to 0 in the second half of the training.
        label_smoothing: Of the non-saturating loss: real images count as real by 1 minus this, in [0, 1).
        r1: Weight of the gradient penalty on real images (Mescheder et al. 2018); 0 for none.
        r1_interval: Steps from one gradient penalty to the next, which counts as many times.
        auxiliary_weight: Of the classes that the discriminator says (`DcganSettings.auxiliary`).
        augmentation: Steps that real and generated images go through before they are judged, which lets
            the discriminator learn from few images: of "colour", "translation" and "cutout" (Zhao et
            al. 2020).
        mirror: Whether real images are mirrored at random.
        balance: In [0, 1], how evenly classes are seen: 0 as often as they are, 1 all alike.
        average: Share of the moving average of the generator's weights that a step keeps, in [0, 1). The
            average is what draws; 0 for none.
        mixed_precision: Keras's policy of both networks: "float32" or "mixed_bfloat16".
        samples: Images of each class in the grid that each epoch draws of the same noise.
        seed: Seeds weights, noise and order.
    """

    epochs: Annotated[int, "at least 1"] = 40
    batch_size: Annotated[int, "at least 1"] = 64
    loss: str = "non_saturating"
    generator_learning_rate: Annotated[float, "above 0"] = 2e-4
    discriminator_learning_rate: Annotated[float, "above 0"] = 2e-4
    beta_1: Annotated[float, "in [0, 1)"] = 0.5
    schedule: str = "linear"
    label_smoothing: Annotated[float, "in [0, 1)"] = 0.0
    r1: Annotated[float, "at least 0"] = 0.0
    r1_interval: Annotated[int, "at least 1"] = 16
    auxiliary_weight: Annotated[float, "at least 0"] = 1.0
    augmentation: tuple[str, ...] = ("colour", "translation")
    mirror: bool = True
    balance: Annotated[float, "in [0, 1]"] = 0.5
    average: Annotated[float, "in [0, 1)"] = 0.999
    mixed_precision: str = "float32"
    samples: Annotated[int, "at least 2"] = 8
    seed: Annotated[int, "at least 0"] = 0

    def __post_init__(self) -> None:
        check_choices(self, ("non_saturating", "hinge"), "loss")
        check_choices(self, ("constant", "linear"), "schedule")
        check(
            self.loss == "non_saturating" or not self.label_smoothing,
            "label_smoothing",
            "0 with the hinge loss, which has no labels to smooth",
            self.label_smoothing,
        )
        check_choices(self, DIFFERENTIABLE, "augmentation")
        check_choices(self, ("float32", "mixed_bfloat16"), "mixed_precision")
