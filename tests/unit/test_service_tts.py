"""`synthesize`, plain and streaming, on the service port, over real sockets."""

import asyncio

import pytest
from scripted import TTS_FORMAT, ScriptedTts
from service_port import quick, service_port
from wyoming.audio import AudioChunk
from wyoming.event import Event
from wyoming.info import Describe
from wyoming.tts import (
    Synthesize,
    SynthesizeChunk,
    SynthesizeStart,
    SynthesizeStop,
    SynthesizeVoice,
)

from hub.engines.base import EngineError
from hub.service import tts as service_tts

TEXT = "The kitchen is warm. The hall is cold."


def seconds_of(events) -> float:
    pcm = sum(len(AudioChunk.from_event(e).audio) for e in events if e.type == "audio-chunk")
    return TTS_FORMAT.seconds(pcm)


async def test_a_text_becomes_sound_between_a_start_and_a_stop():
    async with service_port() as port, port.client() as client:
        await client.send(Synthesize(TEXT))
        await client.expect("audio-stop")
        assert client.types()[0] == "audio-start"
        assert set(client.types()[1:-1]) == {"audio-chunk"}
        start = client.seen[0].data
        assert (start["rate"], start["width"], start["channels"]) == (24000, 2, 1)
        assert port.bench.tts.spoken == ["The kitchen is warm.", "The hall is cold."]
        assert seconds_of(client.seen) == pytest.approx(0.06 * 37, abs=0.1)


async def test_a_streamed_text_is_spoken_sentence_by_sentence_while_it_comes():
    async with service_port() as port, port.client() as client:
        await client.send(SynthesizeStart())
        for piece in ("The kit", "chen is warm. The ", "hall is "):
            await client.send(SynthesizeChunk(piece))
        await client.expect("audio-chunk")  # though the second sentence is not there yet
        await client.send(SynthesizeChunk("cold."), Synthesize(TEXT), SynthesizeStop())
        await client.expect("synthesize-stopped")
        assert port.bench.tts.spoken == ["The kitchen is warm.", "The hall is cold."]
        types = client.types()
        assert [t for t in types if t != "audio-chunk"] == [
            "audio-start",
            "audio-stop",
            "synthesize-stopped",
        ]


@pytest.mark.parametrize("text", ["", "   ", "🙂🎉", "***", "..."])
async def test_nothing_to_say_is_no_sound_and_no_error(text):
    async with service_port() as port, port.client() as client:
        await client.send(Synthesize(text))
        await client.expect("audio-stop")
        assert client.types() == ["audio-start", "audio-stop"]
        await client.send(SynthesizeStart(), SynthesizeChunk(text), SynthesizeStop())
        await client.expect("synthesize-stopped")
        assert "audio-chunk" not in client.types()


async def test_markdown_and_numbers_are_said_in_words():
    async with service_port() as port, port.client() as client:
        await client.send(Synthesize("**Set** it to 21°C."))
        await client.expect("audio-stop")
        assert port.bench.tts.spoken == ["Set it to twenty-one degrees Celsius."]


@pytest.mark.parametrize(
    ("request_", "code", "text"),
    [
        (Synthesize("Hi.", SynthesizeVoice(name="bob")), "unknown-voice", "heart"),
        (SynthesizeStart(SynthesizeVoice(name="bob")), "unknown-voice", "'bob'"),
        (Synthesize("Hi.", SynthesizeVoice("heart", None, "bob")), "unknown-voice", "speakers"),
        (Synthesize("Hi.", SynthesizeVoice(language="de")), "unsupported-language", "'de'"),
        (Synthesize("<speak>Hi.</speak>", None, "ssml"), "unsupported-format", "plain text"),
        (Synthesize("x" * 100_001), "too-long", "100000"),
        (Event("synthesize", {}), "malformed", "text is missing"),
        (Event("synthesize", {"text": 3}), "malformed", "no text"),
        (Event("synthesize", {"text": "Hi.", "voice": "heart"}), "malformed", "no object"),
        (SynthesizeChunk("Hi."), "no-request", "synthesize-start"),
    ],
)
async def test_a_bad_request_is_refused_in_words(request_, code, text):
    async with service_port() as port, port.client() as client:
        await client.send(request_)
        assert text in await client.refused(code)
        assert port.bench.tts.spoken == []


@pytest.mark.parametrize(
    "voice", [None, SynthesizeVoice(name="heart"), SynthesizeVoice(language="en_US")]
)
async def test_a_voice_may_be_named_or_left_open(voice):
    async with service_port() as port, port.client() as client:
        await client.send(Synthesize("Hello.", voice))
        await client.expect("audio-stop")
        assert "audio-chunk" in client.types()


async def test_a_stream_that_never_ends_is_cut_off(monkeypatch):
    monkeypatch.setattr(service_tts, "MOST_TEXT", 2000)
    async with service_port() as port, port.client() as client:
        await client.send(SynthesizeStart())
        await client.send(*[SynthesizeChunk("la " * 33) for _ in range(21)])
        assert "2000" in await client.refused("too-long")


async def test_a_pause_in_a_streamed_text_has_an_end(monkeypatch):
    monkeypatch.setattr(service_tts, "_TEXT_TIMEOUT", 0.2)
    async with service_port() as port, port.client() as client:
        await client.send(SynthesizeStart(), SynthesizeChunk("Well"))
        await client.refused("timeout")


async def test_a_client_that_goes_stops_the_voice():
    async with service_port(quick(tts=ScriptedTts(0.02))) as port:
        async with port.client() as client:
            await client.send(Synthesize("A very long story. " * 500))
            await client.expect("audio-chunk")
        await asyncio.sleep(0.5)
        calls = port.bench.tts.work.calls
        assert calls < 100
        await asyncio.sleep(0.5)
        assert port.bench.tts.work.calls == calls


async def test_a_client_that_reads_nothing_does_not_make_the_voice_go_on():
    async with service_port() as port, port.client() as client:
        await client.send(Synthesize("A very long story. " * 5000))
        before = -1
        async with asyncio.timeout(30):
            while port.bench.tts.work.calls != before:  # until the sockets are full
                before = port.bench.tts.work.calls
                await asyncio.sleep(0.5)
        assert before < 4000
        async with port.client() as other:
            await other.send(Synthesize("Hello."))
            await other.expect("audio-stop")


@pytest.mark.parametrize("streamed", [False, True])
async def test_a_voice_that_fails_is_an_error_then_a_close_and_is_replaced(streamed):
    bench = quick()
    bench.tts.error, bench.tts.error_after = EngineError("no voice left"), 1
    async with service_port(bench) as port, port.client() as client:
        if streamed:
            await client.send(SynthesizeStart(), SynthesizeChunk(TEXT), SynthesizeStop())
        else:
            await client.send(Synthesize(TEXT))
        await client.refused("engine-failed")
        assert "audio-stop" not in client.types()  # what was cut off must not look whole
        assert bench.engines.tts.restarts == 1


async def test_describe_is_answered_in_mid_speech():
    async with service_port(quick(tts=ScriptedTts(0.05))) as port, port.client() as client:
        await client.send(Synthesize(TEXT * 5))
        await client.expect("audio-start")
        await client.send(Describe())
        await client.expect("info")
        await client.expect("audio-stop")
