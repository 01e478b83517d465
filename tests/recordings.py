"""Recordings that tests make: videos, folders of frames and sound."""

import io
import wave
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

RATE = 25.0
#: Codecs that OpenCV's own FFmpeg writes, by the ending of a file's name.
_CODES = {".mkv": "FFV1", ".mp4": "mp4v", ".mov": "mp4v", ".avi": "MJPG", ".flv": "FLV1", ".webm": "VP80"}


def pictures(count: int, height: int = 48, width: int = 64) -> list[np.ndarray]:
    """Grey frames, RGB uint8 `[height, width, 3]`, whose brightness tells their `number`."""
    return [np.full((height, width, 3), 4 + 5 * number, np.uint8) for number in range(count)]


def number(picture: np.ndarray) -> int:
    """The number of a frame of `pictures`; coding makes grey darker by up to 4."""
    return round((float(picture.mean()) - 2) / 5)


def write_video(path: Path, frames: Sequence[np.ndarray], rate: float = RATE) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    height, width = frames[0].shape[:2] if frames else (48, 64)
    code = cv2.VideoWriter_fourcc(*_CODES[path.suffix])
    writer = cv2.VideoWriter(str(path), code, rate, (width, height))
    assert writer.isOpened()
    for frame in frames:
        writer.write(cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))
    writer.release()
    return path


def write_frames(folder: Path, frames: Sequence[np.ndarray], suffix: str = ".png") -> Path:
    """Names them frame_0, frame_1 ... without zeros in front."""
    folder.mkdir(parents=True, exist_ok=True)
    for place, frame in enumerate(frames):
        content = cv2.imencode(suffix, cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))[1].tobytes()
        (folder / f"frame_{place}{suffix}").write_bytes(content)
    return folder


def tone(hertz: float, seconds: float = 0.5, rate: int = 16_000, level: float = 0.5) -> np.ndarray:
    """A sine, float64 `[samples]`, of a height of `level`."""
    return level * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)


def wav(samples: np.ndarray, rate: int = 16_000, bits: int = 16) -> bytes:
    """A WAV file of PCM.

    Args:
        samples: Floats in [-1, 1), `[samples]` or `[samples, channels]`.
        rate: Samples a second.
        bits: 8, 16, 24 or 32 each.
    """
    levels = np.rint(samples * 2.0 ** (bits - 1)).astype(np.int64)
    width = bits // 8
    levels = levels + 128 if width == 1 else levels
    content = levels.astype("<i8").reshape(-1, 1).view(np.uint8)[:, :width].tobytes()
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setparams((1 if samples.ndim == 1 else samples.shape[1], width, rate, 0, "NONE", ""))
        writer.writeframes(content)
    return file.getvalue()


def write_wav(path: Path, samples: np.ndarray, rate: int = 16_000, bits: int = 16) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(wav(samples, rate, bits))
    return path
