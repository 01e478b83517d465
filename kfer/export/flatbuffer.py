"""Changes to a converted TFLite file that the converter cannot be told to make.

Each changes a file that was read with `read`, with one subgraph and one signature.
"""

import collections
import copy
from collections.abc import Mapping, Sequence
from typing import Any

from tensorflow.lite.python import schema_py_generated as schema
from tensorflow.lite.tools import flatbuffer_utils

# The output of an integer L2_NORMALIZATION is quantised so, whatever goes in.
_UNIT_SCALE, _UNIT_ZERO_POINT = 1 / 128, 0
# Buffer 0 is by TFLite's convention the empty one, of tensors without constant data.
_NO_DATA = 0
# Instead of an input that an operation can do without.
_NO_TENSOR = -1
# Bytes, of TFLite's own schema.
_ALIGNMENT = 16


class _AlignedBuffer(schema.BufferT):
    """Constant data that begins at a multiple of 16 bytes, as TFLite's schema asks.

    TensorFlow's Python code, which writes every converted file, forgets it; then LiteRT copies weights
    that it could have left in the file, and says so.
    """

    def Pack(self, builder: Any) -> int:  # noqa: N802 (the name that is overridden)
        if self.data is not None:
            builder.Prep(_ALIGNMENT, len(self.data))
        return super().Pack(builder)


def read(content: bytes) -> schema.ModelT:
    """Returns a TFLite file as objects that can be changed."""
    return flatbuffer_utils.read_model_from_bytearray(bytearray(content))


def written(model: schema.ModelT) -> bytes:
    """Returns the TFLite file."""
    model.buffers = [_AlignedBuffer(each.data, each.offset, each.size) for each in model.buffers]
    return bytes(flatbuffer_utils.convert_object_to_bytearray(model))


def contents(model: schema.ModelT) -> dict[str, Any]:
    """Returns what a file has, JSON-able.

    Returns:
        "operations", how many of each its first subgraph has, that of all outputs, in alphabetical
        order; "signatures", of each by its name "inputs" and "outputs", the tensors' names, shapes (-1
        for any) and types ("UINT8").
    """
    operators = _names(schema.BuiltinOperator)
    types = _names(schema.TensorType)
    found = collections.Counter(
        operators[model.operatorCodes[operator.opcodeIndex].builtinCode]
        for operator in model.subgraphs[0].operators
    )

    def described(signature: schema.SignatureDefT, entries: Sequence[Any]) -> list[dict[str, Any]]:
        tensors = model.subgraphs[signature.subgraphIndex].tensors
        told = []
        for entry in entries:
            tensor = tensors[entry.tensorIndex]
            shape = tensor.shape if tensor.shapeSignature is None else tensor.shapeSignature
            told.append(
                {"name": _text(entry.name), "shape": list(map(int, shape)), "type": types[tensor.type]}
            )
        return told

    return {
        "operations": dict(sorted(found.items())),
        "signatures": {
            _text(signature.signatureKey): {
                "inputs": described(signature, signature.inputs),
                "outputs": described(signature, signature.outputs),
            }
            for signature in model.signatureDefs
        },
    }


def _names(numbered: type) -> dict[int, str]:
    return {value: name for name, value in vars(numbered).items() if isinstance(value, int)}


def _text(name: str | bytes) -> str:
    return name.decode() if isinstance(name, bytes) else name


def append_l2_normalization(model: schema.ModelT, output: str) -> None:
    """L2-normalises an output: float32 stays so, int8 has steps of 1/128 afterwards.

    Args:
        model: The file.
        output: The output's name in the signature, of shape `[n, size]`.
    """
    (graph,), (signature,) = model.subgraphs, model.signatureDefs
    entry = next(entry for entry in signature.outputs if entry.name.decode() == output)
    source = entry.tensorIndex
    given = graph.tensors[source]
    quantization = None
    if given.type != schema.TensorType.FLOAT32:
        quantization = schema.QuantizationParametersT()
        quantization.scale, quantization.zeroPoint = [_UNIT_SCALE], [_UNIT_ZERO_POINT]
    normalised = _add_tensor(graph, given, f"{output}_normalised", given.type, quantization)
    operator = _operator(model, schema.BuiltinOperator.L2_NORMALIZATION, source, normalised)
    operator.builtinOptionsType = schema.BuiltinOptions.L2NormOptions
    operator.builtinOptions = schema.L2NormOptionsT()
    graph.operators.append(operator)
    entry.tensorIndex = normalised
    graph.outputs = [normalised if i == source else i for i in graph.outputs]


def take_uint8(model: schema.ModelT) -> None:
    """Turns the one input, of float32, into one of uint8 with the same values."""
    (graph,), (signature,) = model.subgraphs, model.signatureDefs
    (entry,) = signature.inputs
    floats = entry.tensorIndex
    given = graph.tensors[floats]
    pixels = _add_tensor(graph, given, given.name, schema.TensorType.UINT8)
    given.name = given.name + b"_float"
    graph.operators.insert(0, _operator(model, schema.BuiltinOperator.CAST, pixels, floats))
    entry.tensorIndex = pixels
    graph.inputs = [pixels]


def add_signatures(model: schema.ModelT, outputs: Mapping[str, Sequence[str]]) -> None:
    """Adds signatures that give some of the outputs of the one that there is.

    Each has a subgraph of its own with only what these outputs need, since some runtimes load no file
    whose signatures are of one subgraph. All constant data is shared: no weight is in the file twice.

    Args:
        model: The file.
        outputs: The names of the outputs of each, by the signature's name.
    """
    (graph,), (signature,) = model.subgraphs, model.signatureDefs
    for key, names in outputs.items():
        further = copy.deepcopy(signature)
        further.signatureKey, further.subgraphIndex = key, len(model.subgraphs)
        further.outputs = [entry for entry in further.outputs if entry.name.decode() in names]
        part, places = _part(graph, [entry.tensorIndex for entry in further.outputs])
        part.name = key
        for entry in (*further.inputs, *further.outputs):
            entry.tensorIndex = places[entry.tensorIndex]
        model.subgraphs.append(part)
        model.signatureDefs.append(further)


def _part(graph: schema.SubGraphT, outputs: Sequence[int]) -> tuple[schema.SubGraphT, dict[int, int]]:
    """What of a graph is needed for some of its tensors, and their numbers there by those here."""
    needed, operators = set(outputs), []
    for operator in reversed(graph.operators):
        if needed & set(operator.outputs):
            operators.append(copy.deepcopy(operator))
            needed |= {*operator.inputs, *operator.outputs}
    needed |= set(graph.inputs)
    kept = [index for index in range(len(graph.tensors)) if index in needed]
    places = {index: place for place, index in enumerate(kept)} | {_NO_TENSOR: _NO_TENSOR}
    part = schema.SubGraphT()
    part.tensors = [copy.deepcopy(graph.tensors[index]) for index in kept]
    part.inputs = [places[index] for index in graph.inputs]
    part.outputs = [places[index] for index in outputs]
    part.operators = operators[::-1]
    for operator in part.operators:
        operator.inputs = [places[index] for index in operator.inputs]
        operator.outputs = [places[index] for index in operator.outputs]
    return part, places


def _add_tensor(
    graph: schema.SubGraphT,
    like: schema.TensorT,
    name: str | bytes,
    kind: int,
    quantization: schema.QuantizationParametersT | None = None,
) -> int:
    tensor = schema.TensorT()
    tensor.shape, tensor.shapeSignature = like.shape, like.shapeSignature
    tensor.type, tensor.name, tensor.quantization = kind, name, quantization
    tensor.buffer = _NO_DATA
    graph.tensors.append(tensor)
    return len(graph.tensors) - 1


def _operator(model: schema.ModelT, builtin: int, source: int, target: int) -> schema.OperatorT:
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = builtin
    model.operatorCodes.append(code)
    operator = schema.OperatorT()
    operator.opcodeIndex = len(model.operatorCodes) - 1
    operator.inputs, operator.outputs = [source], [target]
    return operator
