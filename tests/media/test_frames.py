import os

import numpy as np
import pytest
from recordings import RATE, number, pictures, write_frames, write_video

from kfer.media.frames import FrameFolder, Video, VideoError


@pytest.mark.parametrize("name", ["a.mp4", "a.avi", "a.mov", "a.mkv", "a.webm", "a.flv"])
def test_a_video_gives_its_frames_in_rgb_with_times_and_rate(tmp_path, name):
    video = Video(write_video(tmp_path / name, pictures(12)))
    found = list(video)
    assert [at for at, _, _ in found] == list(range(12))
    np.testing.assert_allclose([seconds for _, seconds, _ in found], np.arange(12) / RATE, atol=2e-3)
    assert [number(image) for _, _, image in found] == list(range(12))
    assert video.rate == pytest.approx(RATE) and video.skipped == 0 and video.warnings == []


def test_colours_are_in_the_order_of_rgb(tmp_path):
    red = np.zeros((48, 64, 3), np.uint8)
    red[..., 0] = 200
    for frames in (
        Video(write_video(tmp_path / "a.mkv", [red])),
        FrameFolder(write_frames(tmp_path, [red])),
    ):
        ((_, _, image),) = frames
        np.testing.assert_allclose(image.mean(axis=(0, 1)), (200, 0, 0), atol=4)


def test_a_broken_tail_is_told(tmp_path):
    whole = write_video(tmp_path / "a.avi", pictures(40)).read_bytes()
    (tmp_path / "half.avi").write_bytes(whole[: len(whole) // 2])
    video = Video(tmp_path / "half.avi")
    found = [number(image) for _, _, image in video]
    assert 5 <= len(found) <= 21 and found == list(range(len(found)))


def test_a_video_without_frames(tmp_path):
    path = write_video(tmp_path / "a.mp4", pictures(3)[:0])
    with pytest.raises(VideoError, match=r"a\.mp4 (does not open|has no frame that can be read)"):
        list(Video(path))


def test_what_is_no_video(tmp_path):
    (tmp_path / "a.mp4").write_text("no video" * 100)
    with pytest.raises(VideoError, match=r"a\.mp4 does not open: it does not begin as MP4"):
        Video(tmp_path / "a.mp4")
    with pytest.raises(FileNotFoundError, match=r"there is no video .*b\.mp4"):
        Video(tmp_path / "b.mp4")


def test_the_rate_is_that_of_the_times_where_a_file_announces_another(tmp_path):
    """FLV files announce 1,000 frames a second, at times."""
    video = Video(write_video(tmp_path / "a.flv", pictures(20)))
    video._announced_rate = 1000.0
    assert len(list(video)) == 20
    assert video.rate == pytest.approx(RATE, rel=0.01)


def test_a_folder_is_in_the_natural_order_of_names(tmp_path):
    folder = FrameFolder(write_frames(tmp_path / "a", pictures(12)), 10)
    (tmp_path / "a" / "notes.txt").write_text("passed over")
    found = list(folder)
    assert [number(image) for _, _, image in found] == list(range(12))
    np.testing.assert_allclose([seconds for _, seconds, _ in found], np.arange(12) / 10)
    assert folder.rate == 10


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".bmp", ".webp", ".tif"])
def test_pictures_of_many_kinds_are_frames(tmp_path, suffix):
    found = list(FrameFolder(write_frames(tmp_path, pictures(2), suffix)))
    assert [number(image) for _, _, image in found] == [0, 1]


def test_numbers_in_names_count_wherever_they_are(tmp_path):
    names = ["1.png", "2.png", "10.png", "a1_9.png", "a1_10.png", "a02.png", "a2.png", "B1.png"]
    for place, name in enumerate(names):
        (write_frames(tmp_path, [pictures(8)[place]]) / "frame_0.png").rename(tmp_path / name)
    assert [number(image) for _, _, image in FrameFolder(tmp_path)] == list(range(8))


def test_pictures_that_cannot_be_read_are_counted(tmp_path):
    folder = write_frames(tmp_path / "a", pictures(6))
    (folder / "frame_1.png").write_bytes(b"")
    (folder / "frame_2.png").write_bytes(b"no picture")
    (folder / "frame_5.png").write_bytes(b"")
    frames = FrameFolder(folder)
    skipped = [(at, frames.skipped) for at, _, _ in frames]
    assert skipped == [(0, 0), (3, 2), (4, 2)]
    (warning,) = frames.warnings
    assert warning.endswith("a: 3 frames could not be read, the first is frame_1.png")


def test_hidden_files_are_no_frames_and_pictures_that_are_not_read_are_told(tmp_path):
    folder = write_frames(tmp_path / "a", pictures(2))
    for name in ("._frame_0.png", "Thumbs.db", "frame_2.avif"):
        (folder / name).write_bytes(b"x")
    os.mkfifo(folder / "frame_3.png")
    frames = FrameFolder(folder)
    assert len(list(frames)) == 2
    (warning,) = frames.warnings
    assert warning == f"left out of {folder}: 1 .avif, a format that is not read (frame_2.avif)"


def test_a_folder_without_frames(tmp_path):
    with pytest.raises(VideoError, match="a has no frame: expected pictures, JPEG"):
        (tmp_path / "a").mkdir()
        FrameFolder(tmp_path / "a")
    with pytest.raises(FileNotFoundError, match=r"there is no folder .*none"):
        FrameFolder(tmp_path / "none")
    (tmp_path / "a" / "x.png").write_bytes(b"no picture")
    with pytest.raises(VideoError, match="a has no frame that can be read"):
        list(FrameFolder(tmp_path / "a"))


def test_a_real_video(test_data):
    video = Video(test_data / "videos" / "pyfeat_single_face.mp4")
    found = list(video)
    assert len(found) == 72 and video.rate == 30 and video.warnings == []
    assert found[-1][1] == pytest.approx(71 / 30)
