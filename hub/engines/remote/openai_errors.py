"""What servers with OpenAI's API say when they refuse or fail, as errors of an engine.

Their own messages are not repeated where a conversation was sent: they may quote it.
"""

import re
from typing import Any

from hub.engines.base import (
    BadInput,
    EngineBusy,
    EngineError,
    EngineUnavailable,
    TooLong,
)

_PLAIN = re.compile(r"[\w .-]{1,60}")
_CONTEXT = re.compile(r"context.?(length|size|window)|too long|n_ctx", re.IGNORECASE)
# "maximum context length is 4096 tokens", then how many it would take. OpenAI, vLLM, Parlour and
# llama-cpp-python each say that in their own words; where they count the prompt alone, that counts.
_PLACE = re.compile(r"maximum context length is (\d+)|context (?:size|window) (?:\(|of )(\d+)")
_PROMPT = re.compile(
    r"(\d+) in the messages|(?:has|contains|resulted in) (?:at least )?(\d+)|\((\d+) tokens?\) exc"
)
_TOTAL = re.compile(r"requested (?:a total of )?(\d+)|tokens \((\d+)\) exceed")


class TheirContext(TooLong):
    """A prompt is too long for the server's context.

    Args:
        tokens: of the prompt.
        place: for it and for the reply.
    """

    def __str__(self) -> str:
        return (
            f"{self.tokens} tokens do not fit into the language model server's context of "
            f"{self.place}: give it a larger one"
        )


def refused(where: str, status: int, answer: Any, *, key_file: str) -> EngineError:
    """Return what a refusal means.

    Args:
        where: the server's address.
        status: of the answer.
        answer: its JSON; None where it is none.
        key_file: where the key is; "" for none.
    """
    error = _error_of(answer)
    if status in (401, 403):
        if key_file:
            return EngineUnavailable(f"llm.key_file: {where} refuses the key in {key_file}")
        return EngineUnavailable(
            f"llm.key_file: {where} asks for a key; put it into a file, chmod 600 it, and name it"
        )
    if status in (400, 413, 422, 500) and (long := _too_long(error)) is not None:
        return long
    if 300 <= status < 400:
        return EngineUnavailable(f"llm.engine: {where} sends us elsewhere; set it to that address")
    if status in (408, 429):
        return EngineBusy(f"llm: {where} has too much to do")
    if status == 503:
        return EngineBusy(f"llm: {where} is busy, or still loads its model")
    if status in (400, 413, 415, 422):
        return BadInput(f"llm: {where} refuses this request: {_brief(status, error)}")
    return EngineError(f"llm: {where} failed: {_brief(status, error)}")


def broken_off(where: str, event: Any, *, key_file: str) -> EngineError | None:
    """Return what an event in the middle of a reply says is wrong; None for nothing."""
    if not isinstance(event, dict):
        return EngineError(f"llm: {where} sends what is no reply; is it OpenAI's API?")
    if event.get("error") is None and (event.get("object") != "error" and "detail" not in event):
        return None
    error = _error_of(event)
    code = error.get("code")
    status = code if isinstance(code, int) and 400 <= code < 600 else 500
    return refused(where, status, event, key_file=key_file)


def said(answer: Any) -> str:
    """Return a server's own words about what is wrong, where no conversation was sent."""
    message = _error_of(answer).get("message")
    return " ".join(message.split())[:200] if isinstance(message, str) else ""


def _error_of(answer: Any) -> dict[str, Any]:
    """Return the error in an answer: OpenAI's form, vLLM's flat one, Ollama's text, FastAPI's."""
    if not isinstance(answer, dict):
        return {}
    error = answer.get("error")
    if isinstance(error, dict):
        return error
    if isinstance(error, str):
        return {"message": error}
    if isinstance(answer.get("detail"), str):
        return {"message": answer["detail"]}
    return answer


def _brief(status: int, error: dict[str, Any]) -> str:
    """Return what may be repeated of an error: the status, and words that quote nobody."""
    words = [
        value
        for key in ("type", "code")
        if isinstance(value := error.get(key), str) and _PLAIN.fullmatch(value)
    ]
    return " ".join([f"status {status}", *words])


def _too_long(error: dict[str, Any]) -> BadInput | None:
    message = error.get("message")
    text = f"{error.get('type')} {error.get('code')} {message if isinstance(message, str) else ''}"
    if not _CONTEXT.search(text):
        return None
    tokens, place = error.get("n_prompt_tokens"), error.get("n_ctx")  # of llama-server
    if not (isinstance(tokens, int) and isinstance(place, int)):
        place = _number(_PLACE, text)
        tokens = _number(_PROMPT, text) or _number(_TOTAL, text)
    if tokens and place:
        return TheirContext(tokens, place)
    return BadInput("llm: the conversation is too long for the language model's server")


def _number(pattern: re.Pattern[str], text: str) -> int | None:
    if (found := pattern.search(text)) is None:
        return None
    return next(int(group) for group in found.groups() if group)
