"""Grad-CAM: where in a face a network sees what speaks for one of its classes.

Selvaraju et al. (2017), https://arxiv.org/abs/1610.02391.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from kfer import forks, spec
from kfer.inference import proof, runtime

if TYPE_CHECKING:
    import tensorflow as tf

# What a signature calls its graph with.
_CALLS = ("PartitionedCall", "StatefulPartitionedCall")
# The types of shapes, which say nothing of what is seen.
_OF_SHAPES = ("int32", "int64")
# So many rows and columns a feature map shall have, or these where none has. Networks for faces of 48
# pixels end in 3 x 3 (compact), 2 x 2 (resnet152) and 1 x 1 (densenet161), which say little of where: of
# 1,000 faces of FER2013, covering the fifth that it points to costs the compact network 0.24 of the
# probability with its map of 6 x 6, 0.16 with 3 x 3, and 0.12 at random (measure_explanations.py).
_SIDES = (4, 2)


class GradCAM(forks.OfOneProcess):
    """A SavedModel with its gradients: called with a face and a class, it returns the class's map.

    The feature map is the last one of at least 4 rows and columns: of networks for 224 pixels the last of
    all, as in the paper. Several threads may use one.

    Args:
        path: The folder of the SavedModel; a TFLite file has no gradients.
        task: The output whose classes are explained.

    Raises:
        ValueError: It is no SavedModel that kfer exported, it has no such output, or the output is no
            softmax of what is seen in a feature map.
    """

    def __init__(self, path: Path | str, task: str = spec.EXPRESSION) -> None:
        path = Path(path)
        if path.is_file():
            raise ValueError(
                f"Grad-CAM needs the gradients of a SavedModel (--variant saved_model); got {path}. The "
                "occlusion map works with every export"
            )
        forks.check_tensorflow()
        import tensorflow as tf

        runtime.check_kind(path)
        proof.checked(path)
        self._model, signature = runtime.load_signature(path)
        if task not in signature.structured_outputs:
            known = ", ".join(sorted(signature.structured_outputs))
            raise ValueError(f"{path} has no output {task!r}; it has {known}")
        graph, inputs, output = _body(signature, task)

        @tf.function(
            input_signature=[
                tf.TensorSpec([None, None, None, 3], tf.uint8),
                tf.TensorSpec([], tf.int32),
            ],
            autograph=False,
        )
        def weighted(images: "tf.Tensor", index: "tf.Tensor") -> "tf.Tensor":
            given = {name: images if value is None else tf.identity(value) for name, value in inputs}
            (probabilities,) = tf.graph_util.import_graph_def(graph, given, [output])
            logits, features = _logits_and_features(probabilities, images, path)
            (gradients,) = tf.gradients(logits[:, index], features)
            # Equations 1 and 2.
            weights = tf.reduce_mean(gradients, axis=(1, 2), keepdims=True)
            return tf.nn.relu(tf.reduce_sum(weights * features, axis=-1))

        self._weighted = weighted.get_concrete_function()
        self._to_tensor = tf.constant

    def __call__(self, face: np.ndarray, index: int) -> np.ndarray:
        """Returns where the features are that raise the class's logit.

        Args:
            face: An aligned one, RGB uint8 `[side, side, 3]`.
            index: The class's number.

        Returns:
            float32 `[side, side]` in [0, 1], 1 at its largest; all 0 where nothing raises it.
        """
        self.check_process()
        found = self._weighted(self._to_tensor(face[np.newaxis]), self._to_tensor(index)).numpy()[0]
        scaled = cv2.resize(found, face.shape[1::-1], interpolation=cv2.INTER_LINEAR)
        largest = scaled.max()
        return scaled / largest if largest > 0 else scaled


def _body(signature: Any, task: str) -> tuple[Any, list[tuple[str, Any]], str]:
    """What a signature computes an output with.

    The signature of a loaded model is one call of a function, into which no gradient can be traced.

    Returns:
        The function's GraphDef, its inputs by name with their values (variables; None for the images),
        and the name of the output.
    """
    # What TensorFlow itself loads the functions of a SavedModel with.
    from tensorflow.python.framework.function_def_to_graph import function_def_to_graph

    outputs = dict(zip(sorted(signature.structured_outputs), signature.outputs, strict=True))
    output = outputs[task]
    while output.op.type not in _CALLS:
        output = output.op.inputs[0]
    call = output.op
    called = call.get_attr("f").name
    functions = signature.graph.as_graph_def().library.function
    body = function_def_to_graph(next(each for each in functions if each.signature.name == called))
    captured = signature.captured_inputs
    variables = signature.inputs[len(signature.inputs) - len(captured) :]
    values = {inner.name: value for inner, value in zip(variables, captured, strict=True)}
    inputs = [
        (inner.name, values.get(outer.name))
        for inner, outer in zip(body.inputs, call.inputs, strict=True)
    ]
    return body.as_graph_def(), inputs, body.outputs[output.value_index].name


def _logits_and_features(
    probabilities: "tf.Tensor", images: "tf.Tensor", path: Path
) -> tuple["tf.Tensor", "tf.Tensor"]:
    """What the softmax is taken of, and the last feature map that all of it is computed from."""
    softmax = [op for op in _on_the_way(probabilities.op, images.op) if op.type == "Softmax"]
    if softmax:
        logits = softmax[-1].inputs[0]
        maps = _feature_maps(logits.op, images.op)
        for sides in _SIDES:
            for features in reversed(maps):
                if min(features.shape[1:3]) >= sides:
                    return logits, features
    raise ValueError(
        f"Grad-CAM explains classes by a softmax of the features of convolutions; {path} has no "
        f"{'such features' if softmax else 'softmax'}. The occlusion map works with it"
    )


def _feature_maps(end: Any, start: Any) -> list[Any]:
    """From the first convolution on, the maps that nothing goes past on the way to an operation."""
    order = _on_the_way(end, start)
    numbers = {op: number for number, op in enumerate(order)}
    maps, convolved, last_use = [], False, 0
    for number, op in enumerate(order):
        convolved = convolved or "Conv2" in op.type
        shape = op.outputs[0].shape
        has_places = shape.rank == 4 and None not in shape[1:3]
        if convolved and last_use <= number and has_places and "Pad" not in op.type:
            maps.append(op.outputs[0])
        uses = [numbers[user] for each in op.outputs for user in each.consumers() if user in numbers]
        last_use = max(last_use, *uses, 0)
    return maps


def _on_the_way(end: Any, start: Any) -> list[Any]:
    """The operations from one to another in the order of computing, without those on mere shapes."""
    order, opened, waiting = [], set(), [(end, False)]
    while waiting:
        op, done = waiting.pop()
        if done:
            order.append(op)
        elif op not in opened:
            opened.add(op)
            waiting += [(op, True), *((each.op, False) for each in op.inputs)]
    reached = {start}
    for op in order:
        on_shapes = op.outputs[0].dtype.name in _OF_SHAPES
        if not on_shapes and any(each.op in reached for each in op.inputs):
            reached.add(op)
    return [op for op in order if op in reached]
