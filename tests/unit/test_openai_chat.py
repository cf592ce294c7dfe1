"""Chats in OpenAI's way, with scripted engines: what is answered, and what is refused."""

import asyncio
import json

import aiohttp
import pytest
from openai_shapes import CALL, QUESTION, WEATHER, chat, events, refused
from web_hub import web_hub

from hub.engines.base import BadInput, EngineError, TooLong


async def test_a_chat_is_answered_with_the_messages_as_they_are(client, engines):
    messages = [
        {"role": "developer", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "Hello"}]},
        {"role": "assistant", "content": "Hi."},
        *QUESTION,
    ]
    status, answer = await chat(client, messages=messages, temperature=0.5, seed=7)
    assert status == 200
    (choice,) = answer["choices"]
    assert choice["message"]["content"].strip() == engines.llm.text
    assert choice["finish_reason"] == "stop"
    assert answer["usage"]["prompt_tokens"] == 100
    assert answer["usage"]["prompt_tokens_details"] == {"cached_tokens": 80}
    written = len(engines.llm.text.split())
    assert answer["usage"]["completion_tokens"] == written
    assert answer["usage"]["total_tokens"] == 100 + written
    assert [(m.role, m.content) for m in engines.llm.prompts[-1]] == [
        ("system", "Be brief."),
        ("user", "Hello"),
        ("assistant", "Hi."),
        ("user", QUESTION[0]["content"]),
    ]
    assert (engines.llm.sampling.temperature, engines.llm.sampling.seed) == (0.5, 7)


async def test_a_stream_is_the_same_words_in_pieces(client, engines):
    body = {"model": "gpt-4o", "messages": QUESTION, "stream": True}
    response = await client.post(
        "/v1/chat/completions", json={**body, "stream_options": {"include_usage": True}}
    )
    told = await events(response)
    assert (await response.text()).endswith("data: [DONE]\n\n")
    assert told[0]["choices"][0]["delta"]["role"] == "assistant"
    pieces = [e["choices"][0]["delta"].get("content") or "" for e in told if e["choices"]]
    assert "".join(pieces).strip() == engines.llm.text
    assert len([piece for piece in pieces if piece]) == len(engines.llm.text.split())
    assert told[-2]["choices"][0]["finish_reason"] == "stop"
    assert told[-1]["choices"] == []
    assert told[-1]["usage"]["prompt_tokens"] == 100
    assert len({event["id"] for event in told}) == 1


@pytest.mark.parametrize("stream", [False, True])
async def test_a_reply_ends_before_a_stop_even_if_that_comes_in_pieces(client, engines, stream):
    engines.llm.text = "one two STOP HERE three"
    body = {"model": "gpt-4o", "messages": QUESTION, "stop": ["never", "STOP HERE"]}
    response = await client.post("/v1/chat/completions", json={**body, "stream": stream})
    if stream:
        told = await events(response)
        text = "".join(e["choices"][0]["delta"].get("content") or "" for e in told)
    else:
        text = (await response.json())["choices"][0]["message"]["content"]
    assert text == "one two "
    assert engines.llm.work.running == 0


async def test_tools_are_told_of_and_calls_are_read(client, engines):
    engines.llm.text = f"Let me look. {CALL}"
    status, answer = await chat(client, tools=[WEATHER])
    assert status == 200
    message = answer["choices"][0]["message"]
    assert answer["choices"][0]["finish_reason"] == "tool_calls"
    assert message["content"].strip() == "Let me look."
    (call,) = message["tool_calls"]
    assert call["function"] == {"name": "get_weather", "arguments": '{"city": "Oslo"}'}
    system = engines.llm.prompts[-1][0]
    assert system.role == "system"
    assert "<tools>" in system.content
    assert '"name": "get_weather"' in system.content

    engines.llm.text = "It is sunny."
    result = {"role": "tool", "tool_call_id": call["id"], "content": "sunny"}
    status, answer = await chat(client, tools=[WEATHER], messages=[*QUESTION, message, result])
    assert answer["choices"][0]["message"]["content"].strip() == "It is sunny."
    assert [m.role for m in engines.llm.prompts[-1]] == ["system", "user", "assistant", "user"]
    assert engines.llm.prompts[-1][2].content.endswith(CALL)
    assert engines.llm.prompts[-1][3].content == "<tool_response>\nsunny\n</tool_response>"


async def test_calls_come_as_deltas_of_a_stream(client, engines):
    engines.llm.text = CALL + "\n" + CALL.replace("Oslo", "Rome")
    body = {"model": "gpt-4o", "messages": QUESTION, "stream": True, "tools": [WEATHER]}
    told = await events(await client.post("/v1/chat/completions", json=body))
    deltas = [e["choices"][0]["delta"] for e in told]
    assert not any(delta.get("content") for delta in deltas)
    calls = [call for delta in deltas for call in delta.get("tool_calls", [])]
    assert [call["index"] for call in calls] == [0, 0, 1, 1]
    arguments = [json.loads(call["function"]["arguments"]) for call in calls[1::2]]
    assert arguments == [{"city": "Oslo"}, {"city": "Rome"}]
    assert told[-1]["choices"][0]["finish_reason"] == "tool_calls"


async def test_a_model_that_repeats_an_answered_call_is_asked_for_words(client, engines):
    call = {"id": "1", "type": "function", "function": {"name": "get_weather"}}
    call["function"]["arguments"] = '{"city":"Oslo"}'
    messages = [
        *QUESTION,
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "1", "content": "sunny"},
    ]
    engines.llm.answer = lambda text: "It is sunny." if "in words" in text else CALL
    status, answer = await chat(client, tools=[WEATHER], messages=messages)
    assert status == 200
    assert answer["choices"][0]["message"]["content"].strip() == "It is sunny."
    assert answer["choices"][0]["finish_reason"] == "stop"


async def test_a_forced_call_has_a_grammar_and_tool_choice_none_has_no_tools(client, engines):
    await chat(client, tools=[WEATHER], tool_choice="required")
    assert "get_weather" in engines.llm.sampling.grammar
    named = {"type": "function", "function": {"name": "get_weather"}}
    await chat(client, tools=[WEATHER], tool_choice=named)
    assert "get_weather" in engines.llm.sampling.grammar
    await chat(client, tools=[WEATHER], tool_choice="none")
    assert engines.llm.sampling.grammar == ""
    assert [m.role for m in engines.llm.prompts[-1]] == ["user"]


async def test_a_json_object_has_a_grammar(client, engines):
    await chat(client, response_format={"type": "json_object"})
    assert engines.llm.sampling.grammar.startswith("root ::=")


@pytest.mark.parametrize(
    ("asked", "param"),
    [
        ({"n": 2}, "n"),
        ({"temperature": 3}, "temperature"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"messages": []}, "messages"),
        ({"messages": "hello"}, "messages"),
        ({"messages": [{"role": "king", "content": "hello"}]}, "messages[0].role"),
        ({"stop": ""}, "stop"),
        ({"logprobs": True}, "logprobs"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"tools": [{"type": "web_search"}]}, "tools[0]"),
        ({"response_format": {"type": "json_schema"}}, "response_format"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url"}]}]},
            "messages[0].content",
        ),
    ],
)
async def test_what_is_not_done_here_is_refused_by_its_name(client, asked, param):
    status, answer = await chat(client, **asked)
    assert status == 400, answer
    assert answer["error"]["type"] == "invalid_request_error"
    named = answer["error"]["param"] or answer["error"]["message"]
    assert param in named or param == "tools[0]", answer


async def test_a_body_that_is_no_json_is_refused(client):
    url = "/v1/chat/completions"
    await refused(await client.post(url, data=b"{"), 415, "unsupported_media_type")
    headers = {"Content-Type": "application/json"}
    await refused(await client.post(url, data=b"{", headers=headers), 400, "invalid_json")
    deep = b'{"model": "x", "unknown": ' + b"[" * 100_000
    await refused(await client.post(url, data=deep, headers=headers), 400, "invalid_json")
    long = json.dumps({"model": "gpt-4o", "messages": "x" * 3_000_000}).encode()
    await refused(await client.post(url, data=long, headers=headers), 413, "request_too_large")


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (TooLong(5000, 4096), 400, "context_length_exceeded"),
        (BadInput("the template refuses it"), 400, "invalid_request"),
        (EngineError("it broke"), 503, "engine_failed"),
    ],
)
async def test_what_the_model_refuses_is_an_error_also_of_a_stream(
    client, engines, stream, error, status, code
):
    engines.llm.error = error
    body = {"model": "gpt-4o", "messages": QUESTION, "stream": stream}
    response = await client.post("/v1/chat/completions", json=body)
    told = await response.json()
    assert (response.status, told["error"]["code"]) == (status, code)
    if status == 503:
        assert int(response.headers["Retry-After"]) > 0


async def test_a_model_that_fails_in_mid_stream_says_so_in_the_stream(client, engines):
    engines.llm.error, engines.llm.error_after = EngineError("it broke"), 3
    body = {"model": "gpt-4o", "messages": QUESTION, "stream": True}
    told = await events(await client.post("/v1/chat/completions", json=body))
    assert len(told) == 5  # the role, three words
    assert told[-1]["error"]["code"] == "engine_failed"


@pytest.mark.parametrize("stream", [False, True])
async def test_a_client_that_hangs_up_stops_the_model(
    tmp_path, monkeypatch, engines, stream, unused_tcp_port
):
    engines.llm.text, engines.llm.each = "word " * 2000, 0.005
    async with web_hub(tmp_path, monkeypatch, engines) as house:
        body = {"model": "gpt-4o", "messages": QUESTION, "stream": stream}
        async with aiohttp.ClientSession(house.web_address) as session:
            asking = asyncio.create_task(session.post("/v1/chat/completions", json=body))
            async with asyncio.timeout(5):
                while engines.llm.work.running == 0:
                    await asyncio.sleep(0.01)
            await asyncio.sleep(0.1)
            if not stream:
                asking.cancel()
            else:
                (await asking).close()
            await asyncio.gather(asking, return_exceptions=True)
            async with asyncio.timeout(2):
                while engines.llm.work.running:
                    await asyncio.sleep(0.01)


async def test_a_conversation_that_goes_on_uses_the_cache_that_it_had(client, engines):
    first = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello"}]
    await chat(client, messages=first)
    reply = {"role": "assistant", "content": engines.llm.text + " "}
    for n in range(3):  # others come in between
        other = [first[0], {"role": "user", "content": f"Other {n}"}]
        await chat(client, messages=other)
    await chat(client, messages=[*first, reply, {"role": "user", "content": "And you?"}])
    assert engines.llm.rooms[-1] == engines.llm.rooms[0]
    assert len(set(engines.llm.rooms)) == 4
    for n in range(20):
        await chat(client, messages=[{"role": "user", "content": f"New {n}"}])
    assert len(set(engines.llm.rooms)) <= 6


async def test_many_chats_at_once_are_all_answered_a_few_at_a_time(client, engines):
    most = 0

    async def watch():
        nonlocal most
        while True:
            most = max(most, engines.llm.work.running)
            await asyncio.sleep(0.001)

    watching = asyncio.create_task(watch())
    answers = await asyncio.gather(*(chat(client) for _ in range(20)))
    watching.cancel()
    assert [status for status, _ in answers] == [200] * 20
    assert 1 < most <= 3
