import importlib.util
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from kfer.inference.timeline import Timeline
from kfer.inference.video import Frame

IMAGE = np.zeros((8, 8, 3), np.uint8)
ORANGE, GREY = (230, 159, 0), (201, 206, 214)
needs_matplotlib = pytest.mark.skipif(
    importlib.util.find_spec("matplotlib") is None, reason="matplotlib is not installed"
)


def frame(seconds: float, **faces) -> Frame:
    """Names of tracks ("t1") and how happy each is, or all probabilities."""
    tracked = []
    for track, happy in faces.items():
        shares = happy if isinstance(happy, dict) else {"neutral": 1 - happy, "happy": happy}
        tracked.append(SimpleNamespace(track=int(track[1:]), name=None, expressions=shares))
    return Frame(0, seconds, tuple(tracked), IMAGE, 0)


def share(path, colour) -> float:
    """Of a picture's pixels that have a colour, nearly."""
    pixels = np.asarray(Image.open(path).convert("RGB")).astype(int)
    return float(np.mean(np.abs(pixels - colour).max(axis=-1) < 12))


@needs_matplotlib
def test_areas_are_the_probabilities(tmp_path):
    for name, happy in (("low", 0.2), ("high", 0.8)):
        timeline = Timeline()
        for number in range(100):
            timeline.add(frame(number / 25, t1=happy))
        timeline.save(tmp_path / f"{name}.png")
    low, high = (share(tmp_path / f"{name}.png", ORANGE) for name in ("low", "high"))
    assert high / low == pytest.approx(4, rel=0.1)
    assert share(tmp_path / "low.png", GREY) == pytest.approx(high, rel=0.1)


@needs_matplotlib
def test_a_face_that_is_away_leaves_a_gap(tmp_path):
    whole, half = Timeline(), Timeline()
    for number in range(200):
        whole.add(frame(number / 25, t1=1.0))
        half.add(frame(number / 25, **({} if 50 <= number < 150 else {"t1": 1.0})))
    whole.save(tmp_path / "whole.png")
    half.save(tmp_path / "half.png")
    assert share(tmp_path / "half.png", ORANGE) == pytest.approx(
        share(tmp_path / "whole.png", ORANGE) / 2, rel=0.1
    )


@needs_matplotlib
@pytest.mark.parametrize("ending", [".png", ".svg", ".pdf"])
def test_formats(ending, tmp_path):
    timeline = Timeline()
    timeline.add(frame(1.0, t1=0.5, t2=1.0))
    path = tmp_path / f"a{ending}"
    timeline.save(path)
    assert path.stat().st_size > 1000 and list(tmp_path.iterdir()) == [path]


@needs_matplotlib
def test_the_tracks_seen_longest_are_drawn(tmp_path):
    timeline = Timeline(most_tracks=2)
    for number in range(50):
        timeline.add(frame(number / 25, t1=0.5, **{"t2": 0.5} if number < 5 else {"t3": 0.5}))
    timeline.save(tmp_path / "a.svg")
    assert timeline._drawn() == [1, 3]


@needs_matplotlib
def test_memory_is_bounded_and_the_picture_the_same(tmp_path):
    timeline = Timeline()
    for number in range(20_000):
        timeline.add(frame(number / 25, t1={"happy": 0.25, "neutral": 0.75}))
    assert len(timeline._tracks[1]._sums) <= 2000
    (run,) = timeline._tracks[1].runs(timeline._step)
    np.testing.assert_allclose(run[1], np.tile([[0.25], [0.75]], len(run[0])))
    assert run[0][0] < 1 and run[0][-1] > 799 and (np.diff(run[0]) > 0).all()


@needs_matplotlib
def test_names_and_other_expressions_are_drawn_as_they_are(tmp_path):
    timeline = Timeline()
    shares = {f"mood {number}": 0.1 for number in range(10)}
    for number in range(10):
        drawn = frame(number / 25, t1=shares)
        drawn.faces[0].name = "A $_$"
        timeline.add(drawn)
    timeline.save(tmp_path / "a.png")
    assert (tmp_path / "a.png").is_file()


@needs_matplotlib
def test_a_video_without_faces_has_a_picture(tmp_path):
    timeline = Timeline()
    timeline.add(frame(0.0))
    timeline.add(frame(0.1, t1={}))
    timeline.save(tmp_path / "a.png")
    assert (tmp_path / "a.png").is_file()


def test_wrong_use_is_refused(tmp_path, monkeypatch):
    with pytest.raises(ValueError, match="most_tracks must be a positive integer; got 0"):
        Timeline(0)
    with pytest.raises(ValueError, match=r"must end in \.png, \.svg, \.pdf; got .*a\.jpg"):
        Timeline().save(tmp_path / "a.jpg")
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install \"kfer\[plots\]\""):
        Timeline().save(tmp_path / "a.png")
