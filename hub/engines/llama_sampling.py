"""How llama.cpp chooses the words of a reply."""

import ctypes
from typing import Any

import llama_cpp
import numpy as np
from numpy.typing import NDArray

from hub.engines.base import BadInput, Sampling

_REPEAT_PENALTY = 1.05  # small models loop without one
_REPEAT_WINDOW = 64
_TOP_K = 40
_TOKEN = [("id", np.int32), ("logit", np.float32), ("p", np.float32)]  # llama_token_data


class Sampler:
    """Chooses the words of one reply; it remembers the last ones. Free it.

    Everything here runs on the one thread of `hub.engines.llama_cpp`.

    Args:
        context: llama.cpp's.
        vocab: its model's.
        sampling: what is asked for.
        temperature: where that is not.

    Raises:
        BadInput: the grammar is none.
    """

    def __init__(self, context: Any, vocab: Any, sampling: Sampling, temperature: float) -> None:
        self._context = context
        self._words = llama_cpp.llama_vocab_n_tokens(vocab)
        self._grammar = None
        if sampling.grammar:
            grammar = sampling.grammar.encode()
            self._grammar = llama_cpp.llama_sampler_init_grammar(vocab, grammar, b"root")
            if not self._grammar:
                raise BadInput("llama.cpp: the grammar is none")
        params = llama_cpp.llama_sampler_chain_default_params()
        chain = self._chain = llama_cpp.llama_sampler_chain_init(params)
        if sampling.temperature is not None:
            temperature = sampling.temperature
        steps = [
            llama_cpp.llama_sampler_init_penalties(
                self._words,
                _REPEAT_WINDOW,
                _REPEAT_PENALTY if sampling.repeat is None else sampling.repeat,
                sampling.frequency,
                sampling.presence,
            )
        ]
        if temperature <= 0:
            steps.append(llama_cpp.llama_sampler_init_greedy())
        else:
            chance = llama_cpp.LLAMA_DEFAULT_SEED  # stands for another one each time
            steps += [
                llama_cpp.llama_sampler_init_top_k(_TOP_K),
                llama_cpp.llama_sampler_init_top_p(sampling.top_p, 1),
                llama_cpp.llama_sampler_init_temp(temperature),
                llama_cpp.llama_sampler_init_dist(
                    chance if sampling.seed is None else sampling.seed % chance
                ),
            ]
        for step in steps:
            llama_cpp.llama_sampler_chain_add(chain, step)

    def next(self, index: int) -> int:
        """Return the next token from the logits at `index` of the last batch."""
        if self._grammar is None:
            return int(llama_cpp.llama_sampler_sample(self._chain, self._context, index))
        # Most of the time the model keeps to the grammar by itself. To ask of one word whether it
        # fits is quick, of all words it takes milliseconds: so that one is asked of first.
        candidates = self._candidates(index)
        token = self._choose(candidates)
        if not self._fits(token):
            candidates = self._candidates(index)
            llama_cpp.llama_sampler_apply(self._grammar, ctypes.byref(candidates))
            token = self._choose(candidates)
        llama_cpp.llama_sampler_accept(self._grammar, token)
        llama_cpp.llama_sampler_accept(self._chain, token)
        return token

    def free(self) -> None:
        """Free what llama.cpp has of it; it is not used again."""
        llama_cpp.llama_sampler_free(self._chain)
        if self._grammar is not None:
            llama_cpp.llama_sampler_free(self._grammar)

    def _candidates(self, index: int) -> Any:
        logits = llama_cpp.llama_get_logits_ith(self._context, index)
        tokens = np.zeros(self._words, _TOKEN)
        tokens["id"] = np.arange(self._words)
        tokens["logit"] = np.ctypeslib.as_array(logits, (self._words,))
        return _array_of(tokens)

    def _choose(self, candidates: Any) -> int:
        llama_cpp.llama_sampler_apply(self._chain, ctypes.byref(candidates))
        return int(candidates.data[candidates.selected].id)

    def _fits(self, token: int) -> bool:
        tokens = np.zeros(1, _TOKEN)
        tokens["id"] = token
        candidates = _array_of(tokens)
        llama_cpp.llama_sampler_apply(self._grammar, ctypes.byref(candidates))
        return bool(np.isfinite(candidates.data[0].logit))


def _array_of(tokens: NDArray[Any]) -> Any:
    """Return tokens with their logits as samplers take them."""
    array = llama_cpp.llama_token_data_array(
        data=tokens.ctypes.data_as(llama_cpp.llama_token_data_p),
        size=len(tokens),
        selected=-1,
        sorted=False,
    )
    array.tokens = tokens  # whose memory it is
    return array
