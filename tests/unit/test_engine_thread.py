"""An engine's own thread: order, cancellation, hangs, errors."""

import asyncio
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from hub.engines.base import EngineBusy, EngineError
from hub.engines.thread import EngineThread, client

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
async def thread():
    thread = EngineThread("test-engine")
    yield thread
    await thread.close()


async def settle():
    """Let tasks that were just created reach their first wait."""
    for _ in range(5):
        await asyncio.sleep(0)


async def test_calls_run_in_order_one_at_a_time_off_the_loop(thread):
    done, running, loop_thread = [], [], threading.get_ident()

    def call(number):
        assert not running
        assert threading.get_ident() != loop_thread
        running.append(number)
        done.append(number)
        running.remove(number)
        return number * 10

    numbers = range(20)
    results = await asyncio.gather(*(thread.run(lambda n=n: call(n), timeout=5) for n in numbers))
    assert results == [number * 10 for number in numbers]
    assert done == list(numbers)


async def test_a_call_whose_caller_left_before_it_began_is_skipped(thread):
    gate, called = threading.Event(), []
    first = asyncio.create_task(thread.run(gate.wait, timeout=5))
    second = asyncio.create_task(thread.run(lambda: called.append("second"), timeout=5))
    third = asyncio.create_task(thread.run(lambda: called.append("third"), timeout=5))
    await settle()
    second.cancel()
    await asyncio.gather(second, return_exceptions=True)
    gate.set()
    await asyncio.gather(first, third)
    assert called == ["third"]
    assert second.cancelled()


async def test_a_caller_that_leaves_while_its_call_runs_leaves_at_once(thread):
    gate = threading.Event()
    call = asyncio.create_task(thread.run(gate.wait, timeout=60))
    await settle()
    call.cancel()
    async with asyncio.timeout(5):
        await asyncio.gather(call, return_exceptions=True)
    gate.set()
    assert await thread.run(lambda: "next", timeout=5) == "next"


async def test_a_call_that_hangs_is_an_engine_error(thread):
    gate = threading.Event()
    with pytest.raises(EngineError, match=r"test-engine: no answer for 0\.05 s"):
        await thread.run(gate.wait, timeout=0.05)
    gate.set()
    assert await thread.run(lambda: "alive", timeout=5) == "alive"


@pytest.mark.parametrize("error", [ValueError("bad"), TimeoutError("its own"), EngineError("x")])
async def test_what_a_call_raises_reaches_its_caller(thread, error):
    def call():
        raise error

    with pytest.raises(type(error)) as caught:
        await thread.run(call, timeout=5)
    assert caught.value is error
    assert await thread.run(lambda: "alive", timeout=5) == "alive"


@pytest.mark.parametrize("error", [StopIteration, SystemExit, KeyboardInterrupt])
async def test_what_would_end_the_event_loop_becomes_an_engine_error(thread, error):
    def call():
        raise error

    with pytest.raises(EngineError, match=error.__name__):
        await thread.run(call, timeout=5)
    assert await thread.run(lambda: "alive", timeout=5) == "alive"


async def test_a_queue_that_is_full_turns_calls_away(thread):
    gate = threading.Event()
    calls = [asyncio.create_task(thread.run(gate.wait, timeout=60)) for _ in range(100)]
    await settle()
    refused = [call for call in calls if call.done()]
    assert 30 <= len(refused) <= 40  # 64 wait, one runs
    for call in refused:
        with pytest.raises(EngineBusy, match="64 calls are waiting"):
            call.result()
    gate.set()
    waited = [call for call in calls if call not in refused]
    assert all(await asyncio.gather(*waited))


async def test_a_client_with_one_call_does_not_wait_for_all_of_one_with_many(thread):
    gate, done = threading.Event(), []

    async def ask(who, number):
        client.set(who)
        await thread.run(lambda: done.append(f"{who}{number}"), timeout=5)

    hold = asyncio.create_task(thread.run(gate.wait, timeout=5))
    await settle()
    calls = [asyncio.create_task(ask("long", number)) for number in range(6)]
    await settle()
    calls += [asyncio.create_task(ask("kitchen", 0)), asyncio.create_task(ask("bedroom", 0))]
    await settle()
    gate.set()
    await asyncio.gather(hold, *calls)
    assert done == ["long0", "kitchen0", "bedroom0", "long1", "long2", "long3", "long4", "long5"]


async def test_waiting_for_others_does_not_count_as_a_hang(thread):
    gate = threading.Event()
    first = asyncio.create_task(thread.run(gate.wait, timeout=5))
    await settle()
    second = asyncio.create_task(thread.run(lambda: "second", timeout=0.05))
    await asyncio.sleep(0.3)
    assert not second.done()
    gate.set()
    assert await second == "second"
    assert await first


async def test_a_hang_is_noticed_by_those_who_wait_when_its_own_caller_has_gone(thread):
    gate, begun = threading.Event(), threading.Event()

    def hang():
        begun.set()
        gate.wait()

    hung = asyncio.create_task(thread.run(hang, timeout=0.2))
    await asyncio.to_thread(begun.wait, 5)
    behind = asyncio.create_task(thread.run(lambda: None, timeout=60))
    await settle()
    hung.cancel()
    with pytest.raises(EngineError, match=r"no answer for 0\.2 s"):
        await behind
    gate.set()


async def test_an_engine_that_is_busy_with_others_says_so_and_is_no_failure(thread, monkeypatch):
    monkeypatch.setattr("hub.engines.thread._QUEUE_TIMEOUT", 0.1)
    monkeypatch.setattr("hub.engines.thread._LOOK", 0.05)
    gate = threading.Event()
    first = asyncio.create_task(thread.run(gate.wait, timeout=60))
    await settle()
    with pytest.raises(EngineBusy, match="others took"):
        await thread.run(lambda: None, timeout=60)
    gate.set()
    assert await first


async def test_calls_behind_one_that_hangs_are_told_when_the_thread_is_given_up(monkeypatch):
    monkeypatch.setattr("hub.engines.thread._CLOSE_TIMEOUT", 0.1)
    thread, gate = EngineThread("test-hung"), threading.Event()
    hung = asyncio.create_task(thread.run(gate.wait, timeout=60))
    await settle()
    behind = asyncio.create_task(thread.run(lambda: None, timeout=60))
    await settle()
    await thread.close()
    with pytest.raises(EngineError, match="stopped"):
        await behind
    gate.set()
    await hung


async def test_closing_lets_the_calls_that_wait_finish_and_ends_the_thread():
    thread = EngineThread("test-ending")
    calls = [asyncio.create_task(thread.run(lambda n=n: n, timeout=5)) for n in range(5)]
    await settle()
    await thread.close()
    assert await asyncio.gather(*calls) == [0, 1, 2, 3, 4]
    assert "test-ending" not in [other.name for other in threading.enumerate()]


def test_a_hung_call_keeps_neither_the_loop_nor_the_interpreter_from_ending():
    program = """
import asyncio, threading
from hub.engines.base import EngineError
from hub.engines.thread import EngineThread
async def main():
    thread = EngineThread("hung")
    try:
        await thread.run(threading.Event().wait, timeout=0.1)
    except EngineError as exc:
        print(exc)
    await thread.close()
asyncio.run(main())
print("ended")
"""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=20
    )
    assert done.stdout.splitlines() == ["hung: no answer for 0.1 s", "ended"], done.stderr
    assert done.returncode == 0
