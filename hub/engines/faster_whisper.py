"""Whisper through faster-whisper (CTranslate2)."""

import logging
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from hub.engines import importing
from hub.engines.base import BadInput, EngineError, EngineUnavailable, Transcript
from hub.engines.gpu import look, memory_text, obstacle
from hub.engines.gpu_libraries import ctranslate2_library
from hub.engines.thread import EngineThread
from hub.engines.whisper_window import Hypothesis, ShortWindow, fits, hotwords, most_tokens
from protocol.audio import SPEECH, to_float32

# Whisper may stop in mid-sound, where another voice begins, say. With timestamps it says where,
# and faster-whisper goes on from there: measured on 1400 words in recordings of up to a minute, cut
# into windows, 5.2 % of the words are wrong with and 6.8 % without. Short sound is over by then,
# and without them it is quicker, and better in noise: 8.0 % against 8.9 %.
_LONG = 12.0  # seconds
_LEAST = 0.1  # second; nobody says a word in less
_TIMEOUT = 60.0  # seconds for one transcription; beyond it the engine counts as hung
_CPU_TYPE = "int8"  # where the type that is meant for a GPU is none of the processor's

_LOGGER = logging.getLogger(__name__)

T = TypeVar("T")


class FasterWhisper:
    """Transcribes one utterance at a time.

    Args:
        model: folder of a CTranslate2 Whisper model.
        device: "cpu"; "cuda", which falls back to the processor where it must, and says so in
            `note`; or "auto", which also takes it for right that a machine has no GPU.
        compute_type: as CTranslate2 names them, "int8" on a CPU.
        threads: CPU threads; 0 takes every core.
        beam_size: hypotheses; measured, 1 takes a sixth less time than 5, and 1 to 3 words of 100
            more are wrong.
        languages: ISO 639-1 codes that are wanted of it, the most probable one first.
    """

    name = "faster-whisper"
    device = "cpu"
    note = ""

    def __init__(
        self,
        model: Path,
        *,
        device: str = "cpu",
        compute_type: str = "int8",
        threads: int = 0,
        beam_size: int = 5,
        languages: tuple[str, ...] = ("en",),
    ) -> None:
        self.languages = languages
        self._model_path = model
        self._device = device
        self._compute_type = compute_type
        self._threads = threads or os.cpu_count() or 1
        self._beam_size = beam_size
        self._thread = EngineThread("faster-whisper")
        self._model: Any = None

    async def load(self) -> None:
        """Load the model and transcribe one second of silence, since the first call is slow.

        Where it is to compute on a GPU and cannot, it does on the processor; see `note`.

        Raises:
            EngineUnavailable: the library or the model is missing, or it knows English alone and
                another language is wanted.
            EngineError: the model does not load.
        """
        self._model = await self._thread.run(self._load, timeout=300)

    def _load(self) -> Any:
        try:
            with importing:
                from faster_whisper import WhisperModel
        except ImportError as exc:
            raise EngineUnavailable(f"faster-whisper: {exc}; install the extra 'hub'") from exc
        if not self._model_path.is_dir():
            raise EngineUnavailable(f"faster-whisper: no folder {self._model_path}")
        model = None
        if self._device != "cpu":
            model = self._open_on_gpu(WhisperModel)
        if model is None:
            self.device = "cpu"
            model = self._open_on_cpu(WhisperModel)
        if not model.model.is_multilingual and self.languages != ("en",):
            raise EngineUnavailable(
                f"faster-whisper: {self._model_path} knows English alone, "
                f"not {', '.join(self.languages)}; set stt.model"
            )
        return model

    def _open_on_cpu(self, whisper: Any) -> Any:
        """(thread) Load the model, and use it once."""
        compute_type = self._compute_type
        if self._device != "cpu":  # what it was told is meant for a GPU
            import ctranslate2

            known = {"default", "auto", *ctranslate2.get_supported_compute_types("cpu")}
            compute_type = compute_type if compute_type in known else _CPU_TYPE
        try:
            return self._open(whisper, "cpu", compute_type)
        except (RuntimeError, ValueError, OSError) as exc:
            raise EngineError(f"faster-whisper: {self._model_path} does not load: {exc}") from exc

    def _open_on_gpu(self, whisper: Any) -> Any:
        """(thread) Load the model, and use it once; None where that cannot be, and `note` why."""
        report = look()
        if self._device == "auto" and not report.present:
            return None
        library = ctranslate2_library()
        why = report.problem
        if not why and library is not None:
            why = obstacle(library, report.gpus[0])
        if not why:
            try:
                model = self._open(whisper, "cuda", self._compute_type)
            except (RuntimeError, ValueError, OSError) as exc:
                why = _reason(exc)
            else:
                self.device = "cuda"
                return model
        self.note = f"on the processor, not on the GPU: {why}"
        _LOGGER.warning("speech-to-text runs %s", self.note)
        return None

    def _open(self, whisper: Any, device: str, compute_type: str) -> Any:
        model = whisper(
            str(self._model_path),
            device=device,
            compute_type=compute_type,
            cpu_threads=self._threads,
            local_files_only=True,
        )
        if model.model.is_multilingual or self.languages == ("en",):  # or it is not used at all
            # CUDA's libraries are loaded, and its memory is taken, when it first computes.
            silence = np.zeros(SPEECH.rate, np.float32)
            _short(model, silence, self.languages[:1], (), self._beam_size)
            _whole(model, silence, self.languages[:1], (), self._beam_size)
        return model

    async def close(self) -> None:
        """Free the model."""
        self._model = None
        await self._thread.close()

    async def transcribe(
        self, pcm: bytes, *, language: str, bias: Sequence[str] = (), draft: bool = False
    ) -> Transcript:
        """Return what was said in 16 kHz mono 16-bit `pcm`; any length.

        Args:
            pcm: the sound.
            language: one of `languages`, or "" for whichever of them it is.
            bias: names and terms that may be said.
            draft: one quick try, however unsure.

        Raises:
            BadInput: a language that the model does not know, or half a sample.
            EngineUnavailable: not loaded.
            EngineError: the model failed or hangs.
        """
        if self._model is None:
            raise EngineUnavailable("faster-whisper is not loaded")
        if language and language not in self.languages:
            raise BadInput(f"faster-whisper: this model does not know {language!r}")
        if len(pcm) % 2:
            raise BadInput(f"faster-whisper: {len(pcm)} bytes are no whole number of samples")
        model, samples = self._model, to_float32(pcm)
        among = (language,) if language else self.languages
        seconds = len(samples) / SPEECH.rate
        if seconds < _LEAST:
            return Transcript("", among[0], no_speech_prob=1.0)
        beam_size = 1 if draft else self._beam_size
        if seconds <= _LONG or (draft and fits(seconds)):
            found = await self._run(lambda: _short(model, samples, among, bias, beam_size))
            if draft or found.sure:
                return found.transcript
            among = (found.transcript.language,)
        # Another call, so that others come in between, and whoever has gone costs no more of it.
        return await self._run(lambda: _whole(model, samples, among, bias, beam_size))

    async def _run(self, call: Callable[[], T]) -> T:
        try:
            return await self._thread.run(call, timeout=_TIMEOUT)
        except EngineError:
            raise
        except Exception as exc:  # CTranslate2 has no base class of its errors
            raise EngineError(f"faster-whisper: {exc}") from exc


def _reason(error: Exception) -> str:
    """(thread) Say why the GPU cannot be used, and what to do."""
    text = str(error)
    if "out of memory" not in text.lower():
        return f"{text}; see docs/gpu.md"
    gpus = look().gpus
    left = f" ({memory_text(gpus[0])})" if gpus else ""
    return f"not enough of its memory is free{left}; see what uses it, or choose a smaller model"


def _short(
    model: Any,
    samples: NDArray[np.float32],
    among: Sequence[str],
    bias: Sequence[str],
    beam_size: int,
) -> Hypothesis:
    """(thread) Hear the sound in a window of its own length."""
    window = ShortWindow(model, samples)
    return window.write(window.language(among), bias, beam_size)


def _whole(
    model: Any,
    samples: NDArray[np.float32],
    among: Sequence[str],
    bias: Sequence[str],
    beam_size: int,
) -> Transcript:
    """(thread) Hear the sound in windows of 30 s."""
    seconds = len(samples) / SPEECH.rate
    long = seconds > _LONG
    language = among[0] if len(among) == 1 else _language(model, samples, among)
    # A numpy array and never a path: faster-whisper 1.2.1 cannot decode files with av >= 19.
    segments, _ = model.transcribe(
        samples,
        language=language,
        beam_size=beam_size,
        temperature=0.0,  # no retries at higher temperatures: they cost seconds and invent text
        condition_on_previous_text=False,
        without_timestamps=not long,
        # hub.conversation.nonsense judges, with all measures in view; of long sound faster-whisper
        # leaves out what is no speech, such as the pause behind the last timestamp.
        no_speech_threshold=0.6 if long else None,
        log_prob_threshold=-1.0 if long else None,
        compression_ratio_threshold=None,
        hotwords=hotwords(bias),
        # Noise may make it repeat itself up to the end of its context, for seconds on a CPU.
        max_new_tokens=None if long else _most(model, seconds, bias),
    )
    parts = list(segments)
    if not parts:
        return Transcript("", language, no_speech_prob=1.0)
    return Transcript(
        " ".join(part.text.strip() for part in parts).strip(),
        language,
        no_speech_prob=min(part.no_speech_prob for part in parts),
        avg_logprob=min(part.avg_logprob for part in parts),
        compression_ratio=max(part.compression_ratio for part in parts),
    )


def _most(model: Any, seconds: float, bias: Sequence[str]) -> int:
    """Return what faster-whisper is to be told, so that `most_tokens` may come of it."""
    prompt = 4 + (model.max_length // 2 if bias else 0)  # at most
    return int(min(2 * most_tokens(seconds), model.max_length - prompt))


def _language(model: Any, samples: NDArray[np.float32], among: Sequence[str]) -> str:
    """(thread) Return the most probable one of some languages, by the beginning of long sound."""
    return ShortWindow(model, samples[: round(_LONG * SPEECH.rate)]).language(among)
