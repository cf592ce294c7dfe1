"""What differs between servers with OpenAI's API, and how they are told from each other."""

import re
from collections.abc import Sequence
from enum import Enum
from typing import Any

from hub.engines.base import BadInput, Message, Sampling

# What marks the parts of a prompt in ChatML, Llama, Phi, Gemma, Mistral and DeepSeek models.
# Servers read such a mark in somebody's text as if their own template had written it.
_MARKS = re.compile(
    r"<\|[^\s|<>]{1,40}\|>|<\uff5c[^\s\uff5c<>]{1,40}\uff5c>|</?s>|</?(start|end)_of_turn>|\[/?INST\]"
)


class Server(Enum):
    """Which server it is."""

    LLAMA_SERVER = "llama-server"
    LLAMA_CPP_PYTHON = "llama-cpp-python's server"
    VLLM = "vLLM"
    PARLOUR = "Parlour"
    OTHER = "the server"


# `owned_by` of their models: in tools/server/server-context.cpp of llama.cpp, server/app.py of
# llama-cpp-python, entrypoints/openai/engine/protocol.py of vLLM, and hub/web/openai/models.py.
_OWNERS = {
    "llamacpp": Server.LLAMA_SERVER,
    "me": Server.LLAMA_CPP_PYTHON,
    "vllm": Server.VLLM,
    "parlour": Server.PARLOUR,
}
_REPEAT = {
    Server.LLAMA_SERVER: "repeat_penalty",
    Server.LLAMA_CPP_PYTHON: "repeat_penalty",
    Server.VLLM: "repetition_penalty",
}


def server_of(owner: str) -> Server:
    """Return which server says that a model is owned by `owner`."""
    return _OWNERS.get(owner, Server.OTHER)


def extras(server: Server) -> dict[str, Any]:
    """Return what is asked for beside a reply, where the server takes it.

    Tokens are counted; and models that could think aloud first, for minutes, do not.
    """
    body: dict[str, Any] = {"stream_options": {"include_usage": True}}
    if server in (Server.LLAMA_SERVER, Server.VLLM):
        body["chat_template_kwargs"] = {"enable_thinking": False}
    return body


def request(
    server: Server,
    model: str,
    messages: Sequence[Message],
    *,
    max_tokens: int,
    sampling: Sampling,
    temperature: float,
) -> dict[str, Any]:
    """Return the body of a request for a reply.

    The marks of chat templates are taken out of the messages, as `hub.engines.chat_prompt` does:
    nobody may end their own message and begin the assistant's.

    Args:
        server: which one it is.
        model: its name for the model.
        messages: the conversation.
        max_tokens: the reply is cut there.
        sampling: how words are chosen.
        temperature: where `sampling` leaves it open.

    Raises:
        BadInput: the server knows no grammars.
    """
    if sampling.temperature is not None:
        temperature = sampling.temperature
    body: dict[str, Any] = {
        "model": model,
        "messages": [{"role": m.role, "content": _MARKS.sub(" ", m.content)} for m in messages],
        "stream": True,
        "max_tokens": max_tokens,
        "temperature": temperature,
    }
    if temperature > 0:
        body["top_p"] = sampling.top_p
    if sampling.seed is not None:
        body["seed"] = sampling.seed
    if sampling.frequency:
        body["frequency_penalty"] = sampling.frequency
    if sampling.presence:
        body["presence_penalty"] = sampling.presence
    if sampling.repeat is not None and server in _REPEAT:
        body[_REPEAT[server]] = sampling.repeat
    if sampling.grammar:
        body |= _grammar(server, sampling.grammar)
    return body


def _grammar(server: Server, grammar: str) -> dict[str, Any]:
    match server:
        case Server.LLAMA_SERVER | Server.LLAMA_CPP_PYTHON:
            return {"grammar": grammar}
        case Server.VLLM:
            return {"structured_outputs": {"grammar": grammar}}
    raise BadInput(
        f"llm: {server.value} takes no grammar, so it can't be made to call tools; llama-server "
        "and vLLM can"
    )
