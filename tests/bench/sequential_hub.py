"""A hub that does one thing after the other, to measure against: same models, threads and wire.

`python -m sequential_hub --config hub.toml` drives satellites that dial in. It waits for 0.8 s of
silence by the same Silero, transcribes with faster-whisper's own defaults (its whole window of
30 s), lets the same language model write the whole reply to the same prompt, has the same voice
speak all of it, and then sends it. It remembers the conversation as the hub does, so the prompts
are as long. Everything is warm: models loaded, the system prompt in the cache.

For each turn it prints one line of JSON: moments on the monotonic clock.
"""

import argparse
import asyncio
import json
import os
import time
from contextlib import aclosing
from pathlib import Path
from typing import Any

from wyoming.asr import Transcribe, Transcript
from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.error import Error
from wyoming.event import Event
from wyoming.pipeline import RunPipeline
from wyoming.satellite import RunSatellite
from wyoming.tts import Synthesize
from wyoming.vad import VoiceStarted, VoiceStopped
from wyoming.wake import Detection

from hub.config import Settings, load_settings
from hub.conversation.memory import Exchange, Memory
from hub.conversation.prompt import DEFAULT_PERSONA, system_prompt
from hub.conversation.speakable import Speakable
from hub.conversation.wake_phrase import strip_wake_phrase
from hub.engines.base import VAD_FRAME_BYTES, VAD_FRAME_SECONDS, Message
from hub.engines.choices import stt_model
from hub.engines.registry import make_llm, make_tts, make_vad
from hub.models.fetch import path_of
from protocol.audio import SPEECH, Chunker, to_float32
from protocol.connection import Connection, Limits
from protocol.transport import serve

SILENCE = 0.8  # seconds
NO_SPEECH = 6.0
RESIDUE = 0.45  # seconds of speech at once that are the wake word's tail
BEAMS = 5  # faster-whisper's own default
PIECE = 0.5  # seconds of speech in one event; all of them are sent at once


class Models:
    """Those of the hub, made from the same settings."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.llm, self.tts, self.vad = make_llm(settings), make_tts(settings), make_vad(settings)
        self.system = Message(
            "system", system_prompt(settings.llm.persona or DEFAULT_PERSONA, settings.name)
        )
        self._whisper: Any = None

    async def load(self) -> None:
        for engine in (self.vad, self.tts, self.llm):
            await engine.load()
        await self.llm.prefill("", [self.system])
        self._whisper = await asyncio.to_thread(self._load_whisper)
        await self.transcribe(bytes(SPEECH.bytes_for(1.0)))  # the first call is slow

    def _load_whisper(self) -> Any:
        from faster_whisper import WhisperModel

        stt = self.settings.stt
        threads = stt.threads or len(os.sched_getaffinity(0))
        folder = str(path_of(stt_model(self.settings)))
        return WhisperModel(
            folder, device=stt.device, compute_type=stt.compute_type, cpu_threads=threads
        )

    async def transcribe(self, pcm: bytes) -> str:
        def work() -> str:
            segments, _ = self._whisper.transcribe(
                to_float32(pcm), language=self.settings.language, beam_size=BEAMS
            )
            return " ".join(segment.text.strip() for segment in segments)

        return await asyncio.to_thread(work)

    async def write(self, messages: list[Message]) -> str:
        most = self.settings.llm.max_reply_tokens
        async with aclosing(self.llm.generate("sequential", messages, max_tokens=most)) as pieces:
            return "".join([piece async for piece in pieces]).strip()

    async def speak(self, text: str) -> bytes:
        words = Speakable(self.settings.language).push(text) or "I have no answer."
        async with aclosing(self.tts.synthesize(words)) as pieces:
            return b"".join([piece async for piece in pieces])


class Listener:
    """Takes one turn's sound until SILENCE after speech, or NO_SPEECH without."""

    def __init__(self, models: Models) -> None:
        self._stream = models.vad.stream()
        self._threshold = models.settings.turn.speech_threshold
        self._frames = Chunker(VAD_FRAME_BYTES)
        self._count = 0
        self._first: int | None = None
        self._last = 0
        self.pcm = b""
        self.marks = {"listening": time.monotonic()}
        self.over = self.spoken = False

    async def push(self, pcm: bytes) -> None:
        self.pcm += pcm
        for frame in self._frames.push(pcm):
            await self._look(frame)

    async def _look(self, frame: bytes) -> None:
        voiced = await self._stream.probability(frame) >= self._threshold
        self._count += 1
        if voiced:
            self._first = self._count if self._first is None else self._first
            self._last = self._count
            self.marks["speech_end"] = time.monotonic()
            return
        quiet = (self._count - self._last) * VAD_FRAME_SECONDS
        if self._first is None:
            self.over = self._count * VAD_FRAME_SECONDS >= NO_SPEECH
        elif quiet >= SILENCE:
            if (self._last - self._first + 1) * VAD_FRAME_SECONDS <= RESIDUE:
                self._first = None
            else:
                self.over = self.spoken = True


class Conversation:
    """One satellite; everything happens in the one task that reads from it."""

    def __init__(self, connection: Connection, models: Models) -> None:
        self._connection = connection
        self._models = models
        memory = models.settings.memory
        self._memory = Memory(memory.budget, memory.forget_after)
        self._listener: Listener | None = None
        self._phrase: str | None = None

    async def run(self) -> None:
        await self._connection.read()  # its introduction
        await self._connection.write(RunSatellite().event())
        async for event in self._connection:
            await self._handle(event)

    async def _handle(self, event: Event) -> None:
        if Detection.is_type(event.type):
            self._phrase = Detection.from_event(event).name
        elif RunPipeline.is_type(event.type):
            self._listener = Listener(self._models)
            await self._connection.write(Transcribe(language=self._models.settings.language))
            await self._connection.write(VoiceStarted())
        elif AudioChunk.is_type(event.type) and self._listener is not None:
            await self._listener.push(AudioChunk.from_event(event).audio)
            if self._listener.over:
                listener, self._listener = self._listener, None
                await self._answer(listener)

    async def _answer(self, listener: Listener) -> None:
        models, connection, marks = self._models, self._connection, listener.marks

        def mark(name: str) -> None:
            marks[name] = time.monotonic()

        mark("end_of_turn")
        await connection.write(VoiceStopped())
        heard = await models.transcribe(listener.pcm) if listener.spoken else ""
        text = strip_wake_phrase(heard, self._phrase)
        mark("transcript")
        if not text:
            await connection.write(Error("nothing was said", "stt-no-text-recognized"))
            return
        await connection.write(Transcript(text=text))
        said = Message("user", text)
        reply = await models.write([models.system, *self._memory.messages(), said])
        mark("reply")
        pcm = await models.speak(reply)
        mark("speech")
        form = models.tts.format
        shape = {"rate": form.rate, "width": form.width, "channels": form.channels}
        await connection.write(AudioStart(**shape))
        await connection.write(Synthesize(text=reply))
        for piece in [*(cut := Chunker(form.bytes_for(PIECE))).push(pcm), cut.flush()]:
            await connection.write(AudioChunk(**shape, audio=piece))
        await connection.write(AudioStop())
        mark("sent")
        self._memory.add(Exchange(text, reply))
        print("turn: " + json.dumps({"marks": marks, "said": text, "reply": reply}), flush=True)


async def main(config: Path) -> None:
    models = Models(load_settings(config))
    await models.load()

    async def handle(connection: Connection) -> None:
        await Conversation(connection, models).run()

    limits = Limits(idle_timeout=8.0)
    server = await serve("tcp://127.0.0.1:0", handle, limits=limits, heartbeat=2.0)
    print(f"satellites on {server.uri}", flush=True)
    try:
        await asyncio.Event().wait()  # no time-out: until it is killed
    finally:
        await server.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--config", type=Path, required=True)
    asyncio.run(main(parser.parse_args().config))
