"""Loads an export and asks it once, in a process that it may end: see `kfer.inference.proof`."""

import sys
from pathlib import Path
from typing import Any

import numpy as np

from kfer.files import reason

# Of a picture of any size, in pixels.
_SIDE = 64
# The integers among what networks take are pixels.
_BRIGHTEST = 255


def main(export: Path) -> None:
    """Loads a SavedModel's folder, or a file of TFLite or of YuNet, and asks each of its signatures."""
    if export.suffix == ".onnx":
        from kfer.inference.detection import yunet

        yunet.opened(export, yunet.YuNet.least_score)
        return
    random = np.random.default_rng(0)
    for ask, inputs in (_of_saved_model if export.is_dir() else _of_tflite)(export):
        ask(**{name: _drawn(shape, kind, random) for name, (shape, kind) in inputs.items()})


def _of_tflite(export: Path) -> list[tuple[Any, dict[str, Any]]]:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=export.read_bytes())
    interpreter.allocate_tensors()
    asked = []
    for signature in interpreter.get_signature_list():
        runner = interpreter.get_signature_runner(signature)
        inputs = {name: (its["shape"], its["dtype"]) for name, its in runner.get_input_details().items()}
        asked.append((runner, inputs))
    # The signatures' tensors live in it.
    _of_tflite.interpreter = interpreter  # type: ignore[attr-defined]
    return asked


def _of_saved_model(export: Path) -> list[tuple[Any, dict[str, Any]]]:
    import tensorflow as tf

    model = tf.saved_model.load(str(export))
    _of_saved_model.model = model  # type: ignore[attr-defined]

    def asker(function: Any) -> Any:
        return lambda **inputs: function(**{name: tf.constant(each) for name, each in inputs.items()})

    asked = []
    for function in model.signatures.values():
        taken = function.structured_input_signature[1]
        if all(each.shape.rank and each.dtype.is_numpy_compatible for each in taken.values()):
            inputs = {name: (each.shape, each.dtype.as_numpy_dtype) for name, each in taken.items()}
            if object not in (kind for _, kind in inputs.values()):
                asked.append((asker(function), inputs))
    return asked


def _drawn(shape: Any, kind: Any, random: np.random.Generator) -> np.ndarray:
    # The first dimension of unknown size is that of the batch.
    sizes = [1 if size is None and not place else size or _SIDE for place, size in enumerate(shape)]
    if np.issubdtype(kind, np.integer):
        return random.integers(0, min(_BRIGHTEST, np.iinfo(kind).max), sizes).astype(kind)
    return random.normal(size=sizes).astype(kind)


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]))
    except Exception as error:
        sys.stdout.write(reason(error))
        sys.exit(1)
