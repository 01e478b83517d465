import io

import numpy as np
import pytest
from PIL import Image

from kfer.media import png


@pytest.mark.parametrize("channels", [1, 3])
def test_a_file_has_the_pixels_and_what_it_says_of_itself(channels):
    image = np.random.default_rng(0).integers(0, 256, (5, 7, channels), np.uint8)
    opened = Image.open(io.BytesIO(png.encoded(image, {"generated": "true", "generator": "fée"})))
    np.testing.assert_array_equal(np.asarray(opened).reshape(image.shape), image)
    assert opened.text == {"generated": "true", "generator": "fée"}
