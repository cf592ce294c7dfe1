"""From what was said to the speech of the reply: done in the home, or written clause by clause.

What is said is first understood as a command (`hub.home`); what is none, the language model
answers, writing and speaking at once. Both wait at a gate until the turn is confirmed: a command
before it is done, a reply before its first sound is played.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing, contextmanager
from dataclasses import dataclass
from datetime import datetime

from hub.config import Settings
from hub.conversation.memory import Memory
from hub.conversation.patience import NoAnswer, pieces_of
from hub.conversation.peer import Peer, PeerGone
from hub.conversation.prompt import DEFAULT_PERSONA, system_prompt
from hub.conversation.reply import write_reply
from hub.conversation.speakable import Speakable
from hub.conversation.speaking import Speaking
from hub.conversation.stages import LOADING_PATIENCE, Engines, Gate, Watcher
from hub.conversation.turn import Mark, Turn
from hub.engines.base import EngineError, LanguageModel, Message
from hub.home.base import Command, Home, HomeError, Place, Tools

_QUEUED_CLAUSES = 8
_DOING_TIMEOUT = 15.0  # seconds that something may take to be done
_TOOLS = "\N{WRENCH}"  # no room is called so
_NOT_DONE = "Sorry, that took too long. I don't know whether it was done."
NO_ANSWER = "Sorry, I have no answer to that."


class NothingToSay(Exception):
    """What was asked for is done, and wants no reply."""


@dataclass(frozen=True, slots=True)
class _Clause:
    """A clause on its way to the voice, with the revision that it belongs to."""

    revision: int
    text: str


class Answering:
    """Writes and speaks replies; holds no state of any of them.

    Args:
        engines: the models.
        settings: the hub's.
        speaking: says it aloud.
        watch: told of each clause that is written.
        home: does what is asked for; None where nothing can be done.
        clock: the local time.
    """

    def __init__(
        self,
        engines: Engines,
        settings: Settings,
        speaking: Speaking,
        watch: Watcher,
        home: Home | None = None,
        clock: Callable[[], datetime] = datetime.now,
    ) -> None:
        self._engines = engines
        self._settings = settings
        self._home = home
        self._clock = clock
        self._speaking = speaking
        self._watch = watch

    @property
    def system(self) -> Message:
        """What every prompt begins with."""
        settings = self._settings
        persona = settings.llm.persona or DEFAULT_PERSONA
        return Message("system", system_prompt(persona, settings.name))

    async def answer(self, turn: Turn, text: str, peer: Peer, memory: Memory, gate: Gate) -> None:
        """Do what `text` asks for, or write the reply to it, and speak it; returns when played.

        Nothing reaches `peer`, and nothing is done, before `gate` opens.

        Raises:
            PeerGone: the peer went.
            EngineError: an engine failed.
            NothingToSay: there is no reply.
        """
        place = Place(turn.room, last_reply=memory.last_reply)
        command = self._home.understand(text, place) if self._home is not None else None
        said = None
        if command is not None:
            if command.acts:
                await gate.wait(acts=True)
            said = await self._do(turn, command)
        if said is None and self._home is not None and self._home.asks and command is None:
            await self._ask_and_write(turn, text, place, peer, memory, gate)
        elif said is None:
            await self._write_aloud(turn, text, peer, memory, gate)
        else:
            await self._say_done(turn, peer, said, gate)
        await self._speaking.finish(turn, peer)

    async def _do(self, turn: Turn, command: Command) -> str | None:
        """Do what a command asks for; return what is said of it, None where it is not one."""
        try:
            with turn.span("act", provisional=True, detail=command.name):
                async with asyncio.timeout(_DOING_TIMEOUT):
                    said = await command.do()
        except HomeError as exc:
            said = str(exc)
        except TimeoutError:
            said = _NOT_DONE
        if said is not None:
            turn.record.intent = command.name
        return said

    async def written(
        self, turn: Turn, text: str, place: Place, memory: Memory
    ) -> AsyncGenerator[str]:
        """Do what `text` asks for, or write the reply to it: yield what is to be read, in clauses.

        Raises:
            EngineError: the language model failed.
        """
        said = None
        if self._home is not None:
            command = self._home.understand(text, place)
            if command is None and self._home.asks:
                command = self._asking(self._home, text, place)
            if command is not None:
                said = await self._do(turn, command)
            if said is None and (tool := await self._tool(turn, text, place)) is not None:
                said = await self._do(turn, tool)
        if said is not None:
            yield said
            return
        async with aclosing(self.reply(turn, text, memory)) as reply:
            async for clause in reply:
                yield clause

    @staticmethod
    def _asking(home: Home, text: str, place: Place) -> Command:
        """Return the command to ask the home's own intent engine."""
        return Command("HomeAssistant", acts=True, do=lambda: home.ask(text, place))

    async def _ask_and_write(
        self, turn: Turn, text: str, place: Place, peer: Peer, memory: Memory, gate: Gate
    ) -> None:
        """Have the model's reply ready while the home's own intent engine is asked.

        It acts, so it is asked once, when the turn is confirmed; its answer is the one that counts.
        """
        assert self._home is not None
        asked, ask = Gate(gate.hold), self._asking(self._home, text, place)

        async def choose_or_write() -> None:
            tool = await self._tool(turn, text, place)
            if tool is not None:
                await asked.wait()
                if (said := await self._do(turn, tool)) is not None:
                    await self._say_done(turn, peer, said, asked)
                    return
            await self._write_aloud(turn, text, peer, memory, asked)

        writing = turn.spawn(choose_or_write(), "write", provisional=True)
        writing.add_done_callback(lambda _: gate.hold())  # also if it failed
        try:
            await gate.opened()
            if (said := await self._do(turn, ask)) is None:
                asked.open()
                await writing
                return
        finally:
            writing.cancel()
            await asyncio.gather(writing, return_exceptions=True)  # a model stops within a token
        turn.forget_reply()
        await self._say_done(turn, peer, said, gate)

    async def _tool(self, turn: Turn, text: str, place: Place) -> Command | None:
        """Let the language model choose what is to be done about `text`; None for nothing.

        Raises:
            EngineError: the language model failed.
        """
        home, models = self._home, self._engines.llm
        if home is None or home.tools_for(text, place) is None:
            return None
        for again in (False, True):
            llm = await models.get(timeout=LOADING_PATIENCE)
            if (tools := home.tools_for(text, place)) is None:
                return None  # the model that works now is too small for that
            try:
                return tools.chosen(await self._choice(turn, llm, tools))
            except EngineError as exc:  # nothing is done yet
                if again or models.has(llm) or models.instead(llm, exc) is None:
                    raise
        return None

    async def _choice(self, turn: Turn, llm: LanguageModel, tools: Tools) -> str:
        """Return what the language model writes about what is to be done."""
        reply = ""
        # In a cache of its own, or the room would have to read its conversation again.
        room = f"{turn.room} {_TOOLS}"
        messages = [self.system, Message("user", tools.prompt)]
        generation = llm.generate(room, messages, max_tokens=tools.most_tokens)
        try:
            with self._reported(llm), turn.span("choose", provisional=True):
                async with aclosing(pieces_of(generation, "llm")) as pieces:
                    async for piece in pieces:
                        reply += piece
        finally:
            llm.forget(room)
        return reply

    async def _say_done(self, turn: Turn, peer: Peer, said: str, gate: Gate) -> None:
        """Say what came of a command."""
        turn.mark(Mark.FIRST_CLAUSE)
        if not (words := Speakable(self._settings.language).push(said)):
            await gate.wait()
            raise NothingToSay
        await self._speaking.say(turn, peer, said, words, gate)
        if not turn.playback.started:
            raise EngineError("tts: made no sound")

    async def _write_aloud(
        self, turn: Turn, text: str, peer: Peer, memory: Memory, gate: Gate
    ) -> None:
        """Write the reply to `text` and speak it, both at once; returns when all of it was sent.

        Where the model fails before anything was heard, and another one works, that one writes it.
        """
        models = self._engines.llm
        llm = await models.get(timeout=LOADING_PATIENCE)
        try:
            await self._write_and_speak(turn, text, peer, memory, gate)
        except EngineError as exc:
            if turn.playback.started or models.has(llm) or models.instead(llm, exc) is None:
                raise
            turn.forget_reply()
            await self._write_and_speak(turn, text, peer, memory, gate)

    async def _write_and_speak(
        self, turn: Turn, text: str, peer: Peer, memory: Memory, gate: Gate
    ) -> None:
        revision = turn.revision
        clauses: asyncio.Queue[_Clause | None] = asyncio.Queue(_QUEUED_CLAUSES)
        try:
            async with asyncio.TaskGroup() as stages:
                stages.create_task(self._think(turn, revision, text, memory, clauses))
                stages.create_task(self._speak(turn, peer, clauses, gate))
        except ExceptionGroup as group:
            # Two stages may fail at once: without a peer nothing else matters.
            for kind in (PeerGone, Exception):
                if (errors := group.subgroup(kind)) is not None:
                    raise errors.exceptions[0] from None
            raise
        if not turn.playback.started:
            raise EngineError("tts: made no sound")

    async def _think(
        self,
        turn: Turn,
        revision: int,
        text: str,
        memory: Memory,
        clauses: "asyncio.Queue[_Clause | None]",
    ) -> None:
        """Write the reply; put its clauses out one by one, and None behind the last."""
        async with aclosing(self.reply(turn, text, memory, place=turn.room)) as reply:
            async for clause in reply:
                turn.mark(Mark.FIRST_CLAUSE)
                self._watch(turn, "wrote", clause)
                await clauses.put(_Clause(revision, clause))
        await clauses.put(None)

    async def reply(
        self, turn: Turn, text: str, memory: Memory, *, place: str = ""
    ) -> AsyncGenerator[str]:
        """Yield the clauses of the reply, honest ones only; `place` is where they are, if known.

        Where the model fails before its first clause, and another one works, that one writes it.
        """
        models = self._engines.llm
        llm, begun = await models.get(timeout=LOADING_PATIENCE), False
        for again in (False, True):
            try:
                async with aclosing(self._reply(turn, llm, text, memory, place)) as reply:
                    async for clause in reply:
                        begun = True
                        yield clause
                return
            except EngineError as exc:
                other = models.instead(llm, exc)
                if again or begun or other is None:
                    raise
                turn.forget_reply()
                llm = other

    async def _reply(
        self, turn: Turn, llm: LanguageModel, text: str, memory: Memory, place: str
    ) -> AsyncGenerator[str]:
        """Yield the clauses of a model's reply."""
        messages = [self.system, *memory.messages(), Message("user", text)]
        # Without abilities: what nobody has done before was not done, whatever the model says.
        reply = write_reply(
            turn,
            llm,
            messages,
            max_tokens=self._settings.llm.max_reply_tokens,
            name=self._settings.name,
            now=self._clock(),
            place=place,
            keeps_sound=self._settings.web.keep_sound,
            least=voice.clause_letters[0] if (voice := self._engines.tts.current) else 1,
        )
        with self._reported(llm), turn.span("write", provisional=True):
            async with aclosing(reply):
                async for clause in reply:
                    yield clause

    @contextmanager
    def _reported(self, llm: LanguageModel) -> Iterator[None]:
        """Tell the model's supervisor where it fails."""
        try:
            yield
        except NoAnswer:
            raise  # it stopped when it was told to, so it is slow and does not hang
        except EngineError as exc:
            self._engines.llm.failed(llm, exc)
            raise

    async def _speak(
        self, turn: Turn, peer: Peer, clauses: "asyncio.Queue[_Clause | None]", gate: Gate
    ) -> None:
        """Speak clauses as they come, until None."""
        speakable = Speakable(self._settings.language)
        while (clause := await clauses.get()) is not None:
            if turn.is_current(clause.revision) and (words := speakable.push(clause.text)):
                await self._speaking.say(turn, peer, clause.text, words, gate)
        if not turn.playback.started:  # no reply, or one without a word that can be said
            await self._speaking.say(turn, peer, NO_ANSWER, NO_ANSWER, gate)
