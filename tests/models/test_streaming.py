"""A network of clips asked frame by frame says what it says of the clip as a whole."""

import numpy as np
import pytest
import tensorflow as tf
from toy_clips import build, clips
from toy_tasks import tasks

from kfer import models
from kfer.models.streaming import Stream
from kfer.settings import ModelSettings, TaskSettings
from kfer.settings.model import TEMPORAL

ONWARDS = [kind for kind in TEMPORAL if not kind.startswith("bidirectional")]


def fed(stream: Stream, shown: np.ndarray) -> list[dict[str, tf.Tensor]]:
    state, answers = tf.zeros([len(shown), stream.state_size]), []
    for frame in range(shown.shape[1]):
        features = stream.encode(tf.cast(shown[:, frame], tf.float32))
        outputs, state = stream.step(features, state)
        assert state.shape == (len(shown), stream.state_size)
        answers.append(outputs)
    return answers


@pytest.mark.parametrize("kind", ONWARDS)
def test_a_stream_says_at_each_frame_what_the_clip_up_to_there_says(kind):
    network = build(kind, 6)
    network.set_weights([2 * weights for weights in network.get_weights()])
    shown = clips(frames=6)
    shown[1, 2] = shown[0, 0] = shown[1, 5] = 0  # faces that were not found
    answers = fed(Stream(network), shown)
    for frame, outputs in enumerate(answers):
        so_far = shown.copy()
        so_far[:, frame + 1 :] = 0
        expected = network(so_far)
        assert set(outputs) == {"expression", "embedding"}
        for name, value in outputs.items():
            np.testing.assert_allclose(value, expected[name], atol=1e-4, err_msg=f"{name}, frame {frame}")


@pytest.mark.parametrize("kind", ["gru", "convolution"])
def test_one_task_alone_has_a_state_of_its_own(kind):
    settings = ModelSettings(
        backbone_arguments={"widths": [4, 8], "blocks": 1}, temporal=kind, temporal_units=(6, 4)
    )
    network = models.build(settings, 16, 1, tasks(3, identity=0), 0, seed=0, frames=4)
    shown = clips(frames=4)
    np.testing.assert_allclose(
        fed(Stream(network), shown)[-1]["expression"], network(shown)["expression"], atol=1e-5
    )


def test_networks_that_cannot_be_asked_so():
    with pytest.raises(ValueError, match=r"expected a network of clips \[n, frames, h, w, c\]"):
        Stream(
            models.build(
                ModelSettings(backbone_arguments={"widths": [4], "blocks": 1}), 16, 1, tasks(3), 4, 0
            )
        )
    with pytest.raises(ValueError, match="needs the frames that come later"):
        Stream(build("bidirectional_lstm", 5))


@pytest.mark.parametrize("kind", ONWARDS)
def test_what_is_of_each_frame_is_the_same_in_a_stream(kind):
    of_both = {**tasks(3, identity=0), "frame_expression": TaskSettings(names=("calm", "glad"))}
    settings = ModelSettings(
        backbone_arguments={"widths": [4, 8], "blocks": 1}, temporal=kind, temporal_units=(6, 4)
    )
    network = models.build(settings, 16, 1, of_both, 0, seed=0, frames=5)
    shown = clips(frames=5)
    expected = network(shown)
    assert expected["frame_expression"].shape == (2, 5, 2)
    for frame, outputs in enumerate(fed(Stream(network), shown)):
        np.testing.assert_allclose(
            outputs["frame_expression"], expected["frame_expression"][:, frame], atol=1e-5
        )
