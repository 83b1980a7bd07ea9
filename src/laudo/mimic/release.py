"""What a full copy of MIMIC-CXR contains, to be compared with the counts of a copy.

Sources: the pages of MIMIC-CXR 2.1.0 and MIMIC-CXR-JPG 2.1.0 on PhysioNet (studies, images, patients, splits,
rows of labels), and Table 2 of the paper that laudo follows, counted over the whole CheXpert table.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

STUDIES = 227_835

CONTENTS = {
    "studies": STUDIES,
    "patients": 65_379,
    "images": 377_110,
    "studies in train": 222_758,
    "studies in validate": 1_808,
    "studies in test": 3_269,
    "studies with a report": STUDIES,
    "studies with CheXpert labels": 227_827,
    "studies with NegBio labels": 227_827,
}

_TABLE_2 = {
    "Atelectasis": (45_808, 10_327),
    "Cardiomegaly": (44_845, 6_043),
    "Consolidation": (10_778, 4_331),
    "Edema": (27_018, 13_174),
    "Enlarged Cardiomediastinum": (7_179, 9_375),
    "Fracture": (4_390, 555),
    "Lung Lesion": (6_284, 1_141),
    "Lung Opacity": (51_525, 3_831),
    "No Finding": (75_455, 0),
    "Pleural Effusion": (54_300, 5_814),
    "Pneumonia": (16_556, 18_291),
    "Pneumothorax": (10_358, 1_134),
    "Support Devices": (66_558, 237),
}
CONTENTS |= {f"{label} present": present for label, (present, _) in _TABLE_2.items()}
CONTENTS |= {f"{label} uncertain": uncertain for label, (_, uncertain) in _TABLE_2.items()}


class Difference(NamedTuple):
    """A count of a copy that is not the release's, and the likely cause."""

    what: str
    expected: int
    found: int
    why: str


def is_full(studies: int) -> bool:
    """Returns whether a copy with this number of studies is a full one."""
    return studies >= STUDIES


def differences(counts: Mapping[str, int]) -> Iterator[Difference]:
    """Yields the counts of a full copy that differ from the release; `counts` has the keys of `CONTENTS`."""
    for what, expected in CONTENTS.items():
        if counts[what] != expected:
            cause = _cause(what, expected=expected, count=counts[what])
            yield Difference(what, expected, counts[what], cause)


def _cause(what: str, *, expected: int, count: int) -> str:
    if what == "studies with a report":
        return "the reports' zip or folder is not complete, or holds other reports"
    if what.startswith("studies with"):
        return "the table of labels is absent, cut short or not the release's"
    if what.endswith(("present", "uncertain")):
        return "the CheXpert table was changed, or made by another labeler"
    if count > expected:
        return "there are studies that are not the release's"
    return "the metadata or split table is not the release's, or was cut"
