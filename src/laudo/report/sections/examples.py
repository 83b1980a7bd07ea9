"""Test studies with their images, their report in both languages, and what each arm wrote."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from laudo.experiment import kept
from laudo.hashing import by_hash
from laudo.report.context import Context
from laudo.report.tables import StudyScore
from laudo.sections import render
from laudo.store import Row
from laudo.vocabulary import Verdict

IMAGE_PX = 320
"""Longest side of an image."""


class Picture(NamedTuple):
    """An image as a `data:` address; `view` is empty where it is not known."""

    view: str
    address: str


class ArmReport(NamedTuple):
    """What an arm wrote (None where it has no row for the study), how that scores, and whether it was cut."""

    arm: str
    report: str | None
    score: str
    is_cut: bool


class Example(NamedTuple):
    """A test study; `translation` is empty, and `verdict` None, where it has none."""

    study_id: str
    pictures: tuple[Picture, ...]
    original: str
    translation: str
    verdict: Verdict | None
    arms: tuple[ArmReport, ...]


@dataclass(frozen=True)
class Examples:
    """What the section shows."""

    studies: tuple[Example, ...]


def content(context: Context) -> Examples | None:
    chosen = by_hash(context.tables.test_studies)[: context.experiment.report.examples]
    if not chosen:
        return None
    studies, translations = context.tables.studies(chosen), context.tables.translations(chosen)
    kept.verify(context.tables.plan, (image for study in studies.values() for image in study["images"]))
    return Examples(tuple(_example(context, studies[i], translations.get(i)) for i in chosen))


def _example(context: Context, study: Row, translation: Row | None) -> Example:
    run = context.tables.plan.run
    return Example(
        str(study["study_id"]),
        tuple(Picture(image["view"], _address(run / image["path"])) for image in study["images"]),
        render(study["target"], lang="en"),
        render(translation["sections_pt"], lang="pt") if translation else "",
        Verdict(translation["verdict"]) if translation else None,
        tuple(_arm(context, arm, study["study_id"]) for arm in context.experiment.arms),
    )


def _arm(context: Context, arm: str, study_id: int) -> ArmReport:
    generation = context.tables.generations[arm].get(study_id)
    scores: Mapping[int, StudyScore] = context.tables.scores[arm].get(context.primary.name, {})
    score = _score(context, scores.get(study_id, StudyScore(None, None, is_empty=False)))
    if generation is None:
        return ArmReport(arm, None, score, is_cut=False)
    return ArmReport(arm, generation["completion"], score, is_cut=generation["stop"] == "length")


def _score(context: Context, score: StudyScore) -> str:
    """The study's score by the primary measure, with its statistics where the measure has names for them."""
    words, measure = context.words, context.primary
    value = words.text("examples.score", measure=measure.title, value=words.number(score.value))
    if not measure.statistics:
        return value
    statistics: Sequence[float | None] = score.statistics or [None] * len(measure.statistics)
    counts = ", ".join(
        f"{name}: {words.number(statistic, digits=0)}"
        for name, statistic in zip(measure.statistics, statistics, strict=True)
    )
    return f"{value} ({counts})"


def _address(path: Path) -> str:
    """An image, brought to `IMAGE_PX`, as an address that needs no network."""
    from laudo import images

    buffer = io.BytesIO()
    image = images.decode(path, size_px=IMAGE_PX).image
    # Without the comment of the cached film, which names the time of its source.
    images.fit(image, IMAGE_PX).save(buffer, "JPEG", quality=80, comment="")
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()
