"""`parlour-hub ask`, `say` and `transcribe`: one step alone, without a server."""

import sys
from contextlib import aclosing
from pathlib import Path

from hub.config import Settings
from hub.conversation.clauses import ClauseSplitter
from hub.conversation.honesty import missing_ability
from hub.conversation.prompt import DEFAULT_PERSONA, system_prompt
from hub.conversation.reply import write_reply
from hub.conversation.speakable import Speakable
from hub.conversation.turn import Turn
from hub.conversation.voice import Voice
from hub.engines.base import Message
from hub.engines.registry import make_llm, make_stt, make_tts
from protocol.audio import SPEECH, Converter, WavWriter, read_wav


async def transcribe(settings: Settings, path: Path) -> int:
    """Print what is said in a wave file of any rate, width and channel count."""
    sound = _sound_of(path)
    stt = make_stt(settings)
    try:
        await stt.load()
        print((await stt.transcribe(sound, language=settings.language)).text)
    finally:
        await stt.close()
    return 0


def _sound_of(path: Path) -> bytes:
    form, pcm = read_wav(path)
    converter = Converter(form, SPEECH)
    return converter.process(pcm) + converter.flush()


async def say(settings: Settings, text: str, path: Path) -> int:
    """Speak `text` into a wave file; 1 if there is nothing in it that can be said."""
    if not Speakable(settings.language).push(text):
        print("parlour-hub: there is nothing in this text that can be said", file=sys.stderr)
        return 1
    tts = make_tts(settings)
    try:
        await tts.load()
        splitter = ClauseSplitter(least=tts.clause_letters[0])
        speakable, voice = Speakable(settings.language), Voice.of(tts, settings.tts)
        clauses = [speakable.push(clause) for clause in [*splitter.push(text), *splitter.flush()]]
        with WavWriter(path, tts.format) as wav:
            for clause in filter(None, clauses):
                async with aclosing(voice.say(clause)) as speech:
                    async for pcm in speech:
                        wav.write(pcm)
    finally:
        await tts.close()
    print(f"wrote {path}", file=sys.stderr)
    return 0


async def ask(settings: Settings, text: str) -> int:
    """Print the reply to `text` as it is written, with the same checks as a spoken turn."""
    if not text.strip():
        print("parlour-hub: there is nothing to answer in an empty text", file=sys.stderr)
        return 1
    if (answer := missing_ability(text)) is not None:  # known before a model is loaded
        print(answer)
        return 0
    llm = make_llm(settings)
    persona = settings.llm.persona or DEFAULT_PERSONA
    messages = [Message("system", system_prompt(persona, settings.name)), Message("user", text)]
    try:
        await llm.load()
        async with aclosing(
            write_reply(
                Turn("ask"),
                llm,
                messages,
                max_tokens=settings.llm.max_reply_tokens,
                name=settings.name,
            )
        ) as reply:
            async for clause in reply:
                print(clause.strip(), end=" ", flush=True)
        print()
    finally:
        await llm.close()
    return 0
