"""The command line of the hub: `parlour-hub` or `python -m hub`."""

import argparse
import asyncio
import logging
import os
import sys
from pathlib import Path
from typing import Any

from hub.config import Settings, load_settings
from hub.engines.base import EngineError
from hub.models.catalogue import CatalogueError, UnknownModel
from hub.models.fetch import FetchFailed, ModelMissing
from protocol.audio import BadFormat, BadWav
from protocol.service_manager import notify
from protocol.settings import ConfigError
from protocol.transport import BadUri

_EPILOG = """\
try it, step by step:
  parlour-hub models pull                        fetch the models that this machine needs
  parlour-hub say "Good morning." hello.wav      words to sound
  parlour-hub transcribe hello.wav               sound to words
  parlour-hub ask "Why is sleep important?"      words to an answer
  parlour-hub serve --show                       all of it, for satellites; prints each turn
"""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="parlour-hub",
        description="Hears, thinks and speaks for every room. Nothing leaves this machine.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    config: dict[str, Any] = {"type": Path, "metavar": "FILE", "help": "settings (hub.toml)"}
    parser.add_argument("--config", **config)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    serve = commands.add_parser("serve", help="run the hub until it is stopped")
    serve.add_argument("--listen", metavar="URI", help="where satellites dial in")
    serve.add_argument(
        "--service", metavar="URI", help='where Wyoming clients connect; "" for nowhere'
    )
    serve.add_argument(
        "--web",
        metavar="URL",
        help='where the page is: http://127.0.0.1:PORT or https://HOST:PORT; "" for nowhere',
    )
    serve.add_argument(
        "--show", action="store_true", help="print each turn as it happens, with what was said"
    )
    ask = commands.add_parser("ask", help="print the answer to a question")
    ask.add_argument("text", metavar="TEXT")
    say = commands.add_parser("say", help="speak a text into a wave file")
    say.add_argument("text", metavar="TEXT")
    say.add_argument("wav", type=Path, metavar="OUT.wav")
    transcribe = commands.add_parser("transcribe", help="print what is said in a wave file")
    transcribe.add_argument("wav", type=Path, metavar="IN.wav")
    models = commands.add_parser("models", help="list, fetch and verify models")
    actions = models.add_subparsers(dest="action", required=True, metavar="ACTION")
    actions.add_parser("list", help="which models there are, and which are here")
    pull = actions.add_parser("pull", help="fetch models by digest; goes on where it was cut off")
    verify = actions.add_parser("verify", help="hash the files of the models that are here")
    pull.add_argument("names", nargs="*", metavar="NAME", help="default: the ones needed")
    verify.add_argument("names", nargs="*", metavar="NAME", help="default: all that are here")
    pair = commands.add_parser("pair", help="let the satellite of a room dial in from elsewhere")
    pair.add_argument("--room", required=True, metavar="NAME", help="the satellite's name")
    pair.add_argument(
        "--address", metavar="HOST[:PORT]", help="where it dials; default: this machine's address"
    )
    pair.add_argument("--listen", metavar="URI", help="as for serve, where it is given there")
    satellites = commands.add_parser("satellites", help="list paired satellites; revoke ROOM")
    revoking = satellites.add_subparsers(dest="action", metavar="ACTION")
    revoke = revoking.add_parser("revoke", help="make a satellite's pairing count no more")
    revoke.add_argument("room", metavar="ROOM")
    turns = commands.add_parser("turns", help="print the last turns and where their time went")
    turns.add_argument("-n", type=int, default=10, metavar="COUNT", help="how many (10)")
    announce = commands.add_parser("announce", help="have the running hub say something in a room")
    announce.add_argument("text", metavar="TEXT")
    announce.add_argument("--room", metavar="NAME", help="default: all rooms")
    announce.add_argument(
        "--web", metavar="URL", help="where the hub is, as for serve, where it is given there"
    )
    announce.add_argument(
        "--token-file",
        type=Path,
        metavar="FILE",
        help="a token for a hub at https://; default: that of the hub's own commands",
    )
    commands.add_parser("password", help="set the page's password: asked for, or a line of stdin")
    token = commands.add_parser("token", help="make a token for a program; list and revoke them")
    which = token.add_mutually_exclusive_group(required=True)
    which.add_argument("name", nargs="?", metavar="NAME", help="what the program is called")
    which.add_argument("--list", action="store_true", help="list the tokens' names")
    which.add_argument("--revoke", metavar="NAME", help="make a token count no more")
    doctor = commands.add_parser("doctor", help="check this machine and say what to do")
    doctor.add_argument(
        "--profile",
        nargs="?",
        type=Path,
        const=Path("hub.toml"),
        metavar="FILE",
        help="instead, write settings that make the most of its GPU (hub.toml)",
    )
    doctor.add_argument("--replace", action="store_true", help="even where there is such a file")
    for command in commands.choices.values():  # before the command or behind it
        command.add_argument("--config", default=argparse.SUPPRESS, **config)
    return parser


def _overrides(arguments: argparse.Namespace) -> dict[str, Any]:
    keys = {"listen": "link.listen", "service": "service.listen", "web": "web.listen"}
    given = {key: getattr(arguments, name, None) for name, key in keys.items()}
    return {key: value for key, value in given.items() if value is not None}


def _run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Run the chosen command; each is imported only when it is."""
    if arguments.command in ("serve", "ask", "say", "transcribe"):
        from hub.engines.choices import check

        check(settings)
    match arguments.command:
        case "serve":
            from hub.commands.serve import serve

            return asyncio.run(serve(settings, show=arguments.show))
        case "models":
            from hub.commands import models

            match arguments.action:
                case "list":
                    return models.list_models(settings)
                case "pull":
                    return models.pull_models(settings, arguments.names)
                case _:
                    return models.verify_models(arguments.names)
        case "pair":
            from hub.commands.pair import pair

            return pair(settings, arguments.room, arguments.address)
        case "satellites":
            from hub.commands.pair import list_satellites, revoke

            return list_satellites() if arguments.action is None else revoke(arguments.room)
        case "announce":
            from hub.commands.announce import announce

            return announce(settings, arguments.text, arguments.room, arguments.token_file)
        case "password":
            from hub.commands.login import set_password

            return set_password()
        case "token":
            from hub.commands import login

            if arguments.list:
                return login.list_tokens()
            if arguments.revoke is not None:
                return login.revoke_token(arguments.revoke)
            return login.make_token(arguments.name)
        case "turns":
            from hub.commands.turns import show_turns

            return asyncio.run(show_turns(settings, arguments.n))
        case "doctor" if arguments.profile is not None:
            from hub.commands.profile import write_profile

            return asyncio.run(
                write_profile(settings, arguments.profile, replace=arguments.replace)
            )
        case "doctor":
            from hub.commands.doctor import doctor

            return asyncio.run(doctor(settings))
    from hub.commands import once

    match arguments.command:
        case "ask":
            return asyncio.run(once.ask(settings, arguments.text))
        case "say":
            return asyncio.run(once.say(settings, arguments.text, arguments.wav))
        case _:
            return asyncio.run(once.transcribe(settings, arguments.wav))


def main(argv: list[str] | None = None) -> int:
    """Run one command; what goes wrong is one line on stderr that says what to do.

    Returns:
        0 done; 1 failed, and may work another time; 2 wrong usage (argparse); 78 the settings are
        wrong, and no other try will help; 130 interrupted.
    """
    arguments = _parser().parse_args(argv)
    logging.basicConfig(level="WARNING", format="%(message)s")
    try:
        return _run(arguments, load_settings(arguments.config, _overrides(arguments)))
    except (ConfigError, BadUri) as exc:
        _complain(exc)
        return os.EX_CONFIG
    except (
        EngineError,
        CatalogueError,
        UnknownModel,
        FetchFailed,
        ModelMissing,
        BadFormat,
        BadWav,
        OSError,
    ) as exc:
        _complain(exc)
        return 1
    except KeyboardInterrupt:
        # At once: model libraries abort when the interpreter takes their threads down in mid-load.
        sys.stdout.flush()
        os._exit(130)


def _complain(problem: Exception) -> None:
    print(f"parlour-hub: {problem}", file=sys.stderr)
    notify(f"STATUS={problem}")


if __name__ == "__main__":
    sys.exit(main())
