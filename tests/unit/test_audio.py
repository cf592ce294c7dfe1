"""Formats, conversion, chunks, level and wave files."""

import math
import os
import random
import signal
import struct
import subprocess
import sys
import wave
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from recordings import AUDIO

from protocol.audio import (
    SPEECH,
    BadFormat,
    BadWav,
    Chunker,
    Converter,
    PcmFormat,
    WavWriter,
    from_float32,
    level,
    read_wav,
    to_float32,
    write_wav,
)

RATES = [8000, 16000, 22050, 44100, 48000]


def sine(form: PcmFormat, hertz: float = 440.0, seconds: float = 1.0, peak: float = 0.5) -> bytes:
    """A sine in every channel, laid out sample by sample, with none of the code under test."""
    scale = 2 ** (8 * form.width - 1)
    frames = bytearray()
    for n in range(round(seconds * form.rate)):
        value = round(peak * (scale - 1) * math.sin(2 * math.pi * hertz * n / form.rate))
        if form.width == 1:
            sample = bytes([value + 128])
        else:
            sample = value.to_bytes(form.width, "little", signed=True)
        frames += sample * form.channels
    return bytes(frames)


def frequency(samples: NDArray[np.float32], rate: int) -> float:
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(np.argmax(spectrum)) * rate / len(samples)


def converted(source: PcmFormat, target: PcmFormat, pcm: bytes) -> bytes:
    converter = Converter(source, target)
    return converter.process(pcm) + converter.flush()


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("width", [1, 2, 3, 4])
@pytest.mark.parametrize("rate", RATES)
def test_any_input_becomes_speech_format_with_its_pitch_level_and_length(
    rate: int, width: int, channels: int
) -> None:
    source = PcmFormat(rate, width, channels)
    samples = to_float32(converted(source, SPEECH, sine(source)))
    assert abs(len(samples) - 16000) <= 1
    middle = samples[1000:-1000]
    assert frequency(middle, 16000) == pytest.approx(440, abs=2)
    rms = float(np.sqrt(np.mean(middle.astype(np.float64) ** 2)))
    assert 20 * math.log10(rms / (0.5 / math.sqrt(2))) == pytest.approx(0, abs=0.15)


@pytest.mark.parametrize("width", [1, 2, 3, 4])
@pytest.mark.parametrize("rate", [8000, 22050, 48000])
def test_speech_format_becomes_any_output_with_its_pitch_level_and_length(
    rate: int, width: int
) -> None:
    target = PcmFormat(rate, width, 2)
    pcm = converted(SPEECH, target, sine(SPEECH))
    assert len(pcm) % target.bytes_per_frame == 0
    assert abs(len(pcm) // target.bytes_per_frame - rate) <= 1
    expected = np.frombuffer(sine(target), np.uint8).reshape(-1, width)
    actual = np.frombuffer(pcm, np.uint8).reshape(-1, width)
    n = min(len(expected), len(actual))

    def high(samples: NDArray[np.uint8]) -> NDArray[np.float64]:
        """The most significant byte, which shows a wrong byte order or sign at once."""
        top = samples[:n, -1]
        return (top.astype(np.float64) - 128) if width == 1 else top.view(np.int8).astype(float)

    error = (high(expected) - high(actual))[2000:-2000]
    assert np.abs(error).max() <= 1.0


@pytest.mark.parametrize(
    ("source", "target"),
    [
        (PcmFormat(44100, 3, 2), SPEECH),
        (PcmFormat(8000, 1, 1), SPEECH),
        (PcmFormat(48000, 4, 4), PcmFormat(22050, 2, 2)),
        (PcmFormat(22050, 2, 1), PcmFormat(48000, 2, 2)),
        (PcmFormat(16000, 3, 2), SPEECH),  # no resampling
        (SPEECH, SPEECH),
    ],
    ids=str,
)
def test_output_does_not_depend_on_how_the_input_was_cut(
    source: PcmFormat, target: PcmFormat
) -> None:
    rng = random.Random(1)
    pcm = rng.randbytes(source.bytes_for(0.2))
    whole = converted(source, target, pcm)
    assert len(whole) == pytest.approx(target.bytes_for(0.2), abs=target.bytes_per_frame)
    for largest in (11, 300, 5000):
        converter, parts, at = Converter(source, target), [], 0
        while at < len(pcm):
            size = rng.randint(0, largest)
            parts.append(converter.process(pcm[at : at + size]))
            at += size
        assert all(len(part) % target.bytes_per_frame == 0 for part in parts) or source == target
        assert b"".join([*parts, converter.flush()]) == whole


def test_equal_formats_pass_through_untouched() -> None:
    pcm = random.Random(2).randbytes(1001)
    assert converted(SPEECH, SPEECH, pcm) == pcm


@pytest.mark.parametrize("width", [1, 2, 3])
def test_widening_and_narrowing_again_changes_no_sample(width: int) -> None:
    narrow, wide = PcmFormat(16000, width, 1), PcmFormat(16000, 4, 1)
    pcm = random.Random(3).randbytes(width * 5000)
    assert converted(wide, narrow, converted(narrow, wide, pcm)) == pcm


def test_a_converter_is_fresh_after_a_flush() -> None:
    source = PcmFormat(44100, 2, 2)
    pcm = sine(source, seconds=0.3)
    converter = Converter(source, SPEECH)
    first = converter.process(pcm + b"\x7f") + converter.flush()  # with a stray byte at its end
    second = converter.process(pcm) + converter.flush()
    assert first == second


def test_flush_without_input_is_empty() -> None:
    assert Converter(PcmFormat(44100, 2, 1), SPEECH).flush() == b""


def test_channels_are_averaged_and_mono_is_copied() -> None:
    stereo = PcmFormat(16000, 2, 2)
    assert converted(stereo, SPEECH, struct.pack("<4h", 1000, 3000, -100, 100)) == struct.pack(
        "<2h", 2000, 0
    )
    assert converted(SPEECH, stereo, struct.pack("<2h", 5, -7)) == struct.pack("<4h", 5, 5, -7, -7)
    both = struct.pack("<4h", 1, 2, 3, 4)
    assert converted(stereo, PcmFormat(16000, 4, 2), both) == struct.pack(
        "<4i", *(n << 16 for n in (1, 2, 3, 4))
    )


@pytest.mark.parametrize("width", [1, 2, 3, 4])
def test_overshoot_is_clipped_and_never_wraps(width: int) -> None:
    source = PcmFormat(48000, 2, 1)
    # A square wave at full scale overshoots where its edges are band-limited
    square = struct.pack("<100h", *([32767] * 50 + [-32768] * 50)) * 100
    target = PcmFormat(16000, width, 1)
    pcm = converted(source, target, square)
    wide = np.frombuffer(converted(target, PcmFormat(16000, 4, 1), pcm), "<i4").astype(np.float64)
    # 33 samples a period: those in the middle of a half period are near full scale
    middle = wide[333:-333]
    assert np.percentile(middle, 75) > 0.9 * 2**31
    assert np.percentile(middle, 25) < -0.9 * 2**31
    jumps = np.sum(np.abs(np.diff(middle)) > 1.5 * 2**31)
    assert jumps <= len(middle) / 16  # at most the square's own edges


@pytest.mark.parametrize("numbers", [(3999, 2, 1), (384001, 2, 1), (16000, 0, 1), (16000, 5, 1)])
def test_an_impossible_format_is_refused(numbers: tuple[int, int, int]) -> None:
    with pytest.raises(BadFormat):
        PcmFormat(*numbers)


@pytest.mark.parametrize(
    "numbers", [(16000, 2, 0), (16000, 2, 9), (16000.0, 2, 1), ("16000", 2, 1), (16000, 2, True)]
)
def test_a_format_of_wrong_types_or_channels_is_refused(numbers: tuple[int, int, int]) -> None:
    with pytest.raises(BadFormat):
        PcmFormat(*numbers)


def test_a_format_converts_between_bytes_and_seconds() -> None:
    form = PcmFormat(44100, 3, 2)
    assert (form.bytes_per_frame, form.bytes_per_second) == (6, 264_600)
    assert form.seconds(264_600) == 1.0
    assert form.bytes_for(0.5) == 132_300
    assert form.bytes_for(0.00001) == 0
    assert form.bytes_for(1 / 3) % 6 == 0


def test_a_chunker_gives_exact_chunks_however_it_is_fed() -> None:
    rng = random.Random(4)
    data = rng.randbytes(10_000)
    chunker, chunks, at = Chunker(320), [], 0
    while at < len(data):
        size = rng.randint(0, 1000)
        chunks += chunker.push(data[at : at + size])
        at += size
    assert {len(chunk) for chunk in chunks} == {320}
    rest = chunker.flush()
    assert len(rest) == 10_000 % 320
    assert b"".join(chunks) + rest == data
    assert chunker.flush() == b""


def test_a_chunker_keeps_what_is_pushed_when_nobody_looks() -> None:
    chunker = Chunker(4)
    chunker.push(b"ab")
    assert list(chunker.push(b"cdef")) == [b"abcd"]


def test_a_chunk_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        Chunker(0)


@pytest.mark.parametrize(
    ("pcm", "decibels"),
    [
        (b"", -96.0),
        (bytes(3200), -96.0),
        (struct.pack("<2h", 1, 0), -93.3),
        (struct.pack("<2h", -32768, -32768), 0.0),
        (sine(SPEECH, peak=1.0), -3.01),
        (sine(SPEECH, peak=0.1), -23.01),
    ],
    ids=["empty", "silence", "one step", "full square", "full sine", "tenth sine"],
)
def test_level_is_in_decibels_of_full_scale(pcm: bytes, decibels: float) -> None:
    assert level(pcm) == pytest.approx(decibels, abs=0.05)


def test_half_a_sample_is_refused() -> None:
    for function in (level, to_float32):
        with pytest.raises(BadFormat):
            function(b"abc")


def test_floats_and_samples_turn_into_each_other_exactly() -> None:
    every = np.arange(-32768, 32768, dtype="<i2").tobytes()
    floats = to_float32(every)
    assert floats.dtype == np.float32
    assert (floats[0], floats[-1]) == (-1.0, np.float32(32767 / 32768))
    assert from_float32(floats) == every


def test_floats_out_of_range_are_clipped_and_nan_is_silence() -> None:
    samples = np.array([1.0, 1.5, -1.0, -9.0, np.inf, -np.inf, np.nan], np.float32)
    assert struct.unpack("<7h", from_float32(samples)) == (
        *(32767, 32767, -32768, -32768, 32767, -32768),
        0,
    )


@pytest.mark.parametrize("form", [SPEECH, PcmFormat(44100, 3, 2), PcmFormat(8000, 1, 1)], ids=str)
def test_a_wave_file_gives_back_what_was_written(form: PcmFormat, tmp_path: Path) -> None:
    pcm = sine(form, seconds=0.1)
    write_wav(tmp_path / "a.wav", form, pcm)
    assert read_wav(tmp_path / "a.wav") == (form, pcm)
    with wave.open(str(tmp_path / "a.wav")) as other:
        assert other.getnframes() == len(pcm) // form.bytes_per_frame


def _wav(tag: int = 1, bits: int = 16, rate: int = 16000, channels: int = 1) -> bytes:
    frame = channels * bits // 8
    fmt = struct.pack("<HHIIHH", tag, channels, rate, rate * frame, frame, bits)
    body = b"WAVEfmt " + struct.pack("<I", len(fmt)) + fmt + b"data" + struct.pack("<I", 4)
    return b"RIFF" + struct.pack("<I", len(body) + 4) + body + b"abcd"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"RIFF",
        b"ID3\x04" + bytes(100),
        b"RIFF\x10\0\0\0AVI LIST" + bytes(100),
        _wav()[:30],
        _wav()[:40],
        _wav(tag=3, bits=32),
        _wav(tag=0xFFFE),
        _wav(tag=7, bits=8),
        _wav(channels=0),
        _wav(channels=9, bits=16),
        _wav(rate=100),
        _wav(rate=0),
        _wav(bits=64),
        _wav(bits=0),
        _wav()[:-4],
    ],
    ids=[
        *("nothing", "four bytes", "mp3", "avi", "half a format", "no length", "float"),
        *("extensible", "mu-law", "no channels", "nine channels", "slow", "rate 0"),
        *("64 bit", "0 bit", "no audio"),
    ],
)
def test_what_is_no_usable_wave_file_is_refused_by_name(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "bad.wav"
    path.write_bytes(content)
    if content == _wav(tag=0xFFFE) and sys.version_info >= (3, 12):
        pytest.skip("from Python 3.12 on wave reads the extensible header, which this one lacks")
    with pytest.raises(BadWav, match=r"bad\.wav"):
        read_wav(path)


def test_a_random_mutation_of_a_wave_file_is_read_or_refused(tmp_path: Path) -> None:
    rng = random.Random(5)
    path = tmp_path / "fuzz.wav"
    outcomes = {True: 0, False: 0}
    for _ in range(2000):
        content = bytearray(_wav() * rng.randint(1, 2))
        for _ in range(rng.randint(1, 4)):
            content[rng.randrange(len(content))] = rng.choice((0, 1, 255, rng.randrange(256)))
        path.write_bytes(content[: rng.randint(20, len(content))])
        try:
            form, pcm = read_wav(path)
        except BadWav:
            outcomes[False] += 1
        else:
            assert len(pcm) % form.bytes_per_frame == 0
            outcomes[True] += 1
    assert min(outcomes.values()) > 50


def test_a_missing_file_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_wav(tmp_path / "none.wav")


def test_a_wave_file_that_was_cut_short_yields_its_whole_frames(tmp_path: Path) -> None:
    path = tmp_path / "short.wav"
    write_wav(path, PcmFormat(16000, 2, 2), bytes(range(200)))
    path.write_bytes(path.read_bytes()[:-51])
    assert read_wav(path) == (PcmFormat(16000, 2, 2), bytes(range(148)))


def test_a_wav_writer_takes_any_cut_and_closes_twice(tmp_path: Path) -> None:
    pcm = sine(PcmFormat(16000, 3, 2), seconds=0.2)
    writer = WavWriter(tmp_path / "a.wav", PcmFormat(16000, 3, 2))
    assert (tmp_path / "a.wav").stat().st_size == 44  # the header is there from the start
    for at in range(0, len(pcm), 1001):
        writer.write(pcm[at : at + 1001])
    writer.write(b"\1")  # an incomplete frame
    writer.close()
    writer.close()
    assert read_wav(tmp_path / "a.wav")[1] == pcm


def test_a_killed_process_leaves_a_readable_file(tmp_path: Path) -> None:
    path = tmp_path / "killed.wav"
    code = (
        "import sys, time; from pathlib import Path\n"
        "from protocol.audio import SPEECH, WavWriter\n"
        "wav = WavWriter(Path(sys.argv[1]), SPEECH)\n"
        "for second in range(3): wav.write(bytes([second]) * 32000)\n"
        "print('written', flush=True); time.sleep(60)\n"
    )
    root = Path(__file__).parents[2]
    with subprocess.Popen(
        [sys.executable, "-c", code, str(path)], cwd=root, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"written\n"
        os.kill(process.pid, signal.SIGKILL)
    assert read_wav(path) == (SPEECH, b"".join(bytes([n]) * 32000 for n in range(3)))


def test_real_recordings_become_speech_format_with_their_length() -> None:
    paths = sorted(AUDIO.glob("*.wav"))
    if not paths:
        pytest.skip("the shared recordings are not beside this checkout")
    for path in paths:
        form, pcm = read_wav(path)
        speech = converted(form, SPEECH, pcm)
        assert SPEECH.seconds(len(speech)) == pytest.approx(form.seconds(len(pcm)), abs=0.001)
        assert level(speech) > -60
