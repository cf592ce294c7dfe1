"""Recordings of people, beside the checkout; without them the tests that hear them are skipped."""

from pathlib import Path

import pytest

from protocol.audio import SPEECH, Converter, read_wav

AUDIO = Path(__file__).resolve().parents[2] / "shared" / "audio"


def recording(name: str) -> bytes:
    """One of them, 16 kHz mono 16-bit."""
    if not (AUDIO / name).exists():
        pytest.skip(f"no {name}: the recordings of ../shared/audio are not here")
    form, pcm = read_wav(AUDIO / name)
    converter = Converter(form, SPEECH)
    return converter.process(pcm) + converter.flush()
