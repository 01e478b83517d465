import cv2
import numpy as np
import pytest
import tensorflow as tf

from kfer import preprocessing
from kfer.inference.alignment import (
    SIZE,
    TEMPLATE,
    Crop,
    align,
    scaled,
    similarity,
    size_for,
    to_network,
    transform,
)
from kfer.inference.face import Detection


def rotated(points: np.ndarray, degrees: float, scale: float, move: tuple[float, float]) -> np.ndarray:
    angle = np.radians(degrees)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return scale * points @ turn.T + move


def applied(matrix: np.ndarray, points: np.ndarray) -> np.ndarray:
    return points @ matrix[:, :2].T + matrix[:, 2]


def face_of(landmarks: np.ndarray) -> Detection:
    return Detection(np.zeros(4, np.float32), landmarks.astype(np.float32), 1.0)


@pytest.mark.parametrize("degrees", [0, 17, -80, 180])
def test_a_similarity_is_found_again(degrees):
    moved = rotated(TEMPLATE, degrees, 2.5, (31, -7))
    np.testing.assert_allclose(applied(similarity(TEMPLATE, moved), TEMPLATE), moved, atol=1e-3)


def test_noise_is_met_in_least_squares_and_never_by_a_mirror():
    rng = np.random.default_rng(0)
    target = rotated(TEMPLATE, 20, 1.3, (5, 5)) + rng.normal(0, 2, TEMPLATE.shape)
    matrix = similarity(TEMPLATE, target)
    error = np.sum((applied(matrix, TEMPLATE) - target) ** 2)
    for _ in range(200):
        near = matrix + rng.normal(0, 1, matrix.shape) * [[0, 0, 0.3]] * 2
        turn = rotated(matrix[:, :2].T, rng.normal(0, 2), np.exp(rng.normal(0, 0.01)), (0, 0)).T
        near[:, :2] = turn
        assert np.sum((applied(near, TEMPLATE) - target) ** 2) > error
    mirrored = TEMPLATE * [1, -1]
    assert np.linalg.det(similarity(TEMPLATE, mirrored)[:, :2]) > 0


def dots(landmarks: np.ndarray, side: int) -> np.ndarray:
    """White, with a dark dot at each landmark."""
    picture = np.full((side, side, 3), 255, np.uint8)
    for y, x in landmarks:
        cv2.circle(
            picture,
            (round(16 * x), round(16 * y)),
            16 * max(side // 60, 2),
            (0, 0, 0),
            -1,
            cv2.LINE_AA,
            4,
        )
    return picture


@pytest.mark.parametrize("scale", [0.6, 1.0, 3.0, 9.0])
@pytest.mark.parametrize("crop", [Crop(), Crop(0.25), Crop(-0.1, -0.05)], ids=str)
@pytest.mark.parametrize("size", [112, 160])
def test_landmarks_come_to_the_template(scale, crop, size):
    side = round(230 * scale)
    centre = np.array([side, side]) / 2 - rotated(np.array([[56.0, 56.0]]), 25, scale, (0, 0))[0]
    landmarks = rotated(TEMPLATE, 25, scale, tuple(centre))
    aligned = align(dots(landmarks, side), face_of(landmarks), crop, size)
    assert aligned.shape == (size, size, 3) and aligned.dtype == np.uint8
    expected = crop.template(size)
    found = 255.0 - aligned[..., 0]
    for y, x in expected:
        if not 9 < min(y, x) <= max(y, x) < size - 10:
            continue
        top, left = round(y) - 9, round(x) - 9
        part = found[top : top + 19, left : left + 19]
        rows, columns = np.mgrid[top : top + 19, left : left + 19]
        middle = (part * rows).sum() / part.sum(), (part * columns).sum() / part.sum()
        np.testing.assert_allclose(middle, (y, x), atol=0.4)


def test_a_template_of_another_size_has_its_edges_there():
    crop = Crop(0.1, 0.05)
    np.testing.assert_allclose((crop.template(150) + 0.5) / 150, (crop.template() + 0.5) / 112, atol=1e-6)


def test_a_larger_margin_shows_more_and_a_shift_moves_up():
    near, far = Crop(0.0).template(), Crop(0.5).template()
    assert np.ptp(far[:, 1]) == pytest.approx(np.ptp(near[:, 1]) / 2)
    assert (Crop(shift=0.1).template() - TEMPLATE)[:, 0] == pytest.approx(-11.2)
    with pytest.raises(ValueError, match=r"margin must be in \[-0\.3, 2\]; got 3"):
        Crop(3)
    with pytest.raises(ValueError, match=r"shift must be in \[-0\.5, 0\.5\]; got 1"):
        Crop(0, 1)


def test_fine_stripes_average_out():
    stripes = np.zeros((1200, 1200, 3), np.uint8)
    stripes[:, ::2] = 255
    landmarks = (TEMPLATE - 56) * 10 + 600
    aligned = align(stripes, face_of(landmarks))
    assert aligned.min() > 115 and aligned.max() < 140


def test_beyond_the_picture_its_edge_goes_on():
    picture = np.full((60, 60, 3), 90, np.uint8)
    assert (align(picture, face_of(TEMPLATE)) == 90).all()


def test_without_landmarks_the_picture_is_the_face():
    picture = np.random.default_rng(0).integers(0, 256, (80, 60, 3), np.uint8)
    face = Detection(np.array([0, 0, 80, 60], np.float32), None, 1.0)
    np.testing.assert_array_equal(align(picture, face), scaled(picture, SIZE))


@pytest.mark.parametrize("shape", [(112, 112), (250, 250), (90, 130), (20, 30), (48, 48)])
def test_scaling_is_that_of_training(shape):
    picture = np.random.default_rng(0).integers(0, 256, (*shape, 3), np.uint8)
    expected = preprocessing.resize(tf.constant(picture), 48).numpy()
    assert np.abs(scaled(picture, 48).astype(int) - expected).max() <= 1


def test_the_transform_says_where_a_pixel_is_in_the_aligned_face():
    crop = Crop(0.2, 0.1)
    landmarks = rotated(TEMPLATE, 25, 1.7, (60, 40))
    moved = applied(transform(face_of(landmarks), crop), landmarks[:, ::-1])
    np.testing.assert_allclose(moved[:, ::-1], crop.template(), atol=1e-2)
    # A face without landmarks fills its box, with the outer edges of its pixels.
    whole = Detection(np.array([0, 0, 50, 200], np.float32), None, 1.0)
    corners = np.array([[-0.5, -0.5], [199.5, 49.5]])
    np.testing.assert_allclose(applied(transform(whole, crop), corners), [[-0.5] * 2, [111.5] * 2])
    np.testing.assert_allclose(applied(transform(whole, size=10), corners), [[-0.5] * 2, [9.5] * 2])


def test_a_face_is_no_smaller_than_a_network_takes():
    assert [size_for(size) for size in (None, 48, 112, 150)] == [112, 112, 112, 150]


def test_a_network_gets_faces_of_its_size():
    faces = np.random.default_rng(0).integers(0, 255, (3, SIZE, SIZE, 3), np.uint8)
    np.testing.assert_array_equal(to_network(faces, None), faces)
    np.testing.assert_array_equal(to_network(faces, 48)[1], scaled(faces[1], 48))
    assert to_network(faces, 48).shape == (3, 48, 48, 3)
