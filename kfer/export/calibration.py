"""The ranges of activations that integers are given, and the integers."""

from collections.abc import Iterable

import numpy as np
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from tensorflow.lite.python import convert
from tensorflow.lite.python import schema_py_generated as schema

from kfer.export import flatbuffer

# Between them and an end of the network, all stays in the range of pixels, or of outputs.
_WEIGHTED = {
    schema.BuiltinOperator.CONV_2D,
    schema.BuiltinOperator.DEPTHWISE_CONV_2D,
    schema.BuiltinOperator.FULLY_CONNECTED,
}


def with_ranges(content: bytes, images: Iterable[np.ndarray], percentile: float) -> bytes:
    """Gives the activations of a float file ranges that they seldom leave.

    A step of int8 is the 255th part of its range. The widest range that any image needs makes it coarse
    for all others; so each end is a percentile of what it was over the images. What only pixels went
    into, and the outputs, keep all of their range: cutting it would change every answer near its end.

    Args:
        content: A TFLite file of float32 that TensorFlow's converter marked for quantisation.
        images: What the input takes, float32 `[1, height, width, channels]` each.
        percentile: In [50, 100]: which share of the images stays below an activation's upper end, and
            above its lower one; 100 keeps the ranges whole.

    Returns:
        The same file with these ranges.
    """
    # With the delegate, tensors inside it have no values.
    interpreter = Interpreter(
        model_content=content,
        experimental_preserve_all_tensors=True,
        experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
        num_threads=1,
    )
    interpreter.allocate_tensors()
    (given,) = interpreter.get_input_details()
    model = flatbuffer.read(content)
    (graph,) = model.subgraphs
    activations = [index for index, tensor in enumerate(graph.tensors) if _is_calibrated(tensor)]
    ends = []
    for image in images:
        interpreter.set_tensor(given["index"], image)
        interpreter.invoke()
        values = [interpreter.get_tensor(index) for index in activations]
        ends.append([(each.min(), each.max()) for each in values])
    lowest, highest = np.moveaxis(np.array(ends), -1, 0)
    whole = _near_ends(model)
    for index, low, high in zip(activations, lowest.T, highest.T, strict=True):
        ends_of_range = np.percentile(low, 100 - percentile), np.percentile(high, percentile)
        if index in whole or ends_of_range[0] >= ends_of_range[1]:
            ends_of_range = low.min(), high.max()
        quantization = graph.tensors[index].quantization
        quantization.min, quantization.max = (np.array([end], np.float32) for end in ends_of_range)
    return flatbuffer.written(model)


def quantized(
    content: bytes,
    input_type: tf.DType = tf.float32,
    output_type: tf.DType = tf.float32,
    verifying: bool = False,
) -> bytes:
    """Returns a file of int8, from one of float32 with ranges.

    Args:
        content: From `with_ranges`.
        input_type: uint8, int8 or float32.
        output_type: The same.
        verifying: Whether each layer is also computed in float32, for TensorFlow's debugger.
    """
    return convert.mlir_quantize(
        content,
        input_data_type=input_type,
        output_data_type=output_type,
        enable_numeric_verify=verifying,
    )


def _is_calibrated(tensor: schema.TensorT) -> bool:
    """Whether the converter's own calibration gave a tensor a range."""
    quantization = tensor.quantization
    return quantization is not None and quantization.max is not None and len(quantization.max) == 1


def _near_ends(model: schema.ModelT) -> set[int]:
    """The tensors that no weights stand between and the input, or an output."""
    (graph,) = model.subgraphs
    from_input, to_output = set(graph.inputs), set(graph.outputs)
    plain = [
        operator
        for operator in graph.operators
        if model.operatorCodes[operator.opcodeIndex].builtinCode not in _WEIGHTED
    ]
    for operator in plain:
        if from_input & set(operator.inputs):
            from_input |= set(operator.outputs)
    for operator in reversed(plain):
        if to_output & set(operator.outputs):
            to_output |= set(operator.inputs)
    return from_input | to_output
