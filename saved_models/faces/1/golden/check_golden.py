"""Checks .tflite files against the golden vectors beside this script.

    pip install numpy ai-edge-litert
    python check_golden.py            # the golden.json beside this script
    python check_golden.py FOLDER...  # or of other model folders, golden folders or golden.json files

Needs nothing but numpy and ai-edge-litert (tried with 2.3). Prints one line a file and output; the exit
code is 0 where all pass, else 1.
"""

import hashlib
import json
import sys
from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import Interpreter


def find(place: Path) -> Path:
    """The golden.json that a path means."""
    for path in (place, place / "golden.json", place / "golden" / "golden.json"):
        if path.is_file():
            return path
    sys.exit(f"there is no golden.json at {place}")


def quantise(pixels: np.ndarray, tensor: dict) -> np.ndarray:
    """Pixels as the file's input takes them."""
    values = pixels.astype(np.float32)
    if tensor["scale"]:
        values = np.round(values / tensor["scale"]) + tensor["zero_point"]
    return values.astype(tensor["type"])


def dequantise(values: np.ndarray, tensor: dict) -> np.ndarray:
    """What the numbers of an output stand for."""
    values = values.astype(np.float32)
    if tensor["scale"]:
        values = (values - tensor["zero_point"]) * np.float32(tensor["scale"])
    return values


def check(path: Path) -> bool:
    """Prints a verdict for each file and output, and tells whether all passed."""
    golden = json.loads(path.read_text(encoding="utf-8"))
    size = golden["image_size"]
    images = [
        np.frombuffer((path.parent / name).read_bytes(), np.uint8).reshape(1, size, size, 3)
        for name in golden["inputs"]
    ]
    passed = True
    for file in golden["files"]:
        model = path.parent.parent / file["file"]
        if not model.is_file():
            print(f"FAIL {file['file']}: it is not there")
            passed = False
            continue
        if hashlib.sha256(model.read_bytes()).hexdigest() != file["sha256"]:
            print(f"FAIL {file['file']}: it is another file than the vectors are of (SHA-256)")
            passed = False
            continue
        run = Interpreter(str(model)).get_signature_runner(golden["signature"])
        pixels = file["input"]
        said = [run(**{pixels["name"]: quantise(image, pixels)}) for image in images]
        for output in file["outputs"]:
            found = np.stack([dequantise(one[output["name"]], output).reshape(-1) for one in said])
            difference = np.abs(found - np.array(output["expected"], np.float32)).max()
            near = bool(difference <= output["tolerance"])  # never true of "not a number"
            passed &= near
            print(
                f"{'PASS' if near else 'FAIL'} {file['file']} {output['name']}: largest difference "
                f"{difference:.3g}, tolerance {output['tolerance']:g}"
            )
    return passed


if __name__ == "__main__":
    places = [Path(argument) for argument in sys.argv[1:]] or [Path(__file__).resolve().parent]
    results = [check(find(place)) for place in places]
    print("all pass" if all(results) else "NOT all pass")
    sys.exit(0 if all(results) else 1)
