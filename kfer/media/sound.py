"""Sound of WAV files, all in one form: one channel, 16 bits, one rate."""

import io
import math
import os
import struct
from pathlib import Path

import numpy as np
from scipy import signal
from scipy.io import wavfile

#: The rates that are read, in samples a second: from below a telephone's to a sound card's.
LEAST_RATE, LARGEST_RATE = 4_000, 192_000


class SoundError(ValueError):
    """Sound that cannot be read; the message names it and says why."""


def read_wav(
    source: str | os.PathLike[str] | bytes, rate: int = 16_000, name: str | None = None
) -> np.ndarray:
    """Returns the sound of a WAV file in one channel; several are averaged.

    Other rates are resampled: what lies above half of the new rate is filtered out first.

    Args:
        source: A file's path, or its content: PCM of 8 (unsigned), 16, 24 or 32 bits, or floating point
            in [-1, 1].
        rate: Samples a second of what is returned.
        name: How messages call it; by default its path.

    Returns:
        int16 `[samples]` in [-32768, 32767].

    Raises:
        FileNotFoundError: There is no such file.
        SoundError: It is no WAV of these, cut off, without samples, or of a rate outside of
            [4,000, 192,000].
    """
    name = name or ("the bytes" if isinstance(source, bytes) else str(source))
    content = source if isinstance(source, bytes) else Path(source).read_bytes()
    own_rate, samples = _read(content, name)
    if not LEAST_RATE <= own_rate <= LARGEST_RATE:
        raise SoundError(
            f"{name} has {own_rate:,} samples a second; expected {LEAST_RATE:,} to {LARGEST_RATE:,}"
        )
    if not len(samples):
        raise SoundError(f"{name} has no samples")
    sound = _fractions(samples)
    if sound.ndim == 2:
        sound = sound.mean(axis=1)
    if own_rate != rate:
        sound = _resampled(sound, own_rate, rate)
    return np.clip(np.rint(sound * 32768), -32768, 32767).astype(np.int16)


def _read(content: bytes, name: str) -> tuple[int, np.ndarray]:
    """The rate, and the samples as they are, `[samples]` or `[samples, channels]`."""
    # Only what says the form and the sound itself: at other parts SciPy warns, and stops at broken ones.
    parts = b"".join(_part(content, kind, name) for kind in (b"fmt ", b"data"))
    try:
        return wavfile.read(io.BytesIO(b"RIFF" + struct.pack("<I", 4 + len(parts)) + b"WAVE" + parts))
    except Exception as error:  # a reader may fail in any way on what was made to make it fail
        raise SoundError(
            f"{name} cannot be read ({error}); expected a WAV file of PCM with 8, 16, 24 or 32 bits, or "
            "of floating point"
        ) from error


def _part(content: bytes, kind: bytes, name: str) -> bytes:
    """The first part of a kind, with its head, of an even length."""
    if content[:4] != b"RIFF" or content[8:12] != b"WAVE":
        raise SoundError(f"{name} is {'no WAV file' if content else 'empty'}")
    position = 12
    while position + 8 <= len(content):
        found, size = struct.unpack_from("<4sI", content, position)
        end = position + 8 + size
        if found == kind:
            if len(content) < end:
                raise SoundError(
                    f"{name} is cut off, or was written to a pipe: a part of it has {size:,} bytes, of "
                    f"which {len(content) - position - 8:,} are there"
                )
            return content[position:end] + bytes(size % 2)
        position = end + size % 2
    raise SoundError(f"{name} is cut off: it has no part {kind.decode().strip()!r}")


def _resampled(sound: np.ndarray, own_rate: int, rate: int) -> np.ndarray:
    """Sound at another rate, without what the lower of the two rates cannot carry.

    SciPy's own filter lets a tone of 8.5 kHz through to 16 kHz, as one of 7.5 kHz, at 14 dB less. This
    one, which passes up to 0.91 of half of the lower rate, leaves less than 80 dB of it.
    """
    common = math.gcd(rate, own_rate)
    up, down = rate // common, own_rate // common
    longest = max(up, down)
    response = signal.firwin(128 * longest + 1, 0.95 / longest, window=("kaiser", 8.0))
    return signal.resample_poly(sound, up, down, window=response.astype(np.float32))


def _fractions(samples: np.ndarray) -> np.ndarray:
    """Samples of a file's own kind as float32, full scale at 1."""
    if samples.dtype == np.uint8:
        return (samples.astype(np.float32) - 128) / 128
    if samples.dtype.kind == "i":
        return samples.astype(np.float32) / np.float32(2.0 ** (8 * samples.dtype.itemsize - 1))
    return np.clip(np.nan_to_num(samples.astype(np.float32)), -1, 1)
