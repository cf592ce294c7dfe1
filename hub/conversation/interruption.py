"""Whether what is said over a reply is meant to interrupt it.

The satellite is quiet already, so there is no hurry to flush; but a false alarm leaves a hole in
the reply, and the sooner it goes on the better. Much of what is said while somebody else speaks is
no interruption: "mhm", "yeah", laughter (back-channels, Yngve 1970: 19 % of all utterances in
telephone conversations, Jurafsky et al. 1997).
"""

import asyncio
import logging
import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from difflib import SequenceMatcher
from enum import Enum

from hub.config import Settings, spoken_language
from hub.conversation.nonsense import (
    FEW_WORDS,
    FEW_WORDS_LOG_PROBABILITY,
    Verdict,
    judge,
    normalised,
)
from hub.conversation.patience import activity_of, answer_of, where
from hub.conversation.playback import Playback
from hub.conversation.wake_phrase import strip_wake_phrase
from hub.engines.base import (
    VAD_FRAME_BYTES,
    VAD_FRAME_SECONDS,
    EngineError,
    SpeechToText,
    Transcript,
    VoiceActivity,
)
from hub.engines.supervisor import Supervised
from hub.engines.thread import client
from protocol.audio import Chunker

_LOGGER = logging.getLogger(__name__)

DECIDE_SECONDS = 1.5
"""After that long it is decided, whatever is known."""

_LOADING_PATIENCE = 0.2  # seconds; an engine that loads anew hears nothing of this
_PAUSE = 0.1  # seconds of silence at which it is worth a look at the words
_OVER = 0.3  # seconds of silence after which nothing more is expected
_NOBODY = 1.1  # seconds without speech, of which the satellite sends 0.8 at once
_LONG = 0.8  # seconds of speech without a pause that are worth a look
_LEAST_SPEECH = 0.12  # seconds; what is shorter is no word
_SURELY_SPEECH = 1.0  # seconds that nobody says "mhm" for; counts where no words were to be had
_MORE = 0.4  # seconds of speech after a ruling that overrule it: "Stop ... the music, please"
_LEAD_IN = 0.3  # seconds kept before the first voiced frame
_ECHO_WORDS_HEARD = 12  # of the reply, up to where it was held
_ECHO_WORDS_AHEAD = 8  # reports are a little old
_ECHO_SHARE = 0.7
_ANSWER_WORDS = 3  # "Tea or coffee?" "Coffee, please."

_STOP = re.compile(
    r"(?:(?:please|hey|ok|okay|no|oh|well|just|alright|all right|parlour|parlor|you can|now|so"
    r"|would you|will you|could you|can you|i said|thank you|thanks) )*"
    r"(?:stop(?: (?:it|that|talking|speaking|reading|there|stop))*"
    r"|be quiet|quiet|be silent|silence|shut up|hush|shush|shh+"
    r"|cancel(?: (?:it|that|this))?|never ?mind(?: (?:it|that))?|forget (?:it|about it|that)"
    r"|(?:thats |that is |thatll be |that will be )?enough(?: of that)?"
    r"|(?:thats|that is) (?:all|it)(?: i (?:need|needed|wanted))?"
    r"|no more|wait|hold on|hang on|not now)"
    r"(?: (?:please|now|thanks|thank you|parlour|parlor|ok|okay|already|for now|a (?:moment|minute"
    r"|second)))*"
)
# Single words and fixed phrases, none of which is made of others: so there is one way to read each
# text, and no long one takes long.
_BACKCHANNEL = re.compile(
    r"(?:(?:m+|m+h+m*|h+m+|u+h+|u+m+|huh|aha+|ah+|oh+|ooh|wow|whoa|(?:ha)+h?|(?:he)+h?|lol"
    r"|yeah|yea|yep|yup|yes|ok|okay|right|sure|cool|nice|great|good|lovely|really|true|exactly"
    r"|indeed|alright|all right|i see|i know|got it|gotcha|of course|thats right|thats true"
    r"|thats (?:good|great|nice|cool|interesting|funny)|interesting|amazing|funny|no way|oh no"
    r"|fair enough|makes sense|thank you|thanks|bless you|well|so|and|the|you|very (?:good|nice)"
    r")(?: |$))+"
)


def is_stop(text: str, language: str) -> bool:
    """Say whether `text` is nothing but the wish for silence: "Stop.", "No, be quiet".

    No model takes part, so that it always works. In languages other than English only the word
    "stop" is known, which many of them share.
    """
    words = normalised(text)
    if language != "en":
        return set(words.split()) == {"stop"}
    return _STOP.fullmatch(words) is not None


def is_backchannel(text: str) -> bool:
    """Say whether `text` is what people say to show that they listen: "Mhm.", "Oh, I see."."""
    return _BACKCHANNEL.fullmatch(normalised(text)) is not None


def is_echo(text: str, playback: Playback) -> bool:
    """Say whether `text` is what the reply itself was just saying.

    Most of its words have to come, in their order, where the reply was held.
    """
    words = normalised(text).split()
    heard, sent = normalised(playback.heard()).split(), normalised(playback.text).split()
    begin = max(0, len(heard) - _ECHO_WORDS_HEARD)
    spoken = sent[begin : len(heard) + _ECHO_WORDS_AHEAD]
    matcher = SequenceMatcher(None, words, spoken, autojunk=False)
    same = sum(block.size for block in matcher.get_matching_blocks())
    return bool(words) and same >= _ECHO_SHARE * len(words)


class Ruling(Enum):
    """What becomes of a reply that somebody speaks over."""

    RESUME = "no interruption"
    STOP = "stop"
    LISTEN = "an interruption"  # what they say is the next turn


class Overheard:
    """Sound that is listened to twice: by the judge, and from its beginning by the next turn.

    Args:
        sound: 16 kHz mono 16-bit, any cut.
    """

    def __init__(self, sound: AsyncIterator[bytes]) -> None:
        self._sound = sound
        self._kept: list[bytes] = []

    async def first(self) -> AsyncIterator[bytes]:
        """Yield the sound as it comes."""
        async for pcm in self._sound:
            self._kept.append(pcm)
            yield pcm

    async def again(self) -> AsyncIterator[bytes]:
        """Yield all of it from its beginning; nobody may be at `first` any more."""
        kept, self._kept = self._kept, []
        for pcm in kept:
            yield pcm
        async for pcm in self._sound:
            yield pcm


class Judge:
    """Listens to what is said over replies.

    Args:
        vad: tells speech.
        stt: tells words.
        settings: the hub's.
    """

    def __init__(
        self,
        vad: Supervised[VoiceActivity],
        stt: Supervised[SpeechToText],
        settings: Settings,
    ) -> None:
        self._vad = vad
        self._stt = stt
        self._settings = settings

    async def rule(
        self, room: str, sound: Overheard, playback: Playback, phrases: Sequence[str] = ()
    ) -> Ruling:
        """Decide what becomes of the reply, within 1.5 s; what fails meanwhile is no interruption.

        Args:
            room: whose share of the engines this takes.
            sound: what the satellite hears, from a little before the first word on.
            playback: of the reply that is held.
            phrases: the satellite's wake words, which say nothing by themselves: it notices them.
        """
        client.set(room)
        hearing = _Hearing(phrases)
        try:
            async with asyncio.timeout(DECIDE_SECONDS):
                return await self._rule(hearing, sound, playback)
        except TimeoutError:
            more = hearing.ruling is Ruling.STOP or hearing.began_anew
            if hearing.unseen_seconds >= (_MORE if more else _SURELY_SPEECH):
                return Ruling.LISTEN
        except Exception as exc:  # whatever it is, the reply goes on
            why = str(exc) if isinstance(exc, EngineError) else where(exc)
            _LOGGER.warning("%s: nobody can tell who speaks over the reply: %s", room, why)
        return hearing.ruling or Ruling.RESUME

    async def _rule(self, hearing: "_Hearing", sound: Overheard, playback: Playback) -> Ruling:
        activity = await activity_of(self._vad, timeout=_LOADING_PATIENCE)
        chunker = Chunker(VAD_FRAME_BYTES)
        threshold = self._settings.turn.speech_threshold
        looking: asyncio.Task[None] | None = None  # beside the hearing, which goes on
        try:
            async for pcm in sound.first():
                for frame in chunker.push(pcm):
                    probability = await activity.probability(frame)
                    hearing.push(frame, voiced=probability >= threshold)
                if looking is not None and looking.done():
                    looking.result()  # an engine's error
                    looking = None
                if hearing.ruling is Ruling.LISTEN:
                    break
                if looking is None and hearing.worth_a_look:
                    looking = asyncio.create_task(self._look(hearing, playback), name="look")
                if looking is None and hearing.over:
                    break  # (while it looks, they may go on)
            if looking is not None:
                await looking
            if hearing.ruling is not Ruling.LISTEN and hearing.spoken and hearing.unseen_seconds:
                await self._look(hearing, playback)
        finally:
            if looking is not None:
                looking.cancel()
                await asyncio.gather(looking, return_exceptions=True)
        return hearing.ruling or Ruling.RESUME

    async def _look(self, hearing: "_Hearing", playback: Playback) -> None:
        """See what the words so far come to."""
        language = self._settings.language
        voiced, seconds = hearing.voiced, hearing.speech_seconds
        async with self._stt.lent(timeout=_LOADING_PATIENCE) as stt:
            work = stt.transcribe(hearing.pcm, language=spoken_language(self._settings), draft=True)
            transcript = await answer_of(work, "stt", timeout=DECIDE_SECONDS)
        text = transcript.text
        for phrase in hearing.wake_phrases:
            if is_stop(text, language):  # as may be a wake word
                break
            text = strip_wake_phrase(text, phrase)
        heard = replace(transcript, text=text)
        hearing.saw(voiced, self._of_words(heard, seconds, playback))

    def _of_words(self, heard: Transcript, speech_seconds: float, playback: Playback) -> Ruling:
        text = heard.text
        if is_stop(text, self._settings.language):
            return Ruling.STOP
        verdict = judge(heard, speech_seconds)
        words, asks = len(normalised(text).split()), playback.saying.endswith("?")
        few = words <= FEW_WORDS
        # ("Mhm" is "Hama" to tiny.en, at -1.44, and "mm-hmm" is "Mama", at -0.80.)
        unsure = few and heard.avg_logprob < FEW_WORDS_LOG_PROBABILITY
        if verdict is not Verdict.OK or unsure:
            return Ruling.RESUME
        if is_echo(text, playback) and not (asks and words <= _ANSWER_WORDS):
            return Ruling.RESUME  # (an answer may be a word of the question)
        if is_backchannel(text) and not asks:
            return Ruling.RESUME  # (to a question "yes" is an answer)
        return Ruling.LISTEN


class _Hearing:
    """What was heard so far, and what it came to."""

    def __init__(self, wake_phrases: Sequence[str]) -> None:
        self.wake_phrases = wake_phrases
        self.ruling: Ruling | None = None  # of the words up to the last look
        self._sound = bytearray()
        self._frames = 0
        self.voiced = 0  # frames
        self._first: int | None = None
        self._last = 0
        self._seen = 0  # voiced frames that it covers
        self._before_pause = 0  # voiced frames up to the last pause

    def push(self, frame: bytes, *, voiced: bool) -> None:
        if voiced:
            if self._first is None:
                self._first = self._frames
            elif (self._frames - 1 - self._last) * VAD_FRAME_SECONDS >= _PAUSE:
                self._before_pause = self.voiced
            self._last = self._frames
            self.voiced += 1
        self._sound += frame
        self._frames += 1

    @property
    def speech_seconds(self) -> float:
        return self.voiced * VAD_FRAME_SECONDS

    @property
    def unseen_seconds(self) -> float:
        """Of speech that the ruling does not cover."""
        return (self.voiced - self._seen) * VAD_FRAME_SECONDS

    @property
    def began_anew(self) -> bool:
        """Whether there was a pause between what the ruling covers and what it does not."""
        return 0 < self._seen <= self._before_pause

    @property
    def spoken(self) -> bool:
        return self.speech_seconds >= _LEAST_SPEECH

    @property
    def pcm(self) -> bytes:
        """From just before the first word on."""
        first = max(0, (self._first or 0) - round(_LEAD_IN / VAD_FRAME_SECONDS))
        return bytes(self._sound[first * VAD_FRAME_BYTES :])

    @property
    def _silence(self) -> float:
        return (self._frames - 1 - self._last) * VAD_FRAME_SECONDS

    @property
    def over(self) -> bool:
        """Whether nothing more is expected."""
        if not self.spoken:
            return self._silence >= _NOBODY
        return self._silence >= _OVER

    @property
    def worth_a_look(self) -> bool:
        """Whether to look at the words now, where no look is under way."""
        new = self.unseen_seconds
        return self.spoken and (new >= _LONG or (new > 0 and self._silence >= _PAUSE))

    def saw(self, voiced: int, ruling: Ruling) -> None:
        """Take what the first `voiced` frames of speech come to."""
        self._seen, self.ruling = voiced, ruling
