"""What engines are called on the page, as far as is known before they are loaded."""

from dataclasses import dataclass

from hub.config import Settings
from hub.engines.choices import THEIRS, is_elsewhere, llm_model, public_name, stt_model
from hub.engines.parler.voices import CHECKPOINTS

_TITLES = {"parler": "Parler-TTS", "piper": "Piper"}


@dataclass(frozen=True, slots=True)
class Named:
    """An engine and its model, in words.

    Args:
        engine: what computes; "" where only its role is known.
        model: which model; "" where that is not known, or it has but one.
        device: where it will run; "" where that is known only once it is loaded.
    """

    engine: str
    model: str
    device: str

    def told(self, loaded: str = "") -> str:
        """Return both, with the name that the engine gives itself once it is `loaded`."""
        engine = self.engine if "://" in loaded else loaded or self.engine
        return " · ".join(dict.fromkeys(filter(None, (_TITLES.get(engine, engine), self.model))))

    def where(self, loaded: str | None = None) -> str:
        """Return where it runs: what the engine says once it is `loaded`; a server by its address.

        (A server of ours may say that it has a graphics card, which is not this machine's.)
        """
        return self.device if "://" in self.device or loaded is None else loaded


def named(role: str, settings: Settings) -> Named:
    """Return how the engine of a role is called that these settings choose.

    Args:
        role: "stt", "llm", "tts", "turn" or another.
        settings: the hub's, or a stand-in's.
    """
    engine, model = "", ""
    device: str = "cpu"
    match role:
        case "stt":
            engine, model, device = settings.stt.engine, stt_model(settings), settings.stt.device
        case "llm":
            engine, model = settings.llm.engine, llm_model(settings.llm)
            device = "cpu" if not settings.llm.gpu_layers else ""
        case "tts":
            engine, model = settings.tts.engine, settings.tts.model or ""
            device = "cpu" if engine == "hibari" else ""
            if engine == "parler":
                model = model or CHECKPOINTS[0]
        case "turn":
            model = settings.turn.model
    if is_elsewhere(engine):
        device = engine
        engine = "OpenAI-compatible server" if role == "llm" else "Wyoming server"
        model = "" if model == THEIRS else model
    elif device == "auto":
        device = ""
    return Named(engine, public_name(model), device)
