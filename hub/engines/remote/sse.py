"""What servers of language models send: whole answers, and server-sent events; with bounds."""

from collections.abc import AsyncGenerator, AsyncIterator

from aiohttp import StreamReader

_MOST_BYTES = 1 << 20  # of an answer, or of one event; a piece of a reply takes some hundred


class TooMuch(ValueError):
    """An answer or an event is longer than any should be."""


async def whole(content: StreamReader) -> bytes:
    """Return all that is sent.

    Raises:
        TooMuch: it is more than a megabyte.
    """
    answer = b""
    while part := await content.read(_MOST_BYTES):
        answer += part
        if len(answer) > _MOST_BYTES:
            raise TooMuch
    return answer


async def events(chunks: AsyncIterator[bytes]) -> AsyncGenerator[str]:
    """Yield the data of each event (HTML standard, "Server-sent events").

    Comments, which keep the connection awake, and events without data are left out. The lines of
    llama-server's early versions that began with `error:` count as data, too.

    Args:
        chunks: what comes in, cut anywhere.

    Raises:
        TooMuch: an event has more than a megabyte.
    """
    data: list[str] = []
    size = 0
    async for line in _lines(chunks):
        if not line:
            if data:
                yield "\n".join(data)
            data, size = [], 0
            continue
        name, _, value = line.partition(b":")
        if name in (b"data", b"error"):
            if (size := size + len(value) + 1) > _MOST_BYTES:  # empty ones count, too
                raise TooMuch
            data.append(value.removeprefix(b" ").decode("utf-8", "replace"))
    if data:  # the last one's empty line never came
        yield "\n".join(data)


async def _lines(chunks: AsyncIterator[bytes]) -> AsyncGenerator[bytes]:
    """Yield lines, which may end in CR, LF or both; a last one that never ended, too."""
    buffer = b""
    after_cr = False  # its LF may come with the next chunk
    async for chunk in chunks:
        if after_cr and chunk.startswith(b"\n"):
            chunk = chunk[1:]
        after_cr = chunk.endswith(b"\r") if chunk else after_cr
        *lines, buffer = (buffer + chunk).replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
        for line in lines:
            yield line
        if len(buffer) > _MOST_BYTES:
            raise TooMuch
    if buffer:
        yield buffer
