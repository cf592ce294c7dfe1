"""What a satellite is reached by: a framed connection, or a browser tab's websocket."""

from typing import Protocol, Self

from wyoming.event import Event, Eventable


class EventConnection(Protocol):
    """One peer, spoken to in Wyoming events; `protocol.connection.Connection` is one.

    One task iterates over what the peer says, until it goes; any number may write.
    """

    @property
    def peer(self) -> str:
        """The peer's name in logs."""

    async def write(self, event: Event | Eventable) -> None:
        """Send one event.

        Raises:
            ProtocolError: the peer takes nothing.
            ConnectionClosed: it has gone.
        """

    async def close(self) -> None:
        """End it; takes a bounded time, may be called again."""

    def __aiter__(self) -> Self: ...

    async def __anext__(self) -> Event: ...
