"""LoRA on the reporting model with the Trainer of transformers: its arguments, its loss, its curves."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import DataLoader
from transformers import (
    PrinterCallback,
    Trainer,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)

from laudo.engines.device import device_name
from laudo.engines.in_process import tokenizer_of
from laudo.engines.loading import Loaded
from laudo.experiment import Train
from laudo.progress import Progress
from laudo.store import Row
from laudo.train.checkpoints import MarkComplete, best_in, saving
from laudo.train.examples import Examples, TrainingPair, collate
from laudo.train.loss import CURVES, Totals, answer_sums

_LANGUAGE_LAYERS = r".*language_model\.layers\..*\.(q|k|v|o|gate|up|down)_proj"
_SPLITS = {"train": "", "validate": "eval_"}
"""Split -> what the Trainer puts before the names of its metrics."""


def with_lora(model: Any, settings: Train) -> Any:
    """Returns the model with a fresh LoRA adapter to train, its own weights frozen."""
    from peft import LoraConfig, get_peft_model

    if settings.gradient_checkpointing:
        model.enable_input_require_grads()
    config = LoraConfig(
        r=settings.r,
        lora_alpha=settings.alpha,
        lora_dropout=settings.dropout,
        target_modules="all-linear" if settings.targets == "all-linear" else _LANGUAGE_LAYERS,
        task_type="CAUSAL_LM",
    )
    tuned = get_peft_model(model, config)
    # A set until now, whose order is another in each process: the saved adapter should be the same bytes.
    chosen = tuned.peft_config["default"]
    if not isinstance(chosen.target_modules, str):
        chosen.target_modules = sorted(chosen.target_modules)
    return tuned


def trainer(
    loaded: Loaded, settings: Train, pairs: Mapping[str, Sequence[TrainingPair]], folder: Path
) -> AnswerTrainer:
    """Returns a Trainer that is ready to start.

    Args:
        loaded: a model that `with_lora` gave, and its processor.
        pairs: those of the splits `train` and `validate`.
        folder: receives the checkpoints.
    """
    pad = tokenizer_of(loaded.processor).pad_token_id
    answer_trainer = AnswerTrainer(
        model=loaded.model,
        args=_arguments(settings, len(pairs["train"]), folder),
        train_dataset=Examples(loaded.processor, pairs["train"]),
        eval_dataset=Examples(loaded.processor, pairs["validate"]),
        data_collator=partial(collate, pad=pad),
        callbacks=[_ShowProgress(), MarkComplete()],
    )
    answer_trainer.remove_callback(PrinterCallback)
    return answer_trainer


def curves(history: Sequence[Mapping[str, float]]) -> list[Row]:
    """Returns the rows of `training` from what the Trainer logged."""
    return [
        {"step": int(line["step"]), "split": split, "metric": name, "value": float(line[prefix + name])}
        for line in history
        for split, prefix in _SPLITS.items()
        for name in CURVES
        if prefix + name in line
    ]


# --- arguments ----------------------------------------------------------------------------------------------


def _arguments(settings: Train, examples: int, folder: Path) -> TrainingArguments:
    batches = math.ceil(examples / settings.batch_size)
    steps = math.ceil(batches / settings.gradient_accumulation * settings.epochs)
    arguments = TrainingArguments(
        output_dir=str(folder),
        remove_unused_columns=False,
        label_names=["labels"],
        report_to="none",
        disable_tqdm=True,
        **_optimisation(settings, steps),
        **_evaluation(max(1, steps // settings.evaluations)),
        **_machine(settings),
    )
    # Else the Trainer takes every GPU it sees for a larger batch, and would cut images from their reports.
    arguments._n_gpu = 1
    return arguments


def _optimisation(settings: Train, steps: int) -> dict[str, Any]:
    return {
        "num_train_epochs": settings.epochs,
        "per_device_train_batch_size": settings.batch_size,
        "per_device_eval_batch_size": settings.batch_size,
        "gradient_accumulation_steps": settings.gradient_accumulation,
        "learning_rate": settings.learning_rate,
        "lr_scheduler_type": settings.schedule,
        "warmup_steps": math.ceil(steps * settings.warmup_ratio),
        "max_grad_norm": settings.max_grad_norm,
        "seed": settings.seed,
        "data_seed": settings.seed,
    }


def _evaluation(every: int) -> dict[str, Any]:
    """Validation and a checkpoint after every so many steps; the best checkpoint is loaded at the end."""
    return {
        "eval_strategy": "steps",
        "eval_steps": every,
        "save_strategy": "steps",
        "save_steps": every,
        "save_total_limit": 2,
        "load_best_model_at_end": True,
        "metric_for_best_model": "loss",
        "greater_is_better": False,
        "logging_steps": 1,
    }


def _machine(settings: Train) -> dict[str, Any]:
    on_gpu = device_name() == "cuda"
    machine: dict[str, Any] = {
        "use_cpu": not on_gpu,
        "bf16": on_gpu,
        "dataloader_num_workers": 4 if on_gpu else 0,
    }
    if settings.gradient_checkpointing:
        machine |= {"gradient_checkpointing": True, "gradient_checkpointing_kwargs": {"use_reentrant": False}}
    return machine


# --- the Trainer --------------------------------------------------------------------------------------------


class AnswerTrainer(Trainer):  # type: ignore[misc]
    """A Trainer whose loss, entropy (nats) and accuracy are means over the answers' tokens."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        # The loss below divides by the tokens of the whole accumulated batch, as one large batch would.
        self.model_accepts_loss_kwargs = True
        self._since_log = Totals()

    def compute_loss(
        self,
        model: Any,
        inputs: dict[str, torch.Tensor],
        return_outputs: bool = False,
        num_items_in_batch: Any = None,
    ) -> Any:
        """Returns the mean cross-entropy of the answers' tokens, over the accumulated batch if counted."""
        sums = answer_sums(model, inputs)
        if not model.training:
            return sums.loss / sums.tokens
        self._since_log.add(sums)
        return sums.loss / (sums.tokens if num_items_in_batch is None else num_items_in_batch)

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        with saving(Path(self.args.output_dir) / f"checkpoint-{self.state.global_step}"):
            super()._save_checkpoint(model, trial)

    def _load_best_model(self) -> None:
        self.state.best_model_checkpoint = best_in(
            Path(self.args.output_dir), self.state.best_model_checkpoint
        )
        super()._load_best_model()

    def evaluate(
        self, eval_dataset: Any = None, ignore_keys: Any = None, metric_key_prefix: str = "eval"
    ) -> dict[str, float]:
        """Measures the validation split and logs the means."""
        model = self.model.eval()
        totals = Totals()
        loader: DataLoader[Any] = self.get_eval_dataloader(eval_dataset)
        with torch.no_grad():
            for inputs in loader:
                totals.add(answer_sums(model, self._prepare_inputs(inputs)))
        metrics = {f"{metric_key_prefix}_{name}": value for name, value in totals.means().items()}
        model.train()
        self.log(metrics)
        self.control: TrainerControl = self.callback_handler.on_evaluate(
            self.args, self.state, self.control, metrics
        )
        return metrics

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Adds what the training step measured to the line that carries its loss."""
        if "loss" in logs:
            logs = {**self._since_log.means(), **logs}
            self._since_log = Totals()
        super().log(logs, start_time)


class _ShowProgress(TrainerCallback):  # type: ignore[misc]
    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        self._progress = Progress("training", state.max_steps, already=state.global_step)

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        self._progress.add()
