"""From a picture to faces, expressions and names, with any model that a pipeline pushed.

Names are imported when they are first used: `import kfer.inference` loads no library.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kfer.inference.alignment import Crop as Crop
    from kfer.inference.alignment import align as align
    from kfer.inference.analyzer import Face as Face
    from kfer.inference.analyzer import FaceAnalyzer as FaceAnalyzer
    from kfer.inference.analyzer import NoFaceError as NoFaceError
    from kfer.inference.analyzer import SeveralFacesError as SeveralFacesError
    from kfer.inference.analyzer import Verification as Verification
    from kfer.inference.explanation import Explainer as Explainer
    from kfer.inference.explanation import Explanation as Explanation
    from kfer.inference.face import LANDMARKS as LANDMARKS
    from kfer.inference.face import Detection as Detection
    from kfer.inference.gallery import Gallery as Gallery
    from kfer.inference.gallery import GalleryError as GalleryError
    from kfer.inference.gallery import Match as Match
    from kfer.inference.images import ImageError as ImageError
    from kfer.inference.landmarks import DenseFace as DenseFace
    from kfer.inference.landmarks import DenseLandmarks as DenseLandmarks
    from kfer.inference.pushed import Model as Model
    from kfer.inference.quality import Quality as Quality
    from kfer.inference.runtime import Runner as Runner
    from kfer.inference.runtime import load as load
    from kfer.inference.streaming import State as State
    from kfer.inference.streaming import Stream as Stream
    from kfer.inference.streaming import load_stream as load_stream
    from kfer.inference.thresholds import Threshold as Threshold

_MODULES = {
    "Crop": "alignment",
    "align": "alignment",
    "Face": "analyzer",
    "FaceAnalyzer": "analyzer",
    "NoFaceError": "analyzer",
    "SeveralFacesError": "analyzer",
    "Verification": "analyzer",
    "Explainer": "explanation",
    "Explanation": "explanation",
    "LANDMARKS": "face",
    "Detection": "face",
    "Gallery": "gallery",
    "GalleryError": "gallery",
    "Match": "gallery",
    "ImageError": "images",
    "DenseFace": "landmarks",
    "DenseLandmarks": "landmarks",
    "Model": "pushed",
    "State": "streaming",
    "Stream": "streaming",
    "load_stream": "streaming",
    "Threshold": "thresholds",
    "Quality": "quality",
    "Runner": "runtime",
    "load": "runtime",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULES})
