"""One connection to the service port: its requests, one after the other."""

import asyncio
import contextlib
import logging
from collections.abc import Callable

from wyoming.error import Error
from wyoming.event import Event

from hub.conversation.patience import where
from hub.engines.base import (
    BadInput,
    EngineBusy,
    EngineError,
    EngineUnavailable,
    TextToSpeech,
)
from hub.engines.thread import client
from hub.service.asr import Transcriber, Transcription
from hub.service.ending import KNOWING, UNKNOWING, Manners
from hub.service.handle import Answerer, new_conversation
from hub.service.info import Offer
from hub.service.request import Request, RequestError, text_in
from hub.service.tts import Speaker, Speech
from hub.service.wake import Listening, WakeListener
from protocol.connection import (
    Connection,
    ConnectionClosed,
    FrameTimeout,
    FrameTooLarge,
    MalformedFrame,
    ProtocolError,
    WriteTimeout,
)

_LOGGER = logging.getLogger(__name__)

_IDLE = 300.0  # seconds that a client may rest between two requests
_WAITING = 8  # requests that wait for the one being served; then the peer is not read
_MOST_HOSTS = 1000  # that are remembered to have read our `info`
_REFUSAL_TIME = 1.0  # seconds in which a peer may take the reason before the connection is closed

_AUDIO = frozenset(("audio-start", "audio-chunk", "audio-stop"))
_TEXT = frozenset(("synthesize-chunk", "synthesize-stop"))
_NOT_OURS = frozenset(("recognize", "run-pipeline", "run-satellite"))


class Services:
    """What all connections share.

    Args:
        offer: what may be asked for.
        tts: returns the engine that the settings choose for it, where it is loaded.
        transcriber: serves `transcribe`.
        speaker: serves `synthesize`.
        answerer: serves `transcript`.
        listener: serves `detect`.
        endpointing: whether to hear when somebody has finished, where a client leaves it to us.
    """

    def __init__(
        self,
        offer: Offer,
        tts: Callable[[], TextToSpeech | None],
        transcriber: Transcriber,
        speaker: Speaker,
        answerer: Answerer,
        listener: WakeListener,
        endpointing: bool,
    ) -> None:
        self._offer = offer
        self._tts = tts
        self.programs = offer.programs()
        self.wake_programs = offer.wake_programs
        self.transcriber = transcriber
        self.speaker = speaker
        self.answerer = answerer
        self.listener = listener
        self._endpointing = endpointing
        self._knowing: dict[str | None, None] = {}  # hosts that have read `info`

    def info(self) -> Event:
        """Return the answer to `describe`."""
        return self._offer.told(self._tts())

    def told(self, host: str | None) -> None:
        """Note that a host has read our `info`."""
        self._knowing.pop(host, None)
        self._knowing[host] = None
        if len(self._knowing) > _MOST_HOSTS:
            del self._knowing[next(iter(self._knowing))]

    def manners(self, host: str | None) -> Manners | None:
        """Return how to hear the end of what a host's client sends; None leaves it to the client.

        Home Assistant reads `info` on one connection and speaks on another, so hosts count.
        """
        if not self._endpointing:
            return None
        return KNOWING if host in self._knowing else UNKNOWING


class Session:
    """Serves one connection.

    Args:
        connection: to the client.
        services: what it may use.
    """

    def __init__(self, connection: Connection, services: Services) -> None:
        self._connection = connection
        self._services = services
        self._requests: asyncio.Queue[Request] = asyncio.Queue(_WAITING)
        self._serving = False
        self._hearing: Transcription | Listening | None = None  # takes the audio events
        self._reading: Speech | None = None  # takes the pieces of text
        self._wake_program: str | None = None
        self._selects = False  # such a client measures, and sends whole recordings
        self._conversation = new_conversation()
        self._asked = False
        self._heard = False  # the sound of some request
        self._active_at = asyncio.get_running_loop().time()
        self._displaced = asyncio.Event()

    @property
    def resting_since(self) -> float | None:
        """When it was last heard of, on the loop's clock; None while it is being served."""
        busy = self._serving or not self._requests.empty() or self._displaced.is_set()
        return None if busy else self._active_at

    def displace(self) -> None:
        """Make it go, for another client."""
        self._displaced.set()

    async def run(self) -> None:
        """Serve it until it goes; whatever cannot be served is told, and ends it."""
        client.set(f"service {self._connection.peer}")  # in this task and those that it starts
        try:
            await self._serve()
        except RequestError as exc:
            await self._refuse(exc.code, str(exc), linger=not self._displaced.is_set())
        except EngineError as exc:
            await self._refuse(_code_of(exc), str(exc))
        except (MalformedFrame, FrameTooLarge, FrameTimeout) as exc:
            await self._refuse("malformed", str(exc))
        except WriteTimeout as exc:
            _LOGGER.info("%s: %s", self._connection.peer, exc)
        except Exception as exc:  # a bug; the client must not wait for ever
            _LOGGER.error("%s: %s", self._connection.peer, where(exc))
            await self._refuse("internal-error", "something went wrong in the hub")
        finally:
            if self._asked:
                await self._services.answerer.forget(self._conversation)

    async def _serve(self) -> None:
        """Read and work at once; return when the peer goes, raise what ends either."""
        tasks = [
            asyncio.create_task(self._read(), name=f"read {self._connection.peer}"),
            asyncio.create_task(self._work(), name=f"serve {self._connection.peer}"),
            asyncio.create_task(self._displacement(), name=f"place {self._connection.peer}"),
            asyncio.create_task(self._rest(), name=f"rest {self._connection.peer}"),
        ]
        try:
            # No time-out: `_rest` ends a connection that rests for too long.
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            # An engine that is told to stop has a time-out of its own.
            results = await asyncio.gather(*tasks, return_exceptions=True)
        for result in results:
            if isinstance(result, Exception) and not isinstance(result, ConnectionClosed):
                raise result

    async def _displacement(self) -> None:
        await self._displaced.wait()  # no time-out: maybe never
        raise RequestError("too-many-connections", "too many clients at once; this one has to go")

    async def _work(self) -> None:
        while True:
            request = await self._requests.get()
            self._serving = True
            await request.run()
            self._serving = False
            self._active_at = asyncio.get_running_loop().time()

    async def _rest(self) -> None:
        """End a connection that rests for too long; a time-out for each event would cost more."""
        loop = asyncio.get_running_loop()
        while True:
            since = self.resting_since
            left = _IDLE if since is None else since + _IDLE - loop.time()
            if left <= 0:
                raise RequestError("idle", f"no request for {_IDLE:g} s")
            await asyncio.sleep(left)

    async def _read(self) -> None:
        while True:
            event = await self._connection.read()  # no time-out: `_rest` has one
            self._active_at = asyncio.get_running_loop().time()
            await self._take(event)

    async def _take(self, event: Event) -> None:
        services, write = self._services, self._connection.write
        match event.type:
            case "describe":
                await write(services.info())
                services.told(self._connection.host)
            case "select-program":
                self._select(text_in(event, "name", most=200))
            case "transcribe" | "detect":
                await self._hear(event)
            case "synthesize-start":
                speech = services.speaker.request(event, write)
                await self._begin(speech)
                self._reading = speech
            case "synthesize" if self._reading is None:  # in a stream it repeats the whole text
                await self._begin(services.speaker.request(event, write))
            case "transcript":
                self._asked = True
                await self._begin(services.answerer.request(event, self._conversation, write))
            case kind if kind in _AUDIO:
                await self._take_audio(event)
            case kind if kind in _TEXT:
                await self._take_text(event)
            case kind if kind in _NOT_OURS:
                raise RequestError("unsupported", f"{kind} is not served here")
            # Anything else is to be ignored, as Wyoming has it.

    async def _begin(self, request: Request) -> None:
        """Let a request be served after those before it, which get nothing more."""
        for open_request in (self._hearing, self._reading):
            if open_request is not None:
                open_request.end()
        self._hearing = self._reading = None
        await self._requests.put(request)

    async def _hear(self, event: Event) -> None:
        """Begin a request that takes sound."""
        services, write = self._services, self._connection.write
        request: Transcription | Listening
        if event.type == "detect":
            request = services.listener.request(event, self._wake_program, write)
        else:
            manners = None if self._selects else services.manners(self._connection.host)
            request = services.transcriber.request(event, write, manners)
        await self._begin(request)
        self._hearing, self._heard = request, True

    async def _take_audio(self, event: Event) -> None:
        if self._hearing is None:
            if event.type != "audio-start":
                if not self._heard:
                    raise RequestError("no-request", "sound that did not begin with audio-start")
                return  # it comes too late for the request before
            # Wyoming has it that sound alone is a request to whatever is there to hear it.
            await self._hear(Event("detect" if self._wake_program else "transcribe"))
        assert self._hearing is not None
        await self._hearing.take(event)
        if event.type == "audio-stop":
            self._hearing = None

    async def _take_text(self, event: Event) -> None:
        if self._reading is None:
            raise RequestError("no-request", f"{event.type} without a synthesize-start before it")
        await self._reading.take(event)
        if event.type == "synthesize-stop":
            self._reading = None

    def _select(self, name: str) -> None:
        if name not in self._services.programs:
            raise RequestError(
                "unknown-program",
                f"no program {name!r} here, only: {', '.join(sorted(self._services.programs))}",
            )
        self._selects = True
        if name in self._services.wake_programs:
            self._wake_program = name
        # Of the other kinds there is one program each.

    async def _refuse(self, code: str, text: str, *, linger: bool = True) -> None:
        """Say why; `linger` for the peer to take it, as hanging up on unread data would lose it."""
        _LOGGER.info("%s: refused: %s", self._connection.peer, code)
        with contextlib.suppress(ProtocolError, ConnectionClosed, TimeoutError):
            async with asyncio.timeout(_REFUSAL_TIME):
                await self._connection.write(Error(text, code))
                while linger:
                    await self._connection.read()


def _code_of(error: EngineError) -> str:
    match error:
        case EngineUnavailable():
            return "engine-unavailable"
        case EngineBusy():
            return "engine-busy"
        case BadInput():
            return "bad-request"
    return "engine-failed"
