"""What a drawn face expresses: FACS action units, and EMFACS's combinations of them.

P. Ekman, W. V. Friesen and J. C. Hager, "Facial Action Coding System" (2002), and its Investigator's
Guide; W. V. Friesen and P. Ekman, "EMFACS-7: Emotional Facial Action Coding System" (1983). The
prototypes are those that the literature takes from them: happy 6+12, sad 1+4+15, surprise 1+2+5+26, fear
1+2+4+5+7+20+26, angry 4+5+7+23, disgust 9+15+16.
"""

from collections.abc import Mapping

import numpy as np

from kfer import spec
from kfer.datasets import naming

#: The action units that are drawn, in the order of the label vector.
ACTION_UNITS: Mapping[str, str] = {
    "AU1": "inner brow raiser",
    "AU2": "outer brow raiser",
    "AU4": "brow lowerer",
    "AU5": "upper lid raiser",
    "AU6": "cheek raiser",
    "AU7": "lid tightener",
    "AU9": "nose wrinkler",
    "AU10": "upper lip raiser",
    "AU12": "lip corner puller",
    "AU15": "lip corner depressor",
    "AU16": "lower lip depressor",
    "AU17": "chin raiser",
    "AU20": "lip stretcher",
    "AU23": "lip tightener",
    "AU25": "lips part",
    "AU26": "jaw drop",
}

#: EMFACS's prototypes: these units are always there.
PROTOTYPES: Mapping[str, tuple[str, ...]] = {
    "angry": ("AU4", "AU5", "AU7", "AU23"),
    "disgust": ("AU9", "AU15", "AU16"),
    "fear": ("AU1", "AU2", "AU4", "AU5", "AU7", "AU20", "AU26"),
    "happy": ("AU6", "AU12"),
    "neutral": (),
    "sad": ("AU1", "AU4", "AU15"),
    "surprise": ("AU1", "AU2", "AU5", "AU26"),
}

#: Units that the FACS guide lists as variants: each comes in half of the images.
VARIANTS: Mapping[str, tuple[str, ...]] = {
    "angry": ("AU17",),
    "disgust": ("AU4", "AU10"),
    "fear": ("AU25",),
    "happy": ("AU25", "AU26"),
    "neutral": (),
    "sad": ("AU17",),
    "surprise": ("AU25",),
}

_WEAKEST = 0.7
_RESTING = 0.08
_INDEX = {name: index for index, name in enumerate(ACTION_UNITS)}


def action_units(expression: str, rng: np.random.Generator) -> np.ndarray:
    """Returns random intensities of the action units of an expression.

    Units of the prototype and its variants have intensities of 0.7 to 1, all others rest below 0.08.

    Args:
        expression: One of spec.EXPRESSIONS.
        rng: Gives the intensities, and which variants come.

    Returns:
        float32 [16] in [0, 1], in the order of ACTION_UNITS.

    Raises:
        ValueError: The expression is unknown.
    """
    naming.check_name(expression, spec.EXPRESSIONS, "The expression of a drawn face")
    draws = rng.random((2, len(ACTION_UNITS)))
    intensities = _RESTING * draws[0]
    for name in PROTOTYPES[expression]:
        intensities[_INDEX[name]] = _WEAKEST + (1 - _WEAKEST) * draws[0, _INDEX[name]]
    for name in VARIANTS[expression]:
        if draws[1, _INDEX[name]] < 0.5:
            intensities[_INDEX[name]] = _WEAKEST + (1 - _WEAKEST) * draws[0, _INDEX[name]]
    return intensities.astype(np.float32)
