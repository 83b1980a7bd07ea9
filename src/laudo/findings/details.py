"""What a sentence says of each mention besides its status: side, place, size, change and measure.

Each belongs to the nearest mention of its chunk; mentions joined by "and" may share it.
"""

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from operator import attrgetter, itemgetter

from laudo.findings.clauses import Chunk, chunks
from laudo.findings.lexicon import Token

KINDS = ("side", "location", "size", "change", "unit")
_SHARED = {"side", "location", "change"}


@dataclass(frozen=True)
class Place:
    """A word that describes a mention: what it says, how far it stands, and whether before the mention."""

    gap: int
    value: str
    leads: bool
    token: Token


def details(clauses: Iterable[Sequence[Token]], mentions: set[int]) -> dict[int, dict[str, Place]]:
    """What the sentence gives of each mention, by kind."""
    given: dict[int, dict[str, Place]] = {start: {} for start in mentions}
    for clause in clauses:
        cut = chunks(clause, mentions)
        for kind in KINDS:
            if not any(token.does(kind) for token in clause):
                continue
            placed = [_nearest(chunk, kind) for chunk in cut]
            if kind in _SHARED:
                _share(cut, placed, _sides(cut, given) if kind == "location" else {})
            for start, place in (item for places in placed for item in places.items()):
                if place:
                    given[start][kind] = place
    return given


def _sides(cut: Sequence[Chunk], given: Mapping[int, Mapping[str, Place]]) -> dict[int, str]:
    mentions = (start for chunk in cut for start in chunk.targets)
    return {start: given[start]["side"].value for start in mentions if "side" in given[start]}


def _nearest(chunk: Chunk, kind: str) -> dict[int, Place | None]:
    """For each mention of the chunk the value of `kind` nearest to it; left and right together are bilateral."""
    starts, mentions = list(chunk.targets), list(chunk.targets.values())
    near: dict[int, list[Place]] = {start: [] for start in starts}
    for token in (token for token in chunk.tokens if token.does(kind)):
        at = bisect_right(starts, token.start)
        gaps = [(max(token.start - m.end, m.start - token.end), m) for m in mentions[max(at - 1, 0) : at + 1]]
        gap, mention = min(gaps, key=itemgetter(0))
        if kind == "change" and mention.does("structure") and (token.does("abnormal") or token.is_normal):
            continue  # an increased heart is a large one
        near[mention.start].append(Place(gap, token.says(kind)[0], token.start < mention.start, token))
    settled = {start: _settle(places) for start, places in near.items()}
    if kind == "side":
        _pass_on(mentions, settled)
    return settled


def _settle(places: list[Place]) -> Place | None:
    if not places:
        return None
    nearest = min(places, key=attrgetter("gap"))
    values = {place.value for place in places}
    both = values >= {"left", "right"} or "bilateral" in values
    return replace(nearest, value="bilateral") if both else nearest


def _pass_on(mentions: Sequence[Token], settled: dict[int, Place | None]) -> None:
    """Gives mentions without a side that of a neighbour which speaks of the same place."""
    for here, there in pairwise(mentions):  # "left opacity representing pneumonia": one place
        given = settled[here.start]
        settled[there.start] = settled[there.start] or (given and replace(given, leads=True))
    for after, before in pairwise(reversed(mentions)):  # "effusion blunting the right costophrenic angle"
        if not after.does("finding") and not before.does("device"):
            settled[before.start] = settled[before.start] or settled[after.start]


def _share(cut: Sequence[Chunk], placed: list[dict[int, Place | None]], sides: Mapping[int, str]) -> None:
    """Lets mentions joined by "and" or "or" share what stands before the first or after the last of them.

    "right effusion and atelectasis", "derrame e atelectasia à direita": both on the right. Devices and
    findings do not share, nor what has another of `sides`.
    """
    joints = [
        (a, b)
        for (left, a), (right, b) in pairwise(zip(cut, placed, strict=True))
        if right.joint in ("and", "or") and left.has_device == right.has_device
        if len({sides[start] for start in (max(a), min(b)) if start in sides}) < 2
    ]
    for a, b in joints:
        given, first = a[max(a)], min(b)
        if given and given.leads and not b[first]:
            b[first] = given
    for a, b in reversed(joints):
        given, last = b[min(b)], max(a)
        if given and not given.leads and not a[last]:
            a[last] = given
