"""The approximate index of a gallery. All but one test need usearch, of the extra "gallery"."""

import logging
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from kfer.inference.gallery import Gallery
from kfer.inference.gallery import gallery as gallery_module

SIZE = 64


def people(num_people: int, each: int, seed: int = 0, size: int = SIZE) -> np.ndarray:
    """Noisy templates around people that lie in a space of 16 dimensions, as faces do in few."""
    generator = np.random.default_rng(seed)
    centres = generator.standard_normal((num_people, 16)) @ generator.standard_normal((16, size))
    centres /= np.linalg.norm(centres, axis=1, keepdims=True)
    noise = generator.standard_normal((num_people, each, size)) * 0.7 / size**0.5
    return (centres[:, np.newaxis] + noise).astype(np.float32)


def enrolled(templates: np.ndarray) -> Gallery:
    gallery = Gallery("m", templates.shape[2])
    for number, embeddings in enumerate(templates):
        gallery.enroll(str(number), embeddings)
    return gallery


def recall(found: list, expected: list) -> float:
    """How many of the expected people were found; those that were have the exact similarity."""
    return float(np.mean([len(set(f) & set(e)) / len(e) for f, e in zip(found, expected, strict=True)]))


@pytest.fixture
def usearch():
    return pytest.importorskip("usearch", reason='pip install "kfer[gallery]"')


def test_without_usearch_the_extra_is_named(monkeypatch, tmp_path, caplog):
    monkeypatch.setitem(sys.modules, "usearch", None)
    gallery = enrolled(people(5, 2))
    with pytest.raises(ImportError, match=r'pip install "kfer\[gallery\]"'):
        gallery.build_index()
    # A large gallery is saved all the same.
    monkeypatch.setattr(gallery_module, "APPROXIMATE_FROM", 10)
    with caplog.at_level(logging.WARNING):
        gallery.save(tmp_path / "people")
    assert "saved without an approximate index" in caplog.text
    assert len(Gallery.load(tmp_path / "people")) == 10


def test_finds_nearly_all_and_scores_exactly(usearch, tmp_path):
    templates = people(1000, 5)
    gallery = enrolled(templates[:, :4])
    queries = templates[:200, 4]
    expected = gallery.identify(queries)
    gallery.build_index()
    found = gallery.identify(queries)
    assert recall(found, expected) > 0.99
    assert found == [gallery.identify(query)[0] for query in queries]
    gallery.save(tmp_path / "people")
    loaded = Gallery.load(tmp_path / "people")
    assert loaded.identify(queries) == found
    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(lambda query: loaded.identify(query)[0], queries)) == found
    loaded.save(tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == (tmp_path / "people").read_bytes()


def test_later_people_are_found_and_removed_ones_are_not(usearch, tmp_path):
    templates = people(400, 3)
    gallery = enrolled(templates[:300, :2])
    gallery.build_index()
    gallery.save(tmp_path / "people")
    gallery = Gallery.load(tmp_path / "people")
    for number in range(300, 400):
        gallery.enroll(str(number), templates[number, :2])
    gone = {str(number) for number in range(0, 400, 7)}
    for name in sorted(gone):
        assert gallery.remove(name) == 2
    queries = templates[:, 2]
    plain = Gallery("m", SIZE)
    for name in gallery.names:
        plain.enroll(name, templates[int(name), :2])
    expected = plain.identify(queries)
    for _ in range(2):
        found = gallery.identify(queries)
        assert not gone & {match.name for matches in found for match in matches}
        assert recall(found, expected) > 0.99
        # Later templates into the index, too, and through a file.
        gallery.build_index()
        gallery.save(tmp_path / "people")
        gallery = Gallery.load(tmp_path / "people")
    assert gallery._index.num_templates == len(gallery)


def test_removal_deletes_from_the_index(usearch, tmp_path):
    path = tmp_path / "people"
    gallery = enrolled(people(200, 3))
    gallery.build_index()
    gallery.save(path)
    gallery = Gallery.load(path)
    copies = [gallery._index._graph.get(row, "i8").tobytes() for row in range(30, 33)]
    copies += [gallery._embeddings[row].tobytes() for row in range(30, 33)]
    assert all(copy in path.read_bytes() for copy in copies)
    gallery.remove("10")
    gallery.save(path)
    assert not any(copy in path.read_bytes() for copy in copies)
    # What has lost much is built anew.
    for number in range(11, 50):
        gallery.remove(str(number))
    assert gallery._index.num_removed == 120
    gallery.build_index()
    assert gallery._index.num_removed == 0
    for number in [*range(10), *range(50, 200)]:
        gallery.remove(str(number))
    assert gallery.identify(np.ones(SIZE)) == [[]]
    gallery.build_index()
    gallery.save(path)
    assert len(Gallery.load(path)) == 0


def test_one_person_with_nearly_all_templates_hides_nobody(usearch):
    gallery = Gallery("m", SIZE)
    crowd = people(1, 4000, seed=1)[0]
    others = people(3, 1, seed=2)[:, 0]
    gallery.enroll("crowd", crowd)
    for number, other in enumerate(others):
        gallery.enroll(str(number), other)
    expected = gallery.identify(crowd[:3])
    gallery.build_index()
    assert gallery.identify(crowd[:3]) == expected
    assert [len(matches) for matches in expected] == [4, 4, 4]


def test_the_threshold_ends_the_search(usearch):
    templates = people(500, 3)
    gallery = enrolled(templates[:, :2])
    gallery.build_index()
    assert (
        gallery.identify(np.random.default_rng(3).standard_normal((5, SIZE)), threshold=0.9) == [[]] * 5
    )
    found = gallery.identify(templates[:50, 2], threshold=0.6, k=3)
    assert all(match.similarity >= 0.6 for matches in found for match in matches)
    assert sum(bool(matches) and matches[0].name == str(n) for n, matches in enumerate(found)) > 40


def test_saving_a_large_gallery_builds_it(usearch, tmp_path, monkeypatch):
    monkeypatch.setattr(gallery_module, "APPROXIMATE_FROM", 100)
    gallery = enrolled(people(40, 2))
    gallery.save(tmp_path / "people")
    assert gallery._index is None
    gallery.enroll("many", people(1, 30)[0])
    gallery.save(tmp_path / "people")
    assert gallery._index.num_templates == 110
    # A few more are searched beside it.
    gallery.enroll("one", people(1, 1, seed=4)[0])
    gallery.save(tmp_path / "people")
    assert gallery._index.num_templates == 110
    gallery.enroll("more", people(1, 5, seed=5)[0])
    gallery.save(tmp_path / "people")
    assert Gallery.load(tmp_path / "people")._index.num_templates == 116


def test_a_file_with_an_index_needs_no_usearch(usearch, tmp_path, monkeypatch, caplog):
    templates = people(100, 2)
    gallery = enrolled(templates)
    expected = gallery.identify(templates[:, 0])
    gallery.build_index()
    gallery.save(tmp_path / "people")
    monkeypatch.setitem(sys.modules, "usearch", None)
    with caplog.at_level(logging.WARNING):
        loaded = Gallery.load(tmp_path / "people")
    assert "without its approximate index" in caplog.text
    assert loaded.identify(templates[:, 0]) == expected
