"""What engines that run as their own Wyoming processes say beyond Wyoming.

They are additional keys in the data of standard events, that a stock peer ignores:

- `info`: each program of `tts` and of `asr` has `parlour` (`VoiceFacts`);
- `synthesize`: `description`, how the voice is to sound, in words;
- `transcribe`: `draft`, that somebody is still speaking and the quickest try will do;
- `transcript`: `no_speech_prob`, `avg_logprob`, `compression_ratio`, Whisper's measures of how sure
  it is;
- `error`: `code` is one of `ERRORS`.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

DESCRIPTION = "description"
DRAFT = "draft"
FACTS = "parlour"

ErrorCode = Literal["bad-input", "busy", "unavailable", "failed"]
"""`bad-input`: this cannot be worked on, and the engine is well; `busy`: it has too much to do;
`unavailable`: it is not loaded; `failed`: it is to be restarted."""


class VoiceFacts(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a text-to-speech engine says of itself; of speech-to-text only device, note, loading.

    Args:
        describable: whether its voices can be described in words.
        clause_letters: how many letters a clause should have at least and at most.
        device: where it computes, "cpu" or "cuda".
        note: what people should know of that; "" for nothing.
        real_time_factor: seconds of computing for one second of speech, as last measured; None
            where it was not.
        first_audio: seconds from a text to the first of its sound; None where not measured.
        loading: whether it is still loading: `installed` is true all the same where its voices are
            known, since Home Assistant asks once and forgets what is not installed.
    """

    describable: bool = False
    clause_letters: tuple[int, int] = (1, 400)
    device: str = ""
    note: str = ""
    real_time_factor: float | None = None
    first_audio: float | None = None
    loading: bool = False


def facts_of(program: object) -> VoiceFacts | None:
    """Return what a program of an `info` says of itself beyond Wyoming; None where it does not.

    Args:
        program: one of the objects under the keys `tts` and `asr` of the event's data, as it came.
    """
    facts: Any = program.get(FACTS) if isinstance(program, dict) else None
    try:
        return msgspec.convert(facts, VoiceFacts)
    except msgspec.ValidationError:
        return None
