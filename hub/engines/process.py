"""An engine's own process, from the hub's side: started, waited for, watched, stopped.

The hub is to it what systemd is to a service (`protocol.service_manager`): the process says when it
is ready and feeds a watchdog, by datagrams to a socket in the same private folder as its own.
"""

import asyncio
import contextlib
import logging
import os
import secrets
import shutil
import signal
import socket
import tempfile
from pathlib import Path

import msgspec

from hub.config import Settings
from hub.engines.base import EngineError, EngineUnavailable
from hub.engines.process_lines import ProcessLines
from hub.engines.process_memory import memory_of

_LOGGER = logging.getLogger(__name__)
_LOAD_TIMEOUT = 300.0  # seconds; Parler on a slow disk takes more than one minute
_FED = 4.0  # seconds in which the process feeds its watchdog at least once
_SILENCE = 20.0  # seconds without that, once it is ready, and it counts as hung
_LOOK = 1.0  # seconds; how often all that is looked at
_TERMINATION = 5.0  # seconds from SIGTERM to SIGKILL
_REAPING = 5.0  # seconds for the kernel to end what was killed; longer for a device that hangs
_LONGEST_PATH = 107  # bytes of a Unix socket's path (unix(7))
_GIGABYTE = 1e9
_SECTIONS = ("language", "name", "process", "log")  # of the settings, beside the role's own


class EngineProcess:
    """One process that serves one engine (`hub.engines.serve`).

    Args:
        role: "stt" or "tts".
        settings: the hub's.
        python: the interpreter of the environment that it runs in.
        load_timeout: seconds that the engine may take to load.
        silence: seconds without a sign of life, after which a process that is ready hangs.

    Attributes:
        uri: where it serves, once `start` has returned.
        pid: of the process; None before it starts.
    """

    def __init__(
        self,
        role: str,
        settings: Settings,
        python: Path,
        *,
        load_timeout: float = _LOAD_TIMEOUT,
        silence: float = _SILENCE,
    ) -> None:
        self._role = role
        self._settings = settings
        self._python = python
        self._load_timeout = load_timeout
        self._silence = silence
        # A limit of the kernel's own would be RLIMIT_AS, but that counts addresses: CUDA reserves
        # many times the memory that it uses, and torch maps its libraries and weights.
        self._most_memory = int(settings.process.memory * _GIGABYTE)
        self._folder = _private_folder()
        self.uri = f"unix://{self._folder}/{role}"
        self.pid: int | None = None
        self._lines = ProcessLines(role, _LOGGER)
        self._manager: _Manager | None = None
        self._child: asyncio.subprocess.Process | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._why = ""  # we have killed it
        self._silent_for = 0.0  # seconds, as far as was looked
        self._closing = False
        self._gone = False  # it was reaped and its group killed: their numbers may be others' now
        self._ended: asyncio.Future[EngineError] | None = None

    async def start(self) -> None:
        """Start it and wait until its engine is loaded.

        Raises:
            EngineUnavailable: it ended, for a reason that it could name: what is missing, say.
            EngineError: it ended otherwise, or takes too long, or cannot be started.
        """
        self._ended = asyncio.get_running_loop().create_future()
        try:
            await self._spawn()
            assert self._manager is not None
            ready = asyncio.create_task(self._manager.ready.wait(), name=f"{self._role} is ready")
            try:
                waiting: set[asyncio.Future[object]] = {ready, self._ended}  # type: ignore[arg-type]  # futures of whatever kind
                await asyncio.wait(
                    waiting, timeout=self._load_timeout, return_when=asyncio.FIRST_COMPLETED
                )
            finally:
                ready.cancel()
                await asyncio.gather(ready, return_exceptions=True)
            if self._ended.done():
                raise self._ended.result()
            if not self._manager.ready.is_set():
                raise EngineError(f"{self._role}: not loaded after {self._load_timeout:g} s")
        except BaseException:
            await self.close()
            raise

    async def lost(self) -> EngineError:
        """Wait until the process has ended or hangs; say why."""
        assert self._ended is not None, "not started"
        return await asyncio.shield(self._ended)

    async def close(self) -> None:
        """End the process, those that it has started, and what they leave; may be called again."""
        self._closing = True
        child = self._child
        if child is not None:
            if child.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    child.send_signal(signal.SIGCONT)  # a stopped one would not hear the next
                    child.terminate()
            await asyncio.wait(self._tasks, timeout=_TERMINATION)
            self._kill()
            await asyncio.wait(self._tasks, timeout=_REAPING)
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            if child.returncode is None:
                _LOGGER.error("%s: process %d does not end; left behind", self._role, child.pid)
        if self._manager is not None:
            self._manager.close()
        await asyncio.to_thread(shutil.rmtree, self._folder, ignore_errors=True)

    async def _spawn(self) -> None:
        try:
            self._folder.mkdir(mode=0o700)
            self._manager = await _Manager.open(self._folder / "notify")
            child = self._child = await asyncio.create_subprocess_exec(
                # -P: what lies in the hub's working folder is none of its modules
                *(str(self._python), "-P", "-m", "hub.engines.serve", self._role),
                *("--listen", self.uri, "--settings", "-", "--parent", str(os.getpid())),
                env=self._environment(),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C is the hub's; and a group to kill as one
            )
        except OSError as exc:
            raise EngineUnavailable(f"{self._role}: its process does not start: {exc}") from exc
        self.pid = child.pid
        _LOGGER.info("%s: loading in its own process %d", self._role, child.pid)
        assert child.stdin is not None
        assert child.stdout is not None
        self._tasks = [
            asyncio.create_task(self._lines.read(child.stdout), name=f"{self._role} process lines"),
            asyncio.create_task(self._watch(child), name=f"{self._role} process"),
        ]
        child.stdin.write(self._settings_json())  # less than a pipe holds
        with contextlib.suppress(OSError):  # it ended at once; `_watch` says why
            child.stdin.close()
            await child.stdin.wait_closed()

    def _environment(self) -> dict[str, str]:
        kept = {key: value for key, value in os.environ.items() if key != "WATCHDOG_PID"}
        return {
            **kept,
            "NOTIFY_SOCKET": str(self._folder / "notify"),
            "WATCHDOG_USEC": str(int(_FED * 1e6)),
            "PYTHONUNBUFFERED": "1",
        }

    def _settings_json(self) -> bytes:
        """Return what concerns the process: an older version of Parlour may be installed there.

        How the voice is to sound comes with each request, and changes without a restart.
        """
        those = {name: getattr(self._settings, name) for name in (*_SECTIONS, self._role)}
        if self._role == "tts":
            those["tts"] = msgspec.structs.replace(self._settings.tts, description="")
        return msgspec.json.encode(those)

    async def _watch(self, child: asyncio.subprocess.Process) -> None:
        """Look after the process until it has ended, then say why it did."""
        waiting = asyncio.create_task(child.wait(), name=f"{self._role} process ends")
        try:
            # `wait` also waits for whoever else holds the pipe, what it has started, say.
            while not (await asyncio.wait([waiting], timeout=_LOOK))[0]:
                if child.returncode is not None:
                    break
                await self._look(child.pid)
        finally:
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)
        self._kill()  # what it has started
        self._gone = True
        # Its last words may still be on their way; what it has started may hold the pipe open.
        await asyncio.wait(self._tasks[:1], timeout=_LOOK)
        assert self._ended is not None
        self._ended.set_result(self._end_of(child.returncode))

    async def _look(self, pid: int) -> None:
        """Kill it if it takes too much memory, or hangs."""
        assert self._manager is not None
        if self._why or self._closing:
            return
        taken = await asyncio.to_thread(memory_of, pid, self._most_memory)
        # Looks are counted, and no clock is asked: it goes on while the whole machine is paused, or
        # the hub alone, and then everybody would have been silent.
        self._silent_for = 0.0 if self._manager.has_heard() else self._silent_for + _LOOK
        if taken > self._most_memory:
            self._why = (
                f"it took {taken / _GIGABYTE:.1f} GB of memory, more than "
                f"process.memory = {self._settings.process.memory:g}"
            )
        elif self._manager.ready.is_set() and self._silent_for >= self._silence:
            self._why = f"no sign of life for {self._silence:g} s"
        if self._why:
            self._kill()

    def _kill(self) -> None:
        """Kill the process, if it is there, and what it has started (its group)."""
        if self._child is not None and not self._gone:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._child.pid, signal.SIGKILL)

    def _end_of(self, code: int | None) -> EngineError:
        """Say why the process has ended."""
        if self._why:
            return EngineError(f"{self._role}: its process was ended: {self._why}")
        if code is None or code == 0:
            return EngineError(f"{self._role}: its process has ended")
        if code < 0:
            name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
            memory = "; memory may have run out" if -code == signal.SIGKILL else ""
            return EngineError(f"{self._role}: its process was ended by {name}{memory}")
        words = self._lines.last_words
        if words and not self._is_ready():
            return EngineUnavailable(words)
        return EngineError(words or f"{self._role}: its process ended with status {code}")

    def _is_ready(self) -> bool:
        return self._manager is not None and self._manager.ready.is_set()


class _Manager:
    """The socket that a process tells its state to; see sd_notify(3)."""

    def __init__(self, sock: socket.socket) -> None:
        self.ready = asyncio.Event()
        self._heard = True
        self._sock = sock

    @classmethod
    async def open(cls, path: Path) -> "_Manager":
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            sock.setblocking(False)
            sock.bind(str(path))
            manager = cls(sock)
            asyncio.get_running_loop().add_reader(sock, manager.drain)
        except BaseException:
            sock.close()
            raise
        return manager

    def has_heard(self) -> bool:
        """Tell whether there was a sign of life since this was last asked."""
        self.drain()
        heard, self._heard = self._heard, False
        return heard

    def drain(self) -> None:
        """Take what has been told."""
        with contextlib.suppress(BlockingIOError):
            while message := self._sock.recv(4096):
                self._heard = True
                if b"READY=1" in message.split(b"\n"):
                    self.ready.set()

    def close(self) -> None:
        """Hear no more; may be called again."""
        if self._sock.fileno() >= 0:
            asyncio.get_running_loop().remove_reader(self._sock)
            self._sock.close()


def _private_folder() -> Path:
    """Return a new folder's path, in one that is this user's or everybody's; short.

    Under systemd $XDG_RUNTIME_DIR is not set for system services, and /tmp is the service's own.
    """
    name = f"parlour-{secrets.token_hex(6)}"
    places = [os.environ.get("XDG_RUNTIME_DIR", ""), _temporary(), "/tmp"]  # noqa: S108 - the folder in it is made with mode 700, and fails where it exists
    for place in places:
        fits = len(os.fsencode(f"{place}/{name}/notify")) <= _LONGEST_PATH
        if place.startswith("/") and fits and os.access(place, os.W_OK | os.X_OK):
            return Path(place) / name
    raise EngineUnavailable(f"no folder for a socket: cannot write to {', '.join(places)}")


def _temporary() -> str:
    """Return the folder for temporary files; "" where none can be written to (a full disk)."""
    try:
        return tempfile.gettempdir()
    except OSError:
        return ""
