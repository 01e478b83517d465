"""A network of clips, asked frame by frame: what it said so far is in a state that its caller keeps."""

import math
from collections.abc import Callable, Sequence

import keras
import tensorflow as tf
from keras import layers

from kfer import spec
from kfer.models import multitask
from kfer.models.temporal import (
    CLIP_FEATURES,
    CLIP_IDENTITY,
    FRAME_FEATURES,
    NORMALIZATION,
    PROJECTION,
    AttentionOverFrames,
)

# From a frame's features [n, c], whether it is there [n, 1], and the parts of a state [n, ...] to the
# features of all frames so far, those of the frame, and the parts of the next state.
_Said = tuple[tf.Tensor, tf.Tensor, list[tf.Tensor]]
_Step = Callable[[tf.Tensor, tf.Tensor, list[tf.Tensor]], _Said]


class Stream:
    """A network that `multitask.build` made for clips, frame by frame.

    A clip that is fed frame by frame gives the answers of the clip as a whole. A frame whose pixels are
    all 0 is none, and changes no answer.

    Args:
        network: As it was built or loaded; its weights are shared.

    Attributes:
        image_shape: Of a frame: height, width and channels.
        num_features: Numbers that the encoder makes of a frame.
        state_size: Numbers in a state.
        network: The network.

    Raises:
        ValueError: It takes no clips, or sound too, its tasks part, or it needs frames that come later.
    """

    def __init__(self, network: keras.Model) -> None:
        if isinstance(network.input, dict):
            raise ValueError(
                "a network that hears sound takes whole clips: it cannot be asked frame by frame"
            )
        if len(network.input_shape) != 5:
            raise ValueError(
                f"expected a network of clips [n, frames, h, w, c]; got one of {network.input_shape}"
            )
        if multitask.branches(network):
            raise ValueError("a network whose tasks part (parts_after) cannot be asked frame by frame")
        names = {layer.name for layer in network.layers}
        ends = [name for name in (CLIP_FEATURES, CLIP_IDENTITY) if name in names]
        if FRAME_FEATURES in names and CLIP_FEATURES not in ends:
            raise ValueError("a network whose tasks are all of frames cannot be asked frame by frame yet")
        self.network = network
        self.image_shape = tuple(network.input_shape[2:])
        self._scale = network.get_layer("scale")
        self._backbone = multitask.backbone(network)
        vectors = [network.get_layer(name).output for name in ends]
        # Of each frame of a clip, so many; a stream has one at a time.
        self._frames = int(network.input_shape[1]) if FRAME_FEATURES in names else 0
        if self._frames:
            vectors.append(network.get_layer(FRAME_FEATURES).output)
        self._heads = keras.Model(vectors, network.output)
        maps = self._backbone.output_shape[1:]
        parts: list[tuple[_Step, list[tuple[int, ...]]]] = []
        if CLIP_FEATURES in ends:
            parts.append(_in_order(network, maps[-1]))
        if CLIP_IDENTITY in ends:
            parts.append((_mean, [maps, (1,)]))
        self._parts, self._pooled = parts, [name == CLIP_FEATURES for name in ends]
        # Who somebody is takes all places of the last feature maps; else their mean is enough.
        self._maps = maps if CLIP_IDENTITY in ends else maps[-1:]
        self.num_features = math.prod(self._maps)
        self.state_size = sum(math.prod(shape) for _, shapes in parts for shape in shapes)
        self._encoder = self.encoder()

    def encoder(self) -> keras.Model:
        """Returns a model from images `[n, *image_shape]` in [0, 255] to a dict of one output.

        "features" are float32 `[n, num_features]`. It does not see whether a frame is one: leave out
        those that are none, and keep the state.
        """
        images = keras.Input(self.image_shape, name=spec.IMAGE)
        maps = self._backbone(self._scale(images))
        if len(maps.shape) == 4 and len(self._maps) == 1:
            maps = layers.GlobalAveragePooling2D(dtype="float32")(maps)
        flat = layers.Flatten(dtype="float32")(maps)
        return keras.Model(
            images, {spec.FEATURES: layers.Identity(dtype="float32", name=spec.FEATURES)(flat)}
        )

    def encode(self, images: tf.Tensor) -> tf.Tensor:
        """Returns the features of frames, float32 `[n, num_features]`, 0 of frames that are none.

        Args:
            images: Float `[n, *image_shape]` in [0, 255].
        """
        features = self._encoder(images, training=False)[spec.FEATURES]
        there = tf.reduce_any(images != 0, axis=[1, 2, 3])
        return features * tf.cast(there, tf.float32)[:, tf.newaxis]

    def step(self, features: tf.Tensor, state: tf.Tensor) -> tuple[dict[str, tf.Tensor], tf.Tensor]:
        """Returns what the network says of all frames so far, and the next state.

        Args:
            features: Of `encode`.
            state: float32 `[n, state_size]`, of the step before; 0 before the first frame.

        Returns:
            Outputs as the network's own, but not the cosines with people trained on; and float32
            `[n, state_size]`.
        """
        there = tf.reduce_any(features != 0, axis=1, keepdims=True)
        maps = tf.reshape(features, [-1, *self._maps])
        vectors, own_features, states, start = [], [], [], 0
        for (one, shapes), pooled in zip(self._parts, self._pooled, strict=True):
            held = []
            for shape in shapes:
                size = math.prod(shape)
                held.append(tf.reshape(state[:, start : start + size], [-1, *shape]))
                start += size
            own = tf.reduce_mean(maps, [1, 2]) if pooled and len(self._maps) == 3 else maps
            vector, of_frame, following = one(own, there, held)
            vectors.append(vector)
            if pooled and self._frames:
                own_features.append(tf.repeat(of_frame[:, tf.newaxis], self._frames, axis=1))
            states += [tf.reshape(each, [-1, math.prod(each.shape[1:])]) for each in following]
        taken = vectors + own_features
        outputs = self._heads(taken if len(taken) > 1 else taken[0], training=False)
        # Of tasks that are of frames, what is said of this one.
        kept = {
            name: value[:, 0] if len(value.shape) == 3 else value
            for name, value in outputs.items()
            if name != spec.IDENTITY
        }
        return kept, tf.concat(states, axis=1)


def _in_order(network: keras.Model, size: int) -> tuple[_Step, list[tuple[int, ...]]]:
    """What goes over frames, and the shapes of the parts of its state."""
    if any(isinstance(layer, layers.Bidirectional) for layer in network.layers):
        raise ValueError(
            "a bidirectional network needs the frames that come later: it cannot be asked frame by frame"
        )
    recurrent = [layer for layer in network.layers if isinstance(layer, layers.RNN)]
    if recurrent:
        return _recurrent([layer.cell for layer in recurrent])
    convolutions = [layer for layer in network.layers if isinstance(layer, layers.Conv1D)]
    if convolutions:
        return _convolution(network, convolutions)
    attentions = [layer for layer in network.layers if isinstance(layer, AttentionOverFrames)]
    if attentions:
        return _attention(attentions[0]), [(size,), (1,), (1,)]
    return _mean, [(size,), (1,)]


def _mean(features: tf.Tensor, there: tf.Tensor, state: list[tf.Tensor]) -> _Said:
    total, count = state[0] + features, state[1] + tf.cast(there, tf.float32)
    number = tf.reshape(tf.maximum(count, 1.0), [-1, *[1] * (len(features.shape) - 1)])
    return total / number, features, [total, count]


def _recurrent(cells: Sequence[keras.layers.Layer]) -> tuple[_Step, list[tuple[int, ...]]]:
    sizes = [cell.state_size for cell in cells]
    numbers = [len(size) if isinstance(size, list | tuple) else 1 for size in sizes]
    shapes: list[tuple[int, ...]] = [
        (cell.units,) for cell, number in zip(cells, numbers, strict=True) for _ in range(number)
    ]

    def step(features: tf.Tensor, there: tf.Tensor, state: list[tf.Tensor]) -> _Said:
        following, rest = [], list(state)
        for cell, number in zip(cells, numbers, strict=True):
            held, rest = rest[:number], rest[number:]
            features, states = cell(features, held, training=False)
            states = states if isinstance(states, list | tuple) else [states]
            kept = [tf.where(there, new, old) for new, old in zip(states, held, strict=True)]
            features = kept[0]
            following += kept
        return features, features, following

    return step, shapes


def _attention(attention: AttentionOverFrames) -> _Step:
    def step(features: tf.Tensor, there: tf.Tensor, state: list[tf.Tensor]) -> _Said:
        # Sums of exponentials, relative to the largest one so far.
        total, weight, largest = state
        score = attention.score(attention.hidden(features))
        greater = tf.where(weight > 0, tf.maximum(largest, score), score)
        before, own = tf.exp(largest - greater) * tf.sign(weight), tf.exp(score - greater)
        following = [total * before + features * own, weight * before + own, greater]
        kept = [tf.where(there, new, old) for new, old in zip(following, state, strict=True)]
        return tf.math.divide_no_nan(kept[0], kept[1]), features, kept

    return step


def _convolution(
    network: keras.Model, convolutions: Sequence[keras.layers.Conv1D]
) -> tuple[_Step, list[tuple[int, ...]]]:
    project = network.get_layer(PROJECTION)
    normalizations = [
        network.get_layer(f"{NORMALIZATION}{depth}") for depth in range(1, len(convolutions) + 1)
    ]
    spans = [(layer.kernel_size[0] - 1) * layer.dilation_rate[0] for layer in convolutions]
    shapes: list[tuple[int, ...]] = [
        (span, layer.kernel.shape[1]) for span, layer in zip(spans, convolutions, strict=True)
    ]
    last = int(convolutions[-1].filters)

    def step(features: tf.Tensor, there: tf.Tensor, state: list[tf.Tensor]) -> _Said:
        following = []
        kept = tf.cast(there, tf.float32)
        features = project(features) * kept
        for layer, normalize, held in zip(convolutions, normalizations, state, strict=False):
            seen = tf.concat([held, features[:, tf.newaxis]], axis=1)
            taps = seen[:, :: layer.dilation_rate[0]]
            convolved = tf.einsum("nkc,kcf->nf", taps, layer.kernel) + layer.bias
            found = tf.nn.relu(normalize(convolved))
            features = (found + features if found.shape[-1] == features.shape[-1] else found) * kept
            following.append(seen[:, 1:])
        vector, _, mean = _mean(features, there, state[len(convolutions) :])
        return vector, features, following + mean

    return step, [*shapes, (last,), (1,)]
