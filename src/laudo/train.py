"""train: LoRA of the reporting model on the accepted training studies, as the study tuned MedGemma-4B.

Loss, entropy and accuracy are over the answer's tokens alone: the labels are the answer by construction,
never a mask searched for in the text. A checkpoint counts once its marker is there; a rerun goes on from
the last one that counts. The weights with the lowest validation loss become the adapter.
"""

from __future__ import annotations

import json
import math
import os
import shutil
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, get_peft_model
from torch.utils.data import DataLoader, Dataset
from transformers import (
    PrinterCallback,
    Trainer,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
    set_seed,
)

from laudo import chat_hf, prompts, sections
from laudo.config import Train
from laudo.disk import write_json
from laudo.errors import LaudoError, NotReady
from laudo.fidelity import LEARNT
from laudo.plan import Plan
from laudo.progress import Progress
from laudo.records import used
from laudo.store import Row, is_done, making, read, write_rows

IGNORED = -100
"""The label that the loss leaves out (`torch.nn.CrossEntropyLoss`)."""

METRICS = ("loss", "entropy", "mean_token_accuracy")
_COMPLETE = "complete.json"
_LANGUAGE = r".*language_model\.layers\..*\.(q|k|v|o|gate|up|down)_proj"


def run(plan: Plan) -> bool:
    """Makes `training` and, in its folder, `adapter/`. Returns whether there was anything to do.

    Raises:
        ExperimentError: the experiment prepares no images.
        LaudoError: it was started in several processes.
        NotReady: no training or no validation study has an accepted translation.
    """
    if is_done(plan.training):
        return False
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise LaudoError(
            "training in several processes is not supported yet",
            mend="run laudo train in one process, on one GPU",
        )
    plan.experiment.require_images()
    settings = plan.experiment.train
    rows = {split: answers(plan, split) for split in ("train", "validate")}
    for split, found in rows.items():
        if not found:
            raise NotReady(
                f"no {split} study has an accepted translation",
                where=str(plan.verdicts.folder),
                mend=f"raise [prepare] {split}, or look at why the checks fail",
            )
    with making(plan.training) as folder:
        set_seed(settings.seed)
        model, processor = chat_hf.load(settings)
        trainer = _trainer(plan, _with_lora(model, settings), processor, rows, folder / "checkpoints")
        trainer.train(resume_from_checkpoint=_last_complete(folder / "checkpoints"))
        _save_adapter(trainer.model, folder / "adapter")
        write_rows(plan.training, _curves(trainer.state.log_history))
    # Not before it is done: a kill halfway through would leave checkpoints that look whole.
    shutil.rmtree(folder / "checkpoints")
    return True


def answers(plan: Plan, split: str) -> list[tuple[Row, str]]:
    """The usable studies of a split and the Portuguese report to be learnt, joined by study_id.

    Only accepted and repaired translations are learnt from.
    """
    final = {v["study_id"]: v["sections_pt"] for v in read(plan.verdicts) if v["verdict"] in LEARNT}
    studies = [s for s in read(plan.studies, where=used(split)) if s["study_id"] in final]
    return [(study, sections.render(final[study["study_id"]], lang="pt")) for study in studies]


# --- examples --------------------------------------------------------------------------------------------------


def example(processor: Any, messages: prompts.Messages, answer: str) -> dict[str, torch.Tensor]:
    """One study as the model learns it: `input_ids`, `labels`, `token_type_ids` (tokens,), `pixel_values`.

    The prompt's tokens are labelled `IGNORED`; the answer's and the end of the turn are their own labels.
    Nothing is ever cut.
    """
    asked = chat_hf.encode(processor, [messages])
    tokenizer = chat_hf.tokenizer_of(processor)
    answered = torch.tensor(tokenizer(f"{answer}<end_of_turn>\n", add_special_tokens=False).input_ids)
    question = asked["input_ids"][0]
    return {
        "input_ids": torch.cat([question, answered]),
        "labels": torch.cat([torch.full_like(question, IGNORED), answered]),
        "token_type_ids": torch.cat([asked["token_type_ids"][0], torch.zeros_like(answered)]),
        "pixel_values": asked["pixel_values"],
    }


def collate(examples: Sequence[dict[str, torch.Tensor]], *, pad: int) -> dict[str, torch.Tensor]:
    """Pads on the right: (batch, tokens) each, and all images in one `pixel_values` (images, 3, height, width)."""

    def padded(name: str, value: int) -> torch.Tensor:
        return torch.nn.utils.rnn.pad_sequence(
            [e[name] for e in examples], batch_first=True, padding_value=value
        )

    lengths = torch.tensor([len(e["input_ids"]) for e in examples])
    ids = padded("input_ids", pad)
    return {
        "input_ids": ids,
        "labels": padded("labels", IGNORED),
        "token_type_ids": padded("token_type_ids", 0),
        "attention_mask": (torch.arange(ids.shape[1]) < lengths[:, None]).long(),
        "pixel_values": torch.cat([e["pixel_values"] for e in examples]),
    }


class _Examples(Dataset[dict[str, torch.Tensor]]):
    """Examples made when asked for, so that no image is held longer than its batch."""

    def __init__(self, plan: Plan, processor: Any, rows: list[tuple[Row, str]]) -> None:
        self._plan, self._processor, self._rows = plan, processor, rows

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        study, answer = self._rows[index]
        e = self._plan.experiment
        messages = prompts.report(
            study["images"],
            run=self._plan.run,
            size_px=e.prepare.size_px,
            geometry=e.generate.geometry,
            prompt=e.train.prompt,
            prior=study["prior_report"],
        )
        return example(self._processor, messages, answer)


# --- the trainer -----------------------------------------------------------------------------------------------


def _with_lora(model: Any, settings: Train) -> Any:
    targets = "all-linear" if settings.targets == "all-linear" else _LANGUAGE
    if settings.gradient_checkpointing:
        model.enable_input_require_grads()
    config = LoraConfig(
        r=settings.r,
        lora_alpha=settings.alpha,
        lora_dropout=settings.dropout,
        target_modules=targets,
        task_type="CAUSAL_LM",
    )
    return get_peft_model(model, config)


def _trainer(
    plan: Plan, model: Any, processor: Any, rows: dict[str, list[tuple[Row, str]]], folder: Path
) -> AnswerTrainer:
    s = plan.experiment.train
    steps = math.ceil(math.ceil(len(rows["train"]) / s.batch_size) / s.gradient_accumulation * s.epochs)
    every = max(1, steps // s.evaluations)
    checkpointing = (
        {"gradient_checkpointing": True, "gradient_checkpointing_kwargs": {"use_reentrant": False}}
        if s.gradient_checkpointing
        else {}
    )
    on_gpu = chat_hf.device() == "cuda"
    arguments = TrainingArguments(
        output_dir=str(folder), num_train_epochs=s.epochs, per_device_train_batch_size=s.batch_size, per_device_eval_batch_size=s.batch_size,
        gradient_accumulation_steps=s.gradient_accumulation, learning_rate=s.learning_rate, lr_scheduler_type=s.schedule,
        warmup_steps=math.ceil(steps * s.warmup_ratio), max_grad_norm=s.max_grad_norm, seed=s.seed, data_seed=s.seed,
        eval_strategy="steps", eval_steps=every, save_strategy="steps", save_steps=every, save_total_limit=2,
        load_best_model_at_end=True, metric_for_best_model="loss", greater_is_better=False, logging_steps=1,
        use_cpu=not on_gpu, bf16=on_gpu, dataloader_num_workers=4 if on_gpu else 0, remove_unused_columns=False,
        label_names=["labels"], report_to="none", disable_tqdm=True, **checkpointing,
    )  # fmt: skip
    # Else the Trainer takes every GPU it sees for a larger batch, and would cut images from their reports.
    arguments._n_gpu = 1
    pad = chat_hf.tokenizer_of(processor).pad_token_id
    trainer = AnswerTrainer(
        model=model, args=arguments, train_dataset=_Examples(plan, processor, rows["train"]),
        eval_dataset=_Examples(plan, processor, rows["validate"]), data_collator=partial(collate, pad=pad), callbacks=[_Shown()],
    )  # fmt: skip
    trainer.remove_callback(PrinterCallback)
    return trainer


class AnswerTrainer(Trainer):  # type: ignore[misc]
    """A Trainer whose loss, entropy (nats) and accuracy are means over the answers' tokens."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        # The loss below divides by the tokens of the whole accumulated batch, as one large batch would.
        self.model_accepts_loss_kwargs = True
        self._seen = torch.zeros(3)

    def compute_loss(
        self,
        model: Any,
        inputs: dict[str, torch.Tensor],
        return_outputs: bool = False,
        num_items_in_batch: Any = None,
    ) -> Any:
        """Mean cross-entropy of the answer's tokens, over the accumulated batch where its count is given."""
        loss, sums = answer_sums(model, inputs)
        if model.training:
            self._seen += sums
            return loss / (num_items_in_batch if num_items_in_batch is not None else sums[2])
        return loss / sums[2]

    def evaluate(
        self, eval_dataset: Any = None, ignore_keys: Any = None, metric_key_prefix: str = "eval"
    ) -> dict[str, float]:
        """Means over all answer tokens of the validation split, not means of means of batches."""
        model = self.model.eval()
        total = torch.zeros(4)
        loader: DataLoader[Any] = self.get_eval_dataloader(eval_dataset)
        with torch.no_grad():
            for inputs in loader:
                loss, sums = answer_sums(model, self._prepare_inputs(inputs))
                total += torch.cat([loss.detach().cpu().reshape(1), sums])
        values = (total[:3] / total[3]).tolist()
        metrics = {f"{metric_key_prefix}_{name}": value for name, value in zip(METRICS, values, strict=True)}
        model.train()
        self.log(metrics)
        self.control: TrainerControl = self.callback_handler.on_evaluate(
            self.args, self.state, self.control, metrics
        )
        return metrics

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Adds what the training step saw to the line that carries its loss."""
        if "loss" in logs:
            entropy, right, tokens = self._seen.tolist()
            logs = {**logs, "entropy": entropy / tokens, "mean_token_accuracy": right / tokens}
            self._seen = torch.zeros(3)
        super().log(logs, start_time)


def answer_sums(model: Any, inputs: dict[str, torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
    """Sums over the answer's tokens: the cross-entropy, and (entropy, right predictions, tokens) as (3,) on the CPU.

    Only the positions from the first answer on are projected on the vocabulary: with Gemma's 262,208
    entries the logits of the prompt would be most of the memory.
    """
    labels = inputs["labels"]
    first = int((labels != IGNORED).int().argmax(1).min())
    keep = labels.shape[1] - first + 1
    others = {name: value for name, value in inputs.items() if name != "labels"}
    logits = model(**others, logits_to_keep=keep).logits[:, :-1].float()
    wanted = labels[:, first:]
    counted = wanted != IGNORED
    logits, wanted = logits[counted], wanted[counted]
    loss = torch.nn.functional.cross_entropy(logits, wanted, reduction="sum")
    with torch.no_grad():
        log_p = logits.log_softmax(-1)
        entropy = -(log_p.exp() * log_p).sum()
        right = (logits.argmax(-1) == wanted).sum()
    return loss, torch.tensor([entropy.item(), right.item(), wanted.numel()])


class _Shown(TrainerCallback):  # type: ignore[misc]
    """Progress, and the marker of a checkpoint that is whole."""

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        self._progress = Progress("training", state.max_steps, already=state.global_step)

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        self._progress.add()

    def on_save(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        folder = Path(args.output_dir) / f"checkpoint-{state.global_step}"
        write_json(folder / _COMPLETE, {"files": sorted(path.name for path in folder.iterdir())})


def _last_complete(folder: Path) -> str | None:
    """The newest checkpoint that was written to its end; torn ones are removed."""
    found = (
        sorted(folder.glob("checkpoint-*"), key=lambda p: int(p.name.split("-")[1]))
        if folder.is_dir()
        else []
    )
    for torn in [p for p in found if not _is_whole(p)]:
        shutil.rmtree(torn)
    whole = [p for p in found if p.exists()]
    return str(whole[-1]) if whole else None


def _is_whole(checkpoint: Path) -> bool:
    """Whether it was written to its end and nobody has begun to remove it: the Trainer removes old ones."""
    marker = checkpoint / _COMPLETE
    return marker.exists() and all(
        (checkpoint / name).exists() for name in json.loads(marker.read_text("utf-8"))["files"]
    )


def _save_adapter(model: Any, folder: Path) -> None:
    temporary = folder.with_name(f".{folder.name}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    model.save_pretrained(str(temporary))
    shutil.rmtree(folder, ignore_errors=True)
    temporary.replace(folder)


def _curves(history: list[dict[str, float]]) -> list[Row]:
    rows = []
    for line in history:
        for split, prefix in (("train", ""), ("validate", "eval_")):
            rows += [
                {
                    "step": int(line["step"]),
                    "split": split,
                    "metric": name,
                    "value": float(line[prefix + name]),
                }
                for name in METRICS
                if prefix + name in line
            ]
    return sorted(rows, key=lambda r: (r["step"], r["split"], r["metric"]))
