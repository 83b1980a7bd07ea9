"""The tokenizers and the chat template of the small models, made from phantom text."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from random import Random

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers
from transformers import GemmaTokenizer

from laudo.engines import messages
from laudo.phantom.compose import ComposedReport, compose
from laudo.phantom.facts import TrueFact, sample

SPECIAL = [
    "<pad>",
    "<eos>",
    "<bos>",
    "<unk>",
    "<mask>",
    "<start_of_turn>",
    "<end_of_turn>",
    "<start_of_image>",
    "<end_of_image>",
    "<image_soft_token>",
]

# Gemma's turns: roles user and model, a system text folded into the first user turn.
TEMPLATE = """{{ bos_token }}{%- for message in messages -%}
<start_of_turn>{{ 'model' if message['role'] == 'assistant' else message['role'] }}{{ '\\n' }}
{%- if message['content'] is string -%}{{ message['content'] | trim }}
{%- else -%}{%- for item in message['content'] -%}
{%- if item['type'] == 'image' -%}{{ '<start_of_image>' }}{%- else -%}{{ item['text'] | trim }}{%- endif -%}
{%- endfor -%}{%- endif -%}
<end_of_turn>{{ '\\n' }}{%- endfor -%}
{%- if add_generation_prompt -%}<start_of_turn>model{{ '\\n' }}{%- endif -%}"""


def reports(*, seed: int, new_wordings: bool = False) -> Iterator[tuple[list[TrueFact], ComposedReport]]:
    """Endless phantom reports, none of any corpus that `laudo phantom` writes."""
    number = 0
    while True:
        rng = Random(f"recipe {seed} {number}")
        facts = sample(rng)
        yield facts, compose(facts, rng, lateral=rng.random() < 0.5, new_wordings=new_wordings)
        number += 1


def texts(count: int) -> list[str]:
    """Section texts in both languages, prompts and turn words."""
    lines = []
    for (_, report), _ in zip(reports(seed=1), range(count), strict=False):
        for section in report.sections:
            lines += [section.en, section.pt, f"{section.header}: {section.en}"]
    headings = ["FINDINGS: ", "IMPRESSION: ", "ACHADOS: ", "IMPRESSÃO: "] * count
    fixed = [messages.TRANSLATE, messages.REPORT, messages.EXEMPLAR, ENGLISH_PROMPT, "user\nmodel\n"] * 200
    return lines + headings + fixed


ENGLISH_PROMPT = "Describe the findings in these chest radiographs."


def gemma_tokenizer(lines: Iterable[str], *, size: int) -> GemmaTokenizer:
    """A byte-fallback BPE tokenizer of Gemma's kind."""
    trained = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    trained.normalizer = normalizers.Replace(" ", "▁")
    trained.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split("▁", "merged_with_next"),
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.Punctuation("isolated"),
        ]
    )
    byte_tokens = [f"<0x{i:02X}>" for i in range(256)]
    trainer = trainers.BpeTrainer(
        vocab_size=size, show_progress=False, special_tokens=[*SPECIAL, *byte_tokens, "\n", "\n\n"]
    )
    trained.train_from_iterator(lines, trainer)
    model = json.loads(trained.to_str())["model"]
    tokenizer = GemmaTokenizer(
        vocab=model["vocab"],
        merges=[tuple(pair) for pair in model["merges"]],
        add_bos_token=True,
        padding_side="left",
        boi_token="<start_of_image>",
        eoi_token="<end_of_image>",
        image_token="<image_soft_token>",
        extra_special_tokens=["<start_of_turn>", "<end_of_turn>"],
    )
    tokenizer.chat_template = TEMPLATE
    return tokenizer
