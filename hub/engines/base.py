"""What every engine of a role promises, whatever library or machine is behind it.

All engines are asynchronous and cancellable. Blocking model code runs on the engine's own
thread (`hub.engines.thread`), never on the event loop.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

from protocol.audio import PcmFormat


class EngineError(Exception):
    """An engine failed at its work; the turn ends, the engine is restarted."""


class BadInput(EngineError):
    """This input cannot be worked on; the engine is well and goes on."""


class TooLong(BadInput):
    """A prompt has more tokens than the model has place for.

    Args:
        tokens: of the prompt.
        place: for it.
    """

    def __init__(self, tokens: int, place: int) -> None:
        super().__init__(
            f"{tokens} tokens do not fit into the context of {place}; raise llm.context_tokens"
        )
        self.tokens = tokens
        self.place = place


class EngineBusy(EngineError):
    """An engine has too much to do for others; it is well and goes on."""


class EngineUnavailable(EngineError):
    """An engine is not loaded (yet, or any more); the message says why and what to do."""


class Engine(Protocol):
    """What all engines share.

    Attributes:
        name: what it is called.
        device: where it computes: "cpu", "cuda", or the address of another machine.
        note: what people should know of that, for example that it fell back to the processor and
            why; "" for nothing. It holds from `load` on.
    """

    name: str
    device: str
    note: str

    async def load(self) -> None:
        """Load and warm up the model.

        Raises:
            EngineUnavailable: the library or the model is missing; says what to do.
            EngineError: the model could not be loaded.
        """

    async def close(self) -> None:
        """Free the model; the engine is not used again."""


@runtime_checkable
class Elsewhere(Protocol):
    """An engine in another process or on another machine, which may go without being asked."""

    async def lost(self) -> EngineError:
        """Wait until the loaded engine is gone for good; say why. The caller closes it."""


@dataclass(frozen=True, slots=True)
class Transcript:
    """What was said, and how sure the model is of it.

    `no_speech_prob` (0..1), `avg_logprob` (per token) and `compression_ratio` are Whisper's own
    measures; an engine that has none of them reports 0.0, 0.0 and 1.0.
    """

    text: str
    language: str
    no_speech_prob: float = 0.0
    avg_logprob: float = 0.0
    compression_ratio: float = 1.0


class SpeechToText(Engine, Protocol):
    """Sound to words."""

    languages: tuple[str, ...]

    async def transcribe(
        self, pcm: bytes, *, language: str, bias: Sequence[str] = (), draft: bool = False
    ) -> Transcript:
        """Return what was said.

        Args:
            pcm: 16 kHz mono 16-bit samples.
            language: ISO 639-1 code; one of `languages`.
            bias: names and terms that may be said, most important first; a hint and no more.
            draft: somebody is still speaking: the quickest try will do.

        Raises:
            BadInput: another language, or half a sample.
            EngineError: the model failed or hangs.
        """


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a conversation, as chat models know it."""

    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(slots=True)
class GenerationStats:
    """What one reply cost, in tokens; complete once the generation has ended.

    Args:
        prompt_tokens: of the prompt.
        reused_tokens: those of them that were in the cache.
        generated_tokens: of the reply.
        cut: whether it was ended by its length, and not by the model.
    """

    prompt_tokens: int = 0
    reused_tokens: int = 0
    generated_tokens: int = 0
    cut: bool = False


@dataclass(frozen=True, slots=True)
class Sampling:
    """How the words of a reply are chosen, where it is not left to the settings.

    Args:
        temperature: 0 always takes the likeliest word; None is as the settings have it.
        top_p: only among the likeliest words that have so much of the probability together.
        seed: the same again brings the same reply again; None takes chances.
        repeat: penalty for words that were there before, 1 for none; None is the engine's own.
        frequency: penalty for each time that a word was there before, in logits.
        presence: penalty for a word that was there before, in logits.
        grammar: what the reply must be, in GBNF (llama.cpp's grammars/README.md); "" for anything.
    """

    temperature: float | None = None
    top_p: float = 0.9
    seed: int | None = None
    repeat: float | None = None
    frequency: float = 0.0
    presence: float = 0.0
    grammar: str = ""


class Generation(Protocol):
    """A reply being written: iterate over its text; `aclose` stops the computation."""

    stats: GenerationStats

    def __aiter__(self) -> AsyncIterator[str]:
        """Iterate over pieces of text as the model writes them."""

    async def aclose(self) -> None:
        """Stop computing and return once nothing more will come."""


class LanguageModel(Engine, Protocol):
    """Words to a reply, with a prompt cache for each room.

    Attributes:
        model: the name of its model; of a server it is known from `load` on.
    """

    model: str

    async def prefill(
        self, room: str, messages: Sequence[Message], *, unfinished: bool = False
    ) -> None:
        """Compute the cache of a conversation's beginning, while there is time to.

        Args:
            room: "" for what all rooms' prompts begin with.
            messages: the beginning.
            unfinished: the last message goes on; it is still being spoken.
        """

    def generate(
        self,
        room: str,
        messages: Sequence[Message],
        *,
        max_tokens: int,
        sampling: Sampling | None = None,
        background: bool = False,
    ) -> Generation:
        """Begin a reply to `messages`, whose last one is the user's.

        Args:
            room: whose cache is used.
            messages: the conversation.
            max_tokens: the reply is cut there.
            sampling: how words are chosen; None is as the settings have it.
            background: nobody waits for it to speak: it makes way for replies that are spoken, in
                time and in the cache, and is cut where the context ends.
        """

    def forget(self, room: str) -> None:
        """Drop the room's cache (a new conversation, or a room that left)."""


@dataclass(frozen=True, slots=True)
class Speed:
    """How fast a voice speaks on this machine, as it was measured.

    Args:
        real_time_factor: seconds of computing for one second of speech; below 1 it keeps up.
        first_audio: seconds from a text to the first of its sound.
    """

    real_time_factor: float
    first_audio: float


class TextToSpeech(Engine, Protocol):
    """Words to sound.

    Attributes:
        languages: that it speaks, ISO 639-1.
        voices: their names, the default first.
        format: of its sound; it holds from `load` on.
        describable: whether its voices can be described in words.
        clause_letters: how many letters a clause should have at least, and at most, to be spoken
            well.
        speed: how fast it is; None where that was not measured, for it is fast.
    """

    languages: tuple[str, ...]
    voices: tuple[str, ...]
    format: PcmFormat
    describable: bool
    clause_letters: tuple[int, int]
    speed: Speed | None

    def synthesize(
        self, text: str, *, voice: str | None = None, description: str = ""
    ) -> AsyncGenerator[bytes, None]:
        """Yield the speech of one clause in `format`, as it is made; closing it stops the work.

        Args:
            text: the clause.
            voice: one of `voices`; None for the default.
            description: how the voice is to sound, in words; "" leaves it to the voice. Engines
                that are not `describable` take no notice.

        Raises:
            BadInput: an unknown voice.
            EngineError: the model failed or hangs.
        """


class VoiceActivityStream(Protocol):
    """The detector's memory of one stream of sound."""

    async def probability(self, frame: bytes) -> float:
        """Return the probability (0..1) of speech in the next 512 samples (16 kHz mono 16-bit).

        Raises:
            BadInput: more or fewer samples.
            EngineError: the model failed or hangs.
        """


class VoiceActivity(Engine, Protocol):
    """Where in the sound somebody speaks."""

    def stream(self) -> VoiceActivityStream:
        """Return a fresh detector for one stream."""


class EndOfTurn(Engine, Protocol):
    """Whether somebody who pauses has finished."""

    async def probability(self, pcm: bytes) -> float:
        """Return the probability (0..1) that the speaker has finished.

        Args:
            pcm: all that was heard of the utterance, 16 kHz mono 16-bit, up to and with the
                silence; the model hears the last 8 s of it.

        Raises:
            BadInput: half a sample.
            EngineError: the model failed or hangs.
        """


@dataclass(frozen=True, slots=True)
class WakeWordModel:
    """One wake word that an engine has, known without loading it.

    Args:
        name: its id in settings and events.
        phrase: what a person says.
        languages: the languages it was trained for.
        program: the kind of model behind it, "microwakeword" or "openwakeword".
    """

    name: str
    phrase: str
    languages: tuple[str, ...]
    program: str


@dataclass(frozen=True, slots=True)
class WakeDetection:
    """A wake word was heard.

    Args:
        name: the `WakeWordModel`'s name.
        position: samples of the stream's sound that had been heard when the model first was sure.
    """

    name: str
    position: int


class WakeWordStream(Protocol):
    """The detector's memory of one stream of sound."""

    async def process(self, pcm: bytes) -> list[WakeDetection]:
        """Hear the next 16 kHz mono 16-bit audio, any amount; return which wake words ended in it.

        Raises:
            EngineError: a model could not be loaded, failed or hangs.
        """

    async def close(self) -> None:
        """Free the stream's models and its place; may be called twice."""


class WakeWord(Engine, Protocol):
    """Hears wake words in other people's sound."""

    models: tuple[WakeWordModel, ...]  # those of the configured program first

    def stream(
        self, names: Sequence[str] | None = None, program: str | None = None
    ) -> WakeWordStream:
        """Return a fresh detector for one stream; it has its place until it is closed.

        Args:
            names: what to listen for; None for the configured words.
            program: whose models; None for the configured program's, and another's for names
                that it lacks.

        Raises:
            BadInput: no such name or program; says which there are.
            EngineBusy: as many streams as there may be are open already.
        """


VAD_FRAME_SAMPLES = 512
VAD_FRAME_BYTES = VAD_FRAME_SAMPLES * 2
VAD_FRAME_SECONDS = VAD_FRAME_SAMPLES / 16000
