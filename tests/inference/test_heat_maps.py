import cv2
import numpy as np
import pytest

from kfer.inference import Detection, Explanation, align
from kfer.inference.alignment import TEMPLATE, Crop
from kfer.inference.analyzer import Face
from kfer.inference.heat_maps import draw_face, draw_on_picture
from kfer.inference.quality import measure

CROP = Crop(0.1, 0.05)


def explanation(values: np.ndarray, method: str = "gradcam") -> Explanation:
    return Explanation(values.astype(np.float32), "happy", 0.87, method, CROP)


def face_in(picture: np.ndarray, landmarks: np.ndarray | None, box=(0, 0, 1, 1)) -> Face:
    found = Detection(np.array(box, np.float32), landmarks, 0.9)
    aligned = align(picture, found, CROP)
    return Face(
        found.box, landmarks, 0.9, measure(aligned, landmarks), {"happy": 0.87}, None, {}, aligned
    )


def leaning(degrees: float, scale: float, y: float, x: float) -> np.ndarray:
    """The landmarks of a face whose middle is at y and x."""
    angle = np.radians(degrees)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return ((TEMPLATE - 56) * scale @ turn + [y, x]).astype(np.float32)


@pytest.mark.parametrize(("degrees", "size"), [(0, 112), (35, 150), (-120, 112)])
def test_colours_lie_where_the_face_is(degrees, size):
    picture = np.full((500, 600, 3), 128, np.uint8)
    landmarks = leaning(degrees, 2.2, 260, 310)
    values = np.zeros((size, size))
    nose = CROP.template(size)[2].round().astype(int)
    values[nose[0] - 3 : nose[0] + 4, nose[1] - 3 : nose[1] + 4] = 1
    drawn = draw_on_picture(picture, [face_in(picture, landmarks, (1, 1, 2, 2))], [explanation(values)])
    # The title is in the corner.
    changed = np.argwhere((drawn != 128).any(axis=-1))
    changed = changed[changed[:, 0] > 60]
    assert np.abs(changed.mean(axis=0) - landmarks[2]).max() < 2
    assert len(changed) == pytest.approx((7 * 2.2 * 1.2 * 112 / size) ** 2, rel=0.4)


def test_where_nothing_speaks_for_it_the_picture_is_seen():
    picture = np.random.default_rng(0).integers(0, 255, (300, 300, 3), np.uint8)
    face = face_in(picture, leaning(10, 1.5, 150, 150), (1, 1, 2, 2))
    for method in ("gradcam", "occlusion"):
        drawn = draw_on_picture(picture, [face], [explanation(np.zeros((112, 112)), method)])
        np.testing.assert_array_equal(drawn[60:], picture[60:])
    assert draw_on_picture(picture, [], []).tobytes() == picture.tobytes()


def test_a_face_may_reach_beyond_the_picture_or_be_all_of_it():
    picture = np.full((120, 90, 3), 128, np.uint8)
    everywhere = explanation(np.ones((112, 112)))
    beyond = face_in(picture, leaning(20, 0.8, 110, 5), (1, 1, 2, 2))
    outside = face_in(picture, leaning(20, 0.2, 500, -300), (1, 1, 2, 2))
    drawn = draw_on_picture(picture, [beyond, outside], [everywhere] * 2)
    assert drawn.shape == picture.shape and (drawn[110, 5] != 128).any() and (drawn[60, 89] == 128).all()
    whole = face_in(picture, None, (0, 0, 120, 90))
    drawn = draw_on_picture(picture, [whole], [everywhere])
    assert len(np.unique(drawn[60:115, 5:85].reshape(-1, 3), axis=0)) == 1
    assert (drawn[60, 60] != 128).any()


def test_stronger_is_lighter_by_gradcam_and_shows_less_of_the_face():
    black = np.zeros((112, 112, 3), np.uint8)
    face = face_in(black, None, (0, 0, 112, 112))
    ramp = np.tile(np.linspace(0, 1, 112), (112, 1))
    drawn = draw_face(face, explanation(ramp))
    assert drawn.shape == (488, 448, 3)
    lightness = cv2.cvtColor(drawn, cv2.COLOR_RGB2LAB)[260, 4:-4, 0].astype(int)
    assert (np.diff(lightness) >= 0).all() and lightness[-1] > 150 > 5 > lightness[0]
    # The most is never all: the face stays visible.
    white = face_in(black + 255, None, (0, 0, 112, 112))
    assert (draw_face(white, explanation(ramp))[260, 4:-4].min(axis=-1) > 60).all()


def test_by_occlusion_red_lowers_and_blue_raises():
    grey = np.full((112, 112, 3), 128, np.uint8)
    face = face_in(grey, None, (0, 0, 112, 112))
    halves = np.full((112, 112), 0.4)
    halves[:, 56:] = -0.4
    drawn = draw_face(face, explanation(halves, "occlusion"))
    red, blue = drawn[260, 100].astype(int), drawn[260, 350].astype(int)
    assert red[0] > red[2] + 50 and blue[2] > blue[0] + 50
    # A change that is hardly one is hardly seen.
    faint = draw_face(face, explanation(halves / 100, "occlusion"))
    assert np.abs(faint[260, 100].astype(int) - 128).max() < 10


def test_the_title_says_what_is_shown(monkeypatch):
    titles = []
    monkeypatch.setattr(
        "kfer.inference.heat_maps.draw",
        lambda image, annotations: titles.extend(each.title for each in annotations),
    )
    face = face_in(np.zeros((112, 112, 3), np.uint8), None, (0, 0, 112, 112))
    for method in ("gradcam", "occlusion"):
        draw_face(face, explanation(np.zeros((112, 112)), method))
    assert titles == ["happy 87%: Grad-CAM", "happy 87%: occlusion"]
