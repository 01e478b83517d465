"""Graphs of galleries that another program wrote or somebody changed: checksums fit, numbers do not."""

import subprocess
import sys

import numpy as np
import pytest

from kfer.inference.gallery import Gallery
from kfer.inference.gallery import graph as graph_module

pytest.importorskip("usearch", reason='pip install "kfer[gallery]"')
SIZE, PEOPLE = 16, 60


def gallery() -> Gallery:
    random = np.random.default_rng(0)
    made = Gallery("m", SIZE)
    for person in range(PEOPLE):
        made.enroll(f"p{person}", random.normal(size=(2, SIZE)))
    made.build_index()
    return made


@pytest.fixture(scope="module")
def content() -> bytes:
    return bytes(gallery()._index.to_bytes())


def test_a_graph_of_usearch_is_taken(content):
    graph_module.check(memoryview(content), 2 * PEOPLE, SIZE)


def test_a_graph_whose_people_were_removed_is_taken(tmp_path, caplog):
    made = gallery()
    made.remove("p3")
    made.save(tmp_path / "people")
    found = Gallery.load(tmp_path / "people")
    assert found._index is not None and found._index.num_removed == 2 and not caplog.text


@pytest.mark.parametrize(("num_keys", "size"), [(119, SIZE), (121, SIZE), (120, 15), (0, SIZE)])
def test_a_graph_of_another_gallery_is_refused(content, num_keys, size):
    with pytest.raises(ValueError, match="its vectors are not those of the gallery"):
        graph_module.check(memoryview(content), num_keys, size)


def test_any_cut_is_noticed(content):
    for length in range(0, len(content), 97):
        with pytest.raises(ValueError, match="its "):
            graph_module.check(memoryview(content)[:length], 2 * PEOPLE, SIZE)
    with pytest.raises(ValueError, match="its nodes are cut short or grew"):
        graph_module.check(memoryview(content + b"0000"), 2 * PEOPLE, SIZE)


FUZZ = """
import sys
import numpy as np
from kfer.inference.gallery.approximate import ApproximateIndex
whole, keys, size = open(sys.argv[1], "rb").read(), int(sys.argv[2]), int(sys.argv[3])
random = np.random.default_rng(7)
nodes = 8 + keys * size
refused = 0
for _ in range(2000):
    changed = bytearray(whole)
    for place in random.integers(nodes, len(whole), random.integers(1, 4)):
        changed[place] = random.integers(256)
    try:
        index = ApproximateIndex.view(memoryview(changed), np.arange(keys, dtype=np.int32), size)
    except (ValueError, RuntimeError):
        refused += 1
        continue
    index._search(random.normal(size=(2, size)).astype(np.float32), 8)
    index._copy()
print(refused)
"""


def test_no_changed_graph_ends_python(content, tmp_path):
    (tmp_path / "graph").write_bytes(content)
    arguments = [str(tmp_path / "graph"), str(2 * PEOPLE), str(SIZE)]
    process = subprocess.run([sys.executable, "-c", FUZZ, *arguments], capture_output=True, text=True)
    assert process.returncode == 0, process.stderr[-2000:]
    # What is left is among unused room and the vectors' own numbers, or names another neighbour.
    assert int(process.stdout) > 500


def test_a_gallery_with_a_damaged_graph_is_searched_without_it(tmp_path, monkeypatch, caplog):
    made = gallery()
    expected = made.identify(np.ones(SIZE), threshold=-1.0)
    changed = bytearray(made._index.to_bytes())
    # The key of the first node.
    changed[8 + 2 * PEOPLE * SIZE + 64 + 40 + 2 * 2 * PEOPLE] ^= 255
    monkeypatch.setattr(made._index, "to_bytes", lambda: memoryview(changed))
    made.save(tmp_path / "people")
    found = Gallery.load(tmp_path / "people")
    assert "without its approximate index: its keys are not those of the gallery" in caplog.text
    assert found.identify(np.ones(SIZE), threshold=-1.0) == expected
