"""Videos of drawn faces, with a detector that knows them by the colour of their frames."""

import collections
import itertools
import logging
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest

from kfer.datasets import drawing
from kfer.inference import FaceAnalyzer, Threshold, pushed, runtime, video
from kfer.inference.detection import Detector, overlap
from kfer.inference.face import Detection
from kfer.inference.gallery import Gallery
from kfer.inference.video import VideoError, analyze_video

RATE, SIDE, SIZE = 25, 100, (240, 360)
COLOURS = {"red": (210, 30, 30), "blue": (30, 40, 220)}
DRAWN = {name: drawing.draw(number, "neutral", number, SIDE) for number, name in enumerate(COLOURS)}


def scene(*faces: tuple[str, int, int], background: int = 0) -> np.ndarray:
    """Faces with a frame in their colour, at the y and x of their top left corners; the last in front."""
    rng = np.random.default_rng(background)
    small = rng.integers(100, 156, (24, 36), np.uint8)
    picture = cv2.cvtColor(cv2.resize(small, SIZE[::-1]), cv2.COLOR_GRAY2RGB)
    canvas = cv2.copyMakeBorder(picture, SIDE, SIDE, SIDE, SIDE, cv2.BORDER_REPLICATE)
    for name, y, x in faces:
        tile = (0.6 * DRAWN[name].image + 0.4 * np.array(COLOURS[name])).astype(np.uint8)
        cv2.rectangle(tile, (0, 0), (SIDE - 1, SIDE - 1), COLOURS[name], 12)
        canvas[y + SIDE : y + 2 * SIDE, x + SIDE : x + 2 * SIDE] = tile
    return np.ascontiguousarray(canvas[SIDE:-SIDE, SIDE:-SIDE])


def write(path: Path, pictures: Sequence[np.ndarray], code: str = "FFV1") -> Path:
    height, width = pictures[0].shape[:2]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*code), RATE, (width, height))
    assert writer.isOpened()
    for picture in pictures:
        writer.write(cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    writer.release()
    return path


class Framed(Detector):
    """Finds faces whose frame can be seen whole."""

    smallest_share, least_score = 0.0, 0.5

    def __init__(self) -> None:
        super().__init__()
        self.passes = 0

    def _detect_one(self, image: np.ndarray) -> list[Detection]:
        self.passes += 1
        return [face for name in COLOURS for face in self._one(image, name)]

    def _one(self, image: np.ndarray, name: str) -> list[Detection]:
        y, x = np.nonzero((np.abs(image.astype(int) - COLOURS[name]) < 40).all(axis=-1))
        if len(y) < 1000 or np.ptp(y) < SIDE - 8 or np.ptp(x) < SIDE - 8:
            return []
        corner = np.float32([y.max() + 1 - SIDE, x.max() + 1 - SIDE])
        box = DRAWN[name].box.reshape(2, 2) + corner
        return [Detection(box.reshape(4), DRAWN[name].landmarks + corner, 0.9)]


class Colour(runtime.Runner):
    """Its embedding is whether a face is red or blue; red is "happy"."""

    image_size, output_names, _batch_size = None, ("embedding", "expression"), 64

    def _run(self, images: np.ndarray) -> dict[str, np.ndarray]:
        self.faces = getattr(self, "faces", 0) + len(images)
        red = images[..., 0].mean(axis=(1, 2)) > images[..., 2].mean(axis=(1, 2))
        one = np.stack([red, ~red], axis=1).astype(np.float32)
        return {"embedding": one, "expression": 0.6 * one + 0.2}


@pytest.fixture
def analyzer() -> FaceAnalyzer:
    return fake(Framed())


def fake(detector) -> FaceAnalyzer:
    tasks = {"expression": {"kind": "classes", "names": ["happy", "sad"]}}
    made = FaceAnalyzer(pushed.Model(Path("none"), "colours", "c0", tasks, (Threshold(0.5),)), detector)
    made._runner = Colour()
    return made


def colours(frames) -> dict[int, set[str]]:
    """What each track shows, which should be one."""
    found = collections.defaultdict(set)
    for frame in frames:
        for tracked in frame.faces:
            found[tracked.track].add(tracked.face.expression)
    return dict(found)


def test_a_face_is_followed_between_detections(analyzer, tmp_path):
    places = [(round(70 + 40 * np.sin(number / 9)), 40 + 3 * number) for number in range(50)]
    pictures = [scene(("red", *place)) for place in places]
    path = write(tmp_path / "a.mkv", pictures)
    frames = list(analyze_video(path, analyzer, detect_every=5))
    assert [frame.number for frame in frames] == list(range(50))
    np.testing.assert_allclose([frame.seconds for frame in frames], np.arange(50) / RATE, atol=2e-3)
    assert colours(frames) == {1: {"happy"}}
    assert analyzer._detector.passes == 10 and analyzer._runner.faces == 50
    for frame, place, picture in zip(frames, places, pictures, strict=True):
        np.testing.assert_array_equal(frame.image, picture)
        (tracked,) = frame.faces
        assert np.abs(tracked.face.landmarks - (DRAWN["red"].landmarks + place)).max() < 1.5
        box = DRAWN["red"].box.reshape(2, 2) + place
        assert overlap(tracked.face.box, box.reshape(4)) > 0.95
        assert tracked.face.score == 0.9 and frame.skipped == 0


def test_every_frame_may_be_searched(analyzer, tmp_path):
    path = write(tmp_path / "a.mkv", [scene(("red", 60, 40 + 3 * number)) for number in range(10)])
    assert colours(analyze_video(path, analyzer, detect_every=1)) == {1: {"happy"}}
    assert analyzer._detector.passes == 10


def test_faces_that_cross_keep_their_tracks(analyzer, tmp_path):
    pictures = [scene(("red", 60, 10 + 5 * n), ("blue", 70, 250 - 5 * n)) for n in range(50)]
    frames = list(analyze_video(write(tmp_path / "a.mkv", pictures), analyzer))
    first, last = ({each.track: each.face.expression for each in frames[at].faces} for at in (0, -1))
    assert first == last and set(first) == {1, 2}


@pytest.mark.parametrize("most_unseen, track", [(30, 1), (5, 2)])
def test_a_face_that_comes_back(analyzer, tmp_path, most_unseen, track):
    out = [scene(("red", 60, 60 + 8 * number)) for number in range(35)]
    pictures = [*out, *([scene()] * 10), *out[:10]]
    frames = list(analyze_video(write(tmp_path / "a.mkv", pictures), analyzer, most_unseen=most_unseen))
    assert all(not frame.faces for frame in frames[37:45])
    assert frames[-1].faces[0].track == track


def test_a_cut_is_seen_at_once(analyzer, tmp_path):
    red, blue = [scene(("red", 60, 100))] * 8, [scene(("blue", 60, 100), background=1)] * 8
    frames = list(
        analyze_video(write(tmp_path / "a.mkv", [*red, *blue, *red]), analyzer, detect_every=20)
    )
    shown = [[(each.track, each.face.expression) for each in frame.faces] for frame in frames]
    assert shown == [[(1, "happy")]] * 8 + [[(2, "sad")]] * 8 + [[(1, "happy")]] * 8


def test_a_jump_is_the_same_face(analyzer, tmp_path):
    pictures = [scene(("red", 20, 20))] * 4 + [scene(("red", 120, 240))] * 4
    frames = list(analyze_video(write(tmp_path / "a.mkv", pictures), analyzer, detect_every=50))
    assert [[each.track for each in frame.faces] for frame in frames] == [[1]] * 8
    assert frames[4].faces[0].face.box[1] > 230


def test_a_face_that_the_detector_misses_once_is_looked_for_again(analyzer, tmp_path):
    path = write(tmp_path / "a.mkv", [scene(("red", 60, 40 + n)) for n in range(30)])
    detector = analyzer._detector
    look = detector._one
    detector._one = lambda *arguments: [] if detector.passes == 2 else look(*arguments)
    frames = list(analyze_video(path, analyzer, detect_every=10))
    assert [frame.number for frame in frames if not frame.faces] == [10]
    assert colours(frames) == {1: {"happy"}} and detector.passes == 4


def test_people_are_named(analyzer, tmp_path):
    path = write(tmp_path / "a.mkv", [scene(("red", 60, 20), ("blue", 60, 200))] * 3)
    gallery = Gallery("c0", 2)
    gallery.enroll("Rose", np.array([1.0, 0.2]))
    for frame in analyze_video(path, analyzer, gallery):
        assert {each.face.expression: each.name for each in frame.faces} == {"happy": "Rose", "sad": None}
    (other,) = {
        each.name for frame in analyze_video(path, analyzer, gallery, 0.99) for each in frame.faces
    }
    assert other is None


def test_a_gallery_must_fit_the_model(analyzer, tmp_path):
    path = write(tmp_path / "a.mkv", [scene()])
    with pytest.raises(ValueError, match="embeddings of the model 'other', not of 'c0'"):
        analyze_video(path, analyzer, Gallery("other", 2))
    analyzer.model = pushed.Model(Path("none"), "colours", "c0")
    with pytest.raises(ValueError, match="colours says no threshold: give the similarity"):
        analyze_video(path, analyzer, Gallery("c0", 2))


def test_other_detectors_work_too(tmp_path):
    path = write(tmp_path / "a.mkv", [scene(("red", 60, 40 + n)) for n in range(7)])
    for frame in analyze_video(path, fake("none")):
        (tracked,) = frame.faces
        assert tracked.track == 1 and tracked.face.landmarks is None


def test_what_is_no_video_is_said_to_be_none(analyzer, tmp_path):
    text, empty = tmp_path / "text.mp4", tmp_path / "empty.mp4"
    text.write_text("no video at all\n" * 100)
    empty.touch()
    with pytest.raises(FileNotFoundError, match=r"there is no video .*none\.mp4"):
        analyze_video(tmp_path / "none.mp4", analyzer)
    with pytest.raises(VideoError, match=r"text\.mp4 does not open: it does not begin as MP4"):
        analyze_video(str(text), analyzer)
    with pytest.raises(VideoError, match=r"empty\.mp4 is empty"):
        analyze_video(empty, analyzer)
    with pytest.raises(VideoError, match="is a folder, not a video"):
        analyze_video(tmp_path, analyzer)


def test_a_video_without_frames(analyzer, tmp_path):
    path = tmp_path / "a.mp4"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"mp4v"), RATE, SIZE[::-1])
    writer.release()
    with pytest.raises(VideoError, match=r"a\.mp4 (does not open|has no frame that can be read)"):
        list(analyze_video(path, analyzer))


def test_a_cut_file_gives_what_it_holds(analyzer, tmp_path):
    pictures = [scene(("red", 60, 40 + 2 * number), background=number) for number in range(40)]
    whole = write(tmp_path / "whole.avi", pictures, "MJPG").read_bytes()
    (tmp_path / "half.avi").write_bytes(whole[: len(whole) // 2])
    frames = list(analyze_video(tmp_path / "half.avi", analyzer))
    assert 10 <= len(frames) <= 21 and colours(frames) == {1: {"happy"}}
    # The table of an MP4 is at its end.
    whole = write(tmp_path / "whole.mp4", pictures, "mp4v").read_bytes()
    (tmp_path / "half.mp4").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(VideoError, match=r"half\.mp4 does not open: .* or its end is missing"):
        analyze_video(tmp_path / "half.mp4", analyzer)


def test_a_turned_recording_is_upright(analyzer, tmp_path):
    upright = [scene(("red", 60, 40 + 2 * number)) for number in range(6)]
    path = write(tmp_path / "a.mp4", [np.rot90(each, 1) for each in upright], "mp4v")
    content = path.read_bytes()
    one, straight = (1 << 16).to_bytes(4, "big"), [1, 0, 0, 0, 1, 0, 0, 0, 1 << 14]
    matrix = b"".join((number << 16).to_bytes(4, "big") for number in straight)
    zero, minus = bytes(4), (-(1 << 16)).to_bytes(4, "big", signed=True)
    turned = zero + one + zero + minus + zero + zero + zero + zero + matrix[-4:]
    place = content.index(matrix, content.index(b"tkhd"))
    path.write_bytes(content[:place] + turned + content[place + len(matrix) :])
    for frame, picture in zip(analyze_video(path, analyzer), upright, strict=True):
        assert frame.image.shape == picture.shape
        assert np.abs(frame.image.astype(int) - picture).mean() < 8


class Broken:
    """Stands for OpenCV's reader: pictures, and None for what cannot be read."""

    def __init__(self, pictures, opens=True, count=None, rate=RATE, times=None) -> None:
        self._pictures, self._opens, self._rate = iter(pictures), opens, rate
        self._count = len(pictures) if count is None else count
        self._times, self.reads, self.released = times, 0, False

    def isOpened(self) -> bool:
        return self._opens

    def read(self) -> tuple[bool, np.ndarray | None]:
        self.reads += 1
        picture = next(self._pictures, None)
        return picture is not None, picture

    def get(self, what: int) -> float:
        time = 0.0 if self._times is None else self._times[self.reads - 1]
        return {
            cv2.CAP_PROP_FRAME_COUNT: self._count,
            cv2.CAP_PROP_FPS: self._rate,
            cv2.CAP_PROP_POS_MSEC: time,
            cv2.CAP_PROP_FRAME_WIDTH: 80,
            cv2.CAP_PROP_FRAME_HEIGHT: 60,
        }[what]

    def release(self) -> None:
        self.released = True


@pytest.fixture
def opened(monkeypatch, tmp_path):
    """Analyses what a broken reader gives."""
    (tmp_path / "a.mp4").write_bytes(b"\0\0\0\x18ftypmp42")

    def analyse(reader, source=None, **settings):
        monkeypatch.setattr(video.cv2, "VideoCapture", lambda *_: reader)
        return analyze_video(tmp_path / "a.mp4" if source is None else source, fake(Framed()), **settings)

    return analyse


GREY = np.full((60, 80, 3), 90, np.uint8)


def test_frames_that_cannot_be_read_are_left_out_and_counted(opened, caplog):
    reader = Broken([GREY, None, None, GREY, GREY, None, GREY])
    frames = list(opened(reader))
    assert [frame.number for frame in frames] == [0, 3, 4, 6]
    assert [frame.skipped for frame in frames] == [0, 2, 2, 3]
    np.testing.assert_allclose([frame.seconds for frame in frames], np.array([0, 3, 4, 6]) / RATE)
    assert "a.mp4: 3 frames could not be read" in caplog.text
    assert reader.reads == 8 and reader.released


def test_too_many_failures_end_a_video(opened, caplog):
    reader = Broken([GREY] * 10 + [None] * 40 + [GREY] * 50)
    assert len(list(opened(reader, most_failures=20))) == 10
    assert reader.reads == 10 + 21
    assert "ends 90 frames before the 100 it announces" in caplog.text


def test_a_video_of_unknown_length_ends_where_it_does(opened, caplog):
    for count in (0, -5.0, float("nan")):
        assert len(list(opened(Broken([GREY] * 3, count=count)))) == 3
    # More than it announces.
    assert len(list(opened(Broken([GREY] * 9, count=4)))) == 9
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


def test_a_video_of_nothing_but_broken_frames(opened):
    with pytest.raises(VideoError, match=r"a\.mp4 has no frame that can be read"):
        list(opened(Broken([None] * 8)))


def test_a_camera_that_fails(opened):
    with pytest.raises(VideoError, match="camera 7 does not open: it is not there, another program"):
        opened(Broken([], opens=False), 7)
    reader = Broken([GREY] * 3 + [None] * 100)
    frames = opened(reader, 0, most_failures=4)
    times = [next(frames).seconds for _ in range(3)]
    assert times[0] == 0 and times == sorted(times) and times[-1] < 5
    with pytest.raises(VideoError, match="camera 0 gave no picture 5 times in a row"):
        next(frames)
    assert reader.released


@pytest.mark.parametrize(
    "times, rate, expected",
    [
        ([0, 100, 150, 400], 25, [0, 0.1, 0.15, 0.4]),
        ([0, 0, 0, 0], 25, [0, 0.04, 0.08, 0.12]),
        ([0, 40, 1e15, 120], 25, [0, 0.04, 0.08, 0.12]),
        ([0, 40, float("nan"), 20], 25, [0, 0.04, 0.08, 0.12]),
        ([0, 0, 0, 0], float("nan"), [0, 0.04, 0.08, 0.12]),
        ([0, 0, 0, 0], 0, [0, 0.04, 0.08, 0.12]),
        ([-40, 0, 40, 80], 25, [0, 0.04, 0.08, 0.12]),
        ([500, 100, 600, 700], 25, [0.5, 0.54, 0.6, 0.7]),
    ],
)
def test_times_are_those_of_the_file_where_they_make_sense(opened, times, rate, expected):
    found = [frame.seconds for frame in opened(Broken([GREY] * 4, times=[*times, 0], rate=rate))]
    np.testing.assert_allclose(found, expected)


def test_a_size_that_changes_is_no_error(opened):
    wide = cv2.cvtColor(scene(("red", 60, 240)), cv2.COLOR_RGB2BGR)
    narrow = np.ascontiguousarray(wide[:, :200])
    frames = list(opened(Broken([wide, wide, narrow, wide])))
    assert [[each.track for each in frame.faces] for frame in frames] == [[1], [1], [], [1]]


def test_the_reader_is_closed_by_who_stops_early(opened):
    reader = Broken([GREY] * 50)
    frames = opened(reader)
    next(frames)
    frames.close()
    assert reader.released and reader.reads == 1


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"detect_every": 0}, "detect_every must be an integer from 1 on; got 0"),
        ({"most_failures": -1}, "most_failures must be an integer from 0 on; got -1"),
        ({"time_constant": -1}, "time_constant"),
        ({"least_similarity": 2}, "least_similarity is a cosine"),
    ],
)
def test_settings_are_checked_before_anything_is_read(analyzer, settings, message):
    with pytest.raises(ValueError, match=message):
        analyze_video("none.mp4", analyzer, **settings)


def test_a_real_face_is_one_track_and_followed_closely(test_data):
    path = test_data / "videos" / "pyfeat_single_face.mp4"
    analyzer = fake("blazeface")
    frames = list(analyze_video(path, analyzer))
    assert [frame.number for frame in frames] == list(range(72))
    assert [[each.track for each in frame.faces] for frame in frames] == [[1]] * 72
    for frame in itertools.islice(frames, 4, None, 5):
        (seen,) = analyzer.detect([frame.image])[0]
        (followed,) = (each.face for each in frame.faces)
        assert overlap(seen.box, followed.box) > 0.8
        assert np.abs(seen.landmarks - followed.landmarks).mean() < 0.08 * followed.quality.eye_distance


def test_a_real_video_without_a_face(test_data):
    frames = list(analyze_video(test_data / "videos" / "pyfeat_no_face.mp4", fake("blazeface")))
    assert len(frames) > 90
    assert np.mean([bool(frame.faces) for frame in frames]) < 0.05
