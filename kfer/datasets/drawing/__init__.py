"""Faces that kfer draws itself: people from seeds, expressions from facial action units."""

from kfer.datasets.drawing.clip import CLIP_CLASSES, DrawnClip, draw_clip
from kfer.datasets.drawing.expressions import ACTION_UNITS, action_units
from kfer.datasets.drawing.identity import Identity, sample_identity
from kfer.datasets.drawing.motion import FEWEST_FRAMES
from kfer.datasets.drawing.render import (
    HEAD_POSE,
    LANDMARKS,
    SMALLEST_SIZE,
    DrawnFace,
    draw,
    render,
)
from kfer.datasets.drawing.sheet import contact_sheet
from kfer.datasets.drawing.view import View, sample_view

__all__ = [
    "ACTION_UNITS",
    "CLIP_CLASSES",
    "FEWEST_FRAMES",
    "HEAD_POSE",
    "LANDMARKS",
    "SMALLEST_SIZE",
    "DrawnClip",
    "DrawnFace",
    "Identity",
    "View",
    "action_units",
    "contact_sheet",
    "draw",
    "draw_clip",
    "render",
    "sample_identity",
    "sample_view",
]
