"""Scripted engines, a timeline of speech and a simulated satellite, for turns on a virtual clock.

Every engine takes virtual time to do its work and notes when it worked, so that a test can say
that nothing was computed after a turn was cancelled.
"""

import asyncio
import itertools
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from hub.config import Settings
from hub.conversation.peer import PeerGone
from hub.conversation.pipeline import Engines, Pipeline
from hub.conversation.room import Room, Rooms
from hub.conversation.turn import Turn
from hub.engines.base import GenerationStats, Message, Sampling, Transcript
from hub.engines.stand_in import Backed, always_fit, too_slow
from hub.engines.supervisor import Supervised
from hub.home.base import Home
from protocol.audio import PcmFormat

FRAME_SECONDS = 0.02
FRAME_BYTES = 640
VOICE = b"\x10\x10" * (FRAME_BYTES // 2)
QUIET = bytes(FRAME_BYTES)
WAKE_WORD = b"\x77" * FRAME_BYTES
TTS_FORMAT = PcmFormat(24000, 2, 1)
SECONDS_PER_LETTER = 0.06


def now() -> float:
    return asyncio.get_running_loop().time()


@dataclass
class Speech:
    """Somebody speaks from `start` to `end`, in seconds since the microphone was opened.

    `text` is what they say ("" for a cough), a word at a time; None leaves it to the `ScriptedStt`.
    `finished` is whether it sounds so, for a `ScriptedEndOfTurn`.
    """

    start: float
    end: float
    text: str | None = None
    finished: bool = True


_values = itertools.cycle({*range(1, 128)} - {VOICE[0], WAKE_WORD[0]})
_lines: dict[int, Speech] = {}  # by the value of the samples that stand for them


def _voice_of(speech: Speech) -> bytes:
    """Return a frame that stands for `speech`, from which a scripted engine can tell it."""
    if speech.text is None:
        return VOICE
    value = next((value for value, line in _lines.items() if line is speech), None)
    if value is None:
        value = next(_values)
        _lines[value] = speech
    return bytes((value, value)) * (FRAME_BYTES // 2)


def lines_in(pcm: bytes) -> list[tuple[Speech, float]]:
    """Return which speech is in `pcm`, and how much of each (0..1)."""
    found = []
    for value, line in _lines.items():
        if heard := pcm.count(bytes((value,)) * 64) * 64:  # (other sound has single ones)
            share = heard / ((line.end - line.start) / FRAME_SECONDS * FRAME_BYTES)
            found.append((line, min(1.0, share)))
    return sorted(found, key=lambda item: item[0].start)


async def sound_of(
    timeline: Sequence[Speech], seconds: float | None = None
) -> AsyncIterator[bytes]:
    """Yield what the microphone hears, 20 ms at a time, in (virtual) real time."""
    began, index = now(), 0
    while seconds is None or index * FRAME_SECONDS < seconds:
        at = index * FRAME_SECONDS
        index += 1
        await asyncio.sleep(max(0.0, began + index * FRAME_SECONDS - now()))
        speaks = next((s for s in timeline if s.start <= at < s.end), None)
        yield QUIET if speaks is None else _voice_of(speaks)


@dataclass
class Work:
    """When an engine worked."""

    times: list[float] = field(default_factory=list)
    calls: int = 0
    running: int = 0

    def did(self) -> None:
        self.times.append(now())

    def after(self, moment: float) -> list[float]:
        return [at for at in self.times if at > moment]


class ScriptedVad:
    name = "scripted-vad"
    device = "cpu"
    note = ""

    async def load(self) -> None: ...

    async def close(self) -> None: ...

    def stream(self) -> "ScriptedVad":
        return self

    async def probability(self, frame: bytes) -> float:
        return 1.0 if frame.count(0) < len(frame) / 2 else 0.0


class ScriptedStt:
    name = "scripted-stt"
    device = "cpu"
    note = ""
    languages = ("en",)

    def __init__(self, text: str = "what is the capital of france", seconds: float = 0.3) -> None:
        self.text = text
        self.seconds = seconds
        self.work = Work()
        self.error: Exception | None = None
        self.heard_seconds = 0.0
        self.bias: tuple[str, ...] = ()
        self.avg_logprob = -0.2
        self.no_speech_prob = 0.0

    async def load(self) -> None: ...

    async def close(self) -> None: ...

    async def transcribe(
        self, pcm: bytes, *, language: str, bias: Sequence[str] = (), draft: bool = False
    ) -> Transcript:
        self.work.calls += 1
        self.bias = tuple(bias)
        self.heard_seconds = len(pcm) / 32000
        steps = 10
        for _ in range(steps):
            self.work.did()
            await asyncio.sleep(self.seconds / steps)
        if self.error:
            raise self.error
        return Transcript(
            self._words(pcm),
            language,
            avg_logprob=self.avg_logprob,
            no_speech_prob=self.no_speech_prob,
        )

    def _words(self, pcm: bytes) -> str:
        """Return the words of all lines heard; a full stop where they sound finished."""
        said, stop = [], ""
        for line, share in lines_in(pcm):
            if words := (line.text or "").split():
                heard = round(len(words) * share)
                said += words[:heard]
                stop = "." if line.finished and heard == len(words) else ""
        return " ".join(said) + stop if lines_in(pcm) else self.text


class ScriptedEndOfTurn:
    """Knows of each line whether it sounds finished."""

    name = "scripted-turn"
    device = "cpu"
    note = ""

    def __init__(self, seconds: float = 0.06) -> None:
        self.seconds = seconds
        self.work = Work()
        self.error: Exception | None = None

    async def load(self) -> None: ...

    async def close(self) -> None: ...

    async def probability(self, pcm: bytes) -> float:
        self.work.calls += 1
        self.work.did()
        await asyncio.sleep(self.seconds)
        if self.error:
            raise self.error
        lines = lines_in(pcm)
        return 0.99 if not lines or lines[-1][0].finished else 0.05


class ScriptedGeneration:
    def __init__(self, llm: "ScriptedLlm", text: str) -> None:
        self.stats = GenerationStats(prompt_tokens=100, reused_tokens=80)
        self.closed = False
        self._llm = llm
        self._pieces = iter([word + " " for word in text.split(" ")])
        self._first = True
        llm.work.running += 1

    def __aiter__(self) -> "ScriptedGeneration":
        return self

    async def __anext__(self) -> str:
        if self.closed:
            raise StopAsyncIteration
        await asyncio.sleep(self._llm.first if self._first else self._llm.each)
        self._first = False
        if self._llm.stall:
            await asyncio.sleep(self._llm.stall)
        if self._llm.error and self.stats.generated_tokens >= self._llm.error_after:
            raise self._llm.error
        piece = next(self._pieces, None)
        if piece is None:
            raise StopAsyncIteration
        self._llm.work.did()
        self.stats.generated_tokens += 1
        return piece

    async def aclose(self) -> None:
        if not self.closed:
            self.closed = True
            self._llm.work.running -= 1


class ScriptedLlm:
    name = "scripted-llm"
    model = "scripted-7b"
    device = "cpu"
    note = ""

    def __init__(
        self,
        text: str = "Sure, the capital of France is Paris. It lies on the Seine.",
        first: float = 0.2,
        each: float = 0.05,
    ) -> None:
        self.text = text
        self.first = first
        self.each = each
        self.stall = 0.0
        self.answer: Callable[[str], str] | None = None  # what it says to what was said
        self.error: Exception | None = None
        self.error_after = 0
        self.work = Work()
        self.prompts: list[list[Message]] = []
        self.prefills: list[str] = []
        self.rooms: list[str] = []  # whose cache each reply used
        self.sampling: Sampling | None = None  # of the last reply

    async def load(self) -> None: ...

    async def close(self) -> None: ...

    async def prefill(
        self, room: str, messages: Sequence[Message], *, unfinished: bool = False
    ) -> None:
        self.prefills.append(room)

    def generate(
        self,
        room: str,
        messages: Sequence[Message],
        *,
        max_tokens: int,
        sampling: Sampling | None = None,
        background: bool = False,
    ) -> ScriptedGeneration:
        self.work.calls += 1
        self.rooms.append(room)
        self.sampling = sampling
        self.prompts.append(list(messages))
        text = self.text if self.answer is None else self.answer(messages[-1].content)
        return ScriptedGeneration(self, text)

    def forget(self, room: str) -> None: ...


class ScriptedTts:
    name = "scripted-tts"
    device = "cpu"
    note = ""
    describable = False
    clause_letters = (1, 400)
    speed = None
    languages = ("en",)
    voices = ("heart",)
    format = TTS_FORMAT

    def __init__(self, seconds: float = 0.05) -> None:
        self.seconds = seconds
        self.work = Work()
        self.spoken: list[str] = []
        self.error: Exception | None = None
        self.error_after = 0

    async def load(self) -> None: ...

    async def close(self) -> None: ...

    async def synthesize(
        self, text: str, *, voice: str | None = None, description: str = ""
    ) -> AsyncGenerator[bytes]:
        self.work.calls += 1
        if self.error and self.work.calls > self.error_after:
            raise self.error
        self.spoken.append(text)
        left = len(text) * SECONDS_PER_LETTER
        while left > 0:
            self.work.did()
            await asyncio.sleep(self.seconds)
            yield bytes(TTS_FORMAT.bytes_for(min(left, 0.25)))
            left -= 0.25


class SimulatedSatellite:
    """Plays what it is sent in (virtual) real time and reports it, as a satellite does."""

    def __init__(self, reports: bool = True) -> None:
        self.events: list[tuple[float, str, str]] = []
        self.reports = reports
        self.gone = False
        self._received = 0.0
        self._began: float | None = None
        self._player: asyncio.Task[None] | None = None

    def names(self) -> list[str]:
        return [name for _, name, _ in self.events]

    def texts(self, name: str) -> list[str]:
        return [text for _, event, text in self.events if event == name]

    def after(self, moment: float) -> list[str]:
        return [name for at, name, _ in self.events if at > moment]

    async def _note(self, name: str, text: str = "") -> None:
        if self.gone:
            raise PeerGone("the connection is closed")
        self.events.append((now(), name, text))

    async def listening(self, turn: Turn) -> None:
        await self._note("listening")

    async def voice_started(self, turn: Turn) -> None:
        await self._note("voice-started")

    async def voice_stopped(self, turn: Turn) -> None:
        await self._note("voice-stopped")

    async def partial(self, turn: Turn, text: str) -> None:
        await self._note("partial", text)

    async def transcript(self, turn: Turn, text: str) -> None:
        await self._note("transcript", text)

    async def clause(self, turn: Turn, text: str) -> None:
        await self._note("clause", text)

    async def audio_start(self, turn: Turn, form: PcmFormat) -> None:
        await self._note("audio-start")
        self._began = now()

    async def audio(self, turn: Turn, pcm: bytes) -> None:
        await self._note("audio")
        self._received += TTS_FORMAT.seconds(len(pcm))
        if self.reports:
            turn.playback.report(int(self.played_seconds() * TTS_FORMAT.rate))

    def played_seconds(self) -> float:
        return 0.0 if self._began is None else min(self._received, now() - self._began)

    def report(self, turn: Turn) -> None:
        turn.playback.report(int(self.played_seconds() * TTS_FORMAT.rate))

    async def audio_stop(self, turn: Turn) -> None:
        await self._note("audio-stop")
        if self.reports:
            self._player = asyncio.create_task(self._play_out(turn))

    async def _play_out(self, turn: Turn) -> None:
        await asyncio.sleep(self._received - self.played_seconds())
        turn.playback.finish()

    async def stopped(self, turn: Turn) -> None:
        await self._note("stopped")

    async def failed(self, turn: Turn, code: str, text: str) -> None:
        await self._note("failed", code)


@dataclass
class Bench:
    """A room with scripted engines; what its turns left behind."""

    stt: ScriptedStt = field(default_factory=ScriptedStt)
    llm: ScriptedLlm = field(default_factory=ScriptedLlm)
    tts: ScriptedTts = field(default_factory=ScriptedTts)
    vad: ScriptedVad = field(default_factory=ScriptedVad)
    turn: ScriptedEndOfTurn = field(default_factory=ScriptedEndOfTurn)
    settings: Settings = field(default_factory=Settings)
    home: Home | None = None
    stand_ins: dict[str, Any] = field(default_factory=dict)  # by role
    ended: list[Turn] = field(default_factory=list)
    steps: list[tuple[float, str, str]] = field(default_factory=list)
    told: list[tuple[str, str, str]] = field(default_factory=list)  # turn, step, text

    async def open(self, load_timeout: float = 1.0) -> "Bench":
        roles = {
            "stt": self.stt,
            "llm": self.llm,
            "tts": self.tts,
            "vad": self.vad,
            "turn": self.turn,
        }
        supervised = {role: self._supervised(role, engine) for role, engine in roles.items()}
        for one in supervised.values():
            one.start()
            await one.get(timeout=load_timeout)
        self.engines = Engines(**supervised)
        self.pipeline = Pipeline(self.engines, self.settings, self._watch, self.home)
        self.rooms = Rooms(self.pipeline, self.settings.memory, self.ended.append)
        return self

    def _supervised(self, role: str, engine: Any) -> Supervised[Any]:
        if role not in self.stand_ins:
            return Supervised(role, _giver(engine))
        instead = Supervised(role, _giver(self.stand_ins[role]))
        unfit = too_slow if role == "tts" else always_fit
        return Backed(role, _giver(engine), instead, unfit=unfit)

    def _watch(self, turn: Turn, step: str, text: str) -> None:
        self.steps.append((now(), step, text))
        self.told.append((turn.id, step, text))

    def room(self, name: str = "kitchen") -> Room:
        return self.rooms.get(name)

    async def say(
        self, *timeline: Speech, room: str = "kitchen", wake_phrase: str | None = "", **options
    ) -> tuple[Turn, SimulatedSatellite]:
        """Run one turn to its end."""
        satellite = SimulatedSatellite(**options)
        turn = await self.room(room).begin(satellite, sound_of(timeline), wake_phrase)
        await until_ended(turn)
        return turn, satellite


async def until_ended(turn: Turn, timeout: float = 120) -> None:
    async with asyncio.timeout(timeout):
        while not turn.ended:
            await asyncio.sleep(0.01)
    await asyncio.sleep(0.01)  # for what the room does with a turn that has ended


def _giver(engine):
    async def give():
        return engine

    return give
