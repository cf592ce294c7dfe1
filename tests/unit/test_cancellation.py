"""A cancellation that comes in the same moment as what was waited for is never swallowed.

`asyncio.wait_for` does swallow it on Python 3.11; a turn that is cancelled would then go on.
"""

import asyncio

import pytest

from hub.conversation.playback import Playback
from hub.engines.llama_request import Request
from protocol.audio import PcmFormat


async def test_while_waiting_for_a_reply_to_be_played():
    playback = Playback(asyncio.get_running_loop().time)
    playback.begin_clause("Hello.", PcmFormat(24000, 2, 1))
    playback.sent(bytes(48000))
    waiting = asyncio.create_task(playback.wait(5))
    await asyncio.sleep(0)
    playback.finish()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting


async def test_while_waiting_for_the_models_next_word():
    request = Request("kitchen", [], 5)
    waiting = asyncio.ensure_future(anext(request))
    await asyncio.sleep(0)
    request._deliver("word")
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
