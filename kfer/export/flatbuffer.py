"""Changes to a converted TFLite file that the converter cannot be told to make."""

from tensorflow.lite.python import schema_py_generated as schema
from tensorflow.lite.tools import flatbuffer_utils


def append_l2_normalization(content: bytes, output: str) -> bytes:
    """Returns the TFLite file with one of its float32 outputs L2-normalised, as float32.

    Args:
        content: A TFLite file with one subgraph and one signature.
        output: The output's name in the signature, of shape `[1, n]`.
    """
    model = flatbuffer_utils.read_model_from_bytearray(bytearray(content))
    (graph,), (signature,) = model.subgraphs, model.signatureDefs
    entry = next(entry for entry in signature.outputs if entry.name.decode() == output)
    source = entry.tensorIndex

    code = schema.OperatorCodeT()
    code.builtinCode = schema.BuiltinOperator.L2_NORMALIZATION
    code.deprecatedBuiltinCode = schema.BuiltinOperator.L2_NORMALIZATION
    model.operatorCodes.append(code)

    normalised = schema.TensorT()
    normalised.shape = graph.tensors[source].shape
    normalised.type = schema.TensorType.FLOAT32
    normalised.name = f"{output}_normalised"
    # Buffer 0 is by TFLite's convention the empty one, of tensors without constant data.
    normalised.buffer = 0
    graph.tensors.append(normalised)

    operator = schema.OperatorT()
    operator.opcodeIndex = len(model.operatorCodes) - 1
    operator.inputs = [source]
    operator.outputs = [len(graph.tensors) - 1]
    operator.builtinOptionsType = schema.BuiltinOptions.L2NormOptions
    operator.builtinOptions = schema.L2NormOptionsT()
    graph.operators.append(operator)

    entry.tensorIndex = operator.outputs[0]
    graph.outputs = [entry.tensorIndex if i == source else i for i in graph.outputs]
    return flatbuffer_utils.convert_object_to_bytearray(model)
