"""From a photograph to faces, names of expressions, and whether two faces are one person's."""

import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kfer import forks, spec
from kfer.inference import alignment, detection, images, pushed, quality, runtime
from kfer.inference.alignment import Crop
from kfer.inference.face import Detection
from kfer.inference.images import ImageSource
from kfer.inference.landmarks import DenseLandmarks, check_source
from kfer.inference.pushed import Model
from kfer.inference.quality import Quality
from kfer.inference.streaming import load_stream
from kfer.inference.thresholds import Threshold


class NoFaceError(ValueError):
    """A picture shows no face where one is needed."""


class SeveralFacesError(ValueError):
    """A picture shows several faces where one is expected."""


@dataclass(frozen=True, eq=False)
class Face:
    """A face and what the model says of it.

    Attributes:
        box: float32 `[4]`: ymin, xmin, ymax, xmax in pixels of the picture; it may reach beyond it.
        landmarks: float32 `[5, 2]`: y, x in pixels: left eye, right eye, nose, left and right corner of
            the mouth, as seen in the picture; None where the picture was taken to be a face.
        score: How sure the detector is, in [0, 1].
        quality: How much of it can be seen.
        expressions: The probability of each expression by its name; empty where the model has none.
        embedding: float32 `[embedding_size]` of length 1; None where the model has none.
        outputs: What the model says of its further tasks by name, float32 `[k]` each.
        aligned: RGB uint8 `[side, side, 3]`: what the model saw. The side is that of the model's input,
            112 where that is smaller.
        dense_landmarks: float32 `[468, 3]`: y, x, z in pixels, as `kfer.inference.DenseFace` has them;
            None where they were not asked for or not found.
    """

    box: np.ndarray
    landmarks: np.ndarray | None
    score: float
    quality: Quality
    expressions: dict[str, float]
    embedding: np.ndarray | None
    outputs: dict[str, np.ndarray]
    aligned: np.ndarray
    dense_landmarks: np.ndarray | None = None

    @property
    def expression(self) -> str | None:
        """The most probable expression; None where the model has none."""
        return max(self.expressions, key=self.expressions.__getitem__) if self.expressions else None

    @property
    def detection(self) -> Detection:
        """Where it is."""
        return Detection(self.box, self.landmarks, self.score, self.dense_landmarks)


@dataclass(frozen=True)
class Verification:
    """Whether two faces are one person's.

    Attributes:
        similarity: The cosine of their embeddings, in [-1, 1].
        threshold: From which similarity on they are taken for one person's, and how often two people are.
        faces: The faces that were compared.
        warnings: What makes the answer doubtful, in words.
    """

    similarity: float
    threshold: Threshold
    faces: tuple[Face, Face]
    warnings: tuple[str, ...]

    @property
    def verified(self) -> bool:
        """Whether they are."""
        return self.similarity >= self.threshold.similarity


class FaceAnalyzer(forks.OfItsFirstUser):
    """Finds faces in pictures and asks a model what they show.

    The detector and the model are loaded when they are first needed. Several threads may use one
    analyzer.

    Args:
        model: The exported model; None for the default one of `kfer.inference.pushed.find`.
        detector: "mtcnn", "blazeface", "yunet" or "none", or a detector.
        turned: Whether a picture without a face is also searched lying on either side and upside down.
        crop: What of a face's surroundings the model is shown; None for what its training images show.
        smallest_face: Faces are looked for from so many pixels on; None for the detector's own share of
            the picture's longer side.
        least_score: In (0, 1): surer than this a detection must be; None for the detector's own.
        weights: The ONNX file of the detector "yunet".
        landmarks: "detector", or "dense" to take the five landmarks of each face that is found from 468
            points, where those are sure.

    Raises:
        ValueError: There is no such detector or landmarks, or a number is out of its range.
        FileNotFoundError: There is no default model.
    """

    def __init__(
        self,
        model: Model | None = None,
        detector: str | detection.Detector = "mtcnn",
        turned: bool = False,
        crop: Crop | None = None,
        smallest_face: float | None = None,
        least_score: float | None = None,
        weights: Path | str | None = None,
        landmarks: str = "detector",
    ) -> None:
        if isinstance(detector, str) and detector not in detection.DETECTORS:
            known = ", ".join(detection.DETECTORS)
            raise ValueError(f"the detector must be among {known}; got {detector!r}")
        check_source(landmarks)
        self.model = pushed.find() if model is None else model
        self.crop = crop or self.model.crop
        self._turned = turned
        self._detector_name = detector
        self._detector_settings: dict[str, Any] = {
            "smallest_face": smallest_face,
            "least_score": least_score,
            "weights": weights,
        }
        self._detector: detection.Detector | None = None if isinstance(detector, str) else detector
        self._landmarks = landmarks
        self._dense: DenseLandmarks | None = None
        self._runner: runtime.Runner | None = None
        self._warned = False
        self._loading, self._running = threading.Lock(), threading.Lock()

    @classmethod
    def load(
        cls, model: Path | str | None = None, variant: str | None = None, **settings: Any
    ) -> "FaceAnalyzer":
        """Returns an analyzer of a model, by its place or its name.

        Args:
            model: As `kfer.inference.pushed.find` takes it: a path, a name in saved_models/ or of a model
                that ships with kfer, or None for the default.
            variant: Which export of it: "int8" for one.
            settings: Further ones of `FaceAnalyzer`.

        Raises:
            FileNotFoundError: There is no such model.
            ValueError: What describes it is damaged, or a setting is wrong.
        """
        return cls(pushed.find(model, variant), **settings)

    def analyze(self, image: ImageSource) -> list[Face]:
        """Returns the faces in a picture, the largest first; an empty list where it shows none.

        Args:
            image: A path, bytes, RGB pixels `[height, width, 3]`, or an image of Pillow; see
                `kfer.inference.images.read`.

        Raises:
            FileNotFoundError: There is no such file.
            ImageError: It cannot be read.
        """
        return self.analyze_batch([image])[0]

    def analyze_batch(self, sources: Sequence[ImageSource]) -> list[list[Face]]:
        """Returns the faces in each picture; the model is asked once for all of them.

        Args:
            sources: As for `analyze`.

        Raises:
            FileNotFoundError: There is no such file.
            ImageError: One cannot be read; it is named.
        """
        return self.analyze_pixels([images.read(source) for source in sources])

    def analyze_pixels(
        self, pictures: Sequence[np.ndarray], detections: Sequence[Sequence[Detection]] | None = None
    ) -> list[list[Face]]:
        """The same of pictures that are read already.

        Args:
            pictures: RGB uint8 `[height, width, 3]` each.
            detections: Where the faces are in each, where that is known; None to look for them.
        """
        found = self.detect(pictures) if detections is None else detections
        aligned = [
            alignment.align(picture, face, self.crop, self._aligned_size())
            for picture, faces in zip(pictures, found, strict=True)
            for face in faces
        ]
        outputs = self._ask(aligned)
        answers = iter(zip(aligned, outputs, strict=True))
        return [[self._face(face, *next(answers)) for face in faces] for faces in found]

    def detect(self, pictures: Sequence[np.ndarray]) -> list[list[Detection]]:
        """Returns where the faces are in each picture, the largest first.

        Args:
            pictures: RGB uint8 `[height, width, 3]` each.
        """
        detector = self._loaded_detector()
        found = detector.detect(pictures)
        if self._turned:
            found = [
                faces or _in_turns(detector, picture)
                for faces, picture in zip(found, pictures, strict=True)
            ]
        if self._landmarks == "dense":
            dense = self._loaded_dense()
            found = [
                [dense.refined(picture, face) for face in faces]
                for faces, picture in zip(found, pictures, strict=True)
            ]
        return found

    def only_face(self, image: ImageSource, strict: bool = False, name: str | None = None) -> Face:
        """Returns the one face in a picture, or the largest of several with a warning.

        Args:
            image: As for `analyze`.
            strict: Whether several faces are an error.
            name: How messages call the picture.

        Raises:
            NoFaceError: It shows none.
            SeveralFacesError: It shows several, and `strict` is set.
            FileNotFoundError: There is no such file.
            ImageError: It cannot be read.
        """
        called = name or _name_of(image, "the picture")
        (faces,) = self.analyze_pixels([images.read(image, name)])
        face, doubt = _only(faces, called, strict)
        if doubt:
            warnings.warn(doubt, stacklevel=2)
        return face

    def embedding_of(self, face: Face) -> np.ndarray:
        """Returns a face's embedding.

        Raises:
            ValueError: The model has none.
        """
        if face.embedding is None:
            raise ValueError(f"{self.model.name} has no embedding: it cannot tell people apart")
        return face.embedding

    def verify(
        self,
        first: ImageSource,
        second: ImageSource,
        strict: bool = False,
        threshold: Threshold | None = None,
    ) -> Verification:
        """Returns whether two pictures show the same person.

        Args:
            first: As for `analyze`.
            second: The same.
            strict: Whether several faces in a picture are an error; else the largest is taken.
            threshold: From which similarity on; None for the one that the Evaluator chose for the model.

        Raises:
            NoFaceError: One shows no face; the message says which.
            SeveralFacesError: One shows several, and `strict` is set.
            ValueError: The model has no embedding, or no threshold and none is given.
            FileNotFoundError: There is no such file.
            ImageError: One cannot be read.
        """
        self.model.check_output(spec.EMBEDDING)
        threshold = threshold or self.model.threshold_or(None)
        names = _name_of(first, "the first picture"), _name_of(second, "the second picture")
        pictures = [
            images.read(source, name) for source, name in zip((first, second), names, strict=True)
        ]
        faces, doubts, poor = [], [], []
        for found, name in zip(self.analyze_pixels(pictures), names, strict=True):
            face, doubt = _only(found, name, strict)
            faces.append(face)
            doubts += [doubt] if doubt else []
            poor += [f"the face in {name} is {words}" for words in face.quality.warnings]
        one, other = (self.embedding_of(face) for face in faces)
        return Verification(float(one @ other), threshold, (faces[0], faces[1]), (*doubts, *poor))

    @contextmanager
    def running(self) -> Iterator[runtime.Runner]:
        """Gives the loaded model to one thread as long as its block lasts."""
        runner = self._loaded_runner()
        with self._running:
            yield runner

    def _aligned_size(self) -> int:
        return alignment.size_for(self._loaded_runner().image_size or self.model.image_size)

    def _ask(self, aligned: Sequence[np.ndarray]) -> list[dict[str, np.ndarray]]:
        """What the model says of each face."""
        if not self._warned and self.model.warning:
            self._warned = True
            warnings.warn(self.model.warning, stacklevel=1)
        if not aligned:
            return []
        with self.running() as runner:
            outputs = runner(alignment.to_network(aligned, runner.image_size))
        return [
            {name: values[index] for name, values in outputs.items()} for index in range(len(aligned))
        ]

    def _face(self, found: Detection, aligned: np.ndarray, said: dict[str, np.ndarray]) -> Face:
        further = dict(said)
        embedding, probabilities = further.pop(spec.EMBEDDING, None), further.pop(spec.EXPRESSION, None)
        expressions = {}
        if probabilities is not None:
            names = self.model.expressions or tuple(map(str, range(len(probabilities))))
            expressions = {name: float(share) for name, share in zip(names, probabilities, strict=True)}
        return Face(
            box=found.box,
            landmarks=found.landmarks,
            score=found.score,
            quality=quality.measure(aligned, found.landmarks),
            expressions=expressions,
            embedding=embedding,
            outputs=further,
            aligned=aligned,
            dense_landmarks=found.dense_landmarks,
        )

    def _loaded_detector(self) -> detection.Detector:
        self.check_process()
        with self._loading:
            if self._detector is None:
                self._detector = detection.load(str(self._detector_name), **self._detector_settings)
            return self._detector

    def _loaded_dense(self) -> DenseLandmarks:
        self.check_process()
        with self._loading:
            if self._dense is None:
                self._dense = DenseLandmarks()
            return self._dense

    def _loaded_runner(self) -> runtime.Runner:
        self.check_process()
        with self._loading:
            if self._runner is None:
                load = load_stream if self.model.clip_frames else runtime.load
                self._runner = load(self.model.path)
            return self._runner


def _only(faces: Sequence[Face], called: str, strict: bool) -> tuple[Face, str]:
    """The one face of a picture or the largest of several, and what makes that doubtful."""
    if not faces:
        raise NoFaceError(f"{called} shows no face that the detector finds")
    words = f"{called} shows {len(faces)} faces" if len(faces) > 1 else ""
    if words and strict:
        raise SeveralFacesError(f"{words}; one is expected")
    return faces[0], words and f"{words}; the largest is taken"


def _name_of(source: ImageSource, otherwise: str) -> str:
    return str(source) if isinstance(source, str | Path) else otherwise


def _in_turns(detector: detection.Detector, picture: np.ndarray) -> list[Detection]:
    """The faces of a picture that does not lie as it was taken, in its own pixels."""
    best: list[Detection] = []
    for turns in (1, 2, 3):  # quarter turns
        turned = np.ascontiguousarray(np.rot90(picture, turns))
        faces = [_turned_back(face, turns, turned.shape) for face in detector.detect([turned])[0]]
        if sum(face.score for face in faces) > sum(face.score for face in best):
            best = faces
    return best


def _turned_back(face: Detection, turns: int, shape: tuple[int, ...]) -> Detection:
    """A detection in a picture that was turned so many quarters against the clock, in the first one."""
    height, width = shape[:2]

    def back(points: np.ndarray) -> np.ndarray:
        y, x = points[:, 0], points[:, 1]
        places = {
            1: (x, height - 1 - y),
            2: (height - 1 - y, width - 1 - x),
            3: (width - 1 - x, y),
        }[turns]
        return np.stack(places, axis=1).astype(np.float32)

    corners = back(face.box.reshape(2, 2))
    box = np.concatenate([corners.min(axis=0), corners.max(axis=0)])
    return Detection(box, None if face.landmarks is None else back(face.landmarks), face.score)
