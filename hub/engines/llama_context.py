"""One llama.cpp context with a unified KV cache and a sequence for each room.

Sequence 0 holds the beginning that all prompts share (the system prompt); a room's sequence
starts as a copy of it, which shares its cells and costs nothing. Rooms decode in one batch.
A room that must make place is parked in host memory and comes back without computing.

Everything here blocks and runs on the one thread of `hub.engines.llama_cpp`.
"""

import ctypes
import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import llama_cpp

from hub.engines.base import BadInput, EngineError, Sampling, TooLong
from hub.engines.llama_sampling import Sampler

# A step's size on a processor: long enough to prefill well (twice as much saves a tenth), short
# enough to cancel soon (0.2 to 0.3 s on two cores).
_BATCH_TOKENS = 32
_GPU_BATCH_TOKENS = 128  # a GPU computes so many in about the time of a few
_PARKED_BYTES = 128 * 1024 * 1024
_NO_SLOT = 1  # llama_decode: no room in the KV cache


# llama.cpp writes pages to stderr; what matters comes back as an error code.
_QUIET = llama_cpp.llama_log_callback(lambda level, text, user_data: None)


@dataclass(slots=True)
class _Room:
    sequence: int
    tokens: list[int] = field(default_factory=list)  # what the KV cache holds, in order
    shared: int = 0  # how many of them are the cells of sequence 0
    reserved: int = 0  # tokens that it may come to hold while it is busy
    busy: bool = False
    background: bool = False  # it makes place before others do
    used: float = 0.0


@dataclass(frozen=True, slots=True)
class _Parked:
    tokens: list[int]
    state: bytes
    background: bool


class LlamaContext:
    """A loaded model and the cache of every room.

    Args:
        path: a GGUF file.
        context_tokens: KV cells for all rooms together.
        threads: CPU threads.
        gpu_layers: layers on the GPU; -1 for all. With 0 it touches no GPU, not even one that is
            there: llama.cpp would use it for long prompts otherwise.
        max_rooms: rooms whose cache is held at once; more are parked.
        temperature: 0 always takes the likeliest word.

    Raises:
        EngineError: the file does not load.
    """

    def __init__(
        self,
        path: Path,
        *,
        context_tokens: int,
        threads: int,
        gpu_layers: int,
        max_rooms: int,
        temperature: float,
    ) -> None:
        llama_cpp.llama_log_set(_QUIET, None)
        llama_cpp.llama_backend_init()
        self.context_tokens = context_tokens
        model_params = llama_cpp.llama_model_default_params()
        model_params.n_gpu_layers = gpu_layers
        none = (ctypes.c_void_p * 1)()  # a list of devices with nothing but its end
        if gpu_layers == 0:
            model_params.devices = ctypes.addressof(none)
        self._model = llama_cpp.llama_model_load_from_file(str(path).encode(), model_params)
        if not self._model:
            raise EngineError(f"llama.cpp: {path} is not a GGUF model that it can load")
        params = llama_cpp.llama_context_default_params()
        params.n_ctx = context_tokens
        params.n_seq_max = max_rooms + 1
        # llama.cpp aborts the process where a batch cannot hold a token of every sequence.
        batch = _GPU_BATCH_TOKENS if gpu_layers else _BATCH_TOKENS
        self.batch_tokens = params.n_batch = params.n_ubatch = max(batch, params.n_seq_max)
        params.kv_unified = True
        params.n_threads = params.n_threads_batch = threads
        self._context = llama_cpp.llama_init_from_model(self._model, params)
        if not self._context:
            llama_cpp.llama_model_free(self._model)
            raise EngineError(f"llama.cpp: not enough memory for {context_tokens} tokens of cache")
        self._memory = llama_cpp.llama_get_memory(self._context)
        self._vocab = llama_cpp.llama_model_get_vocab(self._model)
        self._batch = llama_cpp.llama_batch_init(self.batch_tokens, 0, 1)
        self._temperature = temperature
        self._shared: list[int] = []
        self._rooms: dict[str, _Room] = {}
        self._free = list(range(max_rooms, 0, -1))
        self._parked: OrderedDict[str, _Parked] = OrderedDict()

    def close(self) -> None:
        """Free everything."""
        llama_cpp.llama_batch_free(self._batch)
        llama_cpp.llama_free(self._context)
        llama_cpp.llama_model_free(self._model)

    # -- text ---------------------------------------------------------------------------------

    def chat_template(self) -> str:
        """Return the model's own chat template (Jinja), from the GGUF.

        Raises:
            EngineError: the file has none, so it is no chat model.
        """
        template: bytes | None = llama_cpp.llama_model_chat_template(self._model, None)
        if not template:
            raise EngineError("llama.cpp: the GGUF has no chat template; choose an instruct model")
        return template.decode()

    def tokenize(self, text: str) -> list[int]:
        """Return the tokens of `text`, in which the template's special tokens are recognised.

        Where the model wants one, a beginning-of-sequence token comes first.
        """
        data = text.encode()
        size = len(data) + 8
        tokens = (llama_cpp.llama_token * size)()
        count = llama_cpp.llama_tokenize(self._vocab, data, len(data), tokens, size, True, True)
        if count < 0:
            raise EngineError("llama.cpp: the prompt cannot be tokenized")
        return list(tokens[:count])

    def piece(self, token: int) -> bytes:
        """Return the bytes of one token, which may be part of a character."""
        buffer = ctypes.create_string_buffer(64)
        size = llama_cpp.llama_token_to_piece(self._vocab, token, buffer, 64, 0, False)
        if size < 0:  # the buffer was too small, and this is the size it takes
            buffer = ctypes.create_string_buffer(-size)
            size = llama_cpp.llama_token_to_piece(self._vocab, token, buffer, -size, 0, False)
        return buffer.raw[:size]

    def end_text(self) -> str:
        """Return how the model writes the end of a text; "" where it has no such token."""
        token = llama_cpp.llama_vocab_eos(self._vocab)
        if token < 0:
            return ""
        text: bytes = llama_cpp.llama_vocab_get_text(self._vocab, token)
        return text.decode()

    def control_texts(self) -> list[str]:
        """Return how the tokens are written that mark the parts of a prompt."""
        texts = (
            llama_cpp.llama_vocab_get_text(self._vocab, token)
            for token in range(llama_cpp.llama_vocab_n_tokens(self._vocab))
            if llama_cpp.llama_vocab_is_control(self._vocab, token)
        )
        return [text.decode(errors="replace") for text in texts if text]

    def ends(self, token: int) -> bool:
        """Say whether `token` ends the reply."""
        return bool(llama_cpp.llama_vocab_is_eog(self._vocab, token))

    # -- rooms --------------------------------------------------------------------------------

    def share(self, tokens: Sequence[int]) -> bool:
        """Compute the beginning that all prompts have in common, once.

        Returns False when rooms that are being answered have no place left for it: try again when
        one of them is done.

        Raises:
            TooLong: it does not fit into this context.
        """
        if len(tokens) >= self.context_tokens:
            raise TooLong(len(tokens), self.context_tokens)
        kept = _common(self._shared, tokens)
        while len(tokens) + self._cells_of_rooms(kept) > self.context_tokens:
            if not self._park_oldest():
                return False
        llama_cpp.llama_memory_seq_rm(self._memory, 0, kept, -1)
        self._shared = list(tokens[:kept])
        for slot in self._rooms.values():
            slot.shared = min(slot.shared, kept)
        for start in range(kept, len(tokens), self.batch_tokens):
            part = list(tokens[start : start + self.batch_tokens])
            self._decode([(0, start, part, False)])
            self._shared += part
        return True

    def place_for(self, prompt: Sequence[int]) -> int:
        """Return how many tokens of a reply fit behind `prompt`; below 1 for none."""
        shared = min(_common(self._shared, prompt), len(prompt) - 1)
        return self.context_tokens - len(self._shared) + shared - len(prompt)

    def acquire(
        self, room: str, prompt: Sequence[int], max_new: int, *, background: bool = False
    ) -> int | None:
        """Make `room` ready for `prompt`; return how many of its tokens are cached already.

        A prefill (`max_new` is 0) of what is cached already changes nothing: what the cache holds
        behind it may be of use yet.

        Returns None when every sequence or cell is in use by rooms that are being answered:
        try again when one of them is done. `release` must follow.

        Args:
            room: whose cache it is.
            prompt: all tokens that come before the reply.
            max_new: how many tokens of the reply have their place kept for them.
            background: its cache makes place before those of others do.

        Raises:
            BadInput: the prompt is empty.
            TooLong: it does not fit into this context even alone.
        """
        if not prompt:
            raise BadInput("llama.cpp: the prompt is empty")
        # For a reply one token must be computed, or there is nothing to sample from.
        reusable = len(prompt) - (max_new > 0)
        shared = min(_common(self._shared, prompt), reusable)
        needed = len(prompt) + max_new
        place = self.context_tokens - len(self._shared) + shared
        if needed > place:
            raise TooLong(needed, place)
        slot = self._rooms.get(room)
        if slot is not None and slot.busy:
            return None
        if slot is None:
            slot = self._open(room)
            if slot is None:
                return None
        slot.background = background
        kept = min(_common(slot.tokens, prompt), reusable)
        if kept == len(prompt):
            slot.busy, slot.reserved = True, needed
            return kept
        if shared > kept:
            llama_cpp.llama_memory_seq_rm(self._memory, slot.sequence, 0, -1)
            llama_cpp.llama_memory_seq_cp(self._memory, 0, slot.sequence, 0, shared)
            slot.shared = kept = shared
        else:
            llama_cpp.llama_memory_seq_rm(self._memory, slot.sequence, kept, -1)
            slot.shared = min(slot.shared, kept)
        slot.tokens = list(prompt[:kept])
        slot.busy, slot.reserved = True, needed  # what is busy cannot be parked
        if not self._make_place():
            self.release(room)
            return None
        return kept

    def grow(self, room: str, tokens: int) -> bool:
        """Keep place for `tokens` in all of a room that is being answered; False: there is none."""
        slot = self._rooms[room]
        before, slot.reserved = slot.reserved, max(slot.reserved, tokens)
        if self._make_place():
            return True
        slot.reserved = before
        return False

    def release(self, room: str) -> None:
        """Say that `room` is answered; its cache stays while there is place."""
        if (slot := self._rooms.get(room)) is not None:
            slot.busy, slot.reserved = False, 0
            slot.used = time.monotonic()

    def forget(self, room: str) -> None:
        """Drop the cache of a room that is not being answered."""
        self._parked.pop(room, None)
        if (slot := self._rooms.pop(room, None)) is not None:
            llama_cpp.llama_memory_seq_rm(self._memory, slot.sequence, 0, -1)
            self._free.append(slot.sequence)

    def step(self, work: Sequence[tuple[str, list[int], bool]]) -> list[int]:
        """Compute one batch.

        Args:
            work: for each room its next tokens (`batch_tokens` in all), and whether to sample.

        Returns:
            The batch index to sample from, for each room that asked for it, in order.

        Raises:
            EngineError: llama.cpp failed.
        """
        parts = []
        for room, tokens, sample in work:
            slot = self._rooms[room]
            parts.append((slot.sequence, len(slot.tokens), tokens, sample))
        wanted = self._decode(parts)
        for room, tokens, _ in work:
            self._rooms[room].tokens += tokens
        return wanted

    def new_sampler(self, sampling: Sampling | None = None) -> Sampler:
        """Return what chooses the words of one reply; `free` it.

        Raises:
            BadInput: the grammar is none.
        """
        return Sampler(self._context, self._vocab, sampling or Sampling(), self._temperature)

    # -- inside -------------------------------------------------------------------------------

    def _make_place(self) -> bool:
        """Park quiet rooms until what is promised fits; False where it does not even then."""
        while self._cells() > self.context_tokens:
            if not self._park_oldest():
                return False
        return True

    def _open(self, room: str) -> _Room | None:
        if not self._free and not self._park_oldest():
            return None
        slot = self._rooms[room] = _Room(self._free.pop())
        if (parked := self._parked.pop(room, None)) is not None:
            while self._cells() + len(parked.tokens) > self.context_tokens:
                if not self._park_oldest(except_for=slot):
                    return slot  # no place to restore it; it is computed anew
            size = len(parked.state)
            buffer = (ctypes.c_uint8 * size).from_buffer_copy(parked.state)
            if llama_cpp.llama_state_seq_set_data(self._context, buffer, size, slot.sequence):
                slot.tokens = parked.tokens
        return slot

    def _park_oldest(self, except_for: _Room | None = None) -> bool:
        """Move the room that was quiet for longest to host memory; False where all are busy.

        What is in the background goes first.
        """
        quiet = [
            name for name, slot in self._rooms.items() if not slot.busy and slot is not except_for
        ]
        if not quiet:
            return False
        room = min(quiet, key=lambda n: (not self._rooms[n].background, self._rooms[n].used))
        slot = self._rooms[room]
        size = llama_cpp.llama_state_seq_get_size(self._context, slot.sequence)
        buffer = (ctypes.c_uint8 * size)()
        written = llama_cpp.llama_state_seq_get_data(self._context, buffer, size, slot.sequence)
        self.forget(room)
        if written and slot.tokens:
            state = memoryview(buffer)[:written].tobytes()
            self._parked[room] = _Parked(slot.tokens, state, slot.background)
        while sum(len(parked.state) for parked in self._parked.values()) > _PARKED_BYTES:
            names = list(self._parked)
            del self._parked[next((n for n in names if self._parked[n].background), names[0])]
        return True

    def _cells(self) -> int:
        """Return how many cells are in use, or promised to rooms that are being answered."""
        return len(self._shared) + self._cells_of_rooms(len(self._shared))

    def _cells_of_rooms(self, shared: int) -> int:
        """Return how many of them are no other room's, if the first `shared` tokens are shared."""
        return sum(
            max(len(slot.tokens), slot.reserved) - min(slot.shared, shared)
            for slot in self._rooms.values()
        )

    def _decode(self, parts: Sequence[tuple[int, int, list[int], bool]]) -> list[int]:
        """Run one batch of (sequence, position, tokens, sample the last one)."""
        batch, wanted, size = self._batch, [], 0
        for sequence, position, tokens, sample in parts:
            for offset, token in enumerate(tokens):
                batch.token[size] = token
                batch.pos[size] = position + offset
                batch.n_seq_id[size] = 1
                batch.seq_id[size][0] = sequence
                batch.logits[size] = 0
                size += 1
            if sample:
                batch.logits[size - 1] = 1
                wanted.append(size - 1)
        batch.n_tokens = size
        while (code := llama_cpp.llama_decode(self._context, batch)) == _NO_SLOT:
            if not self._park_oldest():
                break
        if code != 0:
            raise EngineError(f"llama.cpp: decoding failed with code {code}")
        return wanted


def _common(one: Sequence[int], other: Sequence[int]) -> int:
    """Return the length of the beginning that two token lists share."""
    length = 0
    for a, b in zip(one, other, strict=False):
        if a != b:
            break
        length += 1
    return length
