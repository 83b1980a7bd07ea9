"""What is true of a phantom study: which findings, where, how large, and how that changed.

The picture (`draw`) and the words (`words`) are both made from these facts. So the truth of every study is
known and can be measured against. No stage reads it.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Literal, NamedTuple

from laudo.vocabulary import Side, Size, Status

Change = Literal["new", "increased", "decreased", "unchanged"]
Kind = Literal["endotracheal_tube", "central_line", "pacemaker", "nasogastric_tube"]


@dataclass(frozen=True)
class TrueFact:
    """One statement about one finding of one study.

    Attributes:
        finding: a key of `LABEL_OF_FINDING`.
        side: the patient's side, None if the finding has none.
        size: None if the words do not say it; then it is drawn as moderate.
        change: since the prior study; only in the words, never in the picture.
        kind: which device; only for `support_devices`.
    """

    finding: str
    status: Status
    side: Side | None = None
    size: Size | None = None
    change: Change | None = None
    kind: Kind | None = None


LABEL_OF_FINDING = {
    "atelectasis": "Atelectasis",
    "cardiomegaly": "Cardiomegaly",
    "consolidation": "Consolidation",
    "edema": "Edema",
    "enlarged_cardiomediastinum": "Enlarged Cardiomediastinum",
    "fracture": "Fracture",
    "lung_lesion": "Lung Lesion",
    "lung_opacity": "Lung Opacity",
    "pleural_effusion": "Pleural Effusion",
    "pleural_other": "Pleural Other",
    "pneumonia": "Pneumonia",
    "pneumothorax": "Pneumothorax",
    "support_devices": "Support Devices",
}
"""Finding -> its CheXpert label; No Finding is the fourteenth and follows from the others."""


class _Abnormality(NamedTuple):
    """How often a finding is drawn, relative to the others; on which sides; whether words give it a size."""

    frequency: int
    sides: tuple[Side, ...]
    has_size: bool


_NO_SIDE: tuple[Side, ...] = ()
_ONE_SIDE: tuple[Side, ...] = ("left", "right")
_ANY_SIDE: tuple[Side, ...] = ("left", "left", "left", "right", "right", "right", "bilateral")
_ABNORMALITIES = {
    "pleural_effusion": _Abnormality(20, _ANY_SIDE, True),
    "atelectasis": _Abnormality(15, _ANY_SIDE, True),
    "cardiomegaly": _Abnormality(16, _NO_SIDE, True),
    "lung_opacity": _Abnormality(12, _ANY_SIDE, False),
    "edema": _Abnormality(10, _NO_SIDE, True),
    "pneumonia": _Abnormality(10, _ANY_SIDE, False),
    "consolidation": _Abnormality(9, _ANY_SIDE, False),
    "pneumothorax": _Abnormality(8, _ONE_SIDE, True),
    "lung_lesion": _Abnormality(7, _ONE_SIDE, True),
    "enlarged_cardiomediastinum": _Abnormality(7, _NO_SIDE, False),
    "fracture": _Abnormality(6, _ONE_SIDE, False),
    "pleural_other": _Abnormality(6, _ONE_SIDE, False),
}
_P_DENIED = {
    "pleural_effusion": 0.85,
    "pneumothorax": 0.85,
    "cardiomegaly": 0.75,
    "consolidation": 0.55,
    "enlarged_cardiomediastinum": 0.45,
    "edema": 0.35,
    "fracture": 0.2,
    "pneumonia": 0.15,
    "lung_opacity": 0.1,
    "lung_lesion": 0.1,
    "atelectasis": 0.05,
    "pleural_other": 0.05,
    "support_devices": 0.03,
}
"""How often a report denies a finding that the study does not have."""

_P_NORMAL, _P_UNCERTAIN, _P_SIZE, _P_CHANGE, _P_DEVICE = 0.27, 0.17, 0.6, 0.2, 0.3
_SIZES: tuple[Size, ...] = ("small", "moderate", "large")
_CHANGES: tuple[Change, ...] = ("new", "increased", "decreased", "unchanged")
_KINDS: tuple[Kind, ...] = ("endotracheal_tube", "nasogastric_tube", "central_line", "pacemaker")


def sample(rng: Random) -> list[TrueFact]:
    """Returns the facts of one study: first what is present or uncertain, then what its report denies.

    About a quarter of the studies have no finding; the others have one to four. Each finding occurs at most
    once, devices up to twice (two kinds).
    """
    count = 0 if rng.random() < _P_NORMAL else rng.choices((1, 2, 3, 4), (35, 35, 20, 10))[0]
    weights = {name: abnormality.frequency for name, abnormality in _ABNORMALITIES.items()}
    names: list[str] = []
    while len(names) < count:
        name = rng.choices(list(weights), list(weights.values()))[0]
        del weights[name]
        names.append(name)
    facts = [_abnormal(rng, name) for name in names] + _devices(rng)
    findings = {fact.finding for fact in facts}
    absent = [name for name, p in _P_DENIED.items() if name not in findings and rng.random() < p]
    return facts + [TrueFact(name, Status.ABSENT) for name in absent]


def _abnormal(rng: Random, name: str) -> TrueFact:
    _, sides, has_size = _ABNORMALITIES[name]
    side = rng.choice(sides) if sides else None
    size = rng.choice(_SIZES) if has_size and rng.random() < _P_SIZE else None
    if rng.random() < _P_UNCERTAIN:
        return TrueFact(name, Status.UNCERTAIN, side, size)
    change = rng.choice(_CHANGES) if rng.random() < _P_CHANGE else None
    return TrueFact(name, Status.PRESENT, side, size, change)


def _devices(rng: Random) -> list[TrueFact]:
    if rng.random() >= _P_DEVICE:
        return []
    return [_device(rng, kind) for kind in rng.sample(_KINDS, rng.choice((1, 1, 2)))]


def _device(rng: Random, kind: Kind) -> TrueFact:
    is_doubtful = kind == "central_line" and rng.random() < 0.1
    status = Status.UNCERTAIN if is_doubtful else Status.PRESENT
    side = rng.choice(_ONE_SIDE) if kind in ("central_line", "pacemaker") else None
    return TrueFact("support_devices", status, side, kind=kind)
