"""Models of every kind that say the mean of each colour."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest
import tensorflow as tf

SIZE = 8


def save(folder: Path, shape: list[int | None]) -> Path:
    @tf.function(input_signature=[tf.TensorSpec(shape, tf.uint8, "image")])
    def means(image):
        return {"means": tf.reduce_mean(tf.cast(image, tf.float32), axis=(1, 2))}

    module = tf.Module()
    module.means = means
    tf.saved_model.save(module, str(folder), {"serving_default": means})
    return folder


@pytest.fixture(scope="session")
def saved_model(tmp_path_factory) -> Path:
    return save(tmp_path_factory.mktemp("models") / "saved", [None, None, None, 3])


def converted(folder: Path, images: int | None) -> Path:
    graph = save(folder / "graph", [images, SIZE, SIZE, 3])
    path = folder / "means.tflite"
    path.write_bytes(tf.lite.TFLiteConverter.from_saved_model(str(graph)).convert())
    return path


@pytest.fixture(scope="session")
def tflite(tmp_path_factory) -> Path:
    return converted(tmp_path_factory.mktemp("single"), 1)


@pytest.fixture(scope="session")
def resizable(tmp_path_factory) -> Path:
    return converted(tmp_path_factory.mktemp("resizable"), None)


@pytest.fixture(scope="session")
def onnx_file(tmp_path_factory) -> Path:
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    given = onnx.helper.make_tensor_value_info("image", onnx.TensorProto.FLOAT, ["n", 3, SIZE, SIZE])
    said = onnx.helper.make_tensor_value_info("means", onnx.TensorProto.FLOAT, None)
    node = onnx.helper.make_node("GlobalAveragePool", ["image"], ["means"])
    graph = onnx.helper.make_graph([node], "means", [given], [said])
    operations = [onnx.helper.make_opsetid("", 13)]
    path = tmp_path_factory.mktemp("onnx") / "means.onnx"
    onnx.save(onnx.helper.make_model(graph, ir_version=8, opset_imports=operations), str(path))
    return path


# PyTorch and TensorFlow in one process may end it.
_TORCH = """
import sys, torch
network = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.AdaptiveAvgPool2d(1)).eval()
images = torch.zeros(2, 1, 8, 8)
torch.jit.save(torch.jit.trace(network, images), sys.argv[1])
sizes = ({0: torch.export.Dim("n", min=1, max=64)},)
torch.export.save(torch.export.export(network, (images,), dynamic_shapes=sizes), sys.argv[2])
"""


@pytest.fixture(scope="session")
def torch_files(tmp_path_factory) -> tuple[Path, Path]:
    """Of TorchScript, and of torch.export."""
    if importlib.util.find_spec("torch") is None:
        pytest.skip("PyTorch is not installed")
    folder = tmp_path_factory.mktemp("torch")
    script, program = folder / "means.pt", folder / "means.pt2"
    subprocess.run([sys.executable, "-c", _TORCH, script, program], check=True, capture_output=True)
    return script, program
