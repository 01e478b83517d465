import numpy as np
import pytest

from kfer.media.grids import grid


def plain(*levels: int, channels: int = 1) -> np.ndarray:
    return np.stack([np.full((4, 4, channels), level, np.uint8) for level in levels])


def test_each_name_has_rows_of_its_own():
    images = {"a": plain(10, 20, 30, channels=3), "b": plain(40, channels=3)}
    for each in images.values():
        each[..., 1] = 0  # no grey, as words are
    picture = grid(images, scale=3, columns=2)
    assert picture.dtype == np.uint8 and picture.shape[2] == 3
    # Two rows of a, one of b, each image 12 pixels and a gap of 2.
    for level, row, column in ((10, 0, 0), (20, 0, 1), (30, 1, 0), (40, 2, 0)):
        y, x = np.nonzero((picture == (level, 0, level)).all(axis=-1))
        assert (np.ptp(y) + 1, np.ptp(x) + 1) == (12, 12)
        assert y.min() == 2 + 14 * row and picture.shape[1] - x.min() == 14 * (2 - column)


def test_names_stand_to_the_left_of_their_row_and_headings_above():
    images = {"": plain(50, 60), "surprise": plain(70, 80)}
    picture = grid(images, scale=12)
    left = picture.shape[1] - 2 * 50
    dark = (picture[:, :left] < 100).all(axis=-1)
    down, along = np.nonzero(dark)
    assert down.min() > 52 and down.max() < 100 and along.min() > 0 and along.max() < left - 4
    headed = grid(images, scale=12, headings={1: "later"})
    above = len(headed) - len(picture)
    y, x = np.nonzero((headed[: above + 2] < 100).all(axis=-1))
    assert above > 10 and x.min() > left + 50 and y.max() < above


def test_colours_stay_as_they_are():
    picture = grid({"a": np.full((1, 4, 4, 3), (200, 10, 60), np.uint8)}, scale=1)
    assert ((picture == (200, 10, 60)).all(axis=-1)).sum() == 16


@pytest.mark.parametrize("images", [{}, {"a": plain(1)[:0]}, {"a": plain(1), "b": plain(1, channels=3)}])
def test_images_of_different_sizes_or_none_are_refused(images):
    with pytest.raises(ValueError, match="expected images of at least one name and of one size; got"):
        grid(images)
