import cv2
import numpy as np
import pytest

from kfer import spec
from kfer.datasets import drawn_people


def test_numbers_go_on_from_split_to_split():
    assert drawn_people.split_people(3, 2, 8, 5) == {
        spec.TRAIN: (range(3), 8),
        spec.VALIDATION: (range(3, 5), 5),
        spec.TEST: (range(5, 7), 5),
    }


def test_names_sort_as_numbers_do():
    names = drawn_people.person_names(120)
    assert names[7] == "person_007"
    assert names == sorted(names)


def test_no_two_datasets_share_people():
    seeds = {drawn_people.identity_seed(seed, person) for seed in range(3) for person in (0, 99_999)}
    assert len(seeds) == 6


def test_ranges_are_those_of_all_builders_and_ones_own():
    drawn_people.check_ranges(
        "faces", {"num_identities": 2, "image_size": 24, "length": 5}, length=(5, 9)
    )
    with pytest.raises(ValueError, match="num_identities of faces is 1; expected 2 to 33333"):
        drawn_people.check_ranges("faces", {"num_identities": 1})
    with pytest.raises(ValueError, match="length of faces is 4; expected 5 to 9"):
        drawn_people.check_ranges("faces", {"length": 4}, length=(5, 9))


def test_png_holds_the_image():
    image = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)
    decoded = cv2.imdecode(np.frombuffer(drawn_people.png(image), np.uint8), cv2.IMREAD_COLOR)
    np.testing.assert_array_equal(decoded[..., ::-1], image)
