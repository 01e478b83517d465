import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from kfer.media import containers
from kfer.media.containers import VideoError

_CODES = {".avi": "MJPG", ".mkv": "MJPG", ".mp4": "mp4v", ".mov": "mp4v", ".flv": "FLV1", ".mpg": "MPG1"}


def written(path: Path, frames: int = 3) -> Path:
    code = cv2.VideoWriter.fourcc(*_CODES.get(path.suffix, "mp4v"))
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, code, 25, (64, 48))
    for number in range(frames):
        writer.write(np.full((48, 64, 3), 40 * number, np.uint8))
    writer.release()
    return path


def refused(path: Path, words: str) -> None:
    with pytest.raises(VideoError, match=words) as raised:
        containers.opened(path)
    assert str(path) in str(raised.value)


@pytest.mark.parametrize("ending", _CODES)
def test_videos_are_opened_as_what_they_are(tmp_path, ending: str) -> None:
    capture = containers.opened(written(tmp_path / f"a{ending}"))
    assert capture.getBackendName() == "FFMPEG"
    assert sum(capture.read()[0] for _ in range(4)) == 3


PLAYLISTS = {
    "concatenation": "ffconcat version 1.0\nfile secret.mp4\n",
    "playlist": "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nsecret.mp4\n#EXT-X-ENDLIST\n",
    "description of a stream": "v=0\ns=x\nc=IN IP4 127.0.0.1\nm=video 5004 RTP/AVP 96\n",
    "manifest": '<?xml version="1.0"?><MPD><Period><BaseURL>secret.mp4</BaseURL></Period></MPD>',
    "script": 'import("secret.avs")\n',
}


@pytest.mark.parametrize(
    "ending", [*containers.VIDEO_SUFFIXES, ".m3u8", ".sdp", ".ffconcat", ".mpd", ".txt", ""]
)
@pytest.mark.parametrize("kind", PLAYLISTS)
def test_lists_of_other_files_are_no_videos(tmp_path, kind: str, ending: str) -> None:
    written(tmp_path / "secret.mp4")
    path = tmp_path / f"clip{ending}"
    path.write_text(PLAYLISTS[kind])
    refused(path, "does not open: (it does not begin as|expected a name that ends in)")


def test_a_list_that_begins_like_a_video_opens_nothing(tmp_path) -> None:
    written(tmp_path / "secret.mp4")
    (tmp_path / "clip.mp4").write_bytes(b"#EXTftyp\nffconcat version 1.0\nfile secret.mp4\n" * 99)
    refused(tmp_path / "clip.mp4", "does not open: it is no MP4 or QuickTime that OpenCV reads")


def test_another_ending_is_told(tmp_path) -> None:
    path = written(tmp_path / "a.avi").rename(tmp_path / "a.mp4")
    refused(path, r"it begins like AVI: rename it to \.avi")


@pytest.mark.parametrize(
    "name", ["frame_%d.avi", "frame_%02d.avi", "concat:a.avi", "http:a.avi", "-i.avi", "a|b.avi"]
)
def test_names_are_no_patterns_and_no_addresses(tmp_path, monkeypatch, name: str) -> None:
    for number in range(3):
        written(tmp_path / f"frame_{number}.avi")
    (tmp_path / "a.avi").write_bytes(written(tmp_path / "b.avi", 2).read_bytes())
    (tmp_path / name).write_bytes(written(tmp_path / "c.avi", 1).read_bytes())
    monkeypatch.chdir(tmp_path)
    capture = containers.opened(Path(name))
    assert capture.get(cv2.CAP_PROP_FRAME_COUNT) == 1


def test_series_of_pictures_are_no_video(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    for number in range(3):
        cv2.imwrite(f"img{number}.png", np.zeros((8, 8, 3), np.uint8))
    with pytest.raises(FileNotFoundError, match=r"img%d\.png"):
        containers.opened(Path("img%d.png"))
    refused(Path("img0.png"), "expected a name that ends in")


@pytest.mark.parametrize(
    "source", ["http://127.0.0.1/a.mp4", "pipe:0", "rtsp://127.0.0.1/a.mp4", "concat:a.mp4|b.mp4"]
)
def test_addresses_are_no_files(source: str) -> None:
    with pytest.raises(FileNotFoundError, match="there is no video"):
        containers.opened(Path(source))


def test_pipes_and_folders_are_no_videos(tmp_path) -> None:
    os.mkfifo(tmp_path / "a.mp4")
    refused(tmp_path / "a.mp4", "is a device or a pipe")
    (tmp_path / "b.mp4").mkdir()
    refused(tmp_path / "b.mp4", "is a folder")


def test_huge_frames_are_refused(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(containers, "_MOST_PIXELS", 64 * 48 - 1)
    refused(written(tmp_path / "a.mp4"), r"has frames of 64 x 48 pixels; at most 3,071")


def test_what_others_tell_ffmpeg_stays(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("OPENCV_FFMPEG_CAPTURE_OPTIONS", "rtsp_transport;udp")
    containers.opened(written(tmp_path / "a.mp4"))
    assert os.environ["OPENCV_FFMPEG_CAPTURE_OPTIONS"] == "rtsp_transport;udp"
