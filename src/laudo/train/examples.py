"""What is learnt: studies with their Portuguese reports, and the same as tensors, padded into batches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import Dataset

from laudo import sections
from laudo.engines import messages
from laudo.engines.in_process import encode, tokenizer_of
from laudo.engines.messages import Messages
from laudo.experiment import Plan
from laudo.fidelity import LEARNABLE
from laudo.store import Row, rows, used
from laudo.train.loss import IGNORED


class TrainingPair(NamedTuple):
    """A study's prompt, and the answer that the model learns to give."""

    study_id: int
    messages: Messages
    answer: str


def training_pairs(plan: Plan, split: str) -> list[TrainingPair]:
    """Returns the used studies of a split whose translation may be learnt from, in the order of study_id."""
    answers = {v["study_id"]: v["sections_pt"] for v in rows(plan.verdicts) if v["verdict"] in LEARNABLE}
    studies = [s for s in rows(plan.studies, where=used(split)) if s["study_id"] in answers]
    return [
        TrainingPair(
            study["study_id"], _prompt(plan, study), sections.render(answers[study["study_id"]], lang="pt")
        )
        for study in studies
    ]


def _prompt(plan: Plan, study: Row) -> Messages:
    experiment = plan.experiment
    return messages.study_report(
        study["images"],
        run=plan.run,
        size_px=experiment.prepare.size_px,
        geometry=experiment.reporter.geometry,
        prompt=experiment.train.prompt,
        prior=study["prior_report"],
    )


class Examples(Dataset[dict[str, torch.Tensor]]):
    """TrainingPairs as tensors, made one by one, so that no image is held longer than its batch."""

    def __init__(self, processor: Any, pairs: Sequence[TrainingPair]) -> None:
        self._processor, self._pairs = processor, pairs

    def __len__(self) -> int:
        return len(self._pairs)

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        pair = self._pairs[index]
        return example(self._processor, pair.messages, pair.answer)


def example(processor: Any, chat: Messages, answer: str) -> dict[str, torch.Tensor]:
    """Returns one example as the model learns it: `input_ids` and `labels` (tokens,).

    A model that takes images gets `token_type_ids` (tokens,) and `pixel_values` (images, 3, height, width) as
    well. The prompt's tokens are labelled `IGNORED`; the answer's and the end of the turn are their own
    labels. Nothing is ever cut.
    """
    prompt = encode(processor, [chat])
    prompt_ids = prompt["input_ids"][0]
    tokens = tokenizer_of(processor)(f"{answer}<end_of_turn>\n", add_special_tokens=False)
    answer_ids = torch.tensor(tokens.input_ids)
    tensors = {
        "input_ids": torch.cat([prompt_ids, answer_ids]),
        "labels": torch.cat([torch.full_like(prompt_ids, IGNORED), answer_ids]),
    }
    if "pixel_values" in prompt:
        types = prompt["token_type_ids"][0]
        tensors["token_type_ids"] = torch.cat([types, torch.zeros_like(answer_ids)])
        tensors["pixel_values"] = prompt["pixel_values"]
    return tensors


def collate(examples: Sequence[dict[str, torch.Tensor]], *, pad: int) -> dict[str, torch.Tensor]:
    """Returns a batch, padded on the right: (examples, tokens) each, and all images in one `pixel_values`.

    Args:
        pad: the token that `input_ids` are padded with.
    """
    fill_values = {"input_ids": pad, "labels": IGNORED, "token_type_ids": 0}
    batch = {
        name: pad_sequence([e[name] for e in examples], batch_first=True, padding_value=value)
        for name, value in fill_values.items()
        if name in examples[0]
    }
    lengths = torch.tensor([len(e["input_ids"]) for e in examples])
    batch["attention_mask"] = (torch.arange(batch["input_ids"].shape[1]) < lengths[:, None]).long()
    if "pixel_values" in examples[0]:
        batch["pixel_values"] = torch.cat([e["pixel_values"] for e in examples])
    return batch
