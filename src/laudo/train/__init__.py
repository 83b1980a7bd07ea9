"""train: LoRA of the reporting model on accepted translations, as the paper tuned MedGemma-4B.

    examples      what is learnt, and its tensors
    loss          sums over the answers' tokens
    loop          the Trainer, its arguments, its curves
    checkpoints   which checkpoints can be gone on from

A killed training goes on from its last complete checkpoint. The weights with the lowest validation loss
become the adapter.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from laudo.engines.loading import Loaded, library_settings, load
from laudo.errors import LaudoError, NotReady
from laudo.experiment import Experiment, Plan, kept
from laudo.store import Row, is_done, make, rows, table, used
from laudo.store.disk import writing

# The first import of the Trainer imports peft and bitsandbytes, which have things to say.
with library_settings():
    from transformers import set_seed

    from laudo.train.checkpoints import last_complete, saving
    from laudo.train.examples import TrainingPair, training_pairs
    from laudo.train.loop import curves, trainer, with_lora

ADAPTER = "adapter"
"""The folder of the adapter, beside the rows of `training`."""

_CHECKPOINTS = "checkpoints"


def run(plan: Plan) -> bool:
    """Makes `training` and, in its folder, `adapter/`.

    Returns:
        Whether there was anything to do; False where no arm of the experiment is tuned.

    Raises:
        ExperimentError: the experiment prepares no images.
        LaudoError: it was started in several processes.
        NotReady: no training or no validation study has an accepted translation.
    """
    if plan.training is None or is_done(plan.training):
        return False
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise LaudoError(
            "training in several processes is not supported yet",
            fix="run laudo train in one process, on one GPU",
        )
    plan.experiment.require_images()
    pairs = {split: _require_pairs(plan, split) for split in ("train", "validate")}
    kept.verify(plan, _images(plan))
    make(plan.training, partial(_train, plan.experiment, pairs), files=ADAPTER)
    # Not before `training` is done: until then a rerun goes on from them.
    shutil.rmtree(plan.training.folder / _CHECKPOINTS, ignore_errors=True)
    return True


def _require_pairs(plan: Plan, split: str) -> list[TrainingPair]:
    pairs = training_pairs(plan, split)
    if pairs:
        return pairs
    studies = len(table(plan.studies, columns=["study_id"], where=used(split)))
    if not studies:
        what = f"no {split} study is used"
        fix = f"laudo prepare EXPERIMENT says what was left out and why; raise [prepare] {split} if it is 0"
    else:
        what = f"none of the {studies:,} {split} studies has a translation that passed the checks"
        fix = "look in tables/checks at what fails, and name a better model under [translate]"
    raise NotReady(what, where=str(plan.verdicts.folder), fix=fix)


def _images(plan: Plan) -> list[Row]:
    """The kept images that training looks at."""
    seen = used("train") | used("validate")
    return [
        image for study in rows(plan.studies, columns=["images"], where=seen) for image in study["images"]
    ]


def _train(experiment: Experiment, pairs: Mapping[str, Sequence[TrainingPair]], folder: Path) -> list[Row]:
    """Trains, leaves `adapter/` in the folder, and returns the curves."""
    settings = experiment.train
    checkpoints, adapter = folder / _CHECKPOINTS, folder / ADAPTER
    with library_settings():
        set_seed(settings.seed)
        with writing(checkpoints):
            checkpoints.mkdir(parents=True, exist_ok=True)
            last = last_complete(checkpoints)
        model, processor = load(experiment.reporter)
        tuning = trainer(Loaded(with_lora(model, settings), processor), settings, pairs, checkpoints)
        tuning.train(resume_from_checkpoint=last)
        shutil.rmtree(adapter, ignore_errors=True)
        with saving(adapter):
            tuning.model.save_pretrained(str(adapter))
    return curves(tuning.state.log_history)
