import math

import pytest

from kfer import ranges


@pytest.mark.parametrize(
    ("words", "inside", "outside"),
    [
        ("at least 1", (1, 2), (0, 0.999)),
        ("above 0", (1e-9,), (0, -0.0, -1)),
        ("in [0, 1]", (0, 1, 0.5), (-1e-9, 1.1)),
        ("in [0, 1)", (0,), (1,)),
        ("in (0, 1]", (1,), (0,)),
        ("in (-0.5, 2)", (-0.4, 1.9), (-0.5, 2)),
        ("0, or at least 2", (0, 2), (1, -1)),
        ("1, or 3", (1, 3), (2,)),
    ],
)
def test_a_range_is_what_its_words_say(words, inside, outside):
    assert all(ranges.allows(words, value) for value in inside)
    assert not any(ranges.allows(words, value) for value in outside)


@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan, True, "1", None, 1j, 10**31, -(10**31)])
@pytest.mark.parametrize("kind", [int, float])
def test_what_is_no_number_is_refused(value, kind):
    with pytest.raises(ValueError, match=r"^rate must be "):
        ranges.check_number(value, "rate", kind)


def test_counts_and_seeds_fit_32_bits():
    for value in (2**31, -(2**31)):
        with pytest.raises(ValueError, match=r"at most 2,147,483,647 in size"):
            ranges.check_number(value, "seed", int)
    ranges.check_number(2**31, "rate", float)


def test_a_fraction_is_no_whole_number():
    with pytest.raises(ValueError, match=r"rate must be a whole number; got 1\.0"):
        ranges.check_number(1.0, "rate", int)
    ranges.check_number(1, "rate", float)


def test_messages_are_short():
    assert len(ranges.shown("x" * 1_000_000)) < 150
    assert ranges.shown(10**5000) == "a number of thousands of digits"
    nested: list = []
    for _ in range(100_000):
        nested = [nested]
    assert "nested too deeply" in ranges.shown(nested)
