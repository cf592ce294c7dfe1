"""Speech-to-text by other Wyoming servers, and whether they are there."""

import asyncio
import contextlib

import pytest
from service_port import quick, service_port
from strange_servers import (
    EARS,
    FORM,
    MOUTH,
    SECOND,
    STOCK_EARS,
    TIMEOUT,
    Peer,
    Strange,
    answers,
    hears,
    one_sentence,
    spoken,
    strange,
    stt,
    tts,
)
from wyoming.error import Error
from wyoming.event import Event

from hub.engines.base import BadInput, EngineBusy, EngineError, EngineUnavailable
from hub.engines.remote import wyoming, wyoming_stt, wyoming_tts
from hub.engines.remote.wyoming_stt import WyomingStt
from hub.engines.remote.wyoming_tts import WyomingTts
from protocol.connection import Connection
from protocol.transport import serve


async def test_a_stock_server_hears_all_sound_in_its_language_and_nothing_it_need_not_know():
    async with strange(answers(" turn on the lamp"), STOCK_EARS) as house, stt(house) as engine:
        assert len(house.asked("transcribe")) == 1  # some load their model only then
        house.said.clear()
        assert engine.name == "ears"
        assert engine.device == house.uri.removeprefix("tcp://")
        found = await engine.transcribe(SECOND, language="en")
        assert (found.text, found.language) == ("turn on the lamp", "en")
        assert (found.no_speech_prob, found.avg_logprob, found.compression_ratio) == (0.0, 0.0, 1.0)
        assert house.asked("transcribe") == [{"language": "en"}]
        sound = [event.payload for event in house.said if event.type == "audio-chunk"]
        assert b"".join(sound) == SECOND


async def test_names_drafts_and_measures_go_between_our_own_processes():
    said = answers("hi", language="en_GB", no_speech_prob=0.5, avg_logprob=-0.25)
    async with strange(said, EARS) as house, stt(house, "tiny") as engine:
        found = await engine.transcribe(SECOND, language="en", bias=("Aunt May",), draft=True)
        assert (found.no_speech_prob, found.avg_logprob, found.language) == (0.5, -0.25, "en")
        assert house.asked("transcribe") == [
            {"name": "tiny", "language": "en", "transcript_names": ["Aunt May"], "draft": True}
        ]


@pytest.mark.parametrize("odd", [float("nan"), 10**400])
async def test_measures_that_cannot_be_are_taken_for_none(odd):
    said = answers("hi", no_speech_prob=odd, avg_logprob="x", language=["en"])
    async with strange(said, EARS) as house, stt(house) as engine:
        found = await engine.transcribe(SECOND, language="en")
        assert (found.no_speech_prob, found.avg_logprob, found.language) == (0.0, 0.0, "en")


async def test_a_transcript_counts_though_much_of_the_sound_is_not_sent_yet():
    async def early(peer: Peer, event: Event) -> None:
        if event.type == "audio-chunk":
            await peer.say("transcript", {"text": "stop"})
            await asyncio.sleep(TIMEOUT)  # and reads no more

    async with strange(early, EARS) as house, stt(house) as engine, asyncio.timeout(TIMEOUT / 2):
        assert (await engine.transcribe(SECOND * 300, language="en")).text == "stop"


async def test_a_transcript_that_comes_in_pieces_alone_is_put_together():
    async def pieces(peer: Peer, event: Event) -> None:
        if event.type == "audio-stop":
            await peer.say("transcript-start")
            await peer.say("transcript-chunk", {"text": "turn on"})
            await peer.say("transcript-chunk", {"text": " the lamp"})
            await peer.say("transcript-stop")

    async with strange(pieces, EARS) as house, stt(house) as engine:
        assert (await engine.transcribe(SECOND, language="en")).text == "turn on the lamp"


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("bad-input", BadInput),
        ("busy", EngineBusy),
        ("unavailable", EngineUnavailable),
        ("failed", EngineError),
        ("ValueError", EngineError),
        (None, EngineError),
        (["busy"], EngineError),
    ],
)
async def test_an_error_of_a_server_is_ours_and_a_strangers_text_is_not_repeated(code, kind):
    async def refuse(peer: Peer, event: Event) -> None:
        if event.type == "transcribe":
            await peer.connection.write(Error("I heard: my secret", code))

    async with strange(refuse, EARS) as house, stt(house) as engine:
        with pytest.raises(EngineError) as caught:
            await engine.transcribe(SECOND, language="en")
        assert type(caught.value) is kind
        ours = code in ("bad-input", "busy", "unavailable", "failed")
        assert ("my secret" in str(caught.value)) is ours


@pytest.mark.parametrize("transcript", [{}, {"text": 7}, {"text": "x" * 50_000}])
async def test_a_transcript_that_is_none_is_an_error(transcript):
    async def wrong(peer: Peer, event: Event) -> None:
        if event.type == "audio-stop":
            await peer.say("transcript", transcript)

    async with strange(wrong, EARS) as house, stt(house) as engine:
        with pytest.raises(EngineError, match="a transcript without"):
            await engine.transcribe(SECOND, language="en")


async def test_a_server_that_goes_without_a_transcript_is_an_error_at_once():
    async def go(peer: Peer, event: Event) -> None:
        if event.type == "audio-stop":
            await peer.connection.close()

    async with strange(go, EARS) as house, stt(house) as engine, asyncio.timeout(TIMEOUT):
        with pytest.raises(EngineError, match="went away"):
            await engine.transcribe(SECOND, language="en")


async def test_a_server_that_says_nothing_for_too_long_is_an_error(monkeypatch):
    monkeypatch.setattr(wyoming_stt, "_SILENCE", 0.2)

    async def mute(peer: Peer, event: Event) -> None: ...

    async with strange(mute, EARS) as house, stt(house) as engine, asyncio.timeout(TIMEOUT):
        with pytest.raises(EngineError, match=r"no answer for 0\.2 s"):
            await engine.transcribe(SECOND, language="en")


async def test_cancelling_a_transcription_ends_its_connection():
    started = asyncio.Event()

    async def mute(peer: Peer, event: Event) -> None:
        started.set()

    async with strange(mute, EARS) as house, stt(house) as engine, asyncio.timeout(TIMEOUT):
        task = asyncio.create_task(engine.transcribe(SECOND, language="en"))
        await started.wait()
        house.ended.clear()
        task.cancel()
        await house.ended.wait()
        assert (await asyncio.gather(task, return_exceptions=True))[0].__class__ is (
            asyncio.CancelledError
        )
        assert house.open == 0


async def test_closing_ends_what_is_still_asked():
    started = asyncio.Event()

    async def mute(peer: Peer, event: Event) -> None:
        started.set()

    async with strange(mute, EARS) as house, stt(house) as engine, asyncio.timeout(TIMEOUT):
        task = asyncio.create_task(engine.transcribe(SECOND, language="en"))
        await started.wait()
        await engine.close()
        with pytest.raises(EngineError):
            await task
        with pytest.raises(EngineUnavailable, match="closed"):
            await engine.transcribe(SECOND, language="en")


async def test_what_a_server_lacks_is_said_with_what_it_has():
    async with strange(answers(""), hears(("tiny", ["en"]), ("big", ["de", "fr"]))) as house:
        for model, languages, why in (
            ("huge", ("en",), "no model 'huge', only: ears, tiny, big; change stt.model"),
            ("tiny", ("en", "de"), "does not know de, only: en"),
            (None, ("it",), "does not know it, only: de, en, fr"),
        ):
            with pytest.raises(EngineUnavailable, match=why):
                async with stt(house, model, languages):
                    pass
    async with strange(answers(""), MOUTH) as house:
        with pytest.raises(EngineUnavailable, match="has no speech-to-text; change"):
            async with stt(house):
                pass


async def test_another_language_and_half_a_sample_never_leave():
    async with strange(answers("x"), EARS) as house, stt(house) as engine:
        for pcm, language in ((SECOND, "de"), (SECOND[:-1], "en")):
            with pytest.raises(BadInput):
                await engine.transcribe(pcm, language=language)
        assert house.said == []


async def test_nobody_there_is_one_clear_line_without_any_password(unused_tcp_port):
    port = unused_tcp_port
    engine = WyomingStt(f"tcp://127.0.0.1:{port}", None, ("en",))
    with pytest.raises(EngineUnavailable) as caught:
        await engine.load()
    assert str(caught.value) == (
        f"127.0.0.1:{port}: nobody listens there; start it, or change stt.engine"
    )
    with pytest.raises(EngineUnavailable, match=r"tts\.engine: that is no address") as caught:
        WyomingTts("tcp://me:secret@example:10200", None, "en")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "garbage", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x00" * 70_000, b"[]\n"]
)
async def test_a_server_that_speaks_something_else_is_an_error(garbage):
    async def rude(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(garbage)
        with contextlib.suppress(OSError):
            await reader.read()
        writer.close()

    server = await asyncio.start_server(rude, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        for engine in (
            WyomingStt(f"tcp://127.0.0.1:{port}", None, ("en",)),
            WyomingTts(f"tcp://127.0.0.1:{port}", None, "en"),
        ):
            with pytest.raises(EngineError, match=f"127.0.0.1:{port}: "):
                await engine.load()
            await engine.close()


@pytest.mark.parametrize(
    "info", [{}, {"asr": 7, "tts": "x"}, {"asr": [7], "tts": [None]}, {"asr": [{}], "tts": [{}]}]
)
async def test_an_info_that_offers_nothing_is_said(info):
    async with strange(answers(""), info) as house:
        for engine in (WyomingStt(house.uri, None, ("en",)), WyomingTts(house.uri, None, "en")):
            with pytest.raises(EngineUnavailable, match="has no"):
                await engine.load()
            await engine.close()


# ---- health -----------------------------------------------------------------------------------


async def test_a_server_that_goes_is_lost_after_two_checks(monkeypatch):
    monkeypatch.setattr(wyoming, "_HEALTH_INTERVAL", 0.05)
    async with contextlib.AsyncExitStack() as stack:
        house = await stack.enter_async_context(strange(answers("x"), EARS))
        engine = await stack.enter_async_context(stt(house))
        watching = asyncio.create_task(engine.lost())
        while house.connections < 4:  # it is well
            await asyncio.sleep(0.01)
        assert not watching.done()
        await house.close()
        async with asyncio.timeout(TIMEOUT):
            assert "nobody listens there" in str(await watching)


async def test_a_first_sentence_without_an_end_does_not_load(monkeypatch):
    monkeypatch.setattr(wyoming_tts, "_SAMPLE_TIMEOUT", 0.3)

    async def chatter(peer: Peer, event: Event) -> None:
        while event.type == "synthesize":
            await peer.say("something-else")
            await asyncio.sleep(0.01)

    async with strange(chatter, MOUTH) as house:
        with pytest.raises(EngineError, match=r"took 0\.3 s and goes on"):
            async with tts(house):
                pass


async def test_one_missed_check_is_forgiven_and_so_is_a_server_busy_with_us(monkeypatch):
    monkeypatch.setattr(wyoming, "_HEALTH_INTERVAL", 0.1)
    monkeypatch.setattr(wyoming, "_INFO_TIMEOUT", 0.2)
    mute = False
    describes = 0

    class Busy(Strange):
        async def handle(self, connection: Connection) -> None:
            nonlocal describes
            while (await connection.read()).type == "describe":
                describes += 1
                if not mute:
                    await connection.write(Event("info", self.info))
            await connection.write(Event("audio-start", FORM))
            for _ in range(40 if mute else 1):
                await connection.write(Event("audio-chunk", FORM, SECOND[:640]))
                await asyncio.sleep(0.03 if mute else 0)
            await connection.write(Event("audio-stop"))

    house = Busy(one_sentence, MOUTH)
    server = await serve("tcp://127.0.0.1:0", house.handle)
    house.uri = server.uri
    try:
        async with tts(house) as engine:
            watching = asyncio.create_task(engine.lost())
            mute = True
            before = describes
            await spoken(engine)
            assert describes >= before + 2
            assert not watching.done()  # it spoke all the time
            async with asyncio.timeout(TIMEOUT):
                assert "no answer in 0.2 s" in str(await watching)  # and now it does not
    finally:
        await server.close()


# ---- another hub ------------------------------------------------------------------------------


async def test_the_service_port_of_another_hub_hears_and_speaks():
    async with service_port(quick()) as port:
        house = Strange(one_sentence, {})
        house.uri = port.uri
        async with stt(house) as engine:
            found = await engine.transcribe(SECOND, language="en", bias=("May",), draft=True)
            assert isinstance(found.text, str)
        async with tts(house) as voice:
            pcm = await spoken(voice, "Hello there. How are you?")
            assert voice.format.seconds(len(pcm)) > 0
