import pytest

from kfer.benchmark import BenchmarkSettings


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"threads": (0,)}, "threads must be at least 1; got 0"),
        ({"threads": (2, 2)}, "threads must be different numbers, at least one; got 2,2"),
        ({"batch": ()}, "batch must be different numbers, at least one; got none"),
        ({"batch": (1, 2, 3, 4, 5)}, "batch must be at most 4 numbers; got 1,2,3,4,5"),
        ({"rounds": 0}, "rounds must be at least 1; got 0"),
        ({"seconds": float("nan")}, "seconds must be a finite number above 0; got nan"),
        ({"image_size": 0}, "image_size must be at least 1; got 0"),
    ],
)
def test_wrong_values_are_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        BenchmarkSettings(**wrong)
