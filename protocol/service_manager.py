"""What systemd asks of a service: notifications, a watchdog fed by the event loop, journal lines.

Shared by both sides because both run as services. Without systemd all of it does nothing, and
nothing here ever raises: a service must not end because its manager does not listen.
"""

import asyncio
import contextlib
import logging
import os
import socket
from collections.abc import AsyncIterator

_LOGGER = logging.getLogger(__name__)


def notify(*assignments: str) -> None:
    """Tell the service manager something, for example `notify("READY=1", "STATUS=listening")`.

    See sd_notify(3). Does nothing unless $NOTIFY_SOCKET names a socket.

    Args:
        assignments: NAME=VALUE each; a line break in one becomes a space.
    """
    address = os.environ.get("NOTIFY_SOCKET", "")
    if address[:1] not in ("/", "@"):
        return
    if address[0] == "@":  # Linux's abstract namespace
        address = "\0" + address[1:]
    message = "\n".join(" ".join(assignment.splitlines()) for assignment in assignments)
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
            # A full queue means that systemd itself is stuck; the loop does not wait for it.
            sender.setblocking(False)
            sender.sendto(message.encode(errors="replace"), address)
    except (OSError, ValueError) as error:
        _LOGGER.debug("the service manager was not told %s: %s", assignments, error)


def watchdog_interval() -> float | None:
    """Return the seconds after which silence counts as a hang; None when nobody watches us."""
    if os.environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None  # meant for the process that started us
    try:
        seconds = int(os.environ.get("WATCHDOG_USEC", "")) / 1e6
    except ValueError:
        return None
    return seconds if seconds > 0 else None


@contextlib.asynccontextmanager
async def watched() -> AsyncIterator[None]:
    """Feed the service manager's watchdog, if there is one, for as long as the body runs.

    It is fed from the running event loop, at twice the rate asked for: a loop that is blocked
    feeds it no more, and the manager restarts the service.
    """
    interval = watchdog_interval()
    if interval is None:
        yield
        return
    feeding = asyncio.create_task(_feed(interval / 2), name="watchdog")
    try:
        yield
    finally:
        feeding.cancel()
        await asyncio.gather(feeding, return_exceptions=True)


async def _feed(pause: float) -> None:
    while True:
        notify("WATCHDOG=1")
        await asyncio.sleep(pause)


def configure_logging(
    level: str | int, pattern: str, datefmt: str | None = None, *, force: bool = False
) -> None:
    """Log to stderr: for people by `pattern`, for the journal without the time that it has anyway.

    Args:
        level: the lowest level that is logged.
        pattern: a `logging` format; used unless stderr is the journal.
        datefmt: how `%(asctime)s` looks in it.
        force: also when logging was configured before.
    """
    handler = logging.StreamHandler()
    handler.setFormatter(
        JournalFormatter("%(name)s: %(message)s")
        if _stderr_is_journal()
        else logging.Formatter(pattern, datefmt)
    )
    logging.basicConfig(force=force, level=level, handlers=[handler])


class JournalFormatter(logging.Formatter):
    """Begins every line with its priority, as sd-daemon(3) has it: `<3>` is an error."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record's lines."""
        if record.levelno >= logging.CRITICAL:
            priority = 2
        elif record.levelno >= logging.ERROR:
            priority = 3
        elif record.levelno >= logging.WARNING:
            priority = 4
        else:
            priority = 6 if record.levelno >= logging.INFO else 7
        return "\n".join(f"<{priority}>{line}" for line in super().format(record).splitlines())


def _stderr_is_journal() -> bool:
    # $JOURNAL_STREAM is inherited by everything that a service starts, also where stderr is
    # something else; only the comparison tells (systemd.exec(5)).
    try:
        stderr = os.fstat(2)
    except OSError:
        return False
    return os.environ.get("JOURNAL_STREAM") == f"{stderr.st_dev}:{stderr.st_ino}"
