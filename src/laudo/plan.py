"""The way of a study: which partition is made by which settings from which others.

Everything that is asked of a run (what is done, what is stale and why, what comes next) follows from
this one function and from what is on disk.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from laudo import models, records
from laudo.config import Arm, Encoder, Experiment, Model
from laudo.store import Partition


@dataclass(frozen=True)
class Plan:
    """The partitions of an experiment, by what they are."""

    experiment: Experiment
    run: Path
    films: Partition
    studies: Partition
    translations: Partition
    checks: Partition
    verdicts: Partition
    training: Partition
    generations: dict[str, Partition]
    labels: dict[str, Partition]
    scores: dict[str, Partition]
    summary: Partition

    def __iter__(self) -> Iterator[Partition]:
        """In the order in which they are made."""
        yield from (self.films, self.studies, self.translations, self.checks, self.verdicts, self.training)
        for several in (self.generations, self.labels, self.scores):
            yield from several.values()
        yield self.summary


def plan(experiment: Experiment, run: Path) -> Plan:
    """Lays out the partitions of an experiment in the folder of its run.

    Raises:
        InputError: a model folder or the MIMIC folder is not there.
    """
    e, lexicon = experiment, {"lexicon": _digest("laudo.findings")}
    words = {name: _digest(f"laudo.{name}") for name in ("prepare", "sections", "findings")}
    asked = {**_corpus(e, run), **e.prepare.model_dump(by_alias=True), "words": words}
    films = Partition(run, records.FILMS, settings=asked)
    studies = Partition(run, records.STUDIES, settings=asked, inputs=(films,))
    translations = Partition(run, records.TRANSLATIONS, settings=_model(e.translate), inputs=(studies,))
    checks = Partition(run, records.CHECKS, settings=lexicon, inputs=(studies, translations))
    verdicts = Partition(run, records.VERDICTS, settings=lexicon, inputs=(translations, checks))
    geometry = {"geometry": e.generate.geometry}
    training = Partition(
        run, records.TRAINING, settings={**_model(e.train), **geometry}, inputs=(studies, verdicts)
    )
    generations = {
        name: Partition(
            run,
            records.GENERATIONS,
            f"arm={name}",
            _arm(e, name, arm),
            _arm_inputs(arm, studies, verdicts, training),
        )
        for name, arm in e.arms.items()
    }
    labels = {
        "en": Partition(run, records.LABELS, "text=en", lexicon, (studies,)),
        "pt": Partition(run, records.LABELS, "text=pt", lexicon, (verdicts,)),
        **{
            name: Partition(run, records.LABELS, f"text={name}", lexicon, (made,))
            for name, made in generations.items()
        },
    }
    encoders = {"pt": _encoder(e.evaluate.bertscore_pt), "en": _encoder(e.evaluate.bertscore_en)}
    scores = {
        name: Partition(
            run,
            records.SCORES,
            f"arm={name}",
            encoders,
            (studies, verdicts, made, labels["en"], labels[name]),
        )
        for name, made in generations.items()
    }
    resampling = {"resamples": e.evaluate.resamples, "seed": e.evaluate.seed, "arms": list(e.arms)}
    summary = Partition(
        run, records.SUMMARY, settings=resampling, inputs=(*scores.values(), *labels.values())
    )
    return Plan(
        e, run, films, studies, translations, checks, verdicts, training, generations, labels, scores, summary
    )


def _corpus(experiment: Experiment, run: Path) -> dict[str, Any]:
    if experiment.mimic.phantom:
        return {"phantom": experiment.mimic.phantom.model_dump()}
    root = experiment.corpus_root(run)
    return {"mimic": _listed(root), "reports": _listed(experiment.reports_root())}


def _listed(folder: Path | None) -> dict[str, int]:
    """The tables and zips of a folder with their sizes, and how many patients there are under p10 to p19."""
    if folder is None or not folder.exists():
        return {}
    if folder.is_file():
        return {folder.name: folder.stat().st_size}
    tables = [p for p in folder.iterdir() if p.suffix in (".gz", ".csv", ".zip")]
    patients = [p for p in (*folder.glob("p1[0-9]"), *folder.glob("files/p1[0-9]")) if p.is_dir()]
    return {p.name: p.stat().st_size for p in sorted(tables)} | {
        p.name: sum(1 for _ in p.iterdir()) for p in sorted(patients)
    }


def _model(settings: Model) -> dict[str, Any]:
    values = settings.model_dump()
    values["model"] = models.identity(settings.model, settings.revision)
    del values["revision"]
    return values


def _encoder(settings: Encoder) -> dict[str, Any]:
    return {"model": models.identity(settings.model, settings.revision), "layer": settings.layer}


def _arm(experiment: Experiment, name: str, arm: Arm) -> dict[str, Any]:
    return {**_model(experiment.generate), **arm.model_dump(), "prompt": experiment.prompt_of(name)}


def _arm_inputs(
    arm: Arm, studies: Partition, verdicts: Partition, training: Partition
) -> tuple[Partition, ...]:
    return (studies, *((verdicts,) if arm.exemplars else ()), *((training,) if arm.adapter else ()))


def _digest(package: str) -> str:
    """A hash of the data files of a package: words and patterns that decide what a stage makes."""
    digest = hashlib.sha256()
    for name, content in sorted(_data(files(package))):
        digest.update(name.encode() + content)
    return digest.hexdigest()[:16]


def _data(folder: Traversable) -> Iterator[tuple[str, bytes]]:
    for file in folder.iterdir():
        if file.is_dir():
            yield from _data(file)
        elif file.name.endswith(".toml"):
            yield file.name, file.read_bytes()
