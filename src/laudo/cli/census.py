"""The census of a prepared corpus as text: a summary in lines, and a table for each topic."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from laudo.census import MEASURES, Census, Topic
from laudo.cli.tables import Table
from laudo.cli.tables import show as show_table
from laudo.cli.words import counted
from laudo.vocabulary import Exclusion, ImageWarning

Row = Mapping[str, Any]

_LATER = {Exclusion.IMAGE_FILE_MISSING, Exclusion.NO_REPORT}
"""Exclusions that end when a file arrives."""

_WARNINGS = {
    ImageWarning.SHOWN_INVERTED: "the photometric tag contradicts the picture",
    ImageWarning.LOOKS_INVERTED: "the lungs are brighter than mediastinum and abdomen",
    ImageWarning.STRETCHED: "its window or table shows almost nothing",
    ImageWarning.STRETCHED_AND_INVERTED: "neither its window nor its photometric tag fits the picture",
}

_UNREADABLE = 10
"""How many unreadable images are named."""

_TABLES: Sequence[tuple[Topic, str, Sequence[str]]] = [
    (Topic.USED, "studies", ["used", "patients"]),
    (Topic.EXCLUDED, "left out", MEASURES[Topic.EXCLUDED]),
    (Topic.LABELS, "CheXpert label", MEASURES[Topic.LABELS]),
    (Topic.VIEWS, "view", ["images"]),
    (Topic.IMAGES_PER_STUDY, "images of a study", ["studies", "studies, cached"]),
    (Topic.WORDS, "words of the target", ["5%", "median", "95%", "most"]),
    (Topic.SECTIONS, "section", ["studies"]),
    (Topic.REMOVED, "removed from targets", ["taken", "studies"]),
]
"""A topic, the title of its items, and the titles of its measures."""


def show(
    rows: Iterable[Row],
    *,
    complete: bool,
    requested: Mapping[str, int | None] | None = None,
    missing: Sequence[str] = (),
) -> None:
    """Prints the summary of the rows of `census`, and if `complete` every count after it.

    Args:
        requested: split -> how many studies the experiment asks for; None for all.
        missing: where the first missing images were looked for.
    """
    census = Census(rows)
    print("\n".join(summary(census, requested or {}, missing)))
    if not complete:
        return
    for block in (_differences(census), _unreadable(census)):
        if block:
            print("", *block, sep="\n")
    for table in tables(census):
        print()
        show_table(table)


# --- the summary --------------------------------------------------------------------------------------------


def summary(census: Census, requested: Mapping[str, int | None], missing: Sequence[str]) -> list[str]:
    """Returns the lines of the summary: the studies by split, and what was left out, counted and named."""
    studies = ", ".join(f"{count:,} {split}" for split, count in census.used.items())
    return [
        f"studies: {studies}",
        *_shortfalls(census, requested),
        *_left_out(census),
        *_images(census),
        *(f"missing image: {path}" for path in missing),
        *_encoding(census),
        *_release(census),
    ]


def _shortfalls(census: Census, requested: Mapping[str, int | None]) -> Iterator[str]:
    """Yields a line for each split with fewer studies than the experiment asks for, and why."""
    for split, used in census.used.items():
        asked = requested.get(split) or 0
        if used < asked:
            counts = {reason: by[split] for reason, by in census.counts(Topic.EXCLUDED).items() if by[split]}
            reasons = ", ".join(f"{count:,} ({reason})" for reason, count in counts.items())
            why = f"left out: {reasons}" if reasons else "the corpus has no more"
            yield f"{split}: {used:,} of {asked:,} asked; {why}"


def _left_out(census: Census) -> list[str]:
    excluded = census.totals(Topic.EXCLUDED)
    lines = [f"left out: {count:,} ({reason})" for reason, count in excluded.items()]
    if _LATER & excluded.keys():
        lines.append("(when these files arrive, laudo prepare EXPERIMENT --look-again surely finds them)")
    return lines


def _images(census: Census) -> list[str]:
    left_out, warnings = census.totals(Topic.IMAGES_LEFT_OUT), census.totals(Topic.IMAGE_WARNINGS)
    return [
        *(f"images left out: {count:,} ({reason})" for reason, count in left_out.items()),
        *(
            f"warning: {counted(count, 'image')}, {warning}: {_WARNINGS[ImageWarning(warning)]}"
            for warning, count in warnings.items()
        ),
    ]


def _encoding(census: Census) -> list[str]:
    count = census.latin_1
    return [f"warning: {counted(count, 'report')} not in UTF-8, decoded as Latin-1"] if count else []


def _release(census: Census) -> list[str]:
    """How a full copy compares with the published counts; nothing for another corpus."""
    if not census.compared:
        return []
    different = len(census.differences)
    if not different:
        return [f"a full copy: all {census.compared} counts are those of the release"]
    return [f"not as in the release: {different} of {census.compared} counts (--describe says which)"]


# --- everything ---------------------------------------------------------------------------------------------


def _differences(census: Census) -> list[str]:
    """A line for each count that is not the release's."""
    return [
        f"{what}: {found:,}, in the release {expected:,}; {why}"
        for what, expected, found, why in census.differences
    ]


def _unreadable(census: Census) -> list[str]:
    """A line for each of the first images that could not be decoded, and how many more there are."""
    lines = [f"{dicom_id}: {reason}" for dicom_id, reason in census.unreadable_images.items()]
    more = len(lines) - _UNREADABLE
    return lines if more <= 0 else [*lines[:_UNREADABLE], f"and {more:,} more, in the table films"]


def tables(census: Census) -> list[Table]:
    """Returns the tables of the topics that have rows."""
    candidates = [Table([title, *measures], _rows(census, topic)) for topic, title, measures in _TABLES]
    return [table for table in candidates if table.rows]


def _rows(census: Census, topic: Topic) -> list[list[str]]:
    """The items of a topic with their counts; the lengths in words are rounded."""
    return [
        [item or "(not named)", *(f"{count:,}" for count in counts.values())]
        for item, counts in census.counts(topic).items()
    ]
