"""What the words around a mention say of it: how far a cue reaches, and whose a side, a size or a change is.

A sentence is cut into clauses (where "but", "exceto" or a new negation ends a scope), a clause into chunks at its
commas and conjunctions. Cues reach along the chunks; a side, a size or a change belongs to the nearest mention
of its chunk. A target is a token to be judged, known by where it starts: a mention, or what is said of a structure.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from operator import attrgetter, itemgetter
from typing import Any, Literal

from laudo.lexicon import Token

Status = Literal["present", "absent", "uncertain"]
DEVICE = "support_devices"
_LIST = ("and", "or", "comma")


@dataclass(frozen=True)
class Verdict:
    """What the cues around a token say of it; `status` None where the text states nothing."""

    status: Status | None
    resolved: bool = False


def clauses(tokens: Sequence[Token], targets: set[int]) -> Iterator[list[Token]]:
    """The sentence cut before each word that ends the scope of what stands before it.

    Such are "but" and its like, a negation after a mention, "with" after something denied, and "there is"
    after either: "on the right there is atelectasis" stays whole. A target must follow to begin with.
    """
    last = max(targets)
    clause: list[Token] = []
    mentioned = denied = False
    for token in tokens:
        negates = "negation" in token.says("before")
        scope = token.says("scope")
        stops = "contrast" in scope or ("statement" in scope and (mentioned or denied))
        turns = "with" in token.says("joint") and mentioned and denied
        if token.start <= last and (stops or turns or (negates and mentioned)):
            yield clause
            clause, mentioned, denied = [], False, False
        clause.append(token)
        mentioned |= token.start in targets
        denied |= negates
    yield clause


def verdicts(clauses: Iterable[Sequence[Token]], targets: set[int]) -> dict[int, Verdict]:
    """What the cues say of each target."""
    return {start: said for clause in clauses for start, said in _verdicts(_chunks(clause, targets)).items()}


def details(clauses: Iterable[Sequence[Token]], mentions: set[int]) -> dict[int, dict[str, Any]]:
    """Side, size and change of each mention, where the sentence gives them."""
    given: dict[int, dict[str, Any]] = {start: {} for start in mentions}
    for clause in clauses:
        chunks = _chunks(clause, mentions)
        for kind in ("side", "size", "change"):
            placed = [_nearest(chunk, kind) for chunk in chunks]
            if kind != "size":
                _share(chunks, placed)
            for start, place in (item for places in placed for item in places.items()):
                if place:
                    given[start][kind] = place.value
    return given


@dataclass
class _Chunk:
    """What stands between two conjunctions or commas of a clause, and the targets in it by their starts.

    `joint` is what joins it to the one before; `listed` is the conjunction that closes the list it belongs to:
    "or" for the b of "a, b or c".
    """

    tokens: list[Token]
    joint: str
    targets: dict[int, Token] = field(default_factory=dict)
    listed: str = ""

    @property
    def first(self) -> Token:
        """The first target."""
        return next(iter(self.targets.values()))

    @property
    def last(self) -> int:
        """Where the last target starts."""
        return next(reversed(self.targets))

    @property
    def is_plain(self) -> bool:
        """Whether it names its finding outright, with nothing of its own said before it."""
        ahead = (t for t in self.tokens if t.start < self.first.start and not t.does("joint"))
        described = any(token.does("size", "change", "before", "either") for token in ahead)
        return self.first.is_mention and not self.first.does("structure") and not described


def _chunks(clause: Sequence[Token], targets: set[int]) -> list[_Chunk]:
    """The clause cut at its conjunctions; a piece without a target joins the one before it, else the one after."""
    chunks: list[_Chunk] = []
    lead: list[Token] = []
    for piece in _pieces(clause):
        piece.targets = {token.start: token for token in piece.tokens if token.start in targets}
        if piece.targets:
            piece.tokens = lead + piece.tokens
            chunks.append(piece)
            lead = []
        elif not chunks:
            lead += [token for token in piece.tokens if "silence" not in token.says("before")]
        elif not any(
            token.is_normal for token in piece.tokens
        ):  # "..., left lung clear" speaks of something else
            chunks[-1].tokens.extend(piece.tokens)
    closing = "comma"
    for chunk in reversed(chunks):
        if chunk.joint != "comma":
            closing = chunk.joint if chunk.joint in _LIST else "comma"
        chunk.listed = closing if chunk.joint in _LIST else chunk.joint
    return chunks


def _pieces(clause: Sequence[Token]) -> list[_Chunk]:
    pieces = [_Chunk([], "")]
    for token in clause:
        if token.does("joint"):
            pieces.append(_Chunk([], token.says("joint")[0]))
        pieces[-1].tokens.append(token)
    return pieces


def _verdicts(chunks: Sequence[_Chunk]) -> dict[int, Verdict]:
    before: dict[int, Iterable[str]] = {}
    reach: dict[str, None] = {}  # kinds of cues in force, in the order met
    for chunk in chunks:
        # "no effusion, mass" and "no effusion or small mass", but not "no effusion, small mass"
        if not (chunk.listed == "or" or (chunk.listed in _LIST and chunk.is_plain)):
            reach = {}
        reach = _forward(chunk, reach, before)
    after: dict[int, set[str]] = {}
    carried: set[str] = set()
    following = _Chunk([], "")
    for chunk in reversed(chunks):
        if not (following.listed == "or" or (following.listed == "and" and chunk.is_plain)):
            carried = set()
        elif following.joint == "comma":  # "opacity, atelectasis or pneumonia possible" hedges no opacity
            carried = carried - {"hedge", "doubt"}
        carried = _backward(chunk, carried, after)
        following = chunk
    return {start: _decide(before=before[start], after=after[start]) for start in before}


def _forward(chunk: _Chunk, reach: dict[str, None], before: dict[int, Iterable[str]]) -> dict[str, None]:
    """Notes the cues before each target of the chunk; returns those in force at its end."""
    for token in chunk.tokens:
        if token.start in chunk.targets:
            before[token.start] = tuple(reach)
        ahead = token.says("either") if token.start < chunk.last else ()
        reach = reach | dict.fromkeys((*token.says("before"), *ahead))
    return reach


def _backward(chunk: _Chunk, carried: set[str], after: dict[int, set[str]]) -> set[str]:
    """Notes the cues after each target of the chunk, each for the nearest.

    Returns those of its last target and those before its first ("versus"), for the chunk before it.
    """
    kinds = carried
    for token in reversed(chunk.tokens):
        if token.start in chunk.targets:
            after[token.start] = kinds
            kinds = set()
        behind = token.says("either") if token.start > chunk.last else ()
        kinds = kinds.union(token.says("after"), behind)
    return after[chunk.last] | kinds


def _decide(*, before: Iterable[str], after: Iterable[str]) -> Verdict:
    """The verdict of the cues around a target; of negation and hedge before it, the outer one rules.

    "No opacity suspicious for pneumonia" denies the pneumonia, "probably no pneumonia" leaves it open.
    """
    around = {*before, *after}
    if "silence" in around:
        return Verdict(None)
    if "doubt" in around:
        return Verdict("uncertain")
    if "resolved" in around:
        return Verdict("absent", resolved=True)
    outer = next((kind for kind in before if kind in ("negation", "hedge")), None)
    if "negation" in after or outer == "negation":
        return Verdict("absent")
    return Verdict("uncertain" if "hedge" in around else "present")


@dataclass(frozen=True)
class _Place:
    """A word that describes a mention: characters from it, and whether it stands before it."""

    gap: int
    value: str
    leads: bool


def _nearest(chunk: _Chunk, kind: str) -> dict[int, _Place | None]:
    """For each mention of the chunk the value of `kind` nearest to it; left and right together are bilateral."""
    starts, mentions = list(chunk.targets), list(chunk.targets.values())
    near: dict[int, list[_Place]] = {start: [] for start in starts}
    for token in (token for token in chunk.tokens if token.does(kind)):
        at = bisect_right(starts, token.start)
        gaps = [(max(token.start - m.end, m.start - token.end), m) for m in mentions[max(at - 1, 0) : at + 1]]
        gap, mention = min(gaps, key=itemgetter(0))
        if kind == "change" and mention.does("structure") and (token.does("abnormal") or token.is_normal):
            continue  # an increased heart is a large one
        near[mention.start].append(_Place(gap, token.says(kind)[0], token.start < mention.start))
    settled = {start: _settle(places) for start, places in near.items()}
    if kind == "side":
        for here, there in pairwise(starts):  # "left opacity representing pneumonia": one place
            given = settled[here]
            settled[there] = settled[there] or (given and replace(given, leads=True))
        for after, before in pairwise(reversed(mentions)):  # "effusion blunting the right costophrenic angle"
            if not after.does("finding") and DEVICE not in before.says("finding"):
                settled[before.start] = settled[before.start] or settled[after.start]
    return settled


def _settle(places: list[_Place]) -> _Place | None:
    if not places:
        return None
    nearest = min(places, key=attrgetter("gap"))
    values = {place.value for place in places}
    both = values >= {"left", "right"} or "bilateral" in values
    return replace(nearest, value="bilateral") if both else nearest


def _share(chunks: Sequence[_Chunk], placed: list[dict[int, _Place | None]]) -> None:
    """Lets mentions joined by "and" or "or" share what stands before the first or after the last of them.

    "right effusion and atelectasis", "derrame e atelectasia à direita": both on the right. Devices and
    findings do not share.
    """
    joints = [
        (a, b)
        for (left, a), (right, b) in pairwise(zip(chunks, placed, strict=True))
        if right.joint in ("and", "or") and _has_device(left) == _has_device(right)
    ]
    for a, b in joints:
        given, first = a[max(a)], min(b)
        if given and given.leads and not b[first]:
            b[first] = given
    for a, b in reversed(joints):
        given, last = b[min(b)], max(a)
        if given and not given.leads and not a[last]:
            a[last] = given


def _has_device(chunk: _Chunk) -> bool:
    return any(DEVICE in token.says("finding") for token in chunk.tokens)
