"""What the corpus holds, from the table `census`: what was left out and why, labels, images, texts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from laudo.census import NO_SPLIT, Topic
from laudo.report.catalogue import Catalogue
from laudo.report.context import Context
from laudo.vocabulary import SPLITS, Exclusion, ImageExclusion, ImageWarning, Policy, SectionName, Status


class ReasonRow(NamedTuple):
    """Why studies are not used, and how many in each split and, last, without a split."""

    reason: Exclusion
    studies: tuple[int, ...]


class CountDifference(NamedTuple):
    """A count of a full copy that is not the release's."""

    name: str
    found: int
    expected: int


@dataclass(frozen=True)
class Corpus:
    """What the section shows.

    Attributes:
        excluded: the last count of each row is left out unless `has_no_split`.
        labels: none where no study used has a row in CheXpert's table.
        shows_spelling: whether the page's words for labels differ from CheXpert's.
        views, sections: by the word that a reader sees.
        images: number of images -> studies that have so many `listed`, and so many `cached`.
        removed: policy -> sentences or marks that were `taken`, from how many `studies`.
    """

    excluded: tuple[ReasonRow, ...]
    has_no_split: bool
    release: tuple[CountDifference, ...]
    used: int
    labels: Mapping[str, Mapping[str, int]]
    shows_spelling: bool
    views: Mapping[str, int]
    images: Mapping[str, Mapping[str, int]]
    sections: Mapping[str, int]
    words: Mapping[str, Mapping[str, float]]
    removed: Mapping[Policy, Mapping[str, int]]
    images_left_out: Mapping[ImageExclusion, int]
    image_warnings: Mapping[ImageWarning, int]
    no_split: Exclusion = Exclusion.NO_SPLIT
    splits: tuple[str, ...] = SPLITS


def content(context: Context) -> Corpus:
    census, words = context.tables.census, context.words
    excluded, labels = census.counts(Topic.EXCLUDED), census.counts(Topic.LABELS)
    has_no_split = any(counts[NO_SPLIT] for counts in excluded.values())
    columns = (*SPLITS, NO_SPLIT) if has_no_split else SPLITS
    return Corpus(
        excluded=tuple(
            ReasonRow(Exclusion(reason), tuple(counts[column] for column in columns))
            for reason, counts in excluded.items()
        ),
        has_no_split=has_no_split,
        release=tuple(
            CountDifference(name_of_count(row.what, words), row.found, row.expected)
            for row in census.differences
        ),
        used=sum(census.used.values()),
        labels=labels if census.has_labels else {},
        shows_spelling=any(words.label(label) != label for label in labels),
        views={
            view or words.text("corpus.view_unknown"): n for view, n in census.totals(Topic.VIEWS).items()
        },
        images=census.counts(Topic.IMAGES_PER_STUDY),
        sections={words.word(SectionName(name)): n for name, n in census.totals(Topic.SECTIONS).items()},
        words=census.values(Topic.WORDS),
        removed={Policy(policy): counts for policy, counts in census.counts(Topic.REMOVED).items()},
        images_left_out={ImageExclusion(name): n for name, n in census.totals(Topic.IMAGES_LEFT_OUT).items()},
        image_warnings={ImageWarning(name): n for name, n in census.totals(Topic.IMAGE_WARNINGS).items()},
    )


def name_of_count(count: str, words: Catalogue) -> str:
    """Returns what a reader calls one of `laudo.mimic.release.CONTENTS`.

    Raises:
        KeyError: the catalogue has no word for it.
    """
    start, _, last = count.rpartition(" ")
    if last in SPLITS:
        return words.text("corpus.count_of_split", split=words.split(last))
    if last in (Status.PRESENT, Status.UNCERTAIN):
        return f"{words.label(start)}, {words.word(Status(last))}"
    return words.count(count)
