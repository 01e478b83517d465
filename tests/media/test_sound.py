import io
import struct

import numpy as np
import pytest
from recordings import tone, wav, write_wav
from scipy.io import wavfile

from kfer.media.sound import SoundError, read_wav


def strongest(sound: np.ndarray) -> float:
    """The frequency, in hertz, of which there is most."""
    spectrum = np.abs(np.fft.rfft(sound * np.hanning(len(sound)), 1 << 18))
    return float(spectrum.argmax() * 16_000 / (1 << 18))


def decibels(sound: np.ndarray) -> float:
    """The level of a sine of half of the full height is 0."""
    return 20 * np.log10(np.sqrt(np.mean((sound / 16384.0) ** 2) * 2) + 1e-9)


def extensible(samples: np.ndarray) -> bytes:
    """WAVE_FORMAT_EXTENSIBLE of 16-bit PCM, one channel of 16 kHz, with a note before the sound."""
    guid = b"\x01\x00\x00\x00\x00\x00\x10\x00\x80\x00\x00\xaa\x00\x38\x9b\x71"
    form = struct.pack("<HHIIHHHHI", 0xFFFE, 1, 16_000, 32_000, 2, 16, 22, 16, 4) + guid
    parts = b"".join(
        kind + struct.pack("<I", len(part)) + part
        for kind, part in ((b"fmt ", form), (b"note", b"kids"), (b"data", samples.tobytes()))
    )
    return b"RIFF" + struct.pack("<I", 4 + len(parts)) + b"WAVE" + parts


def test_sound_in_its_final_form_comes_back_as_it_is(tmp_path):
    levels = np.int16([0, 1, -1, 32767, -32768, 12345])
    path = write_wav(tmp_path / "a.wav", levels / 32768)
    sound = read_wav(path)
    assert sound.dtype == np.int16
    np.testing.assert_array_equal(sound, levels)
    np.testing.assert_array_equal(read_wav(path.read_bytes()), levels)
    np.testing.assert_array_equal(read_wav(extensible(levels)), levels)


@pytest.mark.parametrize(("bits", "error"), [(8, 128), (16, 0), (24, 1), (32, 1)])
def test_every_width_is_the_same_sound(bits, error):
    expected = np.rint(tone(440) * 32768)
    assert np.abs(read_wav(wav(tone(440), bits=bits)) - expected).max() <= error


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_floating_point_is_cut_at_full_scale(kind):
    file = io.BytesIO()
    wavfile.write(file, 16_000, np.array([0.5, -1.0, 1.0, 7.0, -7.0, np.nan], kind))
    assert read_wav(file.getvalue()).tolist() == [16384, -32768, 32767, 32767, -32768, 0]


def test_channels_are_averaged():
    stereo = np.stack([np.full(100, 0.5), np.full(100, -0.25)], axis=1)
    assert set(read_wav(wav(stereo)).tolist()) == {4096}
    six = np.zeros((100, 6))
    six[:, 4] = 0.75
    assert set(read_wav(wav(six)).tolist()) == {4096}


@pytest.mark.parametrize("rate", [8_000, 11_025, 22_050, 44_100, 48_000, 96_000])
def test_a_tone_keeps_its_pitch_its_level_and_its_length(rate):
    sound = read_wav(wav(tone(440, 1.0, rate), rate))
    assert abs(len(sound) - 16_000) <= 1
    assert strongest(sound[1000:-1000]) == pytest.approx(440, abs=0.5)
    assert decibels(sound[1000:-1000]) == pytest.approx(0, abs=0.05)


@pytest.mark.parametrize("rate", [22_050, 44_100, 48_000])
@pytest.mark.parametrize("hertz", [8_200, 9_000, 10_560])
def test_what_cannot_be_carried_vanishes_instead_of_becoming_another_tone(rate, hertz):
    sound = read_wav(wav(tone(hertz, 1.0, rate), rate))
    assert decibels(sound[1000:-1000]) < -70


def test_stereo_of_24_bits_at_44_100_hertz():
    left, right = tone(440, 1.0, 44_100), tone(12_000, 1.0, 44_100)
    sound = read_wav(wav(np.stack([left, right], axis=1), 44_100, 24))
    assert len(sound) == 16_000
    assert strongest(sound[1000:-1000]) == pytest.approx(440, abs=0.5)
    # Half of one channel and nothing of the other.
    assert decibels(sound[1000:-1000]) == pytest.approx(-6.02, abs=0.05)


WHOLE = wav(tone(440))


def damaged(place: int, form: str, value: int) -> bytes:
    content = bytearray(WHOLE)
    struct.pack_into(form, content, place, value)
    return bytes(content)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "a.wav is empty"),
        (b"no sound at all, but a text", "a.wav is no WAV file"),
        (b"RIFF\x04\x00\x00\x00AVI ", "a.wav is no WAV file"),
        (WHOLE[:20], "a.wav is cut off"),
        (WHOLE[:40], "a.wav is cut off: it has no part 'data'"),
        (WHOLE[:5000], r"a.wav is cut off, .* of it has 16,000 bytes, of which 4,956 are there"),
        (damaged(40, "<I", 0xFFFFFFFF), "or was written to a pipe"),
        (wav(np.zeros(0)), "a.wav has no samples"),
        (damaged(22, "<H", 0), r"a.wav cannot be read \(.*expected a WAV file of PCM"),
        (damaged(20, "<H", 6), r"a.wav cannot be read \(.*ALAW.*expected a WAV file of PCM"),
        (wav(tone(440), rate=100), "has 100 samples a second; expected 4,000 to 192,000"),
        (wav(tone(440), rate=4_000_000), "has 4,000,000 samples a second"),
    ],
)
def test_what_is_no_sound_is_said_to_be_none(tmp_path, content, message):
    (tmp_path / "a.wav").write_bytes(content)
    with pytest.raises(SoundError, match=message):
        read_wav(tmp_path / "a.wav")


def test_a_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"a\.wav"):
        read_wav(tmp_path / "a.wav")
