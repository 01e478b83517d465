"""A voice that hums a vowel while its pitch, its loudness and its resonances follow a contour.

Harmonics of a glottal pulse fall by 1/k with the lips' radiation; the vocal tract has three resonances of
second order, and a correction for those above: G. Fant, "Acoustic Theory of Speech Production" (1960). A
smile shortens the tract, and raises pitch and resonances: V. C. Tartter, "Happy talk", Perception &
Psychophysics 27 (1980).
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from kfer import spec
from kfer.datasets.drawing.motion import Course, moments, sample_course

# Keeps the random numbers of a person's voice apart from those of the person's face.
_STREAM = 6
#: At so many moments a contour is known; between them it is interpolated.
_MOMENTS = 100
#: Men's first three resonances in Hz of the vowels of "hod", "head" and "hawed": G. E. Peterson and
#: H. L. Barney, "Control methods used in a study of the vowels", JASA 24 (1952).
_VOWELS = np.array([(730, 1090, 2440), (530, 1840, 2480), (570, 840, 2410)])
_BANDWIDTHS = np.array([80, 100, 140])
#: Harmonics fade out between these, in Hz.
_FADING, _HIGHEST = 3000, 4000
#: At the apex of each expression: semitones of pitch, decibels, semitones of the resonances.
_RAISED = {"happy": (4.0, 2.0, 2.5), "surprise": (9.0, 7.0, 0.0)}
_FADE_SECONDS = 0.05


@dataclass(frozen=True)
class Contour:
    """What changes in a voice, at 100 moments evenly spread over a sound.

    Attributes:
        pitch: Semitones above the person's usual one, float [100].
        loudness: Decibels above the usual, float [100].
        resonances: Semitones above the person's usual ones, float [100].
    """

    pitch: np.ndarray
    loudness: np.ndarray
    resonances: np.ndarray

    def backwards(self) -> "Contour":
        """The contour from its end to its start."""
        return Contour(self.pitch[::-1], self.loudness[::-1], self.resonances[::-1])


def telling(courses: Mapping[str, Course], rng: np.random.Generator) -> Contour:
    """Returns the contour of a voice that follows the expressions of a face.

    A smile raises the pitch a little and the resonances, surprise the pitch and the loudness a lot.

    Args:
        courses: By expression.
        rng: Gives how much each expression raises them.
    """
    raised = np.zeros((3, _MOMENTS))
    for expression, course in courses.items():
        apex = rng.uniform(0.8, 1.2) * np.array(_RAISED[expression])
        raised += apex[:, np.newaxis] * course.at(moments(_MOMENTS))
    return Contour(*raised)


def rising(rng: np.random.Generator) -> Contour:
    """Returns a contour whose pitch rises by 8 to 12 semitones around the usual one."""
    raised = np.zeros((3, _MOMENTS))
    course = sample_course(rng)
    raised[0] = rng.uniform(8, 12) * (course.at(moments(_MOMENTS)) - 0.5)
    return Contour(*raised)


def hum(identity_seed: int, contour: Contour, num_samples: int, rng: np.random.Generator) -> np.ndarray:
    """Returns the sound of a person's voice.

    Args:
        identity_seed: Gives the usual pitch (100 to 230 Hz) and the size of the vocal tract.
        contour: How they change.
        num_samples: Length of the sound, at spec.SAMPLE_RATE.
        rng: Gives the vowel, the loudness, and breath and noise.

    Returns:
        Mono, int16 [num_samples].
    """
    person = np.random.Generator(np.random.PCG64(np.random.SeedSequence([_STREAM, identity_seed])))
    height, tract = person.random(2)
    usual_pitch = 100 * 2.3**height
    # Higher voices come from shorter tracts.
    formants = _VOWELS[rng.integers(len(_VOWELS))] * (0.9 + 0.2 * height + 0.1 * tract)
    seconds = (np.arange(num_samples) + 0.5) / spec.SAMPLE_RATE
    duration = num_samples / spec.SAMPLE_RATE
    vibrato = 0.15 * np.cos(2 * np.pi * (rng.uniform(4, 6) * moments(_MOMENTS) * duration + rng.random()))
    pitch = usual_pitch * 2 ** ((contour.pitch + vibrato) / 12)
    tone = _tone(pitch, formants, contour.resonances, num_samples, rng.random())
    ends = np.minimum(seconds, duration - seconds) / rng.uniform(1, 3) / _FADE_SECONDS
    tone *= 0.5 - 0.5 * np.cos(np.pi * np.minimum(ends, 1))
    tone *= _over_samples(10 ** (contour.loudness / 20), num_samples)
    breath = _breath(seconds, rng)
    loudness, breathiness, noise = 10 ** (rng.uniform((-32, -30, -40), (-26, -20, -30)) / 20)
    sound = loudness * (tone + breathiness * breath + noise * rng.standard_normal(num_samples))
    # Rounding hides nearly all that differs between platforms in the last bit.
    return np.rint(32767 * np.clip(sound, -1, 1)).astype(np.int16)


def _tone(
    pitch: np.ndarray, formants: np.ndarray, resonances: np.ndarray, num_samples: int, phase: float
) -> np.ndarray:
    """Harmonics of a pitch in Hz [100], with a mean square of 1."""
    turns = np.cumsum(_over_samples(pitch, num_samples)) / spec.SAMPLE_RATE + phase
    rotation = np.exp(2j * np.pi * turns)
    harmonic, tone = rotation.copy(), np.zeros(num_samples)
    formants = formants[:, np.newaxis] * 2 ** (resonances / 12)
    for number in range(1, int(_HIGHEST / pitch.min()) + 1):
        strength = _response(number * pitch, formants) / number
        tone += _over_samples(strength, num_samples) * harmonic.imag
        harmonic *= rotation
    return tone / np.sqrt(np.mean(tone**2))


def _response(frequency: np.ndarray, formants: np.ndarray) -> np.ndarray:
    """The vocal tract's gain at frequencies [100] for formants [3, 100], all in Hz."""
    ratio = frequency / formants
    damping = ratio * _BANDWIDTHS[:, np.newaxis] / formants
    gain = np.prod(1 / np.hypot(1 - ratio**2, damping), axis=0)
    # In decibels: what the resonances at 7/2, 9/2 ... of 1 kHz of a tube of 17 cm add to the lower ones.
    above = 0.72 * (frequency / 500) ** 2 + 0.0033 * (frequency / 500) ** 4
    return gain * 10 ** (above / 20) * np.clip((_HIGHEST - frequency) / (_HIGHEST - _FADING), 0, 1)


def _breath(seconds: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    rate, phase = rng.uniform((0.3, 0), (1, 1))
    swell = 0.6 + 0.4 * np.cos(2 * np.pi * (rate * seconds + phase))
    return swell * np.convolve(rng.standard_normal(len(seconds)), (0.3, 0.8, 0.3), mode="same")


def _over_samples(values: np.ndarray, num_samples: int) -> np.ndarray:
    return np.interp(moments(num_samples), moments(_MOMENTS), values)
