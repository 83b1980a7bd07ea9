"""The counts of the table `census`: its topics and measures, and what its readers ask of it.

A row is a count: its topic, its item, its measure, and a value, a note or both. `prepare` writes the rows;
the command line and the results page read them. `corpus`, `excluded` and `release` are of the whole corpus,
the images of the studies that were requested, and all else is of the studies used.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum
from typing import Any, NamedTuple

from laudo.vocabulary import LABELS, SPLITS, Status

Row = Mapping[str, Any]

NO_SPLIT = "no split"
"""The measure that counts the excluded studies without a split."""


class Topic(StrEnum):
    """What is counted; a comment says what the items are."""

    CORPUS = "corpus"  # studies
    USED = "used"  # splits
    EXCLUDED = "excluded"  # reasons without their details
    LABELS = "labels"  # CheXpert's labels
    VIEWS = "views"  # views, empty where it is not known
    IMAGES_PER_STUDY = "images per study"  # numbers of images
    IMAGES_LEFT_OUT = "images left out"  # reasons without their details
    IMAGE_WARNINGS = "image warnings"  # warnings
    UNREADABLE_IMAGES = "unreadable images"  # dicom_ids
    SECTIONS = "sections"  # names of sections
    WORDS = "words"  # splits
    REMOVED = "removed"  # policies
    ENCODING = "encoding"  # latin-1
    RELEASE = "release"  # what is compared with the release, and `counts`


MEASURES: Mapping[Topic, tuple[str, ...]] = {
    Topic.CORPUS: ("all",),
    Topic.USED: ("studies", "patients"),
    Topic.EXCLUDED: (*SPLITS, NO_SPLIT),
    Topic.LABELS: (Status.PRESENT, Status.UNCERTAIN, Status.ABSENT),
    Topic.VIEWS: ("images",),
    # How many studies have so many images in the tables, and how many have so many that are cached.
    Topic.IMAGES_PER_STUDY: ("listed", "cached"),
    Topic.IMAGES_LEFT_OUT: ("images",),
    Topic.IMAGE_WARNINGS: ("images",),
    # Only a note: why the image cannot be decoded.
    Topic.UNREADABLE_IMAGES: ("reason",),
    Topic.SECTIONS: ("studies",),
    # Words of the target; low and high are the 5th and 95th centile.
    Topic.WORDS: ("low", "median", "high", "most"),
    # Sentences or marks that were taken, and the studies they were taken from.
    Topic.REMOVED: ("taken", "studies"),
    Topic.ENCODING: ("studies",),
    # Of a full copy: how many counts were compared (of the item `counts`); then those that differ.
    Topic.RELEASE: ("compared", "expected", "found"),
}
"""The measures of each topic, in the order in which they are shown."""

_ORDER: Mapping[Topic, Callable[[str], Any]] = {
    Topic.USED: SPLITS.index,
    Topic.LABELS: LABELS.index,
    Topic.IMAGES_PER_STUDY: int,
    Topic.WORDS: SPLITS.index,
    Topic.REMOVED: str,
    Topic.RELEASE: str,
}
"""How the items of a topic are sorted; those of another topic by their counts, the largest first."""


class ReleaseDifference(NamedTuple):
    """A count of a full copy that is not the release's."""

    what: str
    expected: int
    found: int
    why: str


class Census:
    """The rows of the table `census`, by topic."""

    def __init__(self, rows: Iterable[Row]) -> None:
        self._rows: dict[str, dict[str, dict[str, Row]]] = {}
        for row in rows:
            self._rows.setdefault(row["topic"], {}).setdefault(row["item"], {})[row["measure"]] = row

    def values(self, topic: Topic) -> dict[str, dict[str, float]]:
        """item -> measure -> value, in the order for a reader; 0 where an item has no row for a measure."""
        values = {
            item: {name: _value(measures.get(name)) for name in MEASURES[topic]}
            for item, measures in self._rows.get(topic, {}).items()
        }
        order = _ORDER.get(topic, lambda item: (-sum(values[item].values()), item))
        return {item: values[item] for item in sorted(values, key=order)}

    def counts(self, topic: Topic) -> dict[str, dict[str, int]]:
        """item -> measure -> count, as `values` does, rounded."""
        return {
            item: {name: round(value) for name, value in measures.items()}
            for item, measures in self.values(topic).items()
        }

    def totals(self, topic: Topic) -> dict[str, int]:
        """item -> the sum of its counts."""
        return {item: sum(measures.values()) for item, measures in self.counts(topic).items()}

    def count(self, topic: Topic, item: str, measure: str) -> int:
        """Returns a single count, 0 where it has no row."""
        return self.counts(topic).get(item, dict.fromkeys(MEASURES[topic], 0))[measure]

    @property
    def studies(self) -> int:
        """Studies of the corpus, used or not."""
        return self.count(Topic.CORPUS, "studies", "all")

    @property
    def used(self) -> dict[str, int]:
        """split -> studies used."""
        return {split: self.count(Topic.USED, split, "studies") for split in SPLITS}

    @property
    def patients(self) -> dict[str, int]:
        """split -> patients of the studies used."""
        return {split: self.count(Topic.USED, split, "patients") for split in SPLITS}

    @property
    def has_labels(self) -> bool:
        """Whether a study used has a row of CheXpert's labels: each row has at least one."""
        return any(any(counts.values()) for counts in self.counts(Topic.LABELS).values())

    @property
    def unreadable_images(self) -> dict[str, str]:
        """dicom_id -> why the image cannot be decoded."""
        images = self._rows.get(Topic.UNREADABLE_IMAGES, {})
        return {dicom_id: measures["reason"]["note"] for dicom_id, measures in images.items()}

    @property
    def latin_1(self) -> int:
        """Studies whose report is in Latin-1."""
        return self.count(Topic.ENCODING, "latin-1", "studies")

    @property
    def compared(self) -> int:
        """How many counts were compared with the release; 0 if the corpus is not a full copy."""
        return self.count(Topic.RELEASE, "counts", "compared")

    @property
    def differences(self) -> list[ReleaseDifference]:
        """The counts of a full copy that are not the release's."""
        rows = self._rows.get(Topic.RELEASE, {})
        return [
            ReleaseDifference(what, counts["expected"], counts["found"], rows[what]["found"]["note"] or "")
            for what, counts in self.counts(Topic.RELEASE).items()
            if "found" in rows[what]
        ]


def _value(row: Row | None) -> float:
    return (row["value"] if row else None) or 0
