"""What the page of random image steps says: faces, and what each step makes of them."""

import dataclasses
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

import kfer
from kfer import spec
from kfer.augmentation import MIX, augment_batch, mixed_name
from kfer.datasets import drawing
from kfer.pipeline.report import templates
from kfer.pipeline.report.faces import Face, data_uri
from kfer.settings import dotted
from kfer.settings.augmentation import FACES, AugmentationSettings

#: Faces in a row.
ROW = 8
_FIRST_PERSON = 137
#: The page's sections, and the settings of the steps that each shows.
SECTIONS = {
    "Place": ("flip", "shift", "rotation", "scale", "shear", "crop"),
    "Light and colour": ("brightness", "contrast", "saturation", "hue", "tint", "gamma"),
    "Camera": ("blur", "noise", "jpeg"),
    "What hides or surrounds the face": ("erase", "compositing"),
    "RandAugment": ("policy_strength",),
    "Two examples mixed": ("mixup", "cutmix"),
}
# Steps that take something from other images of the batch.
_BETWEEN_IMAGES = ("compositing", "mixup", "cutmix")
# What FACES leaves out: it is used instead of some of the others, or changes labels.
_FURTHER: Mapping[str, Mapping[str, Any]] = {
    "policy_strength": {"policy_operations": 2, "policy_strength": 0.3},
    "mixup": {"mixup": 1.0, "mixup_alpha": 1.0},
    "cutmix": {"cutmix": 1.0},
}
_OFF = dataclasses.replace(FACES, strength=0).scaled()
_TEXTS = {name: text for name, _, text in dotted.describe(FACES)}


@dataclass(frozen=True)
class Step:
    """A step by itself.

    Attributes:
        name: Its setting.
        settings: Its starting value as it is written in a settings file.
        text: What the setting says of itself.
        rows: Pairs of a title, the setting's value, and the faces that came out.
    """

    name: str
    settings: str
    text: str
    rows: Sequence[tuple[str, Sequence[Face]]]


def render(size: int = 48, seed: int = 0, strength: float = 1.0, image: np.ndarray | None = None) -> str:
    """Returns the page: each step by itself at its starting value and doubled, then all together.

    Args:
        size: Height and width of a face in pixels.
        seed: Of what is drawn at random.
        strength: Factor of all starting values.
        image: A face, RGB uint8 [size, size, 3]; None draws one.
    """
    faces = drawn_faces(size)
    if image is not None:
        faces[0] = image
    sections = {
        title: [_step(name, faces, seed, strength) for name in names] for title, names in SECTIONS.items()
    }
    return (
        templates.environment()
        .get_template("augmentation.html")
        .render(
            name="Random image steps",
            version=kfer.__version__,
            written=time.strftime("%Y-%m-%d %H:%M"),
            size=size,
            seed=seed,
            strength=strength,
            face=data_uri(faces[0]),
            sections=sections,
            everything=_rows(FACES, "strength", faces, seed, strength),
            settings=[
                (name, dotted.as_text(value), text) for name, value, text in dotted.describe(FACES)
            ],
        )
    )


def drawn_faces(size: int) -> np.ndarray:
    """Returns faces of different people with different expressions, RGB uint8 [ROW, size, size, 3].

    Raises:
        ValueError: No face can be drawn at that size.
    """
    return np.stack([_drawn(place, size) for place in range(ROW)])


def _drawn(place: int, size: int) -> np.ndarray:
    rng = np.random.default_rng([_FIRST_PERSON, place])
    units = drawing.action_units(_expression(place), rng).tolist()
    # The page shows the steps' own blur and noise.
    view = dataclasses.replace(drawing.sample_view(rng), blur=0.0, noise=0.0)
    identity = drawing.sample_identity(_FIRST_PERSON + place)
    return drawing.render(identity, dict(zip(drawing.ACTION_UNITS, units, strict=True)), view, size).image


def _expression(place: int) -> str:
    return spec.EXPRESSIONS[place % len(spec.EXPRESSIONS)]


def _step(name: str, faces: np.ndarray, seed: int, strength: float) -> Step:
    values = _FURTHER.get(name, {name: getattr(FACES, name)})
    if name not in _BETWEEN_IMAGES:
        faces = np.repeat(faces[:1], ROW, axis=0)
    rows = _rows(dataclasses.replace(_OFF, **values), name, faces, seed, strength)
    written = ", ".join(f"{key}={value:g}" for key, value in values.items())
    return Step(name, written, _TEXTS[name], rows)


def _rows(
    settings: AugmentationSettings, name: str, faces: np.ndarray, seed: int, strength: float
) -> list[tuple[str, list[Face]]]:
    """Faces at the settings and, where that is more, at twice their strength."""
    rows: dict[str, list[Face]] = {}
    for factor in (1, 2):
        stronger = dataclasses.replace(settings, strength=factor * strength)
        value = getattr(stronger if name == "strength" else stronger.scaled(), name)
        rows.setdefault(f"{value:.3g}", _samples(faces, stronger, seed))
    return list(rows.items())


def _samples(faces: np.ndarray, settings: AugmentationSettings, seed: int) -> list[Face]:
    labels = {"place": tf.range(len(faces))}
    images, labels = augment_batch(tf.constant(faces, tf.float32), labels, settings, [seed, 0])
    shown = np.clip(np.round(images), 0, 255).astype(np.uint8)
    captions = [("", "")] * len(faces)
    if settings.mixes():
        weights, partners = labels[MIX].numpy(), labels[mixed_name("place")].numpy()
        captions = [
            (f"{_expression(own)} {weight:.2f}", f"{_expression(partner)} {1 - weight:.2f}")
            for own, (weight, partner) in enumerate(zip(weights, partners.tolist(), strict=True))
        ]
    return [Face(data_uri(image), *caption) for image, caption in zip(shown, captions, strict=True)]
