"""The official OpenAI client, unchanged, against a real hub with real models."""

import asyncio
import io
import json
import re

import openai
import psutil
import pytest
from processes import VOICE

from hub.web.sound_decoding import decoded
from protocol.audio import SPEECH, wav_of

pytestmark = pytest.mark.local
SENTENCE = "The quick brown fox jumps over the lazy dog."
TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "get_weather",
            "description": "Get the current weather in a city",
            "parameters": {
                "type": "object",
                "properties": {"city": {"type": "string", "description": "Name of the city"}},
                "required": ["city"],
            },
        },
    }
]


def client_of(hub):
    return openai.AsyncOpenAI(base_url=f"{hub.web}/v1", api_key="any key does", max_retries=0)


def words_of(text):
    return re.sub(r"[^a-z ]", "", text.lower()).split()


def user(text):
    return [{"role": "user", "content": text}]


async def test_it_lists_models_transcribes_and_speaks(house, voice):
    recording = wav_of(VOICE, voice("What is the capital of France?"))
    async with house.hub() as hub, client_of(hub) as client:
        models = [model.id async for model in await client.models.list()]
        assert len(models) == 3
        assert (await client.models.retrieve("whisper-1")).id in models

        async def hear(name, data, **options):
            return await client.audio.transcriptions.create(
                model="whisper-1", file=(name, data), **options
            )

        question = ["what", "is", "the", "capital", "of", "france"]
        assert words_of((await hear("a.wav", recording)).text) == question
        assert words_of(await hear("a.wav", recording, response_format="text")) == question
        srt = await hear("a.wav", recording, response_format="srt")
        assert srt.startswith("1\n00:00:00,000 --> 00:00:0")
        vtt = await hear("a.wav", recording, response_format="vtt")
        assert vtt.startswith("WEBVTT\n\n00:00:00.000 --> ")
        whole = await hear("a.wav", recording, response_format="verbose_json", language="en")
        assert words_of(whole.text) == question
        assert len(whole.segments) == 1
        assert whole.segments[0].end == pytest.approx(whole.duration, abs=0.1)
        events = [event async for event in await hear("a.wav", recording, stream=True)]
        assert [event.type for event in events] == [
            "transcript.text.delta",
            "transcript.text.done",
        ]
        assert words_of(events[-1].text) == question

        async def speak(kind, **options):
            speech = await client.audio.speech.create(
                model="tts-1", voice="alloy", input=SENTENCE, response_format=kind, **options
            )
            return speech.content

        for kind in ("wav", "flac", "mp3", "opus", "aac"):
            sound = await speak(kind)
            heard = await hear(f"speech.{kind}", sound)
            assert words_of(heard.text) == words_of(SENTENCE), kind
        assert len(await speak("pcm")) / VOICE.bytes_per_second == pytest.approx(3, abs=1)
        quick = await speak("flac", speed=1.4)
        heard = await hear("quick.flac", quick)
        assert words_of(heard.text) == words_of(SENTENCE)
        lengths = []
        for data in (quick, await speak("flac")):
            pcm = b"".join([piece async for piece in decoded(io.BytesIO(data))])
            lengths.append(SPEECH.seconds(len(pcm)))
        assert lengths[1] / lengths[0] == pytest.approx(1.4, rel=0.1)

        with pytest.raises(openai.BadRequestError, match="no sound file"):
            await hear("a.wav", b"this is no sound" * 100)
        with pytest.raises(openai.BadRequestError):
            await client.audio.translations.create(model="whisper-1", file=("a.wav", recording))
        with pytest.raises(openai.NotFoundError) as problem:
            await client.audio.transcriptions.create(model="ear-9", file=("a.wav", recording))
        assert problem.value.code == "model_not_found"


async def test_it_chats_streams_and_calls_tools(house):
    async with house.hub() as hub, client_of(hub) as client:
        create = client.chat.completions.create
        question = user("What is the capital of France? Answer in one word.")
        answer = await create(model="gpt-4o", messages=question)
        assert "Paris" in answer.choices[0].message.content
        assert answer.choices[0].finish_reason == "stop"
        assert answer.usage.total_tokens > answer.usage.prompt_tokens > 10

        text, last = "", None
        stream = await create(
            model="gpt-4o",
            messages=[*question, answer.choices[0].message, *user("And of Italy?")],
            stream=True,
            stream_options={"include_usage": True},
        )
        async for chunk in stream:
            text += (chunk.choices[0].delta.content or "") if chunk.choices else ""
            last = chunk
        assert "Rome" in text
        cached = last.usage.prompt_tokens_details.cached_tokens
        assert cached >= answer.usage.prompt_tokens  # what was read before is not read again

        system = [{"role": "system", "content": "Your name is Bertha. You are a librarian."}]
        answer = await create(model="gpt-4o", messages=[*system, *user("What is your name?")])
        assert "Bertha" in answer.choices[0].message.content

        messages = user("What is the weather in Paris?")
        answer = await create(model="gpt-4o", messages=messages, tools=TOOLS)
        (call,) = answer.choices[0].message.tool_calls
        assert answer.choices[0].finish_reason == "tool_calls"
        assert json.loads(call.function.arguments) == {"city": "Paris"}
        result = {"role": "tool", "tool_call_id": call.id, "content": "sunny, 21 degrees"}
        messages += [answer.choices[0].message, result]
        async with client.chat.completions.stream(
            model="gpt-4o", messages=messages, tools=TOOLS
        ) as stream:
            answer = await stream.get_final_completion()
        assert "21" in answer.choices[0].message.content
        assert not answer.choices[0].message.tool_calls

        person = user("Invent a person: name, age and hobbies. Answer in JSON.")
        answer = await create(
            model="gpt-4o", messages=person, response_format={"type": "json_object"}
        )
        assert isinstance(json.loads(answer.choices[0].message.content), dict)
        short = await create(model="gpt-4o", messages=user("Count to 50."), max_tokens=5)
        assert short.choices[0].finish_reason == "length"
        assert short.usage.completion_tokens == 5

        with pytest.raises(openai.BadRequestError) as problem:
            await create(model="gpt-4o", messages=user("word " * 6000))
        assert problem.value.code == "context_length_exceeded"
        with pytest.raises(openai.NotFoundError):
            await create(model="llama-99", messages=question)
        with pytest.raises(openai.BadRequestError) as problem:
            await create(model="gpt-4o", messages=question, temperature=5)
        assert problem.value.param == "temperature"


@pytest.mark.long
async def test_a_client_that_leaves_in_mid_stream_stops_the_model(house):
    async with house.hub() as hub, client_of(hub) as client:
        process = psutil.Process(hub.child.pid)
        long = user("Write a story about a dragon with at least five hundred words.")

        async def read():
            stream = await client.chat.completions.create(
                model="gpt-4o", messages=long, stream=True
            )
            async for chunk in stream:
                if chunk.choices[0].delta.content:
                    begun.set()

        for _ in range(3):
            begun = asyncio.Event()
            reading = asyncio.create_task(read())
            async with asyncio.timeout(60):
                await begun.wait()
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
        await asyncio.sleep(1.5)
        before = sum(process.cpu_times()[:2])
        await asyncio.sleep(2)
        assert sum(process.cpu_times()[:2]) - before < 0.4
        with pytest.raises(openai.APITimeoutError):  # it waits for no stream
            await client.chat.completions.create(model="gpt-4o", messages=long, timeout=1)
        await asyncio.sleep(1.5)
        before = sum(process.cpu_times()[:2])
        await asyncio.sleep(2)
        assert sum(process.cpu_times()[:2]) - before < 0.4


@pytest.mark.long
async def test_ten_chats_at_once_are_all_answered_while_a_room_talks(house, ask):
    countries = {"France": "Paris", "Italy": "Rome", "Japan": "Tokyo", "Germany": "Berlin"}
    async with (
        house.hub() as hub,
        house.satellite(hub.address) as kitchen,
        client_of(hub) as client,
    ):
        answered = asyncio.Event()

        async def chat(country):
            question = f"What is the capital of {country}? Then write about it in two sentences."
            told = 0
            while not answered.is_set() or not told:
                answer = await client.chat.completions.create(
                    model="gpt-4o", messages=user(question), max_tokens=80
                )
                assert countries[country] in answer.choices[0].message.content
                told += 1
            return told

        names = [*countries, *countries, "France", "Italy"]
        async with asyncio.timeout(300), asyncio.TaskGroup() as chats:
            asked = [chats.create_task(chat(name)) for name in names]
            house.say(kitchen, "1", VOICE, ask("What is the capital of Spain?"))
            await hub.wait_for("kitchen: turn ended: answered", timeout=120)
            answered.set()
        assert all(task.result() for task in asked)
        said = " ".join(line for _, line in hub.lines if "kitchen: says:" in line)
        assert "Madrid" in said
