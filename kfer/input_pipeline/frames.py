"""Which frames of a clip the network sees."""

from dataclasses import dataclass

import tensorflow as tf

from kfer import spec

#: How many frames a clip has, of those that are kept.
NUM_FRAMES = "num_frames"
#: Labels that clips have besides, as files of decoded examples.
OF_FRAMES = (spec.FRAME_EXPRESSION, spec.FRAME_RATE, NUM_FRAMES)


@dataclass(frozen=True)
class Frames:
    """Chooses frames of clips; shorter clips are padded behind.

    Attributes:
        number: How many are kept.
        spread: Whether they are spread evenly from a longer clip's first frame to its last; else they
            are those in its middle, one after the other.
        samples: Of the sound from the first of them on, at `spec.SAMPLE_RATE`; what is longer is cut,
            and silence is behind what is shorter. 0 for none.
    """

    number: int
    spread: bool
    samples: int = 0

    def choose(self, example: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """Returns an example with so many frames; "" where there is none, whose label is missing (-1).

        Args:
            example: Of `records.read_examples`, a clip.

        Returns:
            The same with "clip", string `[number]`, "frame_expression", int32 `[number]`, "num_frames",
            int32 scalar, and the rate, float32 `[1]`, of the frames that are kept; and "sound", int16
            `[samples]`, where there are some.
        """
        clip, labels = example[spec.CLIP], example[spec.FRAME_EXPRESSION]
        total = tf.shape(clip)[0]
        kept = tf.minimum(total, self.number)
        if self.spread:
            last = tf.cast(total - 1, tf.float64)
            places = tf.linspace(tf.zeros([], tf.float64), last, self.number)
            chosen = tf.where(
                total > self.number, tf.cast(tf.round(places), tf.int32), tf.range(self.number)
            )
            chosen = chosen[:kept]
        else:
            chosen = (total - kept) // 2 + tf.range(kept)
        # Of frames that are spread over a clip, fewer come a second.
        first, end = chosen[0], chosen[-1]
        slower = tf.cast(tf.maximum(kept - 1, 1), tf.float32) / tf.cast(
            tf.maximum(end - first, 1), tf.float32
        )
        missing = self.number - kept
        return {
            **{name: value for name, value in example.items() if name != spec.SOUND},
            **self._heard(example, first),
            spec.CLIP: tf.ensure_shape(
                tf.concat([tf.gather(clip, chosen), tf.fill([missing], "")], 0), [self.number]
            ),
            spec.FRAME_EXPRESSION: tf.ensure_shape(
                tf.concat(
                    [
                        tf.cast(tf.gather(labels, chosen), tf.int32),
                        tf.fill([missing], spec.MISSING_LABEL),
                    ],
                    0,
                ),
                [self.number],
            ),
            spec.FRAME_RATE: example[spec.FRAME_RATE] * slower,
            NUM_FRAMES: kept,
        }

    def _heard(self, example: dict[str, tf.Tensor], first: tf.Tensor) -> dict[str, tf.Tensor]:
        """The sound from a frame on."""
        if not self.samples:
            return {}
        sound = tf.io.decode_raw(example[spec.SOUND], tf.int16)
        start = tf.cast(
            tf.cast(first, tf.float32) / example[spec.FRAME_RATE][0] * spec.SAMPLE_RATE, tf.int32
        )
        kept = sound[start : start + self.samples]
        silent = tf.zeros([self.samples - tf.shape(kept)[0]], tf.int16)
        return {spec.SOUND: tf.ensure_shape(tf.concat([kept, silent], 0), [self.samples])}


def windows(
    clips: tf.Tensor, labels: dict[str, tf.Tensor], number: int, seed: tf.Tensor
) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
    """Returns frames of clips, one after the other from a random one on, and their labels.

    Args:
        clips: float32 `[n, frames, height, width, channels]`; at their end, frames of 0 alone are none.
        labels: By name, of which those of frames are int `[n, frames]`.
        number: How many, at most as many as there are.
        seed: int32 `[2]`.
    """
    size, frames = clips.shape[0], clips.shape[1]
    there = tf.reduce_sum(tf.cast(tf.reduce_any(clips != 0, axis=[2, 3, 4]), tf.int32), axis=1)
    most = tf.maximum(there - number, 0) + 1
    first = tf.random.stateless_uniform([size], seed, 0, frames, tf.int32) % most
    chosen = first[:, tf.newaxis] + tf.range(number)
    labels = {
        name: tf.gather(label, chosen, axis=1, batch_dims=1) if name == spec.FRAME_EXPRESSION else label
        for name, label in labels.items()
    }
    return tf.gather(clips, chosen, axis=1, batch_dims=1), labels
