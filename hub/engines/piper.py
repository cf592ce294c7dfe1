"""Piper, for its many languages; runs in an environment of its own (`make piper`): it is GPL-3."""

import asyncio
import json
import logging
import time
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

from hub.config import TtsSettings
from hub.engines.base import BadInput, EngineUnavailable, Speed
from hub.engines.choices import PIPER_VOICE
from hub.engines.thread import EngineThread
from hub.models.catalogue import load_catalogue
from hub.models.fetch import ModelMissing, path_of
from protocol.audio import BadFormat, PcmFormat

_PIECE_SECONDS = 0.25
_LOAD_TIMEOUT = 120.0  # seconds
_TIMEOUT = 30.0  # seconds for one sentence
_WARM = ("1.", "1, 2, 3, 4.")  # what all languages can say; the second is measured


class Piper:
    """A Piper voice, spoken a sentence at a time.

    Args:
        settings: [tts]; `model` is a voice of the catalogue or an .onnx file with its .onnx.json
            beside it, `voice` one of its speakers.

    Raises:
        EngineUnavailable: the model is missing; says what to do.
    """

    name = "piper"
    device = "cpu"
    note = ""
    describable = False
    clause_letters = (1, 400)

    def __init__(self, settings: TtsSettings) -> None:
        self._path = _file_of(settings.model or PIPER_VOICE)
        self._threads = settings.threads
        self._wanted = settings.voice
        self._speakers: dict[str, int | None] = {self._path.stem: None}
        self.voices: tuple[str, ...] = (self._path.stem,)
        self.languages: tuple[str, ...] = ()
        self.format = PcmFormat(22050, 2, 1)
        self.speed: Speed | None = None
        self._thread = EngineThread("piper")
        self._model: Any = None

    async def load(self) -> None:
        """Load the voice, warm it up and measure it.

        Raises:
            EngineUnavailable: the library is missing or broken, the file is no voice, or it lacks
                the speaker.
            EngineError: it takes too long.
        """
        self._model = await self._thread.run(self._load, timeout=_LOAD_TIMEOUT)

    def _load(self) -> Any:
        """(thread) Return the voice."""
        # It tells what it is given to say, to whoever wants to debug it.
        logging.getLogger("piper").setLevel(logging.INFO)
        try:
            import onnxruntime
            from piper import PiperConfig, PiperVoice
        except ImportError as exc:
            raise EngineUnavailable(f"piper: {exc}; run: make piper") from exc
        described = Path(f"{self._path}.json")
        try:
            config = json.loads(described.read_text())
            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = self._threads
            session = onnxruntime.InferenceSession(
                str(self._path), sess_options=options, providers=["CPUExecutionProvider"]
            )
            model = PiperVoice(
                session=session,
                config=PiperConfig.from_dict(config),
                download_dir=self._path.parent,
            )
            self.format = PcmFormat(model.config.sample_rate, 2, 1)
            self.languages = (_language_of(config),)
            self._take_speakers(dict(model.config.speaker_id_map))
            for text in _WARM:
                self.speed = self._measure(model, text)
        except EngineUnavailable:
            raise
        except OSError as exc:
            raise EngineUnavailable(
                f"piper: {exc.filename}: {exc.strerror}; see tts.model"
            ) from exc
        except (ValueError, KeyError, TypeError, AttributeError, BadFormat) as exc:
            raise EngineUnavailable(f"piper: {described.name} describes no voice: {exc!r}") from exc
        except Exception as exc:  # onnxruntime's errors, and of what speaks Chinese, say
            raise EngineUnavailable(f"piper: {self._path.name} does not speak: {exc}") from exc
        return model

    def _take_speakers(self, ids: dict[str, int]) -> None:
        if len(ids) > 1:
            self._speakers = {name: ids[name] for name in sorted(ids, key=lambda name: ids[name])}
        wanted = self._wanted or next(iter(self._speakers))
        if wanted not in self._speakers:
            known = ", ".join(list(self._speakers)[:20])
            raise EngineUnavailable(
                f"tts.voice: {self._path.stem} has no {wanted!r}, only: {known}"
            )
        self.voices = (wanted, *(name for name in self._speakers if name != wanted))

    def _measure(self, model: Any, text: str) -> Speed:
        """(thread) Say something to nobody."""
        began = time.monotonic()
        much = sum(map(len, self._sentences(model, text, self.voices[0])))
        took = time.monotonic() - began
        if not much:
            raise EngineUnavailable(f"piper: {self._path.stem} says nothing")
        return Speed(took / self.format.seconds(much), took)

    def _sentences(self, model: Any, text: str, voice: str) -> Iterator[bytes]:
        """(thread) Return the sound of each sentence, which is made when it is asked for."""
        from piper import SynthesisConfig

        config = model.config
        how = SynthesisConfig(
            speaker_id=self._speakers[voice],
            length_scale=config.length_scale,
            noise_scale=config.noise_scale,
            noise_w_scale=config.noise_w_scale,
        )
        return (chunk.audio_int16_bytes for chunk in model.synthesize(text, how))

    async def close(self) -> None:
        """Free the model."""
        self._model = None
        await self._thread.close()

    async def synthesize(
        self, text: str, *, voice: str | None = None, description: str = ""
    ) -> AsyncGenerator[bytes]:
        """Yield the speech of one clause in pieces of 0.25 s, each sentence once it is made.

        Raises:
            BadInput: an unknown voice.
            EngineUnavailable: not loaded.
            EngineError: the model failed or hangs.
        """
        if self._model is None:
            raise EngineUnavailable("piper is not loaded")
        if voice is not None and voice not in self._speakers:
            raise BadInput(f"piper: no voice {voice!r}")
        sentences = self._sentences(self._model, " ".join(text.split()), voice or self.voices[0])
        size = self.format.bytes_for(_PIECE_SECONDS)
        async with aclosing(self._thread.each(sentences, timeout=_TIMEOUT)) as made:
            async for pcm in made:
                for at in range(0, len(pcm), size):
                    yield pcm[at : at + size]
                    await asyncio.sleep(0)  # a long sentence must not hold the loop


def _file_of(model: str) -> Path:
    """Return the file of a voice: of the catalogue, or wherever it is."""
    if model in load_catalogue():
        try:
            return path_of(model) / f"{model}.onnx"
        except (ModelMissing, ValueError) as exc:
            raise EngineUnavailable(str(exc)) from exc
    path = Path(model).expanduser()
    for file in (path, Path(f"{path}.json")):
        if not file.is_file() or path.suffix != ".onnx":
            raise EngineUnavailable(
                f"tts.model: no voice {file}; name an .onnx file of Piper's with its .onnx.json "
                "beside it, or a voice of: parlour-hub models list"
            )
    return path


def _language_of(config: dict[str, Any]) -> str:
    """Return the ISO 639-1 code of a voice: its own word, or that of its phonemes."""
    code = config.get("language", {}).get("code") or config["espeak"]["voice"]
    return str(code).replace("_", "-").partition("-")[0].lower()
