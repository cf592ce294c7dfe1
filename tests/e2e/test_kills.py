"""Either side killed or frozen, in every state of a turn: the other goes on and is used again."""

import signal
from contextlib import AsyncExitStack

import pytest
from processes import VOICE

pytestmark = pytest.mark.long

ANSWERED = r"turn ended: (\S+)"
LONG = "Tell me about elephants."  # the 0.5B model takes five sentences
SHORT = "What is the capital of France?"

# So that there is a time in which the hub thinks and the satellite knows: otherwise the answer is
# there when the end is.
THINKS = "[turn]\nspeculate = false\nreopen = 0.0\n"

# When a state begins, as the hub's lines tell it; None: nobody speaks.
STATES = {
    "idle": None,
    "listening": r"kitchen: listens",
    "thinking": r"kitchen: heard: ",
    "speaking": r"kitchen: says: ",
}


async def reach(house, hub, kitchen, pattern, recording, name: str) -> None:
    """Have a turn reach the state that begins with `pattern`."""
    if pattern is None:
        return
    seen = hub.count(pattern)
    house.say(kitchen, name, VOICE, recording)
    await hub.wait_for(pattern, nth=seen + 1)


async def test_a_satellite_killed_in_any_state_leaves_the_hub_well(house, ask):
    long, short = ask(LONG), ask(SHORT)
    async with house.hub(extra=THINKS) as hub:
        for number, pattern in enumerate(STATES.values()):
            async with house.satellite(hub.address) as kitchen:
                await reach(house, hub, kitchen, pattern, long, f"{number}")
                kitchen.kill()
                await hub.wait_for("kitchen: disconnected", nth=number + 1, timeout=15)
        assert hub.count("turn ended: gone") == 3, hub.text()
        async with house.satellite(hub.address) as kitchen:
            house.say(kitchen, "last", VOICE, short)
            await hub.wait_for("turn ended: answered")
        assert hub.count("Traceback") == 0, hub.text()


async def test_a_hub_killed_in_any_state_is_found_again_and_answers(house, ask):
    long, short = ask(LONG), ask(SHORT)
    address, kitchen = None, None
    async with AsyncExitStack() as stack:
        for number, (state, pattern) in enumerate(STATES.items()):
            async with house.hub(address, extra=THINKS) as hub:
                address = hub.address
                if kitchen is None:
                    kitchen = await stack.enter_async_context(house.satellite(address))
                else:
                    await hub.wait_for("kitchen: connected", timeout=10)
                await reach(house, hub, kitchen, pattern, long, f"{number}")
                hub.kill()
                if pattern is not None:
                    await kitchen.wait_for(f"hub gone while {state}")
        async with house.hub(address, extra=THINKS) as hub:
            await hub.wait_for("kitchen: connected", timeout=10)
            house.say(kitchen, "last", VOICE, short)
            await hub.wait_for("turn ended: answered")


async def test_a_hub_that_freezes_is_given_up_and_taken_back_when_it_wakes(house, ask):
    recording = ask(SHORT)
    async with house.hub(extra=THINKS) as hub, house.satellite(hub.address) as kitchen:
        hub.child.send_signal(signal.SIGSTOP)
        await kitchen.wait_for("no frame for 8 s", timeout=15)
        hub.child.send_signal(signal.SIGCONT)
        await hub.wait_for("kitchen: connected", nth=2, timeout=15)
        house.say(kitchen, "1", VOICE, recording)
        await hub.wait_for("turn ended: answered")


async def test_a_satellite_that_freezes_is_given_up_and_taken_back_when_it_wakes(house, ask):
    long, recording = ask(LONG), ask(SHORT)
    async with house.hub(extra=THINKS) as hub, house.satellite(hub.address) as kitchen:
        house.say(kitchen, "1", VOICE, long)
        await kitchen.wait_for("reply begins to play")
        kitchen.child.send_signal(signal.SIGSTOP)
        assert (await hub.wait_for(ANSWERED, timeout=20))[1] == "gone"
        kitchen.child.send_signal(signal.SIGCONT)
        await hub.wait_for("kitchen: connected", nth=2, timeout=15)
        house.say(kitchen, "2", VOICE, recording)
        assert (await hub.wait_for(ANSWERED, nth=2))[1] == "answered"
