"""Text-to-speech by any Wyoming server."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from wyoming.event import Event
from wyoming.info import SelectProgram

from hub.engines.base import BadInput, EngineError, EngineUnavailable, Speed
from hub.engines.choices import THEIRS
from hub.engines.remote.wyoming import (
    Client,
    Exchange,
    checked_facts,
    installed,
    languages_in,
    objects_in,
    words_of,
)
from hub.engines.remote.wyoming_sound import Sound
from protocol.audio import PcmFormat
from protocol.connection import ConnectionClosed
from protocol.engine_keys import DESCRIPTION, VoiceFacts

_SILENCE = 20.0  # seconds that a server may work without a word
_FIRST_SILENCE = 120.0  # the first time: some load the voice only then
_SAMPLE_TIMEOUT = 240.0  # seconds for the whole of a first sentence
_SLOW = 0.7  # real-time factor, from which on it is measured again
_TRIES = 3
_NEXT_CYCLE = 3.0  # seconds after an audio-stop in which the end of the stream has to follow
_MOST_PAYLOAD = 16 * 1024 * 1024  # bytes: some servers send all of a text's sound in one event
_MOST_SPEAKERS = 20  # of one voice; where it has more they are not listed, but may be named
_SAMPLE = {  # what is said to learn the format and the speed
    "en": "All is well.",
    "de": "Alles ist gut.",
    "fr": "Tout va bien.",
    "es": "Todo está bien.",
    "it": "Va tutto bene.",
    "nl": "Alles is goed.",
}
_OTHER_SAMPLE = "1, 2, 3."


@dataclass(frozen=True, slots=True)
class _Voice:
    """A voice, or one speaker of it, as the server knows it."""

    program: str  # that is to be selected; "" for the server's first
    name: str  # "" leaves it to the server
    speaker: str
    languages: tuple[str, ...]

    def key(self) -> str:
        """Return how settings name it."""
        return f"{self.name}/{self.speaker}" if self.speaker else self.name or THEIRS


class WyomingTts(Client):
    """A voice of a Wyoming server.

    Args:
        uri: where it is, as `protocol.transport` has it.
        voice: its name for a voice, or VOICE/SPEAKER; None for its own choice.
        language: that is to be spoken, ISO 639-1.

    Raises:
        EngineUnavailable: `uri` is no address.
    """

    def __init__(self, uri: str, voice: str | None, language: str) -> None:
        super().__init__(uri, "tts.engine")
        self.languages: tuple[str, ...] = (language,)
        self.voices: tuple[str, ...] = ()
        self.format = PcmFormat(22050, 2, 1)
        self.describable = False
        self.clause_letters = VoiceFacts().clause_letters
        self.speed: Speed | None = None
        self._wanted = voice
        self._language = language
        self._known: dict[str, _Voice] = {}
        self._streams = False  # whether it is asked as a stream, so that the end is told
        self._ends = False  # whether it does tell
        self._loaded = False

    async def load(self) -> None:
        """Connect, learn its voices, its format and its speed from a first sentence.

        Raises:
            EngineUnavailable: nobody is there, or it lacks the voice or the language.
            EngineError: it does not answer, or not in Wyoming.
        """
        info = await self._remote.loaded("tts")
        chosen = self._choose(info)
        program = self._program_of(info)
        facts = checked_facts(program)
        self.name = words_of(program.get("name")) or self._remote.where
        self.languages = chosen.languages or (self._language,)
        self._streams = facts is None and program.get("supports_synthesize_streaming") is True
        if facts is not None:
            self._take(facts)
        sample = _SAMPLE.get(self._language, _OTHER_SAMPLE)
        await self._speak_sample(sample, _FIRST_SILENCE)
        if self.speed is None:  # our own processes know it
            self.speed = await self._speak_sample(sample, _SILENCE)
            for _ in range(_TRIES - 1):  # a busy moment must not count for good
                if self.speed.real_time_factor > _SLOW:
                    again = await self._speak_sample(sample, _SILENCE)
                    self.speed = min(self.speed, again, key=lambda one: one.real_time_factor)
        self._loaded = True

    async def close(self) -> None:
        """End all its connections."""
        self._loaded = False
        await super().close()

    async def synthesize(
        self, text: str, *, voice: str | None = None, description: str = ""
    ) -> AsyncGenerator[bytes]:
        """Yield the speech of one clause; see `hub.engines.base.TextToSpeech`.

        Closing it ends the connection, and with it the work of servers that notice. What is not
        asked for is not read, so no more waits here than fits into the socket and one event.

        Raises:
            BadInput: an unknown voice, or the server says so.
            EngineBusy: the server says so.
            EngineUnavailable: nobody is there.
            EngineError: it failed, went away or says nothing for 20 s.
        """
        if not self._loaded:
            raise EngineUnavailable(f"{self.name} is not loaded")
        chosen = self._known.get(voice or self.voices[0])
        if chosen is None:
            raise BadInput(f"{self.name}: no voice {voice!r}")
        if not text.strip():
            return
        sound = Sound(self.format)
        async with aclosing(self._pieces(text, chosen, description, sound, _SILENCE)) as pieces:
            async for pcm in pieces:
                yield pcm

    async def _pieces(
        self, text: str, voice: _Voice, description: str, sound: Sound, silence: float
    ) -> AsyncGenerator[bytes]:
        """Yield what the server says, one or more cycles of audio-start to audio-stop."""
        streams = self._streams
        async with self._remote.request(silence=silence, payload=_MOST_PAYLOAD) as exchange:
            for part in self._request(text, voice, description, streams):
                await exchange.write(part)
            stopped = False  # at an audio-stop; the next cycle or the end is to come
            while (event := await self._next(exchange, stopped and streams)) is not None:
                match event.type:
                    case "audio-start" | "audio-chunk":
                        stopped = False
                        for pcm in sound.take(event):
                            yield pcm
                    case "audio-stop":
                        if pcm := sound.flush():
                            yield pcm
                        stopped = True
                        if not streams:
                            return
                    case "synthesize-stopped":
                        if pcm := sound.flush():
                            yield pcm
                        self._ends = True
                        return

    async def _next(self, exchange: Exchange, between: bool) -> Event | None:
        """Return the next event; None where the reply is over, though nothing said so."""
        if self._ends or not between:
            return await exchange.read()
        try:
            async with asyncio.timeout(None if self._loaded else _NEXT_CYCLE) as clock:
                return await exchange.read()
        except ConnectionClosed:
            return None
        except TimeoutError:
            if not clock.expired():
                raise
            self._streams = False  # it answers the `synthesize` alone, and never ends a stream
            return None

    def _request(self, text: str, voice: _Voice, description: str, streams: bool) -> list[Event]:
        asked: dict[str, Any] = {"voice": {"language": self._language}}
        if voice.name:
            asked["voice"] = {"name": voice.name}
        if voice.speaker:
            asked["voice"]["speaker"] = voice.speaker
        if description and self.describable:
            asked[DESCRIPTION] = description
        whole = Event("synthesize", {"text": text, **asked})
        events = [SelectProgram(voice.program).event()] if voice.program else []
        if not streams:
            return [*events, whole]
        return [
            *events,
            Event("synthesize-start", asked),
            Event("synthesize-chunk", {"text": text}),
            whole,  # for servers that know no streams, as Home Assistant does it
            Event("synthesize-stop"),
        ]

    async def _speak_sample(self, text: str, silence: float) -> Speed:
        """Say something to nobody; learn the format the first time, and return how fast it was."""
        clock = asyncio.get_running_loop().time
        sound, began = Sound(None), clock()
        first, much = 0.0, 0
        voice = self._known[self.voices[0]]
        try:
            async with (
                asyncio.timeout(_SAMPLE_TIMEOUT) as limit,
                aclosing(self._pieces(text, voice, "", sound, silence)) as pieces,
            ):
                async for pcm in pieces:
                    first = first or clock() - began
                    much += len(pcm)
        except TimeoutError:
            if not limit.expired():
                raise
            why = f"{self._remote.where}: a short sentence took {_SAMPLE_TIMEOUT:g} s and goes on"
            raise EngineError(why) from None
        if sound.format is None or not much:
            raise EngineError(f"{self.name} at {self._remote.where} answers without any sound")
        self.format = sound.format
        return Speed((sound.last - began) / self.format.seconds(much), first)

    def _choose(self, info: dict[str, Any]) -> _Voice:
        """Learn the voices, the chosen one first."""
        where, language, wanted = self.name, self._language, self._wanted
        programs = installed(objects_in(info, "tts"))
        if not programs:
            raise EngineUnavailable(f"{where} has no text-to-speech; change tts.engine")
        there = _voices_in(info)
        able = [one for one in there if not one.languages or language in one.languages]
        if wanted is not None and wanted != THEIRS:
            known = {voice.key(): voice for voice in there}
            chosen = known.get(wanted) or _unlisted(info, wanted)
            if chosen is None:
                names = ", ".join(list(known)[:20]) + (", ..." if len(known) > 20 else "")
                raise EngineUnavailable(
                    f"{where} has no voice {wanted!r}, only: {names}; change tts.voice"
                )
            if chosen.languages and language not in chosen.languages:
                raise EngineUnavailable(
                    f"{where}: {wanted} does not speak {language!r}, only: "
                    f"{', '.join(chosen.languages)}; change tts.voice or language"
                )
        elif there and not able:
            tags = sorted({tag for voice in there for tag in voice.languages})
            raise EngineUnavailable(
                f"{where} does not speak {language!r}, only: {', '.join(tags)}; "
                "change tts.engine or language"
            )
        elif able and checked_facts(programs[0]) is not None:
            chosen = able[0]  # in our own engine processes that is the default
        else:
            # Theirs lists its voices in any order, and all that it could fetch, too.
            chosen = _Voice("", "", "", (language,))
            if len({voice.languages for voice in there}) > 1:
                self.note = f"it chooses a voice; tts.voice makes sure that it speaks {language!r}"
        self._known = {voice.key(): voice for voice in (chosen, *able)}
        self.voices = tuple(self._known)
        return chosen

    def _program_of(self, info: dict[str, Any]) -> dict[str, Any]:
        """Return the program of the chosen voice."""
        programs = installed(objects_in(info, "tts"))
        wanted = self._known[self.voices[0]].program
        return next((one for one in programs if one["name"] == wanted), programs[0])

    def _take(self, facts: VoiceFacts) -> None:
        self.describable = facts.describable
        self.clause_letters = facts.clause_letters
        self.note = facts.note
        if self._remote.local and facts.device:
            self.device = facts.device
        if facts.real_time_factor is not None:
            self.speed = Speed(facts.real_time_factor, facts.first_audio or 0.0)

    def _refresh(self, info: dict[str, Any]) -> None:
        """Take `speed` and `note` of a health check: some voices become faster while they run."""
        programs = installed(objects_in(info, "tts"))
        if programs and (facts := checked_facts(self._program_of(info))) is not None:
            self._take(facts)


def _voices_in(info: dict[str, Any]) -> list[_Voice]:
    """Return the installed voices, and with each the speakers that it has."""
    found = []
    for number, program in enumerate(installed(objects_in(info, "tts"))):
        select = str(program["name"]) if number else ""
        for voice in installed(objects_in(program, "voices")):
            name, languages = str(voice["name"]), languages_in(voice)
            found.append(_Voice(select, name, "", languages))
            speakers = [one.get("name") for one in objects_in(voice, "speakers")]
            if len(speakers) > _MOST_SPEAKERS:
                continue
            found += [
                _Voice(select, name, speaker, languages)
                for speaker in speakers
                if isinstance(speaker, str) and speaker
            ]
    return found


def _unlisted(info: dict[str, Any], wanted: str) -> _Voice | None:
    """Return a voice that is not listed: one to be fetched first, or one of very many speakers."""
    for number, program in enumerate(installed(objects_in(info, "tts"))):
        for voice in objects_in(program, "voices"):
            name = voice.get("name")
            speakers = [one.get("name") for one in objects_in(voice, "speakers")]
            for speaker in ("", wanted.removeprefix(f"{name}/")):
                one = _Voice(
                    str(program["name"]) if number else "",
                    str(name),
                    speaker,
                    languages_in(voice),
                )
                if one.key() == wanted and (not speaker or speaker in speakers):
                    return one
    return None
