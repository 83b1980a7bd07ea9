"""check: reads the facts of each source and its translation, compares them, and gives a verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from typing import NamedTuple

import numpy as np

from laudo import fidelity, findings
from laudo.experiment.plan import Plan
from laudo.findings import Fact
from laudo.store import Key, Partition, Row, fill, fill_together, is_done, rows, spread, table, used
from laudo.store.spread import Over
from laudo.vocabulary import Language, Stop

LANGUAGES: tuple[Language, ...] = ("en", "pt")
_PART_SIZE = 512


def run(plan: Plan) -> bool:
    """Makes `facts` of both references, then `checks` and `verdicts` in one pass.

    Returns:
        Whether there was anything to do.
    """
    partitions = (plan.facts["en"], plan.facts["pt"], plan.checks, plan.verdicts)
    if all(map(is_done, partitions)):
        return False
    studies = _studies(plan)
    with spread.pool() as over:  # one for all three: each worker loads the lexicon once
        made = [_read_facts(plan.facts[language], studies, language, over) for language in LANGUAGES]
        return any([*made, _check(plan, studies, over)])


class Section(NamedTuple):
    """A section of a study's target, what the translator made of it, and why it stopped."""

    name: str
    source: str
    raw: str
    stop: Stop

    def text(self, language: Language) -> str:
        """The source, or its translation without what a model adds."""
        return self.source if language == "en" else fidelity.repair(source=self.source, raw=self.raw)


Studies = Mapping[int, list[Section]]


def _studies(plan: Plan) -> Studies:
    """study_id -> its sections, in the order of their names, of every study used."""
    replied = rows(plan.translations, columns=["study_id", "section", "raw", "stop"])
    replies = {(row["study_id"], row["section"]): row for row in replied}
    targets = rows(plan.studies, columns=["study_id", "target"], where=used())
    return {
        study["study_id"]: [
            Section(name, source, reply["raw"], reply["stop"])
            for name, source in sorted(study["target"].items())
            for reply in (replies[study["study_id"], name],)
        ]
        for study in targets
    }


def _keys(studies: Studies) -> list[Key]:
    return [(study_id,) for study_id in studies]


# --- facts ----------------------------------------------------------------------------------------


class _Reading(NamedTuple):
    """A study whose facts are to be read in one language."""

    study_id: int
    sections: list[Section]
    language: Language


def _read_facts(partition: Partition, studies: Studies, language: Language, over: Over) -> bool:
    def rows_of(keys: Sequence[Key]) -> list[Row]:
        jobs = [_Reading(key[0], studies[key[0]], language) for key in keys]
        return [row for study_rows in over(_facts_of, jobs) for row in study_rows]

    return fill(partition, _keys(studies), rows_of, part_size=_PART_SIZE)


def _facts_of(job: _Reading) -> list[Row]:
    """The rows of `facts` of one study, section by section."""
    return [
        {
            "study_id": job.study_id,
            "text": job.language,
            "section": section.name,
            "number": number,
            **findings.as_row(fact),
        }
        for section in job.sections
        for number, fact in enumerate(findings.read(section.text(job.language), lang=job.language))
    ]


# --- checks and verdicts --------------------------------------------------------------------------


class _Facts:
    """The facts of a partition by study and section; a few studies at a time become Python objects."""

    def __init__(self, partition: Partition) -> None:
        self._table = table(partition)  # in the order of study_id, section, number
        self._ids = self._table["study_id"].to_numpy()

    def of(self, keys: Sequence[Key]) -> dict[tuple[int, str], list[Fact]]:
        """(study_id, section) -> the facts of its text, for studies that stand side by side in the order of
        keys."""
        start, end = np.searchsorted(self._ids, [keys[0][0], keys[-1][0] + 1])
        fact_rows = self._table.slice(start, end - start).to_pylist()
        sections = groupby(fact_rows, key=itemgetter("study_id", "section"))
        return {key: [findings.from_row(row) for row in section] for key, section in sections}


class _Examination(NamedTuple):
    """A study to be checked, with the facts of each section in both languages."""

    study_id: int
    sections: list[Section]
    source_facts: list[Sequence[Fact]]
    translation_facts: list[Sequence[Fact]]


def _check(plan: Plan, studies: Studies, over: Over) -> bool:
    if is_done(plan.checks) and is_done(plan.verdicts):
        return False
    english, portuguese = _Facts(plan.facts["en"]), _Facts(plan.facts["pt"])

    def rows_of(keys: Sequence[Key]) -> tuple[list[Row], list[Row]]:
        source, translation = english.of(keys), portuguese.of(keys)
        jobs = [_examination(key[0], studies[key[0]], source, translation) for key in keys]
        examined = list(over(_examine, jobs))
        return [row for checks, _ in examined for row in checks], [verdict for _, verdict in examined]

    return fill_together([plan.checks, plan.verdicts], _keys(studies), rows_of, part_size=_PART_SIZE)


Facts = Mapping[tuple[int, str], Sequence[Fact]]


def _examination(study_id: int, sections: list[Section], source: Facts, translation: Facts) -> _Examination:
    keys = [(study_id, section.name) for section in sections]
    source_facts, translation_facts = (
        [facts.get(key, ()) for key in keys] for facts in (source, translation)
    )
    return _Examination(study_id, sections, source_facts, translation_facts)


def _examine(job: _Examination) -> tuple[list[Row], Row]:
    """A study's rows of `checks`, and its row of `verdicts`."""
    results = {
        section.name: fidelity.examine(
            source=section.source,
            raw=section.raw,
            stop=section.stop,
            source_facts=source_facts,
            translation_facts=translation_facts,
        )
        for section, source_facts, translation_facts in zip(
            job.sections, job.source_facts, job.translation_facts, strict=True
        )
    }
    checks = [
        {"study_id": job.study_id, "section": name, **result._asdict()}
        for name, section_results in results.items()
        for result in section_results
    ]
    verdict = fidelity.verdict(result for section_results in results.values() for result in section_results)
    final = {section.name: section.text("pt") for section in job.sections}
    return checks, {"study_id": job.study_id, "verdict": verdict, "sections_pt": final}
