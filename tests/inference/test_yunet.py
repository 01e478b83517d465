"""YuNet's file cannot be shipped: OpenCV decodes here a network of its form that was made by hand."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from kfer.files import DamagedError
from kfer.inference import detection, proof
from kfer.inference.detection import yunet

STRIDES = (8, 16, 32)
#: From the middle of a bright square, in squares, x before y: eyes, nose and mouth as YuNet has them.
POINTS = np.array([[-0.5, -0.4], [0.5, -0.4], [0.0, 0.0], [-0.4, 0.5], [0.4, 0.5]], np.float32)
SIZE = 3.0


def network(path: Path) -> Path:
    """A face, `SIZE` squares of 8 pixels wide, wherever such a square of the picture is white."""
    nodes, outputs = [], []
    constants = {"shape": np.array([1, -1, 1]), "level": np.float32(1 / 255), "nothing": np.float32(0)}
    constants["one"] = np.float32(1)
    constants["bbox"] = np.array([[[0, 0, np.log(SIZE), np.log(SIZE)]]], np.float32)
    constants["kps"] = POINTS.reshape(1, 1, 10)
    for stride in STRIDES:
        pooled, grey, flat, none = (f"{name}_{stride}" for name in ("pooled", "grey", "flat", "none"))
        factor = "level" if stride == STRIDES[0] else "nothing"
        nodes += [
            helper.make_node(
                "AveragePool", ["input"], [pooled], kernel_shape=[stride] * 2, strides=[stride] * 2
            ),
            helper.make_node("ReduceMean", [pooled], [grey], axes=[1], keepdims=1),
            helper.make_node("Reshape", [grey, "shape"], [flat]),
            helper.make_node("Mul", [flat, factor], [f"cls_{stride}"]),
            helper.make_node("Mul", [flat, "nothing"], [none]),
        ]
        for name, constant in (("obj", "one"), ("bbox", "bbox"), ("kps", "kps")):
            nodes.append(helper.make_node("Add", [none, constant], [f"{name}_{stride}"]))
    for name, width in (("cls", 1), ("obj", 1), ("bbox", 4), ("kps", 10)):
        outputs += [
            helper.make_tensor_value_info(f"{name}_{stride}", TensorProto.FLOAT, [1, None, width])
            for stride in STRIDES
        ]
    picture = helper.make_tensor_value_info("input", TensorProto.FLOAT, [1, 3, None, None])
    held = [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "squares", [picture], outputs, held)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), path)
    return path


@pytest.fixture(scope="module")
def weights(tmp_path_factory) -> Path:
    return network(tmp_path_factory.mktemp("yunet") / "squares.onnx")


def squares(*corners: tuple[int, int], side: int = 8, shape=(64, 96)) -> np.ndarray:
    picture = np.zeros((*shape, 3), np.uint8)
    for y, x in corners:
        picture[y : y + side, x : x + side] = 255
    return picture


def test_boxes_and_landmarks_are_where_the_network_says(weights):
    detector = detection.load("yunet", smallest_face=12.0, weights=weights)
    found = detector.detect([squares((16, 24), (40, 72)), squares()])
    assert [len(faces) for faces in found] == [2, 0]
    by_place = sorted(found[0], key=lambda face: face.box[0])
    for face, corner in zip(by_place, ((16, 24), (40, 72)), strict=True):
        np.testing.assert_allclose(face.box[:2], np.array(corner) - SIZE * 4, atol=0.01)
        np.testing.assert_allclose(face.box[2:] - face.box[:2], SIZE * 8, atol=0.01)
        # y before x, the left eye of the picture first.
        np.testing.assert_allclose(face.landmarks, corner + 8 * POINTS[:, ::-1], atol=0.01)
        assert face.score == pytest.approx(1.0, abs=0.01)


def test_a_large_picture_is_made_smaller_for_the_smallest_face(weights):
    detector = detection.load("yunet", smallest_face=24.0, weights=weights)
    (found,) = detector.detect([squares((32, 48), side=16, shape=(128, 192))])
    (face,) = found
    np.testing.assert_allclose(
        face.box, [32 - SIZE * 8, 48 - SIZE * 8, 32 + SIZE * 8, 48 + SIZE * 8], atol=0.1
    )
    assert detection.load("yunet", smallest_face=60.0, weights=weights).detect(
        [squares((32, 48), side=16, shape=(128, 192))]
    ) == [[]]


def test_opencv_is_not_given_a_file_that_ends_another_process(weights, monkeypatch):
    def ended(path: Path) -> None:
        raise ValueError("loading it ended a process with the code -11")

    monkeypatch.setattr(proof, "try_first", ended)
    monkeypatch.setattr(yunet, "opened", lambda *_: pytest.fail("OpenCV was given the file"))
    with pytest.raises(
        DamagedError, match=r"squares\.onnx is damaged \(loading it ended .* expected YuNet"
    ):
        detection.load("yunet", weights=weights)
