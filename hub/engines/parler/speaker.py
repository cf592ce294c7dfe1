"""One loaded model that speaks, one piece of text at a time. Blocking; for one thread at a time."""

import contextlib
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hub.engines.base import BadInput
from hub.engines.parler.checkpoint import Checkpoint, check_range
from hub.engines.parler.streamer import Cancelled, Done, Streamer

_MOST_VOICES = 32  # whose descriptions are kept, encoded


@dataclass(frozen=True, slots=True)
class Lengths:
    """Fixed lengths in tokens, for a model whose graph is compiled for them."""

    description: int
    prompt: int = 128


class Speaker:
    """Speaks with a checkpoint.

    Args:
        checkpoint: the model and its tokenizers.
        lengths: what all is padded to; None for as long as it is.
    """

    def __init__(self, checkpoint: Checkpoint, lengths: Lengths | None = None) -> None:
        self.model: Any = checkpoint.model
        self._checkpoint = checkpoint
        self._lengths = lengths
        self._voices: OrderedDict[str, tuple[Any, Any]] = OrderedDict()
        config = self.model.config
        self.most_steps: int = self.model.generation_config.max_length - 1
        self._most_tokens = config.decoder.max_position_embeddings - self.most_steps - 1

    def fits(self, text: str, description: str) -> bool:
        """Tell whether this is not too long for the fixed lengths."""
        if self._lengths is None:
            return True
        prompt = len(self._checkpoint.prompts(text).input_ids)
        described = len(self._checkpoint.descriptions(description).input_ids)
        return prompt <= self._lengths.prompt and described <= self._lengths.description

    def speak(
        self,
        text: str,
        description: str,
        *,
        seed: int,
        most_steps: int,
        emit: Callable[[NDArray[np.float32]], None],
        is_cancelled: Callable[[], bool] = lambda: False,
    ) -> int:
        """Speak; return how many steps it took.

        Args:
            text: what to say.
            description: how.
            seed: the same brings the same sound.
            most_steps: where it is cut; 20 at least, or the library forgets the codebooks' lag.
            emit: takes the sound as it is made, from this thread.
            is_cancelled: asked at every step.

        Raises:
            BadInput: the text or the description is too long for the model.
            EngineError: the tokenizer is of another model.
        """
        import torch
        from transformers.modeling_outputs import BaseModelOutput

        model = self.model
        prompt = self._prompt(text)
        states, mask = self._voice(description)
        most = min(most_steps, self.most_steps)
        streamer = Streamer(model, emit, is_cancelled, most)
        # Told where it ends, the model ends its codebooks one after the other. A static cache is
        # as long as it is told at first, so there the streamer alone ends it.
        ends = {"max_new_tokens": most} if self._lengths is None else {}
        devices = [model.device] if model.device.type == "cuda" else []
        # The sampler draws from the generator of the whole process.
        with (
            torch.no_grad(),
            torch.random.fork_rng(devices),
            contextlib.suppress(Cancelled, Done),
        ):
            torch.manual_seed(seed)
            model.generate(
                # generate puts what it makes into the object, so each gets one of its own
                encoder_outputs=BaseModelOutput(last_hidden_state=states),
                attention_mask=mask,
                prompt_input_ids=prompt.input_ids,
                prompt_attention_mask=prompt.attention_mask,
                streamer=streamer,
                **ends,
            )
        return streamer.steps

    def _prompt(self, text: str) -> Any:
        import torch

        tokens = self._checkpoint.prompts(text, return_tensors="pt")
        length = tokens.input_ids.shape[1]
        if length > self._most_tokens:
            raise BadInput(f"parler: {length} tokens of text; it speaks {self._most_tokens}")
        check_range(tokens.input_ids, self.model.embed_prompts.num_embeddings)
        if self._lengths is not None:
            # On the left: padding on the right garbles what is said (huggingface/parler-tts).
            ahead = (self._lengths.prompt - length, 0)
            tokens["input_ids"] = torch.nn.functional.pad(tokens.input_ids, ahead)
            tokens["attention_mask"] = torch.nn.functional.pad(tokens.attention_mask, ahead)
        return tokens.to(self.model.device)

    def _voice(self, description: str) -> tuple[Any, Any]:
        """Return the description as the text encoder has it, and its mask; kept for the next."""
        import torch

        if description in self._voices:
            self._voices.move_to_end(description)
            return self._voices[description]
        model = self.model
        tokens = self._checkpoint.descriptions(description, return_tensors="pt")
        ids, mask = tokens.input_ids, tokens.attention_mask
        most = self._checkpoint.descriptions.model_max_length
        if self._lengths is not None:
            most = min(most, self._lengths.description)
        if ids.shape[1] > most:
            raise BadInput(f"parler: the description has {ids.shape[1]} tokens; it takes {most}")
        check_range(ids, model.text_encoder.shared.num_embeddings)
        if self._lengths is not None:
            behind = (0, self._lengths.description - ids.shape[1])
            ids, mask = (torch.nn.functional.pad(each, behind) for each in (ids, mask))
        ids, mask = ids.to(model.device), mask.to(model.device)
        with torch.no_grad():
            states = model.text_encoder(ids, attention_mask=mask).last_hidden_state
            if hasattr(model, "enc_to_dec_proj"):
                states = model.enc_to_dec_proj(states)
            states = states * mask[..., None]
        self._voices[description] = states, mask
        if len(self._voices) > _MOST_VOICES:
            self._voices.popitem(last=False)
        return states, mask
