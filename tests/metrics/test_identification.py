import numpy as np
import pytest

from kfer import metrics


@pytest.mark.parametrize("chunk", [1, 2, 100])
def test_rank1_by_hand_in_any_chunk(chunk):
    gallery = np.array([[1.0, 0.0], [0.0, 9.0]])
    probes = np.array([[5.0, 1.0], [1.0, 5.0], [0.2, 0.1]])
    assert metrics.rank1(probes, [7, 7, 7], gallery, [7, 8], chunk) == pytest.approx(2 / 3)


def test_rank1_needs_probes():
    with pytest.raises(ValueError, match="got 0 probes and 2 gallery images"):
        metrics.rank1(np.zeros((0, 2)), np.zeros(0), np.eye(2), np.arange(2))
