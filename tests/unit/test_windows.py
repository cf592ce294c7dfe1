"""Where long sound is cut."""

import numpy as np

from hub.engines.base import VAD_FRAME_BYTES, VAD_FRAME_SAMPLES, VAD_FRAME_SECONDS
from hub.service.windows import WINDOW_SECONDS, Window, Windows

RNG = np.random.default_rng(1)


def frame(level: float) -> bytes:
    return (RNG.standard_normal(VAD_FRAME_SAMPLES) * level).astype("<i2").tobytes()


def cut(levels: list[float], voice: list[float]) -> tuple[list[Window], list[bytes]]:
    """Return the windows of frames so loud and so likely to be speech, and the frames."""
    windows, frames = Windows(), [frame(level) for level in levels]
    pairs = zip(frames, voice, strict=True)
    full = [window for f, p in pairs if (window := windows.push(f, p)) is not None]
    return [*full, windows.flush(b"")], frames


def test_what_fits_is_one_window_to_the_last_sample():
    windows, frames = Windows(), [frame(1000) for _ in range(937)]  # 29.98 s
    assert [windows.push(f, 1.0) for f in frames] == [None] * 937
    window = windows.flush(b"\1\2" * 256)  # 30 s, exactly
    assert window.pcm == b"".join(frames) + b"\1\2" * 256
    assert len(window.pcm) == WINDOW_SECONDS * 32000
    assert window.speech_seconds(0.5) == 937 * VAD_FRAME_SECONDS


def test_half_a_sample_at_the_end_is_left_out():
    assert Windows().flush(b"\1\2\3").pcm == b"\1\2"


def test_a_cut_is_in_the_middle_of_a_pause():
    voice = [1.0] * 1200
    voice[700:720] = [0.0] * 20
    windows, _ = cut([1000.0] * 1200, voice)
    assert len(windows[0].pcm) // VAD_FRAME_BYTES in range(704, 717)


def test_a_pause_counts_more_than_a_moment_of_little_sound():
    voice, levels = [0.9] * 1200, [1000.0] * 1200
    levels[600:604] = [0.0] * 4  # a plosive
    voice[800:815], levels[800:815] = [0.05] * 15, [300.0] * 15  # a pause with noise in it
    windows, _ = cut(levels, voice)
    assert len(windows[0].pcm) // VAD_FRAME_BYTES in range(803, 813)


def test_where_nobody_pauses_it_is_where_there_is_least_sound():
    levels = [1000.0] * 1200
    levels[650:660] = [50.0] * 10
    windows, _ = cut(levels, [1.0] * 1200)
    assert len(windows[0].pcm) // VAD_FRAME_BYTES in range(652, 659)


def test_nothing_is_lost_or_doubled_and_no_window_is_too_long_or_short():
    voice = RNG.random(8000).tolist()
    windows, frames = cut([500.0] * 8000, voice)
    assert b"".join(window.pcm for window in windows) == b"".join(frames)
    assert [p for window in windows for p in window.voice] == voice
    assert all(len(window.pcm) <= WINDOW_SECONDS * 32000 for window in windows)
    assert all(len(window.pcm) >= WINDOW_SECONDS / 2 * 31900 for window in windows[:-1])
