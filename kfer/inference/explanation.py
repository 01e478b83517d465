"""Where in a face a model sees an expression."""

import threading
from dataclasses import dataclass

import numpy as np

from kfer import forks
from kfer.inference.alignment import Crop
from kfer.inference.analyzer import Face, FaceAnalyzer
from kfer.inference.gradcam import GradCAM
from kfer.inference.occlusion import occlusion_map

#: How it can be asked, and what each is called.
METHODS = {"occlusion": "occlusion", "gradcam": "Grad-CAM"}
# How far the eyes and the mouth reach beyond their landmarks, as shares of the distance between the
# eyes: up to the brows, and to the chin's beginning.
_ABOVE_EYES, _BESIDE_EYES, _BESIDE_NOSE, _BESIDE_MOUTH, _BELOW_MOUTH = 0.6, 0.5, 0.4, 0.3, 0.4


@dataclass(frozen=True, eq=False)
class Explanation:
    """Where in a face a model sees an expression.

    Attributes:
        map: float32 `[side, side]`, over the aligned face. By Grad-CAM in [0, 1], with 1 at its largest:
            the features that speak for the expression. By occlusion in [-1, 1]: how much its probability
            falls where the face is covered.
        expression: Its name.
        probability: Of that expression, in [0, 1].
        method: One of `METHODS`.
        crop: What of the face's surroundings the model was shown.
    """

    map: np.ndarray
    expression: str
    probability: float
    method: str
    crop: Crop

    @property
    def centre(self) -> tuple[float, float] | None:
        """The centre of mass of what speaks for it: y, x in pixels; None where nothing does."""
        mass = np.maximum(self.map, 0)
        if not mass.any():
            return None
        y, x = (np.average(places, weights=mass) for places in np.indices(mass.shape))
        return float(y), float(x)

    @property
    def shares(self) -> dict[str, float]:
        """How much of what speaks for it is in "eyes" (with the brows), "nose" and "mouth", in [0, 1].

        The three do not meet; all are 0 where nothing speaks for it.
        """
        mass = np.maximum(self.map, 0)
        whole = float(mass.sum()) or 1.0
        parts = _parts(self.crop, len(mass))
        return {name: float(mass[place].sum()) / whole for name, place in parts.items()}


class Explainer(forks.OfItsFirstUser):
    """Says where in a face an analyzer's model sees an expression.

    What a method needs is loaded when it is first asked for. Several threads may use one.

    Args:
        analyzer: Its model is asked.
    """

    def __init__(self, analyzer: FaceAnalyzer) -> None:
        self.analyzer = analyzer
        self._gradcam: GradCAM | None = None
        self._loading = threading.Lock()

    def explain(
        self, face: Face, expression: str | None = None, method: str = "occlusion"
    ) -> Explanation:
        """Returns where the model sees an expression in a face.

        Args:
            face: What the analyzer found.
            expression: Its name; None for the most probable one.
            method: "occlusion" asks any export about the face with a part of it covered; "gradcam" asks
                the features of a SavedModel, also that beside a TFLite file, which is quicker and, where
                they are of few pixels, vague.

        Raises:
            ValueError: There is no such method, the model says no expressions or not this one, or
                Grad-CAM has no SavedModel or none that it can explain.
        """
        if method not in METHODS:
            raise ValueError(f"the method must be among {', '.join(METHODS)}; got {method!r}")
        names = list(face.expressions)
        if not names:
            raise ValueError(f"{self.analyzer.model.name} says no expressions that could be explained")
        expression = expression or face.expression
        if expression not in names:
            raise ValueError(f"the expression must be among {', '.join(names)}; got {expression!r}")
        index = names.index(expression)
        if method == "gradcam":
            found = self._loaded_gradcam()(face.aligned, index)
        else:
            with self.analyzer.running() as runner:
                found = occlusion_map(runner, face.aligned, index)
        probability = face.expressions[expression]
        return Explanation(found, expression, probability, method, self.analyzer.crop)

    def _loaded_gradcam(self) -> GradCAM:
        self.check_process()
        with self._loading:
            if self._gradcam is None:
                model = self.analyzer.model
                self._gradcam = GradCAM(model.saved_model or model.path)
            return self._gradcam


def _parts(crop: Crop, size: int) -> dict[str, tuple[slice, slice]]:
    """Where the parts of a face are in an aligned one of so many pixels: rows and columns."""
    left_eye, right_eye, nose, left_mouth, right_mouth = crop.template(size)
    unit = right_eye[1] - left_eye[1]
    eyes_end, nose_end = (left_eye[0] + nose[0]) / 2, (nose[0] + left_mouth[0]) / 2
    edges = {
        "eyes": (
            left_eye[0] - _ABOVE_EYES * unit,
            eyes_end,
            left_eye[1] - _BESIDE_EYES * unit,
            right_eye[1] + _BESIDE_EYES * unit,
        ),
        "nose": (eyes_end, nose_end, nose[1] - _BESIDE_NOSE * unit, nose[1] + _BESIDE_NOSE * unit),
        "mouth": (
            nose_end,
            left_mouth[0] + _BELOW_MOUTH * unit,
            left_mouth[1] - _BESIDE_MOUTH * unit,
            right_mouth[1] + _BESIDE_MOUTH * unit,
        ),
    }
    whole = {name: [int(np.clip(round(edge), 0, size)) for edge in four] for name, four in edges.items()}
    return {
        name: (slice(top, end), slice(left, right)) for name, (top, end, left, right) in whole.items()
    }
