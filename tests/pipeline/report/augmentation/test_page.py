import base64
import re
from html.parser import HTMLParser

import cv2
import numpy as np
import pytest

from kfer.pipeline.report.augmentation import page
from kfer.settings.augmentation import FACES, AugmentationSettings


@pytest.fixture(scope="module")
def written() -> str:
    return page.render(size=24, seed=3)


def test_every_step_has_its_place():
    shown = [name for names in page.SECTIONS.values() for name in names]
    everything = AugmentationSettings(
        **{**FACES.active(), "policy_operations": 1, "mixup": 0.5, "cutmix": 0.5}
    )
    assert sorted(shown) == sorted(everything.active())


def test_each_row_has_eight_faces_and_most_steps_two_rows(written):
    rows = written.count('<div class="row">')
    assert written.count("data:image/png") == 8 * rows + 1  # One is the face before any step.
    # Neither flip nor mixing can be doubled.
    assert rows == 2 * (len(FACES.active()) - 1) + 1 + 2 + 2 + 2


def test_the_page_says_values_and_weights(written):
    assert "<code>shift=0.06</code>" in written
    assert "<code>policy_operations=2, policy_strength=0.3</code>" in written
    for expected in ("<b>0.06</b>", "<b>0.12</b>", "Seed 3.", "24 pixels and strength 1."):
        assert expected in written
    weights = re.findall(r"<b>angry ([\d.]+)</b>\w+ ([\d.]+)</div>", written)
    assert len(weights) == 4  # Two of eight faces, mixed in two ways.
    assert all(float(own) + float(other) == pytest.approx(1, abs=0.011) for own, other in weights)


def test_the_page_is_well_formed_and_loads_nothing(written):
    class Check(HTMLParser):
        open_tags: list[str] = []

        def handle_starttag(self, tag, attributes):
            if tag not in ("img", "meta"):
                self.open_tags.append(tag)
            for name, value in attributes:
                assert name not in ("src", "href") or value.startswith(("data:", "#")), value

        def handle_endtag(self, tag):
            assert self.open_tags.pop() == tag

    check = Check()
    check.feed(written)
    assert check.open_tags == []


def test_the_seed_decides_what_is_drawn(written):
    def images(text):
        return re.findall(r"data:image/png;base64,[^\"]+", text)

    other = page.render(size=24, seed=4)
    assert images(page.render(size=24, seed=3)) == images(written)
    assert images(other)[0] == images(written)[0]
    assert images(other)[1:] != images(written)[1:]


def test_an_own_image_takes_the_first_face_s_place():
    image = np.full([24, 24, 3], (200, 10, 10), np.uint8)
    shown = re.search(
        r'class="original" src="data:image/png;base64,([^"]+)"', page.render(24, image=image)
    )
    decoded = cv2.imdecode(np.frombuffer(base64.b64decode(shown[1]), np.uint8), cv2.IMREAD_COLOR_RGB)
    np.testing.assert_array_equal(decoded, image)


def test_a_strength_of_zero_shows_the_same_face_everywhere():
    faces = page.drawn_faces(24)
    still = re.findall(r"data:image/png;base64,[^\"]+", page.render(24, strength=0))
    assert len(set(still)) == len({face.tobytes() for face in faces})
