"""How a drawn face moves in a clip: expressions come and go, lids blink, the head drifts.

Lids and head move as they would backwards in time, so that only expressions tell a clip from its
reversal.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from kfer import spec
from kfer.datasets.drawing.expressions import action_units


class Play(NamedTuple):
    """What a face does in a clip.

    Attributes:
        expressions: Those that are shown: one comes and stays, two come and go one after the other.
        is_backward: Whether all that is then read from its end.
    """

    expressions: tuple[str, ...]
    is_backward: bool


#: What faces do, by name, in pairs that are each other backwards.
PLAYS: Mapping[str, Play] = {
    "smile_comes": Play(("happy",), is_backward=False),
    "smile_goes": Play(("happy",), is_backward=True),
    "surprise_comes": Play(("surprise",), is_backward=False),
    "surprise_goes": Play(("surprise",), is_backward=True),
    "smile_then_surprise": Play(("happy", "surprise"), is_backward=False),
    "surprise_then_smile": Play(("happy", "surprise"), is_backward=True),
}

#: In fewer frames an expression could come and go between two of them.
FEWEST_FRAMES = 8

#: An expression shows from this share of its apex on; the face is neutral up to what is left, a tenth.
_SHOWN = 0.9
_BLINK_SECONDS = 0.15
# A. R. Bentivoglio et al., "Analysis of blink rate patterns in normal subjects", Movement Disorders 12
# (1997): 17 a minute at rest.
_BLINKS_A_SECOND = 17 / 60
#: How far drift goes at most: yaw, pitch and roll in radians, down and right in shares of the side.
_REACH = np.array([0.15, 0.09, 0.07, 0.015, 0.015])
_SLOWEST, _FASTEST = 0.1, 0.6
_WAVES = 3


class Course(NamedTuple):
    """How strong something is over a clip: raised cosines from one moment to the next.

    Attributes:
        moments: Ascending shares of the clip's duration, in [0, 1].
        levels: 0 (rest) or 1 (apex) at each of them, and before and after them.
    """

    moments: Sequence[float] | np.ndarray
    levels: Sequence[float]

    def at(self, shares: np.ndarray) -> np.ndarray:
        """Levels in [0, 1] at shares of the clip's duration."""
        return 0.5 - 0.5 * np.cos(np.pi * np.interp(shares, self.moments, self.levels))


@dataclass(frozen=True)
class Motion:
    """What moves, frame by frame.

    Attributes:
        action_units: float32 [frames, 16] in [0, 1], in the order of ACTION_UNITS.
        expressions: What the face shows, int64 [frames], in the order of spec.EXPRESSIONS; -1 on the way
            from one to another.
        blinks: How far the lids are closed, float [frames] in [0, 1].
        drifts: What is added to the view's yaw, pitch, roll (radians), and shift down and right (shares
            of the image's side), float [frames, 5].
    """

    action_units: np.ndarray
    expressions: np.ndarray
    blinks: np.ndarray
    drifts: np.ndarray

    def backwards(self) -> "Motion":
        """The motion from its last frame to its first."""
        return Motion(
            self.action_units[::-1], self.expressions[::-1], self.blinks[::-1], self.drifts[::-1]
        )


def moments(count: int) -> np.ndarray:
    """The middles of `count` equal parts of a clip, float [count], in shares of its duration."""
    return (np.arange(count) + 0.5) / count


def sample_course(rng: np.random.Generator) -> Course:
    """Returns the course of something that comes and stays.

    The first and the last 12% are at rest and at the apex.
    """
    onset = rng.uniform(0.3, 0.5)
    start = rng.uniform(0.12, 0.88 - onset)
    return Course((start, start + onset), (0, 1))


def sample_courses(expressions: Sequence[str], rng: np.random.Generator) -> dict[str, Course]:
    """Returns the course of each expression of a play, forwards.

    Shares of the clip and not seconds are random, so that short clips hold whole expressions.
    """
    if len(expressions) == 1:
        return {expressions[0]: sample_course(rng)}
    courses = {}
    for index, expression in enumerate(expressions):
        bump = rng.uniform((0.04, 0.34, 0.6, 0.86), (0.16, 0.42, 0.68, 0.96))
        courses[expression] = Course((index + bump) / len(expressions), (0, 1, 1, 0))
    return courses


def sample_motion(
    courses: Mapping[str, Course], num_frames: int, frame_rate: float, rng: np.random.Generator
) -> Motion:
    """Returns a random motion whose expressions follow their courses.

    Args:
        courses: By expression, no two of which are above 0 at once.
        num_frames: Frames of the clip.
        frame_rate: Frames a second.
        rng: Gives the intensities at rest and at each apex, blinks and drift.
    """
    shares = moments(num_frames)
    rest = action_units("neutral", rng).astype(float)
    units = np.tile(rest, (num_frames, 1))
    shown = np.full(num_frames, spec.EXPRESSIONS.index("neutral"))
    for expression, course in courses.items():
        level = course.at(shares)
        units += level[:, np.newaxis] * (action_units(expression, rng) - rest)
        shown[level > 1 - _SHOWN] = spec.MISSING_LABEL
        shown[level >= _SHOWN] = spec.EXPRESSIONS.index(expression)
    seconds = shares * num_frames / frame_rate
    return Motion(
        action_units=np.clip(units, 0, 1).astype(np.float32),
        expressions=shown,
        blinks=_blinks(seconds, num_frames / frame_rate, rng),
        drifts=_drifts(seconds, rng),
    )


def _blinks(seconds: np.ndarray, duration: float, rng: np.random.Generator) -> np.ndarray:
    # People close their eyes faster than they open them; that would tell a clip from its reversal.
    span = duration + _BLINK_SECONDS
    middles = rng.uniform(0, span, rng.poisson(_BLINKS_A_SECOND * span)) - 0.5 * _BLINK_SECONDS
    away = np.abs(seconds[:, np.newaxis] - middles) / _BLINK_SECONDS
    closed = 0.5 + 0.5 * np.cos(2 * np.pi * np.minimum(away, 0.5))
    return closed.max(axis=1, initial=0)


def _drifts(seconds: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Sums of slow waves of random phase: smooth, bounded, and of the same distribution backwards."""
    rates = rng.uniform(_SLOWEST, _FASTEST, (len(_REACH), _WAVES))
    phases = rng.random((len(_REACH), _WAVES))
    waves = np.cos(2 * np.pi * (rates * seconds[:, np.newaxis, np.newaxis] + phases))
    return _REACH * waves.mean(axis=-1)
