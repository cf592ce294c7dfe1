"""Writes the reply to what was said: clause by clause, honest ones only."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from datetime import datetime

from hub.conversation.about_itself import about_itself
from hub.conversation.about_now import about_now, time_of
from hub.conversation.clauses import ClauseSplitter
from hub.conversation.honesty import ReplyCheck, Review, missing_ability
from hub.conversation.patience import pieces_of
from hub.conversation.turn import Mark, Turn
from hub.engines.base import LanguageModel, Message

_SENTENCE_ENDS = (".", "!", "?", "…", '"', "”", ")")


async def write_reply(
    turn: Turn,
    llm: LanguageModel,
    messages: Sequence[Message],
    *,
    max_tokens: int,
    abilities: frozenset[str] = frozenset(),
    name: str = "Parlour",
    now: datetime | None = None,
    place: str = "",
    keeps_sound: bool = False,
    least: int = 1,
) -> AsyncGenerator[str]:
    """Yield the clauses of the model's reply to `messages`, whose last one is the user's.

    A reply that is cut at `max_tokens` ends with its last whole sentence, if it has one. Marks the
    model's first and last token in the turn's record. Closing it stops the model. The model is not
    asked about itself, nor for what a clock answers, nor for what clearly needs a missing ability;
    "and in the bedroom?" is understood from what was said before.

    Args:
        turn: the turn that the reply belongs to.
        llm: a loaded model.
        messages: the whole conversation.
        max_tokens: the reply is cut there.
        abilities: what tools can do here; see `hub.conversation.honesty`.
        name: what the assistant calls itself.
        now: the local time; None where it is not known.
        place: the room's name; "" where it is not known.
        keeps_sound: whether the sound of what is said is kept for a while.
        least: letters that a clause should have to be spoken well.

    Raises:
        NoAnswer: the model says nothing for too long, though it stops when it is told to.
        EngineError: the model failed.
    """
    earlier = [message.content for message in messages[:-1] if message.role == "user"]
    said = messages[-1].content
    answer = about_itself(said, name, keeps_sound=keeps_sound)
    if answer is None:
        told = about_now(said, now, place, earlier) if now else None
        known = abilities | {"clock"} if now else abilities
        answers = (told, missing_ability(said, known, earlier))
        answer = " ".join(filter(None, answers)) or None
    if answer is not None:
        yield answer
        return
    time = time_of(now) if now else None
    check = ReplyCheck(said, abilities, time)
    # A claim must not be cut in two where one is to be expected.
    splitter = ClauseSplitter(phrases=not check.strict, least=least)
    generation = llm.generate(turn.room, messages, max_tokens=max_tokens)
    turn.record.tokens = generation.stats
    async with aclosing(pieces_of(generation, "llm")) as pieces:
        async for piece in pieces:
            turn.mark(Mark.FIRST_TOKEN)
            for clause in splitter.push(piece):
                review = _reviewed(check, clause, least)
                for kept in review.say:
                    yield kept
                if review.stop:
                    return
    turn.mark(Mark.LAST_TOKEN)
    rest = splitter.flush()
    if generation.stats.cut and turn.record.marks.get(Mark.FIRST_CLAUSE):
        sentences = [sentence for clause in rest for sentence in _sentences(clause)]
        rest = [one for one in sentences if one.rstrip().endswith(_SENTENCE_ENDS)]
    for clause in rest:
        review = _reviewed(check, clause, least)
        for kept in review.say:
            yield kept
        if review.stop:
            return
    for kept in check.finish().say:
        yield kept


def _reviewed(check: ReplyCheck, clause: str, least: int) -> Review:
    """Review a clause, which may be several short sentences where a voice wants longer ones.

    Each is reviewed alone: "no problem" must not make a claim behind it look like a denial.
    """
    if least <= 1:
        return check.review(clause)
    said: list[str] = []
    for sentence in _sentences(clause):
        review = check.review(sentence)
        said += review.say
        if review.stop:
            return Review(tuple(said), stop=True)
    return Review(("".join(said),) if said else ())


def _sentences(clause: str) -> list[str]:
    """Return the sentences of a clause."""
    splitter = ClauseSplitter(quick_start=False)
    return [*splitter.push(clause), *splitter.flush()]
