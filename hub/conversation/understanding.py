"""What somebody says, in words: whole at each pause, in drafts while they speak."""

import asyncio
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, replace

from hub.config import Settings, spoken_language
from hub.conversation.endpoint import Utterance
from hub.conversation.nonsense import Verdict, judge, normalised
from hub.conversation.partials import StablePrefix
from hub.conversation.patience import answer_of
from hub.conversation.stages import LOADING_PATIENCE
from hub.conversation.wake_phrase import strip_wake_phrase
from hub.engines.base import SpeechToText, Transcript
from hub.engines.supervisor import Supervised

_MOST_BIAS = 400  # letters: about 100 of the 223 tokens that Whisper takes
_MOST_BIAS_ENTRY = 60
_COUGH_SECONDS = 0.3  # of more speech, which may be none


@dataclass(frozen=True, slots=True)
class Words:
    """The transcript of an utterance.

    Args:
        utterance: what was heard.
        text: the words, without those of the wake word.
        verdict: whether somebody said them.
        at: when they were there, on the loop's clock.
    """

    utterance: Utterance
    text: str
    verdict: Verdict
    at: float


class Understanding:
    """Speech-to-text of one turn.

    Args:
        stt: the engine.
        settings: the hub's.
        wake_phrase: what woke the satellite, or None.
        names: the rooms', which may be said.
    """

    def __init__(
        self,
        stt: Supervised[SpeechToText],
        settings: Settings,
        wake_phrase: str | None,
        names: Sequence[str] = (),
    ) -> None:
        self.words: Words | None = None  # the newest
        self._stt = stt
        self._language = spoken_language(settings)
        self._wake_phrase = wake_phrase
        self._bias = bias_of((*settings.stt.words, *names))
        self._stable = StablePrefix()

    async def transcribe(self, utterance: Utterance) -> Words:
        """Return the words of `utterance`; they are the newest then.

        Raises:
            EngineError: speech-to-text failed, and its supervisor knows.
        """
        transcript = await self._transcribed(utterance.pcm, self._bias)
        text = strip_wake_phrase(transcript.text, self._wake_phrase)
        verdict = judge(replace(transcript, text=text), utterance.speech_seconds)
        text, verdict = self._despite_noise(utterance, text, verdict)
        self.words = Words(utterance, text, verdict, asyncio.get_running_loop().time())
        return self.words

    async def draft(self, utterance: Utterance) -> str:
        """Return the words of `utterance`, which goes on, quickly and not for good.

        Raises:
            EngineError: speech-to-text failed, and its supervisor knows.
        """
        transcript = await self._transcribed(utterance.pcm, draft=True)
        return strip_wake_phrase(transcript.text, self._wake_phrase)

    async def _transcribed(
        self, pcm: bytes, bias: Sequence[str] = (), *, draft: bool = False
    ) -> Transcript:
        def work(stt: SpeechToText) -> Awaitable[Transcript]:
            asked = stt.transcribe(pcm, language=self._language, bias=bias, draft=draft)
            return answer_of(asked, "stt")

        return await self._stt.do(work, timeout=LOADING_PATIENCE)

    def certain(self, text: str) -> str | None:
        """Take a newer transcript; return all that is certain now, or None if that is no more."""
        return self._stable.text if self._stable.push(text) else None

    def _despite_noise(
        self, utterance: Utterance, text: str, verdict: Verdict
    ) -> tuple[str, Verdict]:
        """Take the earlier transcript, where only a cough came since and makes nonsense of it."""
        before = self.words
        if verdict is Verdict.OK or before is None or before.verdict is not Verdict.OK:
            return text, verdict
        if utterance.speech_seconds - before.utterance.speech_seconds >= _COUGH_SECONDS:
            return text, verdict
        return before.text, before.verdict


def bias_of(words: Sequence[str]) -> tuple[str, ...]:
    """Return names and terms without repetition, as many as Whisper should be given."""
    chosen: dict[str, None] = {}
    left = _MOST_BIAS
    for word in words:
        plain = " ".join(word.split())
        if not plain or len(plain) > _MOST_BIAS_ENTRY or plain in chosen:
            continue
        left -= len(plain) + 2
        if left < 0:
            break
        chosen[plain] = None
    return tuple(chosen)


def same(one: str, other: str) -> bool:
    """Say whether two transcripts are the same words."""
    return normalised(one) == normalised(other)
