"""What the Trainer is given, on machines that other tests do not have, and where it goes on from."""

import json
import os
import pickle
import subprocess
import sys

import pytest
from transformers import TrainingArguments

from laudo import train
from laudo.engines.loading import Loaded, load
from laudo.experiment import Experiment, plan
from laudo.train.checkpoints import last_complete
from laudo.train.examples import TrainingPair
from laudo.train.loop import AnswerTrainer, trainer, with_lora


def answer_trainer(tiny, tmp_path) -> AnswerTrainer:
    experiment = Experiment.model_validate(tiny)
    model, processor = load(experiment.reporter)
    pairs = {
        "train": [TrainingPair(number, [], "") for number in range(4)],
        "validate": [TrainingPair(4, [], "")],
    }
    tuned = Loaded(with_lora(model, experiment.train), processor)
    return trainer(tuned, experiment.train, pairs, tmp_path)


def test_a_machine_with_eight_gpus_trains_on_one_with_the_batch_that_is_set(tiny, tmp_path, monkeypatch):
    """The Trainer takes every GPU it sees: eight times the batch, and images cut from their reports."""
    ready = TrainingArguments.__post_init__

    def with_eight(self):
        ready(self)
        self._n_gpu = 8

    monkeypatch.setattr(TrainingArguments, "__post_init__", with_eight)
    assert answer_trainer(tiny, tmp_path).args.train_batch_size == tiny["train"]["batch_size"]


@pytest.mark.parametrize("targets", ["all-linear", "language"])
def test_a_saved_adapter_has_the_same_bytes_whatever_the_order_of_sets(tiny, tmp_path, targets):
    """Python orders a set of strings by a hash that differs from process to process (PYTHONHASHSEED)."""
    script = (
        "import json, sys; from laudo.engines.loading import load; from laudo.experiment import Experiment;"
        "from laudo.train.loop import with_lora; e = Experiment.model_validate(json.loads(sys.argv[1]));"
        "with_lora(load(e.reporter).model, e.train).save_pretrained(sys.argv[2])"
    )
    settings = json.dumps({**tiny, "train": {**tiny["train"], "targets": targets}})
    for seed in ("1", "2"):
        folder = tmp_path / seed
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        subprocess.run([sys.executable, "-c", script, settings, str(folder)], check=True, env=environment)
    configs = [(tmp_path / seed / "adapter_config.json").read_bytes() for seed in ("1", "2")]
    assert configs[0] == configs[1]


def test_what_a_loader_s_workers_are_sent_can_be_sent(tiny, tmp_path):
    """Python 3.14 pickles it; on a GPU there are workers."""
    ready = answer_trainer(tiny, tmp_path)
    collator, dataset = pickle.loads(pickle.dumps((ready.data_collator, ready.train_dataset)))
    assert collator.keywords == ready.data_collator.keywords
    assert len(dataset) == len(ready.train_dataset)


def test_an_experiment_without_a_tuned_arm_has_nothing_to_train(tiny, tmp_path):
    tiny["arms"] = {"zero_shot": {}}
    assert train.run(plan(Experiment.model_validate(tiny), tmp_path)) is False


def checkpoint(folder, step: int, *, files: tuple[str, ...], marked: bool = True) -> None:
    path = folder / f"checkpoint-{step}"
    path.mkdir(parents=True)
    for name in files:
        (path / name).write_text("")
    if marked:
        (path / "complete.json").write_text(json.dumps({"files": ["adapter.bin", "optimizer.pt"]}))


@pytest.mark.parametrize(
    ("last", "expected"),
    [
        ({"files": ("adapter.bin", "optimizer.pt")}, "checkpoint-10"),
        ({"files": ("adapter.bin", "optimizer.pt"), "marked": False}, "checkpoint-9"),
        ({"files": ("adapter.bin",)}, "checkpoint-9"),
    ],
)
def test_training_goes_on_from_the_last_checkpoint_that_is_complete(tmp_path, last, expected):
    """A kill may come before the marker is written, or while the library removes a checkpoint's files."""
    checkpoint(tmp_path, 9, files=("adapter.bin", "optimizer.pt"))
    checkpoint(tmp_path, 10, **last)
    assert last_complete(tmp_path) == str(tmp_path / expected)
    assert (tmp_path / "checkpoint-10").exists() == (expected == "checkpoint-10")


def test_without_a_complete_checkpoint_training_begins_anew(tmp_path):
    assert last_complete(tmp_path / "checkpoints") is None
    checkpoint(tmp_path, 1, files=(), marked=False)
    assert last_complete(tmp_path) is None
