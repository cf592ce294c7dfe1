"""One framed Wyoming connection: limits, time-outs, heartbeat, orderly close.

A Wyoming frame is one line of UTF-8 JSON (the header), then ``data_length`` bytes of JSON, then
``payload_length`` bytes. The ``wyoming`` package defines the events; its own reader has no limit on
sizes or waiting and lets raw exceptions out, so this module reads and writes the frames itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from dataclasses import dataclass, replace
from typing import Any, Self

from wyoming.event import Event, Eventable
from wyoming.ping import Ping, Pong
from wyoming.version import __version__ as WYOMING_VERSION

_READ_BYTES = 64 * 1024  # taken from the stream at a time
_TLS_HANDSHAKE = b"\x16\x03"  # how one begins, and no frame
_BURST = 16  # frames that may be read of one peer before others have their turn
_CLOSE_TIMEOUT = 2.0  # seconds for the peer to take what was already written


class ProtocolError(Exception):
    """The peer broke the protocol or a limit; its connection cannot be used any more."""


class MalformedFrame(ProtocolError):
    """The bytes are no Wyoming frame, or an event's fields have the wrong types."""


class FrameTooLarge(ProtocolError):
    """A header, data block or payload is over its limit."""


class FrameTimeout(ProtocolError):
    """A frame began but did not end in time."""


class IdleTimeout(ProtocolError):
    """No frame came for too long."""


class WriteTimeout(ProtocolError):
    """The peer took nothing of what was sent for too long."""


class ConnectionClosed(Exception):
    """The connection has ended: closed by either side, reset, or lost."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a peer may cost.

    Attributes:
        header: Longest header line with its line end, in bytes.
        data: Largest data block, in bytes.
        payload: Largest payload, in bytes.
        frame_timeout: Longest wait from the first byte of a frame to its last, in seconds.
        idle_timeout: Longest wait for a frame of any type, in seconds; None waits for ever, which
            suits a service whose clients may rest between requests.
        write_timeout: Longest wait for a peer that reads nothing, in seconds.
    """

    header: int = 64 * 1024
    data: int = 1024 * 1024
    payload: int = 1024 * 1024
    frame_timeout: float = 10.0
    idle_timeout: float | None = 8.0
    write_timeout: float = 10.0


DEFAULT_LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class _Header:
    """A checked header line: where in the buffer it and its blocks end, in bytes."""

    type: str
    inline: dict[str, Any]
    end: int
    data_end: int
    frame_end: int


class Connection:
    """One peer, spoken to in Wyoming events.

    One task reads; any number may write. After an error from `read` or `write` the connection is
    of no more use and its owner closes it.

    Args:
        reader: The stream to read from.
        writer: The stream to write to; closed by `close`.
        limits: What the peer may cost.
        heartbeat: Seconds between two `ping` that `start` makes the connection send; None for none.
        peer: The peer's name in logs; None asks the socket.
        host: The peer's address, as who accepted it knows it; None for a Unix socket.
    """

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        *,
        limits: Limits = DEFAULT_LIMITS,
        heartbeat: float | None = None,
        peer: str | None = None,
        host: str | None = None,
    ) -> None:
        self.peer = peer or _peer_name(writer)
        self.host = host
        self._reader = reader
        self._writer = writer
        self._limits = limits
        self._heartbeat = heartbeat
        self._heart: asyncio.Task[None] | None = None
        self._ending: asyncio.Task[None] | None = None
        self._failure: ProtocolError | None = None  # why the heartbeat gave the peer up
        self._write_lock = asyncio.Lock()
        # Bytes of the frame being received stay here until it is whole, so that cancelling `read`
        # loses nothing.
        self._buffer = bytearray()
        self._header: _Header | None = None
        self._taken = 0  # frames
        self._waited = 0.0  # seconds that readers have waited in the present phase (idle or frame)

    def start(self) -> None:
        """Start the heartbeat, if one was asked for. Calling it again does nothing."""
        if self._heartbeat is not None and self._heart is None:
            self._heart = asyncio.create_task(self._beat(self._heartbeat), name="wyoming heartbeat")

    def expect_silence(self) -> None:
        """The peer may say nothing from now on, for as long as it likes; not while one reads.

        Frames that begin have to end in time, as before.
        """
        self._limits = replace(self._limits, idle_timeout=None)

    async def read(self) -> Event:
        """Wait for the next event.

        A `ping` is answered and a `pong` swallowed here; both count as traffic for the idle
        time-out. Cancelling `read` loses no bytes: a later call goes on where it stopped, and the
        time already waited still counts.

        Returns:
            The event; the data block is merged on top of inline data.

        Raises:
            MalformedFrame: The bytes are no Wyoming frame.
            FrameTooLarge: A part of the frame is over its limit; nothing of that part was stored.
            FrameTimeout: A frame began but did not end in time.
            IdleTimeout: No frame came for too long.
            WriteTimeout: The peer does not take our `ping` or `pong`.
            ConnectionClosed: The connection has ended.
        """
        while True:
            # Frames that have arrived already are taken without waiting, and thousands of small
            # ones fit into one buffer: nobody else would be served meanwhile.
            self._taken += 1
            if self._taken % _BURST == 0:
                await asyncio.sleep(0)
            event = await self._read_frame()
            if event.type == "ping":
                text = event.data.get("text")
                await self.write(Pong(text if isinstance(text, str) else None))
            elif event.type != "pong":
                return event

    async def write(self, event: Event | Eventable) -> None:
        """Send one event, after those that were given to `write` before it.

        It waits until the peer has taken earlier events, then buffers this one whole. Cancelled
        while it waits, nothing of the event is sent.

        Args:
            event: The event; its data must be JSON-serialisable.

        Raises:
            WriteTimeout: The peer took nothing for too long; nothing of this event was sent.
            ConnectionClosed: The connection has ended.
        """
        frame = _encode(event if isinstance(event, Event) else event.event())
        try:
            async with asyncio.timeout(self._limits.write_timeout) as clock, self._write_lock:
                await self._writer.drain()
                if self._writer.is_closing():
                    raise ConnectionClosed("the connection is closed")
                self._writer.write(frame)
        except OSError as error:  # TimeoutError is one, from the clock or from TCP keepalive
            if clock.expired():
                seconds = self._limits.write_timeout
                raise WriteTimeout(f"the peer took nothing for {seconds:g} s") from None
            raise ConnectionClosed(f"the connection was lost: {error}") from error

    async def ignore_ping(self, patience: float) -> None:
        """Take what comes until a ping does, which gets no answer; nobody else reads any more.

        Most peers then send no other for a while, and so nothing to a connection closed meanwhile.

        Args:
            patience: Seconds to wait for it.
        """
        with contextlib.suppress(ProtocolError, ConnectionClosed, TimeoutError):
            async with asyncio.timeout(patience):
                while (await self._read_frame()).type != "ping":
                    pass

    async def hang_up(self, patience: float) -> None:
        """Send the end of the stream, and take what the peer still sends until it ends, too.

        For peers that take it badly when their connection is reset, which it is when they send to
        a closed one. Nobody reads or writes any more; `close` is still to be called. Over TLS
        there is no such half, and nothing is done.

        Args:
            patience: Seconds for the peer to end.
        """
        if self._heart is not None:
            self._heart.cancel()
            await asyncio.wait([self._heart])  # no time-out: nothing in it outlives a cancellation
        if not self._writer.can_write_eof():
            return
        with contextlib.suppress(OSError):  # TimeoutError is one; or it is gone
            async with asyncio.timeout(patience):
                self._writer.write_eof()
                while await self._reader.read(_READ_BYTES):
                    pass

    async def close(self) -> None:
        """End the heartbeat and the connection; takes a bounded time, may be called again.

        What was written is still sent if the peer takes it within 2 seconds.
        """
        if self._ending is None:
            if not self._writer.is_closing():  # closed twice, a TLS transport ignores abort
                self._writer.close()
            self._ending = asyncio.create_task(self._ended(), name="wyoming connection end")
        waiting = {self._ending}
        if self._heart is not None:
            self._heart.cancel()
            waiting.add(self._heart)
        try:
            # asyncio.wait and not a time-out around wait_closed: that would cancel a future which
            # the stream keeps, and every later wait_closed would raise CancelledError
            await asyncio.wait(waiting, timeout=_CLOSE_TIMEOUT)
        finally:
            if not self._ending.done():
                self._writer.transport.abort()  # drops what the peer did not take
        await asyncio.wait([self._ending])  # no time-out: an abort ends it at once

    async def _ended(self) -> None:
        with contextlib.suppress(OSError):  # the peer had gone before
            await self._writer.wait_closed()

    async def __aenter__(self) -> Self:
        self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        try:
            return await self.read()
        except ConnectionClosed:
            raise StopAsyncIteration from None

    async def _read_frame(self) -> Event:
        while (event := self._take_frame()) is None:
            await self._receive()
        return event

    def _take_frame(self) -> Event | None:
        """Cut the first frame off the buffer, if it is whole."""
        if self._header is None:
            self._header = _parse_header(self._buffer, self._limits)
        header = self._header
        if header is None or len(self._buffer) < header.frame_end:
            return None
        data = header.inline
        if header.data_end > header.end:
            data = data | _parse_object(self._buffer[header.end : header.data_end], "data block")
        payload = bytes(self._buffer[header.data_end : header.frame_end]) or None
        del self._buffer[: header.frame_end]
        self._header = None
        self._waited = 0.0
        return Event(header.type, data, payload)

    async def _receive(self) -> None:
        """Wait for more bytes of a frame, or for the first ones."""
        limits = self._limits
        limit = limits.frame_timeout if self._buffer else limits.idle_timeout
        loop = asyncio.get_running_loop()
        started = loop.time()
        # Waiting time is summed over calls, so that a caller who cancels and retries still sees the
        # time-out, while one who was busy elsewhere does not charge his absence to the peer.
        left = None if limit is None else max(0.0, limit - self._waited)
        try:
            async with asyncio.timeout(left) as clock:
                chunk = await self._reader.read(_READ_BYTES)
        except OSError as error:  # TimeoutError is one, from the clock or from TCP keepalive
            if not clock.expired():
                raise ConnectionClosed(f"the connection was lost: {error}") from error
            if self._buffer:
                raise FrameTimeout(f"a frame was not whole after {limit:g} s") from None
            raise IdleTimeout(f"no frame for {limit:g} s") from None
        finally:
            self._waited += loop.time() - started
        if not chunk:
            if self._failure is not None:
                raise self._failure
            where = "in the middle of a frame" if self._buffer else "between frames"
            raise ConnectionClosed(f"the connection ended {where}")
        if not self._buffer:
            self._waited = 0.0  # the wait for a frame is over, the frame's own clock starts
        self._buffer += chunk

    async def _beat(self, interval: float) -> None:
        while True:
            await asyncio.sleep(interval)
            try:
                await self.write(Ping())
            except ConnectionClosed:
                return  # the reader learns it by itself
            except WriteTimeout as error:
                self._failure = error
                self._writer.transport.abort()  # wakes the reader, who might hear the peer for ever
                return


def _encode(event: Event) -> bytes:
    """Lay an event out as the library does: data in its own block, never in the header."""
    header: dict[str, Any] = {"type": event.type, "version": WYOMING_VERSION}
    block = json.dumps(event.data, ensure_ascii=False).encode() if event.data else b""
    payload = event.payload or b""
    if block:
        header["data_length"] = len(block)
    if payload:
        header["payload_length"] = len(payload)
    return b"".join((json.dumps(header, ensure_ascii=False).encode(), b"\n", block, payload))


def _parse_header(buffer: bytearray, limits: Limits) -> _Header | None:
    """Read the header line at the front of the buffer, or None while its end has not come.

    Null lengths and null data count as absent, as in the library.
    """
    if buffer.startswith(_TLS_HANDSHAKE):
        raise MalformedFrame("the peer speaks TLS, and this port plain text")
    newline = buffer.find(b"\n", 0, limits.header)
    if newline < 0:
        if len(buffer) >= limits.header:
            raise FrameTooLarge(f"the header is longer than {limits.header} bytes")
        return None
    header = _parse_object(buffer[:newline], "header")
    event_type = header.get("type")
    if not isinstance(event_type, str):
        raise MalformedFrame("the header's type is missing or no string")
    inline = header.get("data")
    if inline is None:
        inline = {}
    elif not isinstance(inline, dict):
        raise MalformedFrame("the header's data is no object")
    end = newline + 1
    data_end = end + _length(header, "data_length", limits.data)
    frame_end = data_end + _length(header, "payload_length", limits.payload)
    return _Header(event_type, inline, end, data_end, frame_end)


def _length(header: dict[str, Any], key: str, limit: int) -> int:
    value = header.get(key)
    if value is None:
        return 0
    if type(value) is not int or value < 0:  # `type is`, because JSON's true is an int in Python
        raise MalformedFrame(f"the header's {key} is no natural number")
    if value > limit:
        raise FrameTooLarge(f"the header's {key} is over the limit of {limit} bytes")
    return value


def _parse_object(raw: bytearray, what: str) -> dict[str, Any]:
    """Decode one JSON object. Errors tell the kind of fault, never the content, which is private.

    Lone surrogates are refused with other invalid text: nothing downstream could encode them.
    """
    try:
        text = raw.decode("utf-8")
        value = json.loads(text)
        if "\\u" in text:
            json.dumps(value, ensure_ascii=False).encode("utf-8")
    except RecursionError:
        raise MalformedFrame(f"the {what} is nested too deeply") from None
    except UnicodeError:
        raise MalformedFrame(f"the {what} is no valid Unicode text") from None
    except ValueError:
        raise MalformedFrame(f"the {what} is no JSON") from None
    if not isinstance(value, dict):
        raise MalformedFrame(f"the {what} is no JSON object")
    return value


def _peer_name(writer: asyncio.StreamWriter) -> str:
    """Name the peer for logs: ``host:port``, or ``unix`` for a local socket."""
    name = writer.get_extra_info("peername")
    if isinstance(name, tuple):
        host, port = name[:2]
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    return "unix"
