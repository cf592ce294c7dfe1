"""`parlour-hub password` and `parlour-hub token`: who may use the page and its interfaces."""

import datetime
import getpass
import sys

from hub.config import state_folder
from hub.web.credentials import Credentials
from protocol.settings import ConfigError

_MOST_LINE = 4096  # letters


def set_password() -> int:
    """Ask for the page's password, twice at a terminal; else read one line.

    Raises:
        ConfigError: it is no password, or was not the same twice.
        OSError: it cannot be written.
    """
    if sys.stdin.isatty():
        password = getpass.getpass("New password for the page: ")
        if getpass.getpass("Once more: ") != password:
            raise ConfigError("these were two different passwords; nothing is changed")
    else:
        password = sys.stdin.readline(_MOST_LINE).rstrip("\r\n")
    Credentials(state_folder()).set_password(password)
    print("The password is set. Who was logged in has to log in again.", file=sys.stderr)
    return 0


def make_token(name: str) -> int:
    """Print a new token.

    Raises:
        ConfigError, OSError: as `Credentials.add_token`.
    """
    token, had = Credentials(state_folder()).add_token(name)
    if had:
        print(f"{name} had a token before; that one counts no more.", file=sys.stderr)
    print(
        "The next line is the token: give it to that program, as `Authorization: Bearer TOKEN` or\n"
        "as an OpenAI client's api_key, and to nobody else. It is not shown again.",
        file=sys.stderr,
    )
    print(token, flush=True)  # alone on stdout, so that it can be piped
    return 0


def list_tokens() -> int:
    """Print the tokens' names."""
    tokens = Credentials(state_folder()).read().tokens
    if not tokens:
        print("there is no token; run: parlour-hub token NAME", file=sys.stderr)
        return 0
    width = max(len("token"), *map(len, tokens))
    print(f"{'token':<{width}}  made")
    for name, token in sorted(tokens.items()):
        made = datetime.datetime.fromtimestamp(token.made).astimezone()
        print(f"{name:<{width}}  {made:%Y-%m-%d %H:%M}")
    return 0


def revoke_token(name: str) -> int:
    """Make a token count no more; a running hub hangs up on who uses it."""
    if Credentials(state_folder()).revoke_token(name):
        print(f"{name}: revoked; a running hub hangs up on who uses it within 2 seconds")
        return 0
    print(f"there is no token {name!r}; see: parlour-hub token --list", file=sys.stderr)
    return 1
