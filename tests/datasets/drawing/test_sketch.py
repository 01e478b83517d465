import dataclasses

import cv2
import numpy as np
import pytest

from kfer.datasets.drawing import View
from kfer.datasets.drawing.sketch import (
    BASE,
    RELIEF,
    TOP,
    Sketch,
    circle,
    on_surface,
    project,
    project_all,
    smooth,
    surface_height,
)

FRONT = View(
    yaw=0.0,
    pitch=0.0,
    roll=0.0,
    scale=1.0,
    shift=(0.0, 0.0),
    asymmetry=0.0,
    gaze=(0.0, 0.0),
    light=(0.0, 0.0),
    brightness=1.0,
    background=np.full((3, 3, 3), 128, np.uint8),
    shirt=(0, 0, 0),
    blur=0.0,
    noise=0.0,
    noise_seed=0,
)
ORIGIN = np.zeros((1, 2))


def test_origin_from_the_front_is_on_the_vertical_midline():
    assert project(ORIGIN, np.zeros(1), FRONT, 100)[0].tolist() == pytest.approx([50.0, 53.5])


def test_shift_is_a_share_of_the_side():
    view = dataclasses.replace(FRONT, shift=(0.02, -0.03))
    assert project(ORIGIN, np.zeros(1), view, 100)[0].tolist() == pytest.approx([47.0, 55.5])


def test_yaw_moves_what_is_near_the_camera_to_the_right():
    view = dataclasses.replace(FRONT, yaw=0.3)
    near, far = project(np.zeros((2, 2)), np.array([1.0, 0.0]), view, 100)
    assert near[0] - far[0] == pytest.approx(100 * 0.282 * np.sin(0.3))
    assert near[1] == pytest.approx(far[1])


def test_roll_keeps_distances():
    points = np.array([(-0.4, 0.0), (0.4, 0.0)])
    view = dataclasses.replace(FRONT, roll=0.4)
    left, right = project(points, np.zeros(2), view, 100)
    assert np.hypot(*(right - left)) == pytest.approx(0.8 * 28.2)
    assert right[1] > left[1]


def test_surface_is_highest_in_the_middle_and_flat_outside():
    heights = surface_height(np.array([(0.0, 0.0), (0.5, 0.0), (2.0, 0.0)]))
    assert heights[0] == 1
    assert 0 < heights[1] < 1
    assert heights[2] == 0
    assert on_surface(ORIGIN, 0.25)[0] == pytest.approx(0.75 + 0.25)


def test_spline_passes_through_its_points():
    corners = [(0.0, 0.0), (1.0, 2.0), (3.0, -1.0)]
    np.testing.assert_allclose(smooth(corners)[::4], corners)
    np.testing.assert_allclose(smooth(corners, is_closed=True)[::4], corners)


def test_spline_through_a_straight_line_is_straight():
    curve = smooth([(0.0, 0.0), (1.0, 2.0), (2.0, 4.0), (3.0, 6.0)])
    np.testing.assert_allclose(curve[:, 1], 2 * curve[:, 0], atol=1e-12)


def test_circle_has_its_radius():
    points = circle(1.0, 2.0, 0.5)
    np.testing.assert_allclose(np.hypot(*(points - (1.0, 2.0)).T), 0.5)


def test_shapes_are_drawn_in_order_and_only_in_their_layer():
    sketch = Sketch()
    square = [(-0.5, -0.5), (0.5, -0.5), (0.5, 0.5), (-0.5, 0.5)]
    sketch.path(BASE, square, (255, 0, 0))
    sketch.ellipse(BASE, (0.0, 0.0), (0.2, 0.2), (0, 255, 0))
    sketch.curve(TOP, square, (0, 0, 255), is_closed=True)
    sketch.path(RELIEF, square, 200)
    projected = project_all([sketch, Sketch()], FRONT, 100)
    image = np.zeros((100, 100, 3), np.uint8)
    projected.draw(BASE, image)
    assert image[53, 50].tolist() == [0, 255, 0]
    assert image[53, 62].tolist() == [255, 0, 0]
    assert image[53, 80].tolist() == [0, 0, 0]
    projected.draw(TOP, image)
    assert image[53, 50].tolist() == [0, 0, 255]
    relief = np.zeros((100, 100), np.uint8)
    projected.draw(RELIEF, relief)
    assert relief[53, 50] == 200


def test_filled_square_covers_its_area():
    sketch = Sketch()
    sketch.path(BASE, [(-0.5, -0.5), (0.5, -0.5), (0.5, 0.5), (-0.5, 0.5)], (255, 255, 255), is_flat=True)
    image = np.zeros((200, 200, 3), np.uint8)
    project_all([sketch], FRONT, 200).draw(BASE, image)
    # OpenCV fills the border's pixels too: half a pixel more on each side, at most a whole one.
    side = 0.282 * 200
    assert side**2 <= cv2.sumElems(image)[0] / 255 <= (side + 2) ** 2
