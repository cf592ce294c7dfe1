"""A whole hub with scripted engines, for tests of what it serves over HTTP."""

import asyncio
import contextlib

import numpy as np
from scripted import QUIET, VOICE, ScriptedLlm, ScriptedStt, ScriptedTts, ScriptedVad
from service_port import ScriptedWake
from wyoming.audio import AudioStop
from wyoming.info import Info
from wyoming.snd import Played

import hub.app
from hub.app import Hub
from hub.config import (
    LinkSettings,
    ServiceSettings,
    Settings,
    StoreSettings,
    TtsSettings,
    TurnSettings,
    WebSettings,
)
from protocol.audio import PcmFormat, wav_of
from protocol.control import Configure, Status, Volume, WakeWordStatus
from protocol.extensions import Introduction, introduce
from protocol.transport import connect

QUESTION = QUIET * 10 + VOICE * 60 + QUIET * 40
"""2.2 s of sound in which somebody speaks."""
WAV = {"Content-Type": "audio/wav"}


class Engines:
    """The engines of one hub."""

    def __init__(self):
        self.stt = ScriptedStt("what is the capital of france", 0.02)
        self.llm = ScriptedLlm("The capital of France is Paris. It lies on the Seine.", 0.01, 0.002)
        self.tts = ScriptedTts(0.002)
        self.vad = ScriptedVad()
        self.wake = ScriptedWake()
        self.stand_in = ScriptedTts(0.002)  # of the voice, where the settings want another one


@contextlib.asynccontextmanager
async def web_hub(
    tmp_path,
    monkeypatch,
    engines=None,
    *,
    ready=True,
    listen="http://127.0.0.1:0",
    service="",
    tts=None,
    **web,
):
    """Run a hub; yield it.

    Args:
        tts: [tts], where it is not the voice that needs no stand-in.
    """
    engines = engines or Engines()
    for role in ("stt", "llm", "tts", "vad", "wake"):
        engine = getattr(engines, role)
        monkeypatch.setattr(hub.app, f"make_{role}", lambda _, engine=engine: engine)
    if tts is not None:
        voices = {tts.engine: engines.tts, "hibari": engines.stand_in}
        monkeypatch.setattr(hub.app, "make_tts", lambda settings: voices[settings.tts.engine])
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    settings = Settings(
        link=LinkSettings(listen=f"unix://{tmp_path}/link"),
        service=ServiceSettings(listen=service),
        store=StoreSettings(path=str(tmp_path / "hub.db")),
        tts=tts or TtsSettings(),
        turn=TurnSettings(model=""),
        web=WebSettings(listen=listen, **web),
    )
    house = Hub(settings)
    await house.start()
    try:
        if ready:
            await house.ready(10)
        await house.home.ready()
        yield house
    finally:
        await house.close()


@contextlib.asynccontextmanager
async def satellite(house, room):
    """Connect a satellite that plays at once and does as it is told; yield what it is told."""
    told, words = [], ("hey_jarvis", "alexa")
    muted, volume, active = False, 1.0, {"hey_jarvis"}

    async def serve(connection):
        nonlocal muted, volume, active
        while True:
            event = await connection.read()
            told.append(event)
            if Volume.is_type(event.type):
                volume = Volume.from_event(event).level
            elif Configure.is_type(event.type):
                wanted = Configure.from_event(event)
                muted = muted if wanted.muted is None else wanted.muted
                active = active if wanted.wake_words is None else set(wanted.wake_words)
                known = tuple(WakeWordStatus(word, word, word in active) for word in words)
                await connection.write(Status(muted, volume, known))
            elif AudioStop.is_type(event.type):
                await connection.write(Played())

    async with await connect(house._settings.link.listen) as connection:
        await connection.write(introduce(Info().event(), Introduction(room, "1")))
        serving = asyncio.create_task(serve(connection))
        try:
            async with asyncio.timeout(5):
                while not any(one.name == room and one.wake_words for one in house.live.rooms()):
                    await asyncio.sleep(0.02)
            yield told
        finally:
            serving.cancel()
            await asyncio.gather(serving, return_exceptions=True)


async def bare_websocket(house, path):
    """Open a websocket from which nothing is read; return its writer."""
    host, port = house.web_address.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(
        f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n".encode()
    )
    await reader.readuntil(b"\r\n\r\n")
    return writer


async def ask(client, text="What is the capital of France?", **more):
    """Ask in writing; return the answer."""
    response = await client.post("/api/ask", json={"text": text, **more})
    assert response.status == 200
    return await response.json()


async def code_of(response, status):
    """Return the code of an error; its status is `status`."""
    told = await response.json()
    assert response.status == status, told
    assert set(told) == {"error"}
    assert set(told["error"]) == {"code", "text"}
    assert told["error"]["text"]
    return told["error"]["code"]


def wav(pcm=QUESTION, rate=16000, channels=1, width=2):
    """Return a wave file."""
    return wav_of(PcmFormat(rate, width, channels), pcm)


def pcm_in(body):
    """Return rate and samples of a wave file whose header may say that it goes on for ever."""
    assert body[:4] == b"RIFF"
    assert body[8:16] == b"WAVEfmt "
    rate = int.from_bytes(body[24:28], "little")
    return rate, np.frombuffer(body[body.index(b"data") + 8 :], "<i2")
