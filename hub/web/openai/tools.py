"""Tools of chats: how a model is told of them, and how it calls them.

In the words that Qwen2.5's chat template has for it (Hermes' form, which many models know):
https://qwen.readthedocs.io/en/v2.5/framework/function_call.html
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hub.web.openai.stops import beginning_of

_OPEN, _CLOSE = "<tool_call>", "</tool_call>"
_DEFAULT_SYSTEM = "You are a helpful assistant."
_DECODER = json.JSONDecoder(strict=False)  # small models put line breaks into strings
_FENCED = re.compile(r"```(?:json)?\s*(.*?)\s*```", re.DOTALL)
_MOST_BARE = 4000  # letters of a reply that may yet turn out to be a call without its marks

# Any JSON object; little white space, or a small model writes nothing else for ever.
OBJECT_RULES = r"""
object ::= "{" ws (pair ("," ws pair)*)? "}" ws
pair ::= string ":" ws value
array ::= "[" ws (value ("," ws value)*)? "]" ws
value ::= object | array | string | number | ("true" | "false" | "null") ws
string ::= "\"" char* "\"" ws
char ::= [^"\\\x7F\x00-\x1F] | "\\" (["\\bfnrt/] | "u" [0-9a-fA-F]{4})
number ::= "-"? ("0" | [1-9] [0-9]{0,15}) ("." [0-9]{1,15})? ([eE] [-+]? [0-9]{1,3})? ws
ws ::= | " " | "\n" [ \t]{0,12}
"""


@dataclass(frozen=True, slots=True)
class Tool:
    """A function that may be called.

    Args:
        name: its name.
        declared: all that is known of it, as JSON.
    """

    name: str
    declared: dict[str, Any]


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A function that is called.

    Args:
        name: which.
        arguments: JSON.
    """

    name: str
    arguments: str


def told(system: str | None, tools: Sequence[Tool]) -> str:
    """Return the system prompt that tells of `tools`, too."""
    declared = "".join(f"\n{json_of(tool.declared)}" for tool in tools)
    return (
        f"{system or _DEFAULT_SYSTEM}\n\n# Tools\n\n"
        "You may call one or more functions to assist with the user query.\n\n"
        "You are provided with function signatures within <tools></tools> XML tags:\n"
        f"<tools>{declared}\n</tools>\n\n"
        "For each function call, return a json object with function name and arguments within "
        f"{_OPEN}{_CLOSE} XML tags:\n{_OPEN}\n"
        '{"name": <function-name>, "arguments": <args-json-object>}\n'
        f"{_CLOSE}"
    )


def called(content: str, calls: Sequence[ToolCall]) -> str:
    """Return what the assistant wrote when it called tools."""
    written = [content] if content else []
    for call in calls:
        try:
            arguments = json.loads(call.arguments or "{}")
        except ValueError:
            arguments = call.arguments
        body = f'{{"name": {json_of(call.name)}, "arguments": {json_of(arguments)}}}'
        written.append(f"{_OPEN}\n{body}\n{_CLOSE}")
    return "\n".join(written)


def answered(results: Sequence[str]) -> str:
    """Return what the model is told that its calls brought."""
    return "\n".join(f"<tool_response>\n{result}\n</tool_response>" for result in results)


def insisted(results: str) -> str:
    """Return results of calls with a word to a model that makes the same calls again.

    Small models do. Measured with Qwen2.5-Coder 0.5B: any sentence that says anything of functions
    brings another call; this one brings the answer.
    """
    return f"{results}\nNow answer my question in words."


def grammar_of_calls(tools: Sequence[Tool]) -> str:
    """Return the grammar of a reply that calls one of `tools`; names of theirs have no quotes."""
    names = " | ".join(f'"{tool.name}"' for tool in tools)
    return (
        rf'root ::= "{_OPEN}\n{{\"name\": \"" ({names}) "\", \"arguments\": " object '
        rf'"}}\n{_CLOSE}"' + OBJECT_RULES
    )


class Reader:
    """Tells calls from text while the model writes.

    Small models leave out the marks, or write a block of code instead: what begins with a call is
    taken for one, and whatever it writes behind it that is no other call is an invention. They also
    repeat themselves: the same call again is the end.

    Args:
        names: of the functions that there are; a call of another one is text.
        one: whether to take one call alone.
    """

    def __init__(self, names: frozenset[str], *, one: bool = False) -> None:
        self.over = False  # whether nothing more is wanted
        self._names = names
        self._one = one
        self._calls: list[ToolCall] = []
        self._held = ""  # what may yet become a call
        self._said = False  # whether there was text before
        self._within = False  # between the marks
        self._bare = False  # among calls without marks

    def push(self, text: str) -> list[str | ToolCall]:
        """Take what comes next; return text that is certain to be text, and whole calls."""
        found: list[str | ToolCall] = []
        self._held += text
        while not self.over and self._step(found):
            pass
        return found

    def flush(self) -> list[str | ToolCall]:
        """End; return what was held back."""
        found: list[str | ToolCall] = []
        held, self._held = self._held, ""
        if self.over or self._bare:
            return found
        if self._within:  # it forgot the mark, or was cut off
            self._take(held, _OPEN + held, found)
        elif self._calls:
            self._say(held.rstrip(), found)
        else:
            fenced = None if self._said else _FENCED.fullmatch(held.strip())
            self._take(fenced[1] if fenced else "", held, found)
        return found

    def _step(self, found: list[str | ToolCall]) -> bool:
        """Read on; False: there has to be more first."""
        if self._within:
            body, mark, rest = self._held.partition(_CLOSE)
            if mark:
                self._within, self._held = False, rest
                self._take(body, f"{_OPEN}{body}{_CLOSE}", found)
            return bool(mark)
        before, mark, rest = self._held.partition(_OPEN)
        if mark:
            self._held, self._within = rest, True
            self._say(before.rstrip(), found)
            return True
        if self._bare or not (self._said or self._calls):
            return self._begin(found)
        certain = self._held[: len(self._held) - beginning_of(_OPEN, self._held)]
        certain = certain.rstrip()  # white space before a call is no text
        self._held = self._held[len(certain) :]
        self._say(certain, found)
        return False

    def _begin(self, found: list[str | ToolCall]) -> bool:
        """Read what may be a call without marks."""
        start = self._held.lstrip()
        if "```".startswith(start[:3]) and len(start) < _MOST_BARE:
            return False
        if start.startswith("{") and len(start) < _MOST_BARE:
            if "}" not in start:
                return False
            try:
                _, end = _DECODER.raw_decode(start)
            except (ValueError, RecursionError):
                return False  # it may not be whole yet
            if self._take(start[:end], self._held if not self._bare else "", found):
                self._bare, self._held = True, start[end:]
                return True
            self._held = ""
        if self._bare:
            self._held = start if start.startswith(_OPEN[: len(start)]) else ""
            return False
        self._said = True
        return bool(self._held)

    def _say(self, text: str, found: list[str | ToolCall]) -> None:
        if text and not self._bare:
            self._said = self._said or bool(text.strip())
            found.append(text)

    def _take(self, body: str, written: str, found: list[str | ToolCall]) -> bool:
        """Take a call, or else what was written for it as text."""
        call = self._call_in(body)
        if call is None:
            self._say(written, found)
            return False
        if call in self._calls:
            self.over = True
            return True
        self._calls.append(call)
        found.append(call)
        self.over = self._one
        return True

    def _call_in(self, body: str) -> ToolCall | None:
        try:
            called = _DECODER.decode(body.strip())
        except (ValueError, RecursionError):
            return None
        if not isinstance(called, dict) or called.get("name") not in self._names:
            return None
        arguments = called.get("arguments", called.get("parameters", {}))
        if isinstance(arguments, str):
            try:
                arguments = json.loads(arguments)
            except ValueError:
                return None
        if not isinstance(arguments, dict):
            return None
        return ToolCall(called["name"], json_of(arguments))


def json_of(value: Any) -> str:
    """Return JSON as models write it."""
    return json.dumps(value, ensure_ascii=False)
