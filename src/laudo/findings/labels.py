"""CheXpert's 14 labels from facts, by two aggregations: the default one, and chexpert-labeler's."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from laudo.findings.facts import Fact, Mode, require_mode
from laudo.findings.lexicon import DEVICES
from laudo.vocabulary import LABELS, Status

VALUES: dict[Status, int] = {Status.PRESENT: 1, Status.UNCERTAIN: -1, Status.ABSENT: 0}


def labels(facts: Iterable[Fact], *, mode: Mode = "default") -> dict[str, int | None]:
    """Returns the labels: 1 present, 0 absent, -1 uncertain, None not mentioned.

    By default the strongest statement wins: present, then uncertain, then absent. No Finding is 1 if nothing
    except devices and incidental findings is present or uncertain, else None. So an empty text, which has no
    facts, has No Finding 1 here; in the tables `labels` and `scores` it has no label (`metrics.Text.labels`).

    The mode `reference` follows chexpert-labeler's `stages/aggregate.py` (Irvin et al. 2019, arXiv
    1901.07031; MIT): absent together with uncertain is uncertain, even beside present; heart failure, present
    or uncertain, is also an uncertain mention of Cardiomegaly. It expects the facts of
    `read(mode="reference")`.

    Raises:
        InputError: there is no such mode.
    """
    require_mode(mode)
    facts = list(facts)
    values = _values_by_label(facts, mode)
    aggregate = _strongest if mode == "default" else _as_chexpert
    aggregated = {label: aggregate(values.get(label, ())) for label in LABELS}
    return aggregated | {"No Finding": None if any(map(_is_abnormal, facts)) else 1}


def _values_by_label(facts: Iterable[Fact], mode: Mode) -> Mapping[str, Sequence[int]]:
    values = defaultdict(list)
    for fact in facts:
        value = VALUES[fact.status]
        if fact.label:
            values[fact.label].append(value)
        if mode == "reference" and value and fact.finding == "heart_failure":
            values["Cardiomegaly"].append(-1)
    return values


def _is_abnormal(fact: Fact) -> bool:
    return fact.status != Status.ABSENT and fact.label != DEVICES and not fact.incidental


def _strongest(values: Sequence[int]) -> int | None:
    return next((value for value in (1, -1, 0) if value in values), None)


def _as_chexpert(values: Sequence[int]) -> int | None:
    return -1 if {0, -1} <= set(values) else _strongest(values)
