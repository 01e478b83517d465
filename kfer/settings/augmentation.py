"""How training images are changed at random."""

import dataclasses
from dataclasses import dataclass
from typing import Annotated

from kfer.settings.checks import check, check_choices, checked

#: What a policy may choose from: RandAugment's list (Cubuk et al. 2019, section 3).
POLICY_OPERATIONS = (
    "identity",
    "autocontrast",
    "equalize",
    "rotation",
    "solarize",
    "saturation",
    "posterize",
    "contrast",
    "brightness",
    "sharpness",
    "shear_x",
    "shear_y",
    "shift_x",
    "shift_y",
)

# What `strength` cannot raise a value over, unless it is set higher. Flipping every image would be no
# more random than flipping none.
_HIGHEST = {
    "flip": 0.5,
    "shift": 0.9,
    "scale": 0.9,
    "brightness": 0.9,
    "contrast": 0.9,
    "erase": 1.0,
    "crop": 0.9,
    "saturation": 1.0,
    "hue": 0.5,
    "tint": 0.9,
    "noise": 1.0,
    "jpeg": 0.95,
    "compositing": 1.0,
    "policy_strength": 1.0,
}
_WITHOUT_BOUND = ("rotation", "shear", "gamma", "blur")


@dataclass(frozen=True)
@checked
class AugmentationSettings:
    """Random image steps in training; 0 turns a step off.

    Attributes:
        flip: Probability of a left-right flip. 0 where a task tells left from right.
        shift: Largest shift, as a share of the image's side.
        rotation: Largest rotation in radians.
        scale: Largest relative change of size.
        brightness: Largest change, as a share of the range of intensity.
        contrast: Largest relative change of contrast.
        erase: Probability that a rectangle is erased.
        shear: Largest sideways shift of a row, as a share of its distance from the middle row.
        crop: Largest share of the image's side that a random crop cuts off; the rest fills the image.
        saturation: Largest relative change of saturation; grey images have none.
        hue: Largest turn of the hue, as a share of the circle of colours, in [0, 0.5]; grey images have
            none.
        tint: Largest relative change of the intensity of each channel, by itself; grey pictures get a
            colour too where the network sees RGB.
        gamma: Exponents of intensity lie between 1 / (1 + gamma) and 1 + gamma.
        blur: Largest standard deviation of a Gaussian blur, as a share of the image's side.
        noise: Largest standard deviation of Gaussian noise, as a share of the range of intensity.
        jpeg: Qualities of JPEG compression lie between 100 (1 - jpeg) and 100.
        compositing: Probability that what surrounds the face is replaced by another image, blurred.
        policy_operations: Operations out of `policy` for each image, one after the other (RandAugment).
        policy_strength: Of each operation, in [0, 1]; 0.3 is what RandAugment calls 3 of 10.
        policy: What is chosen from, all alike often: some of identity, autocontrast, equalize, rotation,
            solarize, saturation, posterize, contrast, brightness, sharpness, shear_x, shear_y, shift_x,
            shift_y.
        mixup: Probability that an image is blended with another one, and labelled with both.
        mixup_alpha: Of the Beta distribution of mixup's weights: 1 is uniform, less keeps nearer to one
            of the two.
        cutmix: Probability that a rectangle comes from another image, whose labels count by its area;
            at most 1 with mixup.
        cutmix_alpha: Of the Beta distribution of the rectangle's area.
        mix_tasks: Only examples that carry a label of these tasks, and of no other, are mixed with each
            other ("expression",); () mixes all.
        strength: Factor of every range and probability above, within its bounds (0.5 for flip); 0 turns
            everything off.
    """

    flip: Annotated[float, "in [0, 1]"] = 0.5
    shift: Annotated[float, "in [0, 1)"] = 0.04
    rotation: Annotated[float, "at least 0"] = 0.08
    scale: Annotated[float, "in [0, 1)"] = 0.05
    brightness: Annotated[float, "in [0, 1)"] = 0.1
    contrast: Annotated[float, "in [0, 1)"] = 0.1
    erase: Annotated[float, "in [0, 1]"] = 0.0
    shear: Annotated[float, "at least 0"] = 0.0
    crop: Annotated[float, "in [0, 1)"] = 0.0
    saturation: Annotated[float, "in [0, 1]"] = 0.0
    hue: Annotated[float, "in [0, 0.5]"] = 0.0
    tint: Annotated[float, "in [0, 1)"] = 0.0
    gamma: Annotated[float, "at least 0"] = 0.0
    blur: Annotated[float, "at least 0"] = 0.0
    noise: Annotated[float, "in [0, 1]"] = 0.0
    jpeg: Annotated[float, "in [0, 1)"] = 0.0
    compositing: Annotated[float, "in [0, 1]"] = 0.0
    policy_operations: Annotated[int, "at least 0"] = 0
    policy_strength: Annotated[float, "in [0, 1]"] = 0.3
    policy: tuple[str, ...] = POLICY_OPERATIONS
    mixup: Annotated[float, "in [0, 1]"] = 0.0
    mixup_alpha: Annotated[float, "above 0"] = 0.2
    cutmix: Annotated[float, "in [0, 1]"] = 0.0
    cutmix_alpha: Annotated[float, "above 0"] = 1.0
    mix_tasks: tuple[str, ...] = ()
    strength: Annotated[float, "at least 0"] = 1.0

    def __post_init__(self) -> None:
        check_choices(self, POLICY_OPERATIONS, "policy")
        check(bool(self.policy), "policy", "at least one operation", self.policy)
        mixed = self.mixup + self.cutmix
        check(mixed <= 1, "mixup + cutmix", "at most 1, for an example is mixed only once", mixed)

    def scaled(self) -> "AugmentationSettings":
        """The same with `strength` multiplied into the ranges and probabilities, and itself 1."""
        factor = self.strength
        scaled = {
            name: min(getattr(self, name) * factor, max(getattr(self, name), highest))
            for name, highest in _HIGHEST.items()
        }
        scaled |= {name: getattr(self, name) * factor for name in _WITHOUT_BOUND}
        mixed = min(factor, 1 / (self.mixup + self.cutmix)) if self.mixes() else 0.0
        scaled |= {"mixup": self.mixup * mixed, "cutmix": self.cutmix * mixed}
        return dataclasses.replace(self, **scaled, strength=1.0)

    def active(self) -> dict[str, float]:
        """The steps that change an image, with their ranges and probabilities; empty where none does."""
        scaled = self.scaled()
        names = (*_HIGHEST, *_WITHOUT_BOUND, "mixup", "cutmix")
        active = {name: getattr(scaled, name) for name in names if getattr(scaled, name)}
        if not self.policy_operations:
            active.pop("policy_strength", None)
        return active

    def mixes(self) -> bool:
        """Whether examples are mixed with each other, and so have two labels."""
        return bool(self.strength and (self.mixup or self.cutmix))


#: Every step that keeps labels, each at a value to start from with faces that fill the image.
FACES = AugmentationSettings(
    flip=0.5,
    shift=0.06,
    rotation=0.15,
    scale=0.1,
    brightness=0.15,
    contrast=0.2,
    erase=0.3,
    shear=0.1,
    crop=0.1,
    saturation=0.3,
    hue=0.02,
    tint=0.1,
    gamma=0.2,
    blur=0.015,
    noise=0.03,
    jpeg=0.6,
    compositing=0.25,
)
