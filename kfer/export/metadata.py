"""What a TFLite file says of itself: names, meanings, units and labels, as TFLite's metadata."""

import io
import zipfile
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from tensorflow.lite.python import schema_py_generated as schema

import kfer
from kfer import spec
from kfer.export import flatbuffer, metadata_schema
from kfer.export.description import labels_text
from kfer.export.network import output_of
from kfer.settings import TaskSettings
from kfer.settings.tasks import CLASSES, EMBEDDING, MULTI_LABEL, REGRESSION, SOFT_CLASSES, Tasks

# By their names in the signatures.
_Tensors = list[tuple[str, schema.TensorT]]

_ENTRY = "TFLITE_METADATA"
_IDENTIFIER = b"TFL3"
# Nothing that is written here came after the schema's first version.
_MIN_PARSER_VERSION = "1.0.0"
_UNNAMED = "(without a name)"
# The earliest date that a ZIP can hold: with the time of writing, no two files would be the same.
_EARLIEST = (1980, 1, 1, 0, 0, 0)
_UNIX, _READABLE = 3, 0o644 << 16
_MEANINGS = {
    CLASSES: "Probability of each class, without unit, from 0 to 1; together they are 1.",
    SOFT_CLASSES: "Expected share of the votes for each class, without unit, from 0 to 1; together 1.",
    MULTI_LABEL: "Probability of each label for itself, without unit, from 0 to 1.",
    REGRESSION: "A number for each name, in the unit of the labels that the network learned from.",
    EMBEDDING: "Who the face is: a vector without unit",
}
_UNIT_VECTOR = (
    ", of length 1 (L2-normalised). The cosine of two, which is their dot product, says how alike the "
    "faces are: from -1 to 1, higher is closer."
)
_VECTOR = (
    ", not normalised. The cosine of two, the dot product of both after L2 normalisation, says how alike "
    "the faces are: from -1 to 1, higher is closer."
)
_QUANTISED = " The tensor's integers mean (integer - zero point) * scale."


def with_metadata(
    content: bytes, tasks: Tasks, name: str, *, version: str = "", normalized: bool = True
) -> bytes:
    """Returns the TFLite file with TFLite's metadata: its meaning for people and for MediaPipe Tasks.

    It describes the input (RGB, its size, pixels as they are), and each output by its name in the
    signatures: its meaning, unit and range. The names of classes, labels and numbers follow the model as
    text files in an uncompressed ZIP, `<output>_labels.txt`, one a line in the output's order; any
    unzip program reads them. Metadata that is there already is replaced, that of the converter kept.
    The same input gives the same bytes.

    MediaPipe takes no int8 input ("int8_io") and no grey images, and scales without antialiasing: give it
    RGB images of the model's size.

    Args:
        content: A TFLite file, whose first subgraph has a signature.
        tasks: What its outputs are, from `exported_tasks`; those that it has no output for are left out.
        name: The model's name.
        version: The model's version; left out where empty.
        normalized: Whether the file L2-normalises the embedding.

    Raises:
        ValueError: It is no TFLite file, its first subgraph has no signature, its input is not "image",
            or an output is no task's or has another number of numbers than the task has names.
    """
    model = _parsed(content)
    outputs = {output_of(task, settings): settings for task, settings in tasks.items()}
    graphs = [_named_tensors(model, index) for index in range(len(model.subgraphs))]
    _check_tensors(graphs, outputs)
    told = list(dict.fromkeys(name for _, found in graphs for name, _ in found))
    described = {
        "name": name,
        "description": (
            f"What the image of one face, cropped as in training, shows: {', '.join(told)}. "
            f"Made by kfer {kfer.__version__}."
        ),
        **({"version": version} if version else {}),
        "subgraph_metadata": [
            {
                "input_tensor_metadata": [_input(tensor) for _, tensor in inputs],
                "output_tensor_metadata": [
                    _output(output, tensor, outputs[output], normalized) for output, tensor in found
                ],
            }
            for inputs, found in graphs
        ],
        "min_parser_version": _MIN_PARSER_VERSION,
    }
    _put(model, metadata_schema.packed(described))
    files = {
        _labels_file(output): labels_text(outputs[output].names)
        for output in told
        if outputs[output].names
    }
    return _with_files(flatbuffer.written(model), files)


def read_metadata(content: bytes) -> dict[str, Any]:
    """Returns the TFLite metadata of a file, under its schema's names.

    Those are "name", "description", "version", "min_parser_version" and "subgraph_metadata", of each
    subgraph the lists "input_tensor_metadata" and "output_tensor_metadata" in the order of its tensors.
    What a file does not say is left out. "files" has the text of each associated file by its name.

    Args:
        content: A TFLite file of `with_metadata`, or another one that has metadata.

    Raises:
        ValueError: It is no TFLite file, or has no metadata.
    """
    model = _parsed(content)
    entries = {entry.name.decode(): entry.buffer for entry in model.metadata or []}
    if _ENTRY not in entries:
        raise ValueError(
            f"the TFLite file has no {_ENTRY}, which with_metadata puts into it; "
            f"it has {', '.join(entries) or 'nothing'}"
        )
    described = metadata_schema.unpacked(bytes(model.buffers[entries[_ENTRY]].data))
    return described | {"files": _files(content)}


def _parsed(content: bytes) -> schema.ModelT:
    found = content[4:8]
    if found != _IDENTIFIER:
        raise ValueError(f"a TFLite file has {_IDENTIFIER!r} as its bytes 4 to 8; got {found!r}")
    return flatbuffer.read(content)


def _named_tensors(model: schema.ModelT, index: int) -> tuple[_Tensors, _Tensors]:
    """The inputs and outputs of a subgraph that has a signature, with their names there.

    In the subgraph's order, for the metadata of a tensor is found by its place, and the converter may
    reorder outputs.
    """
    signatures = [entry for entry in model.signatureDefs or [] if entry.subgraphIndex == index]
    if not signatures:
        return [], []
    names = {
        entry.tensorIndex: entry.name.decode()
        for signature in signatures
        for entry in (*signature.inputs, *signature.outputs)
    }
    graph = model.subgraphs[index]
    inputs, outputs = (
        [(names.get(tensor, _UNNAMED), graph.tensors[tensor]) for tensor in tensors]
        for tensors in (graph.inputs, graph.outputs)
    )
    return inputs, outputs


def _check_tensors(graphs: Sequence[tuple[_Tensors, _Tensors]], outputs: Tasks) -> None:
    _, first = graphs[0]
    if not first:
        raise ValueError(
            "the first subgraph of the TFLite file needs a signature, which names its outputs; "
            "save_tflite writes one"
        )
    for inputs, found in graphs:
        if found and [name for name, _ in inputs] != [spec.IMAGE]:
            raise ValueError(
                f"the TFLite file must have one input, {spec.IMAGE}; got "
                f"{', '.join(name for name, _ in inputs) or 'none'}"
            )
        for name, tensor in found:
            if name not in outputs:
                raise ValueError(
                    f"the tasks must say what each output of the TFLite file is; got {name}, and tasks "
                    f"for {', '.join(outputs) or 'none'}"
                )
            names = outputs[name].names
            if names and len(names) != tensor.shape[-1]:
                raise ValueError(
                    f"tasks.{name}: the TFLite file's output has {tensor.shape[-1]} numbers; got "
                    f"{len(names)} names: {', '.join(names)}"
                )


def _input(tensor: schema.TensorT) -> dict[str, Any]:
    _, height, width, _ = tensor.shape
    signed = (
        " The tensor's integers are the pixels less 128." if tensor.type == schema.TensorType.INT8 else ""
    )
    return {
        "name": spec.IMAGE,
        "description": (
            f"RGB image of one face, {height} pixels high and {width} wide, cropped as in training "
            "and scaled with antialiasing; values from 0 to 255 as they are, the network scales them."
            f"{signed}"
        ),
        "content": {
            "content_properties": {
                "ImageProperties": {
                    "color_space": "RGB",
                    "default_size": {"width": int(width), "height": int(height)},
                }
            }
        },
        # MediaPipe fills uint8 with pixels whatever stands here, refuses float32 without it, and takes
        # no int8; readers that know int8 quantise with the tensor's own scale of 1 afterwards.
        "process_units": [{"options": {"NormalizationOptions": {"mean": [0.0], "std": [1.0]}}}],
        "stats": {"max": [255.0], "min": [0.0]},
    }


def _output(name: str, tensor: schema.TensorT, task: TaskSettings, normalized: bool) -> dict[str, Any]:
    meaning = _MEANINGS[task.kind]
    if task.kind == EMBEDDING:
        meaning += _UNIT_VECTOR if normalized else _VECTOR
    if tensor.type != schema.TensorType.FLOAT32:
        meaning += _QUANTISED
    described: dict[str, Any] = {
        "name": name,
        "description": meaning,
        "content": {"content_properties": {"FeatureProperties": {}}},
    }
    least = {REGRESSION: None, EMBEDDING: -1.0 if normalized else None}.get(task.kind, 0.0)
    if least is not None:
        described["stats"] = {"max": [1.0], "min": [least]}
    if task.names:
        described["associated_files"] = [
            {
                "name": _labels_file(name),
                "description": "The names of the output's numbers, one a line, in their order.",
                "type": "TENSOR_AXIS_LABELS",
            }
        ]
    return described


def _labels_file(output: str) -> str:
    return f"{output}_labels.txt"


def _put(model: schema.ModelT, metadata: bytes) -> None:
    """Puts the metadata into the model, in place of what is there."""
    model.metadata = model.metadata or []
    entry = next((entry for entry in model.metadata if entry.name.decode() == _ENTRY), None)
    if entry is None:
        entry = schema.MetadataT(_ENTRY, len(model.buffers))
        model.buffers.append(schema.BufferT())
        model.metadata.append(entry)
    model.buffers[entry.buffer].data = np.frombuffer(metadata, np.uint8)


def _with_files(content: bytes, files: Mapping[str, str]) -> bytes:
    """Appends a ZIP, which readers look for from the end, as FlatBuffers are read from the start."""
    if not files:
        return content
    whole = io.BytesIO(content)
    with zipfile.ZipFile(whole, "a") as archive:
        for name, text in files.items():
            # MediaPipe reads uncompressed files only: it takes them where they lie.
            file = zipfile.ZipInfo(name, _EARLIEST)
            file.create_system, file.external_attr = _UNIX, _READABLE
            archive.writestr(file, text, zipfile.ZIP_STORED)
    return whole.getvalue()


def _files(content: bytes) -> dict[str, str]:
    if not zipfile.is_zipfile(io.BytesIO(content)):
        return {}
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name).decode() for name in archive.namelist()}
