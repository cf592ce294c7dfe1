"""What is known of Parler's checkpoints without loading one; imports no model library."""

VOICES: tuple[str, ...] = (
    *("Jon", "Lea", "Gary", "Jenna", "Mike", "Laura", "Karen", "Rick", "Brenda", "David"),
    *("Eileen", "Jordan", "Yann", "Joy", "James", "Eric", "Lauren", "Rose", "Will", "Jason"),
    *("Aaron", "Naomie", "Alisa", "Patrick", "Jerry", "Tina", "Tom", "Carol", "Barbara", "Rebecca"),
    *("Anna", "Bruce", "Emily", "Bill"),
)
"""The speakers that the checkpoints were trained with by name; the most consistent ones first
(huggingface/parler-tts, README)."""

CHECKPOINTS = (
    "parler-tts-mini-v1",
    "parler-tts-mini-v1.1",
    "parler-tts-tiny-v1",
    "parler-tts-large-v1",
    "parler-tts-mini-multilingual-v1.1",
)
"""Those known by name, the default first."""

_MANY = ("en", "fr", "es", "pt", "pl", "de", "it", "nl")


def languages_of(checkpoint: str) -> tuple[str, ...]:
    """Return the languages that a checkpoint speaks, by its name or folder."""
    return _MANY if "multilingual" in checkpoint.lower() else ("en",)
