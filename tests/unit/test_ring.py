"""The ring buffer between microphone and wake word."""

import struct

from satellite.audio.ring import Ring


def samples(start, stop):
    return struct.pack(f"<{stop - start}h", *range(start, stop))


def test_audio_is_found_by_its_absolute_position():
    ring = Ring(0.1)
    for start in range(0, 1000, 100):
        ring.push(samples(start, start + 100))
    assert ring.end == 1000
    assert ring.since(990) == (990, samples(990, 1000))


def test_the_oldest_audio_falls_out_and_a_late_request_gets_what_is_left():
    ring = Ring(0.1)  # 1600 samples
    ring.push(samples(0, 1000))
    ring.push(samples(1000, 3000))
    assert ring.since(0) == (1400, samples(1400, 3000))
    assert ring.since(-5) == ring.since(0)


def test_a_position_in_the_future_is_now():
    ring = Ring(0.1)
    ring.push(samples(0, 100))
    assert ring.since(500) == (100, b"")


def test_clearing_forgets_the_audio_and_keeps_the_count():
    ring = Ring(0.1)
    ring.push(samples(0, 100))
    ring.clear()
    assert ring.since(0) == (100, b"")
    ring.push(samples(100, 150))
    assert ring.since(0) == (100, samples(100, 150))
