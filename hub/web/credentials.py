"""The page's password and the tokens of programs: digests of them, in one private file."""

import hashlib
import hmac
import secrets
import time
import unicodedata
from pathlib import Path

import msgspec

from hub.pairings import digest_of, new_token
from hub.private_json import PrivateJson
from protocol.settings import ConfigError

_FILE = "web.json"
_LEAST, _MOST = 8, 256  # letters of a password
_MOST_TOKENS = 64
_MOST_NAME = 60  # letters of a token's name
# scrypt at these takes 32 MiB and about 0.1 s: nothing to who logs in, much to who guesses.
# (RFC 7914; the parameters are kept with each digest, so that they may grow.)
_N, _R, _P = 2**15, 8, 1
_DIGEST_BYTES = 32


class Password(msgspec.Struct, frozen=True):
    """What is kept of the password.

    Args:
        salt: as hex, new for each password.
        digest: scrypt's, as hex.
        n: scrypt's cost.
        r: scrypt's block size.
        p: scrypt's parallelisation.
    """

    salt: str
    digest: str
    n: int = _N
    r: int = _R
    p: int = _P

    def matches(self, password: str) -> bool:
        """Tell whether it is this one. Takes 0.1 s, so not on the event loop."""
        digest = _scrypt(password, bytes.fromhex(self.salt), self.n, self.r, self.p)
        return hmac.compare_digest(digest, bytes.fromhex(self.digest))


class Token(msgspec.Struct, frozen=True):
    """A program's token.

    Args:
        digest: its SHA-256, as hex. The token itself is nowhere but with its program.
        made: when, in seconds since the epoch.
    """

    digest: str
    made: float


class Kept(msgspec.Struct):
    """What the file holds.

    Args:
        password: of the page; None until one is set.
        tokens: of programs, by name.
    """

    password: Password | None = None
    tokens: dict[str, Token] = {}

    def holder_of(self, token: str) -> str | None:
        """Return the name of the token that this is; None if it is none of them."""
        digest, holder = digest_of(token), None
        for name, kept in self.tokens.items():  # all of them, however soon it is found
            if hmac.compare_digest(kept.digest, digest):
                holder = name
        return holder


class Credentials:
    """The file. Its methods block; several processes may use it at the same time.

    Args:
        folder: the hub's state folder.
    """

    def __init__(self, folder: Path) -> None:
        remedy = "set the password and make all tokens again"
        self._file = PrivateJson(folder / _FILE, Kept, Kept, remedy)

    def version(self) -> tuple[int, int, int] | None:
        """Return something that differs after each change; None while there is no file."""
        return self._file.version()

    def read(self) -> Kept:
        """Return what it holds.

        Raises:
            ConfigError: others can read the file, or it is broken.
            OSError: it cannot be read.
        """
        return self._file.read()

    def set_password(self, password: str) -> None:
        """Set the page's password.

        Raises:
            ConfigError: it is too short or too long; or as `read`.
            OSError: the file cannot be read or written.
        """
        if not _LEAST <= len(password) <= _MOST or not password.isprintable():
            raise ConfigError(f"the password: it has to have {_LEAST} to {_MOST} printable letters")
        salt = secrets.token_bytes(16)
        digest = _scrypt(password, salt, _N, _R, _P)
        with self._file.changing() as kept:
            kept.password = Password(salt.hex(), digest.hex())

    def add_token(self, name: str) -> tuple[str, bool]:
        """Make a token; one that the name had before counts no more.

        Returns:
            The token, and whether there was one before.

        Raises:
            ConfigError: the name is no name, or there are too many tokens; or as `read`.
            OSError: the file cannot be read or written.
        """
        if not 0 < len(name) <= _MOST_NAME or not name.isprintable() or name != name.strip():
            raise ConfigError(f"a token's name has 1 to {_MOST_NAME} printable letters")
        token = new_token()
        with self._file.changing() as kept:
            had = name in kept.tokens
            if not had and len(kept.tokens) >= _MOST_TOKENS:
                raise ConfigError(f"there are {_MOST_TOKENS} tokens already; revoke one first")
            kept.tokens[name] = Token(digest_of(token), time.time())
        return token, had

    def revoke_token(self, name: str) -> bool:
        """Make a token count no more; tell whether there was one.

        Raises:
            ConfigError, OSError: as `add_token`.
        """
        with self._file.changing() as kept:
            return kept.tokens.pop(name, None) is not None


def own_token_path(folder: Path) -> Path:
    """Return where the token of the hub's own commands is kept; it is made anew at each start."""
    return folder / "commands.token"


def _scrypt(password: str, salt: bytes, n: int, r: int, p: int) -> bytes:
    # OpenSSL counts 128 n r bytes and a little more.
    most = 128 * r * (n + p + 2) + 4096
    return hashlib.scrypt(
        unicodedata.normalize("NFC", password).encode(errors="surrogatepass"),
        salt=salt,
        n=n,
        r=r,
        p=p,
        maxmem=most,
        dklen=_DIGEST_BYTES,
    )
