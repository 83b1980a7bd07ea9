"""What was done: the models, the measures, the studies used, and the arms."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from laudo import __version__
from laudo.engines.settings import Model
from laudo.report.context import Context
from laudo.vocabulary import SPLITS, Verdict


class Scoring(NamedTuple):
    """A metric: its title, its settings as in the experiment, and the signatures of its scores."""

    title: str
    settings: Mapping[str, object]
    signatures: tuple[str, ...]


class Arm(NamedTuple):
    """An arm: its name in the experiment, whether it is tuned, its prompt, and the exemplars in that."""

    name: str
    is_tuned: bool
    exemplars: int
    prompt: str


class Split(NamedTuple):
    """A split: studies used, their patients, and how many of the studies have each verdict."""

    name: str
    studies: int
    patients: int
    verdicts: Mapping[Verdict, int]


@dataclass(frozen=True)
class Method:
    """What the section shows.

    Attributes:
        models: title -> model.
        epochs: as text, None where no arm is tuned.
        corpus, used: studies of the corpus, and those of them that are used.
    """

    models: Mapping[str, Model]
    epochs: str | None
    scoring: tuple[Scoring, ...]
    version: str
    verdicts: tuple[Verdict, ...]
    splits: tuple[Split, ...]
    corpus: int
    used: int
    arms: tuple[Arm, ...]


def content(context: Context) -> Method:
    experiment, census = context.experiment, context.tables.census
    translation, generation = (
        context.words.text("method.translation"),
        context.words.text("method.generation"),
    )
    return Method(
        models={translation: experiment.translate, generation: experiment.reporter},
        epochs=_epochs(context) if experiment.is_tuned else None,
        scoring=_scoring(context),
        version=__version__,
        verdicts=tuple(Verdict),
        splits=tuple(
            Split(split, census.used[split], census.patients[split], context.tables.verdicts[split])
            for split in SPLITS
        ),
        corpus=census.studies,
        used=sum(census.used.values()),
        arms=_arms(context),
    )


def _epochs(context: Context) -> str:
    epochs = context.experiment.train.epochs
    return context.words.number(epochs, digits=0 if epochs == int(epochs) else 1)


def _scoring(context: Context) -> tuple[Scoring, ...]:
    scoring = []
    for measure in context.measures:
        if measure.is_foremost:
            metric = measure.metric
            settings = context.experiment.evaluate.of_metric(metric)
            values = settings.model_dump(mode="json", exclude_none=True) if settings else {}
            by_arm = (by_metric[metric.name] for by_metric in context.tables.signatures.values())
            signatures = sorted({signature for distinct in by_arm for signature in distinct})
            scoring.append(Scoring(measure.title, values, tuple(signatures)))
    return tuple(scoring)


def _arms(context: Context) -> tuple[Arm, ...]:
    experiment = context.experiment
    return tuple(
        Arm(
            name,
            arm.adapter,
            arm.exemplars if isinstance(arm.exemplars, int) else len(arm.exemplars),
            experiment.prompt_of(name),
        )
        for name, arm in experiment.arms.items()
    )
