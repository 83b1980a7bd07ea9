"""How right the findings are: against people's labels, hand-written cases and the phantom's truth; and how fast.

python benchmarks/accuracy.py [--write]

Prints the tables of docs/findings.md; `--write` puts them there. The people's labels are those of NegBio's authors
for Open-i (public domain); they and the reports are looked for in the folder that LAUDO_REAL_DATA names, and their
tables are left out without it.
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
from laudo.findings import LABELS, Fact, reading
from laudo.phantom import corpus
from laudo.phantom.facts import LABELS as PHANTOM
from laudo.stats import Array, Cohort, Interval, micro_f1

ROOT = Path(__file__).resolve().parent.parent
CASES = {"first set": "portuguese_cases.toml", "second set": "portuguese_cases_blind.toml"}
PAGE = ROOT / "docs" / "findings.md"
PHANTOM_STUDIES, SEED = 2500, 11
GOLD = {
    "Atelectasis": ("Atelectasis",), "Cardiomegaly": ("Cardiomegaly",), "Consolidation": ("Consolidation",), "Edema": ("Edema",),
    "Lung Lesion": ("Mass", "Nodule"), "Pleural Effusion": ("Effusion",), "Pneumonia": ("Pneumonia",), "Pneumothorax": ("Pneumothorax",),
}  # fmt: skip
"""A label -> the columns of the people's table that mean it; docs/findings.md names those left out."""
ENOUGH = 15  # positives that a label needs to count in the mean


# --- data ------------------------------------------------------------------------------------------------------


class Read(NamedTuple):
    """A real report: its findings and impression, and the labels that people gave it."""

    sections: tuple[str, str]
    labels: dict[str, bool]


def is_held_out(key: str) -> bool:
    """Whether a report belongs to the half that the lexicon was not developed on."""
    return hashlib.sha256(key.encode()).digest()[0] % 2 == 1


def reports(folder: Path) -> dict[str, tuple[str, str]]:
    """Findings and impression of every report of Open-i, by the name it has in the table of labels."""
    return {
        f"CXR{Path(name).stem}": (sections.get("FINDINGS", ""), sections.get("IMPRESSION", ""))
        for name, sections in openi.reports(folder)
    }


def gold(folder: Path) -> dict[str, Read]:
    """The reports that people labelled."""
    texts = reports(folder)
    with (folder / "openi" / "gold_labels.csv").open(newline="") as table:
        return {
            row["filename"]: Read(
                texts[row["filename"]],
                {name: any(row[c] == "1" for c in columns) for name, columns in GOLD.items()},
            )
            for row in csv.DictReader(table)
        }


@dataclass(frozen=True)
class Case:
    """A hand-written case: the same in both languages, and its labels; what is not named is not mentioned."""

    trap: str
    pt: str
    en: str
    labels: dict[str, int]

    @property
    def judged(self) -> list[str]:
        """The labels that are decided: No Finding only where the case is about it."""
        return [label for label in LABELS if label != "No Finding" or self.trap == "no_finding"]


def cases(name: str) -> list[Case]:
    """A set of the hand-written cases."""
    return [Case(**case) for case in tomllib.loads((ROOT / "tests" / CASES[name]).read_text("utf-8"))["case"]]


# --- measures --------------------------------------------------------------------------------------------------


def labels_of(sections: Iterable[str], lang: str = "en") -> dict[str, int | None]:
    """The labels of a report's sections together."""
    return findings.labels(fact for text in sections for fact in findings.read(text, lang=lang))


def precision(sums: Array) -> Array:
    return _ratio(sums[..., 0], sums[..., 0] + sums[..., 1])


def recall(sums: Array) -> Array:
    return _ratio(sums[..., 0], sums[..., 0] + sums[..., 2])


def _ratio(a: Array, b: Array) -> Array:
    return np.divide(a, b, out=np.full_like(a, np.nan), where=b > 0)


class Score(NamedTuple):
    """A label against people's: positives among them, and the measures with their intervals over reports."""

    positives: int
    precision: Interval
    recall: Interval
    f1: Interval


def against_people(read: Mapping[str, Read]) -> dict[str, Score]:
    """Precision, recall and F1 of each label; only present counts as positive."""
    cohort = Cohort({name: name for name in read})
    made = {name: labels_of(report.sections) for name, report in read.items()}
    scores = {}
    for label in GOLD:
        rows = {name: _outcome(made[name][label] == 1, report.labels[label]) for name, report in read.items()}
        measured = (cohort.interval(rows, aggregate=measure) for measure in (precision, recall, micro_f1))
        scores[label] = Score(sum(report.labels[label] for report in read.values()), *measured)
    return scores


def _outcome(said: bool, true: bool) -> tuple[int, int, int]:
    return int(said and true), int(said and not true), int(true and not said)


def mean_f1(scores: Mapping[str, Score]) -> float:
    """The mean F1 of the labels with enough positives."""
    values = [score.f1.value or 0.0 for score in scores.values() if score.positives >= ENOUGH]
    return sum(values) / len(values)


class Decisions(NamedTuple):
    """Label decisions: all that a case takes, and those where the case or the labeler says something."""

    right: int
    n: int
    stated_right: int
    stated: int


def decisions(some: Iterable[Case], lang: str) -> Decisions:
    """How many label decisions on hand-written cases are right."""
    right = n = stated_right = stated = 0
    for case in some:
        made = labels_of([getattr(case, lang)], lang)
        for label in case.judged:
            hit = made[label] == case.labels.get(label)
            told = made[label] is not None or label in case.labels
            right, n, stated_right, stated = right + hit, n + 1, stated_right + (hit and told), stated + told
    return Decisions(right, n, stated_right, stated)


class Facts(NamedTuple):
    """Facts of the phantom: stated, of them read right, and those read that no sentence states."""

    stated: int
    right: int
    surplus: int


def key(fact: Fact) -> tuple[str | None, str, str | None]:
    """What must be right of a fact: the finding, by its label, its status and side."""
    return fact.label, fact.status, fact.side


def on_phantom(studies: Iterable[corpus.Study], lang: str) -> dict[bool, Facts]:
    """The facts of every sentence of the target sections, by whether its wording was set aside."""
    totals: dict[bool, Counter[str]] = {False: Counter(), True: Counter()}
    for sentence in (s for study in studies for section in study.report.target for s in section.sentences):
        truth = Counter(
            (PHANTOM[said.fact.finding], said.fact.status, said.fact.side) for said in sentence.said
        )
        read = Counter(key(fact) for fact in findings.read(getattr(sentence, lang), lang=lang) if fact.label)
        total = totals[any(said.set_aside for said in sentence.said)]
        total.update(stated=truth.total(), right=(truth & read).total(), surplus=(read - truth).total())
    return {aside: Facts(**total) for aside, total in totals.items()}


def same_facts(studies: Iterable[corpus.Study]) -> tuple[int, int]:
    """Reports of which both languages give the same facts, and all reports."""
    pairs = [(study.report.mimic_text(), study.report.portuguese_text()) for study in studies]
    same = sum(_told(en, "en") == _told(pt, "pt") for en, pt in pairs)
    return same, len(pairs)


def _told(text: str, lang: str) -> Counter[tuple[str, str, str | None]]:
    return Counter((fact.finding, fact.status, fact.side) for fact in findings.read(text, lang=lang))


class Speed(NamedTuple):
    """Reports a second on one core: nothing remembered, and a second reading of the same reports."""

    n: int
    cold: float
    remembered: float


def speed(texts: Mapping[str, tuple[str, str]]) -> Speed:
    """Facts and labels of findings and impression, in this process; compiling the lexicon is not counted."""
    labels_of(["No effusion."])
    spent = 0.0
    for sections in texts.values():
        reading._remembered.cache_clear()
        start = time.perf_counter()
        labels_of(sections)
        spent += time.perf_counter() - start
    for sections in texts.values():
        labels_of(sections)
    start = time.perf_counter()
    for sections in texts.values():
        labels_of(sections)
    return Speed(len(texts), len(texts) / spent, len(texts) / (time.perf_counter() - start))


# --- tables ----------------------------------------------------------------------------------------------------


def tables(real: Path | None) -> Iterator[tuple[str, str]]:
    """The tables, each with the name of its place in docs/findings.md."""
    if real:
        yield "people", _people(gold(real))
        yield "speed", _speed(speed(reports(real)))
    yield "cases", _cases()
    yield "phantom", _phantom(list(corpus.studies(count=PHANTOM_STUDIES, seed=SEED)))


def _interval(measured: Interval) -> str:
    if measured.value is None:
        return "none"
    return (
        f"{measured.value:.3f} [{measured.low:.3f}, {measured.high:.3f}]"
        if measured.low is not None
        else f"{measured.value:.3f}"
    )


def _people(read: Mapping[str, Read]) -> str:
    lines = []
    for held_out, title in ((False, "developed on"), (True, "held out")):
        half = {name: report for name, report in read.items() if is_held_out(name) == held_out}
        scores = against_people(half)
        lines += [
            f"The half {title}: {len(half)} reports. Mean F1 of labels with {ENOUGH} positives or more: **{mean_f1(scores):.3f}**.",
            "",
        ]
        lines += ["| label | positives | precision | recall | F1 |", "|---|---|---|---|---|"]
        lines += [
            f"| {label} | {s.positives} | {_interval(s.precision)} | {_interval(s.recall)} | {_interval(s.f1)} |"
            for label, s in scores.items()
        ]
        lines.append("")
    return "\n".join(lines[:-1])


def _speed(measured: Speed) -> str:
    return (
        f"{measured.n:,} real reports, findings and impression, one core: {measured.cold:,.0f} reports a second cold, "
        f"{measured.remembered:,.0f} with sentences remembered."
    )


def _share(right: int, n: int) -> str:
    return f"{right:,} of {n:,} ({100 * right / n:.1f} %)" if n else "none"


def _cases() -> str:
    lines = [
        "| cases | n | Portuguese: decisions right | of those stated | English: decisions right | same labels in both |",
        "|---|---|---|---|---|---|",
    ]
    lines += [_case_row(f"**{name}**", cases(name)) for name in CASES]
    both = [case for name in CASES for case in cases(name)]
    for trap in sorted({case.trap for case in both}):
        lines.append(_case_row(trap, [case for case in both if case.trap == trap]))
    return "\n".join(lines)


def _case_row(title: str, some: list[Case]) -> str:
    pt, en = decisions(some, "pt"), decisions(some, "en")
    same = sum(labels_of([case.pt], "pt") == labels_of([case.en], "en") for case in some)
    return f"| {title} | {len(some)} | {_share(pt.right, pt.n)} | {_share(pt.stated_right, pt.stated)} | {_share(en.right, en.n)} | {_share(same, len(some))} |"


def _phantom(studies: list[corpus.Study]) -> str:
    lines = [
        "| wordings | language | facts stated | read right | read and not stated |",
        "|---|---|---|---|---|",
    ]
    for lang, name in (("en", "English"), ("pt", "Portuguese")):
        for aside, facts in on_phantom(studies, lang).items():
            title = "set aside" if aside else "known"
            lines.append(
                f"| {title} | {name} | {facts.stated:,} | {_share(facts.right, facts.stated)} | {facts.surplus:,} |"
            )
    same = same_facts(studies)
    return "\n".join(
        [
            *lines,
            "",
            f"English and Portuguese of the same report give the same facts (finding, status, side) in {_share(*same)}.",
        ]
    )


def put(page: str, place: str, table: str) -> str:
    """The page with a table between the marks of its place."""
    marks = rf"(<!-- {place} -->\n).*?(<!-- end -->)"
    assert re.search(marks, page, re.DOTALL), f"{PAGE} has no place for {place}"
    return re.sub(marks, lambda found: f"{found[1]}{table}\n{found[2]}", page, flags=re.DOTALL)


def main() -> None:
    """Makes the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help="put the tables into docs/findings.md")
    write = parser.parse_args().write
    real = Path(os.environ["LAUDO_REAL_DATA"]) if "LAUDO_REAL_DATA" in os.environ else None
    if not real:
        print("people and speed are left out: LAUDO_REAL_DATA names no folder", file=sys.stderr)
    for place, table in tables(real):
        print(f"{table}\n")
        if write:
            PAGE.write_text(put(PAGE.read_text("utf-8"), place, table), "utf-8")


if __name__ == "__main__":
    main()
