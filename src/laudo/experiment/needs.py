"""What the stages that are still to be done lack, all of it in one message before an hour is spent.

It takes seconds, loads no weights and asks no network. A stage whose tables are done needs nothing.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

import pyarrow.compute as pc

from laudo import mimic
from laudo.engines import needs as engines
from laudo.engines.needs import Lack
from laudo.errors import InputError, LaudoError, NotReady
from laudo.experiment.corpus import require_tables
from laudo.experiment.plan import Plan
from laudo.metrics import METRICS
from laudo.mimic import tables
from laudo.store.state import Seen, state
from laudo.vocabulary import SPLITS


def require(plan: Plan, *verbs: str) -> None:
    """Refuses to begin if stages lack something for what they have still to make.

    Args:
        plan: of the experiment.
        verbs: the stages.

    Raises:
        LaudoError: all that is lacking, each with its fix.
    """
    seen: Seen = {}
    unfinished = {
        partition.name: partition.table.verb
        for partition in plan
        if partition.table.verb in verbs and not state(partition, seen).done
    }
    lacks = [
        *_of_corpus(plan, unfinished.values()),
        *_of_models(plan, unfinished),
        *_of_disk(plan, {name for name in unfinished if seen[name].word == "missing"}),
    ]
    if len(lacks) == 1:
        raise lacks[0]
    if lacks:
        listed = (f"{number}. {lack}" for number, lack in enumerate(lacks, 1))
        raise NotReady("\n".join([f"{len(lacks)} things are lacking, and nothing was begun", *listed]))


# --- corpus and studies -------------------------------------------------------------------------------------


def _of_corpus(plan: Plan, verbs: Collection[str]) -> Iterator[LaudoError]:
    experiment = plan.experiment
    if "prepare" in verbs and not experiment.mimic.phantom:
        yield from _raised(lambda: _corpus(plan))
    if "train" in verbs or "generate" in verbs:
        yield from _raised(experiment.require_images)
        yield from _raised(experiment.require_splits)


def _corpus(plan: Plan) -> mimic.Corpus:
    experiment = plan.experiment
    corpus = mimic.require_corpus(experiment.corpus_root(plan.run), reports=experiment.reports_root())
    require_tables(corpus, experiment.prepare)
    return corpus


def _raised(look: Callable[[], object]) -> list[LaudoError]:
    try:
        look()
    except LaudoError as error:
        return [error]
    return []


# --- models -------------------------------------------------------------------------------------------------


def _of_models(plan: Plan, unfinished: Mapping[str, str]) -> Iterator[LaudoError]:
    """What models lack; `unfinished` maps a partition to the stage that makes it."""
    experiment, verbs = plan.experiment, {*unfinished.values()}
    if "translate" in verbs:
        yield from _errors("[translate]", engines.of_chat_model(experiment.translate, sees_images=False))
    if verbs & {"train", "generate"}:
        yield from _errors("[reporter]", engines.of_chat_model(experiment.reporter, sees_images=True))
        if experiment.is_tuned:
            yield from _errors("[train]", engines.not_installed("accelerate", "peft"))
    for metric in METRICS:
        if any(plan.scores[arm, metric.name].name in unfinished for arm in experiment.arms):
            settings = experiment.evaluate.of_metric(metric)
            yield from _errors(f"[evaluate.{metric.name}]", metric.lacks(settings))


def _errors(section: str, lacks: Iterable[Lack]) -> list[LaudoError]:
    """Lacks as errors, which say the section of the experiment that names what is lacking."""
    return [InputError(lack.what, where=section, fix=lack.fix) for lack in lacks]


# --- disk ---------------------------------------------------------------------------------------------------

_BYTES_PER_SQUARE_PIXEL = 0.24
"""Of a kept film, by the square of its longest side: 190 kB at 896 px, as 27 public radiographs have."""

_BYTES_PER_WEIGHT = 40
"""Of a weight that is tuned: the adapter (4 bytes), and three checkpoints of it with Adam's two moments."""


def _of_disk(plan: Plan, missing: Collection[str]) -> Iterator[LaudoError]:
    """Says if what `missing` tables keep beside them has no room; a table that was begun has its room."""
    needed = {}
    if plan.films.name in missing and plan.experiment.prepare.images == "keep":
        needed["kept images"] = _images(plan) * plan.experiment.prepare.size_px**2 * _BYTES_PER_SQUARE_PIXEL
    if plan.training and plan.training.name in missing:
        needed["checkpoints of the training"] = _tuned_weights(plan) * _BYTES_PER_WEIGHT
    folder = next(path for path in (plan.run, *plan.run.absolute().parents) if path.exists())
    free = shutil.disk_usage(folder).free
    if sum(needed.values()) > free:
        named = ", ".join(f"{what} {size / 1e9:,.1f}" for what, size in needed.items())
        yield LaudoError(
            f"the disk has {free / 1e9:,.1f} GB free, and the run needs about {named} GB",
            where=str(plan.run),
            fix="make room, or name a folder on a larger disk with --runs",
        )


def _images(plan: Plan) -> float:
    """The most images that are kept."""
    settings, phantom = plan.experiment.prepare, plan.experiment.mimic.phantom
    sizes = [settings.size_of(split) for split in SPLITS]
    chosen = math.inf if None in sizes else sum(filter(None, sizes))
    in_corpus = phantom.studies * settings.max_images if phantom else _images_of_corpus(plan)
    return min(in_corpus, chosen * settings.max_images)


def _images_of_corpus(plan: Plan) -> int:
    """Counts up to `max_images` of each study in the table of splits; 0 if that cannot be done."""
    try:
        studies = tables.splits(_corpus(plan))["study_id"]
    except LaudoError:  # `prepare` says what is wrong with it
        return 0
    counts = pc.struct_field(pc.value_counts(studies), "counts")
    images: int = pc.sum(pc.min_element_wise(counts, plan.experiment.prepare.max_images)).as_py() or 0
    return images


def _tuned_weights(plan: Plan) -> int:
    """About how many weights LoRA adds to the language model; 0 where its config does not say.

    A linear from m to n features gets r (m + n). Of the seven of a layer, four are counted as if each side
    of attention was as wide as the layer, or half of it for keys and values, and three are the MLP's.
    """
    config = engines.look(plan.experiment.reporter).config
    if config is None:
        return 0
    names = ("num_hidden_layers", "hidden_size", "intermediate_size")
    layers, width, inner = (getattr(config.get_text_config(), name, 0) for name in names)
    return int(plan.experiment.train.r * layers * (7 * width + 3 * (width + inner)))
