"""When the service port hears the end of a command by itself, on a virtual clock."""

import asyncio
from collections.abc import Iterable

import pytest
from scripted import (
    FRAME_SECONDS,
    QUIET,
    VOICE,
    Bench,
    ScriptedEndOfTurn,
    ScriptedStt,
    Speech,
    _voice_of,
    now,
)
from service_port import quick
from wyoming.asr import Transcribe
from wyoming.audio import AudioChunk, AudioStop
from wyoming.event import Event

from hub.config import Settings, TurnSettings
from hub.engines.base import EngineError
from hub.service.asr import Transcriber
from hub.service.ending import KNOWING, MOST_SECONDS, UNKNOWING, Manners

pytestmark = pytest.mark.looptime


def lasting(seconds: float, frame: bytes = QUIET) -> list[bytes]:
    return [frame] * round(seconds / FRAME_SECONDS)


class Client:
    """Speaks to a `Transcriber`; keeps what it is told and when."""

    def __init__(self, bench: Bench, manners: Manners | None, **fields) -> None:
        self.told: list[tuple[float, Event]] = []
        turn = bench.settings.turn
        transcriber = Transcriber(bench.engines, ("en",), ("whisper-tiny.en",), turn)
        self.request = transcriber.request(Transcribe(**fields).event(), self._write, manners)
        self.running = asyncio.create_task(self.request.run())
        self.spoke = 0.0  # when the last frame of speech was sent

    async def _write(self, event) -> None:
        event = event if isinstance(event, Event) else event.event()
        self.told.append((now(), event))

    async def send(self, frames: Iterable[bytes], pace: float = 1.0) -> None:
        """Send frames as a microphone hears them; nothing more once there is a transcript."""
        began = now()
        for number, frame in enumerate(frames, 1):
            if frame != QUIET:
                self.spoke = now()
            await self.request.take(AudioChunk(16000, 2, 1, frame).event())
            await asyncio.sleep(max(0.0, began + number * FRAME_SECONDS / pace - now()))
            if self.transcript is not None:
                return

    async def stop(self) -> str:
        await self.request.take(AudioStop().event())
        await self.running
        assert self.transcript is not None
        return self.transcript

    @property
    def transcript(self) -> str | None:
        return next((e.data["text"] for _, e in self.told if e.type == "transcript"), None)

    @property
    def waited(self) -> float:
        """Seconds from the end of speech to the transcript."""
        return next(at for at, e in self.told if e.type == "transcript") - self.spoke


def lines(*texts: str, finished: bool = True) -> list[list[bytes]]:
    """Frames that are so many lines, a second and a half each."""
    return [
        lasting(1.5, _voice_of(Speech(10.0 * i, 10.0 * i + 1.5, text, finished)))
        for i, text in enumerate(texts)
    ]


@pytest.mark.parametrize(
    ("manners", "finished", "least", "most"),
    [(KNOWING, True, 0.5, 0.7), (KNOWING, False, 1.1, 1.4), (UNKNOWING, True, 2.0, 2.2)],
)
async def test_a_command_ends_when_the_speaker_has_finished(manners, finished, least, most):
    bench = await quick(turn=ScriptedEndOfTurn()).open()
    client = Client(bench, manners)
    (line,) = lines("switch the kitchen light on", finished=finished)
    await client.send([*lasting(0.5), *line, *lasting(5)])
    assert client.transcript == "switch the kitchen light on" + ("." if finished else "")
    assert least <= client.waited <= most
    assert max(bench.stt.work.times) <= client.spoke + 0.4, "it was transcribed in the pause"
    await client.request.take(AudioChunk(16000, 2, 1, VOICE).event())  # thrown away
    await client.running


async def test_who_goes_on_after_a_pause_is_heard_to_the_end():
    bench = await quick(turn=ScriptedEndOfTurn()).open()
    client = Client(bench, KNOWING)
    first = lines("remind me to", finished=False)[0]
    second = lines("", "water the plants")[1]
    await client.send([*first, *lasting(1.0), *second, *lasting(5)])
    assert client.transcript == "remind me to water the plants."


async def test_who_goes_on_while_the_end_is_transcribed_is_heard_to_the_end():
    bench = await quick(turn=ScriptedEndOfTurn(), stt=ScriptedStt(seconds=1.0)).open()
    client = Client(bench, KNOWING)
    first, second = lines("turn on the lamp", "and the heating")
    await client.send([*first, *lasting(0.8), *second, *lasting(5)])
    assert client.transcript == "turn on the lamp and the heating."


async def test_words_that_come_late_and_want_more_are_waited_for():
    stt = ScriptedStt(seconds=0.3)
    bench = await quick(turn=ScriptedEndOfTurn(), stt=stt).open()
    client = Client(bench, KNOWING)
    (line,) = lines("remind me to")  # it sounds finished, and its words are not
    await client.send([*line, *lasting(5)])
    assert client.transcript == "remind me to."
    assert client.waited == pytest.approx(1.1, abs=0.15)


async def test_a_dictation_with_pauses_is_heard_whole_where_the_client_cannot_know_better():
    bench = await quick(turn=ScriptedEndOfTurn()).open()
    client = Client(bench, UNKNOWING)
    sentences = [f"this is sentence number {n}" for n in ("one", "two", "three", "four")]
    frames = [frame for line in lines(*sentences) for frame in (*line, *lasting(1.6))]
    await client.send(frames)
    assert client.transcript is None
    text = await client.stop()
    assert text.replace(".", "").split() == " ".join(sentences).split()


@pytest.mark.parametrize("manners", [KNOWING, UNKNOWING])
async def test_a_recording_that_comes_faster_than_speech_is_heard_whole(manners):
    bench = await quick(turn=ScriptedEndOfTurn()).open()
    client = Client(bench, manners)
    first, second = lines("the first sentence", "the second one")
    await client.send([*first, *lasting(4), *second, *lasting(4)], pace=1000)
    await asyncio.sleep(5)
    assert client.transcript is None
    assert (await client.stop()).replace(".", "") == "the first sentence the second one"


@pytest.mark.parametrize("pace", [1.6, 3, 10])
async def test_a_recording_at_another_pace_than_that_of_speech_is_heard_whole(pace):
    bench = await quick(turn=ScriptedEndOfTurn()).open()
    client = Client(bench, KNOWING)
    first, second = lines("the first sentence", "the second one")
    await client.send([*lasting(0.5), *first, *lasting(4), *second, *lasting(1)], pace=pace)
    assert (await client.stop()).replace(".", "") == "the first sentence the second one"


async def test_sound_that_was_kept_and_comes_first_at_once_is_still_a_microphones():
    bench = await quick(turn=ScriptedEndOfTurn()).open()
    client = Client(bench, KNOWING)
    (line,) = lines("what time is it")
    await client.send([*lasting(1), *line], pace=1000)
    await client.send(lasting(5))
    assert client.transcript == "what time is it."
    assert client.waited <= 3


@pytest.mark.parametrize(("manners", "ends"), [(KNOWING, True), (UNKNOWING, False)])
async def test_who_says_nothing_has_said_nothing_after_a_while(manners, ends):
    bench = await quick(
        settings=Settings(turn=TurnSettings(no_speech=3.0)), stt=ScriptedStt("Thank you.")
    ).open()
    client = Client(bench, manners)
    await client.send(lasting(8))
    assert client.transcript == ("" if ends else None)
    assert bench.stt.work.calls == 0
    assert await client.stop() == ""


@pytest.mark.parametrize(("manners", "ends"), [(KNOWING, True), (UNKNOWING, False)])
async def test_who_does_not_stop_speaking_is_cut_only_where_they_count_on_it(manners, ends):
    bench = await quick().open()
    client = Client(bench, manners)
    began = now()
    await client.send(lasting(45, VOICE))
    assert now() - began == pytest.approx(MOST_SECONDS if ends else 45, abs=1)
    assert (await client.stop()).startswith("turn on the lamp please")


async def test_a_cough_is_no_command():
    settings = Settings(turn=TurnSettings(no_speech=10.0))
    bench = await quick(turn=ScriptedEndOfTurn(), settings=settings).open()
    client = Client(bench, KNOWING)
    cough = lasting(0.3, _voice_of(Speech(0.0, 0.3, "")))
    line = lines("", "open the door")[1]
    await client.send([*lasting(1), *cough, *lasting(3), *line, *lasting(3)])
    assert client.transcript == "open the door."


async def test_a_syllable_at_once_may_be_the_end_of_a_wake_word():
    bench = await quick(turn=ScriptedEndOfTurn()).open()
    client = Client(bench, KNOWING)
    word = lasting(0.2, _voice_of(Speech(0.0, 0.2, "this")))
    line = lines("", "open the door")[1]
    await client.send([*word, *lasting(0.9), *line, *lasting(3)])
    assert client.transcript == "this open the door."


async def test_without_an_end_of_turn_model_a_fixed_silence_counts():
    bench = await quick().open()
    bench.engines.turn._engine = None
    client = Client(bench, KNOWING)
    await client.send([*lasting(1.5, VOICE), *lasting(3)])
    assert client.transcript == "turn on the lamp please"
    assert client.waited == pytest.approx(0.75, abs=0.1)


async def test_an_end_of_turn_model_that_fails_costs_time_alone():
    turn = ScriptedEndOfTurn()
    turn.error = EngineError("out of memory")
    bench = await quick(turn=turn).open()
    client = Client(bench, KNOWING)
    await client.send([*lasting(1.5, VOICE), *lasting(3)])
    assert client.transcript == "turn on the lamp please"


async def test_a_transcript_that_is_under_way_when_the_sound_ends_is_not_begun_again():
    stt = ScriptedStt("turn on the lamp please", seconds=0.3)
    bench = await quick(turn=ScriptedEndOfTurn(), stt=stt).open()
    client = Client(bench, KNOWING)
    async with bench.engines.stt.lent(timeout=1):  # a room's, until the end is there
        await client.send([*lasting(1.5, VOICE), *lasting(0.6)])
    assert await client.stop() == "turn on the lamp please"
    assert stt.work.calls == 1


async def test_a_client_that_goes_leaves_nothing_behind():
    bench = await quick(turn=ScriptedEndOfTurn()).open()
    client = Client(bench, KNOWING)
    await client.send(lasting(1.5, VOICE))
    client.running.cancel()
    await asyncio.gather(client.running, return_exceptions=True)
    names = {task.get_name() for task in asyncio.all_tasks()}
    assert not names & {"end of speech", "end of turn", "transcribe early", "transcribe the end"}
