import numpy as np
import pytest

from kfer import metrics


@pytest.mark.parametrize("chunk", [1, 2, 100])
def test_rank1_by_hand_in_any_chunk(chunk):
    gallery = np.array([[1.0, 0.0], [0.0, 9.0]])
    probes = np.array([[5.0, 1.0], [1.0, 5.0], [0.2, 0.1]])
    assert metrics.rank1(probes, [7, 7, 7], gallery, [7, 8], chunk) == pytest.approx(2 / 3)


def test_an_open_set_by_hand():
    similarities, right = np.array([0.9, 0.8, 0.7, 0.3]), np.array([True, False, True, True])
    strangers = np.array([0.75, 0.5, 0.4, 0.2])
    strict, loose = (metrics.open_set(similarities, right, strangers, rate) for rate in (0.0, 0.25))
    # Above 0.75 one of two is right; from 0.7 on a stranger passes too, and two of four are found.
    assert 0.75 < strict.threshold < 0.8 and strict.true_positive_rate.value == 0.25
    assert 0.5 < loose.threshold < 0.7 and loose.true_positive_rate.value == 0.5
    assert (strict.false_positive_rate.value, loose.false_positive_rate.value) == (0.0, 0.25)
    with pytest.raises(ValueError, match=r"rate in \[0, 1\]; got 2"):
        metrics.open_set(similarities, right, strangers, 2)


def test_the_closest_image_and_whose_it_is():
    similarities, whose = metrics.closest(np.array([[5.0, 0.0], [1.0, 1.0]]), np.eye(2), [7, 8])
    assert similarities == pytest.approx([1, np.sqrt(0.5)]) and list(whose) == [7, 7]


def test_rank1_needs_probes():
    with pytest.raises(ValueError, match="got 0 probes and 2 gallery images"):
        metrics.rank1(np.zeros((0, 2)), np.zeros(0), np.eye(2), np.arange(2))
