"""Compose the satellite, start it and stop it in order."""

import asyncio
import contextlib
import logging
import signal
import socket
import time
from collections.abc import AsyncGenerator, Callable, Coroutine, Sequence
from functools import partial
from importlib import metadata

from wyoming.audio import AudioFormat
from wyoming.event import Event
from wyoming.info import Attribution, Info, MicProgram, Satellite, SndProgram, WakeModel
from wyoming.info import WakeProgram as WakeInfo

from protocol.access import allow_list, is_local
from protocol.audio import SPEECH, PcmFormat
from protocol.discovery import announced, instance_name, manual_entry, reachable_at
from protocol.extensions import Introduction, introduce
from protocol.service_manager import notify, watched
from protocol.settings import ConfigError
from protocol.transport import bind
from protocol.uri import Inet, parse
from satellite.audio.devices import DeviceError, Microphone, Speaker, open_microphone, open_speaker
from satellite.config import Settings
from satellite.feedback import load_sounds
from satellite.link import Link
from satellite.pairing import Target, target_of
from satellite.player import Player
from satellite.session import Session, State
from satellite.voice_activity import SustainedSpeech
from satellite.wake.base import WakeModel as WakeWord
from satellite.wake.base import WakeWords
from satellite.wake.choice import ChosenWords
from satellite.wake.words import open_wake

_LOGGER = logging.getLogger(__name__)
_MICROPHONE_RETRY = 2.0  # seconds
_MICROPHONE_OPENS = 10.0  # seconds for the first sound; a long recording is read whole
_FINISH = 6.0  # seconds for a turn that a driver works on when we are to end
_OURS = Attribution(name="Parlour", url="")
_WAKE_WORDS = {
    "microwakeword": Attribution(
        name="microWakeWord, Kevin Ahrendt", url="https://github.com/kahrendt/microWakeWord"
    ),
    "openwakeword": Attribution(
        name="openWakeWord, David Scripka", url="https://github.com/dscripka/openWakeWord"
    ),
}


def version() -> str:
    """Return the installed distribution's version."""
    try:
        return metadata.version("parlour")
    except metadata.PackageNotFoundError:  # run from a checkout
        return "0+checkout"


def describe(
    settings: Settings, target: Target, wake: WakeWords, speaker_format: PcmFormat
) -> Event:
    """Return the `info` event that introduces this satellite to whoever drives it.

    It leaves out the stop word, which wakes nobody.
    """
    words = _waking(settings, wake)
    info = Info(
        satellite=Satellite(
            name=target.room,
            area=settings.area,
            description="Parlour satellite",
            has_vad=False,
            active_wake_words=[model.name for model in words],
            max_active_wake_words=len(words),
            attribution=_OURS,
            installed=True,
            version=version(),
        ),
        wake=_wake_programs(words),
        mic=[
            MicProgram(
                name="microphone",
                description=None,
                mic_format=_audio_format(SPEECH),
                attribution=_OURS,
                installed=True,
                version=version(),
            )
        ],
        snd=[
            SndProgram(
                name="speaker",
                description=None,
                snd_format=_audio_format(speaker_format),
                attribution=_OURS,
                installed=True,
                version=version(),
            )
        ],
    )
    return introduce(
        info.event(), Introduction(target.room, version(), token=target.token, area=settings.area)
    )


def _waking(settings: Settings, wake: WakeWords) -> list[WakeWord]:
    return [model for model in wake.models if model.name != settings.barge_in.stop_word]


def _wake_programs(words: Sequence[WakeWord]) -> list[WakeInfo]:
    return [
        WakeInfo(
            name=program,
            description="wake words on the satellite",
            models=[
                WakeModel(
                    name=model.name,
                    attribution=_WAKE_WORDS[program],
                    installed=True,
                    description=None,
                    version=None,
                    languages=list(model.languages),
                    phrase=model.phrase,
                )
                for model in words
                if model.program == program
            ],
            attribution=_OURS,
            installed=True,
            version=version(),
        )
        for program in dict.fromkeys(model.program for model in words)
    ]


def check_stop_word(settings: Settings, wake: WakeWords) -> None:
    """See that the stop word is listened for, and is not the only word.

    Raises:
        ConfigError: it is not, or is.
    """
    stop_word, names = settings.barge_in.stop_word, [model.name for model in wake.models]
    if stop_word is not None and settings.wake.remote:
        raise ConfigError("barge_in.stop_word: no word is heard here with wake.remote = true")
    if stop_word is not None and (stop_word not in names or len(names) < 2):
        there = ", ".join(names)
        raise ConfigError(
            f"barge_in.stop_word: {stop_word!r} must be one of several wake words; there: {there}"
        )


async def run(settings: Settings, announce: Callable[[str], None]) -> None:
    """Run the satellite until SIGTERM or SIGINT.

    A microphone that works at the start and fails later is opened again until it works.

    Args:
        settings: what to run.
        announce: called once with one line, when the satellite is first driven and so ready.

    Raises:
        WakeError: a wake word that does not exist.
        DeviceError: a device that does not exist or cannot be opened.
        BadUri: `hub` or `listen` is not an address.
        ConfigError: the settings would let others hear, or do not fit the pairing.
        OSError: the address to listen on is in use.
    """
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):  # first, as what follows takes its time
        loop.add_signal_handler(number, stop.set)
    try:
        async with watched():
            await _until(stop, _run(settings, announce))
    finally:
        notify("STOPPING=1", "STATUS=stopping")
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)


async def _until(stop: asyncio.Event, job: Coroutine[object, object, None]) -> None:
    """Run a job to its end, or cancel it at `stop`: it may be waiting for a device to open."""
    running = asyncio.create_task(job, name="satellite")
    stopping = asyncio.create_task(stop.wait(), name="stop")
    try:
        await asyncio.wait({running, stopping}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        running.cancel()
        stopping.cancel()
        _, result = await asyncio.gather(stopping, running, return_exceptions=True)
    if not stop.is_set():
        running.result()
    elif isinstance(result, Exception):  # a stop is no failure; devices may have got it, too
        _LOGGER.warning("while stopping: %s", str(result) or type(result).__name__)


async def _run(settings: Settings, announce: Callable[[str], None]) -> None:
    # Home Assistant looks for us 3 s after we have gone, and then after 10: it may have to wait
    # for models and devices, but finds us.
    bound = None if settings.listen is None else await bind(settings.listen)
    try:
        await _run_room(settings, announce, bound)
    finally:
        for listener in bound or ():
            listener.close()


async def _run_room(
    settings: Settings, announce: Callable[[str], None], bound: list[socket.socket] | None
) -> None:
    loop = asyncio.get_running_loop()
    target = await asyncio.to_thread(target_of, settings)
    detector = await asyncio.to_thread(open_wake, settings.wake)
    check_stop_word(settings, detector)

    def words_changed() -> None:
        link.info = describe(settings, target, wake, speaker.format)

    stop_word = settings.barge_in.stop_word
    wake = ChosenWords(settings.wake, detector, stop_word=stop_word, changed=words_changed)
    speech = await asyncio.to_thread(SustainedSpeech) if settings.barge_in.speech else None
    microphone = open_microphone(
        settings.microphone.device,
        delay=settings.microphone.delay,
        rate=settings.microphone.rate,
        channels=settings.microphone.channels,
        channel=settings.microphone.channel,
    )
    speaker = open_speaker(settings.speaker.device, rate=settings.speaker.rate)
    sounds = await asyncio.to_thread(load_sounds, speaker.format)

    def reply_started() -> None:
        _LOGGER.debug("a reply's first sample is taken at %.4f", time.monotonic())
        _call(loop, lambda: session.reply_started())

    player = Player(
        speaker.format,
        on_started=reply_started,
        on_drained=lambda: _call(loop, lambda: session.reply_drained()),
        speaker=speaker,
        volume=settings.speaker.volume,
    )
    words = ", ".join(f'"{model.phrase}"' for model in _waking(settings, wake))
    phrases = words or "the wake word of its driver"
    ready_line = f"ready: {target.room}, say {phrases}, driven by "
    told = False

    def driven(peer: str) -> None:
        nonlocal told
        if not told:
            announce(ready_line + peer)
            told = True

    link = Link(describe(settings, target, wake, speaker.format), on_driven=driven)
    session = Session(
        settings,
        driver=link,
        player=player,
        wake=wake,
        sounds=sounds,
        clock=loop,
        speech=speech,
        choice=wake,
    )

    async with contextlib.aclosing(microphone.frames()) as frames:
        session.heard(await _first_frame(frames))
        await _start(speaker, player)
        if settings.listen is None:
            hub = target.uri or ""
            notify("READY=1", f"STATUS=dialling {hub}")
            conversing = link.dial(hub, session, pin=target.pin)
        else:
            admit = allow_list("", settings.listen, settings.allow)
            conversing = link.listen(
                settings.listen,
                session,
                _say_address,
                bound=bound,
                admit=admit,
                published=partial(published, settings, target),
            )
        tasks: list[asyncio.Task[object]] = [
            asyncio.create_task(_hear(microphone, frames, session), name="microphone"),
            asyncio.create_task(conversing, name="link"),
        ]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        except asyncio.CancelledError:
            await _finish(session, link)
            raise
        finally:
            session.close()  # before its link is taken away
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await wake.close()
            await speaker.close()


async def _finish(session: Session, link: Link) -> None:
    """Let Home Assistant send the rest of a turn, or it would take 13 s to come back."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_FINISH):
            while not session.finish():  # noqa: ASYNC110 - the session knows of no event loop
                await asyncio.sleep(0.05)
            await link.sent()


async def _start(speaker: Speaker, player: Player) -> None:
    try:
        await speaker.start(player.pull)
    except BaseException:  # cancelled, too: it may be half open
        await speaker.close()
        raise


async def _first_frame(frames: AsyncGenerator[bytes, None]) -> bytes:
    """Open the microphone; one that never worked is a wrong setting, not worth trying again."""
    try:
        async with asyncio.timeout(_MICROPHONE_OPENS):
            return await anext(frames)
    except TimeoutError as error:
        raise DeviceError(f"microphone: no sound in {_MICROPHONE_OPENS:g} s") from error
    except DeviceError as error:
        raise DeviceError(f"microphone: {error}") from error


async def _hear(
    microphone: Microphone, frames: AsyncGenerator[bytes, None], session: Session
) -> None:
    """Feed the session from `frames`; a microphone that fails is opened again every 2 s.

    While the room is idle it gets two frames at once: most of what the wake words cost then is
    beginning with cold caches, so two cost little more than one.
    """
    told = False
    while True:
        waiting = b""
        try:
            async with contextlib.aclosing(frames):
                async for frame in frames:
                    told = False
                    waiting += frame
                    if session.state is not State.IDLE or len(waiting) > len(frame):
                        session.heard(waiting)
                        waiting = b""
        except DeviceError as error:
            if not told:  # the same line every 2 s would fill the log
                _LOGGER.error("microphone: %s; trying again until it works", error)
                told = True
        await asyncio.sleep(_MICROPHONE_RETRY)
        frames = microphone.frames()


def _call(loop: asyncio.AbstractEventLoop, callback: Callable[[], None]) -> None:
    """Call from the speaker's thread; at the very end the loop may be gone."""
    with contextlib.suppress(RuntimeError):
        loop.call_soon_threadsafe(callback)


def _say_address(uri: str) -> None:
    _LOGGER.info("waiting for a driver at %s", uri)
    notify("READY=1", f"STATUS=waiting for a driver at {uri}")


@contextlib.asynccontextmanager
async def published(settings: Settings, target: Target, uri: str) -> AsyncGenerator[None]:
    """Let Home Assistant find us by ourselves, or say what is to be entered there."""
    entry = await asyncio.to_thread(manual_entry, uri)
    if entry:
        _LOGGER.info("Home Assistant: %s", entry)
    where = parse(uri)
    if not settings.announce or is_local(uri) or not isinstance(where, Inet):
        yield
        return
    name = instance_name(target.room)
    async with announced(name, where.port, partial(reachable_at, uri)):
        yield


def _audio_format(audio_format: PcmFormat) -> AudioFormat:
    return AudioFormat(audio_format.rate, audio_format.width, audio_format.channels)
