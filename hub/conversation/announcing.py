"""Announcements: speech that nobody asked for, behind a chime."""

from contextlib import aclosing
from dataclasses import dataclass

import numpy as np

from hub.config import Settings
from hub.conversation.clauses import ClauseSplitter
from hub.conversation.patience import pieces_of
from hub.conversation.speakable import Speakable
from hub.conversation.stages import LOADING_PATIENCE
from hub.conversation.voice import Voice
from hub.engines.base import EngineError, TextToSpeech
from hub.engines.supervisor import Supervised
from protocol.audio import PcmFormat

_CHIME = ((784.0, 0.16), (1047.0, 0.34))  # (Hz, seconds), one after another
_CHIME_LEVEL = 0.2  # of full scale
_AFTER_CHIME = 0.25  # seconds of silence


@dataclass(frozen=True, slots=True)
class Announcement:
    """What is announced, spoken already.

    Args:
        text: what it says.
        form: of the sound.
        pcm: chime and speech.
    """

    text: str
    form: PcmFormat
    pcm: bytes


async def speak(
    text: str, tts: Supervised[TextToSpeech], settings: Settings, *, chime: bool = True
) -> Announcement:
    """Return the announcement of `text`, all of it in one voice.

    Where the voice fails and another one works, that one speaks it.

    Raises:
        EngineError: the voice failed, or is not there.
        ValueError: there is no word in it.
    """
    if not Speakable(settings.language).push(text):
        raise ValueError("there is nothing in it that can be said")

    async def said_by(engine: TextToSpeech) -> tuple[PcmFormat, bytes]:
        sound = bytearray()
        voice = Voice.of(engine, settings.tts)
        splitter = ClauseSplitter(quick_start=False, least=engine.clause_letters[0])
        speakable = Speakable(settings.language)
        for sentence in [*splitter.push(text), *splitter.flush()]:
            if not (words := speakable.push(sentence)):
                continue
            async with aclosing(pieces_of(voice.say(words), "tts")) as pieces:
                async for pcm in pieces:
                    sound += pcm
        return engine.format, bytes(sound)

    form, pcm = await tts.do(said_by, timeout=LOADING_PATIENCE)
    if not pcm:
        raise EngineError("tts: made no sound")
    return Announcement(text, form, (chime_of(form) if chime else b"") + pcm)


def chime_of(form: PcmFormat) -> bytes:
    """Return the chime in a 16-bit format: two tones that die away, and a little silence."""
    parts = []
    for frequency, seconds in _CHIME:
        times = np.arange(round(seconds * form.rate)) / form.rate
        # Soft edges, against clicks.
        rise = np.minimum(times / 0.008, 1.0) * np.exp(-4.0 * times / seconds)
        fall = np.minimum((seconds - times) / 0.02, 1.0)
        parts.append(np.sin(2 * np.pi * frequency * times) * rise * fall)
    parts.append(np.zeros(round(_AFTER_CHIME * form.rate)))
    samples = (np.concatenate(parts) * _CHIME_LEVEL * 32767).astype("<i2")
    return np.repeat(samples, form.channels).tobytes()
