"""Command line: parlour-satellite run | pair | devices | doctor."""

import argparse
import asyncio
import logging
import os
import sys
from pathlib import Path
from typing import Any

from protocol.pairing import BadPairing, Pairing
from protocol.service_manager import configure_logging, notify
from protocol.settings import ConfigError
from protocol.transport import BadUri
from satellite.audio.devices import MICROPHONES, SPEAKERS, DeviceError, UnknownDevice
from satellite.config import Settings, load_settings
from satellite.pairing import check_room, pairing_path, store_pairing
from satellite.wake.base import WakeError

_EPILOG = """\
Without any option the satellite dials the hub on this machine, with neither microphone nor speaker.
Try one turn without a sound card:

  parlour-satellite run --microphone wave:question.wav --speaker wave:heard.wav

or put recordings, one after another, into a folder (write, then rename to *.wav):

  parlour-satellite run --microphone spool:say/ --speaker wave:heard.wav

For Home Assistant, which dials its satellites:

  parlour-satellite run --listen tcp://127.0.0.1:10700

With this machine's own microphone and speaker (`parlour-satellite devices` lists them):

  parlour-satellite run --microphone default --speaker default

Options win over the file; satellite.sample.toml shows every key.
"""


def run_command(argv: list[str] | None = None) -> int:
    """Run the command line and return the exit status.

    Returns:
        0 done; 1 failed, and may work another time: a device or an address that cannot be used
        now; 2 wrong usage (argparse); 78 the settings are wrong, and no other try will help.
    """
    arguments = _parser().parse_args(argv)
    configure_logging(
        logging.DEBUG if arguments.verbose else logging.INFO,
        "%(asctime)s.%(msecs)03d %(levelname)-7s %(name)s: %(message)s",
        datefmt="%H:%M:%S",
    )
    if arguments.command == "devices":
        return _devices()
    try:
        settings = load_settings(arguments.config, _overrides(arguments))
        if arguments.command == "pair":
            return _pair(settings, arguments.pairing)
        if arguments.command == "doctor":
            return asyncio.run(_doctor(settings, arguments.config))
        return _run(settings)
    except ConfigError as error:
        _complain(f"settings: {error}")
        return os.EX_CONFIG


def _run(settings: Settings) -> int:
    from satellite import app

    try:
        asyncio.run(app.run(settings, lambda line: print(line, flush=True)))
    except (WakeError, BadUri, UnknownDevice) as error:
        _complain(f"settings: {error}")
        return os.EX_CONFIG
    except DeviceError as error:
        _complain(str(error))
        return 1
    except OSError as error:
        problem = str(error) or type(error).__name__
        _complain(f"cannot listen at {settings.listen}: {problem}" if settings.listen else problem)
        return 1
    return 0


def _complain(problem: str) -> None:
    print(problem, file=sys.stderr)
    notify(f"STATUS={problem}")


def _pair(settings: Settings, text: str) -> int:
    """Keep a pairing; `text` is "-" to read it, since others on this machine see command lines."""
    if text == "-":
        if sys.stdin.isatty():
            print("Paste what `parlour-hub pair --room NAME` printed, and press Enter:")
        text = sys.stdin.readline()
    path = pairing_path(settings)
    try:
        pairing = Pairing.from_text(text)
        check_room(settings, pairing)
        store_pairing(path, pairing)
    except (BadPairing, OSError) as error:
        print(f"pair: {error}", file=sys.stderr)
        return 1
    print(f"paired as {pairing.room!r} with the hub at {pairing.hub}; kept in {path}")
    if settings.hub is not None:
        print(f"but the setting hub = {settings.hub!r} wins: delete it, to dial {pairing.hub}")
    print("to see whether it works: parlour-satellite doctor")
    return 0


def _devices() -> int:
    from satellite.audio.device_process import find_devices
    from satellite.audio.listing import missing, table

    try:
        devices = find_devices()
    except DeviceError as error:
        print(error, file=sys.stderr)
        return 1
    if devices:
        print(table(devices))
    if problem := missing(devices):
        print(problem, file=sys.stderr)
    return int(bool(problem))


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
    config: dict[str, Any] = {
        "type": Path,
        "metavar": "FILE",
        "help": "satellite.toml; without it, the defaults",
    }
    parser.add_argument("--config", **config)  # before the command, or behind it
    common = argparse.ArgumentParser(add_help=False)
    add = common.add_argument
    add("--config", default=argparse.SUPPRESS, **config)
    add("--hub", metavar="URI", help="dial this hub; default: the one it is paired with")
    add("--listen", metavar="URI", help="be dialled here instead, for example by Home Assistant")
    add("--room", metavar="NAME", help="this satellite's name")
    add("--microphone", metavar="DEVICE", help=MICROPHONES)
    add("--speaker", metavar="DEVICE", help=SPEAKERS)
    add("--wake-word", action="append", metavar="NAME", help="for example alexa; may be repeated")
    add("--verbose", action="store_true", help="log more")
    names = "run | pair | devices | doctor"
    commands = parser.add_subparsers(dest="command", required=True, metavar=names)
    commands.add_parser("run", parents=[common], help="be the satellite of one room")
    pair = commands.add_parser("pair", parents=[common], help="keep the pairing with a hub")
    text = "what `parlour-hub pair` printed; without it, or for -, it is read from the input"
    pair.add_argument("pairing", nargs="?", default="-", metavar="STRING", help=text)
    devices = commands.add_parser("devices", help="list this machine's microphones and speakers")
    devices.add_argument("--verbose", action="store_true", help="what the sound libraries say, too")
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
