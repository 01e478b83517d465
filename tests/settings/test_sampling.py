import pytest

from kfer.settings import SamplingSettings


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("balance", "expression", r"balance must be a tuple of texts, .*; got 'expression'"),
        ("balance_power", 1.1, r"balance_power must be in \[0, 1\]; got 1.1"),
        ("people_per_batch", 1, "people_per_batch must be 0, or at least 2; got 1"),
        ("images_per_person", 1, "images_per_person must be at least 2; got 1"),
        ("least_images_per_person", 0, "least_images_per_person must be at least 1; got 0"),
    ],
)
def test_values_out_of_range_are_refused(field, value, message):
    with pytest.raises(ValueError, match=message):
        SamplingSettings(**{field: value})
