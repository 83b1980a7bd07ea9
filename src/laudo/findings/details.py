"""What a sentence says about each mention besides its status: side, location, size, change and measure.

Each describing word belongs to the nearest mention of its chunk. Mentions that "and" or "or" joins may share
it.
"""

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from operator import attrgetter

from laudo.findings.clauses import Chunk, chunks
from laudo.findings.lexicon import Token

DETAIL_KINDS = ("side", "location", "size", "change", "unit")
"""In the order in which they are looked for, because `location` needs `side`."""
_SHARED = ("side", "location", "change")


@dataclass(frozen=True)
class Detail:
    """A word that describes a mention.

    Attributes:
        gap: the characters between the word and the mention.
        value: what the word says.
        precedes: whether the word precedes the mention.
        token: the word.
    """

    gap: int
    value: str
    precedes: bool
    token: Token


Details = dict[int, Detail | None]
"""What is said of one kind, by the start of each mention of a chunk; None if nothing is."""


def details(clauses: Iterable[Sequence[Token]], mentions: set[int]) -> dict[int, dict[str, Detail]]:
    """Returns what the sentence says about each mention, by kind."""
    result: dict[int, dict[str, Detail]] = {start: {} for start in mentions}
    for clause in clauses:
        clause_chunks = chunks(clause, mentions)
        for kind in DETAIL_KINDS:
            if any(token.does(kind) for token in clause):
                _add(kind, clause_chunks, result)
    return result


def _add(kind: str, chunks: Sequence[Chunk], result: Mapping[int, dict[str, Detail]]) -> None:
    """Adds what the chunks of a clause say of one kind."""
    by_chunk = [_of_chunk(chunk, kind) for chunk in chunks]
    if kind in _SHARED:
        starts = (start for chunk in chunks for start in chunk.targets)
        sides = {start: result[start]["side"].value for start in starts if "side" in result[start]}
        _share(chunks, by_chunk, sides if kind == "location" else {})
    for of_chunk in by_chunk:
        for start, detail in of_chunk.items():
            if detail:
                result[start][kind] = detail


def _of_chunk(chunk: Chunk, kind: str) -> Details:
    """Returns what the chunk says of one kind about each of its mentions."""
    starts, mentions = list(chunk.targets), list(chunk.targets.values())
    candidates: dict[int, list[Detail]] = {start: [] for start in starts}
    for token in (token for token in chunk.tokens if token.does(kind)):
        after = bisect_right(starts, token.start)
        neighbours = mentions[max(after - 1, 0) : after + 1]
        mention = min(neighbours, key=lambda neighbour: _gap(token, neighbour))
        if kind == "change" and mention.does("structure") and (token.does("abnormal") or token.is_normal):
            continue  # an increased heart is a large heart
        detail = Detail(_gap(token, mention), token.says(kind)[0], token.start < mention.start, token)
        candidates[mention.start].append(detail)
    result = {start: _nearest(of_mention) for start, of_mention in candidates.items()}
    if kind == "side":
        _copy_to_neighbours(mentions, result)
    return result


def _gap(token: Token, mention: Token) -> int:
    return max(token.start - mention.end, mention.start - token.end)


def _nearest(candidates: list[Detail]) -> Detail | None:
    """Returns the nearest; left and right together are bilateral."""
    if not candidates:
        return None
    nearest = min(candidates, key=attrgetter("gap"))
    values = {detail.value for detail in candidates}
    is_bilateral = "bilateral" in values or values >= {"left", "right"}
    return replace(nearest, value="bilateral") if is_bilateral else nearest


def _copy_to_neighbours(mentions: Sequence[Token], sides: Details) -> None:
    """Gives a mention without a side that of a neighbour in its chunk, because both are in the same place."""
    for previous, mention in pairwise(mentions):  # "left opacity representing pneumonia"
        side = sides[previous.start]
        if side and not sides[mention.start]:
            sides[mention.start] = replace(side, precedes=True)
    for following, mention in pairwise(
        reversed(mentions)
    ):  # "effusion blunting the right costophrenic angle"
        if not following.does("finding") and not mention.does("device"):
            sides[mention.start] = sides[mention.start] or sides[following.start]


def _share(chunks: Sequence[Chunk], by_chunk: Sequence[Details], sides: Mapping[int, str]) -> None:
    """Lets mentions that "and" or "or" joins share what precedes the first of them or follows the last.

    "Right effusion and atelectasis", "derrame e atelectasia à direita": both are on the right. Devices and
    findings do not share, nor do mentions with different `sides`.
    """
    joined = [
        (details, following_details)
        for (chunk, details), (following, following_details) in pairwise(zip(chunks, by_chunk, strict=True))
        if following.joint in ("and", "or") and chunk.has_device == following.has_device
        if _agree(sides, max(details), min(following_details))
    ]
    for details, following_details in joined:
        shared, first = details[max(details)], min(following_details)
        if shared and shared.precedes and not following_details[first]:
            following_details[first] = shared
    for details, following_details in reversed(joined):
        shared, last = following_details[min(following_details)], max(details)
        if shared and not shared.precedes and not details[last]:
            details[last] = shared


def _agree(sides: Mapping[int, str], *starts: int) -> bool:
    return len({sides[start] for start in starts if start in sides}) < 2
