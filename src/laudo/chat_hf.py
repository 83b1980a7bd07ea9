"""Models of the transformers library in this process: loading, encoding, answering.

`load` and `encode` are also what training uses, so that a model is tuned and asked in one way.
Facts about Gemma 3 that shape this file: padding is left for generation; the chat template writes the
only `<bos>`; `token_type_ids` mark image tokens, and without them images silently become causal.
"""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForImageTextToText,
    AutoProcessor,
    AutoTokenizer,
    BitsAndBytesConfig,
)
from transformers.utils import logging as hf_logging

from laudo import models
from laudo.chat import Reply
from laudo.config import Model
from laudo.errors import InputError, LaudoError
from laudo.prompts import Messages

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
hf_logging.disable_progress_bar()
# It reports at import that an optional kernel, which would be fetched from a hub, is not there.
logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
# transformers warns of its own calls from one of its modules to another.
warnings.filterwarnings("ignore", category=FutureWarning, module="transformers")

# A given list replaces the default one, so lm_head must be named; patterns match whole module names.
_NOT_IN_4BIT = ["model.vision_tower", "model.multi_modal_projector", "lm_head"]


def device() -> str:
    return "cuda" if torch.cuda.is_available() else "cpu"


def load(settings: Model) -> tuple[Any, Any]:
    """Loads a model and its processor (or tokenizer, for a model without images).

    On a GPU in bfloat16 (Gemma 3 is not stable in float16), on a CPU in float32; in NF4 with double
    quantisation where `load_in_4bit` is set, the vision tower, the projector and the head left out.

    Raises:
        InputError: the model is not on this machine, or cannot be read.
    """
    try:
        return _load(settings)
    except OSError as error:
        raise InputError(
            f"the model '{settings.model}' cannot be loaded from this machine ({type(error).__name__})",
            where=models.source(settings.model),
            mend="download it first and name its folder, or set HF_HUB_OFFLINE=0 to let it be fetched",
        ) from error


def _load(settings: Model) -> tuple[Any, Any]:
    source, revision = models.source(settings.model), settings.revision
    dtype = torch.bfloat16 if device() == "cuda" else torch.float32
    config = AutoConfig.from_pretrained(source, revision=revision)
    sees = hasattr(config, "vision_config")
    auto = AutoModelForImageTextToText if sees else AutoModelForCausalLM
    quantised = {"quantization_config": _nf4(), "device_map": {"": device()}} if settings.load_in_4bit else {}
    model = auto.from_pretrained(
        source, revision=revision, dtype=dtype, attn_implementation="sdpa", **quantised
    )
    if settings.load_in_4bit:
        _check_4bit(model)
    else:
        model = model.to(device())
    models.spare_threads(model.num_parameters())
    processor = (
        AutoProcessor.from_pretrained(source, revision=revision, backend="pil")
        if sees
        else AutoTokenizer.from_pretrained(source, revision=revision)
    )
    return model, processor


def _nf4() -> BitsAndBytesConfig:
    return BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True, bnb_4bit_compute_dtype=torch.bfloat16,
        llm_int8_skip_modules=_NOT_IN_4BIT,
    )  # fmt: skip


def _check_4bit(model: Any) -> None:
    """Refuses a model whose vision tower or head was quantised, and turns off a CPU kernel that breaks training.

    bitsandbytes 0.50 on CPUs with avx512_bf16 repacks weights at the first evaluation, after which the
    gradients of all adapters are zero.
    """
    import bitsandbytes as bnb

    for name, module in model.named_modules():
        if isinstance(module, bnb.nn.Linear4bit):
            if any(part in name for part in ("vision_tower", "multi_modal_projector", "lm_head")):
                raise LaudoError(
                    f"{name} was loaded in 4 bits",
                    mend="set load_in_4bit = false, or install the versions in constraints.txt",
                )
            module.support_avx512bf16_for_cpu = False


def tokenizer_of(processor: Any) -> Any:
    return getattr(processor, "tokenizer", processor)


def render(processor: Any, chat: Messages) -> str:
    """The prompt as text, up to and including the header of the model's turn."""
    text: str = processor.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
    return text


def encode(
    processor: Any, chats: Sequence[Messages], *, padding_side: str = "left"
) -> dict[str, torch.Tensor]:
    """Prompts as tensors: `input_ids`, `attention_mask` (batch, tokens); with images also `token_type_ids`
    (batch, tokens; 1 on image tokens) and `pixel_values` (images, 3, height, width).

    Raises:
        ValueError: image tokens and images do not agree, which would silently blind the model.
    """
    texts = [render(processor, chat) for chat in chats]
    images = [
        [item["image"] for turn in chat for item in turn["content"] if item["type"] == "image"]
        for chat in chats
    ]
    options = {
        "add_special_tokens": False,
        "return_tensors": "pt",
        "padding": True,
        "padding_side": padding_side,
    }
    if not any(images):
        return dict(tokenizer_of(processor)(texts, **options))
    batch = dict(processor(text=texts, images=images, **options))
    marked = int(batch["token_type_ids"].sum())
    expected = processor.image_seq_length * sum(len(some) for some in images)
    if marked != expected:
        raise ValueError(f"{marked} image tokens are marked, {expected} expected")
    return batch


class HFChat:
    """A chat in this process, greedy, in padded batches.

    Args:
        settings: which model, how it is loaded, how many chats a batch.
        adapter: folder of a LoRA adapter to put on it.
    """

    def __init__(self, settings: Model, *, adapter: Path | None = None) -> None:
        self._model, self.processor = load(settings)
        if adapter:
            from peft import PeftModel

            self._model = PeftModel.from_pretrained(self._model, str(adapter))
        self._model.eval()
        self._batch_size = settings.batch_size
        ends = self._model.generation_config.eos_token_id
        self._ends = set(ends if isinstance(ends, list) else [ends])

    def reply(self, chats: Sequence[Messages], *, max_new_tokens: int) -> list[Reply]:
        """Answers in batches of the size that the settings give, in the order of `chats`."""
        replies: list[Reply] = []
        for start in range(0, len(chats), self._batch_size):
            replies += self._batch(chats[start : start + self._batch_size], max_new_tokens)
        return replies

    @torch.inference_mode()
    def _batch(self, chats: Sequence[Messages], max_new_tokens: int) -> list[Reply]:
        inputs = {name: value.to(self._model.device) for name, value in encode(self.processor, chats).items()}
        width = inputs["input_ids"].shape[1]
        out = self._model.generate(
            **inputs, max_new_tokens=max_new_tokens, do_sample=False, top_k=None, top_p=None, temperature=None
        )
        # Only what comes after the (left-padded) prompts: the prompt is never part of an answer.
        lengths = inputs["attention_mask"].sum(1).tolist()
        return [
            self._reply(chat, row, int(length))
            for chat, row, length in zip(chats, out[:, width:].tolist(), lengths, strict=True)
        ]

    def _reply(self, chat: Messages, row: list[int], prompt_tokens: int) -> Reply:
        end = next((i for i, token in enumerate(row) if token in self._ends), None)
        new = row if end is None else row[:end]
        text = tokenizer_of(self.processor).decode(new, skip_special_tokens=True).strip()
        return Reply(
            text, "length" if end is None else "end", render(self.processor, chat), prompt_tokens, len(new)
        )
