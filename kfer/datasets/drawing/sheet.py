"""A picture of many drawn faces: people in rows, expressions in columns."""

import dataclasses
from collections.abc import Sequence

import cv2
import numpy as np

from kfer import spec
from kfer.datasets.drawing.expressions import ACTION_UNITS, action_units
from kfer.datasets.drawing.identity import sample_identity
from kfer.datasets.drawing.render import render
from kfer.datasets.drawing.view import sample_view

_TITLE_HEIGHT = 24
_GAP = 4


def contact_sheet(identity_seeds: Sequence[int], size: int = 104) -> np.ndarray:
    """Returns one face for every person and expression, with the expressions' names on top.

    Pose and light vary as in a dataset; there is neither noise nor blur.

    Args:
        identity_seeds: One person a row.
        size: Height and width of a face in pixels.

    Returns:
        RGB uint8 [height, width, 3].
    """
    step = size + _GAP
    columns = len(spec.EXPRESSIONS)
    sheet = np.full((_TITLE_HEIGHT + step * len(identity_seeds), step * columns + _GAP, 3), 255, np.uint8)
    for column, expression in enumerate(spec.EXPRESSIONS):
        left = _GAP + column * step
        (width, _), _ = cv2.getTextSize(expression, cv2.FONT_HERSHEY_SIMPLEX, 0.5, 1)
        place = (left + (size - width) // 2, _TITLE_HEIGHT - 8)
        cv2.putText(sheet, expression, place, cv2.FONT_HERSHEY_SIMPLEX, 0.5, (0, 0, 0), 1, cv2.LINE_AA)
        for row, identity_seed in enumerate(identity_seeds):
            top = _TITLE_HEIGHT + row * step
            sheet[top : top + size, left : left + size] = _face(identity_seed, expression, column, size)
    return sheet


def _face(identity_seed: int, expression: str, seed: int, size: int) -> np.ndarray:
    rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence([identity_seed, seed])))
    units = dict(zip(ACTION_UNITS, action_units(expression, rng).tolist(), strict=True))
    # Noise would not be packed in a PNG file.
    view = dataclasses.replace(sample_view(rng), noise=0.0, blur=0.0)
    return render(sample_identity(identity_seed), units, view, size).image
