"""What a chat completion is asked with, and what the language model is given for it."""

import contextlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from hub.engines.base import Message, Sampling
from hub.web.openai.errors import Refusal
from hub.web.openai.tools import (
    OBJECT_RULES,
    Tool,
    ToolCall,
    answered,
    called,
    grammar_of_calls,
    insisted,
    json_of,
    told,
)

_DEFAULT_TOKENS = 1024  # of a reply, where the request does not say how many
_MOST_TOKENS = 100_000

Penalty = Annotated[float, Meta(ge=-2, le=2)] | None


class TextPart(msgspec.Struct, frozen=True):
    """A part of a message.

    Args:
        type: only "text" is read here.
        text: it.
    """

    type: str
    text: str = ""


class CalledFunction(msgspec.Struct, frozen=True):
    """A function that the assistant called.

    Args:
        name: which.
        arguments: JSON.
    """

    name: str
    arguments: str = "{}"


class AssistantCall(msgspec.Struct, frozen=True):
    """A call of the assistant's.

    Args:
        function: what was called.
        id: names the call.
        type: what it called.
    """

    function: CalledFunction
    id: str = ""
    type: str = "function"


class ChatMessage(msgspec.Struct, frozen=True):
    """A message of a conversation.

    Args:
        role: whose it is.
        content: what it says.
        tool_calls: what the assistant called.
        tool_call_id: whose result it is.
    """

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | list[TextPart] | None = None
    tool_calls: list[AssistantCall] | None = None
    tool_call_id: str | None = None


class DeclaredFunction(msgspec.Struct, frozen=True):
    """A function that the model may call.

    Args:
        name: letters, digits, "_" and "-".
        description: what it does.
        parameters: JSON schema of its arguments.
        strict: ignored.
    """

    name: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class DeclaredTool(msgspec.Struct, frozen=True):
    """A tool.

    Args:
        function: what it is.
        type: only functions are called here.
    """

    function: DeclaredFunction
    type: Literal["function"] = "function"


class ChosenFunction(msgspec.Struct, frozen=True):
    """The function that is to be called.

    Args:
        name: which.
    """

    name: str


class ToolChoice(msgspec.Struct, frozen=True):
    """The tool that is to be called.

    Args:
        function: which.
        type: only functions are called here.
    """

    function: ChosenFunction
    type: Literal["function"] = "function"


class StreamOptions(msgspec.Struct, frozen=True):
    """What is sent besides the reply.

    Args:
        include_usage: whether the last event tells how many tokens it took.
    """

    include_usage: bool | None = None


class ResponseFormat(msgspec.Struct, frozen=True):
    """What the reply must be.

    Args:
        type: "text" or "json_object".
    """

    type: str


class ChatRequest(msgspec.Struct, frozen=True):
    """A conversation that the model is to go on with. What is not listed here is ignored.

    Args:
        messages: the conversation.
        model: any name that stands for the language model.
        stream: whether to send the reply as it is written.
        stream_options: what is sent besides it.
        temperature: 0 always takes the likeliest word; without one, as the hub's settings have it.
        top_p: only among the likeliest words that have so much of the probability together.
        max_tokens: the reply is cut there.
        max_completion_tokens: the same.
        stop: texts, before the first of which the reply ends.
        seed: the same again brings the same reply again.
        n: how many replies; one.
        frequency_penalty: for each time that a word was there before.
        presence_penalty: for a word that was there before.
        tools: functions that the model may call.
        tool_choice: "auto", "none", "required", or one of them.
        parallel_tool_calls: whether it may call several at once.
        response_format: text, or a JSON object.
        logprobs: not here.
    """

    messages: Annotated[list[ChatMessage], Meta(min_length=1, max_length=2000)]
    model: Annotated[str, Meta(min_length=1)]
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    max_tokens: Annotated[int, Meta(ge=1)] | None = None
    max_completion_tokens: Annotated[int, Meta(ge=1)] | None = None
    stop: str | Annotated[list[str], Meta(max_length=16)] | None = None
    seed: int | None = None
    n: int | None = None
    frequency_penalty: Penalty = None
    presence_penalty: Penalty = None
    tools: Annotated[list[DeclaredTool], Meta(max_length=128)] | None = None
    tool_choice: Literal["auto", "none", "required"] | ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    response_format: ResponseFormat | None = None
    logprobs: bool | None = None


@dataclass(frozen=True, slots=True)
class Task:
    """What the language model is to do.

    Args:
        messages: the conversation, as it takes it.
        max_tokens: the reply is cut there.
        sampling: how words are chosen.
        stops: texts that end the reply.
        tools: what it may call.
        one_call: whether it may call one alone.
        made: calls whose results it is given with the last message.
    """

    messages: tuple[Message, ...]
    max_tokens: int
    sampling: Sampling
    stops: tuple[str, ...] = ()
    tools: tuple[Tool, ...] = ()
    one_call: bool = False
    made: frozenset[ToolCall] = frozenset()

    def insisting(self) -> "Task":
        """Return the same for a model that has made these calls again, instead of an answer."""
        last = self.messages[-1]
        told = Message(last.role, insisted(last.content))
        return replace(self, messages=(*self.messages[:-1], told), made=frozenset())


def task_of(asked: ChatRequest) -> Task:
    """Return what the model is to do.

    Raises:
        Refusal: something that is not done here, or does not fit together.
    """
    _check(asked)
    tools, forced = _tools_of(asked)
    json_wanted = asked.response_format is not None and asked.response_format.type == "json_object"
    grammar = ""
    if forced:
        grammar = grammar_of_calls(forced)
    elif json_wanted and not tools:
        grammar = 'root ::= "{" ws (pair ("," ws pair)*)? "}"' + OBJECT_RULES
    stops = (asked.stop,) if isinstance(asked.stop, str) else tuple(asked.stop or ())
    if "" in stops:
        raise Refusal("an empty text stops everything", "stop")
    return Task(
        messages=tuple(_messages_of(asked.messages, tools)),
        max_tokens=min(
            asked.max_completion_tokens or asked.max_tokens or _DEFAULT_TOKENS, _MOST_TOKENS
        ),
        sampling=Sampling(
            temperature=asked.temperature,
            top_p=0.9 if asked.top_p is None else asked.top_p,
            seed=asked.seed,
            # What JSON is made of comes again and again; a penalty would break it.
            repeat=1.0 if grammar or tools else None,
            frequency=asked.frequency_penalty or 0.0,
            presence=asked.presence_penalty or 0.0,
            grammar=grammar,
        ),
        stops=stops,
        tools=tools,
        one_call=bool(forced) or asked.parallel_tool_calls is False,
        made=frozenset() if forced else _made_in(asked.messages),
    )


def _check(asked: ChatRequest) -> None:
    if asked.n not in (None, 1):
        raise Refusal("one reply at a time here: n has to be 1", "n", "unsupported_value")
    if asked.logprobs:
        raise Refusal("probabilities are not told here", "logprobs", "unsupported_value")
    kind = asked.response_format.type if asked.response_format is not None else "text"
    if kind not in ("text", "json_object"):
        raise Refusal(
            f"response_format {kind[:40]!r} is not done here; use json_object, and tell the model "
            "what you want in it",
            "response_format",
            "unsupported_value",
        )


def _tools_of(asked: ChatRequest) -> tuple[tuple[Tool, ...], tuple[Tool, ...]]:
    """Return the tools that the model is told of, and those of which it must call one."""
    tools = tuple(Tool(tool.function.name, _without_nothing(tool)) for tool in asked.tools or ())
    choice = asked.tool_choice
    if isinstance(choice, ToolChoice):
        chosen = tuple(tool for tool in tools if tool.name == choice.function.name)
        if not chosen:
            name = choice.function.name[:64]
            raise Refusal(f"tool_choice: there is no tool {name!r}", "tool_choice")
        return tools, chosen
    if choice == "required" and not tools:
        raise Refusal("tool_choice: there are no tools", "tool_choice")
    if choice == "none":
        return (), ()
    return tools, tools if choice == "required" else ()


def _without_nothing(tool: DeclaredTool) -> dict[str, Any]:
    """Return a declaration as it was sent, in the order that models were trained with."""
    function = tool.function
    declared = {
        "name": function.name,
        "description": function.description,
        "parameters": function.parameters or {"type": "object", "properties": {}},
    }
    return {
        "type": tool.type,
        "function": {key: value for key, value in declared.items() if value is not None},
    }


def _messages_of(asked: Sequence[ChatMessage], tools: Sequence[Tool]) -> list[Message]:
    messages: list[Message] = []
    results: list[str] = []
    for index, message in enumerate(asked):
        content = _text_of(message, index)
        if message.role == "tool":
            results.append(content)
            continue
        if results:
            messages.append(Message("user", answered(results)))
            results = []
        if message.role == "assistant":
            calls = [
                ToolCall(call.function.name, call.function.arguments)
                for call in message.tool_calls or ()
            ]
            messages.append(Message("assistant", called(content, calls)))
        else:
            role: Literal["system", "user"] = "user" if message.role == "user" else "system"
            messages.append(Message(role, content))
    if results:
        messages.append(Message("user", answered(results)))
    if tools:
        system = messages.pop(0).content if messages[0].role == "system" else None
        messages.insert(0, Message("system", told(system, tools)))
    return messages


def _made_in(asked: Sequence[ChatMessage]) -> frozenset[ToolCall]:
    """Return the calls since the user spoke, if their results are the last that came."""
    made: list[ToolCall] = []
    if asked[-1].role == "tool":
        for message in reversed(asked):
            if message.role == "user":
                break
            for call in message.tool_calls or ():
                with contextlib.suppress(ValueError):
                    arguments = json.loads(call.function.arguments or "{}")
                    made.append(ToolCall(call.function.name, json_of(arguments)))
    return frozenset(made)


def _text_of(message: ChatMessage, index: int) -> str:
    content = message.content
    if content is None:
        return ""
    if isinstance(content, str):
        return content
    for part in content:
        if part.type not in ("text", "refusal"):
            raise Refusal(
                f"messages[{index}]: only text is read here, no {part.type[:40]!r}",
                f"messages[{index}].content",
                "unsupported_value",
            )
    return "\n".join(part.text for part in content)
