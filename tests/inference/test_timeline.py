import importlib.util
import itertools
import sys

import numpy as np
import pytest
from PIL import Image
from seen_people import recording

from kfer.inference import timeline
from kfer.inference.episodes import expressed
from kfer.inference.observations import Observations, ObservedFace
from kfer.inference.records import RecordedModel

ORANGE, GREY = (230, 159, 0), (201, 206, 214)
# Machado, Oliveira and Fernandes (2009), severity 1, for linear RGB.
BLINDNESS = {
    "none": np.eye(3),
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}
needs_matplotlib = pytest.mark.skipif(
    importlib.util.find_spec("matplotlib") is None, reason="matplotlib is not installed"
)


def draw(path, *recordings):
    timeline.save(path, [each for found in recordings for each in expressed(found)])
    return path


def share(path, colour) -> float:
    """Of a picture's pixels that have a colour, nearly."""
    pixels = np.asarray(Image.open(path).convert("RGB")).astype(int)
    return float(np.mean(np.abs(pixels - colour).max(axis=-1) < 12))


def svg(path, *recordings) -> str:
    return draw(path / "a.svg", *recordings).read_text()


@needs_matplotlib
def test_the_band_is_as_long_as_the_episodes(tmp_path):
    # The legend and the curves have the colour too; two of them are the same in both.
    areas = [
        share(draw(tmp_path / f"{count}.png", recording(Anna="h" * count + "n" * (100 - count))), ORANGE)
        for count in (20, 40, 80)
    ]
    assert (areas[2] - areas[1]) / (areas[1] - areas[0]) == pytest.approx(2, rel=0.1)


@needs_matplotlib
def test_what_fills_a_column_is_drawn_in_it_and_the_rest_is_not_lost(tmp_path):
    # An hour, in which every tenth second is happy: the columns stand for 3.6 s.
    letters = ("n" * 90 + "h" * 10) * 360
    (each,) = expressed(recording(Anna=letters))
    assert each.num_changes == 719 and each.shares["happy"] == pytest.approx(0.1)
    assert [name for name, *_ in timeline._prevailing(each, 3600)] == ["neutral"]
    # Where there is room for each, all are drawn.
    (each,) = expressed(recording(Anna=letters[:3000]))
    found = list(timeline._prevailing(each, 300))
    assert [name for name, *_ in found] == ["neutral", "happy"] * 30
    assert all(before[2] == after[1] for before, after in itertools.pairwise(found))


@needs_matplotlib
def test_curves_are_the_probabilities_and_keep_the_mean(tmp_path):
    (each,) = expressed(recording(Anna="nnnhhh" * 100))
    seconds, means = timeline._means(each, 0, 60, 0.05)
    assert len(seconds) == 601 and seconds[-1] == 60
    np.testing.assert_allclose(means[:-1], each.person.probabilities)
    seconds, means = timeline._means(each, 0, 60, 0.6 - 1e-9)
    np.testing.assert_allclose(means, np.tile([[0.45, 0.45, 0.1]], (101, 1)))
    assert (np.diff(seconds) > 0).all()


@needs_matplotlib
def test_who_is_away_leaves_a_gap(tmp_path):
    whole = draw(tmp_path / "whole.png", recording(Anna="h" * 200))
    half = draw(tmp_path / "half.png", recording(Anna="h" * 50 + "." * 100 + "h" * 50))
    # The legend and the bar stay.
    assert 0.4 < share(half, ORANGE) / share(whole, ORANGE) < 0.7
    (each,) = expressed(recording(Anna="h" * 50 + "." * 100 + "h" * 50))
    assert [run[1:] for run in timeline._prevailing(each, 20)] == [(0, 250), (750, 1000)]


@needs_matplotlib
@pytest.mark.parametrize("ending", [".png", ".svg", ".pdf"])
def test_formats(ending, tmp_path):
    path = draw(tmp_path / f"a{ending}", recording(Anna="nh", Ben="s"))
    assert path.stat().st_size > 1000 and list(tmp_path.iterdir()) == [path]


@needs_matplotlib
def test_of_more_than_eight_the_ones_seen_longest_are_drawn(tmp_path):
    people = {f"P{number}": "n" * (20 - number) for number in range(10)}
    told = expressed(recording(**people))
    assert [each.person.name for each in timeline._longest(told)] == [f"P{n}" for n in range(8)]
    assert "<!-- minutes:seconds; 2 more, seen for less time, are left out -->" in svg(
        tmp_path, recording(**people)
    )


@needs_matplotlib
def test_rows_are_named_by_what_tells_them_apart(tmp_path):
    one, other = recording("x/mon.jsonl", Anna="nn"), recording("x/tue.jsonl", Anna="n", Ben="h")
    assert "<!-- Anna -->" in svg(tmp_path, one)
    of_anna = [*expressed(one), expressed(other)[0]]
    assert list(timeline._titles(of_anna)) == ["mon.jsonl", "tue.jsonl"]
    everybody = [*expressed(one), *expressed(other)]
    assert list(timeline._titles(everybody)) == ["Anna, mon.jsonl", "Anna, tue.jsonl", "Ben, tue.jsonl"]


@needs_matplotlib
def test_names_and_other_expressions_are_drawn_as_they_are(tmp_path):
    observations = Observations(RecordedModel("a", "b"))
    shares = {f"$mood {number}": 0.1 for number in range(10)}
    for number in range(10):
        face = ObservedFace(1, "A $_$", 0.5, 1.0, shares, {})
        observations.add_faces(number, number / 25, [face])
    drawn = svg(tmp_path, observations.recording("a"))
    assert "A $_$" in drawn and "$mood 0" in drawn
    assert len(set(timeline._colours([f"mood {number}" for number in range(6)]).values())) == 6


@needs_matplotlib
def test_a_recording_of_nobody_has_a_picture(tmp_path):
    assert draw(tmp_path / "a.png", recording()).is_file()


@pytest.mark.parametrize(
    "seconds, tenths, words",
    [
        (0, False, "0:00"),
        (65.4, False, "1:05"),
        (65.44, True, "1:05.4"),
        (59.96, True, "1:00.0"),
        (3599.6, False, "1:00:00"),
        (7265, False, "2:01:05"),
    ],
)
def test_times_in_words(seconds, tenths, words):
    assert timeline.clock(seconds, tenths) == words


@pytest.mark.parametrize("blindness", BLINDNESS)
def test_colours_are_told_apart_by_people_who_confuse_colours(blindness):
    places = [_lab(colour, np.array(BLINDNESS[blindness])) for colour in timeline._COLOURS.values()]
    distances = [np.linalg.norm(one - other) for one, other in itertools.combinations(places, 2)]
    # 2.3 is a just noticeable difference (Mahy, Van Eycken and Oosterlinck 1994).
    assert min(distances) > 6 * 2.3


def _lab(colour: str, seen: np.ndarray) -> np.ndarray:
    """CIELAB of 1976 of an sRGB colour, white D65."""
    levels = np.array([int(colour[place : place + 2], 16) for place in (1, 3, 5)]) / 255
    linear = np.where(levels <= 0.04045, levels / 12.92, ((levels + 0.055) / 1.055) ** 2.4)
    to_xyz = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    xyz = to_xyz @ np.clip(seen @ linear, 0, 1) / [0.9505, 1, 1.089]
    x, y, z = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def test_wrong_use_is_refused(tmp_path, monkeypatch):
    with pytest.raises(ValueError, match=r"must end in \.png, \.svg, \.pdf; got .*a\.jpg"):
        timeline.save(tmp_path / "a.jpg", [])
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install \"kfer\[plots\]\""):
        timeline.save(tmp_path / "a.png", [])
