import subprocess
import sys
import threading
import unicodedata
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from kfer.inference.gallery import Gallery, GalleryError, Match, PersonStore
from kfer.inference.gallery import search as search_module

SIZE = 16
MODEL = "sha256:0123"


def random_gallery(num_people: int = 40, seed: int = 0, size: int = SIZE) -> Gallery:
    """People with one to five templates, the same vector now and then, enrolled crosswise."""
    generator = np.random.default_rng(seed)
    gallery = Gallery(MODEL, size)
    for _ in range(3):
        for person in range(num_people):
            embeddings = generator.standard_normal((generator.integers(1, 3), size))
            if generator.random() < 0.3:
                embeddings[0] = 1
            gallery.enroll(f"person {person}", embeddings)
    return gallery


def brute_force(gallery: Gallery, query: np.ndarray, k: int, threshold: float) -> list[Match]:
    """The definition, template by template."""
    query = (query / np.sqrt((query * query).sum())).astype(np.float32).astype(np.float64)
    best: dict[int, float] = {}
    for owner, template in zip(gallery._owners[: len(gallery)], gallery._embeddings, strict=False):
        similarity = min(1.0, max(-1.0, float((template * query).sum())))
        if similarity >= threshold:
            best[int(owner)] = max(similarity, best.get(int(owner), -2.0))
    order = sorted(best, key=lambda owner: (-best[owner], owner))
    return [Match(gallery.names[owner], best[owner]) for owner in order[:k]]


def unit(*places: int) -> np.ndarray:
    vector = np.zeros(SIZE, np.float32)
    vector[list(places)] = 1
    return vector


@pytest.fixture
def gallery() -> Gallery:
    gallery = Gallery(MODEL, SIZE)
    gallery.enroll("Ada", np.stack([unit(0), unit(1)]))
    gallery.enroll("Grace", unit(2))
    gallery.enroll("Ada", unit(3) * 7)
    return gallery


def test_is_a_store_of_people(gallery):
    store: PersonStore = gallery
    assert store.names == ("Ada", "Grace")
    assert gallery.templates == {"Ada": 3, "Grace": 1}
    assert len(gallery) == 4
    assert (gallery.model, gallery.embedding_size) == (MODEL, SIZE)


def test_a_person_is_as_similar_as_the_closest_template(gallery):
    # By hand: cosines of (1, 1, 1, 2) / sqrt(7) with the axes.
    query = unit(0, 1, 2) + 2 * unit(3)
    (matches,) = gallery.identify(query)
    assert [match.name for match in matches] == ["Ada", "Grace"]
    assert [match.similarity for match in matches] == pytest.approx([2 / 7**0.5, 1 / 7**0.5])
    assert gallery.identify(query, k=1) == [matches[:1]]


def test_below_the_threshold_is_unknown(gallery):
    assert gallery.identify(np.stack([unit(9), unit(2)]), threshold=0.5) == [[], [Match("Grace", 1.0)]]
    assert gallery.identify(unit(2, 9), threshold=0.71) == [[]]
    # What reaches the threshold exactly is known.
    assert gallery.identify(unit(2), threshold=1) == [[Match("Grace", 1.0)]]


def test_equal_people_come_in_the_order_of_enrolment():
    gallery = Gallery(MODEL, SIZE)
    for name in "dacb":
        gallery.enroll(name, unit(0))
    gallery.remove("a")
    gallery.enroll("a", unit(0))
    assert [match.name for match in gallery.identify(unit(0), k=3)[0]] == ["d", "c", "b"]


def test_an_empty_gallery_knows_nobody(tmp_path):
    gallery = Gallery(MODEL, SIZE)
    assert gallery.identify(np.ones((2, SIZE))) == [[], []]
    gallery.save(tmp_path / "empty")
    assert Gallery.load(tmp_path / "empty").names == ()
    assert gallery.identify(np.empty((0, SIZE))) == []


@pytest.mark.parametrize("block", [7, 2**16])
@pytest.mark.parametrize("chunk", [3, 4096])
@pytest.mark.parametrize("k", [1, 5, 100])
@pytest.mark.parametrize("threshold", [None, 0.3])
def test_finds_what_the_definition_says(monkeypatch, block, chunk, k, threshold):
    monkeypatch.setattr(search_module, "_LARGEST_BLOCK", block)
    monkeypatch.setattr(search_module, "_FEWEST", chunk)
    gallery = random_gallery()
    queries = np.random.default_rng(1).standard_normal((20, SIZE))
    queries[::5] = 1
    expected = [brute_force(gallery, query, k, threshold or -1) for query in queries]
    assert gallery.identify(queries, k, threshold) == expected


def test_a_batch_is_equal_to_single_queries():
    gallery = random_gallery(300, size=128)
    queries = np.random.default_rng(2).standard_normal((150, 128))
    assert gallery.identify(queries) == [gallery.identify(query)[0] for query in queries]


def test_one_person_with_nearly_all_templates_hides_nobody():
    generator = np.random.default_rng(3)
    gallery = Gallery(MODEL, SIZE)
    gallery.enroll("first", generator.standard_normal(SIZE))
    gallery.enroll("crowd", generator.standard_normal((5000, SIZE)))
    gallery.enroll("last", generator.standard_normal(SIZE))
    query = generator.standard_normal(SIZE)
    assert gallery.identify(query) == [brute_force(gallery, query, 5, -1)]


def test_queries_from_several_threads_at_once():
    gallery = random_gallery(200)
    queries = np.random.default_rng(4).standard_normal((40, SIZE))
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda query: gallery.identify(query)[0], queries))
    assert found == gallery.identify(queries)


def test_a_file_says_the_same(tmp_path):
    gallery = random_gallery()
    path = tmp_path / "people.gallery"
    gallery.save(str(path))
    loaded = Gallery.load(path, MODEL)
    queries = np.random.default_rng(5).standard_normal((9, SIZE))
    assert loaded.identify(queries) == gallery.identify(queries)
    assert (loaded.names, loaded.templates) == (gallery.names, gallery.templates)
    assert (loaded.model, loaded.embedding_size, len(loaded)) == (MODEL, SIZE, len(gallery))
    assert not loaded._embeddings.flags.owndata
    assert not loaded._embeddings.flags.writeable
    assert loaded._embeddings.ctypes.data % 64 == 0
    loaded.save(tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == path.read_bytes()


def test_a_change_leaves_the_file_until_it_is_saved(gallery, tmp_path):
    path = tmp_path / "people.gallery"
    gallery.save(path)
    before = path.read_bytes()
    loaded, other = Gallery.load(path), Gallery.load(path)
    loaded.enroll("Mary", unit(5))
    loaded.remove("Grace")
    assert path.read_bytes() == before
    loaded.save(path)
    assert Gallery.load(path).templates == {"Ada": 3, "Mary": 1}
    # A reader keeps the file that it opened.
    assert other.identify(unit(2), threshold=0.9) == [[Match("Grace", 1.0)]]


def test_removal_deletes(tmp_path):
    gallery = random_gallery()
    path = tmp_path / "people.gallery"
    gallery.save(path)
    loaded = Gallery.load(path)
    gone = [loaded._embeddings[row].tobytes() for row in np.flatnonzero(loaded._owners == 7)]
    gone = [row for row in gone if row != loaded._embeddings[0].tobytes() and len(set(row)) > 8]
    assert gone
    assert all(row in path.read_bytes() for row in gone)
    # What a process that was killed while it saved has left.
    left = tmp_path / ".kfer-abcdefgh.partial" / "new" / "people.gallery"
    left.parent.mkdir(parents=True)
    left.write_bytes(path.read_bytes())
    assert loaded.remove("person 7") == gallery.templates["person 7"]
    assert "person 7" not in loaded.names
    loaded.save(path)
    assert {file.name for file in tmp_path.iterdir()} <= {"people.gallery", "people.gallery.lock"}
    assert not any(row in file.read_bytes() for row in gone for file in tmp_path.iterdir())
    assert b'"person 7"' not in path.read_bytes()
    # The others are who they were.
    again = Gallery.load(path)
    assert again.templates == {n: c for n, c in gallery.templates.items() if n != "person 7"}
    query = np.random.default_rng(6).standard_normal(SIZE)
    (expected,) = gallery.identify(query, k=100)
    assert again.identify(query, k=100) == [[match for match in expected if match.name != "person 7"]]


def test_unknown_people_cannot_be_removed(gallery):
    with pytest.raises(KeyError, match=r"nobody named 'Grce' is among the 2 people.*mean 'Grace'\?"):
        gallery.remove("Grce")
    assert len(gallery) == 4


ODD_NAMES = [
    "👩🏽\u200d🚀",
    "مريم",
    "../../etc/passwd",
    "\"'\\;--",
    "a" * 100_000,
    "Zoe\u0308",
    "x\u0301\u0302\u0303",
    "null",
    "\u202eabc",
]


def test_any_name_comes_back(tmp_path):
    gallery = Gallery(MODEL, SIZE)
    for place, name in enumerate(ODD_NAMES):
        gallery.enroll(name, unit(place))
    gallery.save(tmp_path / "odd")
    loaded = Gallery.load(tmp_path / "odd")
    assert loaded.names == tuple(unicodedata.normalize("NFC", name) for name in ODD_NAMES)
    assert len(list(tmp_path.iterdir())) <= 2
    # Composed or not, it is one name.
    loaded.enroll("Zoë", unit(9))
    assert loaded.templates["Zoë"] == 2
    assert loaded.remove("Zoe\u0308") == 2


@pytest.mark.parametrize("name", ["", " ", "a\nb", "a\tb", "a\x00", "a\u2028b", "a\x85b", "\ud800", None])
def test_names_that_are_none(gallery, name):
    with pytest.raises(ValueError, match="a name must"):
        gallery.enroll(name, unit(0))
    assert gallery.templates == {"Ada": 3, "Grace": 1}


@pytest.mark.parametrize(
    ("embeddings", "message"),
    [
        (np.zeros(SIZE), "embedding 0 is zero"),
        (np.stack([unit(0), unit(0) * np.nan]), "embedding 1 holds NaN"),
        (np.full(SIZE, np.inf), "embedding 0 holds NaN or infinity"),
        (np.ones(SIZE + 1), r"\[n, 16\] or \[16\]; got float64 \[17\]"),
        (np.ones((1, 1, SIZE)), r"got float64 \[1, 1, 16\]"),
        (np.ones(SIZE, complex), "got complex128"),
        (np.array(3.0), r"got float64 \[\]"),
    ],
)
def test_embeddings_that_are_none(gallery, embeddings, message):
    with pytest.raises(ValueError, match=message):
        gallery.enroll("Mary", embeddings)
    with pytest.raises(ValueError, match=message):
        gallery.identify(embeddings)
    assert gallery.names == ("Ada", "Grace")


def test_other_arguments_that_are_wrong(gallery, tmp_path):
    with pytest.raises(ValueError, match="at least one embedding is needed to enrol 'Mary'"):
        gallery.enroll("Mary", np.empty((0, SIZE)))
    with pytest.raises(ValueError, match="k must be a positive integer; got 0"):
        gallery.identify(unit(0), k=0)
    for threshold in (1.5, np.nan):
        with pytest.raises(ValueError, match=r"the threshold must be a cosine, in \[-1, 1\]"):
            gallery.identify(unit(0), threshold=threshold)
    with pytest.raises(ValueError, match="embedding_size must be a positive integer; got 0"):
        Gallery(MODEL, 0)
    with pytest.raises(ValueError, match="model must be a fingerprint"):
        Gallery("a\nb", SIZE)
    with pytest.raises(FileNotFoundError, match=r"folder .*none does not exist"):
        gallery.save(tmp_path / "none" / "people")
    with pytest.raises(FileNotFoundError, match=r"no gallery at .*none"):
        Gallery.load(tmp_path / "none")


@pytest.mark.parametrize("scale", [1e-40, 1e-300, 1e300])
def test_the_length_of_an_embedding_says_nothing(gallery, scale):
    assert gallery.identify(unit(2).astype(np.float64) * scale, k=1) == [[Match("Grace", 1.0)]]


def test_another_model_is_refused(gallery, tmp_path):
    gallery.save(tmp_path / "people")
    with pytest.raises(GalleryError, match=r"'sha256:0123', not of 'other'.*enrol the people anew"):
        Gallery.load(tmp_path / "people", "other")
    with (
        pytest.raises(GalleryError, match="cannot be compared"),
        Gallery.edit(tmp_path / "people", "other", SIZE),
    ):
        pass
    with (
        pytest.raises(GalleryError, match="embeddings of 16 numbers, not of 8"),
        Gallery.edit(tmp_path / "people", MODEL, 8),
    ):
        pass


def test_an_error_while_editing_changes_nothing(tmp_path):
    path = tmp_path / "people"
    with Gallery.edit(path, MODEL, SIZE) as gallery:
        gallery.enroll("Ada", unit(0))
    before = path.read_bytes()
    with pytest.raises(RuntimeError, match="stop"), Gallery.edit(path, MODEL, SIZE) as gallery:
        gallery.enroll("Grace", unit(1))
        raise RuntimeError("stop")
    assert path.read_bytes() == before


def test_a_link_stays_a_link_and_a_private_file_private(gallery, tmp_path):
    path, link = tmp_path / "people", tmp_path / "link"
    gallery.save(path)
    path.chmod(0o600)
    link.symlink_to(path)
    gallery.remove("Ada")
    gallery.save(link)
    assert link.is_symlink()
    assert Gallery.load(path).names == ("Grace",)
    assert path.stat().st_mode & 0o777 == 0o600


WRITER = """
import sys
import numpy as np
from kfer.inference.gallery import Gallery
path, own = sys.argv[1:]
for number in range(25):
    with Gallery.edit(path, "m", 8) as gallery:
        gallery.enroll(f"{own} {number}", np.random.default_rng().standard_normal((2, 8)))
"""


def test_two_writers_lose_nothing_and_readers_see_whole_files(tmp_path):
    path = tmp_path / "people"
    arguments = [sys.executable, "-c", WRITER, str(path)]
    writers = [subprocess.Popen([*arguments, own]) for own in "ab"]
    seen = 0
    while any(writer.poll() is None for writer in writers):
        if path.exists():
            gallery = Gallery.load(path, "m")
            assert set(gallery.templates.values()) == {2}
            assert len(gallery) >= seen
            seen = len(gallery)
    assert [writer.wait() for writer in writers] == [0, 0]
    assert Gallery.load(path).templates == {f"{own} {n}": 2 for own in "ab" for n in range(25)}


def test_threads_of_one_process_take_turns(tmp_path):
    path = tmp_path / "people"

    def write(own: int) -> None:
        for number in range(10):
            with Gallery.edit(path, MODEL, SIZE) as gallery:
                gallery.enroll(f"{own} {number}", unit(number))
                # Saving within is allowed: the thread has the lock.
                gallery.save(path)

    threads = [threading.Thread(target=write, args=(own,)) for own in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(Gallery.load(path)) == 40
