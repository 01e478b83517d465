"""What a file needs to run: its runtime, told by its name and first bytes."""

import importlib.util
from dataclasses import dataclass
from pathlib import Path

from kfer.files import saved_model_bytes


@dataclass(frozen=True)
class Kind:
    """A kind of model.

    Attributes:
        name: What runs it, for people.
        module: What is imported for it.
        package: What pip installs.
    """

    name: str
    module: str
    package: str

    @property
    def is_installed(self) -> bool:
        """Whether its runtime is there."""
        try:
            return importlib.util.find_spec(self.module) is not None
        except ModuleNotFoundError:  # The package that the module lies in is missing.
            return False


SAVED_MODEL = Kind("TensorFlow", "tensorflow", "tensorflow")
TFLITE = Kind("LiteRT", "ai_edge_litert.interpreter", "ai-edge-litert")
ONNX = Kind("ONNX Runtime", "onnxruntime", "onnxruntime")
TORCH = Kind("PyTorch", "torch", "torch")
_ENDINGS = {".tflite": TFLITE, ".onnx": ONNX, ".pt": TORCH, ".pt2": TORCH}
_TFLITE_IDENTIFIER, _ZIP_IDENTIFIER = b"TFL3", b"PK"


def kind_of(path: Path) -> Kind:
    """Returns what runs a model.

    Args:
        path: A file, or the folder of a SavedModel.

    Raises:
        FileNotFoundError: There is nothing.
        ValueError: It is no model of a kind that can be measured.
    """
    if not path.exists():
        raise FileNotFoundError(f"there is no model at {path}")
    if path.is_dir():
        if not (path / "saved_model.pb").is_file():
            raise ValueError(f"{path} is no SavedModel: it has no saved_model.pb")
        return SAVED_MODEL
    kind = _ENDINGS.get(path.suffix)
    if kind is None:
        raise ValueError(
            f"{path} must be the folder of a SavedModel, or a file that ends in {', '.join(_ENDINGS)}"
        )
    with path.open("rb") as file:
        start = file.read(8)
    if kind is TFLITE and start[4:] != _TFLITE_IDENTIFIER:
        raise ValueError(f"{path} is no TFLite file: it does not have {_TFLITE_IDENTIFIER!r} in it")
    if kind is TORCH and start[:2] != _ZIP_IDENTIFIER:
        raise ValueError(f"{path} was written neither by torch.jit.save nor by torch.export.save")
    if not start:
        raise ValueError(f"{path} is empty")
    return kind


def size_mb(path: Path) -> float:
    """The bytes of a file, or of what a SavedModel's folder needs to run, in MB."""
    if path.is_dir():
        return saved_model_bytes(path) / 1e6
    # ONNX may keep its weights beside it.
    files = [path, *([path.with_name(f"{path.name}.data")] if path.suffix == ".onnx" else [])]
    return sum(file.stat().st_size for file in files if file.exists()) / 1e6
