import zipfile

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

from kfer import export
from kfer.export import flatbuffer
from kfer.settings import ExportSettings, TaskSettings

NAMES = {
    "expression_labels.txt": "calm\nglad\nsad\nwild\n",
    "votes_labels.txt": "young\nold\nunclear\n",
    "units_labels.txt": "brow\nlips\n",
    "angles_labels.txt": "yaw\npitch\n",
}


@pytest.fixture(scope="module")
def plain(grey, tmp_path_factory):
    """Files without metadata, by variant."""
    settings = ExportSettings(tflite=("float32", "int8", "int8_io"))
    folder = tmp_path_factory.mktemp("plain")
    toy = grey
    files = export.save_tflite(toy.model, folder, toy.tasks, settings, toy.images, toy.size, 1)
    return {variant: file.path.read_bytes() for variant, file in files.items()}


@pytest.fixture(scope="module")
def described(plain, grey):
    return {
        variant: export.with_metadata(content, grey.tasks, "faces", version="3")
        for variant, content in plain.items()
    }


def graph_of(content):
    """The metadata of the subgraph of all outputs: that of its image, and of its outputs."""
    graph, *_ = export.read_metadata(content)["subgraph_metadata"]
    (image,) = graph["input_tensor_metadata"]
    return image, graph["output_tensor_metadata"]


def outputs_of(content):
    return {output["name"]: output for output in graph_of(content)[1]}


def names_in_order(content):
    """Of the outputs, as LiteRT has them."""
    interpreter = Interpreter(model_content=content)
    interpreter.allocate_tensors()
    named = interpreter.get_signature_runner("serving_default").get_output_details()
    by_tensor = {details["index"]: name for name, details in named.items()}
    return [by_tensor[details["index"]] for details in interpreter.get_output_details()]


def changed(content, change):
    model = flatbuffer.read(content)
    change(model)
    return flatbuffer.written(model)


def test_the_model_is_described(described):
    found = export.read_metadata(described["float32"])
    assert (found["name"], found["version"], found["min_parser_version"]) == ("faces", "3", "1.0.0")
    for output in ("expression", "embedding", "votes", "units", "angles"):
        assert output in found["description"]


def test_the_input_takes_pixels_as_they_are(described, grey):
    for variant, content in described.items():
        image, _ = graph_of(content)
        assert image["name"] == "image"
        properties = {"color_space": "RGB", "default_size": {"width": grey.size, "height": grey.size}}
        assert image["content"]["content_properties"] == {"ImageProperties": properties}
        (unit,) = image["process_units"]
        assert unit["options"] == {"NormalizationOptions": {"mean": [0.0], "std": [1.0]}}
        assert image["stats"] == {"max": [255.0], "min": [0.0]}
        assert ("the pixels less 128" in image["description"]) == (variant == "int8_io")


def test_each_output_has_a_meaning_a_unit_and_a_range(described):
    outputs = outputs_of(described["float32"])
    for name in ("expression", "votes", "units"):
        assert "without unit, from 0 to 1" in outputs[name]["description"]
        assert outputs[name]["stats"] == {"max": [1.0], "min": [0.0]}
    assert "L2-normalised" in outputs["embedding"]["description"]
    assert outputs["embedding"]["stats"] == {"max": [1.0], "min": [-1.0]}
    assert "in the unit of the labels" in outputs["angles"]["description"]
    assert "stats" not in outputs["angles"]
    for output in outputs.values():
        assert output["content"]["content_properties"] == {"FeatureProperties": {}}
        assert "scale" not in output["description"]
    for output in outputs_of(described["int8_io"]).values():
        assert output["description"].endswith("integers mean (integer - zero point) * scale.")


def test_an_embedding_that_is_not_normalised_is_not_said_to_be(plain, grey):
    content = export.with_metadata(plain["float32"], grey.tasks, "faces", normalized=False)
    embedding = outputs_of(content)["embedding"]
    assert "not normalised" in embedding["description"] and "stats" not in embedding
    assert "version" not in export.read_metadata(content)


def test_labels_are_in_a_zip_that_needs_no_unpacking(described, tmp_path):
    path = tmp_path / "faces.tflite"
    path.write_bytes(described["int8"])
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        assert {name: archive.read(name).decode() for name in archive.namelist()} == NAMES
        for file in archive.infolist():
            assert file.compress_type == zipfile.ZIP_STORED
            assert file.date_time == (1980, 1, 1, 0, 0, 0)  # not today
    assert export.read_metadata(described["int8"])["files"] == NAMES


def test_each_output_names_its_labels(described):
    for name, output in outputs_of(described["float32"]).items():
        files = output.get("associated_files", [])
        expected = [] if name == "embedding" else [(f"{name}_labels.txt", "TENSOR_AXIS_LABELS")]
        assert [(file["name"], file["type"]) for file in files] == expected


def test_labels_may_be_of_any_language(plain, grey):
    names = ("ruhig", "fröhlich", "悲しい", "wild")
    tasks = grey.tasks | {"expression": TaskSettings(names=names)}
    files = export.read_metadata(export.with_metadata(plain["int8"], tasks, "faces"))["files"]
    assert files["expression_labels.txt"].splitlines() == list(names)


def test_metadata_follow_the_order_of_the_subgraph(plain, grey):
    def reverse(model):
        model.subgraphs[0].outputs = list(reversed(model.subgraphs[0].outputs))

    found = []
    for content in (plain["float32"], changed(plain["float32"], reverse)):
        tasks = dict(reversed(grey.tasks.items()))
        _, outputs = graph_of(export.with_metadata(content, tasks, "faces"))
        found.append([output["name"] for output in outputs])
        assert found[-1] == names_in_order(content)
    assert found[0] == found[1][::-1]


def test_outputs_stay_the_same(plain, described, grey):
    for variant in ("float32", "int8"):
        before, after = (
            Interpreter(model_content=content).get_signature_runner("serving_default")
            for content in (plain[variant], described[variant])
        )
        for image in grey.rgb[:4]:
            expected, found = before(image=image[np.newaxis]), after(image=image[np.newaxis])
            assert set(found) == set(grey.reference)
            for name, output in found.items():
                np.testing.assert_array_equal(output, expected[name])


def test_the_same_input_gives_the_same_bytes(plain, described, grey):
    for variant, content in plain.items():
        again = export.with_metadata(content, grey.tasks, "faces", version="3")
        assert again == described[variant]


def test_metadata_replace_what_kfer_wrote_and_keep_the_converters(plain, described, grey):
    content = export.with_metadata(described["int8"], grey.tasks, "other", version="3")
    assert export.read_metadata(content)["name"] == "other"
    assert export.with_metadata(content, grey.tasks, "faces", version="3") == described["int8"]

    def entries(content):
        model = flatbuffer.read(content)
        return {each.name.decode(): bytes(model.buffers[each.buffer].data) for each in model.metadata}

    before, after = entries(plain["int8"]), entries(content)
    assert "min_runtime_version" in before
    assert set(after) - set(before) == {"TFLITE_METADATA"}
    assert {name: after[name] for name in before} == before


def test_a_file_of_one_task_has_its_labels_alone(grey, tmp_path):
    settings = ExportSettings(tflite=("float32",), single_task=True)
    files = export.save_tflite(grey.model, tmp_path, grey.tasks, settings, grey.images, grey.size, 1)
    for name, expected in (("expression", {"expression_labels.txt"}), ("embedding", set())):
        content = files[f"{name}_float32"].path.read_bytes()
        found = export.read_metadata(export.with_metadata(content, grey.tasks, "faces"))
        assert set(found["files"]) == expected
        (graph,) = found["subgraph_metadata"]
        assert [output["name"] for output in graph["output_tensor_metadata"]] == [name]


def test_each_subgraph_of_a_signature_is_described(plain, described, grey):
    def forget(model):
        del model.signatureDefs[1]

    whole, *alone = export.read_metadata(described["float32"])["subgraph_metadata"]
    names = [[output["name"] for output in graph["output_tensor_metadata"]] for graph in alone]
    assert names == [["expression"], ["embedding"], ["votes"], ["units"], ["angles"]]
    assert len(whole["output_tensor_metadata"]) == len(names)
    assert all(len(graph["input_tensor_metadata"]) == 1 for graph in alone)
    content = export.with_metadata(changed(plain["float32"], forget), grey.tasks, "faces")
    _, nameless, *_ = export.read_metadata(content)["subgraph_metadata"]
    assert nameless == {"input_tensor_metadata": [], "output_tensor_metadata": []}


def test_outputs_that_are_no_tasks_are_refused(plain, grey):
    fewer = {name: task for name, task in grey.tasks.items() if name != "units"}
    with pytest.raises(ValueError, match=r"got units, and tasks for expression, .*, angles"):
        export.with_metadata(plain["float32"], fewer, "faces")
    with pytest.raises(ValueError, match=r"got \w+, and tasks for none"):
        export.with_metadata(plain["float32"], {}, "faces")


def test_labels_of_another_number_than_the_outputs_are_refused(plain, grey):
    tasks = grey.tasks | {"units": TaskSettings("multi_label", ("brow", "lips", "chin"))}
    with pytest.raises(ValueError, match=r"tasks\.units: .* 2 numbers; got 3 names: brow, lips, chin"):
        export.with_metadata(plain["float32"], tasks, "faces")


def test_files_that_kfer_did_not_write_are_refused(plain, grey):
    def take_signatures(model):
        model.signatureDefs = None

    def take_image(model):
        for signature in model.signatureDefs:
            signature.inputs = []

    with pytest.raises(ValueError, match="first subgraph of the TFLite file needs a signature"):
        export.with_metadata(changed(plain["float32"], take_signatures), grey.tasks, "faces")
    with pytest.raises(ValueError, match=r"one input, image; got \(without a name\)"):
        export.with_metadata(changed(plain["float32"], take_image), grey.tasks, "faces")
    for content in (b"", b"PK\3\4 is no model"):
        with pytest.raises(ValueError, match=r"b'TFL3' as its bytes 4 to 8; got b'"):
            export.with_metadata(content, grey.tasks, "faces")
    with pytest.raises(ValueError, match=r"no TFLITE_METADATA.* it has min_runtime_version"):
        export.read_metadata(plain["float32"])
