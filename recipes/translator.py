"""Trains the small translator, a `Gemma3ForCausalLM` that stands in for `google/medgemma-27b-text-it`.

python recipes/translator.py src/laudo/phantom/models/translator --minutes 25
"""

from __future__ import annotations

import argparse
from itertools import islice
from pathlib import Path
from random import Random

import torch
from transformers import Gemma3ForCausalLM, Gemma3TextConfig

from laudo.engines import messages
from laudo.engines.in_process import encode
from laudo.train.examples import collate, example
from loop import train
from vocabulary import gemma_tokenizer, reports, texts

SCORED = ("FINDINGS", "IMPRESSION", "")


def pairs(*, seed: int, new_wordings: bool = False):
    """Section bodies, English and Portuguese; of the sections that are never scored, one in five."""
    rng = Random(seed)
    for _, report in reports(seed=seed, new_wordings=new_wordings):
        for section in report.sections:
            if section.header in SCORED or rng.random() < 0.2:
                yield section.en, section.pt


def mixed(*, seed: int):
    """As `pairs`; every other one is made of sentences of several reports, to be translated one by one."""
    rng = Random(seed)
    sentences = (
        sentence
        for _, report in reports(seed=seed + 1)
        for section in report.sections
        for sentence in section.sentences
    )
    for section_pair in pairs(seed=seed):
        yield section_pair
        drawn = list(islice(sentences, 24))
        rng.shuffle(drawn)
        drawn = drawn[: rng.randint(1, 9)]
        yield " ".join(s.en for s in drawn), " ".join(s.pt for s in drawn)


def small_gemma(tokenizer, *, hidden: int, layers: int, inner: int) -> Gemma3TextConfig:
    heads = hidden // 32
    return Gemma3TextConfig(
        vocab_size=len(tokenizer),
        hidden_size=hidden,
        intermediate_size=inner,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=heads // 2,
        head_dim=32,
        query_pre_attn_scalar=32,
        sliding_window=512,
        max_position_embeddings=4096,
        layer_types=["full_attention" if layer % 2 else "sliding_attention" for layer in range(layers)],
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )


def batch(tokenizer, rows: list[tuple[str, str]]) -> dict[str, torch.Tensor]:
    examples = [
        example(tokenizer, messages.translation(en, prompt=messages.TRANSLATE), pt) for en, pt in rows
    ]
    return collate(examples, pad=tokenizer.pad_token_id)


@torch.no_grad()
def exact(model, tokenizer, rows: list[tuple[str, str]]) -> float:
    """The share of sections translated word for word as the phantom renders them."""
    model.eval()
    chats = [messages.translation(en, prompt=messages.TRANSLATE) for en, _ in rows]
    inputs = encode(tokenizer, chats)
    tokens = model.generate(**inputs, max_new_tokens=120, do_sample=False)
    replies = tokenizer.batch_decode(tokens[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True)
    model.train()
    return sum(reply.strip() == pt for reply, (_, pt) in zip(replies, rows, strict=True)) / len(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--start", type=Path, help="go on from a folder that an earlier run left")
    parser.add_argument("--seed", type=int, default=100)
    parser.add_argument("--rate", type=float, default=3e-3)
    args = parser.parse_args()
    torch.manual_seed(0)
    tokenizer = gemma_tokenizer(texts(4000), size=2048)
    model = small_translator(tokenizer, start=args.start)
    print(sum(p.numel() for p in model.parameters()), "weights", flush=True)
    source = mixed(seed=args.seed)
    held = list(islice(pairs(seed=7), 200))
    held_new_wordings = list(islice(pairs(seed=8, new_wordings=True), 200))

    def loss_of_step(step: int) -> torch.Tensor:
        rows = sorted(islice(source, 32), key=lambda row: len(row[0]))
        return model(**batch(tokenizer, rows)).loss

    def save() -> None:
        model.half().save_pretrained(args.folder)
        model.float()
        tokenizer.save_pretrained(args.folder)

    args.folder.mkdir(parents=True, exist_ok=True)
    train(
        list(model.parameters()),
        loss_of_step,
        minutes=args.minutes,
        rate=args.rate,
        save=save,
        measure=lambda: {
            "exact": exact(model, tokenizer, held),
            "exact_new_wordings": exact(model, tokenizer, held_new_wordings),
        },
        log=args.folder / "training.jsonl",
    )


def small_translator(tokenizer, *, start: Path | None) -> Gemma3ForCausalLM:
    """A fresh model, or one with the weights that an earlier run left."""
    config = small_gemma(tokenizer, hidden=128, layers=4, inner=384)
    model = Gemma3ForCausalLM._from_config(config, attn_implementation="sdpa")
    if start:
        model.load_state_dict(Gemma3ForCausalLM.from_pretrained(start, dtype=torch.float32).state_dict())
    ends = [tokenizer.eos_token_id, tokenizer.convert_tokens_to_ids("<end_of_turn>")]
    model.generation_config.update(eos_token_id=ends, do_sample=False)
    return model


if __name__ == "__main__":
    main()
