"""Pictures with what was found in them: boxes, names, and a bar for each expression."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from kfer.files import replacing
from kfer.inference.analyzer import Face

_LINE, _TEXT, _PANEL = (255, 210, 0), (255, 255, 255), (20, 24, 32, 190)
_BAR, _BEST, _POINT = (150, 165, 185), (255, 210, 0), (255, 255, 255, 170)
# Letters' height as a share of the box's, and its bounds as shares of the picture's longer side.
_LETTERS, _SMALLEST, _LARGEST = 0.11, 1 / 80, 1 / 36
# Fewer pixels than this cannot be read.
_READABLE = 9
# The radius of a dense landmark's dot, as a share of the height of the face's box.
_DOT = 0.003
# How high a panel of bars may be, of the height of the face's box.
_LARGEST_PANEL = 1.6


@dataclass(frozen=True)
class Annotation:
    """What is drawn of one face.

    Attributes:
        box: float `[4]`: ymin, xmin, ymax, xmax in pixels.
        landmarks: float `[5, 2]`, y and x in pixels, or None.
        title: Written above the box; empty for nothing.
        expressions: The probability of each expression by name, a bar each; empty for none.
        dense_landmarks: float `[n, 2 or more]`, y and x in pixels first, a small dot each; None for none.
    """

    box: np.ndarray
    landmarks: np.ndarray | None
    title: str
    expressions: Mapping[str, float]
    dense_landmarks: np.ndarray | None = None


def annotation(face: Face, name: str | None = None, similarity: float | None = None) -> Annotation:
    """Returns what is drawn of a face.

    Args:
        face: The face.
        name: Whose it is; None where nobody asked or nobody knows.
        similarity: How alike it is to that person's, in [-1, 1].
    """
    words = []
    if name is not None:
        words.append(name if similarity is None else f"{name} {similarity:.2f}")
    if face.expression is not None:
        words.append(f"{face.expression} {face.expressions[face.expression]:.0%}")
    return Annotation(face.box, face.landmarks, "  ".join(words), face.expressions, face.dense_landmarks)


def save(picture: np.ndarray, path: Path) -> None:
    """Writes a picture that is whole or not there.

    Args:
        picture: RGB uint8 `[height, width, 3]`.
        path: A file that ends in what Pillow writes (".png", ".jpg").

    Raises:
        DiskFullError: There is no room.
        OSError: It cannot be written.
    """
    with replacing(path) as new:
        Image.fromarray(picture).save(new)


def draw(image: np.ndarray, annotations: Sequence[Annotation]) -> np.ndarray:
    """Returns a copy of a picture with what was found in it.

    Bars are drawn where they hide no face, and only of faces that they are not much larger than.

    Args:
        image: RGB uint8 `[height, width, 3]`.
        annotations: Of each face.

    Returns:
        RGB uint8 of the same shape.
    """
    picture = Image.fromarray(image).convert("RGBA")
    layer = Image.new("RGBA", picture.size)
    pen = ImageDraw.Draw(layer)
    taken = [_Area(*(float(edge) for edge in each.box)) for each in annotations]
    for each in annotations:
        taken.append(_draw_face(pen, each, picture.size))
    for each in annotations:
        if each.expressions:
            _draw_bars(pen, each, picture.size, taken, alone=len(annotations) == 1)
    return np.asarray(Image.alpha_composite(picture, layer).convert("RGB"))


@dataclass(frozen=True)
class _Area:
    ymin: float
    xmin: float
    ymax: float
    xmax: float

    def within(self, other: "_Area") -> bool:
        return (
            other.ymin <= self.ymin
            and other.xmin <= self.xmin
            and self.ymax <= other.ymax
            and self.xmax <= other.xmax
        )

    def meets(self, other: "_Area") -> bool:
        apart = self.ymax <= other.ymin or other.ymax <= self.ymin
        return not (apart or self.xmax <= other.xmin or other.xmax <= self.xmin)


def _letters(face: Annotation, size: tuple[int, int]) -> float:
    """The height of letters in pixels."""
    longer = max(size)
    height = _LETTERS * float(face.box[2] - face.box[0])
    return max(float(np.clip(height, _SMALLEST * longer, _LARGEST * longer)), _READABLE)


def _draw_face(pen: ImageDraw.ImageDraw, face: Annotation, size: tuple[int, int]) -> _Area:
    """The box, the landmarks and the title; returns where the title is."""
    ymin, xmin, ymax, xmax = (float(edge) for edge in face.box)
    letters = _letters(face, size)
    thick = max(round(letters / 8), 1)
    pen.rounded_rectangle((xmin, ymin, xmax, ymax), radius=letters / 3, outline=_LINE, width=thick)
    if face.dense_landmarks is not None:
        dot = _DOT * (ymax - ymin)
        for y, x in face.dense_landmarks[:, :2]:
            pen.ellipse((x - dot, y - dot, x + dot, y + dot), fill=_POINT)
    for y, x in face.landmarks if face.landmarks is not None else ():
        pen.ellipse((x - thick, y - thick, x + thick, y + thick), fill=_LINE)
    if not face.title:
        return _Area(ymin, xmin, ymin, xmin)
    font, padding = ImageFont.load_default(letters), letters / 3
    wide, high = font.getlength(face.title) + 2 * padding, letters + 2 * padding
    x = min(max(xmin, 0), max(size[0] - wide, 0))
    y = ymin - high - thick if ymin - high - thick >= 0 else max(ymin, 0)
    pen.rectangle((x, y, x + wide, y + high), fill=_PANEL)
    pen.text((x + padding, y + high / 2), face.title, font=font, fill=_TEXT, anchor="lm")
    return _Area(y, x, y + high, x + wide)


def _draw_bars(
    pen: ImageDraw.ImageDraw,
    face: Annotation,
    size: tuple[int, int],
    taken: list[_Area],
    alone: bool,
) -> None:
    """A panel where it hides nothing that is taken; it is taken then."""
    width, height = size
    ymin, xmin, ymax, xmax = (float(edge) for edge in face.box)
    letters = _letters(face, size)
    font = ImageFont.load_default(letters)
    step, padding, bar = 1.35 * letters, letters / 2, 4 * letters
    high = step * len(face.expressions) + padding
    words = max(font.getlength(name) for name in face.expressions)
    wide = words + bar + 3 * padding
    if high > _LARGEST_PANEL * (ymax - ymin):
        return
    beside = min(max(ymin, 0), height - high)
    places = [(beside, xmax + padding), (beside, xmin - padding - wide)]
    areas = [_Area(y, x, y + high, x + wide) for y, x in places]
    inside = _Area(0, 0, height, width)
    free = [each for each in areas if each.within(inside) and not any(map(each.meets, taken))]
    if not free and alone:
        # A face that fills the picture has it on its chin.
        free = [_Area(height - high, width - wide, height, width)]
    if not free or not free[0].within(inside):
        return
    area = free[0]
    x, y = area.xmin, area.ymin
    taken.append(area)
    pen.rectangle((x, y, x + wide, y + high), fill=_PANEL)
    best = max(face.expressions.values())
    for number, (name, share) in enumerate(face.expressions.items()):
        middle = y + padding / 2 + (number + 0.5) * step
        pen.text((x + padding, middle), name, font=font, fill=_TEXT, anchor="lm")
        start = x + 2 * padding + words
        edges = (start, middle - 0.38 * letters, start + max(bar * share, 1), middle + 0.38 * letters)
        pen.rectangle(edges, fill=_BEST if share == best else _BAR)
