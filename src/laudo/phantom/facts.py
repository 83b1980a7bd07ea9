"""What is true of a phantom study: which findings, where, how large, and how that changed.

The facts come first; the picture (`draw`) and the words (`words`) are both made from them, so that the
truth of every study is known and can be used to measure with. No stage of the study reads it.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Literal

Status = Literal["present", "absent", "uncertain"]
Side = Literal["left", "right", "bilateral"]
Size = Literal["small", "moderate", "large"]
Change = Literal["new", "increased", "decreased", "unchanged"]
Kind = Literal["endotracheal_tube", "central_line", "pacemaker", "nasogastric_tube"]


@dataclass(frozen=True)
class Fact:
    """One statement about one finding of one study.

    Attributes:
        finding: a key of `LABELS`.
        side: the patient's side, None where the finding has none.
        size: None where the words do not say; drawn as moderate then.
        change: since the prior study, in words only, never in the picture.
        kind: which device, for `support_devices` alone.
    """

    finding: str
    status: Status
    side: Side | None = None
    size: Size | None = None
    change: Change | None = None
    kind: Kind | None = None


LABELS = {
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

_SIDES: dict[str, tuple[Side, ...]] = {
    "both": ("left", "left", "left", "right", "right", "right", "bilateral"),
    "one": ("left", "right"),
}
# finding -> (relative frequency, whether it can be on both sides, whether words give it a size)
_ABNORMAL: dict[str, tuple[float, str, bool]] = {
    "pleural_effusion": (20, "both", True),
    "atelectasis": (15, "both", True),
    "cardiomegaly": (16, "", True),
    "lung_opacity": (12, "both", False),
    "edema": (10, "", True),
    "pneumonia": (10, "both", False),
    "consolidation": (9, "both", False),
    "pneumothorax": (8, "one", True),
    "lung_lesion": (7, "one", True),
    "enlarged_cardiomediastinum": (7, "", False),
    "fracture": (6, "one", False),
    "pleural_other": (6, "one", False),
}
# How often a report that does not report the finding says that it is absent.
_DENIED = {
    "pleural_effusion": 0.85, "pneumothorax": 0.85, "cardiomegaly": 0.75, "consolidation": 0.55,
    "enlarged_cardiomediastinum": 0.45, "edema": 0.35, "fracture": 0.2, "pneumonia": 0.15,
    "lung_opacity": 0.1, "lung_lesion": 0.1, "atelectasis": 0.05, "pleural_other": 0.05, "support_devices": 0.03,
}  # fmt: skip
_NORMAL, _UNCERTAIN, _SIZED, _CHANGED, _DEVICE = 0.27, 0.17, 0.6, 0.2, 0.3


def sample(rng: Random) -> list[Fact]:
    """Draws the facts of one study: what is present or uncertain first, then what its report denies.

    About a quarter of the studies have no finding; the others one to four. Each finding occurs at most
    once, devices up to twice (two kinds).
    """
    count = 0 if rng.random() < _NORMAL else rng.choices((1, 2, 3, 4), (35, 35, 20, 10))[0]
    weights = {name: row[0] for name, row in _ABNORMAL.items()}
    chosen: list[str] = []
    while len(chosen) < count:
        name = rng.choices(list(weights), list(weights.values()))[0]
        del weights[name]
        chosen.append(name)
    facts = [_finding(rng, name) for name in chosen] + _devices(rng)
    said = {fact.finding for fact in facts}
    return facts + [
        Fact(name, "absent") for name, p in _DENIED.items() if name not in said and rng.random() < p
    ]


def _finding(rng: Random, name: str) -> Fact:
    _, sides, sized = _ABNORMAL[name]
    side = rng.choice(_SIDES[sides]) if sides else None
    size: Size | None = (
        rng.choice(("small", "moderate", "large")) if sized and rng.random() < _SIZED else None
    )
    if rng.random() < _UNCERTAIN:
        return Fact(name, "uncertain", side, size)
    change: Change | None = None
    if rng.random() < _CHANGED:
        change = rng.choice(("new", "increased", "decreased", "unchanged"))
    return Fact(name, "present", side, size, change)


def _devices(rng: Random) -> list[Fact]:
    if rng.random() >= _DEVICE:
        return []
    kinds: list[Kind] = ["endotracheal_tube", "nasogastric_tube", "central_line", "pacemaker"]
    facts = []
    for kind in rng.sample(kinds, rng.choice((1, 1, 2))):
        sided = kind in ("central_line", "pacemaker")
        status: Status = "uncertain" if kind == "central_line" and rng.random() < 0.1 else "present"
        facts.append(
            Fact("support_devices", status, rng.choice(("left", "right")) if sided else None, kind=kind)
        )
    return facts
