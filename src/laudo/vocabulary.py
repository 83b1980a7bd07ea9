"""The words that several rooms write into tables and read from them again: one spelling of each, here.

Each word is a string as it stands in the tables: a member of an enumeration where the page has a text for it,
else a literal or a tuple of strings. It imports nothing heavy.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Literal

LABELS = (
    "Atelectasis",
    "Cardiomegaly",
    "Consolidation",
    "Edema",
    "Enlarged Cardiomediastinum",
    "Fracture",
    "Lung Lesion",
    "Lung Opacity",
    "No Finding",
    "Pleural Effusion",
    "Pleural Other",
    "Pneumonia",
    "Pneumothorax",
    "Support Devices",
)
"""CheXpert's 14 labels, spelt and ordered as in PhysioNet's files."""

SPLITS = ("train", "validate", "test")
"""The parts of the corpus, spelt as MIMIC-CXR spells them."""

Language = Literal["en", "pt"]
"""English or Brazilian Portuguese: of a text, a reference or a page."""

Geometry = Literal["pad", "squash"]
"""How a film becomes a square: with black borders, or stretched."""

DicomRecipe = Literal["window", "mimic_jpg"]
"""How a DICOM becomes 8-bit grey: through its window, or as MIMIC-CXR-JPG was made."""

Stop = Literal["end", "length"]
"""Why a model stopped: it ended its turn, or the limit of new tokens cut it."""

OTHER_BLANKS = "\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000"
OTHER_LINE_BREAKS = "\x0b\x0c\x85\u2028\u2029"
INVISIBLE = "\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufeff\ufff9-\ufffb"
"""What word processors put into a report beside blank and line feed, as sets for a regular expression.

Unicode's blanks (category Zs) and mandatory breaks (UAX 14), and what shows nothing: soft hyphen, zero width
and direction (category Cf, without the visible signs of Arabic and the characters above U+FFFF).
"""

Side = Literal["left", "right", "bilateral"]
"""The side of the body that a finding is on."""

Size = Literal["small", "moderate", "large"]
"""Size or severity of a finding in words."""


class Status(StrEnum):
    """What an assertion says of a finding."""

    PRESENT = "present"
    ABSENT = "absent"
    UNCERTAIN = "uncertain"


class Verdict(StrEnum):
    """What the checks say of a translation."""

    ACCEPTED = "accepted"
    REPAIRED = "repaired"
    FLAGGED = "flagged"
    QUARANTINED = "quarantined"


class References(StrEnum):
    """Which test studies a figure of the summary rests on, by the verdict on their reference."""

    ALL = "all"
    LEARNABLE = "learnable"
    """Accepted or repaired, as the training takes them (`fidelity.verdict.LEARNABLE`)."""


class SectionName(StrEnum):
    """The names that `laudo.sections.split` gives to the sections of a report."""

    FINDINGS = "findings"
    IMPRESSION = "impression"
    INDICATION = "indication"
    HISTORY = "history"
    TECHNIQUE = "technique"
    COMPARISON = "comparison"
    EXAMINATION = "examination"
    RECOMMENDATIONS = "recommendations"
    NOTIFICATION = "notification"
    COMMENT = "comment"
    WET_READ = "wet_read"
    ADDENDUM = "addendum"
    PREAMBLE = "preamble"
    LAST_PARAGRAPH = "last_paragraph"
    FULL_REPORT = "full_report"


class Policy(StrEnum):
    """What preparation takes out of a target, as the column `removed` counts it."""

    COMMUNICATION = "communication"
    """Sentences on who was told of the findings."""
    PRIORS = "priors"
    """Sentences that compare with an earlier study."""
    IDENTIFIERS = "identifiers"
    """Sentences that need the mark `___` which de-identification left in them."""
    MARKS = "marks"
    """Marks `___` that are taken out of a sentence which stays."""


class Exclusion(StrEnum):
    """Why a study is not used (`studies.excluded`); a detail may follow after a colon (`kind`)."""

    NO_IMAGE = "no image"
    NO_SPLIT = "no split"
    NO_REPORT = "no report"
    EMPTY_REPORT = "empty report"
    DAMAGED_REPORT = "damaged report"
    NO_USABLE_SECTION = "no usable section"
    NOTHING_LEFT = "nothing left of the target"
    IMAGE_FILE_MISSING = "image file is missing"
    UNREADABLE_IMAGE = "unreadable image"
    NO_LABEL_ROW = "no label row"
    NO_POSITIVE_LABEL = "no positive label"
    UNCERTAIN_LABEL = "uncertain label"
    SAME_REPORT_IN_TEST = "same report as in test"
    SAME_REPORT_IN_VALIDATE = "same report as in validate"
    OUTSIDE_SUBSET = "outside the subset"


class ImageExclusion(StrEnum):
    """Why an image is not used (`films.left_out`); a detail may follow after a colon (`kind`)."""

    FILE_MISSING = "image file is missing"
    UNREADABLE = "unreadable image"
    NOT_NEEDED = "not needed"
    """The study has as many images as requested before this one."""
    SAME_EXPOSURE = "same exposure"
    """It repeats an image of the study that is used."""
    MIRRORED = "same exposure, mirrored"
    """It repeats an image that is used with left and right exchanged; which of them is right is not known."""


EXCLUSION_WITHOUT_IMAGE: Mapping[ImageExclusion, Exclusion] = {
    ImageExclusion.FILE_MISSING: Exclusion.IMAGE_FILE_MISSING,
    ImageExclusion.UNREADABLE: Exclusion.UNREADABLE_IMAGE,
}
"""Why the first image of a study is not used -> why the study is not used, if none of its images is.

The other reasons of `ImageExclusion` presuppose an image of the study that is used.
"""


class ImageWarning(StrEnum):
    """What a reader should know of an image that is used (`films.warning`)."""

    SHOWN_INVERTED = "shown inverted"
    """The photometric tag of the file contradicts the picture, so it was inverted."""
    LOOKS_INVERTED = "looks inverted"
    """The lungs are brighter than mediastinum and abdomen; the picture is as in the file."""
    STRETCHED = "contrast stretched"
    """Its window or table shows almost nothing, so its own range fills the grey scale."""
    STRETCHED_AND_INVERTED = "contrast stretched, shown inverted"


def kind(reason: str) -> str:
    """Returns a reason without its detail: "unreadable image: cut short" -> "unreadable image"."""
    return reason.partition(":")[0]


IMAGE_KINDS = {".jpg": "JPEG", ".jpeg": "JPEG", ".png": "PNG", ".dcm": "DICOM", ".dicom": "DICOM"}
"""Suffix of an image file -> its format. If a study holds an image in two forms, the earlier suffix
counts."""
