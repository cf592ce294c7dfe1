"""A hub and a satellite with this machine's own microphone and loudspeaker, until Ctrl-C.

`make run` runs it, after a look whether there are sound devices.
"""

import argparse
import asyncio
import signal
import sys

from children import START_TIMEOUT, Failed, running, start_hub

SAY = 'Say: "Hey Jarvis, why is sleep important?" (Ctrl-C ends it.)'


async def run(microphone: str, speaker: str) -> None:
    """Run both until one ends, which raises Failed, or until cancelled."""
    task = asyncio.current_task()
    assert task is not None
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    print("A hub starts.", flush=True)
    listen = ("--listen", "tcp://127.0.0.1:0", "--service", "")
    hub_command = ("hub", "serve", "--show", *listen)
    async with running("hub", *hub_command) as hub:
        address = await start_hub(hub)
        devices = ("--microphone", microphone, "--speaker", speaker)
        async with running("satellite", "satellite", "run", "--hub", address, *devices) as room:
            unconnected = f"the satellite did not reach the hub in {START_TIMEOUT:g} s"
            await room.wait_for("^ready", START_TIMEOUT, unconnected)
            print(SAY, flush=True)
            shown = [asyncio.create_task(process.show()) for process in (hub, room)]
            try:
                await asyncio.wait(shown, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for one in shown:
                    one.cancel()
                await asyncio.gather(*shown, return_exceptions=True)
    raise Failed("one of the two ended (see above)")


def main() -> int:
    """Run until Ctrl-C; 130 then, 1 when hub or satellite ended by itself."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    which = "as `parlour-satellite devices` lists them: pyaudio:NAME"
    parser.add_argument("--microphone", default="default", metavar="DEVICE", help=which)
    parser.add_argument("--speaker", default="default", metavar="DEVICE", help=which)
    arguments = parser.parse_args()
    try:
        asyncio.run(run(arguments.microphone, arguments.speaker))
    except (Failed, OSError) as error:
        print(f"run: {error}", file=sys.stderr)
        return 1
    except (KeyboardInterrupt, asyncio.CancelledError):  # SIGINT, SIGTERM
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
