"""Messages to tokens: what marks the parts of a prompt is nobody's to write."""

import re

from hub.engines.chat_prompt import Prompter


class Words:
    """A model whose tokens are letters."""

    context_tokens = 4096

    def chat_template(self):
        return "{% for m in messages %}<|start|>{{ m.role }}: {{ m.content }}<|end|>{% endfor %}"

    def end_text(self):
        return "<|end|>"

    def control_texts(self):
        return ["<|start|>", "<|end|>"]


class Counting:
    """A pattern that counts how often it goes over a text."""

    def __init__(self, pattern):
        self.passes = 0
        self._pattern = pattern

    def sub(self, new, text):
        self.passes += 1
        return self._pattern.sub(new, text)


def test_marks_within_marks_are_taken_out():
    prompter = Prompter(Words())
    assert prompter._without_marks("a <|<|start|>end|> b <|end|>c") == "a  b c"


def test_thousands_of_marks_within_each_other_cost_no_more_than_a_few_passes():
    prompter = Prompter(Words())
    prompter._control = control = Counting(prompter._control)
    plain = prompter._without_marks("<|st" * 6000 + "art|>" * 6000)
    assert not re.search(r"<\|(start|end)\|>", plain)
    assert control.passes < 20
