"""Exports of networks of clips: whole clips, and frame by frame in processes of their own."""

import json

import numpy as np
import pytest
import tensorflow as tf
from toy_clips import build, clips
from toy_tasks import tasks

from kfer.export import write_clip_model
from kfer.inference.streaming import load_stream
from kfer.input_pipeline import Decoded
from kfer.settings import ExportSettings

FRAMES, SIZE = 4, 16
EVALUATION = {"calibration": {}, "threshold": None, "metrics": {}, "tasks": {}}


def examples(number: int) -> Decoded:
    shown = clips(number, FRAMES)
    shown[0, 2:] = 0
    labels = np.arange(number, dtype=np.int32)
    names = np.array([str(index) for index in labels])
    return Decoded(shown, labels % 3, labels // 2, 0 * labels, names)


@pytest.fixture(scope="module")
def network():
    made = build("gru", FRAMES)
    made.set_weights([2 * weights for weights in made.get_weights()])
    return made


@pytest.fixture(scope="module")
def exported(tmp_path_factory, network):
    folder = tmp_path_factory.mktemp("clips") / "1"
    settings = ExportSettings(tflite=("float32", "int8"), calibration_images=8)
    found = write_clip_model(
        folder,
        "toy",
        network,
        tasks(3),
        settings,
        examples(8),
        examples(10),
        EVALUATION,
        {"drawn": "1.0"},
    )
    return folder, found


def test_every_export_agrees_with_keras(exported):
    _, found = exported
    assert set(found.parity) == {"saved_model", "float32", "int8"}
    for name in ("saved_model", "float32"):
        assert found.parity[name]["max_probability_difference"] < 1e-4
        assert found.parity[name]["embedding_cosine_min"] > 1 - 1e-5
    assert found.parity["int8"]["num_images"] == 10
    assert found.parity["int8"]["max_probability_difference"] < 0.2


def test_whole_clips_of_any_size_are_taken(exported, network):
    folder, _ = exported
    model = tf.saved_model.load(str(folder))
    shown = np.repeat(clips(3, FRAMES), 3, axis=-1)
    said = model.signatures["clip_tensor"](clips=tf.constant(shown))
    expected = network(shown[..., :1])
    np.testing.assert_allclose(said["expression"], tf.nn.softmax(expected["expression"]), atol=1e-5)
    # Frames of one grey each: whatever their size, they are scaled to the same.
    plain = np.broadcast_to(shown[:, :, :1, :1], shown.shape)
    sizes = [np.ascontiguousarray(plain), np.ascontiguousarray(np.tile(plain, (1, 1, 2, 3, 1)))]
    said = [model.signatures["clip_tensor"](clips=tf.constant(each))["expression"] for each in sizes]
    np.testing.assert_allclose(*said, atol=1e-5)


@pytest.mark.parametrize("place", ["", "float32.tflite"])
def test_a_stream_says_at_each_frame_what_it_knows(exported, network, place):
    folder, _ = exported
    stream = load_stream(folder / place if place else folder)
    assert stream.output_names == ("embedding", "expression")
    shown = clips(2, FRAMES)
    state = stream.start(2)
    for frame in range(FRAMES):
        outputs, state = stream.step(np.repeat(shown[:, frame], 3, axis=-1), state)
        so_far = shown.copy()
        so_far[:, frame + 1 :] = 0
        expected = network(so_far)
        np.testing.assert_allclose(
            outputs["expression"], tf.nn.softmax(expected["expression"]), atol=1e-4
        )
        np.testing.assert_allclose(outputs["embedding"], expected["embedding"], atol=1e-4)


def test_states_that_do_not_fit_are_refused(exported, tmp_path):
    folder, _ = exported
    stream = load_stream(folder / "float32.tflite")
    image = np.full((1, SIZE, SIZE, 3), 90, np.uint8)
    state = stream.start()
    with pytest.raises(ValueError, match="of another network: begin with start"):
        stream.step(image, type(state)(state.values, "0815"))
    with pytest.raises(ValueError, match=r"a state of this network, \[n, \d+\]; got one of \[1, 3\]"):
        stream.step(image, type(state)(np.zeros((1, 3), np.float32), state.model))
    with pytest.raises(ValueError, match="a frame of each of the state's 1 clips; got 2"):
        stream.step(np.repeat(image, 2, axis=0), state)
    with pytest.raises(ValueError, match="at least one frame that is not all 0"):
        stream.of_clip(np.zeros((3, SIZE, SIZE, 3), np.uint8))
    # States of one network can go from one of its exports to another.
    said, expected = (each.step(image, state)[0]["expression"] for each in (load_stream(folder), stream))
    np.testing.assert_allclose(said, expected, atol=1e-4)


def test_what_is_no_network_of_clips_is_said(exported, tmp_path):
    folder, _ = exported
    alone = tmp_path / "float32.tflite"
    alone.write_bytes((folder / "float32.tflite").read_bytes())
    with pytest.raises(FileNotFoundError, match=r"its step\.tflite is missing beside it"):
        load_stream(alone)


def test_the_description_says_what_a_stream_needs(exported):
    folder, _ = exported
    described = json.loads((folder / "model.json").read_text())
    assert described["clip"] == {"frames": FRAMES, "state_size": load_stream(folder).state_size}
    assert (folder / "MODEL_CARD.md").exists() and "step.tflite" in described["files"]


def test_a_network_that_needs_later_frames_has_whole_clips_alone(tmp_path):
    settings = ExportSettings(tflite=("float32",))
    found = write_clip_model(
        *(tmp_path / "1", "toy", build("bidirectional_gru", FRAMES), tasks(3), settings),
        *(examples(8), examples(6), EVALUATION, {"drawn": "1.0"}),
    )
    assert set(found.parity) == {"saved_model"} and not found.reasons
    assert json.loads((tmp_path / "1" / "model.json").read_text())["clip"]["state_size"] is None
    with pytest.raises(ValueError, match="without 'step'"):
        load_stream(tmp_path / "1")
