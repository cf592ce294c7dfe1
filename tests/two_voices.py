"""A hub whose voice is another than hibari, which stands in for it; both scripted."""

import asyncio

from scripted import ScriptedTts
from web_hub import Engines

from hub.config import TtsSettings
from hub.engines.base import EngineError, Speed

PARLER = TtsSettings(engine="parler")
LOADS, FAILS, SLOW, WORKS = "loads", "fails", "slow", "works"


class DescribedVoice(ScriptedTts):
    """Speaks as it is described, or does not."""

    name = "parler"
    device = "cuda"
    describable = True
    voices = ("Jon", "Laura")

    def __init__(self, how=WORKS):
        super().__init__(0.002)
        self.how = how
        self.goes = asyncio.Event()  # on with loading
        self.asked = []  # (text, voice, description)
        self.speed = Speed(2.34 if how == SLOW else 0.4, 0.2)

    async def load(self):
        if self.how == LOADS:
            await self.goes.wait()
        if self.how == FAILS:
            raise EngineError("no kernel image is available for this card")

    async def synthesize(self, text, *, voice=None, description=""):
        self.asked.append((text, voice, description))
        async for pcm in super().synthesize(text, voice=voice):
            yield pcm


class FastVoice(ScriptedTts):
    """The one that stands in."""

    name = "hibari"


def two_voices(how=WORKS):
    """The engines of a hub with both."""
    engines = Engines()
    engines.tts, engines.stand_in = DescribedVoice(how), FastVoice(0.002)
    return engines
