"""What an engine's own process serves: requests, refusals, and peers that go."""

import asyncio
import itertools
import subprocess
import sys
import time

import hostile
import pytest
from scripted import ScriptedStt, ScriptedTts
from wyoming.event import Event
from wyoming.info import Info

from hub.config import Settings, SttSettings, TtsSettings
from hub.engines import serve_session
from hub.engines.base import EngineError
from hub.engines.serve import Serving
from hub.engines.serve_requests import MOST_SECONDS, clauses_of
from protocol.audio import SPEECH, PcmFormat
from protocol.connection import ConnectionClosed
from protocol.engine_keys import facts_of
from protocol.settings import ConfigError
from protocol.transport import connect, serve

TIMEOUT = 20.0


class Voice(ScriptedTts):
    """Notes how it is asked, and when its work is closed."""

    voices = ("heart", "Laura")

    def __init__(self, seconds=0.02):
        super().__init__(seconds)
        self.asked = []
        self.closed_at = None

    async def synthesize(self, text, *, voice=None, description=""):
        self.asked.append((text, voice, description))
        try:
            async for pcm in super().synthesize(text, voice=voice):
                yield pcm
        finally:
            self.closed_at = time.monotonic()


class Peer:
    def __init__(self, connection):
        self.connection = connection

    async def ask(self, kind, payload=None, **data):
        await self.connection.write(Event(kind, data, payload))

    async def read(self):
        async with asyncio.timeout(TIMEOUT):
            return await self.connection.read()

    async def until(self, *kinds):
        events = []
        while not events or events[-1].type not in kinds:
            events.append(await self.read())
        return events

    async def send_sound(self, pcm, form=SPEECH):
        said = {"rate": form.rate, "width": form.width, "channels": form.channels}
        await self.ask("audio-start", **said)
        for at in range(0, len(pcm), 100_000):
            await self.ask("audio-chunk", pcm[at : at + 100_000], **said)
        await self.ask("audio-stop")


@pytest.fixture
async def open_peers(tmp_path):
    """Serve an engine; return how to make peers of it."""
    servers, peers = [], []

    async def start(serving):
        server = await serve(f"unix://{tmp_path}/engine", serving.handle)
        servers.append(server)

        async def peer():
            peers.append(await connect(server.uri))
            return Peer(peers[-1])

        return peer

    yield start
    for peer in peers:
        await peer.close()
    for server in servers:
        await server.close()


def voice_of(engine, **tts):
    serving = Serving("tts", Settings(tts=TtsSettings(**tts)))
    serving.tts = engine
    return serving


def ears_of(engine, **stt):
    serving = Serving("stt", Settings(stt=SttSettings(**stt)))
    serving.stt = engine
    return serving


async def test_speech_streams_between_start_and_stop(open_peers):
    peer = await (await open_peers(voice_of(engine := Voice())))()
    await peer.ask("synthesize", text="Good morning to all of you.", voice={"name": "Laura"})
    events = await peer.until("audio-stop")
    assert events[0].type == "audio-start"
    assert len(events) > 3
    assert {event.type for event in events[1:-1]} == {"audio-chunk"}
    assert engine.asked == [("Good morning to all of you.", "Laura", "")]


async def test_a_description_is_the_requests_and_else_that_of_the_settings(open_peers):
    serving = voice_of(engine := Voice(), description="Calm.")
    peer = await (await open_peers(serving))()
    for asked in ({}, {"description": "Fast  and\nloud."}, {"description": ""}):
        await peer.ask("synthesize", text="Yes.", **asked)
        await peer.until("audio-stop")
    assert [description for *_, description in engine.asked] == ["Calm.", "Fast and loud.", ""]


async def test_a_text_without_words_is_answered_with_no_sound(open_peers):
    peer = await (await open_peers(voice_of(engine := Voice())))()
    await peer.ask("synthesize", text=" ... ")
    assert [event.type for event in await peer.until("audio-stop")] == ["audio-start", "audio-stop"]
    assert engine.asked == []


@pytest.mark.parametrize("gone", ["closes", "asks for something else"])
async def test_work_for_a_peer_that_goes_or_asks_anew_is_closed_at_once(open_peers, gone):
    peer = await (await open_peers(voice_of(engine := Voice(seconds=0.05))))()
    await peer.ask("synthesize", text="A very long story. " * 20)
    await peer.until("audio-chunk")
    left = time.monotonic()
    if gone == "closes":
        await peer.connection.close()
    else:
        await peer.ask("synthesize", text="Yes.")
    async with asyncio.timeout(TIMEOUT):
        while engine.closed_at is None:
            await asyncio.sleep(0.005)
    assert engine.closed_at - left < 1.0  # a bound of a hang; the work lasts for 9 s
    if gone != "closes":
        await peer.until("audio-stop")
        assert [text for text, *_ in engine.asked][1:] == ["Yes."]


async def test_a_peer_that_is_worked_for_may_be_silent_and_one_that_rests_is_sent_away(
    open_peers, monkeypatch
):
    monkeypatch.setattr(serve_session, "_IDLE", 0.2)
    peer = await (await open_peers(voice_of(Voice(seconds=0.1))))()
    await peer.ask("synthesize", text="A long story. " * 5)
    assert (await peer.until("audio-stop", "error"))[-1].type == "audio-stop"
    with pytest.raises(ConnectionClosed):
        await peer.read()


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        ({"text": "Yes.", "voice": {"name": "nobody"}}, "no voice 'nobody' here, only: heart"),
        ({"text": "Yes.", "voice": {"language": "xx"}}, "only: en"),
        ({"text": "Yes.", "text_format": "ssml"}, "plain text"),
        ({"text": "a" * 100_001}, "more than 100000 letters"),
    ],
)
async def test_what_cannot_be_said_is_refused_and_the_peer_may_ask_again(open_peers, asked, why):
    peer = await (await open_peers(serving := voice_of(Voice())))()
    await peer.ask("synthesize", **asked)
    error = await peer.read()
    assert (error.type, error.data["code"]) == ("error", "bad-input")
    assert why in error.data["text"]
    await peer.ask("synthesize", text="Yes.")
    await peer.until("audio-stop")
    assert not serving._failure.done()


@pytest.mark.parametrize("voice", [7, {"name": 7}, []])
async def test_a_malformed_request_is_told_and_ends_its_connection_alone(open_peers, voice):
    peers = await open_peers(voice_of(Voice()))
    peer, other = await peers(), await peers()
    await peer.ask("synthesize", text="Yes.", voice=voice)
    assert (await peer.read()).data["code"] == "bad-input"
    with pytest.raises(ConnectionClosed):
        await peer.read()
    await other.ask("synthesize", text="Yes.")
    await other.until("audio-stop")


async def test_malformed_frames_harm_nobody_else(open_peers, tmp_path):
    serving = ears_of(ScriptedStt("yes", seconds=0.02))
    peer = await (await open_peers(serving))()
    for _, frame in itertools.islice(hostile.frames(7), 300):
        _, writer = await asyncio.open_unix_connection(tmp_path / "engine")
        writer.write(frame)
        writer.close()
    await peer.ask("transcribe")
    await peer.send_sound(bytes(3200))
    assert (await peer.read()).data["text"] == "yes"
    assert not serving._failure.done()


async def test_an_engine_that_fails_is_given_up_once_the_peer_is_told(open_peers):
    serving = voice_of(engine := Voice())
    peer = await (await open_peers(serving))()
    engine.error = ValueError("what somebody said")
    await peer.ask("synthesize", text="Yes.")
    error = (await peer.until("error"))[-1]
    assert error.data["code"] == "failed"
    assert "what somebody said" not in error.data["text"]
    async with asyncio.timeout(TIMEOUT):
        assert "ValueError at " in str(await serving._failure)


async def run_until(serving, uri, happens):
    """Run a serving whose peer does `happens`; return what it raised."""
    stop = asyncio.Event()
    running = asyncio.create_task(serving.run(uri, [], stop))
    try:
        async with asyncio.timeout(TIMEOUT):
            while True:
                try:
                    connection = await connect(uri)
                    break
                except OSError:
                    await asyncio.sleep(0.01)
            async with connection:
                await happens(Peer(connection), stop)
            await asyncio.wait([running])
            return running.exception()
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_a_failed_engine_ends_the_serving_and_its_socket(tmp_path, monkeypatch):
    engine = Voice()
    monkeypatch.setattr("hub.engines.serve.make_tts_here", lambda settings: engine)
    engine.error = EngineError("out of memory")

    async def speak(peer, stop):
        while True:
            await peer.ask("synthesize", text="Yes.")
            error = (await peer.until("error"))[-1]
            if error.data["code"] == "failed":
                return
            assert error.data["code"] == "unavailable"

    error = await run_until(Serving("tts", Settings()), f"unix://{tmp_path}/engine", speak)
    assert str(error) == "out of memory"
    assert not (tmp_path / "engine").exists()


async def test_it_can_be_stopped_while_it_loads(tmp_path, monkeypatch):
    class Endless(Voice):
        async def load(self):
            await asyncio.Event().wait()

    monkeypatch.setattr("hub.engines.serve.make_tts_here", lambda settings: Endless())

    async def stops(peer, stop):
        await peer.ask("describe")
        assert facts_of((await peer.read()).data["tts"][0]).loading
        stop.set()

    error = await run_until(Serving("tts", Settings()), f"unix://{tmp_path}/engine", stops)
    assert error is None
    assert not (tmp_path / "engine").exists()


async def test_while_it_loads_it_describes_itself_and_says_so_to_requests(open_peers):
    serving = Serving("tts", Settings())
    peer = await (await open_peers(serving))()
    await peer.ask("describe")
    info = await peer.read()
    assert facts_of(info.data["tts"][0]).loading
    assert Info.from_event(info).tts[0].installed
    assert [voice.name for voice in Info.from_event(info).tts[0].voices] == ["heart"]
    await peer.ask("synthesize", text="Yes.")
    assert (await peer.read()).data["code"] == "unavailable"
    serving.tts = Voice()
    await peer.ask("describe")
    info = await peer.read()
    facts = facts_of(info.data["tts"][0])
    assert (facts.loading, facts.device) == (False, "cpu")
    assert [voice.name for voice in Info.from_event(info).tts[0].voices] == ["heart", "Laura"]
    await peer.ask("synthesize", text="Yes.")
    await peer.until("audio-stop")


async def test_voices_that_only_the_loaded_engine_knows_are_not_installed_before(open_peers):
    peer = await (await open_peers(Serving("tts", Settings(tts=TtsSettings(engine="piper")))))()
    await peer.ask("describe")
    assert not Info.from_event(await peer.read()).tts[0].installed


@pytest.mark.parametrize("form", [SPEECH, PcmFormat(44100, 4, 2), PcmFormat(8000, 1, 1)])
async def test_sound_of_any_format_is_heard(open_peers, form):
    engine = ScriptedStt("good morning", seconds=0.02)
    peer = await (await open_peers(ears_of(engine, words=("Marvin",))))()
    await peer.ask("transcribe", context={"a": 1})
    await peer.send_sound(bytes(form.bytes_for(2.0)), form)
    transcript = await peer.read()
    assert transcript.type == "transcript"
    assert transcript.data["text"] == "good morning"
    assert transcript.data["context"] == {"a": 1}
    assert transcript.data["avg_logprob"] == -0.2
    assert engine.heard_seconds == pytest.approx(2.0, abs=0.01)
    assert engine.bias == ("Marvin",)


async def test_names_come_before_terms_and_replace_those_of_the_settings(open_peers):
    engine = ScriptedStt(seconds=0.02)
    peer = await (await open_peers(ears_of(engine, words=("Marvin",))))()
    await peer.ask("transcribe", transcript_terms=["hub"], transcript_names=["Ada", "Ada"])
    await peer.send_sound(bytes(3200))
    await peer.until("transcript")
    assert engine.bias == ("Ada", "hub")


async def test_sound_without_a_request_is_one(open_peers):
    peer = await (await open_peers(ears_of(ScriptedStt("yes", seconds=0.02))))()
    await peer.send_sound(bytes(3200))
    assert (await peer.read()).data["text"] == "yes"


async def test_sound_that_is_too_long_is_refused_once_and_the_peer_may_ask_again(open_peers):
    engine = ScriptedStt("yes", seconds=0.02)
    peer = await (await open_peers(ears_of(engine)))()
    await peer.ask("transcribe")
    await peer.send_sound(bytes(SPEECH.bytes_for(MOST_SECONDS + 20)))
    assert (await peer.read()).data["code"] == "bad-input"
    await peer.ask("transcribe")
    await peer.send_sound(bytes(SPEECH.bytes_for(MOST_SECONDS)))
    assert (await peer.read()).type == "transcript"
    assert engine.heard_seconds == MOST_SECONDS


@pytest.mark.parametrize("asked", [{"language": "de"}, {"name": "whisper-huge"}])
async def test_another_language_or_model_is_refused(open_peers, asked):
    peer = await (await open_peers(ears_of(ScriptedStt())))()
    await peer.ask("transcribe", **asked)
    assert (await peer.read()).data["code"] == "bad-input"


async def test_a_transcription_stops_when_its_peer_goes(open_peers):
    engine = ScriptedStt(seconds=5.0)
    peer = await (await open_peers(ears_of(engine)))()
    await peer.ask("transcribe")
    await peer.send_sound(bytes(3200))
    while not engine.work.calls:
        await asyncio.sleep(0.01)
    await peer.connection.close()
    await asyncio.sleep(0.1)
    moment = asyncio.get_running_loop().time()
    await asyncio.sleep(0.7)  # (it works every 0.5 s)
    assert engine.work.after(moment) == []


async def test_each_role_refuses_the_others_work(open_peers):
    peer = await (await open_peers(voice_of(Voice())))()
    await peer.ask("transcribe")
    assert "transcribes nothing" in (await peer.read()).data["text"]
    await peer.send_sound(bytes(3200))  # belongs to it
    await peer.ask("synthesize", text="Yes.")
    assert (await peer.read()).type == "audio-start"


async def test_another_server_is_no_engine():
    with pytest.raises(ConfigError, match="is another server"):
        Serving("stt", Settings(stt=SttSettings(engine="wyoming://host:10300")))


def test_long_texts_are_cut_at_sentences_and_short_ones_stay_whole():
    text = "Yes. " + "This is a sentence of some length. " * 12 + "word " * 70
    clauses = clauses_of(text, 24, 120)
    assert "".join(clauses) == text
    assert all(24 <= len(clause) <= 120 for clause in clauses)
    assert clauses[0].startswith("Yes. This")
    assert clauses_of("Yes. No.", 24, 120) == ("Yes. No.",)
    assert clauses_of("a" * 220, 24, 100) == ("a" * 100, "a" * 100, "a" * 20)


@pytest.mark.parametrize("mark", [".", ", ", "\n", "[ ", ") ", "\U0001f600"])
def test_a_text_of_marks_alone_holds_nobody_up(mark):
    text = mark * (100_000 // len(mark)) + "a"
    began = time.monotonic()
    assert clauses_of(text, 24, 300)
    assert time.monotonic() - began < 2.0  # a bound of a hang: it took 5 to 21 s


def test_it_runs_with_the_base_install_and_numpy_alone():
    """In Parler's and Piper's environments there is nothing else of ours."""
    base = {"hub", "protocol", "wyoming", "msgspec", "numpy", "soxr", "typing_extensions"}
    program = (
        "import sys, hub.engines.serve; "
        "print(*{name.partition('.')[0] for name in sys.modules} - set(sys.stdlib_module_names))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    strangers = {name for name in done.stdout.split() if not name.startswith("_")} - base
    assert strangers == set()
