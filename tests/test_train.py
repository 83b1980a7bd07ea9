"""What the Trainer is given, on machines that other tests do not have, and where it goes on from."""

import json
import os
import pickle
import resource
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import save_file
from transformers import TrainingArguments

from laudo import train
from laudo.engines.loading import Loaded, load
from laudo.errors import LaudoError
from laudo.experiment import Experiment, plan
from laudo.train.checkpoints import MarkComplete, best_in, last_complete, saving
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


def test_a_saved_adapter_has_the_same_bytes_whatever_the_order_of_sets(tiny, tmp_path):
    """Python orders a set of strings by a hash that differs from process to process (PYTHONHASHSEED)."""
    script = (
        "import json, sys; from laudo.engines.loading import load; from laudo.experiment import Experiment;"
        "from laudo.train.loop import with_lora; from pathlib import Path\n"
        "for settings in json.loads(sys.argv[1]):\n"
        "    e = Experiment.model_validate(settings); model = with_lora(load(e.reporter).model, e.train)\n"
        "    model.save_pretrained(Path(sys.argv[2]) / e.train.targets)"
    )
    targets = ("all-linear", "language")
    settings = json.dumps([{**tiny, "train": {**tiny["train"], "targets": each}} for each in targets])
    for seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        command = [sys.executable, "-c", script, settings, str(tmp_path / seed)]
        subprocess.run(command, check=True, env=environment)
    for each in targets:
        first, second = (tmp_path / seed / each / "adapter_config.json" for seed in ("1", "2"))
        assert first.read_bytes() == second.read_bytes()


def test_what_a_loader_s_workers_are_sent_can_be_sent(tiny, tmp_path):
    """Python 3.14 pickles it; on a GPU there are workers."""
    ready = answer_trainer(tiny, tmp_path)
    collator, dataset = pickle.loads(pickle.dumps((ready.data_collator, ready.train_dataset)))
    assert collator.keywords == ready.data_collator.keywords
    assert len(dataset) == len(ready.train_dataset)


def test_an_experiment_without_a_tuned_arm_has_nothing_to_train(tiny, tmp_path):
    tiny["arms"] = {"zero_shot": {}}
    assert train.run(plan(Experiment.model_validate(tiny), tmp_path)) is False


def checkpoint(
    folder, step: int, *, lose: str = "", damage: str = "", marked: bool = True, best: int = 0
) -> None:
    """A checkpoint as the library and the marker leave it; then a file of it is lost or damaged."""
    path = folder / f"checkpoint-{step}"
    path.mkdir(parents=True)
    for name in ("adapter.bin", "optimizer.pt"):
        (path / name).write_text(f"{name} of {step}")
    state = {"best_model_checkpoint": f"/elsewhere/checkpoint-{best}"} if best else {}
    (path / "trainer_state.json").write_text(json.dumps(state))
    if marked:
        arguments, state = SimpleNamespace(output_dir=str(folder)), SimpleNamespace(global_step=step)
        MarkComplete().on_save(arguments, state, SimpleNamespace())
    if lose:
        (path / lose).unlink()
    if damage:
        (path / damage).write_text("{")


@pytest.mark.parametrize(
    ("last", "expected"),
    [
        ({}, "checkpoint-10"),
        ({"best": 9}, "checkpoint-10"),
        ({"marked": False}, "checkpoint-9"),
        ({"lose": "optimizer.pt"}, "checkpoint-9"),
        ({"damage": "adapter.bin"}, "checkpoint-9"),
        ({"damage": "trainer_state.json"}, "checkpoint-9"),
        ({"damage": "complete.json"}, "checkpoint-9"),
        ({"best": 8}, "checkpoint-9"),
    ],
)
def test_training_goes_on_from_the_last_checkpoint_that_is_complete(tmp_path, last, expected):
    """A kill may come before the marker is written, or while the library removes a checkpoint's files.

    What was the best one must be complete too, as it becomes the adapter.
    """
    checkpoint(tmp_path, 9)
    checkpoint(tmp_path, 10, **last)
    assert last_complete(tmp_path) == str(tmp_path / expected)
    is_complete = expected == "checkpoint-10" or "best" in last
    assert (tmp_path / "checkpoint-10").exists() == is_complete


def test_without_a_complete_checkpoint_training_begins_anew(tmp_path):
    assert last_complete(tmp_path / "checkpoints") is None
    checkpoint(tmp_path, 1, marked=False)
    assert last_complete(tmp_path) is None


def test_the_best_checkpoint_is_found_where_the_run_is_now(tmp_path):
    assert best_in(tmp_path, "/elsewhere/runs/tiny/checkpoint-9") == str(tmp_path / "checkpoint-9")
    assert best_in(tmp_path, None) is None


# --- a full disk --------------------------------------------------------------------------------------------


def save(name: str, path: Path) -> None:
    content = {"weights": torch.zeros(50_000)}
    if name == "torch":
        torch.save(content, str(path))
    elif name == "safetensors":
        save_file(content, path)
    else:
        path.write_bytes(bytes(200_000))


@pytest.mark.parametrize("name", ["torch", "safetensors", "file"])
def test_a_checkpoint_that_cannot_be_written_is_one_message(tmp_path, name):
    """A file may not have more than 100 kB, as a quota would have it."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    try:
        promised = pytest.raises(LaudoError, match=r"cannot write \((.|\n)*checkpoint-1\n(.|\n)*make room")
        with promised, saving(tmp_path / "checkpoint-1"):
            save(name, tmp_path / "file")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_what_is_no_matter_of_the_disk_stays_a_bug(tmp_path):
    with pytest.raises(RuntimeError, match="CUDA"), saving(tmp_path):
        raise RuntimeError("CUDA error: an illegal memory access was encountered")
