import cv2
import numpy as np
import pytest

from kfer.inference.occlusion import occlusion_map
from kfer.inference.runtime import Runner

PLACE = slice(60, 80), slice(20, 40)


class Square(Runner):
    """How bright one square of a face is: the probability of class 0; of class 1, how dark it is."""

    output_names = ("expression",)
    _batch_size = 64

    def __init__(self, image_size: int | None = None) -> None:
        self.image_size = image_size
        self.calls = 0

    def __call__(self, images: np.ndarray) -> dict[str, np.ndarray]:
        self.calls += 1
        return super().__call__(images)

    def _run(self, images: np.ndarray) -> dict[str, np.ndarray]:
        rows, columns = (
            slice(side.start * images.shape[1] // 112, side.stop * images.shape[1] // 112)
            for side in PLACE
        )
        bright = images[:, rows, columns].mean(axis=(1, 2, 3)) / 255
        return {"expression": np.stack([bright, 1 - bright], axis=1).astype(np.float32)}


@pytest.fixture
def face() -> np.ndarray:
    face = np.full((112, 112, 3), 40, np.uint8)
    face[PLACE] = 240
    return face


@pytest.mark.parametrize("size", [None, 56])
def test_the_peak_is_what_the_probability_depends_on(face, size):
    runner = Square(size)
    found = occlusion_map(runner, face, 0)
    assert found.shape == (112, 112) and found.dtype == np.float32 and runner.calls == 1
    y, x = np.unravel_index(found.argmax(), found.shape)
    assert 60 <= y < 80 and 20 <= x < 40
    # Patches of 28 pixels that are this far away cover none of it.
    assert not found[:32].any() and not found[108:].any() and not found[:, 68:].any()
    np.testing.assert_allclose(occlusion_map(runner, face, 1), -found, atol=1e-6)


def test_a_face_of_another_size_has_a_map_of_its_own(face):
    larger = cv2.resize(face, (150, 150), interpolation=cv2.INTER_NEAREST)
    found = occlusion_map(Square(), larger, 0)
    assert found.shape == (150, 150)
    y, x = np.unravel_index(found.argmax(), found.shape)
    assert 60 <= y * 112 / 150 < 80 and 20 <= x * 112 / 150 < 40


def test_a_drop_by_hand(face):
    # Four patches that do not overlap; the mean colour is 40 + 200 * 400 / 112^2 = 46.4, so 46.
    face[:56] = 40
    found = occlusion_map(Square(), face, 0, patch=56, stride=56)
    assert found[56:, :56] == pytest.approx((240 - 46) / 255, abs=1e-6)
    found[56:, :56] = 0
    assert not found.any()


def test_patches_that_overlap_are_averaged(face):
    # They are at 0, 28 and 56 of either side.
    found = occlusion_map(Square(), face, 0, patch=56, stride=28)
    whole = found[111, 0]
    assert whole == pytest.approx((240 - 46) / 255, abs=1e-6)
    # The one at 28, 0 covers it too.
    assert found[70, 10] == pytest.approx(whole, abs=1e-6)
    # Half of those that cover this do not cover it whole.
    assert 0 < found[70, 40] < whole


def test_the_last_patch_reaches_the_edge(face):
    # 112 - 30 is no multiple of 20.
    assert np.isfinite(occlusion_map(Square(), face, 0, patch=30, stride=20)).all()


@pytest.mark.parametrize(("patch", "stride"), [(0, 0), (10, 11), (113, 7), (10, 0)])
def test_what_is_no_patch_is_refused(face, patch, stride):
    with pytest.raises(ValueError, match=rf"1 <= stride <= patch <= 112; got .* {stride} .* {patch}"):
        occlusion_map(Square(), face, 0, patch=patch, stride=stride)


def test_an_output_that_is_none_is_named(face):
    with pytest.raises(ValueError, match="no output 'age'; it has expression"):
        occlusion_map(Square(), face, 0, task="age")
