"""Microphones and speakers made of wave files."""

import asyncio
import contextlib
import itertools
import time

import numpy as np
import pytest

from protocol.audio import PcmFormat, read_wav, write_wav
from satellite.audio import wave_files
from satellite.audio.devices import FRAME_SAMPLES, DeviceError, open_microphone, open_speaker
from satellite.audio.wave_files import SpoolMicrophone, WaveMicrophone, WaveSpeaker

FRAME = FRAME_SAMPLES * 2
TIMEOUT = 20.0


async def first_frames(microphone, count):
    frames = []
    async with asyncio.timeout(TIMEOUT), contextlib.aclosing(microphone.frames()) as stream:
        async for frame in stream:
            frames.append(frame)
            if len(frames) == count:
                break
    return frames


def speech(seconds, value=1000):
    return np.full(round(seconds * 16000), value, "<i2").tobytes()


async def test_a_wave_file_is_heard_once_after_its_delay_and_then_silence(tmp_path):
    write_wav(tmp_path / "a.wav", PcmFormat(16000, 2, 1), speech(0.1))
    frames = await first_frames(WaveMicrophone(tmp_path / "a.wav", delay=0.064), 10)
    assert {len(frame) for frame in frames} == {FRAME}
    heard = b"".join(frames)
    assert heard == bytes(1024 * 2) + speech(0.1) + bytes(len(heard) - 2048 - 3200)


async def test_any_wave_format_is_heard_as_16_khz_mono(tmp_path):
    times = np.arange(44100) / 44100
    left = (np.sin(2 * np.pi * 440 * times) * 10000).astype("<i2")
    write_wav(tmp_path / "a.wav", PcmFormat(44100, 2, 2), np.stack([left, left], axis=1).tobytes())
    pcm = np.frombuffer(wave_files.load_speech(tmp_path / "a.wav"), "<i2")
    assert len(pcm) == pytest.approx(16000, abs=2)
    assert np.argmax(np.abs(np.fft.rfft(pcm))) * 16000 / len(pcm) == pytest.approx(440, abs=2)


@pytest.mark.parametrize("content", [None, b"", b"RIFF....WAVE", b"no wave file at all" * 10])
async def test_a_missing_or_broken_wave_file_is_a_device_error(tmp_path, content):
    path = tmp_path / "bad.wav"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DeviceError, match=r"bad\.wav"):
        await first_frames(WaveMicrophone(path), 1)


async def test_the_microphone_keeps_real_time_against_an_absolute_clock():
    begin = time.monotonic()
    await first_frames(open_microphone("silence"), 16)
    assert time.monotonic() - begin >= 16 * 0.032


async def test_after_a_stall_what_is_older_than_a_second_is_lost(tmp_path):
    values = np.arange(16000 * 8) // FRAME_SAMPLES  # sample value = number of its frame
    write_wav(tmp_path / "a.wav", PcmFormat(16000, 2, 1), values.astype("<i2").tobytes())
    numbers = []
    async with (
        asyncio.timeout(TIMEOUT),
        contextlib.aclosing(WaveMicrophone(tmp_path / "a.wav").frames()) as stream,
    ):
        async for frame in stream:
            numbers.append(int(np.frombuffer(frame, "<i2")[0]))
            if len(numbers) == 3:
                time.sleep(1.6)  # noqa: ASYNC251  the whole process is held up
            if len(numbers) == 10:
                break
    assert numbers[:3] == [0, 1, 2]
    lost = numbers[3] - numbers[2] - 1
    assert lost >= int((1.6 - 1.0) / 0.032) - 1
    assert numbers[3:] == list(range(numbers[3], numbers[3] + 7))


async def test_the_spool_plays_files_in_name_order_and_marks_them(tmp_path):
    for name, value in (("b", 2000), ("a", 1000)):
        write_wav(tmp_path / f"{name}.wav", PcmFormat(16000, 2, 1), speech(0.1, value))
    (tmp_path / "aa.wav").write_bytes(b"not a wave file")
    heard = b""
    async with (
        asyncio.timeout(TIMEOUT),
        contextlib.aclosing(SpoolMicrophone(tmp_path).frames()) as stream,
    ):
        async for frame in stream:
            heard += frame
            if (tmp_path / "b.wav.done").exists():
                break
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "a.wav.done",
        "aa.wav.bad",
        "b.wav.done",
    ]
    samples = np.frombuffer(heard, "<i2")
    assert list(samples[samples != 0]) == [1000] * 1600 + [2000] * 1600


async def test_the_spool_hears_a_file_that_appears_later_and_makes_its_folder(tmp_path):
    folder = tmp_path / "say"
    heard = []
    async with (
        asyncio.timeout(TIMEOUT),
        contextlib.aclosing(SpoolMicrophone(folder).frames()) as stream,
    ):
        async for frame in stream:
            heard.append(frame)
            if len(heard) == 8:
                write_wav(folder / "new.part", PcmFormat(16000, 2, 1), speech(0.1))
                (folder / "new.part").rename(folder / "new.wav")
            if any(frame):
                break
    assert not any(b"".join(heard[:8]))


async def test_the_speaker_s_file_is_a_true_timeline_with_silence(tmp_path):
    path = tmp_path / "heard.wav"
    speaker = WaveSpeaker(path, PcmFormat(24000, 2, 1))
    blocks = iter([bytes(960)] * 5 + [b"\1\0" * 480] * 3)
    begin = time.monotonic()
    await speaker.start(lambda n_frames: next(blocks, bytes(2 * n_frames)))
    await asyncio.sleep(0.5)
    await speaker.close()
    lasted = time.monotonic() - begin
    audio_format, pcm = read_wav(path)
    assert audio_format == speaker.format
    assert 0.3 <= audio_format.seconds(len(pcm)) <= lasted
    samples = np.frombuffer(pcm, "<i2")
    assert np.count_nonzero(samples) == 3 * 480
    await speaker.close()


async def test_a_stalled_speaker_leaves_a_gap_of_its_true_length(tmp_path):
    path = tmp_path / "heard.wav"
    speaker = WaveSpeaker(path, PcmFormat(8000, 2, 1))
    pulls = itertools.count()
    pulled = []

    def source(n_frames):
        if next(pulls) == 2:
            time.sleep(0.6)  # the device's own thread is held up
        pulled.append(n_frames)
        return b"\1\0" * n_frames

    begin = time.monotonic()
    await speaker.start(source)
    await asyncio.sleep(1.0)
    await speaker.close()
    lasted = time.monotonic() - begin
    audio_format, pcm = read_wav(path)
    samples = np.frombuffer(pcm, "<i2")
    assert np.count_nonzero(samples) == sum(pulled)
    assert np.count_nonzero(samples == 0) / 8000 >= 0.5
    assert audio_format.seconds(len(pcm)) == pytest.approx(lasted, abs=0.3)


@pytest.mark.parametrize("name", ["", "wave", "wave:", "alsa:default", "spool:"])
def test_an_unknown_device_is_refused_with_what_there_is(name):
    with pytest.raises(DeviceError, match=r"wave:FILE"):
        open_microphone(name)
    with pytest.raises(DeviceError, match=r"null"):
        open_speaker(name, rate=24000)


async def test_a_speaker_file_that_cannot_be_written_is_a_device_error(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(DeviceError, match="cannot write"):
        await open_speaker(f"wave:{tmp_path}/file/heard.wav", rate=24000).start(bytes)


async def test_no_folder_is_made_for_a_speaker_s_file(tmp_path):
    with pytest.raises(DeviceError, match=r"no folder .*missing"):
        await open_speaker(f"wave:{tmp_path}/missing/heard.wav", rate=24000).start(bytes)
    assert not (tmp_path / "missing").exists()


async def test_no_folder_is_made_above_the_spool(tmp_path):
    with pytest.raises(DeviceError, match="cannot make the spool folder"):
        await first_frames(SpoolMicrophone(tmp_path / "missing" / "say"), 1)
    assert not (tmp_path / "missing").exists()
