from collections import Counter

import numpy as np
import pytest

from kfer import spec
from kfer.datasets.drawing import ACTION_UNITS, CLIP_CLASSES, draw_clip
from kfer.datasets.drawing.clip import sample_parts

PAIRS = {
    "smile_comes": "smile_goes",
    "surprise_comes": "surprise_goes",
    "smile_then_surprise": "surprise_then_smile",
}


@pytest.mark.parametrize("voice", CLIP_CLASSES)
def test_a_clip_is_what_it_says(voice):
    clip_class = next(iter(CLIP_CLASSES[voice]))
    clip = draw_clip(3, clip_class, 5, num_frames=9, size=32, frame_rate=12.5, voice=voice)
    assert clip.frames.shape == (9, 32, 32, 3)
    assert clip.frames.dtype == np.uint8
    assert clip.expressions.shape == (9,)
    assert clip.action_units.shape == (9, len(ACTION_UNITS))
    assert clip.action_units.dtype == np.float32
    # 9 frames at 12.5 a second are 0.72 seconds.
    assert clip.sound.shape == (0 if voice == "none" else 11_520,)
    assert clip.sound.dtype == np.int16


@pytest.mark.parametrize("voice", CLIP_CLASSES)
def test_same_seeds_give_the_same_bytes_and_others_do_not(voice):
    clip_class = next(iter(CLIP_CLASSES[voice]))
    first, again, other = (
        draw_clip(3, clip_class, seed, num_frames=8, size=24, voice=voice) for seed in (5, 5, 6)
    )
    assert first.frames.tobytes() == again.frames.tobytes() != other.frames.tobytes()
    assert first.sound.tobytes() == again.sound.tobytes()
    assert voice == "none" or first.sound.tobytes() != other.sound.tobytes()


@pytest.mark.parametrize(("forward", "backward"), PAIRS.items())
def test_a_pair_has_the_same_frames_in_reverse_order(forward, backward):
    for seed in range(3):
        first, second = (draw_clip(4, name, seed, num_frames=12, size=32) for name in (forward, backward))
        np.testing.assert_array_equal(first.frames, second.frames[::-1])
        np.testing.assert_array_equal(first.expressions, second.expressions[::-1])
        np.testing.assert_array_equal(first.action_units, second.action_units[::-1])


def test_person_light_and_place_stay_and_the_cameras_noise_does_not():
    clip = draw_clip(4, "smile_comes", 1, num_frames=12, size=48)
    corners = clip.frames[:, :6, :6].astype(int)
    assert (corners[1:] != corners[:-1]).any(axis=(1, 2, 3)).all()
    assert np.ptp(corners.mean(axis=(1, 2)), axis=0).max() < 3


def test_smile_shows_in_the_frames():
    clip = draw_clip(4, "smile_comes", 1, num_frames=12, size=48)
    differences = np.abs(clip.frames.astype(int) - clip.frames[0]).mean(axis=(1, 2, 3))
    assert differences[-3:].mean() > 1.5 * differences[1:3].mean()


def test_telling_voice_says_what_the_face_says():
    for clip_class in CLIP_CLASSES["telling"]:
        clip = draw_clip(1, clip_class, 0, num_frames=8, size=24, voice="telling")
        assert clip.face == clip.voice == clip_class
    loud_at_end, loud_at_start = (
        draw_clip(1, name, 0, num_frames=16, size=24, voice="telling").sound.astype(float)
        for name in ("surprise_comes", "surprise_goes")
    )
    middle = len(loud_at_end) // 2
    assert loud_at_end[middle:].std() > 1.3 * loud_at_end[:middle].std()
    assert loud_at_start[:middle].std() > 1.3 * loud_at_start[middle:].std()


def test_insufficient_voice_and_face_have_the_bounds_that_are_told():
    rng = np.random.default_rng(0)
    drawn = [
        (clip_class, *sample_parts(clip_class, "insufficient", rng))
        for clip_class in CLIP_CLASSES["insufficient"]
        for _ in range(4000)
    ]

    def best_accuracy(seen) -> float:
        """Of the rule that guesses the most frequent class for everything that can be seen."""
        counts = Counter((seen(face, voice), clip_class) for clip_class, face, voice in drawn)
        best = Counter()
        for (sight, _), count in counts.items():
            best[sight] = max(best[sight], count)
        return best.total() / len(drawn)

    assert best_accuracy(lambda face, voice: None) == 0.25
    assert best_accuracy(lambda face, voice: face) == pytest.approx(0.97 / 2, abs=0.01)
    assert best_accuracy(lambda face, voice: voice) == pytest.approx(0.97 / 2, abs=0.01)
    assert best_accuracy(lambda face, voice: (face, voice)) == pytest.approx(0.97**2, abs=0.01)


def test_insufficient_clips_show_their_parts_and_not_their_class():
    clips = [
        draw_clip(1, "smile_comes_rising", seed, num_frames=8, size=24, voice="insufficient")
        for seed in range(60)
    ]
    assert Counter(clip.face for clip in clips).most_common()[0][0] == "smile_comes"
    assert {clip.face for clip in clips} | {clip.voice for clip in clips} == {
        "smile_comes",
        "smile_goes",
        "rising",
        "falling",
    }
    happy = spec.EXPRESSIONS.index("happy")
    for clip in clips:
        assert clip.expressions[-1 if clip.face == "smile_comes" else 0] == happy


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"clip_class": "smile_come"}, "class of a drawn clip is 'smile_come'.*mean 'smile_comes'"),
        ({"voice": "tellin"}, "voice of a drawn clip is 'tellin'; expected one of none, telling"),
        ({"voice": "insufficient"}, "is 'smile_comes'; expected one of smile_comes_rising"),
        ({"num_frames": 7}, "A drawn clip has 7 frames; expected at least 8"),
        ({"size": 8}, "A drawn face is 8 pixels wide; expected at least 24"),
    ],
)
def test_wrong_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        draw_clip(**{"identity_seed": 1, "clip_class": "smile_comes", "seed": 0, **arguments})
