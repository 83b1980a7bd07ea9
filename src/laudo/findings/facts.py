"""A fact: one finding as one mention states it, and the forms in which it is written and stored."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal, NamedTuple, get_args

from laudo.errors import InputError
from laudo.vocabulary import Side, Size, Status

Change = Literal["new", "increased", "decreased", "unchanged", "resolved"]
Mode = Literal["default", "reference"]
"""`reference` reads and aggregates as chexpert-labeler does."""
Span = tuple[int, int]
"""The first character of some words, and the character after the last."""


class Measure(NamedTuple):
    """A number with its unit (`mm`, `cm` or `ml`): of several numbers, as in 2.3 x 1.1 cm, the largest."""

    value: float
    unit: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One finding as one mention states it. None means that the text does not say.

    Attributes:
        finding: a concept of the lexicon, such as `pleural_effusion` or `endotracheal_tube`.
        label: the CheXpert label that the finding counts for; None for further findings.
        status: what the text asserts about the finding.
        side: the side of the body.
        location: a location of the lexicon, such as `upper_lobe`; for a device, where it ends.
        size: size or severity in words.
        measure: size or distance in numbers.
        change: since the previous study.
        incidental: whether a report that states the finding may still have no finding.
        start, end: the mention, in characters of the original text.
        cues: the words that made the finding absent or uncertain, in characters of the original text.
    """

    finding: str
    label: str | None
    status: Status
    side: Side | None
    location: str | None
    size: Size | None
    measure: Measure | None
    change: Change | None
    incidental: bool
    start: int
    end: int
    cues: tuple[Span, ...]


def require_mode(mode: str) -> None:
    """Raises if there is no such mode.

    Raises:
        InputError: `mode` is neither `default` nor `reference`.
    """
    if mode not in get_args(Mode):
        raise InputError(f"there is no mode {mode!r}", fix=f"use one of {', '.join(get_args(Mode))}")


_COPIED = [field.name for field in fields(Fact) if field.name not in ("status", "measure", "cues")]
"""The fields whose value in a row is their value in the fact, as it stands."""


def as_json(fact: Fact, *, text: str) -> dict[str, Any]:
    """Returns the fact as `laudo label` writes it: each cue with its words, which are taken from `text`."""
    values = {field.name: getattr(fact, field.name) for field in fields(fact)}
    return values | {
        "measure": fact.measure and fact.measure._asdict(),
        "cues": [{"text": text[start:end], "start": start, "end": end} for start, end in fact.cues],
    }


def as_row(fact: Fact) -> dict[str, Any]:
    """Returns the fact as a row of a table. `from_row` is the inverse.

    The columns are the fields of `Fact`, except that `measure` becomes `measure_value` and `measure_unit`,
    and that `cues` is a list of `{"start": int, "end": int}`.
    """
    value, unit = fact.measure or (None, None)
    return {name: getattr(fact, name) for name in _COPIED} | {
        "status": fact.status.value,
        "measure_value": value,
        "measure_unit": unit,
        "cues": [{"start": start, "end": end} for start, end in fact.cues],
    }


def from_row(row: Mapping[str, Any]) -> Fact:
    """Returns the fact of a row that `as_row` made. Further columns are ignored."""
    value, unit = row["measure_value"], row["measure_unit"]
    return Fact(
        **{name: row[name] for name in _COPIED},
        status=Status(row["status"]),
        measure=None if value is None else Measure(value, unit),
        cues=tuple((cue["start"], cue["end"]) for cue in row["cues"]),
    )
