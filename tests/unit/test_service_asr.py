"""`transcribe` on the service port, over real sockets."""

import asyncio
import time

import numpy as np
import pytest
from scripted import QUIET, VOICE, ScriptedStt
from service_port import quick, service_port
from wyoming.asr import Transcribe
from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.info import Describe

from hub.engines.base import EngineError
from hub.service import sound
from hub.service.windows import WINDOW_SECONDS
from protocol.audio import PcmFormat

SPOKEN = [VOICE] * 100  # two seconds
STREAM = ["transcript-start", "transcript-chunk", "transcript", "transcript-stop"]


class KeepingStt(ScriptedStt):
    """Keeps what it was given."""

    def __init__(self, *texts: str, **options) -> None:
        super().__init__(seconds=0.0, **options)
        self.given: list[bytes] = []
        self._texts = texts

    async def transcribe(self, pcm, *, language, bias=(), draft=False):
        self.given.append(pcm)
        if self._texts:
            self.text = self._texts[min(len(self.given), len(self._texts)) - 1]
        return await super().transcribe(pcm, language=language, bias=bias, draft=draft)


async def test_a_plain_and_a_streaming_client_both_get_what_they_wait_for():
    async with service_port() as port, port.client() as client:
        await client.send(Transcribe(language="en"))
        await client.send_sound(*SPOKEN)
        await client.expect("transcript-stop")
        assert client.types() == STREAM
        assert [e.data["text"] for e in client.seen[1:3]] == ["turn on the lamp please"] * 2


async def test_the_model_gets_a_clip_that_fits_its_window_exactly_as_it_was_sent():
    stt = KeepingStt("yes")
    rng = np.random.default_rng(1)
    pcm = rng.integers(-3000, 3000, 16000 * 29 + 77).astype("<i2").tobytes()
    async with service_port(quick(stt=stt)) as port, port.client() as client:
        await client.send(Transcribe())
        await client.send_sound(*[pcm[at : at + 5001] for at in range(0, len(pcm), 5001)])
        await client.expect("transcript")
    assert stt.given == [pcm]


@pytest.mark.parametrize(
    ("rate", "width", "channels"), [(48000, 4, 2), (8000, 1, 1), (44100, 2, 2), (16000, 3, 1)]
)
async def test_sound_of_any_format_is_heard(rate, width, channels):
    form, stt = PcmFormat(rate, width, channels), KeepingStt("yes it is")
    tone = np.sin(np.arange(2 * rate) * 2 * np.pi * 300 / rate)
    if width == 1:
        samples = (tone * 80 + 128).astype(np.uint8)[:, None]
        pcm = np.repeat(samples, channels, axis=1).tobytes()
    else:
        wide = (tone * 0.6 * 2**31).astype("<i4")[:, None].view(np.uint8)[:, 4 - width :]
        pcm = np.tile(wide, (1, channels)).tobytes()
    async with service_port(quick(stt=stt)) as port, port.client() as client:
        await client.send(Transcribe())
        await client.send_sound(
            *[pcm[at : at + 9999] for at in range(0, len(pcm), 9999)],
            rate=rate,
            width=width,
            channels=channels,
        )
        await client.expect("transcript")
    heard = np.frombuffer(stt.given[0], "<i2").astype(float)
    assert len(heard) == pytest.approx(32000, abs=40)
    assert form.seconds(len(pcm)) == 2
    assert np.argmax(np.abs(np.fft.rfft(heard[:32000]))) * 16000 / 32000 == pytest.approx(300, 2)


async def test_many_requests_on_one_connection_are_answered_in_order():
    async with (
        service_port(quick(stt=KeepingStt("one thing", "another one"))) as port,
        port.client() as client,
    ):
        for _ in range(2):  # the second before the first is answered
            await client.send(Transcribe())
            await client.send_sound(*SPOKEN)
        texts = [(await client.expect("transcript")).data["text"] for _ in range(2)]
        assert texts == ["one thing", "another one"]


async def test_long_sound_is_transcribed_while_it_comes_in_and_cut_where_nobody_speaks():
    stt = KeepingStt("the first part", "the second part", "the third part")
    # pauses at 20, 26, 46 s: the windows end in the one where they are quietest
    seconds = [20 * 50, 6 * 50, 20 * 50, 10 * 50]
    pause = [QUIET] * 25
    async with service_port(quick(stt=stt)) as port, port.client() as client:
        await client.send(Transcribe(), AudioStart(16000, 2, 1))
        for number, frames in enumerate(seconds):
            await client.send_sound(*[VOICE] * frames, *pause, stop=number == len(seconds) - 1)
            if number == 2:
                assert (await client.expect("transcript-chunk")).data["text"] == "the first part"
        await client.expect("transcript-stop")
    chunks = [e.data["text"] for e in client.seen if e.type == "transcript-chunk"]
    assert chunks == ["the first part", " the second part", " the third part"]
    assert client.seen[-2].data["text"] == "".join(chunks)
    sent = b"".join([*[VOICE] * seconds[0], *pause, *[VOICE] * seconds[1], *pause])
    sent += b"".join([*[VOICE] * seconds[2], *pause, *[VOICE] * seconds[3], *pause])
    assert b"".join(stt.given) == sent  # nothing lost, nothing twice
    assert all(len(pcm) <= WINDOW_SECONDS * 32000 for pcm in stt.given)
    for before, after in zip(stt.given, stt.given[1:], strict=False):
        assert before.endswith(bytes(3200))
        assert after.startswith(bytes(3200))


async def test_a_peer_is_not_read_faster_than_it_is_transcribed():
    stt = KeepingStt("words")
    stt.seconds = 60.0
    ten_seconds = VOICE * 500
    sent = 0
    async with service_port(quick(stt=stt)) as port, port.client() as client:
        await client.send(Transcribe(), AudioStart(16000, 2, 1))
        with pytest.raises(TimeoutError):
            while sent < 100_000_000:
                async with asyncio.timeout(1.5):
                    await client.send(AudioChunk(16000, 2, 1, ten_seconds))
                sent += len(ten_seconds)
    # A window, what waits behind it, and what the sockets hold (up to 10 MB of it): no hour.
    assert sent < 20_000_000
    assert stt.work.calls == 1


@pytest.mark.parametrize(
    ("sensitivity", "pause", "ends"),
    [
        ("aggressive", 0.4, True),
        ("default", 0.4, False),
        ("default", 0.8, True),
        ("relaxed", 0.8, False),
        ("relaxed", 1.4, True),
        ("something newer", 0.8, True),
        (None, 4.0, False),
    ],
)
async def test_the_end_of_speech_is_ours_to_hear_only_where_the_client_says_so(
    sensitivity, pause, ends
):
    async with service_port() as port, port.client() as client:
        await client.send(Transcribe(vad_sensitivity=sensitivity))
        await client.send_sound(*SPOKEN, *[QUIET] * round(pause / 0.02), stop=False)
        if ends:
            await client.expect("transcript-stop")
            await client.send_sound(*SPOKEN)  # not wanted any more
        else:
            await asyncio.sleep(0.3)
            assert port.bench.stt.work.calls == 0
            await client.send_sound(*SPOKEN)
            await client.expect("transcript-stop")
        assert port.bench.stt.work.calls == 1
        await client.send(Transcribe())
        await client.send_sound(*SPOKEN)
        await client.expect("transcript-stop")


async def test_a_short_word_at_once_is_no_end_of_a_wake_word():
    async with (
        service_port(quick(stt=ScriptedStt("stop now", 0.0))) as port,
        port.client() as client,
    ):
        await client.send(Transcribe(vad_sensitivity="default"))
        await client.send_sound(*[VOICE] * 15, *[QUIET] * 50, stop=False)
        assert (await client.expect("transcript")).data["text"] == "stop now"


@pytest.mark.parametrize("sensitivity", [None, "default"])
@pytest.mark.parametrize("sound", [[], [QUIET] * 100, [b""]])
async def test_silence_is_an_empty_transcript(sensitivity, sound):
    async with (
        service_port(quick(stt=ScriptedStt("Thank you.", 0.0))) as port,
        port.client() as client,
    ):
        await client.send(Transcribe(vad_sensitivity=sensitivity))
        await client.send_sound(*sound)
        await client.expect("transcript-stop")
        assert client.types() == ["transcript-start", "transcript", "transcript-stop"]
        assert client.seen[1].data["text"] == ""


async def test_what_whisper_invents_over_noise_is_an_empty_transcript():
    stt = ScriptedStt("I'm going to the store.", 0.0)
    stt.no_speech_prob, stt.avg_logprob = 0.9, -1.5
    async with service_port(quick(stt=stt)) as port, port.client() as client:
        await client.send(Transcribe())
        await client.send_sound(*SPOKEN)
        assert (await client.expect("transcript")).data["text"] == ""


async def test_names_come_before_terms_in_what_the_model_may_expect_and_are_bounded():
    async with service_port() as port, port.client() as client:
        terms = [f"term number {i}" for i in range(100)]
        names = ["Siobhan", " Siobhan ", "the  den", "", "x" * 200]
        await client.send(Transcribe(transcript_names=names, transcript_terms=terms))
        await client.send_sound(*SPOKEN)
        await client.expect("transcript")
        bias = port.bench.stt.bias
        assert bias[:3] == ("Siobhan", "the den", "term number 0")
        assert len(", ".join(bias)) <= 400
        await client.send(Transcribe())
        await client.send_sound(*SPOKEN)
        await client.expect("transcript")
        assert port.bench.stt.bias == ()


async def test_sound_alone_is_a_request_and_a_late_chunk_costs_nothing():
    async with service_port() as port, port.client() as client:
        await client.send_sound(*SPOKEN)
        await client.send(AudioChunk(16000, 2, 1, VOICE))
        assert (await client.expect("transcript")).data["text"] == "turn on the lamp please"


async def test_a_context_comes_back_with_the_transcript():
    async with service_port() as port, port.client() as client:
        await client.send(Transcribe(context={"who": "me"}))
        await client.send_sound(*SPOKEN)
        assert (await client.expect("transcript")).data["context"] == {"who": "me"}


@pytest.mark.parametrize(
    ("request_", "code", "text"),
    [
        (Transcribe(language="de"), "unsupported-language", "'de'"),
        (Transcribe(name="whisper-huge"), "unknown-model", "whisper-tiny.en"),
        (Transcribe(transcript_names="Siobhan"), "malformed", "transcript_names"),
        (Transcribe(transcript_terms=[1]), "malformed", "transcript_terms"),
        (Transcribe(language=["en"]), "malformed", "language"),
        (Transcribe(name="x" * 300), "too-long", "name"),
        (AudioStart(1, 2, 3), "malformed", "audio-start"),
        (AudioChunk(16000, 2, 1, b"\0\0"), "no-request", "audio-start"),
    ],
)
async def test_a_bad_request_is_refused_in_words(request_, code, text):
    async with service_port() as port, port.client() as client:
        if request_.event().type == "audio-start":
            await client.send(Transcribe())
        await client.send(request_)
        assert text in await client.refused(code)


@pytest.mark.parametrize("language", ["en", "en-GB", "en_US", "", None])
async def test_a_language_may_have_a_region(language):
    async with service_port() as port, port.client() as client:
        await client.send(Transcribe(language=language, name="whisper-tiny.en"))
        await client.send_sound(*SPOKEN)
        assert (await client.expect("transcript")).data["language"] == "en"


@pytest.mark.parametrize("role", ["stt", "vad"])
async def test_an_engine_that_fails_is_an_error_then_a_close_and_is_replaced(role):
    bench = quick()

    async def failing(frame):
        raise ValueError("out of memory")

    async with service_port(bench) as port, port.client() as client:
        await client.send(Transcribe())
        if role == "stt":
            bench.stt.error = EngineError("out of memory")
        else:
            bench.vad.probability = failing
        await client.send_sound(*SPOKEN)
        await client.refused("engine-failed")
        assert getattr(bench.engines, role).restarts == 1


async def test_a_client_that_stops_sending_in_mid_request_is_sent_away(monkeypatch):
    monkeypatch.setattr(sound, "_TIMEOUT", 0.2)
    async with service_port() as port, port.client() as client:
        await client.send(Transcribe())
        await client.send_sound(*SPOKEN, stop=False)
        await client.refused("timeout")


async def test_a_client_that_goes_stops_the_work(caplog):
    async with service_port(quick(stt=ScriptedStt("a b c d e f", 5.0))) as port:
        async with port.client() as client:
            await client.send(Transcribe())
            await client.send_sound(*SPOKEN)
            async with asyncio.timeout(5):
                while not port.bench.stt.work.calls:
                    await asyncio.sleep(0.01)
        left = time.monotonic()
        await asyncio.sleep(0.3)
        done = len(port.bench.stt.work.times)
        await asyncio.sleep(0.7)
        assert len(port.bench.stt.work.times) == done, time.monotonic() - left
        async with port.client() as client:  # and the place is free
            await client.send(Describe())
            await client.expect("info")
    assert "Traceback" not in caplog.text


async def test_a_new_request_ends_the_sound_of_the_one_before_it():
    async with (
        service_port(quick(stt=KeepingStt("one thing", "another one"))) as port,
        port.client() as client,
    ):
        await client.send(Transcribe())
        await client.send_sound(*SPOKEN, stop=False)
        await client.send(Transcribe())
        await client.send_sound(*SPOKEN)
        texts = [(await client.expect("transcript")).data["text"] for _ in range(2)]
        assert texts == ["one thing", "another one"]


class LengthStt(KeepingStt):
    """Hears a word in every quarter of a second."""

    async def transcribe(self, pcm, *, language, bias=(), draft=False):
        self.text = " ".join(f"word{n}" for n in range(len(pcm) // 8000))
        return await super().transcribe(pcm, language=language, bias=bias, draft=draft)


@pytest.mark.slow
async def test_what_is_certain_is_told_while_somebody_still_speaks_and_adds_up_to_the_transcript():
    stt = LengthStt()
    async with service_port(quick(stt=stt)) as port, port.client() as client:
        await client.send(Transcribe(language="en"), AudioStart(16000, 2, 1))
        await client.say(*[VOICE] * 150)
        first = await client.expect("transcript-chunk", timeout=0.1)
        assert first.data["text"].startswith("word0 word1")
        await client.say(*[VOICE] * 50, *[QUIET] * 25)
        calls = stt.work.calls
        await client.send(AudioStop())
        await client.expect("transcript-stop")
    chunks = [event.data["text"] for event in client.seen if event.type == "transcript-chunk"]
    said = client.seen[-2].data["text"]
    assert len(chunks) >= 2
    assert "".join(chunks) == said
    assert said.split()[-1] == f"word{len(stt.given[-1]) // 8000 - 1}"
    assert stt.work.calls == calls, "all was transcribed in the pause before the end"


@pytest.mark.slow
async def test_words_behind_the_last_pause_are_not_lost():
    stt = LengthStt()
    async with service_port(quick(stt=stt)) as port, port.client() as client:
        await client.send(Transcribe(language="en"), AudioStart(16000, 2, 1))
        await client.say(*[VOICE] * 50, *[QUIET] * 20, *[VOICE] * 40)
        await client.send(AudioStop())
        text = (await client.expect("transcript")).data["text"]
    assert stt.given[-1] == b"".join([*[VOICE] * 50, *[QUIET] * 20, *[VOICE] * 40])
    assert len(text.split()) == 8


@pytest.mark.slow
async def test_nobody_is_told_anything_early_while_a_room_is_being_transcribed():
    stt = LengthStt()
    async with service_port(quick(stt=stt)) as port, port.client() as client:
        async with port.bench.engines.stt.lent(timeout=1):
            await client.send(Transcribe(language="en"), AudioStart(16000, 2, 1))
            await client.say(*[VOICE] * 100, *[QUIET] * 20)
            assert stt.work.calls == 0
        await client.send(AudioStop())
        assert (await client.expect("transcript")).data["text"].startswith("word0")


async def test_a_file_is_transcribed_once():
    stt = LengthStt()
    async with service_port(quick(stt=stt)) as port, port.client() as client:
        await client.send(Transcribe(language="en"))
        await client.send_sound(*[VOICE] * 200, *[QUIET] * 30, *[VOICE] * 200)
        await client.expect("transcript-stop")
    assert stt.work.calls == 1
