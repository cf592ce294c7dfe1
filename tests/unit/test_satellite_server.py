"""The hub's side of the satellite link over real sockets, with scripted engines and bad peers."""

import asyncio
import contextlib
import logging
import socket
from dataclasses import dataclass, field

import numpy as np
import pytest
from scripted import QUIET, VOICE, Bench, ScriptedLlm, ScriptedStt, ScriptedTts
from wyoming.asr import Transcript
from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.client import AsyncTcpClient
from wyoming.error import Error
from wyoming.event import Event
from wyoming.info import Attribution, Describe, Info, WakeModel, WakeProgram
from wyoming.ping import Ping
from wyoming.pipeline import PipelineStage, RunPipeline
from wyoming.snd import Played
from wyoming.wake import Detection

from hub.config import LinkSettings, Settings, TurnSettings
from hub.conversation.interruption import Judge
from hub.conversation.turn import Mark, Outcome
from hub.engines.base import EngineError
from hub.service import admission, satellites, turn_sound
from hub.service.satellites import SatelliteServer
from protocol.audio import PcmFormat
from protocol.connection import Connection, ConnectionClosed, Limits
from protocol.extensions import Flush, Introduction, Playback, introduce, turn_of
from protocol.transport import connect
from satellite import link as link_module
from satellite.link import Link

TIMEOUT = 10.0
QUESTION = [QUIET] * 10 + [VOICE] * 40 + [QUIET] * 20
ATTRIBUTION = Attribution(name="us", url="")
INFO = Info(
    wake=[
        WakeProgram(
            name="scripted",
            attribution=ATTRIBUTION,
            installed=True,
            description=None,
            version=None,
            models=[
                WakeModel(
                    name="hey_jarvis",
                    attribution=ATTRIBUTION,
                    installed=True,
                    description=None,
                    version=None,
                    languages=["en"],
                    phrase="Hey Jarvis",
                )
            ],
        )
    ]
).event()
RUN = RunPipeline(PipelineStage.ASR, PipelineStage.TTS).event()


def quick(**options) -> Bench:
    """A bench whose engines take milliseconds."""
    return Bench(
        stt=ScriptedStt(seconds=0.02),
        llm=ScriptedLlm(first=0.01, each=0.002, **options),
        tts=ScriptedTts(0.002),
        settings=Settings(
            link=LinkSettings(listen="tcp://127.0.0.1:0"),
            turn=TurnSettings(silence=0.2, no_speech=1.0),
        ),
    )


def chunk(pcm: bytes, rate: int = 16000, width: int = 2, channels: int = 1) -> Event:
    return AudioChunk(rate, width, channels, pcm).event()


@dataclass
class Satellite:
    """A peer that says exactly what a test wants."""

    connection: Connection
    seen: list[Event] = field(default_factory=list)

    async def send(self, *events) -> None:
        for event in events:
            await self.connection.write(event)

    async def expect(self, event_type: str) -> Event:
        """Return the next event of that type; those before it are in `seen`."""
        async with asyncio.timeout(TIMEOUT):
            while True:
                event = await self.connection.read()
                self.seen.append(event)
                if event.type == event_type:
                    return event

    async def closed(self) -> list[Event]:
        """Wait until the hub hangs up; return what it said before."""
        async with asyncio.timeout(TIMEOUT):
            return [event async for event in self.connection]

    async def ask(self, sound=QUESTION) -> str:
        """Begin a turn and ask a question; return the turn's id."""
        await self.send(Detection(name="hey_jarvis"), RUN, AudioStart(16000, 2, 1))
        await self.send(*(chunk(pcm) for pcm in sound))
        return turn_of(await self.expect("transcribe"))

    async def hear(self) -> str:
        """Wait for the whole reply and say that it was played; return what was said."""
        self.seen.clear()
        await self.expect("audio-stop")
        await self.send(Played())
        return " ".join(e.data["text"].strip() for e in self.seen if e.type == "synthesize")


@dataclass
class Hub:
    bench: Bench
    server: SatelliteServer
    uri: str

    @contextlib.asynccontextmanager
    async def satellite(self, room: str = "kitchen", *, accepted: bool = True, info: Event = INFO):
        async with await connect(self.uri) as connection:
            satellite = Satellite(connection)
            await satellite.send(introduce(info, Introduction(room, "1")))
            if accepted:
                await satellite.expect("run-satellite")
            yield satellite

    @contextlib.asynccontextmanager
    async def stranger(self, *events: Event):
        async with await connect(self.uri) as connection:
            await Satellite(connection).send(*events)
            yield Satellite(connection)

    @property
    def connections(self) -> int:
        return self.server._server.connections

    async def turns(self, number: int) -> list:
        """Wait until so many turns have ended."""
        async with asyncio.timeout(TIMEOUT):
            while len(self.bench.ended) < number:
                await asyncio.sleep(0.005)
        return self.bench.ended

    async def answers(self, room: str = "bedroom") -> None:
        """Check that somebody else's question is answered."""
        async with self.satellite(room) as satellite:
            await satellite.ask()
            assert await satellite.hear() == self.bench.llm.text


@contextlib.asynccontextmanager
async def serving(bench: Bench | None = None, listen: str = ""):
    """A hub that must leave neither a task nor a turn behind."""
    bench = await (bench or quick()).open()
    settings = bench.settings
    if listen:
        settings = Settings(link=LinkSettings(listen=listen), turn=settings.turn)
    judge = Judge(bench.engines.vad, bench.engines.stt, settings)
    server = SatelliteServer(bench.rooms, settings, judge)
    uri = await server.start()
    try:
        async with asyncio.timeout(TIMEOUT):
            yield Hub(bench, server, uri)
    finally:
        await server.close()
        await bench.rooms.close()
        async with asyncio.timeout(TIMEOUT):
            while left := asyncio.all_tasks() - {asyncio.current_task()}:
                await asyncio.wait(left, timeout=0.05)
    ids = [turn.id for turn in bench.ended]
    assert len(ids) == len(set(ids))
    assert all(turn.ended for turn in bench.ended)


@pytest.mark.parametrize("where", ["tcp", "unix"])
async def test_a_question_is_answered_and_what_was_heard_is_remembered(where, tmp_path):
    async with serving(listen=f"unix://{tmp_path}/hub" if where == "unix" else "") as hub:
        async with hub.satellite() as satellite:
            turn_id = await satellite.ask()
            assert await satellite.hear() == hub.bench.llm.text
            (turn,) = await hub.turns(1)
        order = list(dict.fromkeys(event.type for event in satellite.seen))
        assert order == [
            "voice-started",
            "voice-stopped",
            "transcript",
            "audio-start",
            "synthesize",
            "audio-chunk",
            "audio-stop",
        ]
        assert turn.outcome is Outcome.ANSWERED
        assert {turn_of(e) for e in satellite.seen if e.type.startswith("audio-st")} == {turn_id}
        (exchange,) = hub.bench.room().memory.exchanges
        assert exchange.assistant == hub.bench.llm.text


async def test_a_stock_wyoming_client_can_be_a_satellite():
    async with serving() as hub:
        port = int(hub.uri.rpartition(":")[2])
        async with AsyncTcpClient("127.0.0.1", port) as client:
            await client.write_event(introduce(INFO, Introduction("kitchen", "1")))
            await client.write_event(RUN)
            for pcm in QUESTION:
                await client.write_event(chunk(pcm))
            texts = []
            while (event := await client.read_event()).type != "audio-stop":
                if Transcript.is_type(event.type):
                    texts.append(Transcript.from_event(event).text)
            await client.write_event(Played().event())
            await hub.turns(1)
        assert texts == [hub.bench.stt.text]


class TestIntroduction:
    async def test_who_does_not_introduce_itself_in_time_is_told_so_and_sent_away(
        self, monkeypatch
    ):
        monkeypatch.setattr(admission, "_INTRODUCTION_TIMEOUT", 0.1)
        async with serving() as hub, hub.stranger() as stranger:
            (error,) = await stranger.closed()
            assert Error.from_event(error).code == "not-introduced"

    @pytest.mark.parametrize(
        "first",
        [
            Describe().event(),
            RUN,
            INFO,  # without the key `parlour`
            introduce(Event("transcript", {"text": "hi"}), Introduction("kitchen", "1")),
        ],
        ids=["describe", "run-pipeline", "stock info", "introduction on another event"],
    )
    async def test_who_says_anything_else_first_is_served_nothing(self, first):
        async with serving() as hub, hub.stranger(first, RUN) as stranger:
            (error,) = await stranger.closed()
            assert Error.from_event(error).code == "not-introduced"
            assert not hub.bench.ended

    @pytest.mark.parametrize(
        "data",
        [
            {"parlour": 1},
            {"parlour": {"room": 7, "version": "1"}},
            {"parlour": {"room": "", "version": "1"}},
            {"parlour": {"room": "a\nforged log line", "version": "1"}},
            {"parlour": {"room": "x" * 5000, "version": "1"}},
            {"wake": 3},
            {"wake": [3]},
            {"wake": [{"name": "no models"}]},
            {"wake": [{**INFO.data["wake"][0], "models": None}]},
            {"satellite": "no object"},
        ],
        ids=lambda data: repr(data)[:40],
    )
    async def test_a_malformed_info_is_refused_with_a_typed_error(self, data, caplog):
        info = introduce(INFO, Introduction("kitchen", "1"))
        async with serving() as hub:
            async with hub.stranger(Event("info", info.data | data)) as stranger:
                (error,) = await stranger.closed()
            assert Error.from_event(error).code == "malformed"
            await hub.answers()
        assert "Traceback" not in caplog.text
        assert "forged" not in caplog.text

    @pytest.mark.parametrize("value", [7, ["x"], {}, None], ids=repr)
    async def test_wake_words_with_names_that_are_none_do_no_harm(self, value):
        program = INFO.data["wake"][0]
        model = program["models"][0]
        models = [{**model, "name": value}, {**model, "phrase": value}]
        info = introduce(INFO, Introduction("kitchen", "1"))
        info = Event("info", info.data | {"wake": [{**program, "models": models}]})
        async with serving() as hub, hub.stranger(info) as satellite:
            await satellite.expect("run-satellite")
            await satellite.send(Event("detection", {"name": value}))
            await satellite.ask()
            assert await satellite.hear() == hub.bench.llm.text


class TestPeersThatAreWrong:
    async def test_unknown_events_are_ignored(self):
        async with serving() as hub, hub.satellite() as satellite:
            for event_type in ("streaming-started", "no-such-event", "timer-started", "audio-stop"):
                await satellite.send(Event(event_type, {"text": "x", "turn": "y"}))
            await satellite.send(INFO)
            await satellite.ask()
            assert await satellite.hear() == hub.bench.llm.text

    @pytest.mark.parametrize(
        ("start", "end"), [("wake", "tts"), ("tts", "tts"), ("asr", "handle"), ("intent", "tts")]
    )
    async def test_a_pipeline_that_we_do_not_run_is_refused_and_the_satellite_stays(
        self, start, end
    ):
        async with serving() as hub, hub.satellite() as satellite:
            await satellite.send(Event("run-pipeline", {"start_stage": start, "end_stage": end}))
            error = await satellite.expect("error")
            assert Error.from_event(error).code == "bad-stage"
            await satellite.ask()
            assert await satellite.hear() == hub.bench.llm.text

    @pytest.mark.parametrize(
        "data",
        [
            {},
            {"start_stage": "asr"},
            {"start_stage": "dance", "end_stage": "tts"},
            {"start_stage": ["asr"], "end_stage": "tts"},
            {"start_stage": "tts", "end_stage": "asr"},
        ],
        ids=repr,
    )
    async def test_a_pipeline_that_is_none_ends_the_connection_and_nothing_else(self, data, caplog):
        async with serving() as hub:
            async with hub.satellite() as satellite:
                await satellite.send(Event("run-pipeline", data))
                (error,) = await satellite.closed()
            assert Error.from_event(error).code == "malformed"
            await hub.answers()
        assert "Traceback" not in caplog.text

    @pytest.mark.parametrize(
        ("rate", "width", "channels"),
        [
            (0, 2, 1),
            (16000, 0, 1),
            (16000, 2, 99),
            (-16000, 2, 1),
            ("16000", 2, 1),
            (None, None, None),
            ("a secret" * 1000, 2, 1),
        ],
        ids=lambda value: repr(value)[:12],
    )
    async def test_sound_in_a_format_that_is_none_ends_the_connection_and_its_turn(
        self, rate, width, channels, caplog
    ):
        async with serving() as hub:
            async with hub.satellite() as satellite:
                await satellite.send(RUN)
                await satellite.expect("transcribe")
                data = {"rate": rate, "width": width, "channels": channels}
                await satellite.send(Event("audio-chunk", data, QUIET))
                events = await satellite.closed()
            assert Error.from_event(events[-1]).code == "malformed"
            (turn,) = await hub.turns(1)
            assert turn.outcome is Outcome.GONE
            await hub.answers()
        assert "Traceback" not in caplog.text
        assert "secret" not in caplog.text

    async def test_one_chunk_that_is_minutes_long_is_refused(self):
        async with serving() as hub, hub.satellite() as satellite:
            await satellite.send(RUN, chunk(bytes(1_000_000), rate=4000, width=1))
            events = await satellite.closed()
            assert Error.from_event(events[-1]).code == "malformed"

    async def test_sound_without_a_turn_is_ignored(self):
        async with serving() as hub, hub.satellite() as satellite:
            await satellite.send(*(chunk(VOICE) for _ in range(50)), AudioStop())
            await satellite.ask()
            assert await satellite.hear() == hub.bench.llm.text
            assert hub.bench.stt.work.calls == 1

    async def test_more_sound_than_a_turn_can_be_is_dropped_and_the_rest_answered(self):
        bench = quick()
        bench.vad.probability = asyncio.Event().wait  # it takes nothing for now
        async with serving(bench) as hub, hub.satellite() as satellite:
            await satellite.send(RUN)
            for _ in range(150):
                await satellite.send(chunk(VOICE * 50))  # 150 s
            await satellite.expect("transcribe")
            while not satellite_sound(hub).closed:
                await asyncio.sleep(0.01)
            assert satellite_sound(hub)._chunks.qsize() <= 121

    async def test_a_satellite_that_sends_no_sound_does_not_listen_for_ever(self, monkeypatch):
        monkeypatch.setattr(turn_sound, "_TIMEOUT", 0.1)
        async with serving() as hub, hub.satellite() as satellite:
            await satellite.send(RUN)
            error = await satellite.expect("error")
            assert Error.from_event(error).code == "stt-no-text-recognized"
            (turn,) = await hub.turns(1)
            assert turn.outcome is Outcome.NOTHING_SAID
            await satellite.ask()
            assert await satellite.hear() == hub.bench.llm.text

    async def test_one_that_reads_nothing_is_given_up_while_the_reply_is_sent(
        self, monkeypatch, tmp_path
    ):
        monkeypatch.setattr(satellites, "_LIMITS", Limits(write_timeout=0.2))
        monkeypatch.setattr(satellites, "_HEARTBEAT", 0.1)
        bench = quick()
        bench.llm.text = "Word after word after word. " * 40  # 3 MB of sound
        async with serving(bench, f"unix://{tmp_path}/hub") as hub:
            async with hub.satellite() as satellite:
                await satellite.ask()
                (turn,) = await hub.turns(1)
                assert turn.outcome is Outcome.GONE
                while hub.connections:
                    await asyncio.sleep(0.01)
            assert bench.llm.work.running == 0
            bench.llm.text = "It is Paris."
            await hub.answers()

    @pytest.mark.parametrize("junk", [b"\n", b"{}\n", b"\x00\xff" * 99, b'{"type":"x"' * 9000])
    async def test_bytes_that_are_no_frames_end_the_connection_and_its_turn(self, junk):
        async with serving() as hub:
            async with hub.satellite() as satellite:
                await satellite.send(RUN)
                await satellite.expect("transcribe")
                satellite.connection._writer.write(junk + b"\n")
                await satellite.closed()
                (turn,) = await hub.turns(1)
                assert turn.outcome is Outcome.GONE
            await hub.answers()


def satellite_sound(hub: Hub):
    """What the microphone of the kitchen's turn has sent and nobody took yet."""
    main = next(t for t in hub.bench.room().turn._tasks if t.get_name().startswith("pipeline"))
    return main.get_coro().cr_frame.f_locals["sound"]


class TestSound:
    @pytest.mark.parametrize("form", [(44100, 2, 2), (48000, 4, 1), (8000, 1, 1)], ids=repr)
    async def test_any_format_is_converted(self, form):
        rate, width, channels = form
        form = PcmFormat(*form)
        times = np.arange(rate * 2) / rate
        voice = np.sin(2 * np.pi * 440 * times) * (times > 0.2) * (times < 1.2)
        scale = 2 ** (8 * width - 2)
        samples = np.repeat((voice * scale).astype("<i4")[:, None], channels, axis=1)
        pcm = (
            (samples + 128).astype(np.uint8).tobytes()
            if width == 1
            else np.ascontiguousarray(samples).view(np.uint8).reshape(-1, 4)[:, :width].tobytes()
        )
        size = form.bytes_for(0.03)
        async with serving() as hub, hub.satellite() as satellite:
            await satellite.send(RUN)
            for start in range(0, len(pcm), size):
                await satellite.send(chunk(pcm[start : start + size], rate, width, channels))
            await satellite.expect("transcript")
            # with what came before the first voiced frame, and the pause so far
            assert hub.bench.stt.heard_seconds == pytest.approx(1.0 + 0.4, abs=0.1)

    async def test_an_early_audio_stop_ends_the_question_at_once(self):
        async with serving() as hub, hub.satellite() as satellite:
            await satellite.ask([QUIET] * 10 + [VOICE] * 40)
            await satellite.send(AudioStop())
            assert await satellite.hear() == hub.bench.llm.text
            (turn,) = await hub.turns(1)
            assert Mark.SPEECH_END in turn.record.marks

    async def test_an_audio_stop_before_any_sound_is_nothing_said(self):
        async with serving() as hub, hub.satellite() as satellite:
            await satellite.send(RUN, AudioStop())
            error = await satellite.expect("error")
            assert Error.from_event(error).code == "stt-no-text-recognized"


class TestInterruptions:
    async def test_a_second_turn_interrupts_and_flushes_the_first(self):
        bench = quick()
        bench.llm.text = "One two three four five. " * 20
        async with serving(bench) as hub, hub.satellite() as satellite:
            first = await satellite.ask()
            for _ in range(3):  # clauses
                await satellite.expect("synthesize")
            await satellite.send(Playback(first, 24000))  # a second: 16 letters
            bench.llm.text = "It is Paris."
            satellite.seen.clear()
            second = await satellite.ask()
            types = [event.type for event in satellite.seen]
            flush = types.index("flush")
            assert Flush.from_event(satellite.seen[flush]).turn == first
            assert types[flush + 1 :] == ["transcribe"]  # and nothing of the first after it
            assert await satellite.hear() == "It is Paris."
            one, two = await hub.turns(2)
            assert (one.id, one.outcome) == (first, Outcome.INTERRUPTED)
            assert (two.id, two.outcome) == (second, Outcome.ANSWERED)
            heard = hub.bench.room().memory.exchanges[0]
            assert heard.interrupted
            assert heard.assistant.startswith("One two")
            assert len(heard.assistant) <= 16

    async def test_a_turn_that_follows_at_once_on_a_reply_played_whole_interrupts_nothing(self):
        async with serving() as hub, hub.satellite() as satellite:
            await satellite.ask()
            await satellite.expect("audio-stop")
            await satellite.send(Played(), RUN)
            satellite.seen.clear()
            await satellite.ask()
            assert "flush" not in [event.type for event in satellite.seen]
            assert await satellite.hear() == hub.bench.llm.text
            turns = await hub.turns(2)
            assert turns[0].outcome is Outcome.ANSWERED
            assert not hub.bench.room().memory.exchanges[0].interrupted

    async def test_turns_that_begin_at_the_same_moment_each_end_once(self):
        async with serving() as hub, hub.satellite() as satellite:
            satellite.connection._writer.write(
                b'{"type":"run-pipeline","data":{"start_stage":"asr","end_stage":"tts"}}\n' * 5
            )
            await satellite.ask()
            assert await satellite.hear() == hub.bench.llm.text
            turns = await hub.turns(6)
            assert [turn.outcome for turn in turns] == [Outcome.INTERRUPTED] * 5 + [
                Outcome.ANSWERED
            ]

    async def test_a_turn_without_a_reply_yet_is_not_flushed(self):
        async with serving() as hub, hub.satellite() as satellite:
            await satellite.ask([QUIET] * 10)
            satellite.seen.clear()
            await satellite.ask()
            assert await satellite.hear() == hub.bench.llm.text
            assert "flush" not in [event.type for event in satellite.seen]


class TestReportsOfPlayback:
    async def test_reports_of_another_turn_do_not_count(self):
        async with serving() as hub, hub.satellite() as satellite:
            await satellite.ask()
            await satellite.expect("audio-chunk")
            await satellite.send(Playback("another", 10**9))
            await satellite.expect("audio-stop")
            await satellite.send(Ping())
            assert hub.bench.room().turn.playback._reported is None
            await satellite.send(Played())
            await hub.turns(1)

    async def test_a_report_of_less_than_nothing_ends_the_connection(self):
        async with serving() as hub:
            async with hub.satellite() as satellite:
                turn = await satellite.ask()
                await satellite.send(Event("playback", {"turn": turn, "samples_played": -1}))
                events = await satellite.closed()
                assert Error.from_event(events[-1]).code == "malformed"
            await hub.answers()

    async def test_reports_before_any_audio_and_after_the_end_change_no_times(self):
        async with serving() as hub, hub.satellite() as satellite:
            turn_id = await satellite.ask([QUIET])
            await satellite.send(Playback(turn_id, 24000), Played())
            await satellite.send(*(chunk(pcm) for pcm in QUESTION))
            await satellite.hear()
            (turn,) = await hub.turns(1)
            assert turn.outcome is Outcome.ANSWERED
            before = dict(turn.record.marks)
            await satellite.send(Playback(turn_id, 24000), Played(), Played())
            await satellite.ask()  # it has been read by now
            assert turn.record.marks == before
            assert Mark.FIRST_AUDIO_PLAYED not in before
            assert list(before)[-1] is Mark.DONE

    async def test_more_than_was_sent_was_not_played(self):
        async with serving() as hub, hub.satellite() as satellite:
            turn_id = await satellite.ask()
            await satellite.expect("audio-stop")
            await satellite.send(Playback(turn_id, 10**12), Played(), Played())
            (turn,) = await hub.turns(1)
            marks = turn.record.marks
            assert marks[Mark.FIRST_AUDIO_PLAYED] >= marks[Mark.FIRST_AUDIO_SENT]
            assert turn.playback.heard() == hub.bench.llm.text


class TestTwoSatellitesOfOneName:
    async def test_the_newer_one_takes_the_place_and_the_older_one_is_told(self):
        async with serving() as hub, hub.satellite() as older:
            await older.ask()
            await older.expect("audio-chunk")
            async with hub.satellite() as newer:
                error = await older.expect("error")
                assert Error.from_event(error).code == "replaced"
                assert not await older.closed()
                assert (await hub.turns(1))[0].outcome is Outcome.GONE
                await newer.ask()
                assert await newer.hear() == hub.bench.llm.text
            assert hub.connections <= 1

    async def test_of_several_that_come_at_once_one_stays(self):
        async with serving() as hub, hub.satellite() as first, contextlib.AsyncExitStack() as stack:
            dialled = [hub.satellite(accepted=False) for _ in range(4)]
            others = await asyncio.gather(*(stack.enter_async_context(one) for one in dialled))
            events = await asyncio.gather(*(reading(one, 0.5) for one in [first, *others]))
            alive = [one for one, (_, open_) in zip([first, *others], events, strict=True) if open_]
            (survivor,) = alive
            assert hub.connections == 1
            await survivor.ask()
            assert await survivor.hear() == hub.bench.llm.text

    async def test_one_that_reads_nothing_does_not_keep_its_successor_waiting(
        self, monkeypatch, tmp_path
    ):
        monkeypatch.setattr(admission, "_REFUSAL_TIMEOUT", 0.1)
        bench = quick()
        bench.llm.text = "Word after word after word. " * 40
        async with serving(bench, f"unix://{tmp_path}/hub") as hub, hub.satellite() as older:
            await older.ask()
            while not hub.bench.room().turn.playback.started:
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.2)  # now the socket is full
            began = asyncio.get_running_loop().time()
            async with hub.satellite():
                assert asyncio.get_running_loop().time() - began < 5
                assert (await hub.turns(1))[0].outcome is Outcome.GONE

    async def test_two_of_one_name_do_not_throw_each_other_out_for_ever(self, monkeypatch):
        monkeypatch.setattr(link_module, "FIRST_RETRY", 0.01)
        monkeypatch.setattr(link_module, "LAST_RETRY", 0.02)
        driven = []

        class Idle:
            def received(self, event): ...

            def link_lost(self): ...

        info = introduce(INFO, Introduction("kitchen", "1"))
        async with serving() as hub:
            links = [
                Link(info, on_driven=lambda _, name=name: driven.append(name))
                for name in ("first", "second")
            ]
            tasks = [asyncio.create_task(links[0].dial(hub.uri, Idle()))]
            while not driven:
                await asyncio.sleep(0.01)
            tasks.append(asyncio.create_task(links[1].dial(hub.uri, Idle())))
            await asyncio.sleep(0.6)
            assert driven == ["first", "second"]
            assert hub.connections == 1
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def reading(satellite: Satellite, seconds: float) -> tuple[list[Event], bool]:
    """Return what comes within `seconds`, and whether the connection is still open then."""
    events = []
    try:
        async with asyncio.timeout(seconds):
            while True:
                events.append(await satellite.connection.read())
    except TimeoutError:
        return events, True
    except ConnectionClosed:
        return events, False


class TestSatellitesThatVanish:
    @pytest.mark.parametrize(
        "stage",
        ["introduced", "transcribe", "voice-stopped", "transcript", "audio-chunk", "audio-stop"],
    )
    @pytest.mark.parametrize("how", ["closed", "reset"])
    async def test_a_satellite_may_vanish_in_any_stage(self, stage, how, caplog):
        caplog.set_level(logging.INFO)
        async with serving() as hub:
            async with hub.satellite() as satellite:
                if stage != "introduced":
                    await satellite.ask([QUIET] if stage == "transcribe" else QUESTION)
                if stage not in ("introduced", "transcribe"):
                    await satellite.expect(stage)
                if how == "reset":
                    sock = satellite.connection._writer.get_extra_info("socket")
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                    satellite.connection._writer.transport.abort()
            while hub.connections:
                await asyncio.sleep(0.005)
            if stage != "introduced":
                (turn,) = await hub.turns(1)
                assert turn.outcome is Outcome.GONE
            assert hub.bench.room().turn is None
            assert hub.bench.llm.work.running == 0
            await hub.answers()
            await hub.answers("kitchen")
        assert "Traceback" not in caplog.text
        assert not [record for record in caplog.records if record.levelno >= logging.WARNING]

    async def test_many_that_come_and_go_leave_no_task_and_no_connection(self):
        async with serving() as hub:
            tasks = len(asyncio.all_tasks())

            async def come_and_go(number: int) -> None:
                async with hub.satellite(f"room {number % 7}", accepted=False) as satellite:
                    if number % 3:
                        await satellite.send(RUN, *(chunk(pcm) for pcm in QUESTION[:number]))
                    if number % 2:
                        satellite.connection._writer.transport.abort()

            for batch in range(0, 50, 5):
                await asyncio.gather(*(come_and_go(batch + i) for i in range(5)))
            while hub.connections or len(asyncio.all_tasks()) > tasks:
                await asyncio.sleep(0.01)
            assert not hub.server._connected
            await hub.answers()


async def test_made_up_names_do_not_fill_the_memory_nor_push_out_a_room_in_use(monkeypatch):
    monkeypatch.setattr("hub.conversation.room._MOST_ROOMS", 5)
    async with serving() as hub:
        await hub.answers("kitchen")
        for number in range(12):
            async with hub.satellite(f"made up {number}"):
                pass
            hub.bench.rooms.get("kitchen")
        assert len(hub.bench.rooms._rooms) <= 5
        assert hub.bench.room("kitchen").memory.exchanges


async def test_a_ping_is_answered_while_a_turn_runs():
    bench = quick()
    bench.llm.text = "Word after word. " * 20
    async with serving(bench) as hub:
        port = int(hub.uri.rpartition(":")[2])
        async with AsyncTcpClient("127.0.0.1", port) as client:
            await client.write_event(introduce(INFO, Introduction("kitchen", "1")))
            await client.write_event(RUN)
            for pcm in QUESTION:
                await client.write_event(chunk(pcm))
            while (await client.read_event()).type != "audio-chunk":
                pass
            await client.write_event(Ping("are you there").event())
            while (event := await client.read_event()).type != "pong":
                assert event.type != "audio-stop"
            assert event.data["text"] == "are you there"


async def test_a_satellite_is_answered_while_others_do_all_kinds_of_harm():
    async with serving() as hub:

        async def harm(number: int) -> None:
            async with hub.satellite(f"bad {number}") as bad:
                await bad.send(RUN, *(chunk(pcm) for pcm in QUESTION))
                if number == 0:
                    await bad.send(Event("audio-chunk", {"rate": 1}))
                elif number == 1:
                    bad.connection._writer.write(b"no json\n")
                elif number == 2:
                    await bad.send(*[RUN] * 20)
                await asyncio.sleep(0.1)

        async with hub.satellite() as good:
            harms = [asyncio.create_task(harm(number)) for number in range(4)]
            for _ in range(3):
                await good.ask()
                assert await good.hear() == hub.bench.llm.text
            await asyncio.gather(*harms)


async def test_a_turn_that_fails_before_it_listened_is_still_apologised_for():
    # The satellite drops the sound of any turn that it has not been told of.
    bench = quick()

    def broken():
        raise EngineError("no voice activity")

    bench.vad.stream = broken
    async with serving(bench) as hub, hub.satellite() as satellite:
        turn = await satellite.ask()
        assert turn_of(await satellite.expect("audio-start")) == turn
        await satellite.expect("audio-stop")
        await satellite.send(Played())
        assert (await hub.turns(1))[0].outcome is Outcome.FAILED


async def test_what_was_said_stays_out_of_the_log_though_an_engine_quotes_it(caplog):
    caplog.set_level(logging.INFO)
    bench = quick()
    bench.stt.text = "my password is swordfish"
    bench.llm.error = ValueError("cannot tokenize: my password is swordfish")
    async with serving(bench) as hub, hub.satellite() as satellite:
        await satellite.ask()
        await satellite.expect("audio-stop")
        await satellite.send(Played())
        assert (await hub.turns(1))[0].outcome is Outcome.FAILED
    assert "ValueError" in caplog.text
    assert "swordfish" not in caplog.text
