"""The networks that draw faces, and how they are trained."""

from dataclasses import dataclass

from kfer import spec
from kfer.settings.checks import check, check_choices, check_numbers

#: The steps of differentiable augmentation.
DIFFERENTIABLE = ("colour", "translation", "cutout")


@dataclass(frozen=True)
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

    noise_size: int = 100
    conditions: tuple[str, ...] = (spec.EXPRESSION,)
    generator_widths: tuple[int, ...] = (256, 128, 64)
    discriminator_widths: tuple[int, ...] = (64, 128, 256)
    upsampling: str = "transposed"
    normalization: str = "batch"
    auxiliary: bool = True

    def __post_init__(self) -> None:
        check_numbers(self, "at least 1", "noise_size")
        both = (spec.EXPRESSION, spec.IDENTITY)
        check(self.conditions in (both[:1], both), "conditions", f"{both[:1]} or {both}", self.conditions)
        for name in ("generator_widths", "discriminator_widths"):
            widths = getattr(self, name)
            check(bool(widths) and min(widths) >= 1, name, "a tuple of widths of at least 1", widths)
        check_choices(self, ("transposed", "resize"), "upsampling")
        check_choices(self, ("batch", "spectral", "none"), "normalization")


@dataclass(frozen=True)
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

    epochs: int = 40
    batch_size: int = 64
    loss: str = "non_saturating"
    generator_learning_rate: float = 2e-4
    discriminator_learning_rate: float = 2e-4
    beta_1: float = 0.5
    schedule: str = "linear"
    label_smoothing: float = 0.0
    r1: float = 0.0
    r1_interval: int = 16
    auxiliary_weight: float = 1.0
    augmentation: tuple[str, ...] = ("colour", "translation")
    mirror: bool = True
    balance: float = 0.5
    average: float = 0.999
    mixed_precision: str = "float32"
    samples: int = 8
    seed: int = 0

    def __post_init__(self) -> None:
        check_numbers(self, "at least 1", "epochs", "batch_size", "r1_interval")
        check(self.samples >= 2, "samples", "at least 2", self.samples)
        check_choices(self, ("non_saturating", "hinge"), "loss")
        check_numbers(self, "above 0", "generator_learning_rate", "discriminator_learning_rate")
        check_numbers(self, "in [0, 1)", "beta_1", "label_smoothing", "average")
        check_choices(self, ("constant", "linear"), "schedule")
        check_numbers(self, "at least 0", "r1", "auxiliary_weight", "seed")
        check(
            self.loss == "non_saturating" or not self.label_smoothing,
            "label_smoothing",
            "0 with the hinge loss, which has no labels to smooth",
            self.label_smoothing,
        )
        check_choices(self, DIFFERENTIABLE, "augmentation")
        check_numbers(self, "in [0, 1]", "balance")
        check_choices(self, ("float32", "mixed_bfloat16"), "mixed_precision")
