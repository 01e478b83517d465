"""Measures whether explanations are true: how much a probability falls where they point is covered.

    python tests/inference/measure_explanations.py MODEL FER2013.zip [FACES]

Of faces of FER2013's test set the share that a map points to most is covered with the face's mean colour.
Beside the methods: places at random, in blobs of a third of the face, and the middle of the face.
"""

import io
import sys
import time
import zipfile

import cv2
import numpy as np
from PIL import Image

from kfer.inference import Explainer, FaceAnalyzer
from kfer.inference.explanation import METHODS

SHARES = (0.1, 0.2, 0.3)


def faces_of(archive: str, number: int) -> list[np.ndarray]:
    with zipfile.ZipFile(archive) as file:
        names = sorted(name for name in file.namelist() if name.startswith("test/") and name[-4] == ".")
        chosen = np.random.default_rng(0).permutation(names)[:number]
        return [np.asarray(Image.open(io.BytesIO(file.read(name))).convert("RGB")) for name in chosen]


def covered(face: np.ndarray, values: np.ndarray, share: float) -> np.ndarray:
    most = np.argsort(values.ravel(), kind="stable")[-round(share * values.size) :]
    result = face.copy()
    result.reshape(-1, 3)[most] = np.round(face.mean(axis=(0, 1)))
    return result


def main(model: str, archive: str, number: str = "500") -> None:
    analyzer = FaceAnalyzer.load(model, detector="none")
    explainer = Explainer(analyzer)
    faces = [found for (found,) in analyzer.analyze_batch(faces_of(archive, int(number)))]
    random = np.random.default_rng(0)
    middle = -((np.indices((112, 112)) - 55.5) ** 2).sum(axis=0)
    maps = {
        "random": [cv2.resize(random.random((3, 3)), (112, 112)) for _ in faces],
        "middle": [middle] * len(faces),
    }
    for method in METHODS:
        explainer.explain(faces[0], method=method)
        start = time.perf_counter()
        maps[method] = [explainer.explain(face, method=method).map for face in faces]
        print(f"{method}: {1000 * (time.perf_counter() - start) / len(faces):.1f} ms a face")
    print(f"{'':10}", *(f"{share:>6.0%}" for share in SHARES))
    for name, values in maps.items():
        drops = []
        for share in SHARES:
            hidden = [covered(f.aligned, v, share) for f, v in zip(faces, values, strict=True)]
            after = analyzer.analyze_batch(hidden)
            drops.append(
                np.mean(
                    [
                        face.expressions[face.expression] - other.expressions[face.expression]
                        for face, (other,) in zip(faces, after, strict=True)
                    ]
                )
            )
        print(f"{name:10}", *(f"{drop:6.3f}" for drop in drops))


if __name__ == "__main__":
    main(*sys.argv[1:])
