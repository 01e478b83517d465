import numpy as np
import pytest

from kfer import spec
from kfer.datasets.drawing.expressions import ACTION_UNITS, PROTOTYPES
from kfer.datasets.drawing.motion import (
    FEWEST_FRAMES,
    PLAYS,
    Course,
    Motion,
    sample_courses,
    sample_motion,
)

PAIRS = [
    ("smile_comes", "smile_goes"),
    ("surprise_comes", "surprise_goes"),
    ("smile_then_surprise", "surprise_then_smile"),
]


def _motion(name: str, seed: int, num_frames: int = 16, frame_rate: float = 25.0) -> Motion:
    rng = np.random.default_rng(seed)
    expressions, is_backward = PLAYS[name]
    motion = sample_motion(sample_courses(expressions, rng), num_frames, frame_rate, rng)
    return motion.backwards() if is_backward else motion


def _told_apart(first: np.ndarray, second: np.ndarray) -> float:
    """How often a linear rule that is fitted to the first half of the rows is right about the others."""
    features = np.concatenate([first, second], axis=1).reshape(2 * len(first), -1)
    features = np.c_[
        (features - features.mean(axis=0)) / (features.std(axis=0) + 1e-9), np.ones(len(features))
    ]
    is_first = np.tile([1.0, -1.0], len(first))
    weights = np.linalg.lstsq(features[: len(first)], is_first[: len(first)], rcond=None)[0]
    return float(np.mean((features[len(first) :] @ weights > 0) == (is_first[len(first) :] > 0)))


def test_course_is_a_raised_cosine():
    course = Course((0.25, 0.75), (0, 1))
    quarter = (1 - np.sqrt(0.5)) / 2
    np.testing.assert_allclose(
        course.at(np.array([0, 0.25, 0.375, 0.5, 0.75, 1])), [0, 0, quarter, 0.5, 1, 1], atol=1e-12
    )


@pytest.mark.parametrize("name", PLAYS)
@pytest.mark.parametrize("num_frames", [FEWEST_FRAMES, 25])
def test_every_expression_shows_in_its_turn(name, num_frames):
    expressions, is_backward = PLAYS[name]
    for seed in range(60):
        shown = _motion(name, seed, num_frames).expressions
        shown = shown[::-1] if is_backward else shown
        turns = [spec.EXPRESSIONS[now] for now in shown if now >= 0]
        turns = [now for index, now in enumerate(turns) if index == 0 or now != turns[index - 1]]
        if len(expressions) == 1:
            assert turns == ["neutral", *expressions]
        else:
            assert [now for now in turns if now != "neutral"] == list(expressions)


def test_labels_say_what_the_units_show():
    for seed in range(60):
        motion = _motion("smile_then_surprise", seed)
        for units, shown in zip(motion.action_units, motion.expressions, strict=True):
            strengths = dict(zip(ACTION_UNITS, units, strict=True))
            if shown == spec.EXPRESSIONS.index("neutral"):
                assert units.max() < 0.18
            elif shown >= 0:
                assert all(strengths[unit] > 0.6 for unit in PROTOTYPES[spec.EXPRESSIONS[shown]])


@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_only_the_order_tells_a_pair_apart(first, second):
    one = np.stack([_motion(first, seed).action_units for seed in range(400)])
    other = np.stack([_motion(second, 1000 + seed).action_units for seed in range(400)])
    # Of 400 guesses, chance is right in 50 +- 2.5%.
    for summary in (np.mean, np.std, np.max, np.min, np.median):
        assert abs(_told_apart(summary(one, axis=1), summary(other, axis=1)) - 0.5) < 0.1
    assert _told_apart(one[:, 4] - one[:, 11], other[:, 4] - other[:, 11]) > 0.95


def test_lids_and_head_move_backwards_as_forwards():
    forwards = [_motion("smile_comes", seed) for seed in range(400)]
    backwards = [_motion("smile_goes", 1000 + seed) for seed in range(400)]
    movements = [
        np.stack([np.column_stack([motion.blinks, motion.drifts]).ravel() for motion in motions])
        for motions in (forwards, backwards)
    ]
    assert abs(_told_apart(*movements) - 0.5) < 0.1
    # Lids close as fast as they open.
    slopes = np.concatenate([np.diff(motion.blinks) for motion in forwards])
    assert np.mean(slopes > 0.3) == pytest.approx(np.mean(slopes < -0.3), rel=0.35)


def test_blinks_are_as_frequent_and_long_as_peoples():
    blinks = np.concatenate([_motion("smile_comes", seed, 1000, 100.0).blinks for seed in range(60)])
    starts = np.sum((blinks[1:] > 0) & (blinks[:-1] == 0))
    minutes = len(blinks) / 100 / 60
    assert starts / minutes == pytest.approx(17, rel=0.2)
    assert np.sum(blinks > 0) / 100 / starts == pytest.approx(0.15, rel=0.1)
    assert 0.99 < blinks.max() <= 1


def test_the_head_drifts_slowly_and_not_far():
    drifts = np.stack([_motion("smile_comes", seed, 50).drifts for seed in range(60)])
    reach = np.abs(drifts).max(axis=(0, 1))
    assert (reach <= (0.15, 0.09, 0.07, 0.015, 0.015)).all()
    assert (reach > 0.5 * np.array((0.15, 0.09, 0.07, 0.015, 0.015))).all()
    # 0.6 Hz at 25 frames a second: at most 2 pi 0.6 / 25 of the reach from frame to frame.
    assert (np.abs(np.diff(drifts, axis=1)).max(axis=(0, 1)) < 0.16 * np.array(reach)).all()


def test_backwards_is_every_frame_in_reverse():
    motion = _motion("smile_then_surprise", 3)
    reverse = _motion("surprise_then_smile", 3)
    np.testing.assert_array_equal(reverse.action_units, motion.action_units[::-1])
    np.testing.assert_array_equal(reverse.expressions, motion.expressions[::-1])
    np.testing.assert_array_equal(reverse.blinks, motion.blinks[::-1])
    np.testing.assert_array_equal(reverse.drifts, motion.drifts[::-1])
