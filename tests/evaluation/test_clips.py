"""How soon a network of clips is right, on clips whose answers are known by hand."""

import numpy as np
import pytest
from toy_clips import build, clips

from kfer.evaluation import clips as judged
from kfer.input_pipeline import Decoded


def decoded(shown: np.ndarray, labels, counts, expressions, rates) -> Decoded:
    number = len(shown)
    nothing = np.zeros(number, np.int32)
    further = {
        "num_frames": np.array(counts, np.int32),
        "frame_rate": np.array(rates, np.float32)[:, np.newaxis],
        "frame_expression": np.array(expressions, np.int32),
    }
    names = np.array([str(index) for index in range(number)])
    return Decoded(shown, np.array(labels, np.int32), nothing, nothing, names, further)


def test_answers_by_frame_end_with_that_of_the_clip():
    network, shown = build("lstm", 5), clips(70)
    said = judged.answers_by_frame(network, shown, "expression")
    assert said.shape == (70, 5, 3)
    logits = np.asarray(network(shown)["expression"])
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(said[:, -1], expected, atol=1e-5)


def test_a_worked_example(monkeypatch):
    answers = np.array([[0, 1, 0, 1, 1], [2, 2, 0, 0, 0], [1, 1, 1, 0, 0], [0, 0, 0, 0, 0]])
    monkeypatch.setattr(judged, "answers_by_frame", lambda _, shown, __: np.eye(3)[answers[: len(shown)]])
    examples = decoded(
        np.zeros((4, 5, 2, 2, 1), np.uint8),
        labels=[1, 2, 1, -1],
        counts=[5, 5, 3, 5],
        # The onset of the first is its second frame; the second shows one expression throughout.
        expressions=[[4, -1, 3, 3, 3], [4] * 5, [-1, -1, 3, -1, -1], [0] * 5],
        rates=[10.0, 10.0, 5.0, 10.0],
    )
    found = judged.clip_report(None, examples, "expression")
    assert found["num_clips"] == 3
    # Of the third clip three frames are there.
    assert found["accuracy_by_frame"] == [2 / 3, 1.0, 1 / 3, 0.5, 0.5]
    # The first is right for good from its fourth frame on, the third from before its onset.
    assert found["latency"] == pytest.approx({"median": 0.1, "late": 0.18, "num_clips": 2})
    assert found["changes_per_second"] == pytest.approx((3 * 2 + 1 * 2 + 0) / 3)
    assert [each["index"] for each in found["examples"]] == [0, 1]
    assert len(found["examples"][0]["probabilities"]) == 5


def test_a_network_that_needs_later_frames_has_no_such_report():
    examples = decoded(clips(2), [0, 1], [5, 5], [[0] * 5] * 2, [10.0, 10.0])
    assert judged.clip_report(build("bidirectional_rnn", 5), examples, "expression") == {}
