"""Trains the small encoders: a `BertModel` that stands in for BERTimbau and an `XLMRobertaModel` for XLM-R.

    python recipes/encoders.py src/laudo/phantom/models --minutes 5

They learn what BERTScore asks of them: among the reports of a batch, the one about the same study scores
highest. The first sees two wordings of a study in Portuguese; the second an English and a Portuguese one.
"""

from __future__ import annotations

import argparse
import math
import re
from collections import Counter
from pathlib import Path
from random import Random

import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers
from transformers import (
    BertConfig,
    BertModel,
    BertTokenizer,
    XLMRobertaConfig,
    XLMRobertaModel,
    XLMRobertaTokenizer,
)

from laudo.phantom.compose import compose
from laudo.phantom.facts import sample
from loop import train
from reporter import target
from vocabulary import texts

LAYERS, HIDDEN, TEMPERATURE = 2, 128, 0.07


def pair(rng: Random, langs: tuple[str, str], *, new_wordings: bool = False) -> tuple[str, str]:
    """Two wordings of one study's facts."""
    facts = sample(rng)
    first, second = (compose(facts, rng, lateral=False, new_wordings=new_wordings) for _ in range(2))
    return target(first, langs[0]), target(second, langs[1])


def bert(lines: list[str]) -> tuple[BertModel, BertTokenizer]:
    trained = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    trained.normalizer = normalizers.BertNormalizer(lowercase=False, strip_accents=False)
    trained.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    specials = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    trained.train_from_iterator(
        lines, trainers.WordPieceTrainer(vocab_size=1500, special_tokens=specials, show_progress=False)
    )
    tokenizer = BertTokenizer(vocab=trained.get_vocab(), do_lower_case=False, strip_accents=False)
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=HIDDEN,
        num_hidden_layers=LAYERS,
        num_attention_heads=4,
        intermediate_size=256,
        max_position_embeddings=512,
    )
    return BertModel(config), tokenizer


def xlm_roberta(lines: list[str]) -> tuple[XLMRobertaModel, XLMRobertaTokenizer]:
    """Its unigrams are the words of the corpus by frequency, and characters for what is new."""
    counts = Counter(word for line in lines for word in re.findall(r"\w+|[^\w\s]", line))
    total = sum(counts.values())
    words = [(f"▁{word}", math.log(n / total)) for word, n in counts.most_common(2000)]
    letters = [
        (letter, -20.0) for letter in sorted({letter for line in lines for letter in line} - {" "} | {"▁"})
    ]
    specials = [(name, 0.0) for name in ("<s>", "<pad>", "</s>", "<unk>")]
    tokenizer = XLMRobertaTokenizer(vocab=[*specials, *dict([*letters, *words]).items(), ("<mask>", 0.0)])
    config = XLMRobertaConfig(
        vocab_size=len(tokenizer),
        hidden_size=HIDDEN,
        num_hidden_layers=LAYERS,
        num_attention_heads=4,
        intermediate_size=256,
        max_position_embeddings=514,
        pad_token_id=1,
        bos_token_id=0,
        eos_token_id=2,
        type_vocab_size=1,
    )
    return XLMRobertaModel(config), tokenizer


def embed(model, tokenizer, lines: list[str]) -> tuple[torch.Tensor, torch.Tensor]:
    """Unit vectors (texts, tokens, hidden) and which tokens count (texts, tokens)."""
    inputs = tokenizer(lines, padding=True, truncation=True, max_length=400, return_tensors="pt")
    hidden = model(**inputs).last_hidden_state
    special = torch.tensor(
        [
            tokenizer.get_special_tokens_mask(row, already_has_special_tokens=True)
            for row in inputs.input_ids.tolist()
        ]
    )
    return torch.nn.functional.normalize(hidden, dim=-1), (special == 0) & inputs.attention_mask.bool()


def bertscores(a, a_counts, b, b_counts) -> torch.Tensor:
    """BERTScore F1 of every text of `a` with every text of `b`: (texts of a, texts of b)."""
    near = torch.einsum("ixh,jyh->ijxy", a, b)
    precision = near.masked_fill(~b_counts[None, :, None, :], -1).amax(3)
    recall = near.masked_fill(~a_counts[:, None, :, None], -1).amax(2)
    precision = (precision * a_counts[:, None]).sum(2) / a_counts.sum(1)[:, None]
    recall = (recall * b_counts[None]).sum(2) / b_counts.sum(1)[None]
    return 2 * precision * recall / (precision + recall)


def pooled(vectors, counts) -> torch.Tensor:
    """Unit means of the vectors that count: (texts, hidden)."""
    return torch.nn.functional.normalize((vectors * counts[..., None]).sum(1), dim=-1)


@torch.no_grad()
def matched_wins(model, tokenizer, langs: tuple[str, str], *, new_wordings: bool) -> float:
    """Share of 150 pairs whose BERTScore F1 is above that of the same text with another study's."""
    model.eval()
    rng = Random("held out")
    rows = [pair(rng, langs, new_wordings=new_wordings) for _ in range(150)]
    wins = 0
    for start in range(0, 150, 50):
        part = rows[start : start + 50]
        scores = bertscores(
            *embed(model, tokenizer, [a for a, _ in part]), *embed(model, tokenizer, [b for _, b in part])
        )
        wins += int((scores.diagonal() > scores.roll(1, 1).diagonal()).sum())
    model.train()
    return wins / 150


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--minutes", type=float, default=8)
    parser.add_argument("--only", help="the folder's name, to train one of the two")
    args = parser.parse_args()
    lines = texts(3000)
    for name, (build, langs) in ENCODERS.items():
        if args.only in (None, name):
            torch.manual_seed(0)
            model, tokenizer = build(lines)
            _train(args.folder / name, model, tokenizer, langs, minutes=args.minutes)


ENCODERS = {"encoder-pt": (bert, ("pt", "pt")), "encoder-multilingual": (xlm_roberta, ("en", "pt"))}
"""Folder -> what builds the encoder, and the languages of the texts that it compares."""


def _train(folder: Path, model, tokenizer, langs: tuple[str, str], *, minutes: float) -> None:
    rng = Random(folder.name)
    folder.mkdir(parents=True, exist_ok=True)
    print(folder.name, sum(p.numel() for p in model.parameters()), "weights", flush=True)

    def save() -> None:
        model.half().save_pretrained(folder)
        model.float()
        tokenizer.save_pretrained(folder)

    def measure() -> dict[str, float]:
        return {
            "wins": matched_wins(model, tokenizer, langs, new_wordings=False),
            "wins_new": matched_wins(model, tokenizer, langs, new_wordings=True),
        }

    train(
        list(model.parameters()),
        lambda step: contrast(model, tokenizer, [pair(rng, langs) for _ in range(20)]),
        minutes=minutes,
        rate=5e-4,
        save=save,
        measure=measure,
        log=folder / "training.jsonl",
    )


def contrast(model, tokenizer, rows: list[tuple[str, str]]) -> torch.Tensor:
    """The loss of a batch of pairs: each text shall be nearest to the other text of its pair."""
    a, b = (embed(model, tokenizer, [row[side] for row in rows]) for side in (0, 1))
    matches = torch.arange(len(rows))
    # Means over tokens as well: they bring the two languages together before single words can.
    near = torch.stack([bertscores(*a, *b), pooled(*a) @ pooled(*b).T]) / TEMPERATURE
    losses = [
        torch.nn.functional.cross_entropy(directed, matches)
        for logits in near
        for directed in (logits, logits.T)
    ]
    return sum(losses)


if __name__ == "__main__":
    main()
