"""The occlusion map: how much a class's probability falls when a part of a face is covered.

Zeiler and Fergus (2014), https://arxiv.org/abs/1311.2901, section 4.2 and figure 7.
"""

import numpy as np

from kfer import spec
from kfer.inference.alignment import to_network
from kfer.inference.runtime import Runner

# The patch's side and its step, as parts of the face's side.
_PATCH, _STRIDE = 4, 16


def occlusion_map(
    runner: Runner,
    face: np.ndarray,
    index: int,
    task: str = spec.EXPRESSION,
    patch: int | None = None,
    stride: int | None = None,
) -> np.ndarray:
    """Returns how much a class's probability falls where a face is covered.

    A square patch of the face's mean colour is moved over it, and the model is asked once for all of its
    places: by default 169 of them, of a face of 112 pixels.

    Args:
        runner: Any export, int8 too.
        face: An aligned one, RGB uint8 `[side, side, 3]`.
        index: The class's number.
        task: The output that it is a class of.
        patch: The patch's side in pixels, in 1..side; None for a quarter of the face's.
        stride: How far from one place to the next in pixels, in 1..patch; None for a 16th of the face's
            side.

    Returns:
        float32 `[side, side]` in [-1, 1]: of each pixel the mean over the patches that cover it; positive
        where covering lowers the probability.

    Raises:
        ValueError: There is no such output, or `patch` or `stride` is out of its range.
    """
    side = len(face)
    patch = side // _PATCH if patch is None else patch
    stride = side // _STRIDE if stride is None else stride
    if not 1 <= stride <= patch <= side:
        raise ValueError(
            f"expected 1 <= stride <= patch <= {side}; got a stride of {stride} and a patch of {patch}"
        )
    if task not in runner.output_names:
        known = ", ".join(runner.output_names)
        raise ValueError(f"the model has no output {task!r}; it has {known}")
    # The last place reaches the edge.
    starts = sorted({*range(0, side - patch, stride), side - patch})
    places = [(slice(y, y + patch), slice(x, x + patch)) for y in starts for x in starts]
    faces = np.repeat(face[np.newaxis], len(places) + 1, axis=0)
    colour = np.round(face.mean(axis=(0, 1))).astype(np.uint8)
    for covered, place in zip(faces[1:], places, strict=True):
        covered[place] = colour
    probabilities = runner(to_network(faces, runner.image_size))[task][:, index]
    drops, counts = np.zeros((side, side), np.float32), np.zeros((side, side), np.float32)
    for place, probability in zip(places, probabilities[1:], strict=True):
        drops[place] += probabilities[0] - probability
        counts[place] += 1
    return drops / counts
