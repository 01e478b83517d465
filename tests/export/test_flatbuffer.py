import numpy as np
from ai_edge_litert.interpreter import Interpreter
from tensorflow.lite.python import schema_py_generated as schema

from kfer import export
from kfer.export import flatbuffer
from kfer.settings import ExportSettings


def data_starts(content):
    """Where the constant data of a file lie, in bytes from its start, and how long they are."""
    model = schema.Model.GetRootAsModel(content, 0)
    tables = [model.Buffers(index)._tab for index in range(model.BuffersLength())]
    vectors = [(table, table.Offset(4)) for table in tables]
    return [(table.Vector(at), table.VectorLen(at)) for table, at in vectors if at]


def test_constant_data_are_aligned(grey, tmp_path, capfd):
    settings = ExportSettings(tflite=("float32", "int16"))
    files = export.save_tflite(grey.model, tmp_path, grey.tasks, settings, grey.images, grey.size, 1)
    for file in files.values():
        content = file.path.read_bytes()
        starts = data_starts(content)
        assert max(length for _, length in starts) > 4096  # the weights are among them
        assert {start % 16 for start, _ in starts} == {0}
        assert flatbuffer.written(flatbuffer.read(content)) == content
        Interpreter(str(file.path)).allocate_tensors()
    assert "unaligned" not in capfd.readouterr().err


def test_what_is_written_again_says_the_same(only_expression, tmp_path):
    settings = ExportSettings(tflite=("float32",))
    toy = only_expression
    files = export.save_tflite(toy.model, tmp_path, toy.tasks, settings, toy.images, toy.size, 1)
    content = files["float32"].path.read_bytes()
    said = [
        Interpreter(model_content=each).get_signature_runner()(image=toy.rgb[:1])["expression"]
        for each in (content, flatbuffer.written(flatbuffer.read(content)))
    ]
    np.testing.assert_array_equal(*said)
