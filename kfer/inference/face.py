"""What is found of a face in a picture."""

from dataclasses import dataclass

import numpy as np

#: The five landmarks in their order; left and right as seen in the picture.
LANDMARKS = ("left_eye", "right_eye", "nose", "left_mouth", "right_mouth")


@dataclass(frozen=True, eq=False)
class Detection:
    """Where a face is.

    Attributes:
        box: float32 `[4]`: ymin, xmin, ymax, xmax in pixels; it may reach beyond the picture.
        landmarks: float32 `[5, 2]`: y, x in pixels, in the order of `LANDMARKS`; None where the picture
            was taken to be a face.
        score: How sure the detector is, in [0, 1].
        dense_landmarks: float32 `[468, 3]`: y, x, z in pixels, as `kfer.inference.DenseFace` has them,
            where the five come from those; else None.
    """

    box: np.ndarray
    landmarks: np.ndarray | None
    score: float
    dense_landmarks: np.ndarray | None = None

    @property
    def area(self) -> float:
        """Pixels in the box."""
        ymin, xmin, ymax, xmax = self.box
        return float(max(ymax - ymin, 0) * max(xmax - xmin, 0))
