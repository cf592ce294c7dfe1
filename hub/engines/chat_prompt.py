"""Messages to tokens, by the model's own chat template."""

import re
from collections.abc import Sequence

from llama_cpp.llama_chat_format import Jinja2ChatFormatter

from hub.engines.base import BadInput, Message, TooLong
from hub.engines.llama_context import LlamaContext

_PUNCTUATION = " .,;:!?…-"
_LETTERS_A_TOKEN = 16  # English has four, code with its spaces some six
_MARKS_WITHIN = 8  # passes that take marks out of which others arise
_HERE = "\ue000"  # marks a place in a prompt; for private use in Unicode, so no template has it


class Prompter:
    """Messages to tokens, by the model's own chat template."""

    def __init__(self, context: LlamaContext) -> None:
        self._context = context
        self._most_letters = context.context_tokens * _LETTERS_A_TOKEN
        # `tokenize` puts the beginning-of-sequence token there, where the model wants one.
        template, end = context.chat_template(), context.end_text()
        self._formatters = {
            reply: Jinja2ChatFormatter(
                template=template, eos_token=end, bos_token="", add_generation_prompt=reply
            )
            for reply in (False, True)
        }
        self._control = re.compile("|".join(map(re.escape, context.control_texts())) or "(?!)")

    def tokens(
        self, messages: Sequence[Message], *, reply: bool, unfinished: bool = False
    ) -> list[int]:
        """Return the tokens of `messages`.

        With the opening of the reply, if one is wanted; or, where the last message is unfinished,
        only up to the end of its words, since punctuation may yet change.

        What marks the parts of a prompt is taken out of the messages: nobody may end their own
        message and begin the assistant's.

        Raises:
            BadInput: the template refuses these messages (a role, or their order).
            TooLong: they have so many letters that they can never fit.
        """
        # To count the tokens of a megabyte takes seconds, in which every room would wait.
        if (letters := sum(len(m.content) for m in messages)) > self._most_letters:
            raise TooLong(letters // _LETTERS_A_TOKEN, self._context.context_tokens)
        plain = [{"role": m.role, "content": self._without_marks(m.content)} for m in messages]
        if unfinished:
            plain[-1]["content"] = plain[-1]["content"].rstrip(_PUNCTUATION) + _HERE
        try:
            prompt: str = self._formatters[reply](messages=plain).prompt
            if unfinished:
                prompt = prompt[: prompt.rindex(_HERE)]
            return self._context.tokenize(prompt)
        except Exception as exc:  # a template is the model's own program and raises what it likes
            raise BadInput(
                f"llama.cpp: the model's chat template refuses these messages: {exc}"
            ) from exc

    def _without_marks(self, text: str) -> str:
        for _ in range(_MARKS_WITHIN):  # taking one out may make another
            if (plain := self._control.sub("", text)) == text:
                return text
            text = plain
        # Thousands within each other would take seconds so; a space keeps their halves apart.
        while (plain := self._control.sub(" ", text)) != text:
            text = plain
        return text
