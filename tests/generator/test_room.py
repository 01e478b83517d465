import re
import shutil

import pytest

from kfer import generator


def test_what_fits_is_told_where_a_disk_has_no_room(toy_generators, tmp_path):
    description = generator.read(toy_generators / "grey")
    place = tmp_path / "not" / "there"
    generator.check_room(place, description, 1000, 7)
    free = shutil.disk_usage(tmp_path).free
    # An image needs at most its 32 x 32 bytes and a block of the disk.
    count = 2 * free // (1024 + 4096)
    message = rf"images need up to [\d,]+ MB, and [\d,]+ MB are free at {tmp_path}: at most ([\d,]+) fit"
    with pytest.raises(ValueError, match=message) as caught:
        generator.check_room(place, description, count)
    fit = int(re.search(message, str(caught.value)).group(1).replace(",", ""))
    assert fit == pytest.approx(count / 2, rel=0.05)
    with pytest.raises(
        ValueError, match=r"of each of 7 expressions need .* of each of 7 expressions fit"
    ):
        generator.check_room(place, description, count, 7)
