"""What TensorFlow Serving runs before a model takes requests, so that the first one is as fast as any."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import tensorflow as tf
from tensorflow_serving.apis import model_pb2, predict_pb2, prediction_log_pb2

#: Where TensorFlow Serving looks for them, in the folder of a SavedModel.
FILE = Path("assets.extra", "tf_serving_warmup_requests")


def write_warmup(folder: Path, requests: Mapping[str, Mapping[str, np.ndarray | list[bytes]]]) -> None:
    """Writes one request a signature, as TensorFlow Serving's "SavedModel Warmup" wants it.

    Args:
        folder: Of the SavedModel.
        requests: By signature, its inputs by name.
    """
    path = folder / FILE
    path.parent.mkdir(exist_ok=True)
    with tf.io.TFRecordWriter(str(path)) as writer:
        for signature, inputs in requests.items():
            request = predict_pb2.PredictRequest(
                model_spec=model_pb2.ModelSpec(signature_name=signature),
                inputs={name: tf.make_tensor_proto(value) for name, value in inputs.items()},
            )
            log = prediction_log_pb2.PredictLog(request=request)
            writer.write(
                prediction_log_pb2.PredictionLog(predict_log=log).SerializeToString(deterministic=True)
            )
