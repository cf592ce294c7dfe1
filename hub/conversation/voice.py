"""Which voice speaks: one and the same for a whole reply."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass

from hub.config import TtsSettings
from hub.engines.base import TextToSpeech


@dataclass(frozen=True, slots=True)
class Voice:
    """A loaded engine, and how it is to speak.

    Args:
        engine: speaks.
        name: one of its voices; None for its default.
        description: how it is to sound, in words; "" leaves it to the voice.
    """

    engine: TextToSpeech
    name: str | None = None
    description: str = ""

    @staticmethod
    def of(engine: TextToSpeech, settings: TtsSettings) -> "Voice":
        """Return the voice that the settings want, as far as the engine has it.

        (One that stands in has other voices.)
        """
        name = settings.voice if settings.voice in engine.voices else None
        return Voice(engine, name, settings.description if engine.describable else "")

    def say(self, words: str) -> AsyncGenerator[bytes]:
        """Yield the speech of a clause; see `hub.engines.base.TextToSpeech`."""
        return self.engine.synthesize(words, voice=self.name, description=self.description)
