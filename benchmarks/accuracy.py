"""How accurate the findings are, and how fast they are read.

python benchmarks/accuracy.py [--write]

Compares the findings with people's labels, hand-written cases and the truth of the phantom. Prints the tables
of docs/findings.md; `--write` puts them there. The people's labels are those of NegBio's authors for Open-i
(public domain). They and the reports are expected in the folder that LAUDO_REAL_DATA names; without it, their
tables are left out.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import os
import re
import sys
import time
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

import openi
from laudo import findings
from laudo.findings import LABELS, reader
from laudo.metrics.statistics import Array, Cohort, Interval, micro_f1
from laudo.phantom import corpus
from laudo.phantom.facts import LABEL_OF_FINDING

ROOT = Path(__file__).resolve().parent.parent
CASES = {"first set": "portuguese_cases.toml", "second set": "portuguese_cases_blind.toml"}
PAGE = ROOT / "docs" / "findings.md"
PHANTOM_STUDIES, SEED = 2500, 11
PEOPLE_COLUMNS = {
    "Atelectasis": ("Atelectasis",),
    "Cardiomegaly": ("Cardiomegaly",),
    "Consolidation": ("Consolidation",),
    "Edema": ("Edema",),
    "Lung Lesion": ("Mass", "Nodule"),
    "Pleural Effusion": ("Effusion",),
    "Pneumonia": ("Pneumonia",),
    "Pneumothorax": ("Pneumothorax",),
}
"""The columns of the people's table that mean a label. docs/findings.md names those that are left out."""
MIN_POSITIVES = 15
"""The positives that a label needs to count in the mean."""


# --- data -------------------------------------------------------------------------------------------------


class LabelledReport(NamedTuple):
    """A real report: its findings and impression, and the labels that people gave it."""

    sections: tuple[str, str]
    labels: dict[str, bool]


def is_held_out(name: str) -> bool:
    """Returns whether a report belongs to the half that was not used to develop the lexicon."""
    return hashlib.sha256(name.encode()).digest()[0] % 2 == 1


def reports(folder: Path) -> dict[str, tuple[str, str]]:
    """Returns findings and impression of every report of Open-i, by its name in the table of labels."""
    return {
        f"CXR{Path(name).stem}": (sections.get("FINDINGS", ""), sections.get("IMPRESSION", ""))
        for name, sections in openi.reports(folder)
    }


def labelled_reports(folder: Path) -> dict[str, LabelledReport]:
    """Returns the reports that people labelled."""
    texts = reports(folder)
    with (folder / "openi" / "gold_labels.csv").open(newline="") as table:
        return {
            row["filename"]: LabelledReport(texts[row["filename"]], _labels_of_row(row))
            for row in csv.DictReader(table)
        }


def _labels_of_row(row: Mapping[str, str]) -> dict[str, bool]:
    return {label: any(row[column] == "1" for column in columns) for label, columns in PEOPLE_COLUMNS.items()}


@dataclass(frozen=True)
class Case:
    """A hand-written case: the same text in both languages, and its labels.

    A label that is not in `labels` is not mentioned.
    """

    trap: str
    pt: str
    en: str
    labels: dict[str, int]

    @property
    def tested_labels(self) -> list[str]:
        """The labels that are decided: No Finding only if the case is about it."""
        return [label for label in LABELS if label != "No Finding" or self.trap == "no_finding"]


def cases(name: str) -> list[Case]:
    """Returns a set of the hand-written cases."""
    return [Case(**case) for case in tomllib.loads((ROOT / "tests" / CASES[name]).read_text("utf-8"))["case"]]


# --- measures ---------------------------------------------------------------------------------------------


def labels_of(sections: Iterable[str], lang: str = "en") -> dict[str, int | None]:
    """Returns the labels of all sections of a report together."""
    return findings.labels(fact for text in sections for fact in findings.read(text, lang=lang))


def precision(sums: Array) -> Array:
    """Returns the precision of sums of `outcome`."""
    return _ratio(sums[..., 0], sums[..., 0] + sums[..., 1])


def recall(sums: Array) -> Array:
    """Returns the recall of sums of `outcome`."""
    return _ratio(sums[..., 0], sums[..., 0] + sums[..., 2])


def _ratio(a: Array, b: Array) -> Array:
    return np.divide(a, b, out=np.full_like(a, np.nan), where=b > 0)


class Score(NamedTuple):
    """A label against people's: the positives among people's, and the measures with their intervals."""

    positives: int
    precision: Interval
    recall: Interval
    f1: Interval


def against_people(labelled: Mapping[str, LabelledReport]) -> dict[str, Score]:
    """Returns precision, recall and F1 of each label. Only present counts as positive."""
    cohort = Cohort({name: name for name in labelled})
    predicted = {name: labels_of(report.sections) for name, report in labelled.items()}
    scores = {}
    for label in PEOPLE_COLUMNS:
        outcomes = {
            name: outcome(predicted=predicted[name][label] == 1, true=report.labels[label])
            for name, report in labelled.items()
        }
        positives = sum(report.labels[label] for report in labelled.values())
        measures = (cohort.interval(outcomes, aggregate=measure) for measure in (precision, recall, micro_f1))
        scores[label] = Score(positives, *measures)
    return scores


def outcome(*, predicted: bool, true: bool) -> tuple[int, int, int]:
    """Returns the numbers of true positives, false positives and false negatives of one decision."""
    return int(predicted and true), int(predicted and not true), int(true and not predicted)


def mean_f1(scores: Mapping[str, Score]) -> float:
    """Returns the mean F1 of the labels with enough positives."""
    values = [score.f1.value or 0.0 for score in scores.values() if score.positives >= MIN_POSITIVES]
    return sum(values) / len(values)


class Decisions(NamedTuple):
    """The label decisions of cases, and of them those where the case or the labeler states something."""

    right: int
    n: int
    stated_right: int
    stated: int


def decisions(cases: Iterable[Case], lang: str) -> Decisions:
    """Returns how many label decisions on hand-written cases are right."""
    all_decisions, stated = [], []
    for case in cases:
        predicted = labels_of([getattr(case, lang)], lang)
        for label in case.tested_labels:
            is_right = predicted[label] == case.labels.get(label)
            all_decisions.append(is_right)
            if predicted[label] is not None or label in case.labels:
                stated.append(is_right)
    return Decisions(all_decisions.count(True), len(all_decisions), stated.count(True), len(stated))


class FactCounts(NamedTuple):
    """Facts of the phantom: stated, of these read correctly, and read although no sentence states them."""

    stated: int
    right: int
    surplus: int


def on_phantom(studies: Iterable[corpus.Study], lang: str) -> dict[bool, FactCounts]:
    """Returns the facts of every sentence of the target sections, by whether its wording was set aside."""
    totals: dict[bool, Counter[str]] = {False: Counter(), True: Counter()}
    for sentence in (s for study in studies for section in study.report.target for s in section.sentences):
        true = Counter(
            (LABEL_OF_FINDING[s.fact.finding], s.fact.status, s.fact.side) for s in sentence.assertions
        )
        facts = findings.read(getattr(sentence, lang), lang=lang)
        predicted = Counter((fact.label, fact.status, fact.side) for fact in facts if fact.label)
        right, surplus = (true & predicted).total(), (predicted - true).total()
        is_set_aside = any(s.set_aside for s in sentence.assertions)
        totals[is_set_aside].update(stated=true.total(), right=right, surplus=surplus)
    return {is_set_aside: FactCounts(**total) for is_set_aside, total in totals.items()}


def same_facts(studies: Iterable[corpus.Study]) -> tuple[int, int]:
    """Returns the number of reports whose facts are the same in both languages, and of all reports."""
    pairs = [(study.report.mimic_text(), study.report.portuguese_text()) for study in studies]
    same = [_facts_of(en, "en") == _facts_of(pt, "pt") for en, pt in pairs]
    return same.count(True), len(same)


def _facts_of(text: str, lang: str) -> Counter[tuple[str, str, str | None]]:
    return Counter((fact.finding, fact.status, fact.side) for fact in findings.read(text, lang=lang))


class Speed(NamedTuple):
    """Reports a second on one core: with an empty cache of sentences, and with all sentences in the cache."""

    n: int
    uncached: float
    cached: float


def speed(texts: Mapping[str, tuple[str, str]]) -> Speed:
    """Returns the speed of facts and labels in this process. The time to load the lexicon is not counted."""
    labels_of(["No effusion."])
    uncached = 0.0
    for report in texts.values():
        reader._cached_facts.cache_clear()
        uncached += _seconds([report])
    _seconds(texts.values())  # fills the cache
    return Speed(len(texts), len(texts) / uncached, len(texts) / _seconds(texts.values()))


def _seconds(reports: Iterable[tuple[str, str]]) -> float:
    """Returns how long it takes to label reports."""
    start = time.perf_counter()
    for report in reports:
        labels_of(report)
    return time.perf_counter() - start


# --- tables -----------------------------------------------------------------------------------------------


def tables(real: Path | None) -> Iterator[tuple[str, str]]:
    """Yields the tables, each with the name of its place in docs/findings.md."""
    if real:
        yield "people", _people(labelled_reports(real))
        yield "speed", _speed(speed(reports(real)))
    yield "cases", _cases()
    yield "phantom", _phantom(list(corpus.studies(count=PHANTOM_STUDIES, seed=SEED)))


def _table(columns: str, rows: Iterable[str]) -> str:
    """Returns a table; columns and cells are separated by " | "."""
    rule = "|".join("---" for _ in columns.split(" | "))
    return "\n".join([f"| {columns} |", f"|{rule}|", *(f"| {row} |" for row in rows)])


def _interval(measure: Interval) -> str:
    if measure.value is None:
        return "none"
    if measure.low is None:
        return f"{measure.value:.3f}"
    return f"{measure.value:.3f} [{measure.low:.3f}, {measure.high:.3f}]"


def _people(labelled: Mapping[str, LabelledReport]) -> str:
    return "\n\n".join(
        _people_half(title, {n: report for n, report in labelled.items() if is_held_out(n) == held_out})
        for held_out, title in ((False, "developed on"), (True, "held out"))
    )


def _people_half(title: str, labelled: Mapping[str, LabelledReport]) -> str:
    scores = against_people(labelled)
    summary = (
        f"The half {title}: {len(labelled)} reports. "
        f"Mean F1 of labels with {MIN_POSITIVES} positives or more: **{mean_f1(scores):.3f}**."
    )
    rows = [
        f"{label} | {s.positives} | {_interval(s.precision)} | {_interval(s.recall)} | {_interval(s.f1)}"
        for label, s in scores.items()
    ]
    return f"{summary}\n\n{_table('label | positives | precision | recall | F1', rows)}"


def _speed(speed: Speed) -> str:
    return (
        f"{speed.n:,} real reports, findings and impression, one core:\n"
        f"{speed.uncached:,.0f} reports a second with an empty cache, "
        f"{speed.cached:,.0f} with all sentences in the cache."
    )


def _share(right: int, n: int) -> str:
    return f"{right:,} of {n:,} ({100 * right / n:.1f} %)" if n else "none"


def _cases() -> str:
    columns = (
        "cases | n | Portuguese: decisions right | of those stated | English: decisions right | "
        "same labels in both"
    )
    rows = [_case_row(f"**{name}**", cases(name)) for name in CASES]
    both = [case for name in CASES for case in cases(name)]
    for trap in sorted({case.trap for case in both}):
        rows.append(_case_row(trap, [case for case in both if case.trap == trap]))
    return _table(columns, rows)


def _case_row(title: str, cases: list[Case]) -> str:
    pt, en = decisions(cases, "pt"), decisions(cases, "en")
    same = [labels_of([case.pt], "pt") == labels_of([case.en], "en") for case in cases]
    cells = (
        title,
        str(len(cases)),
        _share(pt.right, pt.n),
        _share(pt.stated_right, pt.stated),
        _share(en.right, en.n),
        _share(same.count(True), len(cases)),
    )
    return " | ".join(cells)


def _phantom(studies: list[corpus.Study]) -> str:
    rows = []
    for lang, language in (("en", "English"), ("pt", "Portuguese")):
        for is_set_aside, facts in on_phantom(studies, lang).items():
            wordings = "set aside" if is_set_aside else "known"
            right = _share(facts.right, facts.stated)
            rows.append(f"{wordings} | {language} | {facts.stated:,} | {right} | {facts.surplus:,}")
    summary = (
        "English and Portuguese of the same report give the same facts (finding, status, side) in\n"
        f"{_share(*same_facts(studies))}."
    )
    table = _table("wordings | language | facts stated | read right | read and not stated", rows)
    return f"{table}\n\n{summary}"


def replace_table(page: str, place: str, table: str) -> str:
    """Returns the page with a table between the marks of its place."""
    marks = rf"(<!-- {place} -->\n).*?(<!-- end -->)"
    assert re.search(marks, page, re.DOTALL), f"{PAGE} has no place for {place}"
    return re.sub(marks, lambda match: f"{match[1]}{table}\n{match[2]}", page, flags=re.DOTALL)


def main() -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help="put the tables into docs/findings.md")
    write = parser.parse_args().write
    real = Path(os.environ["LAUDO_REAL_DATA"]) if "LAUDO_REAL_DATA" in os.environ else None
    if not real:
        print("people and speed are left out: LAUDO_REAL_DATA names no folder", file=sys.stderr)
    for place, table in tables(real):
        print(f"{table}\n")
        if write:
            PAGE.write_text(replace_table(PAGE.read_text("utf-8"), place, table), "utf-8")


if __name__ == "__main__":
    main()
