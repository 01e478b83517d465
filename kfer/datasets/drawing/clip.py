"""A person and a class to a clip: frames of a face in motion, and a voice."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from kfer import spec
from kfer.datasets import naming
from kfer.datasets.drawing.expressions import ACTION_UNITS
from kfer.datasets.drawing.identity import sample_identity
from kfer.datasets.drawing.motion import FEWEST_FRAMES, PLAYS, Motion, sample_courses, sample_motion
from kfer.datasets.drawing.render import render
from kfer.datasets.drawing.view import View, sample_view
from kfer.datasets.drawing.voice import hum, rising, telling

_STREAM = 5

#: How often the face, and how often the voice, does the opposite of its part of a class whose parts they
#: tell.
MISLEADING = 0.03

_OPPOSITES = {
    "smile_comes": "smile_goes",
    "smile_goes": "smile_comes",
    "rising": "falling",
    "falling": "rising",
}

#: By what the voice is for, the classes of clips, and what face and voice do in each.
CLIP_CLASSES: Mapping[str, Mapping[str, tuple[str, str]]] = {
    "none": {name: (name, "") for name in PLAYS},
    "telling": {name: (name, name) for name in PLAYS},
    "insufficient": {
        f"{face}_{voice}": (face, voice)
        for face in ("smile_comes", "smile_goes")
        for voice in ("rising", "falling")
    },
}


@dataclass(frozen=True)
class DrawnClip:
    """Frames, sound, and what is known about them.

    Attributes:
        frames: RGB uint8 [frames, size, size, 3].
        expressions: What the face shows, int64 [frames], in the order of spec.EXPRESSIONS; -1 on the way
            from one to another.
        action_units: float32 [frames, 16], in the order of ACTION_UNITS.
        sound: Mono at spec.SAMPLE_RATE, as long as the frames, int16 [samples]; empty without a voice.
        face: What the face does, a key of PLAYS.
        voice: What the voice does: a key of PLAYS, "rising", "falling", or "" where there is none.
    """

    frames: np.ndarray
    expressions: np.ndarray
    action_units: np.ndarray
    sound: np.ndarray
    face: str
    voice: str


def draw_clip(
    identity_seed: int,
    clip_class: str,
    seed: int,
    num_frames: int = 16,
    size: int = 48,
    frame_rate: float = 25.0,
    voice: str = "none",
) -> DrawnClip:
    """Draws the person of a seed in a clip of a class; everything else comes from `seed`.

    Of the same seeds, the frames of a class and of its opposite are the same in reverse order. Person,
    light, place and blur stay the same over a clip; the camera's noise is another in each frame.

    Args:
        identity_seed: For `sample_identity`.
        clip_class: One of CLIP_CLASSES[voice].
        seed: Gives the motion, the view and the sound.
        num_frames: How many frames.
        size: Height and width in pixels.
        frame_rate: Frames a second.
        voice: "none"; "telling", where pitch, loudness and resonances follow the face's expressions; or
            "insufficient", where the class is what the face does (a smile comes or goes) and whether the
            pitch rises or falls, and each does the opposite in 3% of the clips. Whoever sees alone is
            right in 0.97 / 2 = 48.5% of these at best, as is who hears alone, and 0.97**2 = 94.1% are
            possible from both.

    Raises:
        ValueError: A name is unknown, the size too small, or the frames too few.
    """
    naming.check_name(voice, tuple(CLIP_CLASSES), "The voice of a drawn clip")
    naming.check_name(clip_class, tuple(CLIP_CLASSES[voice]), "The class of a drawn clip")
    if num_frames < FEWEST_FRAMES:
        raise ValueError(f"A drawn clip has {num_frames} frames; expected at least {FEWEST_FRAMES}.")
    rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence([_STREAM, identity_seed, seed])))
    face, heard = sample_parts(clip_class, voice, rng)
    expressions, is_backward = PLAYS[face]
    courses = sample_courses(expressions, rng)
    motion = sample_motion(courses, num_frames, frame_rate, rng)
    view = sample_view(rng)
    noise_seeds = rng.integers(2**32, size=num_frames)
    if is_backward:
        motion, noise_seeds = motion.backwards(), noise_seeds[::-1]
    sound = np.zeros(0, np.int16)
    if heard:
        if heard in PLAYS:
            contour, is_reverse = telling(courses, rng), is_backward
        else:
            contour, is_reverse = rising(rng), heard == "falling"
        num_samples = round(num_frames / frame_rate * spec.SAMPLE_RATE)
        sound = hum(identity_seed, contour.backwards() if is_reverse else contour, num_samples, rng)
    return DrawnClip(
        frames=_frames(identity_seed, motion, view, noise_seeds, size),
        expressions=motion.expressions,
        action_units=motion.action_units,
        sound=sound,
        face=face,
        voice=heard,
    )


def sample_parts(clip_class: str, voice: str, rng: np.random.Generator) -> tuple[str, str]:
    """Returns what face and voice do in a clip of a class, as a `DrawnClip` tells it."""
    parts = CLIP_CLASSES[voice][clip_class]
    if voice != "insufficient":
        return parts
    face, heard = (
        _OPPOSITES[part] if is_misleading else part
        for part, is_misleading in zip(parts, rng.random(2) < MISLEADING, strict=True)
    )
    return face, heard


def _frames(
    identity_seed: int, motion: Motion, view: View, noise_seeds: np.ndarray, size: int
) -> np.ndarray:
    person = sample_identity(identity_seed)
    frames = np.empty((len(noise_seeds), size, size, 3), np.uint8)
    down, right = view.shift
    for index, noise_seed in enumerate(noise_seeds.tolist()):
        units = dict(zip(ACTION_UNITS, motion.action_units[index].tolist(), strict=True))
        yaw, pitch, roll, drift_down, drift_right = motion.drifts[index].tolist()
        seen = dataclasses.replace(
            view,
            yaw=view.yaw + yaw,
            pitch=view.pitch + pitch,
            roll=view.roll + roll,
            shift=(down + drift_down, right + drift_right),
            blink=float(motion.blinks[index]),
            noise_seed=noise_seed,
        )
        frames[index] = render(person, units, seen, size).image
    return frames
