"""Sound and models in OpenAI's way, with scripted engines."""

import base64
import io
import json

import aiohttp
import pytest
from openai_shapes import QUESTION, events, form, refused
from web_hub import pcm_in

from hub.config import LlmSettings, Settings, SttSettings, TtsSettings
from hub.web.openai.models import Models
from hub.web.sound_decoding import decoded
from protocol.audio import SPEECH

# -- models ---------------------------------------------------------------------------------------


async def test_three_models_are_listed_and_found_by_their_names(client):
    listed = (await (await client.get("/v1/models")).json())["data"]
    assert len(listed) == 3
    for model in listed:
        found = await client.get(f"/v1/models/{model['id']}")
        assert await found.json() == model


@pytest.mark.parametrize(
    ("alias", "index"),
    [
        ("gpt-4o", 0),
        ("gpt-5-mini", 0),
        ("o3-mini", 0),
        ("chatgpt-4o-latest", 0),
        ("whisper-1", 1),
        ("gpt-4o-transcribe", 1),
        ("gpt-4o-mini-transcribe", 1),
        ("tts-1", 2),
        ("tts-1-hd", 2),
        ("gpt-4o-mini-tts", 2),
    ],
)
async def test_a_name_of_openais_stands_for_the_model_that_does_its_work(client, alias, index):
    listed = (await (await client.get("/v1/models")).json())["data"]
    found = await client.get(f"/v1/models/{alias}")
    assert (await found.json())["id"] == listed[index]["id"]


async def test_models_of_other_servers_that_choose_them_themselves_have_names_of_their_own():
    settings = Settings(
        llm=LlmSettings(engine="openai+http://127.0.0.1:1/v1"),
        stt=SttSettings(engine="wyoming://127.0.0.1:2"),
        tts=TtsSettings(engine="wyoming://127.0.0.1:3"),
    )
    names = await Models(settings).names()
    assert (names.llm, names.stt, names.tts) == ("parlour-llm", "parlour-stt", "parlour-tts")
    assert [names.role(name) for name in ("parlour-llm", "parlour")] == ["llm", "llm"]
    settings.llm = LlmSettings(engine="openai+http://127.0.0.1:1/v1", model="Qwen/Qwen2.5-7B")
    assert (await Models(settings).names()).llm == "Qwen2.5-7B"


@pytest.mark.parametrize("name", ["llama-4", "gpt", "gpt-4o-realtime-preview", "text-embedding-3"])
async def test_an_unknown_model_is_not_found(client, name):
    await refused(await client.get(f"/v1/models/{name}"), 404, "model_not_found", "model")


async def test_a_model_that_does_other_work_is_refused(client):
    body = {"model": "whisper-1", "messages": QUESTION}
    response = await client.post("/v1/chat/completions", json=body)
    error = await refused(response, 404, "model_not_found", "model")
    assert "not one that chats" in error["message"]


async def test_an_unknown_path_is_refused_in_openais_way(client):
    await refused(await client.get("/v1/embeddings"), 404, "no_such_page")


# -- sound ----------------------------------------------------------------------------------------


async def test_sound_is_transcribed_in_each_form(client):
    url, text = "/v1/audio/transcriptions", "what is the capital of france"

    async def asked(**fields):
        response = await client.post(url, data=form(model="whisper-1", **fields))
        assert response.status == 200, await response.text()
        return await response.text()

    told = json.loads(await asked())
    assert told["text"] == text
    assert told["usage"] == {"type": "duration", "seconds": 2}
    assert await asked(response_format="text") == text + "\n"
    assert await asked(response_format="srt") == (f"1\n00:00:00,000 --> 00:00:02,200\n{text}\n")
    assert await asked(response_format="vtt") == (
        f"WEBVTT\n\n00:00:00.000 --> 00:00:02.200\n{text}\n"
    )
    told = json.loads(await asked(response_format="verbose_json", prompt="Paris", temperature="0"))
    assert (told["language"], told["duration"], told["text"]) == ("en", 2.2, text)
    assert told["segments"][0]["end"] == 2.2


async def test_a_transcription_is_streamed(client, engines):
    data = form(model="gpt-4o-transcribe", stream="true")
    told = await events(await client.post("/v1/audio/transcriptions", data=data))
    assert [event["type"] for event in told] == ["transcript.text.delta", "transcript.text.done"]
    assert told[0]["delta"] == told[1]["text"] == engines.stt.text


async def test_what_cannot_be_transcribed_is_refused(client):
    url = "/v1/audio/transcriptions"
    await refused(await client.post(url, data=form()), 400, "invalid_request", "model")
    model = {"model": "whisper-1"}
    bad = form(**model, response_format="diarized_json")
    await refused(await client.post(url, data=bad), 400, "unsupported_value", "response_format")
    words = form(**model, **{"timestamp_granularities[]": "word"})
    response = await client.post(url, data=words)
    await refused(response, 400, "unsupported_value", "timestamp_granularities")
    data = aiohttp.FormData(model)
    data.add_field("file", b"no sound at all" * 9, filename="a.wav", content_type="audio/wav")
    await refused(await client.post(url, data=data), 400, "invalid_audio", "file")
    data = form(**model, language="xx")
    await refused(await client.post(url, data=data), 400, "unsupported_language")
    await refused(await client.post(url, json=model), 415, "unsupported_media_type")
    await refused(
        await client.post("/v1/audio/translations", data=form(**model)),
        400,
        "translation_unsupported",
    )


@pytest.mark.parametrize("kind", ["wav", "flac", "mp3", "opus", "aac", "pcm"])
async def test_speech_comes_in_each_form(client, kind):
    body = {"model": "tts-1", "voice": "alloy", "input": "Hello there.", "response_format": kind}
    response = await client.post("/v1/audio/speech", json=body)
    data = await response.read()
    assert response.status == 200, data
    if kind == "pcm":
        seconds = len(data) / 48000
    else:
        pcm = b"".join([piece async for piece in decoded(io.BytesIO(data))])
        seconds = SPEECH.seconds(len(pcm))
    assert seconds == pytest.approx(0.72, abs=0.15)


@pytest.mark.parametrize("speed", [0.25, 0.5, 1.5, 4.0])
async def test_speech_is_made_slower_and_faster(client, speed):
    body = {"model": "tts-1", "input": "Hello there. How are you today?", "speed": speed}
    lengths = []
    for asked in (body, {**body, "speed": 1.0}):
        response = await client.post("/v1/audio/speech", json={**asked, "response_format": "wav"})
        lengths.append(len(pcm_in(await response.read())[1]))
    assert lengths[1] / lengths[0] == pytest.approx(speed, rel=0.1)


async def test_speech_comes_as_events_where_that_is_asked_for(client):
    body = {"model": "tts-1", "input": "Hello.", "response_format": "pcm", "stream_format": "sse"}
    told = await events(await client.post("/v1/audio/speech", json=body))
    assert told[-1]["type"] == "speech.audio.done"
    sound = b"".join(base64.b64decode(event["audio"]) for event in told[:-1])
    assert len(sound) > 10_000


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ({"voice": "nobody"}, "unknown_voice"),
        ({"input": "..."}, "invalid_text"),
        ({"input": ""}, "invalid_type"),
        ({"response_format": "midi"}, "unsupported_value"),
        ({"speed": 9}, "invalid_type"),
        ({"stream_format": "smoke"}, "unsupported_value"),
    ],
)
async def test_what_cannot_be_spoken_is_refused(client, asked, code):
    body = {"model": "tts-1", "voice": "alloy", "input": "Hello.", **asked}
    response = await client.post("/v1/audio/speech", json=body)
    error = (await response.json())["error"]
    assert (response.status, error["code"]) == (400, code), error


async def test_what_the_guard_refuses_is_told_in_openais_way_too(client):
    response = await client.get("/v1/models", headers={"Host": "elsewhere.example"})
    error = await refused(response, 403, "wrong_host")
    assert error["type"] == "permission_error"
    response = await client.get("/v1/chat/completions")
    await refused(response, 405, "wrong_method")
