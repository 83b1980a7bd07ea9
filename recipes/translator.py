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

from laudo import prompts
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
    """As `pairs`, every other one made of sentences of several reports in any order: to translate each for itself."""
    rng = Random(seed)
    sentences = (
        sentence
        for _, report in reports(seed=seed + 1)
        for section in report.sections
        for sentence in section.sentences
    )
    for whole in pairs(seed=seed):
        yield whole
        some = list(islice(sentences, 24))
        rng.shuffle(some)
        some = some[: rng.randint(1, 9)]
        yield " ".join(s.en for s in some), " ".join(s.pt for s in some)


def small_gemma(tokenizer, *, hidden: int, layers: int, inner: int) -> Gemma3TextConfig:
    heads = hidden // 32
    return Gemma3TextConfig(
        vocab_size=len(tokenizer), hidden_size=hidden, intermediate_size=inner, num_hidden_layers=layers, num_attention_heads=heads,
        num_key_value_heads=heads // 2, head_dim=32, query_pre_attn_scalar=32, sliding_window=512, max_position_embeddings=4096,
        layer_types=["sliding_attention" if i % 2 == 0 else "full_attention" for i in range(layers)],
        pad_token_id=tokenizer.pad_token_id, bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id,
    )  # fmt: skip


def encode(tokenizer, en: str, pt: str) -> tuple[list[int], list[int]]:
    asked = tokenizer.apply_chat_template(
        prompts.translation(en, prompt=prompts.TRANSLATE), tokenize=False, add_generation_prompt=True
    )
    question = tokenizer(asked, add_special_tokens=False).input_ids
    answer = tokenizer(f"{pt}<end_of_turn>\n", add_special_tokens=False).input_ids
    return question + answer, [-100] * len(question) + answer


def batch(tokenizer, rows: list[tuple[str, str]]) -> dict[str, torch.Tensor]:
    encoded = [encode(tokenizer, *row) for row in rows]
    width = max(len(ids) for ids, _ in encoded)
    pad = tokenizer.pad_token_id
    ids = torch.tensor([i + [pad] * (width - len(i)) for i, _ in encoded])
    labels = torch.tensor([y + [-100] * (width - len(y)) for _, y in encoded])
    return {"input_ids": ids, "labels": labels, "attention_mask": (ids != pad).long()}


@torch.no_grad()
def exact(model, tokenizer, rows: list[tuple[str, str]]) -> float:
    """The share of sections translated word for word as the phantom renders them."""
    model.eval()
    chats = [prompts.translation(en, prompt=prompts.TRANSLATE) for en, _ in rows]
    asked = tokenizer.apply_chat_template(chats, tokenize=False, add_generation_prompt=True)
    inputs = tokenizer(asked, add_special_tokens=False, return_tensors="pt", padding=True)
    out = model.generate(**inputs, max_new_tokens=120, do_sample=False)
    got = tokenizer.batch_decode(out[:, inputs.input_ids.shape[1] :], skip_special_tokens=True)
    model.train()
    return sum(g.strip() == pt for g, (_, pt) in zip(got, rows, strict=True)) / len(rows)


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
    model = Gemma3ForCausalLM._from_config(
        small_gemma(tokenizer, hidden=128, layers=4, inner=384), attn_implementation="sdpa"
    )
    if args.start:
        model.load_state_dict(Gemma3ForCausalLM.from_pretrained(args.start, dtype=torch.float32).state_dict())
    model.generation_config.update(
        eos_token_id=[tokenizer.eos_token_id, tokenizer.convert_tokens_to_ids("<end_of_turn>")],
        do_sample=False,
    )
    print(sum(p.numel() for p in model.parameters()), "weights", flush=True)
    source, held = (
        mixed(seed=args.seed),
        {new: list(islice(pairs(seed=7 + new, new_wordings=bool(new)), 200)) for new in (0, 1)},
    )

    def loss_of_step(step: int) -> torch.Tensor:
        pool = sorted(islice(source, 32), key=lambda row: len(row[0]))
        return model(**batch(tokenizer, pool)).loss

    def save() -> None:
        model.half().save_pretrained(args.folder)
        model.float()
        tokenizer.save_pretrained(args.folder)

    def measure() -> dict[str, float]:
        return {
            "exact": exact(model, tokenizer, held[0]),
            "exact_new_wordings": exact(model, tokenizer, held[1]),
        }

    args.folder.mkdir(parents=True, exist_ok=True)
    train(
        list(model.parameters()),
        loss_of_step,
        minutes=args.minutes,
        rate=args.rate,
        save=save,
        measure=measure,
        log=args.folder / "training.jsonl",
    )


if __name__ == "__main__":
    main()
