"""The jitter buffer: bursts in, a steady stream out."""

import threading
import time

import pytest

from protocol.audio import PcmFormat
from satellite.audio.jitter import JitterBuffer

FORMAT = PcmFormat(4000, 2, 1)


class Log:
    def __init__(self):
        self.started = 0
        self.drained = 0

    def on_started(self):
        self.started += 1

    def on_drained(self):
        self.drained += 1


@pytest.fixture
def log():
    return Log()


@pytest.fixture
def buffer(log):
    return JitterBuffer(
        FORMAT, start_seconds=60 / 4000, on_started=log.on_started, on_drained=log.on_drained
    )


def audio(frames, value=1):
    return bytes([value, 0]) * frames


SILENCE = bytes(40)


def test_playing_waits_for_the_first_60_frames(buffer, log):
    buffer.open()
    buffer.push(audio(59))
    assert buffer.pull(40) == SILENCE
    assert log.started == 0
    buffer.push(audio(1))
    assert buffer.pull(40) == audio(20)
    assert log.started == 1


def test_a_short_reply_plays_when_it_is_finished(buffer, log):
    buffer.open()
    buffer.push(audio(30))
    buffer.finish()
    assert buffer.pull(40) == audio(20)
    assert log.drained == 0
    assert buffer.pull(40) == audio(10) + bytes(20)
    assert log.drained == 1
    assert buffer.pull(40) == SILENCE
    assert (buffer.played, buffer.underruns, buffer.active) == (30, 0, False)
    assert log.drained == 1


def test_an_empty_reply_drains(buffer, log):
    buffer.open()
    buffer.finish()
    assert buffer.pull(40) == SILENCE
    assert (log.started, log.drained) == (0, 1)


def test_an_underrun_is_silence_counted_once_and_then_fills_up_again(buffer, log):
    buffer.open()
    buffer.push(audio(70))
    out = [buffer.pull(40) for _ in range(6)]
    assert out[3:] == [audio(10) + bytes(20), SILENCE, SILENCE]
    assert buffer.underruns == 1
    buffer.push(audio(10))
    assert buffer.pull(40) == SILENCE
    buffer.push(audio(50))
    assert buffer.pull(40) == audio(20)
    assert buffer.underruns == 1
    assert buffer.played == 90
    assert log.started == 1


def test_audio_is_neither_lost_nor_reordered_however_it_is_cut(buffer):
    data = bytes(range(1, 201)) * 2
    buffer.open()
    for start in range(0, len(data), 14):
        buffer.push(data[start : start + 14])
    buffer.finish()
    assert b"".join(buffer.pull(n) for n in (2, 100, 34, 4, 200, 100))[: len(data)] == data


def test_hold_is_silent_and_resume_goes_on_with_the_next_frame(buffer):
    buffer.open()
    buffer.push(audio(40, 1) + audio(60, 2))
    buffer.pull(80)
    buffer.hold()
    assert buffer.pull(40) == SILENCE
    assert buffer.played == 40
    buffer.resume()
    assert buffer.pull(40) == audio(20, 2)
    assert buffer.underruns == 0


def test_hold_without_a_reply_does_not_hold_the_next(buffer):
    buffer.hold()
    assert not buffer.held
    buffer.open()
    buffer.push(audio(60))
    assert buffer.pull(40) == audio(20)


def test_clear_is_silent_at_once_drains_nothing_and_keeps_the_count(buffer, log):
    buffer.open()
    buffer.push(audio(100))
    buffer.pull(40)
    buffer.clear()
    assert buffer.pull(40) == SILENCE
    assert (buffer.played, log.drained, buffer.buffered_seconds) == (20, 0, 0)
    buffer.open()
    assert buffer.played == 0


def test_a_second_stream_joins_the_one_that_plays(buffer, log):
    assert not buffer.open()
    buffer.push(audio(60))
    buffer.finish()
    assert buffer.open()
    buffer.push(audio(60))
    for _ in range(5):
        buffer.pull(40)
    assert log.drained == 0
    buffer.finish()
    buffer.pull(40)
    assert (log.drained, buffer.played) == (1, 120)


def test_a_device_thread_gets_every_frame_exactly_once(buffer, log):
    got = []
    stop = threading.Event()

    def device():
        while not stop.is_set():
            got.append(buffer.pull(40))

    thread = threading.Thread(target=device)
    thread.start()
    try:
        buffer.open()
        for n in range(2000):
            buffer.push(audio(3, 1 + n % 255))
        buffer.finish()
        deadline = time.monotonic() + 10
        while not log.drained and time.monotonic() < deadline:
            time.sleep(0.001)
    finally:
        stop.set()
        thread.join()
    played = b"".join(got).replace(b"\0", b"")
    assert played == b"".join(bytes([1 + n % 255]) * 3 for n in range(2000))
