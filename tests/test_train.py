"""What the Trainer is given, on machines that the other tests do not have."""

import pickle

from transformers import TrainingArguments

from laudo import chat_hf, train
from laudo.config import Experiment
from laudo.plan import plan


def trainer(tiny, tmp_path) -> train.AnswerTrainer:
    made = plan(Experiment.model_validate(tiny), tmp_path)
    model, processor = chat_hf.load(made.experiment.train)
    rows = {"train": [({}, "")] * 4, "validate": [({}, "")]}
    return train._trainer(made, train._with_lora(model, made.experiment.train), processor, rows, tmp_path)


def test_a_machine_with_eight_gpus_trains_on_one_with_the_batch_that_is_set(tiny, tmp_path, monkeypatch):
    """The Trainer takes every GPU it sees: eight times the batch, and images cut from their reports."""
    ready = TrainingArguments.__post_init__

    def with_eight(self):
        ready(self)
        self._n_gpu = 8

    monkeypatch.setattr(TrainingArguments, "__post_init__", with_eight)
    assert trainer(tiny, tmp_path).args.train_batch_size == tiny["train"]["batch_size"]


def test_what_a_loader_s_workers_are_sent_can_be_sent(tiny, tmp_path):
    """Python 3.14 pickles it; on a GPU there are workers."""
    made = trainer(tiny, tmp_path)
    collator, dataset = pickle.loads(pickle.dumps((made.data_collator, made.train_dataset)))
    assert collator.keywords == made.data_collator.keywords
    assert len(dataset) == len(made.train_dataset)
