import numpy as np
import pytest

from kfer.export import litert


def test_answers_are_the_files_own(colour, tmp_path):
    files = colour.save_tflite(tmp_path, ("float32", "int8"))
    shape = (1, colour.size, colour.size, 3)
    for variant, scale, tolerance in (("float32", 0.0, 1e-5), ("int8", 1.0, 0.1)):
        answers = litert.ask(files[variant], colour.images[:3])
        assert answers.input_name == "image"
        assert answers.input == litert.TensorDescription(shape, "uint8", scale, 0)
        assert list(answers.outputs) == ["embedding", "expression"]
        assert answers.outputs["expression"] == litert.TensorDescription((1, 4), "float32", 0.0, 0)
        for name, values in answers.values.items():
            np.testing.assert_allclose(values, colour.reference[name][:3], atol=tolerance)


def test_integers_are_converted_both_ways():
    details = {"quantization": (1.0, -128), "dtype": np.int8}
    pixels = np.array([0, 127, 255], np.uint8)
    assert litert._quantised(pixels, details).tolist() == [-128, -1, 127]
    halves = {"quantization": (0.5, 3)}
    assert litert._dequantised(np.array([-128, 3, 127], np.int8), halves).tolist() == [-65.5, 0, 62]


def test_a_file_that_does_not_run_is_named(tmp_path):
    (tmp_path / "broken.tflite").write_bytes(b"nothing")
    with pytest.raises(
        RuntimeError, match=r"(?s)broken\.tflite does not run in a fresh process: .*Error"
    ):
        litert.ask(tmp_path / "broken.tflite", np.zeros((1, 8, 8, 3), np.uint8))
