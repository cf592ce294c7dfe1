"""Single steps over HTTP: sound to words, words to an answer, words to sound, a whole turn."""

import asyncio
import io
import json

import pytest
from web_hub import QUESTION, WAV, code_of, pcm_in, wav, web_hub

from hub.engines.base import EngineBusy, EngineError
from hub.web import streams


async def problem_of(response, status, code):
    assert await code_of(response, status) == code
    return (await response.json())["error"]["text"]


# -- sound to words -------------------------------------------------------------------------------


async def test_a_wave_file_is_transcribed_from_a_form_and_as_it_is(client):
    raw = await client.post("/api/transcribe", data=wav(), headers=WAV)
    assert raw.status == 200
    told = await raw.json()
    assert told["text"] == "what is the capital of france"
    assert told["language"] == "en"
    assert told["seconds"] == pytest.approx(2.2)
    assert told["segments"] == [{"begin": 0.0, "end": 2.2, "text": told["text"]}]
    form = await client.post("/api/transcribe", data={"file": io.BytesIO(wav())})
    assert await form.json() == told


async def test_silence_has_no_words(client, engines):
    silent = await client.post("/api/transcribe", data=wav(bytes(64000)), headers=WAV)
    told = await silent.json()
    assert (silent.status, told["text"], told["segments"]) == (200, "", [])
    assert engines.stt.work.calls == 0


async def test_long_sound_is_heard_in_windows(client, engines):
    response = await client.post("/api/transcribe", data=wav(QUESTION * 40), headers=WAV)
    told = await response.json()
    assert told["seconds"] == pytest.approx(88.0)
    assert len(told["segments"]) > 2
    ends = [segment["end"] for segment in told["segments"]]
    assert ends == sorted(ends)
    assert ends[-1] == pytest.approx(88.0)
    assert engines.stt.heard_seconds <= 30


@pytest.mark.parametrize("rate", [8000, 44100, 48000])
@pytest.mark.parametrize("channels", [1, 2, 7])
async def test_any_rate_and_number_of_channels_will_do(client, rate, channels):
    frames = b"\x10\x10" * channels * rate
    response = await client.post("/api/transcribe", data=wav(frames, rate, channels), headers=WAV)
    told = await response.json()
    assert response.status == 200
    assert told["seconds"] == pytest.approx(1.0, abs=0.05)


async def test_a_language_that_is_not_known_is_said_to_be_so(client):
    response = await client.post("/api/transcribe?language=de", data=wav(), headers=WAV)
    assert "only: en" in await problem_of(response, 400, "unsupported-language")
    response = await client.post("/api/transcribe?language=en-GB", data=wav(), headers=WAV)
    assert response.status == 200
    response = await client.post("/api/transcribe?language=;", data=wav(), headers=WAV)
    await problem_of(response, 400, "malformed")
    response = await client.post("/api/transcribe?speed=2", data=wav(), headers=WAV)
    await problem_of(response, 400, "malformed")


async def test_an_engine_that_fails_or_is_busy_is_a_503_that_says_when_to_come_back(
    client, engines
):
    for error, code in ((EngineError("boom"), "engine-failed"), (EngineBusy("others"), "busy")):
        engines.stt.error = error
        response = await client.post("/api/transcribe", data=wav(), headers=WAV)
        await problem_of(response, 503, code)
        assert int(response.headers["Retry-After"]) > 0
    engines.stt.error = None
    async with asyncio.timeout(5):
        while (await client.post("/api/transcribe", data=wav(), headers=WAV)).status != 200:
            await asyncio.sleep(0.1)


async def test_an_engine_that_is_still_loading_is_waited_for_and_then_said_to_load(
    tmp_path, monkeypatch, aiohttp_client, engines
):
    monkeypatch.setattr("hub.web.steps.LOADING_PATIENCE", 0.1)
    monkeypatch.setattr(type(engines.stt), "load", lambda self: asyncio.sleep(60))
    async with web_hub(tmp_path, monkeypatch, engines, ready=False) as house:
        client = await aiohttp_client(house._web.app())
        response = await client.post("/api/transcribe", data=wav(), headers=WAV)
        assert "loading" in await problem_of(response, 503, "engine-loading")


async def test_so_many_at_once_and_no_more(client, engines, house):
    engines.stt.seconds = 0.5
    places = house._web._parts.steps._places
    posts = (client.post("/api/transcribe", data=wav(), headers=WAV) for _ in range(places + 3))
    statuses = [response.status for response in await asyncio.gather(*posts)]
    assert sorted(statuses) == [200] * places + [503] * 3
    assert house._web._parts.steps._places == places


# -- words to sound -------------------------------------------------------------------------------


async def test_speech_is_a_wave_file(client, engines):
    response = await client.post("/api/speak", json={"text": "Good morning. It is 5 o'clock."})
    assert response.status == 200
    assert response.content_type == "audio/wav"
    rate, samples = pcm_in(await response.read())
    assert rate == 24000
    assert len(samples) > 24000
    assert [text.strip() for text in engines.tts.spoken] == ["Good morning.", "It is five o'clock."]


async def test_speech_begins_before_all_of_it_is_spoken(client, engines):
    engines.tts.seconds = 0.05
    response = await client.post("/api/speak", json={"text": "This is a sentence. " * 20})
    assert await response.content.read(44)
    assert len(engines.tts.spoken) < 5
    await response.read()
    assert len(engines.tts.spoken) == 20


@pytest.mark.parametrize(
    ("format", "kind", "magic"),
    [
        ("pcm", "audio/pcm", b"\0\0"),
        ("flac", "audio/flac", b"fLaC"),
        ("mp3", "audio/mpeg", b"\xff"),
        ("opus", "audio/ogg", b"OggS"),
    ],
)
async def test_speech_comes_in_several_formats(client, format, kind, magic):
    response = await client.post("/api/speak", json={"text": "Good morning.", "format": format})
    assert response.status == 200
    assert response.content_type == kind
    assert (await response.read()).startswith(magic)


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ({"text": ""}, "malformed"),
        ({"text": " \n"}, "bad-text"),
        ({"text": "```\n```"}, "bad-text"),
        ({"text": "Hello", "voice": "nobody"}, "unknown-voice"),
        ({"text": "Hello", "format": "midi"}, "malformed"),
        ({"text": "x" * 10_001}, "malformed"),
        ({"text": "Hello", "speed": 2}, "malformed"),
        ({}, "malformed"),
    ],
)
async def test_what_cannot_be_spoken_is_said_to_be_so(client, asked, code):
    await problem_of(await client.post("/api/speak", json=asked), 400, code)


async def test_a_voice_that_fails_at_once_is_a_503_and_later_cuts_the_sound_off(client, engines):
    engines.tts.error = EngineError("boom")
    response = await client.post("/api/speak", json={"text": "Hello. Good morning."})
    await problem_of(response, 503, "engine-failed")
    engines.tts.error_after = engines.tts.work.calls + 1
    async with asyncio.timeout(5):
        while True:
            response = await client.post("/api/speak", json={"text": "Hello. Good morning."})
            if response.status == 200:
                break
            await asyncio.sleep(0.1)
    with pytest.raises(Exception, match=r"(?i)payload|disconnected|reset|closed"):
        await response.read()


# -- words to an answer ---------------------------------------------------------------------------


async def test_a_question_in_writing_is_answered(client, engines):
    response = await client.post("/api/ask", json={"text": "What is the capital of France?"})
    told = await response.json()
    assert response.status == 200
    assert told["text"] == "The capital of France is Paris. It lies on the Seine."
    turn = await (await client.get(f"/api/turns/{told['turn']}")).json()
    assert turn["said"] == "What is the capital of France?"
    assert turn["outcome"] == "answered"
    assert turn["room"] == told["room"]


async def test_a_conversation_by_name_is_remembered_and_another_is_not(client, engines):
    async def prompt(room):
        asked = {"text": "Why is that?"} | ({"room": room} if room else {})
        assert (await client.post("/api/ask", json=asked)).status == 200
        return len(engines.llm.prompts[-1])

    alone = await prompt(None)
    assert await prompt(None) == alone
    assert await prompt("mine") == alone
    assert await prompt("mine") == alone + 2
    assert await prompt("yours") == alone


async def test_questions_in_one_conversation_are_answered_one_after_the_other(client, engines):
    asked = [{"text": f"Why number {n}?", "room": "mine"} for n in range(4)]
    answers = await asyncio.gather(*(client.post("/api/ask", json=a) for a in asked))
    assert [answer.status for answer in answers] == [200] * 4
    assert [len(prompt) for prompt in engines.llm.prompts] == [2, 4, 6, 8]


@pytest.mark.parametrize("how", ["header", "field"])
async def test_an_answer_comes_clause_by_clause_where_that_is_wanted(client, how):
    asked = {"text": "What is the capital of France?", "stream": how == "field"}
    headers = {"Accept": "text/event-stream"} if how == "header" else {}
    response = await client.post("/api/ask", json=asked, headers=headers)
    assert response.content_type == "text/event-stream"
    events = [event.split("\n") for event in (await response.text()).strip().split("\n\n")]
    names = [lines[0].removeprefix("event: ") for lines in events]
    data = [json.loads(lines[1].removeprefix("data: ")) for lines in events]
    assert names[-1] == "done"
    assert set(names[:-1]) == {"clause"}
    assert len(names) > 2
    assert " ".join(d["text"] for d in data[:-1]) == data[-1]["text"]


async def test_a_model_that_fails_is_a_503_and_in_mid_answer_an_event(client, engines):
    engines.llm.error = EngineError("boom")
    question = {"text": "What is the capital of France?"}
    await problem_of(await client.post("/api/ask", json=question), 503, "engine-failed")
    engines.llm.error_after = 9
    async with asyncio.timeout(5):
        while True:
            response = await client.post("/api/ask", json=question | {"stream": True})
            if response.status == 200:
                break
            await asyncio.sleep(0.1)
    text = await response.text()
    assert text.startswith("event: clause\n")
    assert '"code":"engine-failed"' in text.strip().split("\n\n")[-1]


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ({"text": " "}, "bad-text"),
        ({"text": "x" * 2001}, "malformed"),
        ({"text": "Why?", "room": "\n"}, "bad-room"),
        ({"text": "Why?", "room": ""}, "malformed"),
        ({"text": "Why?", "rooms": []}, "malformed"),
    ],
)
async def test_what_is_no_question_is_refused(client, asked, code):
    await problem_of(await client.post("/api/ask", json=asked), 400, code)


# -- a whole turn ---------------------------------------------------------------------------------


async def test_a_recorded_question_makes_a_turn_with_its_times_and_its_sound(client):
    response = await client.post("/api/turn", data=wav(), headers=WAV)
    told = await response.json()
    assert response.status == 200, told
    turn = told["turn"]
    assert turn["said"] == "what is the capital of france"
    assert turn["heard"] == "The capital of France is Paris. It lies on the Seine."
    assert turn["outcome"] == "answered"
    assert {"transcript", "first_token", "first_audio_sent"} <= set(turn["marks"])
    assert turn["sound"]["reply"]
    reply = await client.get(f"/api/turns/{turn['id']}/reply.wav")
    rate, samples = pcm_in(await reply.read())
    assert (reply.status, rate) == (200, 24000)
    assert len(samples) > 24000


async def test_a_recorded_question_is_answered_in_sound_where_that_is_wanted(client):
    response = await client.post("/api/turn", data=wav(), headers={**WAV, "Accept": "audio/wav"})
    assert (response.status, response.content_type) == (200, "audio/wav")
    rate, samples = pcm_in(await response.read())
    assert len(samples) > 24000
    async with asyncio.timeout(5):
        while not (turns := (await (await client.get("/api/turns?limit=1")).json())["turns"]):
            await asyncio.sleep(0.02)  # the disk may take longer than we do
    (turn,) = turns
    assert turn["outcome"] == "answered"


async def test_a_recording_in_which_nobody_speaks_has_no_reply(client):
    silence = wav(bytes(64000))
    told = await (await client.post("/api/turn", data=silence, headers=WAV)).json()
    assert told["turn"]["outcome"] == "nothing-said"
    response = await client.post("/api/turn", data=silence, headers={**WAV, "Accept": "audio/wav"})
    await problem_of(response, 422, "no-reply")


async def test_a_recorded_conversation_goes_on_in_writing(client, engines):
    assert (await client.post("/api/turn?room=mine", data=wav(), headers=WAV)).status == 200
    assert (await client.post("/api/ask", json={"text": "Why?", "room": "mine"})).status == 200
    assert [m.content for m in engines.llm.prompts[-1]][1] == "what is the capital of france"


async def test_a_turn_whose_model_fails_is_a_503(client, engines):
    engines.llm.error = EngineError("boom")
    await problem_of(await client.post("/api/turn", data=wav(), headers=WAV), 503, "engine-failed")


# -- whoever goes ---------------------------------------------------------------------------------


def request(path, body, accept):
    kind = "audio/wav" if body.startswith(b"RIFF") else "application/json"
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: {accept}\r\nContent-Type: {kind}"
    return f"{head}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


QUESTION_ASKED = json.dumps({"text": "What is the capital of France?", "room": "mine"}).encode()
GOODBYE = {
    "an answer": request("/api/ask", QUESTION_ASKED, "application/json"),
    "events": request("/api/ask", QUESTION_ASKED, "text/event-stream"),
    "a turn": request("/api/turn?room=mine", wav(), "application/json"),
    "its sound": request("/api/turn?room=mine", wav(), "audio/wav"),
    "speech": request("/api/speak", json.dumps({"text": "Hello. " * 100}).encode(), "*/*"),
}


async def connected(house):
    host, port = house.web_address.removeprefix("http://").split(":")
    return await asyncio.open_connection(host, int(port))


@pytest.mark.parametrize("what", GOODBYE)
@pytest.mark.parametrize("begun", [True, False])
async def test_whoever_goes_stops_what_was_done_for_them(
    house, client, engines, caplog, what, begun
):
    """`begun`: when the engine works; otherwise at once."""
    engines.llm.text = "This is a very long answer. " * 200
    engines.llm.each = engines.tts.seconds = 0.02
    steps = house._web._parts.steps
    places, work = steps._places, (engines.tts if what == "speech" else engines.llm).work
    reader, writer = await connected(house)
    writer.write(GOODBYE[what])
    async with asyncio.timeout(5):
        while begun and not work.times:
            await asyncio.sleep(0.01)
    writer.close()
    async with asyncio.timeout(5):
        while steps._places < places or engines.llm.work.running:
            await asyncio.sleep(0.01)
    did = len(engines.llm.work.times), len(engines.tts.work.times)
    await asyncio.sleep(0.3)
    assert (len(engines.llm.work.times), len(engines.tts.work.times)) == did
    engines.llm.text = "Paris."
    again = await client.post("/api/ask", json=json.loads(QUESTION_ASKED))
    assert again.status == 200
    assert "ERROR" not in caplog.text


async def test_whoever_takes_nothing_is_given_up(house, engines, monkeypatch):
    monkeypatch.setattr(streams, "_TAKES", 0.5)
    monkeypatch.setattr("scripted.SECONDS_PER_LETTER", 5.0)  # more than any buffer holds
    engines.tts.seconds = 0.0
    steps = house._web._parts.steps
    places = steps._places
    reader, writer = await connected(house)
    writer.transport.pause_reading()
    writer.write(GOODBYE["speech"])
    async with asyncio.timeout(10):
        while steps._places == places:
            await asyncio.sleep(0.01)
        while steps._places < places:
            await asyncio.sleep(0.05)
    writer.close()
