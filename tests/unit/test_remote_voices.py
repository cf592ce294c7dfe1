"""Text-to-speech by other Wyoming servers."""

import asyncio

import pytest
from strange_servers import (
    FORM,
    MOUTH,
    SECOND,
    TIMEOUT,
    Peer,
    after_load,
    one_sentence,
    speaks,
    spoken,
    strange,
    tts,
    with_facts,
)
from wyoming.event import Event

from hub.engines.base import BadInput, EngineError, EngineUnavailable, Speed
from hub.engines.remote import wyoming, wyoming_tts
from hub.engines.remote.wyoming_tts import WyomingTts
from protocol.audio import PcmFormat


async def test_a_voice_is_learned_from_a_first_sentence_and_spoken_to_in_its_format():
    async with strange(one_sentence, MOUTH) as house, tts(house, "joe") as engine:
        assert engine.format == PcmFormat(16000, 2, 1)
        assert engine.languages == ("en",)
        assert engine.speed is not None
        assert 0 <= engine.speed.first_audio < TIMEOUT
        assert await spoken(engine) == SECOND
        assert house.asked("synthesize")[-1] == {"text": "Hello there.", "voice": {"name": "joe"}}


async def test_the_whole_of_a_streamed_reply_is_one_stream_whatever_its_cycles():
    async def by_sentence(peer: Peer, event: Event) -> None:
        if event.type == "synthesize-stop":
            for _ in range(3):
                await peer.sentence()
                await asyncio.sleep(0.02)
            await peer.say("synthesize-stopped")

    info = speaks(("joe", ["en"]), supports_synthesize_streaming=True)
    async with strange(by_sentence, info) as house, tts(house, "joe") as engine:
        assert await spoken(engine) == SECOND * 3
        assert [event.type for event in house.said][-4:] == [
            "synthesize-start",
            "synthesize-chunk",
            "synthesize",
            "synthesize-stop",
        ]


async def test_a_streamed_reply_that_breaks_off_between_two_sentences_is_an_error():
    async def whole(peer: Peer, event: Event) -> None:
        if event.type == "synthesize-stop":
            await peer.sentence()
            await peer.say("synthesize-stopped")

    async def half(peer: Peer, event: Event) -> None:
        if event.type == "synthesize-stop":
            await peer.sentence()
            await peer.connection.close()

    replies = 0

    async def by_stop(peer: Peer, event: Event) -> None:
        nonlocal replies
        replies += event.type == "synthesize-stop"
        await (whole if replies <= 2 else half)(peer, event)

    info = speaks(("joe", ["en"]), supports_synthesize_streaming=True)
    async with strange(by_stop, info) as house, tts(house, "joe") as engine:
        with pytest.raises(EngineError, match="went away in mid-work"):
            await spoken(engine)


async def test_a_server_that_promises_streams_and_ends_none_is_asked_for_the_whole(monkeypatch):
    monkeypatch.setattr(wyoming_tts, "_NEXT_CYCLE", 0.2)
    info = speaks(("joe", ["en"]), supports_synthesize_streaming=True)
    async with strange(one_sentence, info) as house, tts(house, "joe") as engine:
        house.said.clear()
        assert await spoken(engine) == SECOND
        assert [event.type for event in house.said] == ["synthesize"]


async def test_another_format_later_becomes_the_one_that_was_learned():
    async def stereo(peer: Peer, event: Event) -> None:
        if event.type == "synthesize":
            await peer.sentence(SECOND * 6, rate=48000, channels=2)

    async with strange(after_load(stereo), MOUTH) as house, tts(house) as engine:
        pcm = await spoken(engine)
        assert engine.format == PcmFormat(16000, 2, 1)
        assert abs(engine.format.seconds(len(pcm)) - 1.0) < 0.01


async def test_half_a_character_is_bad_input_and_no_failure_of_the_voice():
    async with strange(one_sentence, MOUTH) as house, tts(house) as engine:
        with pytest.raises(BadInput, match="half a character"):
            await spoken(engine, "a\ud83d")


async def test_names_of_speakers_that_are_none_are_passed_over():
    info = speaks(("joe", ["en"]))
    info["tts"][0]["voices"][0]["speakers"] = [{"name": ["x"]}, {"name": 7}, {}]
    async with strange(one_sentence, info) as house:
        with pytest.raises(EngineUnavailable, match="no voice 'joe/x'"):
            async with tts(house, voice="joe/x"):
                pass


async def test_nothing_to_say_and_no_sound_are_no_error():
    async def no_sound(peer: Peer, event: Event) -> None:
        if event.type == "synthesize":
            await peer.say("audio-stop")

    async with strange(after_load(no_sound), MOUTH) as house, tts(house) as engine:
        assert await spoken(engine, " ") == b""
        assert await spoken(engine) == b""


async def test_a_server_that_never_sounds_does_not_load():
    async def no_sound(peer: Peer, event: Event) -> None:
        if event.type == "synthesize":
            await peer.say("audio-stop")

    async with strange(no_sound, MOUTH) as house:
        with pytest.raises(EngineError, match="without any sound"):
            async with tts(house):
                pass


@pytest.mark.parametrize(
    ("form", "why"),
    [
        ({"rate": 16000, "width": 9, "channels": 1}, "no format"),
        ({"rate": "16000", "width": 2, "channels": 1}, "no format"),
    ],
)
async def test_sound_of_no_format_is_an_error(form, why):
    async def wrong(peer: Peer, event: Event) -> None:
        if event.type == "synthesize":
            await peer.say("audio-start", form)
            await peer.say("audio-chunk", form, SECOND)

    async with strange(after_load(wrong), MOUTH) as house, tts(house) as engine:
        with pytest.raises(EngineError, match=why):
            await spoken(engine)


async def test_a_server_that_vanishes_in_mid_sentence_is_an_error_after_what_it_said():
    async def half(peer: Peer, event: Event) -> None:
        if event.type == "synthesize":
            await peer.say("audio-start", FORM)
            await peer.say("audio-chunk", FORM, SECOND)
            await peer.connection.close()

    async with strange(after_load(half), MOUTH) as house, tts(house) as engine:
        heard = b""
        with pytest.raises(EngineError, match="went away in mid-work"):
            async for pcm in engine.synthesize("Hello there."):
                heard += pcm
        assert heard == SECOND


async def test_a_voice_that_falls_silent_is_an_error(monkeypatch):
    monkeypatch.setattr(wyoming_tts, "_SILENCE", 0.2)

    async def mute(peer: Peer, event: Event) -> None:
        if event.type == "synthesize":
            await peer.say("audio-start", FORM)

    async with strange(after_load(mute), MOUTH) as house, tts(house) as engine:
        with pytest.raises(EngineError, match=r"no answer for 0\.2 s"):
            await spoken(engine)


async def test_closing_the_speech_ends_its_connection_at_once():
    async def endless(peer: Peer, event: Event) -> None:
        if event.type == "synthesize":
            await peer.say("audio-start", FORM)
            for _ in range(100):
                await peer.say("audio-chunk", FORM, SECOND)

    async with (
        strange(after_load(endless), MOUTH) as house,
        tts(house) as engine,
        asyncio.timeout(TIMEOUT),
    ):
        speech = engine.synthesize("Hello there.")
        await anext(speech)
        house.ended.clear()
        await speech.aclose()
        await house.ended.wait()
        assert house.open == 0


async def test_speech_that_is_not_taken_is_not_fetched():
    sent = 0

    async def endless(peer: Peer, event: Event) -> None:
        nonlocal sent
        if event.type == "synthesize":
            await peer.say("audio-start", FORM)
            for _ in range(550):
                await peer.say("audio-chunk", FORM, SECOND)
                sent += len(SECOND)

    async with strange(after_load(endless), MOUTH) as house, tts(house) as engine:
        speech = engine.synthesize("Hello there.")
        await anext(speech)
        await asyncio.sleep(0.5)
        assert sent < 550 * len(SECOND)  # the rest of 17.6 MB waits over there
        await speech.aclose()


async def test_voices_and_their_speakers_are_chosen_by_name_and_those_of_the_language_listed():
    info = speaks(("joe", ["en_US"]), ("thorsten", ["de_DE"]), speakers=("a", "b"))
    async with strange(one_sentence, info) as house, tts(house, "joe/b") as engine:
        assert engine.voices == ("joe/b", "joe", "joe/a")
        await spoken(engine)
        assert house.asked("synthesize")[-1]["voice"] == {"name": "joe", "speaker": "b"}
        await spoken(engine, voice="joe/a")
        assert house.asked("synthesize")[-1]["voice"] == {"name": "joe", "speaker": "a"}
        with pytest.raises(BadInput):
            await spoken(engine, voice="thorsten")


async def test_without_a_choice_a_stock_server_takes_its_own_voice_and_that_is_noted():
    info = speaks(("alan", ["en_GB"]), ("thorsten", ["de_DE"]))
    async with strange(one_sentence, info) as house, tts(house) as engine:
        assert engine.voices == ("default", "alan")
        assert "tts.voice" in engine.note
        await spoken(engine)
        assert house.asked("synthesize")[-1]["voice"] == {"language": "en"}


async def test_a_voice_or_language_that_is_lacking_is_said_with_those_there_are():
    async with strange(one_sentence, speaks(("joe", ["en_US"]), ("ana", ["es"]))) as house:
        for voice, language, why in (
            ("max", "en", "no voice 'max', only: joe, ana; change tts.voice"),
            ("joe", "es", "joe does not speak 'es', only: en"),
            (None, "de", "does not speak 'de', only: en, es"),
        ):
            with pytest.raises(EngineUnavailable, match=why):
                async with tts(house, voice, language):
                    pass


async def test_facts_of_our_own_processes_win_over_what_is_measured_and_are_kept_up(monkeypatch):
    monkeypatch.setattr(wyoming, "_HEALTH_INTERVAL", 0.05)
    facts = {
        "describable": True,
        "clause_letters": [24, 300],
        "device": "cuda",
        "real_time_factor": 0.9,
        "first_audio": 0.4,
    }
    async with strange(one_sentence, with_facts(**facts)) as house, tts(house) as engine:
        assert engine.describable
        assert engine.clause_letters == (24, 300)
        assert engine.voices == ("laura", "jon")
        assert engine.speed == Speed(0.9, 0.4)
        assert len(house.asked("synthesize")) == 1
        await spoken(engine, description="slowly")
        assert house.asked("synthesize")[-1]["description"] == "slowly"
        watching = asyncio.create_task(engine.lost())
        house.info = with_facts(**facts | {"real_time_factor": 0.4, "note": "compiled"})
        async with asyncio.timeout(TIMEOUT):
            while engine.speed != Speed(0.4, 0.4):
                await asyncio.sleep(0.01)
        assert engine.note == "compiled"
        watching.cancel()


async def test_facts_that_cannot_be_are_left_out():
    facts = {"clause_letters": [50, 2], "real_time_factor": float("nan"), "note": "a\nb" * 999}
    async with strange(one_sentence, with_facts(**facts)) as house, tts(house) as engine:
        assert engine.clause_letters == (1, 400)
        assert engine.speed is not None
        assert 0 <= engine.speed.real_time_factor < TIMEOUT
        assert "\n" not in engine.note
        assert len(engine.note) <= 200


async def test_a_process_that_is_still_loading_is_waited_for(monkeypatch):
    monkeypatch.setattr(wyoming, "_LOADING_LOOK", 0.02)
    async with strange(one_sentence, with_facts(loading=True)) as house:
        loading = asyncio.create_task(WyomingTts(house.uri, None, "en").load())
        async with asyncio.timeout(TIMEOUT):
            while house.connections < 3:
                await asyncio.sleep(0.01)
            assert not loading.done()
            house.info = with_facts()
            await loading
