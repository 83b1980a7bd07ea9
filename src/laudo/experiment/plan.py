"""The plan of a study: which partition is made by which settings from which columns of which others.

What is done, what is stale and why, and what comes next follow from this plan and from what is on disk. A
change of a word list, a pattern or the lexicon makes only those partitions stale that use it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from laudo import fidelity, findings, sections, targets
from laudo.engines import models
from laudo.engines.settings import Model
from laudo.experiment.corpus import CorpusIdentity, identify
from laudo.experiment.settings import Experiment
from laudo.metrics import METRICS
from laudo.store import tables
from laudo.store.partition import Partition, Source


@dataclass(frozen=True)
class Plan:
    """The partitions of an experiment, by what they are; `training` is None where no arm is tuned.

    `facts` are by text (`en`, `pt`, an arm), `generations` and `labels` likewise; `scores` by arm and metric.
    """

    experiment: Experiment
    run: Path
    corpus: CorpusIdentity
    texts: Partition
    subset: Partition
    films: Partition
    studies: Partition
    census: Partition
    translations: Partition
    facts: Mapping[str, Partition]
    checks: Partition
    verdicts: Partition
    training: Partition | None
    generations: Mapping[str, Partition]
    labels: Mapping[str, Partition]
    scores: Mapping[tuple[str, str], Partition]
    summary: Partition

    def __iter__(self) -> Iterator[Partition]:
        """The partitions in the order in which they are made."""
        yield from (self.texts, self.subset, self.films, self.studies, self.census, self.translations)
        yield from (self.facts["en"], self.facts["pt"], self.checks, self.verdicts)
        if self.training:
            yield self.training
        yield from self.generations.values()
        yield from (self.facts[arm] for arm in self.generations)
        yield from self.labels.values()
        yield from self.scores.values()
        yield self.summary


def plan(experiment: Experiment, run: Path) -> Plan:
    """Lays out the partitions of an experiment in the folder of its run."""
    corpus = identify(experiment, run)
    prepared = _prepared(experiment, run, corpus)
    studies = prepared["studies"]
    translations = _translations(experiment, run, studies)
    facts = _facts_of_references(run, studies, translations)
    checks, verdicts = _checked(run, studies, translations, facts)
    training = _training(experiment, run, studies, verdicts) if experiment.is_tuned else None
    generations = {
        arm: _generations(experiment, run, arm, studies, verdicts, training) for arm in experiment.arms
    }
    facts |= {arm: _facts_of_arm(run, arm, generated) for arm, generated in generations.items()}
    texts = {"en": studies.using("target"), "pt": verdicts.using("sections_pt")}
    texts |= {arm: generated.using("completion") for arm, generated in generations.items()}
    labels = {text: _labels(run, text, studies, facts[text], source) for text, source in texts.items()}
    scores = _scores(experiment, run, studies, facts, texts)
    return Plan(
        experiment,
        run,
        corpus,
        **prepared,
        translations=translations,
        facts=facts,
        checks=checks,
        verdicts=verdicts,
        training=training,
        generations=generations,
        labels=labels,
        scores=scores,
        summary=_summary(experiment, run, studies, verdicts, scores),
    )


# --- prepare --------------------------------------------------------------------------------------

_TEXTS = ("target", "priors", "communication", "identifiers", "images")
_SUBSET = ("train", "validate", "test", "seed", "subset", "uncertain", "same_report", "images")
_FILMS = ("size_px", "max_images", "dicom", "images")
_STUDIES = ("priors", "images")


def _prepared(experiment: Experiment, run: Path, corpus: CorpusIdentity) -> dict[str, Partition]:
    settings = experiment.prepare.model_dump(by_alias=True, mode="json")
    texts = Partition(run, tables.TEXTS, settings=_text_settings(settings, corpus))
    subset = Partition(
        run,
        tables.SUBSET,
        settings={"tables": corpus.tables, **_some(settings, _SUBSET)},
        sources=(texts.using("files", "same_text", "fault"),),
    )
    asked = subset.using("subject_id", "images", "excluded")
    films = Partition(run, tables.FILMS, settings=_some(settings, _FILMS), sources=(asked,))
    studies = Partition(
        run,
        tables.STUDIES,
        settings={"tables": corpus.tables, **_some(settings, _STUDIES)},
        sources=(
            texts.using("encoding", "sections", "target", "removed"),
            asked,
            films.using("position", "view", "path", "digest", "left_out"),
        ),
    )
    census = Partition(
        run,
        tables.CENSUS,
        settings={"phantom": experiment.mimic.phantom is not None},
        sources=(studies.using_all(), films.using("warning", "left_out")),
    )
    return {"texts": texts, "subset": subset, "films": films, "studies": studies, "census": census}


def _text_settings(settings: Mapping[str, Any], corpus: CorpusIdentity) -> dict[str, Any]:
    """What decides the texts: the corpus, the policies, and the word lists that these use."""
    # A sentence on who was informed is kept where it states a finding.
    reads_facts = settings["communication"] == "remove"
    return {
        "tables": corpus.tables,
        "reports": corpus.reports,
        "image_folders": corpus.images if settings["images"] == "keep" else {},
        **_some(settings, _TEXTS),
        "headers": sections.headers_digest(),
        "patterns": targets.patterns_digest(),
        "lexicon": findings.lexicon_digest() if reads_facts else None,
    }


def _some(settings: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {name: settings[name] for name in names}


# --- translate, check -----------------------------------------------------------------------------


def _model(settings: Model) -> dict[str, Any]:
    """A model's settings, with what identifies its weights instead of where they are."""
    values = settings.model_dump(mode="json")
    del values["revision"]
    return {**values, "model": models.identity(settings)}


def _translations(experiment: Experiment, run: Path, studies: Partition) -> Partition:
    sources = (studies.using("target", "excluded"),)
    return Partition(run, tables.TRANSLATIONS, settings=_model(experiment.translate), sources=sources)


def _facts_of_references(run: Path, studies: Partition, translations: Partition) -> dict[str, Partition]:
    lexicon = findings.lexicon_digest()
    target = studies.using("target", "excluded")
    return {
        "en": Partition(run, tables.FACTS, "text=en", {"lexicon": lexicon}, (target,)),
        "pt": Partition(
            run,
            tables.FACTS,
            "text=pt",
            {"lexicon": lexicon, "repairs": fidelity.repairs_digest()},
            (target, translations.using("raw")),
        ),
    }


def _checked(
    run: Path, studies: Partition, translations: Partition, facts: Mapping[str, Partition]
) -> tuple[Partition, Partition]:
    """`checks` and `verdicts`, which one pass makes from the same sources."""
    settings = {"checks": fidelity.checks_digest(), "repairs": fidelity.repairs_digest()}
    sources = (
        studies.using("target", "excluded"),
        translations.using("raw", "stop"),
        facts["en"].using_all(),
        facts["pt"].using_all(),
    )
    checks, verdicts = (
        Partition(run, table, settings=settings, sources=sources)
        for table in (tables.CHECKS, tables.VERDICTS)
    )
    return checks, verdicts


# --- train, generate ------------------------------------------------------------------------------


def _training(experiment: Experiment, run: Path, studies: Partition, verdicts: Partition) -> Partition:
    settings = {
        "reporter": _model(experiment.reporter),
        "size_px": experiment.prepare.size_px,
        **experiment.train.model_dump(mode="json"),
    }
    shown = studies.using("split", "excluded", "images", "prior_report")
    learnt = verdicts.using("verdict", "sections_pt")
    return Partition(run, tables.TRAINING, settings=settings, sources=(shown, learnt))


def _generations(
    experiment: Experiment,
    run: Path,
    name: str,
    studies: Partition,
    verdicts: Partition,
    training: Partition | None,
) -> Partition:
    arm = experiment.arms[name]
    settings = {
        "reporter": _model(experiment.reporter),
        "size_px": experiment.prepare.size_px,
        **experiment.generate.model_dump(mode="json"),
        **arm.model_dump(mode="json"),
        "prompt": experiment.prompt_of(name),
    }
    sources = [studies.using("subject_id", "split", "excluded", "images", "prior_report")]
    if arm.exemplars:
        sources.append(verdicts.using("verdict", "sections_pt"))
    if arm.adapter and training:
        sources.append(training.using("adapter"))
    return Partition(run, tables.GENERATIONS, f"arm={name}", settings, tuple(sources))


# --- evaluate -------------------------------------------------------------------------------------


def _facts_of_arm(run: Path, arm: str, generations: Partition) -> Partition:
    table = replace(tables.FACTS, verb="evaluate")
    settings = {"lexicon": findings.lexicon_digest()}
    return Partition(run, table, f"text={arm}", settings, (generations.using("completion"),))


def _labels(run: Path, text: str, studies: Partition, facts: Partition, source: Source) -> Partition:
    sources = [_tested(studies), facts.using("finding", "label", "status", "incidental")]
    if source.partition is not studies:
        sources.append(source)
    return Partition(run, tables.LABELLINGS, f"text={text}", {}, tuple(sources))


def _tested(studies: Partition) -> Source:
    return studies.using("subject_id", "split", "excluded", "target")


def _scores(
    experiment: Experiment,
    run: Path,
    studies: Partition,
    facts: Mapping[str, Partition],
    texts: Mapping[str, Source],
) -> dict[tuple[str, str], Partition]:
    partitions = {}
    for arm in experiment.arms:
        for metric in METRICS:
            sources = [_tested(studies), texts[arm]]
            if metric.reference == "pt":
                sources.append(texts["pt"])
            if metric.reads == "facts":
                sources += [facts[text].using_all() for text in (metric.reference, arm)]
            settings = metric.identity(experiment.evaluate.of_metric(metric))
            division = f"arm={arm}/{metric.name}"
            partitions[arm, metric.name] = Partition(run, tables.SCORES, division, settings, tuple(sources))
    return partitions


def _summary(
    experiment: Experiment,
    run: Path,
    studies: Partition,
    verdicts: Partition,
    scores: Mapping[tuple[str, str], Partition],
) -> Partition:
    settings = {
        "resamples": experiment.evaluate.resamples,
        "seed": experiment.evaluate.seed,
        "arms": list(experiment.arms),
        "controls": list(experiment.controls),
    }
    cohort, references = studies.using("subject_id", "split", "excluded"), verdicts.using("verdict")
    of_scores = (partition.using("statistics") for partition in scores.values())
    return Partition(run, tables.SUMMARY, settings=settings, sources=(cohort, references, *of_scores))
