"""Random evenings in a house, on a virtual clock: whatever happens, some things always hold."""

import asyncio
import random
from collections import Counter
from dataclasses import dataclass, field

import pytest
from scripted import (
    QUIET,
    SECONDS_PER_LETTER,
    VOICE,
    Bench,
    ScriptedGeneration,
    ScriptedLlm,
    ScriptedStt,
    ScriptedTts,
    ScriptedVad,
    SimulatedSatellite,
    Speech,
    now,
)

from hub.conversation.pipeline import APOLOGY, NO_ANSWER
from hub.conversation.turn import Mark, Outcome, Turn
from hub.engines.base import EngineError

# looptime makes 42 idle steps before each jump of its clock; they would cost the most here.
pytestmark = pytest.mark.looptime(noop_cycles=2)

RUNS = 240
ROOMS = ("kitchen", "bedroom")
TROUBLES = ("engine error", "odd error", "hang", "hang hard", "slow")
REPLIES = (
    "Paris.",
    "",
    "Sure, the capital of France is Paris. It lies on the Seine.",
    "One two three four five six, seven eight nine. Ten eleven twelve, and so on. " * 3,
)
CHUNK_SECONDS = 0.1
CHUNKS = round(CHUNK_SECONDS / 0.02)


@dataclass
class Mood:
    """What is wrong with an engine at the moment; "" for nothing."""

    trouble: str = ""

    async def strike(self) -> None:
        if self.trouble == "engine error":
            raise EngineError("it broke")
        if self.trouble == "odd error":
            raise ValueError("it broke in a way that nobody expected")
        if self.trouble.startswith("hang"):
            await asyncio.Event().wait()
        if self.trouble == "slow":
            await asyncio.sleep(2.0)


class MoodyVad(ScriptedVad):
    def __init__(self, mood: Mood) -> None:
        self.mood = mood

    async def probability(self, frame):
        await self.mood.strike()
        return await super().probability(frame)


class MoodyStt(ScriptedStt):
    def __init__(self, mood: Mood, **options) -> None:
        super().__init__(**options)
        self.mood = mood

    async def transcribe(self, pcm, *, language, bias=(), draft=False):
        await self.mood.strike()
        return await super().transcribe(pcm, language=language)


class MoodyGeneration(ScriptedGeneration):
    async def __anext__(self):
        await self._llm.mood.strike()
        return await super().__anext__()

    async def aclose(self):
        if self._llm.mood.trouble == "hang hard":
            self._llm.work.running -= not self.closed  # it never comes back
            self.closed = True
            await asyncio.Event().wait()
        await super().aclose()


class MoodyLlm(ScriptedLlm):
    def __init__(self, mood: Mood, text: str, **options) -> None:
        super().__init__(text, **options)
        self.mood = mood

    async def prefill(self, room, messages, *, unfinished=False):
        await self.mood.strike()

    def generate(self, room, messages, *, max_tokens):
        return MoodyGeneration(self, self.text)


class MoodyTts(ScriptedTts):
    def __init__(self, mood: Mood, **options) -> None:
        super().__init__(**options)
        self.mood = mood

    async def synthesize(self, text, *, voice=None, description=""):
        await self.mood.strike()
        async for pcm in super().synthesize(text, voice=voice):
            yield pcm
            await self.mood.strike()


async def sound_of(timeline, seconds):
    """As the bench's own, in larger pieces: hundreds of evenings have many frames."""
    index = 0
    while index * CHUNK_SECONDS < seconds:
        at = index * CHUNK_SECONDS
        index += 1
        await asyncio.sleep(CHUNK_SECONDS)
        yield (VOICE if any(s.start <= at < s.end for s in timeline) else QUIET) * CHUNKS


@dataclass
class Evening:
    """One run: its rooms, what goes wrong in it, and all turns that were begun."""

    rng: random.Random
    moods: dict[str, Mood] = field(default_factory=dict)
    begun: list[tuple[Turn, SimulatedSatellite]] = field(default_factory=list)

    async def open(self) -> "Evening":
        rng = self.rng
        self.moods = {role: Mood() for role in ("vad", "stt", "llm", "tts")}
        self.bench = await Bench(
            vad=MoodyVad(self.moods["vad"]),
            stt=MoodyStt(self.moods["stt"], seconds=rng.uniform(0.05, 1.0)),
            llm=MoodyLlm(
                self.moods["llm"],
                rng.choice(REPLIES),
                first=rng.uniform(0.05, 1.0),
                each=rng.uniform(0.01, 0.2),
            ),
            tts=MoodyTts(self.moods["tts"], seconds=rng.uniform(0.02, 0.2)),
        ).open()
        return self

    async def begin(self, room: str) -> None:
        satellite = SimulatedSatellite(reports=self.rng.random() < 0.7)
        start = self.rng.uniform(0, 2)
        timeline = [Speech(start, start + self.rng.choice([0.0, 0.3, 1.0, 2.5, 20.0]))]
        if self.rng.random() < 0.3:
            timeline.append(Speech(start + 3.2, start + 4.0))
        sound = sound_of(timeline, self.rng.choice([0.0, 1.0, 3.0, 60.0, 60.0, 60.0]))
        self.begun.append((await self.bench.room(room).begin(satellite, sound), satellite))

    async def live(self, name: str) -> None:
        """What happens in one room."""
        room, rng = self.bench.room(name), self.rng
        for _ in range(rng.randint(1, 3)):
            await self.begin(name)
            await asyncio.sleep(rng.choice([0.0, rng.uniform(0, 9), rng.uniform(2, 5)]))
            match rng.randrange(6):
                case 0 | 1:
                    await self.quiet(name)
                case 2:
                    await self.begin(name)  # interrupts
                case 3:
                    self.begun[-1][1].gone = True
                    if rng.random() < 0.7:
                        await room.stop(Outcome.GONE)
                case 4:
                    stops = (room.stop(o) for o in (Outcome.GONE, Outcome.INTERRUPTED))
                    await asyncio.gather(*stops, self.begin(name), self.begin(name))
                case 5:
                    stop = asyncio.create_task(room.stop(Outcome.INTERRUPTED))
                    await asyncio.sleep(0)
                    stop.cancel()
                    await asyncio.wait([stop])
        await self.quiet(name)

    async def quiet(self, name: str) -> None:
        async with asyncio.timeout(200):
            while self.bench.room(name).turn is not None:
                await asyncio.sleep(0.1)

    async def trouble(self) -> None:
        """Now and then something is wrong with an engine, for a while."""
        while True:
            await asyncio.sleep(self.rng.uniform(0, 8))
            mood = self.moods[self.rng.choice(list(self.moods))]
            mood.trouble = self.rng.choice(TROUBLES)
            await asyncio.sleep(self.rng.uniform(0, 5))
            mood.trouble = ""

    async def pass_by(self) -> None:
        troubles = asyncio.create_task(self.trouble())
        await asyncio.gather(*(self.live(room) for room in ROOMS))
        troubles.cancel()
        await asyncio.wait([troubles])
        for mood in self.moods.values():
            mood.trouble = ""


def check_times(turn: Turn) -> None:
    record = turn.record
    assert all(seconds >= 0 for _, seconds in record.stages())
    assert sum(seconds for _, seconds in record.stages()) == pytest.approx(record.total())
    assert record.marks[Mark.WAKE] == min(record.marks.values())
    assert record.marks[Mark.DONE] == max(record.marks.values())
    deciding = (Mark.PAUSE, Mark.SOFT_END, Mark.END_OF_TURN, Mark.CONFIRMED)
    # A transcript may be a new one of what is answered already: a cough does not change it.
    answering = (Mark.FIRST_TOKEN, Mark.FIRST_CLAUSE, Mark.AUDIO_READY)
    if turn.outcome is not Outcome.FAILED:  # an apology may come before anything else
        answering += (Mark.FIRST_AUDIO_SENT,)
    for way in (deciding, answering):
        moments = [record.marks[m] for m in (Mark.WAKE, *way) if m in record.marks]
        assert moments == sorted(moments)
    if Mark.FIRST_AUDIO_SENT in record.marks and turn.outcome is not Outcome.FAILED:
        assert record.marks[Mark.CONFIRMED] <= record.marks[Mark.FIRST_AUDIO_SENT]


def check_events(turn: Turn, satellite: SimulatedSatellite) -> None:
    names = satellite.names()
    counts = Counter(names)
    for once in ("listening", "voice-stopped", "transcript", "audio-start", "audio-stop", "failed"):
        assert counts[once] <= 1
    order = ["listening", "voice-stopped", "transcript", "audio-start", "audio", "audio-stop"]
    first = [names.index(name) for name in order if name in names]
    assert first == sorted(first)
    assert not ("failed" in names and "audio-start" in names)
    told = [at for at, name, _ in satellite.events if name != "failed"]
    assert all(at <= turn.record.marks[Mark.DONE] for at in told)
    if turn.outcome is Outcome.ANSWERED:
        assert names[-1] == "audio-stop"


def check_memory(evening: Evening) -> None:
    for room in ROOMS:
        turns = [
            (turn, satellite)
            for turn, satellite in evening.begun
            if turn.room == room and turn.outcome is not Outcome.FAILED and turn.playback.heard()
        ]
        exchanges = evening.bench.room(room).memory.exchanges
        ended = [turn.id for turn in evening.bench.ended]
        turns.sort(key=lambda pair: ended.index(pair[0].id))
        assert len(exchanges) <= len(turns)
        for exchange, (turn, satellite) in zip(reversed(exchanges), reversed(turns), strict=False):
            sent = " ".join(text.strip() for text in satellite.texts("clause"))
            assert sent.startswith(exchange.assistant)
            assert exchange.user == turn.transcript
            assert exchange.assistant not in ("", APOLOGY)
            if not exchange.interrupted:
                assert exchange.assistant == sent
                assert sent in (NO_ANSWER, evening.bench.llm.text.strip())
            done = turn.record.marks[Mark.DONE]
            played = min(satellite._received, done - satellite._began)
            slack = SECONDS_PER_LETTER * (turn.playback.clauses + 1)
            assert len(exchange.assistant) * SECONDS_PER_LETTER <= played + slack


@pytest.mark.parametrize("seed", range(RUNS))
async def test_whatever_happens_in_an_evening(seed):
    evening = await Evening(random.Random(seed)).open()
    bench = evening.bench
    await evening.pass_by()
    await asyncio.sleep(70)  # for engines that come back late, and satellites that play on

    assert {task.get_name() for task in asyncio.all_tasks()} == {asyncio.current_task().get_name()}
    assert bench.llm.work.running == 0
    ended = Counter(turn.id for turn in bench.ended)
    assert ended == Counter(turn.id for turn, _ in evening.begun)
    assert set(ended.values()) == {1}
    for turn, satellite in evening.begun:
        assert turn.outcome is not None
        check_times(turn)
        check_events(turn, satellite)
    check_memory(evening)

    bench.llm.text = "It is Paris."
    for room in ROOMS:
        satellite = SimulatedSatellite()
        sound = sound_of([Speech(0.5, 2.0)], 60.0)
        turn = await bench.room(room).begin(satellite, sound)
        began = now()
        await evening.quiet(room)
        assert turn.outcome is Outcome.ANSWERED
        assert now() - began < 10
        assert bench.room(room).memory.exchanges[-1].assistant == "It is Paris."
