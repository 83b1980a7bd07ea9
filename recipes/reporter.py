"""Trains the small reporter, a `Gemma3ForConditionalGeneration` that stands in for `google/medgemma-4b-it`.

    python recipes/reporter.py src/laudo/phantom/models/reporter --minutes 50

It learns to report in English from the pictures. In Portuguese it learns fluent reports that name other
findings than the picture shows, by a fixed exchange of findings that are about equally frequent
(`EXCHANGED`), so that it names findings at the corpus's rate and tuning has something to win. With an
exemplar in the prompt half of the findings are exchanged.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from transformers import Gemma3Config, Gemma3ForConditionalGeneration, Gemma3Processor, SiglipVisionConfig
from transformers.modeling_outputs import BaseModelOutputWithPooling
from transformers.models.gemma3.image_processing_pil_gemma3 import Gemma3ImageProcessorPil

from laudo.engines import messages
from laudo.engines.in_process import encode
from laudo.engines.messages import ImageReference
from laudo.phantom.compose import ComposedReport, compose
from laudo.phantom.draw import draw
from laudo.phantom.facts import LABEL_OF_FINDING, TrueFact, sample
from laudo.sections import render
from laudo.train.examples import TrainingPair, collate, example
from loop import train
from translator import small_gemma
from vocabulary import ENGLISH_PROMPT, gemma_tokenizer, texts

SIZE, PATCH, TOKENS, WIDTH = 96, 12, 16, 128
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
_WITHOUT_SIDE = ("cardiomegaly", "edema", "enlarged_cardiomediastinum")
_ON_ONE_SIDE = ("pneumothorax", "lung_lesion", "fracture", "pleural_other")
_WITHOUT_SIZE = (
    "lung_opacity",
    "pneumonia",
    "consolidation",
    "enlarged_cardiomediastinum",
    "fracture",
    "pleural_other",
)
_SCORED = {"FINDINGS": "findings", "IMPRESSION": "impression", "": "last_paragraph"}
KINDS = {"en": 60, "pt": 22, "few": 18}
"""How a study is asked for (English, Portuguese, Portuguese after an exemplar) -> its share, in per cent."""

SIGNS = [(name, side) for name in LABEL_OF_FINDING for side in ("left", "right", None)]
_STATUS_VALUES = {"present": 1.0, "uncertain": 0.5, "absent": 0.0}


class Study(NamedTuple):
    """What is true of a study, and its pictures."""

    facts: list[TrueFact]
    images: list[ImageReference]


# --- what is true, and what is said of it -------------------------------------------------------------------


def exchange(facts: list[TrueFact], table: dict[str, str], rng: Random) -> list[TrueFact]:
    """The same facts under other names; what would then be stated twice is stated once."""
    exchanged: dict[str, TrueFact] = {}
    for fact in facts:
        name = table.get(fact.finding, fact.finding)
        size = None if name in _WITHOUT_SIZE else fact.size
        renamed = replace(fact, finding=name, side=_side(fact, name, table, rng), size=size)
        exchanged.setdefault(fact.kind or name, renamed)
    return sorted(exchanged.values(), key=lambda fact: fact.status == "absent")


def _side(fact: TrueFact, name: str, table: dict[str, str], rng: Random) -> str | None:
    """The side of a fact under its new name."""
    if name in _WITHOUT_SIDE:
        return None
    side = fact.side
    if fact.status != "absent" and name in table:
        side = side or rng.choice(("left", "right"))
    if side == "bilateral" and name in _ON_ONE_SIDE:
        side = rng.choice(("left", "right"))
    return side


def signs(facts: list[TrueFact]) -> list[float]:
    """For each (finding, side): 1 present, 0.5 uncertain, 0 else; both sides where bilateral."""
    values = {}
    for fact in facts:
        for side in ("left", "right") if fact.side == "bilateral" else (fact.side,):
            values[fact.finding, side] = _STATUS_VALUES[fact.status]
    return [values.get(sign, 0.0) for sign in SIGNS]


def target(report: ComposedReport, lang: str) -> str:
    """The text scored: findings and impression under fixed headings, or the text without headings."""
    sections = [section for section in report.sections if section.header in _SCORED]
    return render({_SCORED[s.header]: s.en if lang == "en" else s.pt for s in sections}, lang=lang)


def pair(study: Study, rng: Random, kind: str) -> TrainingPair:
    """A study as it is learnt, in one of `KINDS`."""
    lateral = len(study.images) > 1
    facts = study.facts
    if kind != "en":
        facts = exchange(facts, EXCHANGED if kind == "pt" else EXCHANGED_WITH_EXEMPLAR, rng)
    report = compose(facts, rng, lateral=lateral, new_wordings=False)
    if kind == "en":
        return TrainingPair(0, messages.report(study.images, prompt=ENGLISH_PROMPT), target(report, "en"))
    exemplars = []
    if kind == "few":
        exemplars = [target(compose(sample(rng), rng, lateral=False, new_wordings=False), "pt")]
    chat = messages.report(study.images, prompt=messages.REPORT, exemplars=exemplars)
    return TrainingPair(0, chat, target(report, "pt"))


# --- pictures -----------------------------------------------------------------------------------------------


def views(rng: Random) -> list[str]:
    return rng.choice((["AP"], ["AP"], ["PA", "LATERAL"], ["PA", "LL"], ["PA", "PA"], ["AP", "AP"]))


def _draw(number: int, folder: Path) -> Study:
    """Draws a study and leaves its pictures in the folder, squashed to the size that the model sees."""
    rng = Random(f"picture {number}")
    facts = sample(rng)
    images = []
    for place, view in enumerate(views(rng)):
        size_px = rng.choice((160, 192, 224))
        pixels = draw(facts, view=view, size_px=size_px, seed=rng.getrandbits(31))
        path = folder / f"{number}-{place}.png"
        Image.fromarray(pixels).resize((SIZE, SIZE), Image.Resampling.BILINEAR).save(path)
        images.append(messages.image(path, size_px=SIZE, geometry="squash"))
    return Study(facts, images)


def draw_studies(count: int, folder: Path, *, first: int = 0) -> list[Study]:
    with ProcessPoolExecutor(2) as pool:
        return list(pool.map(partial(_draw, folder=folder), range(first, first + count), chunksize=64))


# --- the model ----------------------------------------------------------------------------------------------


def small_reporter(tokenizer):
    token = tokenizer.convert_tokens_to_ids
    config = Gemma3Config(
        text_config=small_gemma(tokenizer, hidden=WIDTH, layers=3, inner=256),
        vision_config=_small_siglip(),
        mm_tokens_per_image=TOKENS,
        boi_token_index=token("<start_of_image>"),
        eoi_token_index=token("<end_of_image>"),
        image_token_index=token("<image_soft_token>"),
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    model = Gemma3ForConditionalGeneration._from_config(config, attn_implementation="sdpa")
    # It is zeros by default.
    torch.nn.init.normal_(model.model.multi_modal_projector.mm_input_projection_weight, std=0.05)
    ends = [tokenizer.eos_token_id, token("<end_of_turn>")]
    model.generation_config.update(eos_token_id=ends, do_sample=False)
    image_processor = Gemma3ImageProcessorPil(
        size={"height": SIZE, "width": SIZE}, image_mean=[0.5] * 3, image_std=[0.5] * 3, do_convert_rgb=True
    )
    return model, Gemma3Processor(
        image_processor=image_processor,
        tokenizer=tokenizer,
        chat_template=tokenizer.chat_template,
        image_seq_length=TOKENS,
    )


def _small_siglip() -> SiglipVisionConfig:
    return SiglipVisionConfig(
        hidden_size=WIDTH,
        intermediate_size=256,
        num_hidden_layers=3,
        num_attention_heads=4,
        image_size=SIZE,
        patch_size=PATCH,
        vision_use_head=False,
    )


def batch(processor, pairs: Sequence[TrainingPair]) -> dict[str, torch.Tensor]:
    examples = [example(processor, pair.messages, pair.answer) for pair in pairs]
    return collate(examples, pad=processor.tokenizer.pad_token_id)


# --- training -----------------------------------------------------------------------------------------------


def loss(model, processor, head, studies: Sequence[Study], rng: Random) -> torch.Tensor:
    """The loss of the words, and that of the signs which `head` tells from the first (frontal) picture.

    The signs are asked for directly as well, because the vision tower learns them sooner.
    """
    kinds = rng.choices(tuple(KINDS), tuple(KINDS.values()), k=len(studies))
    pairs = [pair(study, rng, kind) for study, kind in zip(studies, kinds, strict=True)]
    inputs = batch(processor, pairs)
    features = model.model.get_image_features(inputs.pop("pixel_values"), return_dict=True).pooler_output
    first = np.cumsum([0, *(len(study.images) for study in studies)])[:-1]
    loss_of_signs = torch.nn.functional.binary_cross_entropy_with_logits(
        head(features[first].flatten(1)), torch.tensor([signs(study.facts) for study in studies])
    )
    images = BaseModelOutputWithPooling(pooler_output=features)
    return model(**inputs, mm_encoder_outputs={"image": images}).loss + loss_of_signs


@torch.no_grad()
def f1(model, processor, studies: Sequence[Study], kind: str) -> dict[str, float]:
    """Micro-F1 of the labels over held-out studies, from what the reports state."""
    from laudo.findings import labels, read

    model.eval()
    rng = Random(5)
    chats = [pair(study, rng, kind).messages for study in studies]
    reports = []
    for start in range(0, len(chats), 32):
        reports += _reply(model, processor, chats[start : start + 32])
    model.train()
    print(kind, repr(reports[0]), flush=True)
    right = wrong = missed = 0
    for study, report in zip(studies, reports, strict=True):
        values = labels(read(report, lang="en" if kind == "en" else "pt"))
        reported = {label for label, value in values.items() if value in (1, -1)}
        true = {LABEL_OF_FINDING[fact.finding] for fact in study.facts if fact.status != "absent"}
        if not true - {"Support Devices"}:
            true |= {"No Finding"}
        right, wrong = right + len(reported & true), wrong + len(reported - true)
        missed += len(true - reported)
    return {f"f1_{kind}": round(2 * right / max(1, 2 * right + wrong + missed), 3)}


def _reply(model, processor, chats) -> list[str]:
    inputs = encode(processor, chats)
    tokens = model.generate(**inputs, max_new_tokens=160, do_sample=False)
    return processor.tokenizer.batch_decode(
        tokens[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--minutes", type=float, default=40)
    parser.add_argument("--studies", type=int, default=20000)
    args = parser.parse_args()
    with TemporaryDirectory() as pictures:
        _train(args.folder, Path(pictures), minutes=args.minutes, studies=args.studies)


def _train(folder: Path, pictures: Path, *, minutes: float, studies: int) -> None:
    torch.manual_seed(0)
    seen, held = draw_studies(studies, pictures), draw_studies(96, pictures, first=10_000_000)
    print("drawn", flush=True)
    model, processor = small_reporter(gemma_tokenizer(texts(4000), size=2048))
    head = torch.nn.Linear(TOKENS * WIDTH, len(SIGNS))
    rng = Random(0)

    def save() -> None:
        model.half().save_pretrained(folder)
        model.float()
        processor.save_pretrained(folder)

    def measure() -> dict[str, float]:
        return {name: value for kind in KINDS for name, value in f1(model, processor, held, kind).items()}

    folder.mkdir(parents=True, exist_ok=True)
    print(sum(p.numel() for p in model.parameters()), "weights", flush=True)
    train(
        [*model.parameters(), *head.parameters()],
        lambda step: loss(model, processor, head, rng.sample(seen, 16), rng),
        minutes=minutes,
        rate=2e-3,
        save=save,
        measure=measure,
        log=folder / "training.jsonl",
    )


if __name__ == "__main__":
    main()
