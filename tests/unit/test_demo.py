"""deploy/demo.py where it does not come to its end."""

import asyncio
import sys
from pathlib import Path

import psutil
import pytest

DEPLOY = Path(__file__).parents[2] / "deploy"


@pytest.fixture
def demo(monkeypatch):
    monkeypatch.syspath_prepend(str(DEPLOY))
    import demo

    yield demo
    for name in ("demo", "children"):
        sys.modules.pop(name)


async def test_a_question_that_takes_too_long_is_told_and_leaves_no_process(
    demo, monkeypatch, tmp_path
):
    before = psutil.Process().children()
    monkeypatch.setattr(demo, "START_TIMEOUT", 0.1)  # no Python has loaded a voice by then
    with pytest.raises(demo.Failed, match=r"no question could be made in 0\.1 s"):
        await demo.speak_question("Hey Jarvis?", tmp_path / "question.wav")
    assert psutil.Process().children() == before


async def test_an_interrupt_while_the_question_is_made_leaves_no_process(demo, tmp_path):
    before = psutil.Process().children()
    asking = asyncio.create_task(demo.speak_question("Hey Jarvis?", tmp_path / "question.wav"))
    while psutil.Process().children() == before:
        await asyncio.sleep(0.01)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert psutil.Process().children() == before
