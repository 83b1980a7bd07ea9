"""The transformers library in this process: chats into tensors, and replies in padded batches.

`encode` is also what training uses, so that a model is tuned and asked in one way. Facts about Gemma 3 that
shape this file: padding is left for generation; the chat template writes the only `<bos>`; `token_type_ids`
mark image tokens, and without them images silently become causal.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from laudo import images
from laudo.engines import loading
from laudo.engines.messages import Messages
from laudo.engines.protocol import Reply, Sampling
from laudo.engines.settings import Model

if TYPE_CHECKING:
    from PIL.Image import Image


def tokenizer_of(processor: Any) -> Any:
    """Returns the tokenizer of a processor, or a tokenizer itself."""
    return getattr(processor, "tokenizer", processor)


def render(processor: Any, chat: Messages) -> str:
    """Returns the prompt as text, up to and including the header of the model's turn."""
    text: str = processor.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
    return text


def encode(processor: Any, chats: Sequence[Messages]) -> dict[str, torch.Tensor]:
    """Returns prompts as tensors, padded on the left, with the images that they refer to.

    `input_ids` and `attention_mask` are (chats, tokens); with images also `token_type_ids` (chats, tokens), 1
    on image tokens, and `pixel_values` (images, 3, height, width).

    Raises:
        UnreadableImage: an image cannot be decoded.
        ValueError: image tokens and images do not agree, which would silently blind the model.
    """
    texts = [render(processor, chat) for chat in chats]
    pictures = [_pictures(chat) for chat in chats]
    options = {"add_special_tokens": False, "return_tensors": "pt", "padding": True, "padding_side": "left"}
    if not any(pictures):
        return dict(tokenizer_of(processor)(texts, **options))
    batch = dict(processor(text=texts, images=pictures, **options))
    marked = int(batch["token_type_ids"].sum())
    expected = processor.image_seq_length * sum(map(len, pictures))
    if marked != expected:
        raise ValueError(f"{marked} image tokens are marked, {expected} expected")
    return batch


def _pictures(chat: Messages) -> list[Image]:
    """The images that a chat refers to, as the model sees them."""
    references = [item for turn in chat for item in turn["content"] if item["type"] == "image"]
    return [
        images.for_model(Path(item["path"]), size_px=item["size_px"], geometry=item["geometry"])
        for item in references
    ]


class InProcessEngine:
    """An engine in this process, with its model on this machine's device.

    Args:
        settings: which model, and how it is loaded.
        batch_size: chats that are answered together.
        adapter: folder of a LoRA adapter to put on the model.

    Raises:
        InputError: the model is not on this machine, or cannot be loaded.
    """

    def __init__(self, settings: Model, *, batch_size: int, adapter: Path | None = None) -> None:
        self._batch_size = batch_size
        self._model, self.processor = loading.load(settings)
        if adapter:
            self._model = _with_adapter(self._model, adapter)
        self._model.eval()
        ends = self._model.generation_config.eos_token_id
        self._ends = set(ends if isinstance(ends, list) else [ends])

    def reply(self, chats: Sequence[Messages], *, sampling: Sampling) -> list[Reply]:
        """Answers in batches, in the order of the chats."""
        batches = [
            chats[start : start + self._batch_size] for start in range(0, len(chats), self._batch_size)
        ]
        with loading.library_settings(), _seeded(sampling.seed, self._model.device):
            return [reply for batch in batches for reply in self._reply_to_batch(batch, sampling)]

    @torch.inference_mode()
    def _reply_to_batch(self, chats: Sequence[Messages], sampling: Sampling) -> list[Reply]:
        encoded = encode(self.processor, chats)
        inputs = {name: tensor.to(self._model.device) for name, tensor in encoded.items()}
        width = inputs["input_ids"].shape[1]
        tokens = self._model.generate(**inputs, **_options(sampling))
        # Only what comes after the (left-padded) prompts: the prompt is never part of a reply.
        lengths = inputs["attention_mask"].sum(1).tolist()
        return [
            self._reply(chat, row, int(length))
            for chat, row, length in zip(chats, tokens[:, width:].tolist(), lengths, strict=True)
        ]

    def _reply(self, chat: Messages, row: list[int], prompt_tokens: int) -> Reply:
        end = next((place for place, token in enumerate(row) if token in self._ends), None)
        new = row if end is None else row[:end]
        return Reply(
            text=tokenizer_of(self.processor).decode(new, skip_special_tokens=True).strip(),
            stop="length" if end is None else "end",
            prompt=render(self.processor, chat),
            prompt_tokens=prompt_tokens,
            new_tokens=len(new),
        )


def _with_adapter(model: Any, adapter: Path) -> Any:
    with loading.library_settings():
        from peft import PeftModel

        return PeftModel.from_pretrained(model, str(adapter), local_files_only=loading.local_files_only())


def _options(sampling: Sampling) -> dict[str, Any]:
    """The options of `generate`; a model's own habits of sampling (top_k, top_p) are left out."""
    limit = {"max_new_tokens": sampling.max_new_tokens}
    if sampling.temperature == 0:
        return {**limit, "do_sample": False, "top_k": None, "top_p": None, "temperature": None}
    return {**limit, "do_sample": True, "top_k": 0, "top_p": 1.0, "temperature": sampling.temperature}


@contextmanager
def _seeded(seed: int | None, device: torch.device) -> Iterator[None]:
    """Draws from a seed for as long as the block lasts; the process's own random numbers go on as before."""
    if seed is None:
        yield
        return
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield
