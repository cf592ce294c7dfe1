"""Asks OpenAI's interface without its client, and looks at the shape of what it answers."""

import json

import aiohttp
from web_hub import wav

QUESTION = [{"role": "user", "content": "What is the capital of France?"}]
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    },
}
CALL = '<tool_call>\n{"name": "get_weather", "arguments": {"city": "Oslo"}}\n</tool_call>'


async def chat(client, **asked):
    body = {"model": "gpt-4o", "messages": QUESTION, **asked}
    response = await client.post("/v1/chat/completions", json=body)
    return response.status, await response.json()


async def events(response):
    assert response.status == 200, await response.text()
    assert response.content_type == "text/event-stream"
    lines = (await response.text()).split("\n\n")
    return [json.loads(line[6:]) for line in lines if line and line != "data: [DONE]"]


def form(**fields):
    data = aiohttp.FormData(fields)
    data.add_field("file", wav(), filename="question.wav", content_type="audio/wav")
    return data


async def refused(response, status, code, param=None):
    error = (await response.json())["error"]
    assert (response.status, error["code"], error["param"]) == (status, code, param), error
    assert set(error) == {"message", "type", "param", "code"}
    assert error["message"]
    return error
