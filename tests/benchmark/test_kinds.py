import pytest

from kfer.benchmark import kinds


def test_kinds_are_told_apart(tflite, saved_model, tmp_path):
    assert kinds.kind_of(tflite) is kinds.TFLITE
    assert kinds.kind_of(saved_model) is kinds.SAVED_MODEL
    model = tmp_path / "a.onnx"
    model.write_bytes(b"\x08\x08")
    assert kinds.kind_of(model) is kinds.ONNX


def test_what_is_no_model_is_named(tmp_path):
    for name, content, message in (
        ("a.tflite", b"no model", "is no TFLite file"),
        ("a.onnx", b"", "is empty"),
        ("a.pt", b"no model", "neither by torch.jit.save nor by torch.export.save"),
        ("a.txt", b"", "or a file that ends in .tflite, .onnx, .pt, .pt2"),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ValueError, match=message):
            kinds.kind_of(tmp_path / name)
    with pytest.raises(ValueError, match=r"no SavedModel: it has no saved_model\.pb"):
        kinds.kind_of(tmp_path)
    with pytest.raises(FileNotFoundError, match="there is no model at"):
        kinds.kind_of(tmp_path / "none.tflite")


def test_weights_beside_an_onnx_file_count(tmp_path):
    (tmp_path / "a.onnx").write_bytes(bytes(1000))
    (tmp_path / "a.onnx.data").write_bytes(bytes(2000))
    assert kinds.size_mb(tmp_path / "a.onnx") == 0.003


def test_a_missing_package_is_not_installed():
    assert not kinds.Kind("X", "no_such_package.module", "x").is_installed
    assert kinds.TFLITE.is_installed
