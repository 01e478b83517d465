"""The exports of a network of clips: whole clips, and frame by frame.

A TFLite file makes features of a frame; what goes on from there, with a state, is small, of float32, and
the same for all of them: step.tflite.
"""

import logging
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kfer import preprocessing, spec
from kfer.export import choice, network, parity
from kfer.export.fresh import run_in_fresh_process
from kfer.export.package import Comparison, describe
from kfer.export.tflite import converted_to_builtins, save_tflite
from kfer.input_pipeline import Decoded
from kfer.models.streaming import Stream
from kfer.settings import ExportSettings, TaskSettings
from kfer.settings.tasks import REGRESSION, Tasks, is_of_frames

_CLIP = "clip_tensor"
# Exports are asked for each frame: so many clips are enough to see that they agree.
_MOST_CLIPS = 200
_log = logging.getLogger(__name__)


def write_clip_model(
    folder: Path,
    name: str,
    model: keras.Model,
    tasks: Tasks,
    settings: ExportSettings,
    train: Decoded,
    test: Decoded,
    evaluation: Mapping[str, Any],
    sources: Mapping[str, str],
) -> Comparison:
    """Writes all that leaves kfer of a network of clips, and compares each export with Keras.

    Signatures of the SavedModel: "clip_tensor" takes `clips`, uint8 `[n, frames, height, width, 3]`, of
    which frames of 0 alone are none; "step" takes `images`, uint8 `[n, height, width, 3]`, and `state`,
    float32 `[n, state_size]`, 0 before the first frame, and gives the next `state` with the outputs. Each
    `<variant>.tflite` makes "features" of an image; step.tflite, signature "step", takes these in place
    of the image. A network that needs frames that come later, or sound, has "clip_tensor" alone, which
    takes `sound` too, float32 `[n, samples]` in [-1, 1], of which 0 alone is none.

    Args:
        folder: Where to write.
        name: The model's name.
        model: The trained network.
        tasks: What it was trained for.
        settings: What is exported, and how near to Keras it must be.
        train: The training split, which calibrates integer variants.
        test: The test split, of which exports are compared on some.
        evaluation: The Evaluator's report.
        sources: The name and version of each source's dataset, by the source's name.

    Raises:
        ValueError: What `save_tflite` refuses.
        RuntimeError: An export does not run.
    """
    tasks = network.exported_tasks(model, tasks)
    model = network.in_float32(model)
    frames, image_size, channels = test.images.shape[1], test.images.shape[2], test.images.shape[4]
    stream = None if _needs_all(model) else Stream(model)
    _save(model, stream, folder, tasks)
    exports = {parity.SAVED_MODEL: folder}
    if stream is not None:
        _log.info("  exporting what makes features of frames, and what goes on from there")
        encoder = stream.encoder()
        features = {spec.FEATURES: TaskSettings(REGRESSION, tuple(map(str, range(stream.num_features))))}
        shown = choice.for_calibration(train, settings.calibration_images)
        images = np.stack([_middle(train.images[index]) for index in shown])
        files = save_tflite(encoder, folder, features, settings, images, image_size, channels)
        (folder / f"{spec.STEP}.tflite").write_bytes(_step_file(stream, tasks))
        exports |= {export: file.path for export, file in files.items()}
    chosen = choice.for_parity(test, min(settings.parity_images, _MOST_CLIPS))
    clips = np.stack([test.images[index] for index in chosen])
    there = clips.any(axis=(1, 2, 3, 4))
    chosen, clips = chosen[there], clips[there]
    given = test.inputs(chosen)
    shown_frames = np.asarray(clips.any(axis=(2, 3, 4)))
    last = clips.shape[1] - 1 - shown_frames[:, ::-1].argmax(axis=1)
    labels = {task: test.label(task_.feature or task)[chosen] for task, task_ in tasks.items()}
    reference = network.keras_outputs(model, tasks, given)
    for task in (name for name, task in tasks.items() if is_of_frames(name, task)):
        labels[task], reference[task] = (
            values[np.arange(len(last)), last] for values in (labels[task], reference[task])
        )
    shown_clips = np.broadcast_to(clips, (*clips.shape[:4], 3))
    sound = given[spec.SOUND] if isinstance(given, dict) else None
    reports = {}
    for export, place in exports.items():
        _log.info("  comparing %s with Keras on %d clips, frame by frame", export, len(clips))
        said = (
            _whole(place, shown_clips, sound)
            if stream is None
            else run_in_fresh_process(place, shown_clips)
        )
        # Of what is of frames, a stream says what is of the last one.
        said = {
            name: values[np.arange(len(last)), last] if values.ndim == 3 else values
            for name, values in said.items()
        }
        reports[export] = parity.parity_report(reference, said, tasks, labels)
    describe(
        *(
            folder,
            name,
            model,
            tasks,
            settings,
            image_size,
            channels,
            train,
            evaluation,
            sources,
            reports,
        ),
        embedding_size=reference[spec.EMBEDDING].shape[1] if spec.EMBEDDING in reference else None,
        contents={},
        clip={"frames": frames, "state_size": stream.state_size if stream else None},
    )
    return Comparison(reports, parity.check_parity(reports, settings))


def _needs_all(model: keras.Model) -> bool:
    return isinstance(model.input, dict) or any(
        isinstance(layer, keras.layers.Bidirectional) for layer in model.layers
    )


def _middle(clip: np.ndarray) -> np.ndarray:
    """The frame in the middle of those that are there."""
    there = np.flatnonzero(clip.any(axis=(1, 2, 3)))
    return clip[there[len(there) // 2]] if len(there) else clip[0]


def _save(model: keras.Model, stream: Stream | None, folder: Path, tasks: Tasks) -> None:
    given = model.input if isinstance(model.input, dict) else {spec.IMAGE: model.input}
    _, frames, size, _, channels = given[spec.IMAGE].shape
    taken = [tf.TensorSpec([None, frames, None, None, 3], tf.uint8, "clips")]
    if spec.SOUND in given:
        taken.append(tf.TensorSpec([None, given[spec.SOUND].shape[1]], tf.float32, spec.SOUND))

    @tf.function(input_signature=taken)
    def of_clips(clips: tf.Tensor, sound: tf.Tensor | None = None) -> dict[str, tf.Tensor]:
        shape = tf.shape(clips)
        images = tf.reshape(clips, tf.concat([[-1], shape[2:]], 0))
        prepared = preprocessing.prepare_images(images, size, channels)
        seen = tf.cast(tf.reshape(prepared, [-1, frames, size, size, channels]), tf.float32)
        inputs = seen if sound is None else {spec.IMAGE: seen, spec.SOUND: sound}
        return network.add_tails(model(inputs, training=False), tasks, normalise=False)

    module = tf.Module()
    module.network_variables = [variable.value for variable in model.variables]
    module.of_clips = of_clips
    signatures = {"serving_default": of_clips, _CLIP: of_clips}
    if stream is not None:
        module.step = signatures[spec.STEP] = _step_function(stream, tasks, size, channels)
    folder.mkdir(parents=True, exist_ok=True)
    tf.saved_model.save(module, str(folder), signatures)


def _step_function(stream: Stream, tasks: Tasks, size: int, channels: int) -> Any:
    @tf.function(
        input_signature=[
            tf.TensorSpec([None, None, None, 3], tf.uint8, "images"),
            tf.TensorSpec([None, stream.state_size], tf.float32, spec.STATE),
        ]
    )
    def step(images: tf.Tensor, state: tf.Tensor) -> dict[str, tf.Tensor]:
        prepared = preprocessing.prepare_images(images, size, channels)
        outputs, following = stream.step(stream.encode(tf.cast(prepared, tf.float32)), state)
        return {**network.add_tails(outputs, tasks, normalise=False), spec.STATE: following}

    return step


def _step_file(stream: Stream, tasks: Tasks) -> bytes:
    @tf.function(
        input_signature=[
            tf.TensorSpec([1, stream.num_features], tf.float32, spec.FEATURES),
            tf.TensorSpec([1, stream.state_size], tf.float32, spec.STATE),
        ]
    )
    def step(features: tf.Tensor, state: tf.Tensor) -> dict[str, tf.Tensor]:
        outputs, following = stream.step(features, state)
        return {**network.add_tails(outputs, tasks, normalise=False), spec.STATE: following}

    module = tf.Module()
    module.network_variables = [variable.value for variable in stream.network.variables]
    module.step = step
    with tempfile.TemporaryDirectory() as temporary:
        tf.saved_model.save(module, temporary, {spec.STEP: step})
        return converted_to_builtins(
            tf.lite.TFLiteConverter.from_saved_model(temporary, signature_keys=[spec.STEP]), spec.STEP
        )


def _whole(place: Path, clips: np.ndarray, sound: np.ndarray | None) -> dict[str, np.ndarray]:
    """What the SavedModel says of whole clips."""
    model = tf.saved_model.load(str(place))
    heard = {} if sound is None else {spec.SOUND: tf.constant(sound)}
    said = model.signatures[_CLIP](clips=tf.constant(np.ascontiguousarray(clips)), **heard)
    return {name: value.numpy() for name, value in said.items()}
