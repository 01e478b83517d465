"""Golden vectors: a few images and what each TFLite file says of them, for whoever builds an app.

An app that prepares its images otherwise, or a device that computes otherwise, is found by comparing.
"""

import hashlib
import importlib.resources
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kfer import spec
from kfer.export import litert
from kfer.export.litert import Answers, TensorDescription
from kfer.settings.export import variant_of

FOLDER = "golden"
_IMAGES_SEED = 20_000_000
# How far another device, delegate or build may be from what LiteRT says here on the CPU, as a share of
# the largest number of the output, and at least of 1. float32 differs in the order of its sums; float16
# is also computed in float16 by GPUs and some CPUs, with 11 bits a number; the ranges of dynamic_range's
# activations are taken anew for each image. int8's kernels round alike only to one step a layer: without
# XNNPACK a toy's probabilities were 3 steps of 1/256 away, and its numbers 4.
_SHARES = {"float32": 1e-3, "float16": 1e-2, "dynamic_range": 2e-2}
_INTEGER_SHARE = 8 / 256
_STEPS = 2


def golden_images(image_size: int, count: int = 4) -> np.ndarray:
    """Returns drawn faces, always the same: RGB uint8 `[count, image_size, image_size, 3]`.

    Each is another person with another expression, drawn with kfer's own pen: no photograph of anybody.

    Args:
        image_size: Height and width in pixels.
        count: How many, 1 or more.

    Raises:
        ValueError: The size or the count is too small.
    """
    if count < 1:
        raise ValueError(f"golden images are 1 or more; got {count}")
    from kfer.datasets import drawing

    # A face has a smallest size at which its parts can be drawn; a smaller one is every n-th pixel.
    reduction = -(-drawing.SMALLEST_SIZE // max(image_size, 1))
    if image_size < 1:
        raise ValueError(f"the side of golden images is 1 pixel or more; got {image_size}")
    faces = [
        drawing.draw(
            _IMAGES_SEED + index,
            spec.EXPRESSIONS[(3 * index) % len(spec.EXPRESSIONS)],
            index,
            image_size * reduction,
        ).image[::reduction, ::reduction]
        for index in range(count)
    ]
    return np.stack(faces)


def write_golden(
    folder: Path,
    images: np.ndarray,
    files: Mapping[str, Path],
    reference: Mapping[str, np.ndarray],
) -> Path:
    """Writes `golden/` into a model's folder, and returns its golden.json.

    Beside golden.json lie "input_0.bin" and so on, the images as bytes red, green, blue, pixel after
    pixel and row after row; golden.txt, the same for programs that read no JSON; and checkers in Python,
    Kotlin, Swift, C++ and for a browser, with their licence. golden.json holds of each file its size and
    SHA-256, its input's and outputs' types, scales and zero points, and of each output and image

    - "expected": what this very file said in LiteRT on the CPU, in a process of its own;
    - "keras": what Keras said, for information: the way from there to the file is the parity's matter;
    - "tolerance": the largest difference from "expected" that is allowed to any of the numbers: of
      float32 1e-3, of float16 1e-2, of dynamic_range 2e-2, of int8 and others 8/256, times the largest
      number of the output where that is above 1; where an output is integer, at least two of its steps.

    Args:
        folder: The model's, in which the files lie.
        images: RGB uint8 `[n, size, size, 3]` with n > 0, as from `golden_images`. They travel with the
            model, so no photograph of anybody who did not agree to that.
        files: `.tflite` files by name, which is that of the variant or ends with it, as from
            `save_tflite`.
        reference: What Keras says of the same images, `[n, k]` by output, and maybe of outputs that a
            file does not have: `keras_outputs` of what
            `preprocessing.prepare_images` makes of them, which turns them grey where the network is.

    Raises:
        ValueError: Images, files and reference do not fit each other, or a file lies elsewhere.
        RuntimeError: A file does not run.
    """
    _check_images(images)
    _check_files(folder, files)
    described = {
        export: _described(variant_of(export), path.relative_to(folder), path, images, reference)
        for export, path in files.items()
    }
    golden = folder / FOLDER
    golden.mkdir(exist_ok=True)
    names = [f"input_{index}.bin" for index in range(len(images))]
    for name, image in zip(names, images, strict=True):
        (golden / name).write_bytes(image.tobytes())
    for checker in importlib.resources.files("kfer.export").joinpath("checkers").iterdir():
        if checker.is_file():
            (golden / checker.name).write_bytes(checker.read_bytes())
    content = {
        "format": 1,
        "image_size": images.shape[1],
        "signature": litert.SIGNATURE,
        "inputs": names,
        "files": list(described.values()),
    }
    text = "\n".join(_lines(content)) + "\n"
    (golden / "golden.txt").write_text(text, encoding="utf-8")
    path = golden / "golden.json"
    path.write_text(json.dumps(content, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    return path


def _described(
    variant: str, name: Path, path: Path, images: np.ndarray, reference: Mapping[str, np.ndarray]
) -> dict[str, Any]:
    answers = litert.ask(path, images)
    _check_answers(path, answers, reference)
    content = path.read_bytes()
    return {
        "variant": variant,
        "file": name.as_posix(),
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
        "input": {"name": answers.input_name} | _tensor(answers.input),
        "outputs": [
            {"name": output}
            | _tensor(tensor)
            | {
                "tolerance": _tolerance(variant, tensor, answers.values[output]),
                "expected": _rows(answers.values[output]),
                "keras": _rows(reference[output]),
            }
            for output, tensor in answers.outputs.items()
        ],
    }


def _tensor(tensor: TensorDescription) -> dict[str, Any]:
    return {
        "shape": list(tensor.shape),
        "type": tensor.type,
        "scale": tensor.scale,
        "zero_point": tensor.zero_point,
    }


def _tolerance(variant: str, tensor: TensorDescription, expected: np.ndarray) -> float:
    share = _SHARES.get(variant, _INTEGER_SHARE)
    largest = max(1.0, float(np.abs(expected).max()))
    return float(f"{max(share * largest, _STEPS * tensor.scale):.3g}")


def _rows(values: np.ndarray) -> list[list[float]]:
    """In as many digits as give the same float32 again."""
    return [[float(f"{number:.9g}") for number in row] for row in values.astype(np.float32)]


def _lines(content: Mapping[str, Any]) -> Iterator[str]:
    """What golden.txt says: one thing a line, words parted by a space."""
    yield f"golden {content['format']}"
    yield f"signature {content['signature']}"
    yield f"inputs {len(content['inputs'])}"
    for file in content["files"]:
        yield f"file {file['bytes']} {file['file']}"
        for output in file["outputs"]:
            rows: Sequence[Sequence[float]] = output["expected"]
            yield f"output {output['name']} {len(rows[0])} {output['tolerance']!r}"
            for row in rows:
                yield " ".join(map(repr, row))


def _check_images(images: np.ndarray) -> None:
    shape = images.shape
    square = len(shape) == 4 and shape[0] and shape[1] == shape[2] and shape[3] == 3
    if images.dtype != np.uint8 or not square:
        raise ValueError(
            "golden images are RGB, uint8 [n, size, size, 3] with n > 0; got "
            f"{images.dtype} {list(shape)}"
        )


def _check_files(folder: Path, files: Mapping[str, Path]) -> None:
    outside = [str(path) for path in files.values() if path.parent != folder]
    if outside or not files:
        raise ValueError(
            f"golden vectors are of at least one .tflite file in {folder}, beside which the checkers "
            f"look for it; got {', '.join(outside) or 'none'}"
        )
    missing = [path.name for path in files.values() if not path.is_file()]
    if missing:
        raise ValueError(f"{folder} has no {', '.join(missing)}: export first")


def _check_answers(path: Path, answers: Answers, reference: Mapping[str, np.ndarray]) -> None:
    said = {name: values.shape for name, values in sorted(answers.values.items())}
    known = {name: reference[name].shape for name in said if name in reference}
    if said != known:
        raise ValueError(
            f"{path.name} says {said} of the golden images, the reference is {known}: take "
            "keras_outputs of the same network and images"
        )
    infinite = [name for name, values in answers.values.items() if not np.isfinite(values).all()]
    if infinite:
        raise ValueError(f"{path.name} says numbers that are not finite in {', '.join(infinite)}")
