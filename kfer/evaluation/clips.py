"""How a network of clips comes to its answer, frame by frame."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kfer import spec
from kfer.input_pipeline import Decoded
from kfer.input_pipeline.frames import NUM_FRAMES
from kfer.models.streaming import Stream

_BATCH_SIZE = 64


def answers_by_frame(network: keras.Model, clips: np.ndarray, task: str) -> np.ndarray:
    """Returns what a network says after each frame: float32 probabilities `[n, frames, classes]`.

    Args:
        network: Of clips, with a task of that name of kind "classes".
        clips: uint8 `[n, frames, size, size, channels]`; frames of 0 alone are none.
        task: Its name.

    Raises:
        ValueError: It needs frames that come later, or is no network of clips.
    """
    stream = Stream(network)
    encode, step = tf.function(stream.encode), tf.function(stream.step)
    said = []
    for start in range(0, len(clips), _BATCH_SIZE):
        batch = np.asarray(clips[start : start + _BATCH_SIZE])
        state, frames = tf.zeros([len(batch), stream.state_size]), []
        for number in range(clips.shape[1]):
            outputs, state = step(encode(tf.cast(batch[:, number], tf.float32)), state)
            frames.append(tf.nn.softmax(outputs[task]).numpy())
        said.append(np.stack(frames, axis=1))
    return np.concatenate(said)


def clip_report(network: keras.Model, examples: Decoded, task: str, per_class: int = 1) -> dict[str, Any]:
    """Returns how soon, and how steadily, a network tells what clips show.

    Args:
        network: Of clips.
        examples: Clips with labels of the task, some of which are known.
        task: Of kind "classes", named as its feature.
        per_class: Clips of each class that are told in full.

    Returns:
        `num_clips`; `accuracy_by_frame` of those that have so many frames, None where there is none;
        `latency`: `median` and `late` (of nine tenths), in seconds from the onset to the frame from which
        on the answer is right, and the `num_clips` whose last answer is right and whose onset is known;
        `changes_per_second`, how often the answer changes; `examples`: `index`, `label` and
        `probabilities` by frame. The onset is the first frame whose expression is another than the first
        frame's. Empty where the network cannot be asked so.
    """
    labels = examples.label(task)
    known = np.flatnonzero((labels >= 0) & (examples.further[NUM_FRAMES] > 0))
    try:
        said = answers_by_frame(network, examples.images[known], task)
    except ValueError:
        return {}
    labels, counts = labels[known], examples.further[NUM_FRAMES][known]
    rates = examples.further[spec.FRAME_RATE][known, 0]
    right = said.argmax(axis=-1) == labels[:, np.newaxis]
    there = np.arange(said.shape[1]) < counts[:, np.newaxis]
    answers = said.argmax(axis=-1)
    changes = ((answers[:, 1:] != answers[:, :-1]) & there[:, 1:]).sum(axis=1)
    latencies = _latencies(right, counts, examples.further[spec.FRAME_EXPRESSION][known], rates)
    return {
        "num_clips": len(known),
        "accuracy_by_frame": [
            float(right[there[:, frame], frame].mean()) if there[:, frame].any() else None
            for frame in range(said.shape[1])
        ],
        "latency": {
            "median": float(np.median(latencies)) if len(latencies) else None,
            "late": float(np.quantile(latencies, 0.9)) if len(latencies) else None,
            "num_clips": len(latencies),
        },
        "changes_per_second": float((changes * rates / counts).mean()),
        "examples": [
            {
                "index": int(known[place]),
                "label": int(labels[place]),
                "probabilities": said[place, : counts[place]].round(4).tolist(),
            }
            for name in np.unique(labels)
            for place in np.flatnonzero(labels == name)[:per_class]
        ],
    }


def _latencies(
    right: np.ndarray, counts: np.ndarray, expressions: np.ndarray, rates: np.ndarray
) -> np.ndarray:
    """Seconds from each clip's onset to its lasting right answer, of those that have both."""
    found = []
    for own_right, count, shown, rate in zip(right, counts, expressions, rates, strict=True):
        onset = np.flatnonzero(shown[:count] != shown[0])
        wrong = np.flatnonzero(~own_right[:count])
        settled = int(wrong[-1]) + 1 if len(wrong) else 0
        if len(onset) and settled < count:
            found.append(max(settled - int(onset[0]), 0) / rate)
    return np.array(found)
