"""Files that come in by HTTP: into a file without a name, within limits of size and time."""

import asyncio
import contextlib
import errno
import os
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import BinaryIO, cast

from aiohttp import BodyPartReader, web
from aiohttp.http_exceptions import HttpProcessingError

from hub.web.errors import ApiError
from hub.web.openapi import Content
from hub.web.parts import Parts

UPLOAD_PROBLEMS: Mapping[int, tuple[str, ...]] = {
    400: ("malformed", "bad-sound"),
    408: ("too-slow",),
    413: ("too-long",),
    415: ("not-sound",),
    507: ("disk-full",),
}
"""The codes by status with which an upload of sound is refused."""

SOUND = (
    Content(
        "multipart/form-data",
        {
            "type": "object",
            "properties": {"file": {"type": "string", "format": "binary"}},
            "required": ["file"],
        },
    ),
    Content("audio/*"),
)
"""How sound comes in, for the OpenAPI document."""

_MEGABYTE = 1_000_000  # bytes, as `[web] max_upload` counts them
_KINDS = ("audio/", "video/webm", "video/mp4", "application/ogg", "application/octet-stream")
_IN_MEMORY = 1 << 20  # bytes of a file; a longer one goes to the disk
_PIECE = 1 << 18  # bytes written at once
_MARGIN = 64 * 1024  # bytes of a multipart body beside its file
_MOST_FIELD = 16 * 1024  # bytes of a field that is no file
_MOST_FIELDS = 32
_PATIENCE = 10.0  # seconds in which a body has to begin to come
_SLOWEST = 4096  # bytes a second on average from then on; no sound is worth waiting longer
_LONGEST = 600.0  # seconds for all of it
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that came in.

    Args:
        file: what is in it, from its beginning; gone when it was used.
        size: in bytes.
        fields: what else a form had.
    """

    file: BinaryIO
    size: int
    fields: Mapping[str, str]


@asynccontextmanager
async def received(request: web.Request, parts: Parts) -> AsyncIterator[Upload]:
    """Receive a request's sound: the body itself, or the `file` of a form.

    It has one of the places for that (`Steps.uploading`) until it was used.

    Args:
        request: whose body was not read yet.
        parts: of the hub, whose `[web] max_upload` is the most.

    Raises:
        ApiError: it is too long, too slow, no sound by its type, or the disk is full.
        Later: too many others send sound.
    """
    most = parts.settings.web.max_upload * _MEGABYTE
    with parts.steps.uploading(), contextlib.closing(_File(most)) as file:
        form = _is_form(request, most)
        fields: dict[str, str] = {}
        try:
            async with asyncio.timeout(_PATIENCE) as clock:
                slow = _Deadline(clock, request)
                if form:
                    await _receive_form(request, file, fields, slow)
                else:
                    async for piece in request.content.iter_chunked(_PIECE):
                        slow.moved()
                        await file.write(piece)
                await file.flush()
        except TimeoutError:
            text = f"the upload is too slow: under {_SLOWEST} bytes/s, or over {_LONGEST:g} s"
            raise ApiError(408, "too-slow", text) from None
        except (web.RequestPayloadError, ConnectionError):
            text = "the body is not whole, or not compressed as it says"
            raise ApiError(400, "malformed", text) from None
        except OSError as exc:
            if exc.errno in _FULL:
                raise ApiError(507, "disk-full", "the hub's disk has no room for it") from None
            raise
        yield Upload(file.file, file.size, fields)


def _is_form(request: web.Request, most: int) -> bool:
    """Tell whether a form comes, or else the sound itself; refuse what is neither, or too long."""
    form = request.content_type == "multipart/form-data"
    if not form and not request.content_type.startswith(_KINDS):
        text = "send the sound itself (Content-Type: audio/...), or a form with a `file`"
        raise ApiError(415, "not-sound", text)
    if (request.content_length or 0) > most + (_MARGIN if form else 0):
        raise _too_long(most)
    return form


class _Deadline:
    """Moves as long as enough comes."""

    def __init__(self, clock: asyncio.Timeout, request: web.Request) -> None:
        self._clock = clock
        self._content = request.content
        self._began = asyncio.get_running_loop().time()

    def moved(self) -> None:
        """Take notice that something came."""
        seconds = min(_LONGEST, _PATIENCE + self._content.total_bytes / _SLOWEST)
        self._clock.reschedule(self._began + seconds)


class _File:
    """A file without a name, in memory while it is small; it is gone once it is closed."""

    def __init__(self, most: int) -> None:
        self.size = 0
        self._most = most
        self._waiting = bytearray()
        spooled = tempfile.SpooledTemporaryFile(_IN_MEMORY, dir=_folder())  # noqa: SIM115 - see `close`
        self.file = cast(BinaryIO, spooled)

    async def write(self, piece: bytes) -> None:
        """Take what comes next."""
        self.size += len(piece)
        if self.size > self._most:
            raise _too_long(self._most)
        self._waiting += piece
        if len(self._waiting) >= _PIECE:
            await self.flush()

    async def flush(self) -> None:
        """Write what waits, and be ready to be read from the beginning."""
        waiting, self._waiting = bytes(self._waiting), bytearray()
        await asyncio.to_thread(self._write, waiting)

    def close(self) -> None:
        """Give up the file and its place on the disk."""
        with contextlib.suppress(OSError):  # a full disk, which was told of
            self.file.close()

    def _write(self, data: bytes) -> None:
        self.file.seek(0, os.SEEK_END)
        self.file.write(data)
        self.file.flush()
        self.file.seek(0)


async def _receive_form(
    request: web.Request, file: _File, fields: dict[str, str], slow: _Deadline
) -> None:
    found = False
    try:
        async for name, pieces in _parts_of(request):
            slow.moved()
            if name == "file" and found:
                raise ApiError(400, "malformed", "the form has two files; send one at a time")
            if name == "file":
                found = True
                async for piece in pieces:
                    slow.moved()
                    await file.write(piece)
                continue
            if len(fields) >= _MOST_FIELDS:
                raise ApiError(400, "malformed", f"the form has more than {_MOST_FIELDS} fields")
            value = bytearray()
            async for piece in pieces:
                slow.moved()
                value += piece
                if len(value) > _MOST_FIELD:
                    raise ApiError(413, "too-long", f"{name[:40]!r} has over {_MOST_FIELD} bytes")
            fields[name] = value.decode()
    # aiohttp raises all of them.
    except (ValueError, AssertionError, RuntimeError, LookupError, HttpProcessingError):
        raise ApiError(400, "malformed", "the body is no multipart/form-data") from None
    if not found:
        raise ApiError(400, "malformed", "the form has no `file`")


async def _parts_of(request: web.Request) -> AsyncGenerator[tuple[str, AsyncIterator[bytes]]]:
    """Yield the name and the content of each field of a form."""
    reader = await request.multipart()
    while (part := await reader.next()) is not None:
        if not isinstance(part, BodyPartReader):
            raise ValueError("a form within a form")
        yield part.name or "", _pieces_of(part)


async def _pieces_of(part: BodyPartReader) -> AsyncIterator[bytes]:
    while piece := await part.read_chunk(_PIECE):
        yield piece


def _too_long(most: int) -> ApiError:
    text = f"the file has more than {most // _MEGABYTE} MB; [web] max_upload says how much it may"
    return ApiError(413, "too-long", text)


def _folder() -> str | None:
    """Return where large files may lie for a while: /tmp is memory on many machines."""
    disk = "/var/tmp"  # noqa: S108 - the files have no names there
    return disk if os.access(disk, os.W_OK) else None
