"""Which prompt is computed when: all rooms in one batch, on one thread."""

import queue
import time
from typing import TypeAlias

from hub.engines.base import EngineError
from hub.engines.chat_prompt import Prompter
from hub.engines.llama_context import LlamaContext
from hub.engines.llama_request import Beat, Request

SHARED = ""  # the "room" of the beginning that all prompts have in common

# A prefill is nobody's reply yet. It waits while another room waits for its first clause, which is
# about so many tokens; later it adds so many to a step that the reply is still written faster than
# it is spoken (9 tokens a second on two cores; speech is 4). So does what is in the background.
_URGENT_TOKENS = 16
_PREFILL_TOKENS = 16
# A reply in the background may become long; its place in the cache is kept bit by bit.
_GROWTH = 128

Item: TypeAlias = Request | str | None
"""What a thread is given: a request; a room to be forgotten; None, the end."""


class Schedule:
    """Takes requests and works on them, all on the engine's thread.

    Args:
        context: the model.
        prompter: makes prompts.
        inbox: where requests come in.
        beat: told of each step.
    """

    def __init__(
        self, context: LlamaContext, prompter: Prompter, inbox: "queue.Queue[Item]", beat: Beat
    ) -> None:
        self._beat = beat
        self._context = context
        self._prompter = prompter
        self._inbox = inbox
        self._waiting: list[Request] = []
        self._active: list[Request] = []

    def run(self) -> None:
        """Work until None comes in.

        Raises:
            EngineError: llama.cpp failed.
        """
        while self._admit():
            self._make_place()
            if self._active:
                self._step()
                self._beat.at = time.monotonic()

    def fail(self, error: EngineError) -> None:
        """End all requests with an error."""
        requests = [*self._active, *self._waiting]
        self._active, self._waiting = [], []
        while not self._inbox.empty():
            if isinstance(item := self._inbox.get_nowait(), Request):
                requests.append(item)
        for request in requests:
            _end(request, error)

    def _admit(self) -> bool:
        """Take what waits; block where there is nothing else to do. False: stop."""
        while True:
            idle = not self._active and not self._waiting
            try:
                item = self._inbox.get(block=idle)
            except queue.Empty:
                break
            if item is None:
                return False
            if isinstance(item, str):
                if all(request.room != item for request in self._active):
                    self._context.forget(item)
                continue
            for other in [*self._active, *self._waiting]:
                # A reply takes over from the prefill of its own room.
                if other.room == item.room and other.max_tokens == 0:
                    other.cancelled = True
            self._waiting.append(item)
        for request in [r for r in self._active if r.cancelled]:
            self._finish(request)
        full = False  # what is in the background takes no place that others wait for
        for request in sorted(self._waiting, key=lambda r: r.background):
            if request.cancelled:
                self._waiting.remove(request)
                _end(request)
            elif full and request.background:
                continue
            elif self._start(request):
                self._waiting.remove(request)
            else:
                full = True
        return True

    def _start(self, request: Request) -> bool:
        """Begin `request` if its room and the cache have place; True also if it failed."""
        try:
            if not request.tokens:
                request.tokens = self._prompter.tokens(
                    request.messages, reply=request.max_tokens > 0, unfinished=request.unfinished
                )
                request.stats.prompt_tokens = len(request.tokens)
                if request.background and (place := self._context.place_for(request.tokens)) > 0:
                    request.max_tokens = min(request.max_tokens, place)
            if request.room == SHARED:
                while not self._context.share(request.tokens):
                    if not self._suspend_background():
                        return False
                request.end()
                return True
            if request.max_tokens and request.sampler is None:
                request.sampler = self._context.new_sampler(request.sampling)
            kept = self._acquire(request)
        except EngineError as exc:
            _end(request, exc)
            return True
        if kept is None:
            if not self._active:
                _end(request, EngineError("llama.cpp: no place in the cache"))
                return True
            return False
        if not request.stats.generated_tokens:
            request.stats.reused_tokens = kept
        request.pending = request.tokens[kept:]
        request.place = len(request.tokens) + self._left(request)
        if not request.pending:  # a prefill of what is there already
            self._context.release(request.room)
            request.end()
            return True
        self._active.append(request)
        return True

    def _acquire(self, request: Request) -> int | None:
        """Make its room ready, in place of what is in the background if it must be."""
        while True:
            kept = self._context.acquire(
                request.room, request.tokens, self._left(request), background=request.background
            )
            if kept is not None or request.background:
                return kept
            if not self._suspend_background():
                return None

    def _suspend_background(self) -> bool:
        """Let one that is in the background wait; False where there is none."""
        other = next((r for r in self._active if r.background), None)
        if other is not None:
            self._suspend(other)
        return other is not None

    @staticmethod
    def _left(request: Request) -> int:
        """Return for how many tokens to come the cache needs place now."""
        left = request.max_tokens - request.stats.generated_tokens
        return min(left, _GROWTH) if request.background else left

    def _suspend(self, request: Request) -> None:
        """Let a request in the background wait; it will go on where it was."""
        self._active.remove(request)
        self._context.release(request.room)
        self._waiting.append(request)

    def _make_place(self) -> None:
        """Keep place for what replies in the background write next; who gets none waits."""
        for request in [r for r in self._active if r.background]:
            if len(request.tokens) < request.place:
                continue
            most = request.stats.prompt_tokens + request.max_tokens
            place = min(len(request.tokens) + _GROWTH, most)
            if self._context.grow(request.room, place):
                request.place = place
            else:
                self._suspend(request)

    def _step(self) -> None:
        # Replies under way (one token each) come first, so that nobody's long prompt starves
        # them; what is left of the batch is shared among the prompts, so that neither does it
        # starve the short ones. Then comes what is in the background, in the same way.
        work: list[tuple[Request, list[int], bool]] = []
        spoken = [request for request in self._active if not request.background]
        replies = [request for request in spoken if request.max_tokens]
        prefills = [request for request in spoken if not request.max_tokens]
        background = [request for request in self._active if request.background]
        left = self._context.batch_tokens
        for requests in (replies, prefills, background):
            if requests is not replies and replies:
                if any(r.stats.generated_tokens < _URGENT_TOKENS for r in replies):
                    break
                left = min(left, _PREFILL_TOKENS)
            waiting = len(requests)
            # Shortest first: what it does not take of its share goes to the longer ones.
            for request in sorted(requests, key=lambda r: len(r.pending)):
                part = request.pending[: -(-left // waiting)]
                waiting -= 1
                if not part:
                    break
                left -= len(part)
                request.pending = request.pending[len(part) :]
                work.append((request, part, not request.pending and request.max_tokens > 0))
        wanted = iter(
            self._context.step([(request.room, part, last) for request, part, last in work])
        )
        for request, _, last in work:
            if not last:
                if not request.pending:
                    self._finish(request)  # a prefill, and it is done
                continue
            assert request.sampler is not None
            token = request.sampler.next(next(wanted))
            if self._context.ends(token):
                self._finish(request)
                continue
            request.stats.generated_tokens += 1
            request.feed(self._context.piece(token))
            request.pending = [token]
            request.tokens.append(token)
            if request.stats.generated_tokens >= request.max_tokens:
                request.stats.cut = True
                self._finish(request)

    def _finish(self, request: Request) -> None:
        self._active.remove(request)
        self._context.release(request.room)
        _end(request)


def _end(request: Request, error: EngineError | None = None) -> None:
    if request.sampler is not None:
        request.sampler.free()
        request.sampler = None
    request.end(error)
