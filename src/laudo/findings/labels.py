"""CheXpert's 14 labels from facts, by two aggregations: ours, and chexpert-labeler's."""

from collections.abc import Iterable, Sequence

from laudo.findings.lexicon import DEVICES
from laudo.findings.reading import Fact, Mode
from laudo.findings.verdicts import Status
from laudo.mimic import LABELS

VALUES: dict[Status, int] = {"present": 1, "uncertain": -1, "absent": 0}


def labels(facts: Iterable[Fact], *, mode: Mode = "default") -> dict[str, int | None]:
    """The labels: 1 present, 0 absent, -1 uncertain, None not mentioned.

    By default the strongest statement wins: present, then uncertain, then absent; No Finding is 1 where nothing but
    devices and incidental matters is present or uncertain, else None.

    `reference` does as chexpert-labeler's `stages/aggregate.py` (Irvin et al. 2019, arXiv 1901.07031; MIT): absent
    with uncertain is uncertain even beside present; heart failure, present or uncertain, is an uncertain mention of
    Cardiomegaly. Give it the facts of `read(mode="reference")`.
    """
    told: dict[str, list[int]] = {}
    found = False
    for fact in facts:
        value = VALUES[fact.status]
        found |= bool(value and fact.label != DEVICES and not fact.incidental)
        if fact.label:
            told.setdefault(fact.label, []).append(value)
        if mode == "reference" and value and fact.finding == "heart_failure":
            told.setdefault("Cardiomegaly", []).append(-1)
    settle = _strongest if mode == "default" else _reference
    values = {label: settle(told.get(label, ())) for label in LABELS}
    return values | {"No Finding": None if found else 1}


def _strongest(values: Sequence[int]) -> int | None:
    return next((value for value in (1, -1, 0) if value in values), None)


def _reference(values: Sequence[int]) -> int | None:
    return -1 if {0, -1} <= set(values) else _strongest(values)
