import numpy as np
import pytest
import tensorflow as tf

from kfer import spec
from kfer.models.sound import LogMel, num_windows


def tone(frequency: float, samples: int = 8000, level: float = 0.5) -> np.ndarray:
    times = np.arange(samples) / spec.SAMPLE_RATE
    return (level * np.sin(2 * np.pi * frequency * times)).astype(np.float32)[np.newaxis]


def mel(frequency: float) -> float:
    """O'Shaughnessy's formula, as HTK has it."""
    return 1127 * np.log(1 + frequency / 700)


@pytest.mark.parametrize("frequency", [150.0, 1000.0, 4000.0])
def test_a_tone_is_loudest_in_its_band(frequency):
    found = LogMel()(tone(frequency)).numpy()
    assert found.shape == (1, num_windows(8000), 64) and found.dtype == np.float32
    edges = np.linspace(mel(60), mel(7600), 66)
    band = int(np.abs(edges[1:-1] - mel(frequency)).argmin())
    assert abs(int(found.mean(axis=1)[0].argmax()) - band) <= 1


def test_ten_times_as_loud_is_as_much_more_at_every_level():
    quiet, loud = (LogMel()(tone(1000.0, level=level)).numpy().max() for level in (0.05, 0.5))
    assert loud - quiet == pytest.approx(np.log(100) / 5, abs=1e-3)
    # The floor of silence, in the same numbers.
    silence = LogMel()(np.zeros((1, 8000), np.float32)).numpy()
    np.testing.assert_allclose(silence, (np.log(1e-6) + 6) / 5, atol=1e-5)


def test_windows_are_25_ms_every_10_ms():
    assert [num_windows(samples) for samples in (399, 400, 559, 560, 16000)] == [0, 1, 1, 2, 98]
    assert LogMel()(tf.zeros([2, 16000])).shape == (2, 98, 64)
