import numpy as np
import pytest

from kfer import spec
from kfer.datasets.drawing.motion import Course
from kfer.datasets.drawing.voice import Contour, hum, rising, telling

FLAT = np.zeros(100)
SECOND = spec.SAMPLE_RATE


def _spectrum(sound: np.ndarray) -> np.ndarray:
    return np.abs(np.fft.rfft(sound * np.hanning(len(sound))))


def _pitch(sound: np.ndarray) -> float:
    """In Hz: the first high peak of the sound's correlation with itself, between 70 and 500 Hz."""
    spectrum = np.abs(np.fft.rfft(sound - sound.mean(), 2 * len(sound))) ** 2
    correlation = np.fft.irfft(spectrum)[: len(sound)] / np.arange(len(sound), 0, -1)
    lags = np.arange(SECOND // 500, SECOND // 70)
    candidates = correlation[lags]
    peaks = [
        index
        for index in range(1, len(lags) - 1)
        if candidates[index - 1] <= candidates[index] >= candidates[index + 1]
    ]
    first = next(index for index in peaks if candidates[index] > 0.85 * candidates.max())
    return SECOND / lags[first]


def _ends(sound: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sixteenths of a second near the start and near the end, where contours are at rest."""
    return sound[800:1800], sound[-1800:-800]


def test_sound_is_int16_of_the_length_and_not_clipped():
    for seed in range(10):
        contour = telling({"surprise": Course((0.2, 0.6), (0, 1))}, np.random.default_rng(seed))
        sound = hum(seed, contour, 12_345, np.random.default_rng(seed))
        assert sound.dtype == np.int16
        assert sound.shape == (12_345,)
        assert 1000 < np.abs(sound.astype(int)).max() < 32767


def test_same_seeds_give_the_same_sound_and_others_do_not():
    first, again, other = (
        hum(3, Contour(FLAT, FLAT, FLAT), SECOND // 4, np.random.default_rng(seed)) for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_an_octave_doubles_the_pitch():
    low, high = (
        _pitch(hum(3, Contour(FLAT + up, FLAT, FLAT), SECOND, np.random.default_rng(0))[4000:12000])
        for up in (0, 12)
    )
    assert 100 < low < 230
    assert high == pytest.approx(2 * low, rel=0.03)


def test_people_have_their_own_pitch():
    pitches = [
        _pitch(hum(person, Contour(FLAT, FLAT, FLAT), SECOND, np.random.default_rng(0))[4000:12000])
        for person in range(6)
    ]
    assert np.ptp(pitches) > 50


def test_loudness_is_in_decibels():
    quiet, loud = (
        hum(3, Contour(FLAT, FLAT + up, FLAT), SECOND, np.random.default_rng(0)).std() for up in (0, 6)
    )
    assert 20 * np.log10(loud / quiet) == pytest.approx(6, abs=0.5)


def test_resonances_move_energy_up():
    frequencies = np.fft.rfftfreq(SECOND, 1 / SECOND)

    def centroid(up: float) -> float:
        power = _spectrum(hum(3, Contour(FLAT, FLAT, FLAT + up), SECOND, np.random.default_rng(0))) ** 2
        return float(np.sum(frequencies * power) / power.sum())

    assert centroid(4) > 1.1 * centroid(0)


def test_energy_lies_below_the_highest_harmonic():
    power = _spectrum(hum(3, Contour(FLAT, FLAT, FLAT), SECOND, np.random.default_rng(0))) ** 2
    assert power[:4000].sum() > 0.99 * power.sum()


def test_pitch_rises_and_backwards_falls():
    for seed in range(12):
        contour = rising(np.random.default_rng(seed))
        up, down = (
            hum(seed, which, SECOND, np.random.default_rng(seed))
            for which in (contour, contour.backwards())
        )
        start, end = map(_pitch, _ends(up))
        assert 1.4 < end / start < 2.2
        start, end = map(_pitch, _ends(down))
        assert 1.4 < start / end < 2.2


def test_smile_and_surprise_sound_different():
    course = Course((0.3, 0.6), (0, 1))
    smile, surprise = (
        telling({expression: course}, np.random.default_rng(0)) for expression in ("happy", "surprise")
    )
    assert surprise.pitch[-1] > 1.5 * smile.pitch[-1] > 0
    assert surprise.loudness[-1] > 2 * smile.loudness[-1] > 0
    assert smile.resonances[-1] > surprise.resonances[-1] == 0
    for contour in (smile, surprise):
        assert contour.pitch[0] == contour.loudness[0] == contour.resonances[0] == 0


def test_backwards_is_the_contour_in_reverse():
    contour = telling({"happy": Course((0.3, 0.6), (0, 1))}, np.random.default_rng(0))
    for name in ("pitch", "loudness", "resonances"):
        np.testing.assert_array_equal(getattr(contour.backwards(), name), getattr(contour, name)[::-1])
