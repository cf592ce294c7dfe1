"""What is between a sound device's process and the satellite; the devices are in tests/e2e."""

import asyncio
import contextlib
import importlib.util
import itertools
import os
import subprocess
import sys
import time

import numpy as np
import psutil
import pytest

from protocol.audio import SPEECH, PcmFormat
from satellite.audio import device_child, device_process
from satellite.audio.device_child import HEADER, SOUND, Ears, Mouth
from satellite.audio.device_process import Gone, Pipe
from satellite.audio.devices import FRAME_SAMPLES, DeviceError, open_microphone, open_speaker
from satellite.audio.pyaudio_devices import Capture, Playback

TIMEOUT = 20.0
BLOCK = 384  # samples: 16 ms of 24 kHz


def tone(rate, channels=1, seconds=1.0, hertz=440):
    times = np.arange(round(rate * seconds)) / rate
    samples = (np.sin(2 * np.pi * hertz * times) * 10000).astype("<i2")
    return np.repeat(samples[:, None], channels, axis=1)


def loudest(pcm, rate):
    samples = np.frombuffer(pcm, "<i2")
    return np.argmax(np.abs(np.fft.rfft(samples))) * rate / len(samples)


@pytest.mark.parametrize(("rate", "channels"), [(16000, 1), (44100, 2), (48000, 4), (8000, 1)])
def test_any_device_format_becomes_32_ms_frames_of_16_khz_mono(rate, channels):
    capture = Capture(PcmFormat(rate, 2, channels), None)
    pcm = tone(rate, channels).tobytes()
    block = rate // 100 * 2 * channels
    frames = [f for at in range(0, len(pcm), block) for f in capture.frames(pcm[at : at + block])]
    assert {len(frame) for frame in frames} == {FRAME_SAMPLES * 2}
    assert len(frames) * FRAME_SAMPLES / SPEECH.rate == pytest.approx(1.0, abs=0.11)
    assert loudest(b"".join(frames), SPEECH.rate) == pytest.approx(440, abs=3)


def test_one_channel_is_taken_out_of_many():
    samples = np.zeros((48000, 4), "<i2")
    samples[:, 2] = tone(48000)[:, 0]
    for channel, heard in ((3, True), (2, False)):
        frames = Capture(PcmFormat(48000, 2, 4), channel).frames(samples.tobytes())
        assert np.frombuffer(b"".join(frames), "<i2").any() == heard


@pytest.mark.parametrize(("rate", "channels"), [(24000, 1), (48000, 2), (44100, 2)])
def test_a_device_gets_exactly_as_much_as_it_asks_for_in_its_own_format(rate, channels):
    sound = tone(24000, seconds=2)[:, 0].tobytes()
    taken = 0

    def source(n_frames):
        nonlocal taken
        pcm = sound[taken : taken + 2 * n_frames].ljust(2 * n_frames, b"\0")
        taken += 2 * n_frames
        return pcm

    playback = Playback(source, PcmFormat(24000, 2, 1), PcmFormat(rate, 2, channels))
    block = rate // 50
    blocks = [playback.pull(block) for _ in range(50)]
    assert {len(pcm) for pcm in blocks} == {block * 2 * channels}
    played = np.frombuffer(b"".join(blocks), "<i2").reshape(-1, channels)
    assert (played == played[:, :1]).all()
    assert loudest(played[:, 0].tobytes(), rate) == pytest.approx(440, abs=3)
    assert taken / 48000 == pytest.approx(1.0, abs=0.1)


@pytest.fixture
def pipes(monkeypatch):
    """Stand-ins for a device process's standard input and output, not blocking."""
    stdin, feed = os.pipe()
    drain, stdout = os.pipe()
    os.set_blocking(stdin, False)
    os.set_blocking(stdout, False)
    monkeypatch.setattr(device_child, "_STDIN", stdin)
    monkeypatch.setattr(device_child, "_STDOUT", stdout)
    yield feed, drain
    for descriptor in (stdin, feed, drain, stdout):
        os.close(descriptor)


def give(feed, pcm):
    """Send a speaker's process its next block."""
    os.write(feed, bytes([SOUND]) + pcm)


def test_the_microphone_s_callback_never_waits_and_loses_whole_messages(pipes):
    _, drain = pipes
    ears = Ears()
    blocks = [bytes([number % 256]) * 1500 for number in range(200)]  # a pipe holds 64 KiB
    begin = time.monotonic()
    for block in blocks:
        ears.callback(block, 750, None, 0)
    assert time.monotonic() - begin < 1
    sent = bytearray(os.read(drain, 1 << 20))
    for block in blocks[:4]:
        ears.callback(block, 750, None, 0)
    sent += os.read(drain, 1 << 20)
    messages = []
    while sent:
        size, lost = HEADER.unpack(sent[: HEADER.size])
        messages.append((bytes(sent[HEADER.size : HEADER.size + size]), lost))
        del sent[: HEADER.size + size]
    assert messages[0] == (blocks[0] + blocks[1], 0)
    assert messages[-1] == (blocks[2] + blocks[3], (102 - len(messages)) * 3000)


def test_the_speaker_s_callback_never_waits_and_plays_in_order(pipes):
    feed, drain = pipes
    mouth = Mouth(2, 100)
    assert mouth.callback(None, 100, None, 0) == (bytes(200), 0)  # asks, and has nothing yet
    assert os.read(drain, 10) == b"\2\2"  # then two are not played
    assert mouth.callback(None, 100, None, 0) == (bytes(200), 0)  # and does not ask again
    give(feed, b"\1" * 200)
    for number in range(2, 7):
        give(feed, bytes([number]) * 200)
        assert mouth.callback(None, 100, None, 0) == (bytes([number - 1]) * 200, 0)
        assert os.read(drain, 10) == b"\2"


class Listener:
    """Plays a speaker's part: takes blocks of a tone in bursts, and answers in between."""

    def __init__(self, pipes):
        self.feed, self.drain = pipes
        self.mouth = Mouth(2, BLOCK)
        self.mouth.begin_with(0.04)  # as ALSA says for any sound server
        self.tone = itertools.cycle(tone(24000, seconds=BLOCK / 24000, hertz=24000 / 96)[:, 0])
        self.loud = True

    def hear(self, blocks, burst):
        """Return the loudest sample of each 4 ms."""
        heard = b""
        for number in range(blocks):
            heard += self.mouth.callback(None, BLOCK, None, 0)[0]
            if (number + 1) % burst == 0:
                self.answer()
        return np.abs(np.frombuffer(heard, "<i2")).reshape(-1, 96).max(1)

    def answer(self):
        with contextlib.suppress(BlockingIOError):
            for _ in os.read(self.drain, 100):
                samples = itertools.islice(self.tone, BLOCK)
                pcm = np.fromiter(samples, "<i2").tobytes()
                give(self.feed, pcm if self.loud else bytes(len(pcm)))


@pytest.fixture
def listener(pipes):
    os.set_blocking(pipes[1], False)
    return Listener(pipes)


@pytest.mark.parametrize("burst", [1, 2, 3, 5, 8])
def test_a_steady_tone_has_no_gaps_however_many_blocks_are_asked_for_at_once(listener, burst):
    listener.hear(8 * burst, burst)
    assert np.count_nonzero(listener.hear(400 * burst, burst) < 5000) == 0


def test_little_is_heard_after_the_satellite_s_last_word_even_after_large_bursts(listener):
    listener.hear(80, 8)
    listener.hear(700, 1)
    listener.loud = False
    assert np.count_nonzero(listener.hear(20, 1) > 0) <= 2 * 4


def start(code):
    return subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
    )


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("import time; time.sleep(60)", "does not answer"),
        ("import sys; sys.exit(3)", "it stopped"),
        ("import os; os.abort()", "its process ended with code -6"),
        ("import os, time; os.close(1); time.sleep(60)", "hangs while it ends"),
    ],
)
def test_a_process_that_hangs_or_ends_is_noticed_and_can_be_ended(code, message):
    process = start(code)
    try:
        with pytest.raises(Gone, match=message):
            Pipe(process).read(1, timeout=1.0)
    finally:
        device_process._end(process)
    assert process.returncode is not None


@pytest.mark.parametrize(
    "code", ["print('nonsense')", "import os, time; os.close(1); time.sleep(60)"]
)
def test_a_list_that_cannot_be_read_is_a_device_error(code, monkeypatch):
    monkeypatch.setattr(device_process, "_start", lambda _: start(code))
    with pytest.raises(DeviceError, match="the sound devices cannot be listed"):
        device_process.find_devices()


def test_a_device_process_runs_nothing_that_lies_in_the_current_folder(tmp_path, monkeypatch):
    for name in ("json.py", "satellite.py"):
        (tmp_path / name).write_text(f"import os; os.mkdir({str(tmp_path / 'was run')!r})")
    monkeypatch.chdir(tmp_path)
    with contextlib.suppress(DeviceError):  # no pyaudio
        device_process.find_devices()
    assert not (tmp_path / "was run").exists()


def test_a_device_process_that_hangs_dies_with_its_satellite():
    hangs = (
        "import time; from satellite.audio import device_child as child;"
        "child._die_with_the_satellite(); print(flush=True); time.sleep(60)"
    )
    satellite = start(
        "import subprocess, sys, time;"
        f"p = subprocess.Popen([sys.executable, '-c', {hangs!r}], stdin=-1, stdout=-1);"
        "p.stdout.readline(); print(p.pid, flush=True); time.sleep(60)"
    )
    try:
        child = psutil.Process(int(satellite.stdout.readline()))
    finally:
        satellite.kill()
        satellite.wait()
    gone, alive = psutil.wait_procs([child], timeout=3)
    for process in alive:
        process.kill()
    assert gone == [child]


@pytest.mark.skipif(importlib.util.find_spec("pyaudio") is not None, reason="pyaudio is installed")
async def test_without_pyaudio_one_line_says_what_to_install():
    for opening in (
        anext(open_microphone("default").frames()),
        open_speaker("default", rate=24000).start(bytes),
    ):
        async with asyncio.timeout(TIMEOUT):
            with pytest.raises(DeviceError, match=r"portaudio19-dev.*pip install '\.\[mic\]'"):
                await opening


@pytest.mark.skipif(importlib.util.find_spec("pyaudio") is None, reason="no pyaudio")
async def test_a_device_that_is_not_there_cannot_be_opened():
    async with asyncio.timeout(TIMEOUT):
        with pytest.raises(DeviceError, match="no microphone"):
            await anext(open_microphone("pyaudio:no such device").frames())
        with pytest.raises(DeviceError, match="no speaker"):
            await open_speaker("pyaudio:no such device", rate=24000).start(bytes)
