from collections.abc import Sequence

import numpy as np
import pytest
from recordings import number, pictures, write_frames, write_video

from kfer.media.frames import VideoError
from kfer.media.recording import Recording, at_rate

PIXELS = np.zeros((2, 2, 3), np.uint8)


def taken(times: Sequence[float], rate: float) -> list[int]:
    return [at for at, _, _ in at_rate([(n, time, PIXELS) for n, time in enumerate(times)], rate)]


def regular(count: int, rate: float, start: float = 0.0) -> list[float]:
    return [start + n / rate for n in range(count)]


@pytest.mark.parametrize("start", [0.0, 7.3])
def test_frames_are_the_nearest_in_time(start):
    assert taken(regular(50, 25, start), 5) == list(range(0, 50, 5))
    # At 0, 0.1, 0.2 ... seconds the nearest of 0, 0.033, 0.067 ...
    assert taken(regular(12, 30, start), 10) == [0, 3, 6, 9]
    # At 0, 0.04, 0.08, 0.12, 0.16: the nearest of 0, 0.033, 0.067, 0.1, 0.133, 0.167.
    assert taken(regular(6, 30, start), 25) == [0, 1, 2, 4, 5]


@pytest.mark.parametrize("rate", [15, 24, 25, 29.97, 30, 60])
def test_the_own_rate_takes_every_frame(rate):
    rounded = [round(1000 * time) / 1000 for time in regular(300, rate)]
    for times in (regular(300, rate), rounded):
        assert taken(times, rate) == list(range(300))


def test_a_higher_rate_takes_frames_more_than_once():
    assert taken(regular(3, 10), 20) == [0, 1, 1, 2, 2, 2]


def test_a_gap_is_filled_so_that_time_is_kept():
    assert taken([0, 0.1, 0.2, 0.6, 0.7], 10)[:7] == [0, 1, 2, 2, 3, 3, 3]


@pytest.mark.parametrize("rate", [1, 7, 30])
def test_the_length_is_that_of_the_recording(rate):
    assert len(taken(regular(250, 25), rate)) == 10 * rate


def test_one_frame_and_none():
    assert taken([0.4], 10) == [0]
    assert taken([], 10) == []
    assert taken(regular(2, 25), 1) == [0]


def test_a_clip_of_a_video_at_a_rate(tmp_path):
    path = write_video(tmp_path / "a.mkv", pictures(50))
    recording = Recording(path, frame_rate=5)
    found = list(recording)
    assert [at for at, _ in found] == [number(image) for _, image in found] == list(range(0, 50, 5))
    assert recording.rate == 5
    whole = Recording(path)
    assert len(list(whole)) == 50 and whole.rate == pytest.approx(25)


@pytest.mark.parametrize(
    ("largest_side", "size"),
    [(None, (48, 64)), (64, (48, 64)), (100, (48, 64)), (32, (24, 32)), (1, (1, 1))],
)
def test_the_longer_side_is_limited(tmp_path, largest_side, size):
    write_frames(tmp_path / "a", pictures(2))
    for path in (tmp_path / "a", write_video(tmp_path / "a.mkv", pictures(2))):
        shapes = {image.shape for _, image in Recording(path, largest_side=largest_side)}
        assert shapes == {(*size, 3)}


def test_frames_of_another_size_are_scaled_to_the_first(tmp_path):
    frames = [*pictures(2), *pictures(4, 30, 20)[2:], *pictures(5, 96, 128)[4:]]
    recording = Recording(write_frames(tmp_path / "a", frames), largest_side=32)
    found = [image for _, image in recording]
    assert [number(image) for image in found] == list(range(5))
    assert {image.shape for image in found} == {(24, 32, 3)}
    (warning,) = recording.warnings
    assert warning.endswith("a: 3 frames have another size than the first, and are scaled to it")


def test_numbers_are_those_of_the_recording(tmp_path):
    folder = write_frames(tmp_path / "a", pictures(5))
    (folder / "frame_1.png").write_bytes(b"")
    recording = Recording(folder, folder_rate=12)
    assert [at for at, _ in recording] == [0, 2, 3, 4]
    assert recording.rate == 12
    assert "1 frames could not be read" in recording.warnings[0]


def test_what_is_neither(tmp_path):
    (tmp_path / "a.txt").write_text("text")
    with pytest.raises(VideoError, match=r"a\.txt does not open: expected a name"):
        Recording(tmp_path / "a.txt")
    with pytest.raises(FileNotFoundError, match=r"there is no video .*none"):
        Recording(tmp_path / "none")
