"""What the integers of int8 lose, layer by layer."""

import contextlib
import csv
import io
import math
import re
import warnings
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

# Above it nothing is lost: a layer that only reshapes has no noise at all.
_MOST_DB = 120.0
_STEPS = 255
# How the converter calls what the function returns.
_OUTPUT = "StatefulPartitionedCall:"
# Layers that nobody gave a name.
_NAMELESS = re.compile(r"(re_lu|activation)(_\d+)?")


@dataclass(frozen=True)
class LayerNoise:
    """How far a layer's integer output is from what float32 makes of the same integer input.

    Attributes:
        layer: The Keras layer whose output it is, the first of those that were folded into it; of an
            output of the network "output" and its number.
        operation: TFLite's, "CONV_2D" for one.
        signal_to_noise_db: 20 log10 of the output's range, as calibrated, over the root mean squared
            error; at most 120. Rounding to one of 255 steps, and nothing else, makes 59 dB; at 40 dB
            the error is a hundredth of the range.
    """

    layer: str
    operation: str
    signal_to_noise_db: float


def layer_noise(content: bytes, images: Iterable[np.ndarray]) -> list[LayerNoise]:
    """Returns the noise of each layer, the worst first, by TensorFlow's own debugger.

    Args:
        content: A TFLite file of int8 that computes each layer in float32 as well.
        images: What the input takes, float32 `[1, height, width, channels]` each.
    """
    # It announces the end of the interpreter that it works with.
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.filterwarnings("ignore", message=".*tf.lite.Interpreter is deprecated")
        debugger = tf.lite.experimental.QuantizationDebugger(
            quant_debug_model_content=content,
            debug_dataset=lambda: ([image] for image in images),
        )
        debugger.run()
    table = io.StringIO()
    debugger.layer_statistics_dump(table)
    rows = csv.DictReader(io.StringIO(table.getvalue()))
    found = [
        LayerNoise(
            _keras_layer(row["tensor_name"]),
            row["op_name"],
            _signal_to_noise_db(float(row["scale"]), float(row["mean_squared_error"])),
        )
        for row in rows
    ]
    return sorted(found, key=lambda noise: noise.signal_to_noise_db)


def _keras_layer(tensor: str) -> str:
    """From "exported_1/compact_1/stage4.0.norm2_1/FusedBatchNormV3;..." to "stage4.0.norm2"."""
    names = tensor.split(";")
    if names[0].startswith(_OUTPUT):
        return f"output {names[0].removeprefix(_OUTPUT)}"
    folded = [re.sub(r"_\d+$", "", name.split("/")[-2] if "/" in name else name) for name in names]
    return next((name for name in folded if not _NAMELESS.fullmatch(name)), folded[0])


def _signal_to_noise_db(scale: float, mean_squared_error: float) -> float:
    """Of an output with steps of `scale`."""
    ratio = _STEPS * scale / max(math.sqrt(mean_squared_error), 1e-30)
    return min(20 * math.log10(ratio), _MOST_DB)
