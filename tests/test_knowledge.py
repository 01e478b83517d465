import inspect
import pkgutil

import pytest

from kfer import datasets, knowledge
from kfer.datasets.drawn_people import DrawnPeople


def test_shares_are_of_images_by_kind():
    images = {"synthetic": 60, "lfw": 30, "synthetic_2": 10}
    names = {"synthetic": "kfer_synthetic/a/1.1.0", "lfw": "lfw/1", "synthetic_2": "kfer_synthetic/b/1"}
    assert knowledge.trained_on(images, names) == {"drawn": 0.7, "photographs": 0.3}
    assert knowledge.trained_on({"generated": 3, "own": 0}, {}) == {"generated": 1.0}
    assert knowledge.trained_on({}, {}) == {}


def test_images_of_a_folder_that_are_generated_count_as_such():
    told = knowledge.with_generated("kfer_image_folder/ab/1.0.0", 30, 120)
    assert knowledge.trained_on({"mine": 60}, {"mine": told}) == {"photographs": 0.75, "generated": 0.25}
    told = knowledge.with_generated("kfer_image_folder/ab/1.0.0", 9, 9)
    assert knowledge.trained_on({"mine": 9}, {"mine": told}) == {"generated": 1.0}
    assert knowledge.with_generated("a/1", 0, 9) == "a/1"


@pytest.mark.parametrize(
    ("shares", "words"),
    [
        ({}, None),
        ({"photographs": 1.0}, None),
        ({"drawn": 1.0}, "m was trained on drawn faces alone: what it says of photographs means nothing"),
        (
            {"drawn": 0.6, "generated": 0.4},
            "m was trained on drawn and generated faces alone: what it says of photographs means nothing",
        ),
        (
            {"photographs": 0.75, "generated": 0.25},
            "m was trained on faces of which 25.0% were generated: measure it on photographs of your own "
            "before you rely on it",
        ),
    ],
)
def test_who_saw_others_than_photographs_is_told_so(shares, words):
    assert knowledge.warning("m", shares) == words


def test_shares_in_words():
    assert knowledge.words({"drawn": 1.0}) == "drawn"
    assert knowledge.words({"photographs": 0.75, "drawn": 0.25}) == "photographs (75 %) and drawn (25 %)"


def test_every_dataset_that_draws_says_so():
    drawn = set()
    for module in pkgutil.iter_modules(datasets.__path__):
        found = datasets._builder_class(module.name)
        if found is not None and (issubclass(found, DrawnPeople) or "generator" in _arguments(found)):
            drawn.add(module.name)
    assert drawn == set(knowledge.OTHERS)


def _arguments(builder: type) -> set[str]:
    return set(inspect.signature(builder.__init__).parameters)
