"""What LiteRT says of a TFLite file, asked in a process that has loaded nothing else."""

import dataclasses
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

SIGNATURE = "serving_default"


@dataclasses.dataclass(frozen=True)
class TensorDescription:
    """An input or output of a file.

    Attributes:
        shape: With a batch of 1.
        type: "uint8", "int8" or "float32".
        scale: What one step of an integer is worth; 0 where the integers stand for themselves, and for
            float32.
        zero_point: The integer that stands for 0.
    """

    shape: tuple[int, ...]
    type: str
    scale: float
    zero_point: int


@dataclasses.dataclass(frozen=True)
class Answers:
    """What a file takes, gives and said.

    Attributes:
        input_name: The name of the one input.
        input: That input.
        outputs: By their names in the signature, in alphabetical order.
        values: By the same names, what was said of each image: float32 `[n, k]`, dequantised.
    """

    input_name: str
    input: TensorDescription
    outputs: dict[str, TensorDescription]
    values: dict[str, np.ndarray]


def ask(file: Path, images: np.ndarray) -> Answers:
    """Returns what a file says of images on the CPU, in a fresh process without TensorFlow.

    Args:
        file: A `.tflite` file with the signature "serving_default", of one image as its one input.
        images: RGB uint8 `[n, size, size, 3]`.

    Raises:
        ValueError: The file takes images of another size.
        RuntimeError: The process failed; the message holds what it printed.
    """
    with tempfile.TemporaryDirectory() as temporary:
        given, said = Path(temporary) / "images.npy", Path(temporary) / "answers.json"
        np.save(given, images)
        # As a file and not as a module, whose package would load TensorFlow; -P keeps that package's
        # files from standing in for libraries of the same names.
        command = [sys.executable, "-P", __file__, str(file), str(given), str(said)]
        process = subprocess.run(command, capture_output=True, text=True)
        if process.returncode:
            raise RuntimeError(f"{file.name} does not run in a fresh process: {process.stderr[-2000:]}")
        answers = json.loads(said.read_text())
    taken = _description(answers["input"])
    if taken.shape != (1, *images.shape[1:]):
        raise ValueError(
            f"{file.name} takes an image {list(taken.shape)}; the images given are {list(images.shape)}"
        )
    return Answers(
        answers["input_name"],
        taken,
        {name: _description(output) for name, output in answers["outputs"].items()},
        {name: np.array(value, np.float32) for name, value in answers["values"].items()},
    )


def _description(found: dict[str, Any]) -> TensorDescription:
    return TensorDescription(tuple(found["shape"]), found["type"], found["scale"], found["zero_point"])


def _answer(file: Path, images: np.ndarray) -> dict[str, Any]:
    from ai_edge_litert.interpreter import Interpreter

    runner = Interpreter(str(file)).get_signature_runner(SIGNATURE)
    ((input_name, taken),) = runner.get_input_details().items()
    given = dict(sorted(runner.get_output_details().items()))
    values: dict[str, list[list[float]]] = {name: [] for name in given}
    fits = taken["shape"].tolist() == [1, *images.shape[1:]]
    for image in images if fits else ():
        outputs = runner(**{input_name: _quantised(image[np.newaxis], taken)})
        for name, details in given.items():
            values[name].append(_dequantised(outputs[name], details).reshape(-1).tolist())
    return {
        "input_name": input_name,
        "input": _described(taken),
        "outputs": {name: _described(details) for name, details in given.items()},
        "values": values,
    }


def _described(details: dict[str, Any]) -> dict[str, Any]:
    scale, zero_point = details["quantization"]
    return {
        "shape": details["shape"].tolist(),
        "type": np.dtype(details["dtype"]).name,
        "scale": float(scale),
        "zero_point": int(zero_point),
    }


def _quantised(pixels: np.ndarray, details: dict[str, Any]) -> np.ndarray:
    scale, zero_point = details["quantization"]
    values = np.round(pixels / scale) + zero_point if scale else pixels
    return values.astype(details["dtype"])


def _dequantised(array: np.ndarray, details: dict[str, Any]) -> np.ndarray:
    scale, zero_point = details["quantization"]
    values = array.astype(np.float32)
    return (values - np.float32(zero_point)) * np.float32(scale) if scale else values


if __name__ == "__main__":
    _file, _images, _answers = map(Path, sys.argv[1:])
    _answers.write_text(json.dumps(_answer(_file, np.load(_images))))
