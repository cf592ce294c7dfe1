"""A hub whose language model is another project's server, which is killed and comes back."""

from contextlib import AsyncExitStack

import pytest
from llm_server import SERVED, llm_server
from processes import LLM, VOICE, free_port

pytestmark = [pytest.mark.long, pytest.mark.local]
ENDED = r"turn ended: (\S+)"
LONG = "Tell me about elephants."
SHORT = "What is the capital of France?"


async def test_while_the_server_is_gone_the_local_model_answers_and_then_it_is_used_again(
    house, ask, tmp_path
):
    long, short = ask(LONG), ask(SHORT)
    port = free_port()
    engine = f'engine = "openai+http://127.0.0.1:{port}/v1"\nfallback_model = "{LLM}"\n'
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(llm_server(tmp_path, port=port))
        hub = await stack.enter_async_context(house.hub(model=SERVED, extra=engine))
        kitchen = await stack.enter_async_context(house.satellite(hub.address))
        await server.wait_for("POST /v1/chat/completions")
        house.say(kitchen, "1", VOICE, short)
        assert (await hub.wait_for(ENDED))[1] == "answered", hub.text()
        await hub.wait_for("kitchen: says: .*Paris")

        house.say(kitchen, "2", VOICE, long)
        await hub.wait_for("kitchen: says: ", nth=hub.count("kitchen: says: ") + 1)
        server.kill()
        ended = (await hub.wait_for(ENDED, nth=2))[1]
        assert ended in ("answered", "failed"), hub.text()  # by when the reply was written

        house.say(kitchen, "3", VOICE, short)
        assert (await hub.wait_for(ENDED, nth=3))[1] == "answered", hub.text()

        again = await stack.enter_async_context(llm_server(tmp_path, port=port))
        await again.wait_for("POST /v1/chat/completions", timeout=90)  # the hub loads it anew
        asked = again.count("POST /v1/chat/completions")
        house.say(kitchen, "4", VOICE, short)
        assert (await hub.wait_for(ENDED, nth=4))[1] == "answered", hub.text()
        assert again.count("POST /v1/chat/completions") > asked
        assert hub.count("Traceback") == 0, hub.text()
        print(hub.text())
