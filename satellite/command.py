"""Command line: parlour-satellite run | doctor."""

import argparse
import asyncio
import logging
import sys
from pathlib import Path
from typing import Any

from protocol.settings import ConfigError
from protocol.transport import BadUri
from satellite.audio.devices import MICROPHONES, SPEAKERS, DeviceError
from satellite.config import Settings, load_settings
from satellite.wake.base import WakeError

_EPILOG = """\
Without any option the satellite dials the hub on this machine, with neither microphone nor speaker.
Try one turn without a sound card:

  parlour-satellite run --microphone wave:question.wav --speaker wave:heard.wav

or put recordings, one after another, into a folder (write, then rename to *.wav):

  parlour-satellite run --microphone spool:say/ --speaker wave:heard.wav

For Home Assistant, which dials its satellites:

  parlour-satellite run --listen tcp://127.0.0.1:10700

Options win over the file; satellite.sample.toml shows every key.
"""


def run_command(argv: list[str] | None = None) -> int:
    """Run the command line and return the exit status.

    Returns:
        0 done; 1 failed, or the settings are wrong; 2 a device or wake word that cannot be used.
    """
    arguments = _parser().parse_args(argv)
    logging.basicConfig(
        level=logging.DEBUG if arguments.verbose else logging.INFO,
        format="%(asctime)s.%(msecs)03d %(levelname)-7s %(name)s: %(message)s",
        datefmt="%H:%M:%S",
    )
    try:
        settings = load_settings(arguments.config, _overrides(arguments))
        if arguments.command == "doctor":
            return asyncio.run(_doctor(settings, arguments.config))
        return _run(settings)
    except ConfigError as error:
        print(f"settings: {error}", file=sys.stderr)
        return 1


def _run(settings: Settings) -> int:
    from satellite import app

    try:
        asyncio.run(app.run(settings, lambda line: print(line, flush=True)))
    except (WakeError, DeviceError) as error:
        print(error, file=sys.stderr)
        return 2
    except BadUri as error:
        print(f"settings: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"cannot listen at {settings.listen}: {error}", file=sys.stderr)
        return 1
    return 0


async def _doctor(settings: Settings, path: Path | None) -> int:
    from satellite.doctor import examine

    failed = False
    async for finding in examine(settings, path):
        print(f"{'ok  ' if finding.ok else 'FAIL'}  {finding.name:<10}  {finding.text}", flush=True)
        failed = failed or not finding.ok
    return int(failed)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="parlour-satellite",
        description="The wake word, microphone and speaker of one room.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    common = argparse.ArgumentParser(add_help=False)
    add = common.add_argument
    add("--config", type=Path, metavar="FILE", help="satellite.toml; without it, the defaults")
    add("--hub", metavar="URI", help="dial this hub: tcp://HOST:PORT or unix:///PATH")
    add("--listen", metavar="URI", help="be dialled here instead, for example by Home Assistant")
    add("--room", metavar="NAME", help="this satellite's name")
    add("--microphone", metavar="DEVICE", help=MICROPHONES)
    add("--speaker", metavar="DEVICE", help=SPEAKERS)
    add("--wake-word", action="append", metavar="NAME", help="for example alexa; may be repeated")
    add("--verbose", action="store_true", help="log more")
    commands = parser.add_subparsers(dest="command", required=True, metavar="run | doctor")
    commands.add_parser("run", parents=[common], help="be the satellite of one room")
    commands.add_parser("doctor", parents=[common], help="check settings, devices and the hub")
    return parser


def _overrides(arguments: argparse.Namespace) -> dict[str, Any]:
    keys = {
        "hub": arguments.hub,
        "listen": arguments.listen,
        "room": arguments.room,
        "microphone.device": arguments.microphone,
        "speaker.device": arguments.speaker,
        "wake.words": arguments.wake_word,
    }
    return {key: value for key, value in keys.items() if value is not None}
