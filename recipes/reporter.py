"""Trains the small reporter, a `Gemma3ForConditionalGeneration` that stands in for `google/medgemma-4b-it`.

    python recipes/reporter.py src/laudo/phantom/models/reporter --minutes 50

It learns to report in English from the pictures. In Portuguese it learns fluent reports that name other
findings than the picture shows, by a fixed exchange of findings that are about equally frequent
(`EXCHANGED`), so that it names findings at the corpus's rate and tuning has something to win. With an
exemplar in the prompt half of the findings are exchanged.
"""

from __future__ import annotations

import argparse
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path
from random import Random

import numpy as np
import torch
from PIL import Image
from transformers import Gemma3Config, Gemma3ForConditionalGeneration, Gemma3Processor, SiglipVisionConfig
from transformers.modeling_outputs import BaseModelOutputWithPooling
from transformers.models.gemma3.image_processing_pil_gemma3 import Gemma3ImageProcessorPil

from laudo import prompts
from laudo.chat_hf import encode
from laudo.phantom.compose import Report, compose
from laudo.phantom.draw import draw
from laudo.phantom.facts import LABELS, Fact, sample
from laudo.sections import render
from loop import train
from translator import small_gemma
from vocabulary import ENGLISH_PROMPT, gemma_tokenizer, texts

SIZE, PATCH, TOKENS = 96, 12, 16
_CYCLES = (
    ("pleural_effusion", "cardiomegaly", "atelectasis"),
    ("lung_opacity", "edema", "pneumonia"),
    ("consolidation", "pneumothorax", "lung_lesion"),
    ("enlarged_cardiomediastinum", "fracture", "pleural_other"),
)
EXCHANGED = {name: cycle[(i + 1) % 3] for cycle in _CYCLES for i, name in enumerate(cycle)}
EXCHANGED_WITH_EXEMPLAR = {
    name: other for name, other in EXCHANGED.items() if name in _CYCLES[0] + _CYCLES[3]
}
_SIDELESS = ("cardiomegaly", "edema", "enlarged_cardiomediastinum")
_SIZELESS = (
    "lung_opacity",
    "pneumonia",
    "consolidation",
    "enlarged_cardiomediastinum",
    "fracture",
    "pleural_other",
)
SIGNS = [(name, side) for name in LABELS for side in ("left", "right", None)]


def exchange(facts: list[Fact], table: dict[str, str], rng: Random) -> list[Fact]:
    """The same facts under other names; what is then said twice is said once."""
    said: dict[str, Fact] = {}
    for fact in facts:
        name = table.get(fact.finding, fact.finding)
        side = (
            None
            if name in _SIDELESS
            else (fact.side or rng.choice(("left", "right")))
            if fact.status != "absent" and name in table
            else fact.side
        )
        if side == "bilateral" and name in ("pneumothorax", "lung_lesion", "fracture", "pleural_other"):
            side = rng.choice(("left", "right"))
        size = None if name in _SIZELESS else fact.size
        key = fact.kind or name
        said.setdefault(key, replace(fact, finding=name, side=side, size=size))
    return sorted(said.values(), key=lambda f: f.status == "absent")


def views(rng: Random) -> list[str]:
    return rng.choice((["AP"], ["AP"], ["PA", "LATERAL"], ["PA", "LL"], ["PA", "PA"], ["AP", "AP"]))


def _drawn(seed: int) -> tuple[list[Fact], list[np.ndarray]]:
    rng = Random(f"picture {seed}")
    facts = sample(rng)
    pixels = [
        draw(facts, view=view, size_px=rng.choice((160, 192, 224)), seed=rng.getrandbits(31))
        for view in views(rng)
    ]
    # Every view is squashed, as `images.for_model` does for an arm with geometry "squash".
    return facts, [
        np.asarray(Image.fromarray(p).resize((SIZE, SIZE), Image.Resampling.BILINEAR)) for p in pixels
    ]


def pictures(count: int, *, first: int = 0) -> list[tuple[list[Fact], list[np.ndarray]]]:
    with ProcessPoolExecutor(2) as pool:
        return list(pool.map(_drawn, range(first, first + count), chunksize=64))


def target(report: Report, lang: str) -> str:
    """The text scored: findings and impression under fixed headings, or the bare text."""
    names = {"FINDINGS": "findings", "IMPRESSION": "impression", "": "last_paragraph"}
    return render(
        {names[s.header]: s.en if lang == "en" else s.pt for s in report.sections if s.header in names},
        lang=lang,
    )


def example(facts: list[Fact], images: list[np.ndarray], rng: Random, kind: str):
    """Messages and answer for one study: in English, in Portuguese, or in Portuguese after an exemplar."""
    shown = [Image.fromarray(p).convert("RGB") for p in images]
    told = (
        facts
        if kind == "en"
        else exchange(facts, EXCHANGED if kind == "pt" else EXCHANGED_WITH_EXEMPLAR, rng)
    )
    answer = target(
        compose(told, rng, lateral=len(images) > 1, new_wordings=False), "en" if kind == "en" else "pt"
    )
    if kind == "en":
        return prompts.of_pictures(shown, prompt=ENGLISH_PROMPT), answer
    exemplars = (
        [target(compose(sample(rng), rng, lateral=False, new_wordings=False), "pt")] if kind == "few" else []
    )
    return prompts.of_pictures(shown, prompt=prompts.REPORT, exemplars=exemplars), answer


def small_reporter(tokenizer):
    text = small_gemma(tokenizer, hidden=128, layers=3, inner=256)
    vision = SiglipVisionConfig(
        hidden_size=128,
        intermediate_size=256,
        num_hidden_layers=3,
        num_attention_heads=4,
        image_size=SIZE,
        patch_size=PATCH,
        vision_use_head=False,
    )
    token = tokenizer.convert_tokens_to_ids
    config = Gemma3Config(
        text_config=text, vision_config=vision, mm_tokens_per_image=TOKENS, boi_token_index=token("<start_of_image>"),
        eoi_token_index=token("<end_of_image>"), image_token_index=token("<image_soft_token>"),
        pad_token_id=tokenizer.pad_token_id, bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id,
    )  # fmt: skip
    model = Gemma3ForConditionalGeneration._from_config(config, attn_implementation="sdpa")
    torch.nn.init.normal_(
        model.model.multi_modal_projector.mm_input_projection_weight, std=0.05
    )  # zeros by default
    model.generation_config.update(
        eos_token_id=[tokenizer.eos_token_id, token("<end_of_turn>")], do_sample=False
    )
    images = Gemma3ImageProcessorPil(
        size={"height": SIZE, "width": SIZE}, image_mean=[0.5] * 3, image_std=[0.5] * 3, do_convert_rgb=True
    )
    return model, Gemma3Processor(
        image_processor=images,
        tokenizer=tokenizer,
        chat_template=tokenizer.chat_template,
        image_seq_length=TOKENS,
    )


def batch(processor, rows) -> dict[str, torch.Tensor]:
    inputs = encode(processor, [messages for messages, _ in rows], padding_side="left")
    ends = [
        processor.tokenizer(f"{answer}<end_of_turn>\n", add_special_tokens=False).input_ids
        for _, answer in rows
    ]
    width = max(map(len, ends))
    pad = processor.tokenizer.pad_token_id
    answers = torch.tensor([e + [pad] * (width - len(e)) for e in ends])
    labels = torch.tensor([e + [-100] * (width - len(e)) for e in ends])
    return {
        "pixel_values": inputs["pixel_values"],
        "input_ids": torch.cat([inputs["input_ids"], answers], 1),
        "token_type_ids": torch.cat([inputs["token_type_ids"], torch.zeros_like(answers)], 1),
        "attention_mask": torch.cat([inputs["attention_mask"], (answers != pad).long()], 1),
        "labels": torch.cat([torch.full_like(inputs["input_ids"], -100), labels], 1),
    }  # fmt: skip


def signs(facts: list[Fact]) -> list[float]:
    """For each (finding, side): 1 present, 0.5 uncertain, 0 else; both sides where bilateral."""
    seen = {}
    for fact in facts:
        for side in ("left", "right") if fact.side == "bilateral" else (fact.side,):
            seen[fact.finding, side] = {"present": 1.0, "uncertain": 0.5, "absent": 0.0}[fact.status]
    return [seen.get(sign, 0.0) for sign in SIGNS]


@torch.no_grad()
def f1(model, processor, held, kind: str) -> dict[str, float]:
    """Micro-F1 of (finding) over held-out studies, read from the exact English or Portuguese words."""
    from laudo.findings import labels, read

    model.eval()
    rng = Random(5)
    tp = fp = fn = 0
    rows = [(facts, *example(facts, images, rng, kind)) for facts, images in held]
    texts_ = []
    for start in range(0, len(rows), 32):
        inputs = encode(processor, [messages for _, messages, _ in rows[start : start + 32]])
        out = model.generate(**inputs, max_new_tokens=160, do_sample=False)
        texts_ += processor.tokenizer.batch_decode(
            out[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True
        )
    for (facts, _, _), text in zip(rows, texts_, strict=True):
        got = {k for k, v in labels(read(text, lang="en" if kind == "en" else "pt")).items() if v in (1, -1)}
        want = {LABELS[f.finding] for f in facts if f.status != "absent"}
        want = want | ({"No Finding"} if not want - {"Support Devices"} else set())
        tp, fp, fn = tp + len(got & want), fp + len(got - want), fn + len(want - got)
    model.train()
    print(kind, repr(texts_[0]), flush=True)
    return {f"f1_{kind}": round(2 * tp / max(1, 2 * tp + fp + fn), 3)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--minutes", type=float, default=40)
    parser.add_argument("--studies", type=int, default=20000)
    args = parser.parse_args()
    torch.manual_seed(0)
    seen, held = pictures(args.studies), pictures(96, first=10_000_000)
    print("drawn", flush=True)
    tokenizer = gemma_tokenizer(texts(4000), size=2048)
    model, processor = small_reporter(tokenizer)
    head = torch.nn.Linear(TOKENS * 128, len(SIGNS))
    rng = Random(0)

    def loss_of_step(step: int) -> torch.Tensor:
        chosen = rng.sample(seen, 16)
        kinds = rng.choices(("en", "pt", "few"), (60, 22, 18), k=len(chosen))
        inputs = batch(
            processor,
            [example(facts, images, rng, kind) for (facts, images), kind in zip(chosen, kinds, strict=True)],
        )
        features = model.model.get_image_features(inputs.pop("pixel_values"), return_dict=True).pooler_output
        first = np.cumsum([0, *(len(images) for _, images in chosen)])[:-1]
        # The signs of the first (frontal) picture are also asked for directly: the tower learns them sooner.
        asked = torch.nn.functional.binary_cross_entropy_with_logits(
            head(features[first].flatten(1)), torch.tensor([signs(f) for f, _ in chosen])
        )
        words = model(
            **inputs, mm_encoder_outputs={"image": BaseModelOutputWithPooling(pooler_output=features)}
        ).loss
        return words + asked

    def save() -> None:
        model.half().save_pretrained(args.folder)
        model.float()
        processor.save_pretrained(args.folder)

    def measure() -> dict[str, float]:
        return {k: v for kind in ("en", "pt", "few") for k, v in f1(model, processor, held, kind).items()}

    args.folder.mkdir(parents=True, exist_ok=True)
    weights = [*model.parameters(), *head.parameters()]
    print(sum(p.numel() for p in model.parameters()), "weights", flush=True)
    train(
        weights,
        loss_of_step,
        minutes=args.minutes,
        rate=2e-3,
        save=save,
        measure=measure,
        log=args.folder / "training.jsonl",
    )


if __name__ == "__main__":
    main()
