"""What was done: every setting, the models, the measures, the studies used, the arms, and when and where."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from laudo import __version__
from laudo.report.context import Context
from laudo.report.tables import Origin
from laudo.vocabulary import SPLITS, Verdict

Settings = Mapping[str, str]
"""Settings as the experiment's file has them: name -> value in TOML; those that are absent are left out."""


class Scoring(NamedTuple):
    """A metric: its title, its settings as in the experiment, and the signatures of its scores."""

    title: str
    settings: Settings
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
        settings: section of the experiment's file -> its settings; models by what identifies their weights.
        has_images: whether images are used at all.
        is_tuned: whether an arm is tuned.
        corpus, used: studies of the corpus, and those of them that are used.
        origins: the machines and versions, with the stages and days of each.
    """

    settings: Mapping[str, Settings]
    has_images: bool
    is_tuned: bool
    scoring: tuple[Scoring, ...]
    version: str
    verdicts: tuple[Verdict, ...]
    splits: tuple[Split, ...]
    corpus: int
    used: int
    arms: tuple[Arm, ...]
    origins: tuple[Origin, ...]


SECTIONS = ("prepare", "translate", "reporter", "train", "generate", "evaluate")


def content(context: Context) -> Method:
    experiment, census = context.experiment, context.tables.census
    return Method(
        settings={name: _settings(context.tables.settings[name]) for name in SECTIONS},
        has_images=experiment.prepare.images == "keep",
        is_tuned=experiment.is_tuned,
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
        origins=tuple(context.tables.origins),
    )


def _settings(section: Mapping[str, object]) -> Settings:
    """The settings of a section without those of sections inside it."""
    return {
        name: json.dumps(value, ensure_ascii=False)
        for name, value in section.items()
        if value is not None and not isinstance(value, dict)
    }


def _scoring(context: Context) -> tuple[Scoring, ...]:
    scoring = []
    for measure in context.measures:
        if measure.is_foremost:
            metric = measure.metric
            values = _settings(context.tables.settings["evaluate"].get(metric.name, {}))
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
