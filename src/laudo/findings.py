"""The facts a chest X-ray report states, in English or Brazilian Portuguese, and CheXpert's 14 labels from them.

One engine reads both languages; what differs is data (`laudo/lexicon/*.toml`). A text is cut into sentences,
a sentence into clauses (where "but", "exceto" or a new negation ends a scope), a clause into chunks at its
commas and conjunctions. Cues reach along the chunks; a side, a size or a change belongs to the nearest mention
of its chunk. Labels follow CheXpert (Irvin et al. 2019, arXiv 1901.07031) except where `labels` says otherwise.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Literal

from laudo.lexicon import Lang, Lexicon, Token, fold, load, unmark

Status = Literal["present", "absent", "uncertain"]
Side = Literal["left", "right", "bilateral"]
Size = Literal["small", "moderate", "large"]
Change = Literal["new", "increased", "decreased", "unchanged", "resolved"]

LABELS: tuple[str, ...] = (
    "Atelectasis", "Cardiomegaly", "Consolidation", "Edema", "Enlarged Cardiomediastinum", "Fracture",
    "Lung Lesion", "Lung Opacity", "No Finding", "Pleural Effusion", "Pleural Other", "Pneumonia",
    "Pneumothorax", "Support Devices",
)  # fmt: skip
_UNSIDED = {"cardiomegaly", "enlarged_cardiomediastinum"}
_DEVICE = "support_devices"
_LIST = ("and", "or", "comma")


@dataclass(frozen=True)
class Fact:
    """One finding as one mention states it.

    `finding` is a CheXpert label in snake case or a further finding such as `emphysema`; `start` and `end`
    delimit the mention in the text as given. Side, size and change are None where the text does not say.
    """

    finding: str
    status: Status
    side: Side | None
    size: Size | None
    change: Change | None
    start: int
    end: int


def read(text: str, *, lang: Lang) -> list[Fact]:
    """The facts of a report, in order of position.

    Sections that state no findings (indication, technique, comparison), questions and history give none.
    """
    lexicon = load(lang)
    plain, offsets = unmark(text)
    folded = fold(plain)
    facts = [
        replace(fact, start=offsets[fact.start], end=offsets[fact.end])
        for start, end in _sentences(plain, lexicon)
        for fact in _sentence_facts(lexicon.tokens(folded, start, end))
    ]
    return sorted(facts, key=lambda fact: (fact.start, fact.end))


def labels(facts: Iterable[Fact]) -> dict[str, int | None]:
    """CheXpert's labels: 1 present, 0 absent, -1 uncertain, None not mentioned.

    The strongest statement wins: present, then uncertain, then absent. No Finding is 1 where nothing but
    support devices is present or uncertain, else None. Unlike chexpert-labeler, a heart that is merely
    mentioned gives no label, and heart failure does not make Cardiomegaly uncertain.
    """
    stated: dict[str, set[Status]] = {}
    for fact in facts:
        stated.setdefault(fact.finding, set()).add(fact.status)
    found = any(finding != _DEVICE and statuses != {"absent"} for finding, statuses in stated.items())
    values = {label: _label(stated.get(label.lower().replace(" ", "_"), set())) for label in LABELS}
    return values | {"No Finding": None if found else 1}


def _label(statuses: set[Status]) -> int | None:
    ranked: tuple[tuple[Status, int], ...] = (("present", 1), ("uncertain", -1), ("absent", 0))
    return next((value for status, value in ranked if status in statuses), None)


def _sentences(plain: str, lexicon: Lexicon) -> Iterator[tuple[int, int]]:
    """Spans of the sentences that may state findings; questions and silent sections are left out."""
    start, silent = 0, False
    for heading in lexicon.headings.finditer(plain):
        if not silent:
            yield from _split(plain, lexicon, start, heading.start())
        start, silent = heading.start(), bool(heading["silent"])
    if not silent:
        yield from _split(plain, lexicon, start, len(plain))


def _split(plain: str, lexicon: Lexicon, start: int, end: int) -> Iterator[tuple[int, int]]:
    for stop in lexicon.breaks.finditer(plain, start, end):
        if stop["end"] is None:
            continue
        if stop["end"] != "?":
            yield start, stop.start()
        start = stop.end()
    yield start, end


@dataclass
class _Chunk:
    """What stands between two conjunctions or commas of a clause; `joint` is what joins it to the one before.

    `listed` is the conjunction that closes the list it belongs to: "or" for the b of "a, b or c".
    """

    tokens: list[Token]
    joint: str
    listed: str = ""


@dataclass(frozen=True)
class _Verdict:
    """What the cues around a token say of it; `status` None where the text states nothing."""

    status: Status | None
    resolved: bool = False


def _is_mention(token: Token) -> bool:
    return not token.roles.keys().isdisjoint(("finding", "weak", "structure"))


def _is_predicate(token: Token) -> bool:
    return not token.roles.keys().isdisjoint(("predicate", "abnormal", "suspect"))


def _sentence_facts(tokens: list[Token]) -> list[Fact]:
    mentions = [token for token in tokens if _is_mention(token)]
    if not mentions:
        return []
    described = any("structure" in token.roles for token in mentions)
    named = {mention.start for mention in mentions}
    targets = named | {token.start for token in tokens if described and _is_predicate(token)}
    verdicts: dict[int, _Verdict] = {}
    details: dict[int, dict[str, str]] = {}
    for clause in _clauses(tokens, targets):
        verdicts |= _verdicts(_chunks(clause, targets), targets)
        details |= _details(_chunks(clause, named))
    predicates = _predicates(tokens) if described else {}
    return [
        fact
        for mention in mentions
        for finding, verdict in _stated(mention, verdicts, predicates)
        for fact in _fact(mention, finding, verdict, details[mention.start])
    ]


def _fact(mention: Token, finding: str, verdict: _Verdict, detail: dict[str, str]) -> Iterator[Fact]:
    if verdict.status is None:
        return
    yield Fact(
        finding=finding,
        status=verdict.status,
        side=None if finding in _UNSIDED else detail.get("side"),  # type: ignore[arg-type]  # the lexicon's own words
        size=None if finding == _DEVICE else detail.get("size"),  # type: ignore[arg-type]
        change="resolved" if verdict.resolved else detail.get("change"),  # type: ignore[arg-type]
        start=mention.start,
        end=mention.end,
    )


def _stated(
    mention: Token, verdicts: dict[int, _Verdict], predicates: dict[int, Token]
) -> Iterator[tuple[str, _Verdict]]:
    """The findings a mention speaks of, each with what is said of it."""
    own = verdicts[mention.start]
    for finding in mention.roles.get("finding", ()):
        yield finding, own
    for finding in mention.roles.get("weak", ()):
        yield finding, replace(own, status="uncertain") if own.status == "present" else own
    predicate = predicates.get(mention.start)
    if predicate and own.status:
        for finding in mention.roles.get("structure", ()):
            yield finding, _of_structure(finding, predicate, verdicts[predicate.start])


def _of_structure(finding: str, predicate: Token, verdict: _Verdict) -> _Verdict:
    """What a predicate makes of a structure: "heart is not enlarged" is no cardiomegaly, "stable" says little."""
    if finding in predicate.roles.get("abnormal", ()):
        return verdict
    if finding in predicate.roles.get("suspect", ()):
        return replace(verdict, status="uncertain") if verdict.status == "present" else verdict
    if "normal" in predicate.roles.get("predicate", ()):
        return _Verdict("absent")
    return _Verdict("uncertain" if "doubtful" in predicate.roles.get("predicate", ()) else None)


def _predicates(tokens: Sequence[Token]) -> dict[int, Token]:
    """For each structure the predicate that describes it.

    The one right before it ("normal heart size"); else the first that follows, a firm one before a doubtful
    one, be it past other structures ("heart and mediastinum are normal"); else the last before it.
    """
    leading = ((a, b) for a, b in pairwise(tokens) if _is_predicate(a) and b.start - a.end <= len(" of the "))
    adjacent = {
        structure.start: predicate for predicate, structure in leading if "structure" in structure.roles
    }
    taken = {token.start for token in adjacent.values()}
    chosen: dict[int, Token] = {}
    later: Token | None = None
    since: list[Token] = []
    for token in reversed(tokens):
        if "structure" in token.roles:
            later = _firmest(token, since) or later
            since = []
            if later:
                chosen[token.start] = later
        elif _is_predicate(token) and token.start not in taken:
            since.append(token)
    earlier: Token | None = None
    for token in tokens:
        if "structure" in token.roles and earlier:
            chosen.setdefault(token.start, earlier)
        elif _is_predicate(token):
            earlier = token
    return chosen | adjacent


def _firmest(structure: Token, predicates: Sequence[Token]) -> Token | None:
    """The first in the text of the predicates (given last first) that decide, else the first that only doubts."""
    own = set(structure.roles["structure"])
    fitting = [(p, {*p.roles.get("abnormal", ()), *p.roles.get("suspect", ())}) for p in predicates]
    decides = [p for p, findings in fitting if _is_normal(p) or own & findings]
    doubts = [p for p in predicates if "doubtful" in p.roles.get("predicate", ())]
    return next(reversed(decides or doubts), None)


def _is_normal(token: Token) -> bool:
    return "normal" in token.roles.get("predicate", ())


def _is_firm(token: Token) -> bool:
    return "abnormal" in token.roles or _is_normal(token)


def _clauses(tokens: Sequence[Token], targets: set[int]) -> Iterator[list[Token]]:
    """The sentence cut before each word that ends the scope of what stands before it.

    Such are "but" and its like, a negation after a mention, "with" after something denied, and "there is"
    after either: "on the right there is atelectasis" stays whole. A target must follow to begin with.
    """
    last = max(targets)
    clause: list[Token] = []
    mentioned = denied = False
    for token in tokens:
        negates = "negation" in token.roles.get("before", ())
        scope = token.roles.get("scope", ())
        stops = "contrast" in scope or ("statement" in scope and (mentioned or denied))
        turns = "with" in token.roles.get("joint", ()) and mentioned and denied
        if token.start <= last and (stops or turns or (negates and mentioned)):
            yield clause
            clause, mentioned, denied = [], False, False
        clause.append(token)
        mentioned |= token.start in targets
        denied |= negates
    yield clause


def _chunks(clause: Iterable[Token], targets: set[int]) -> list[_Chunk]:
    """The clause cut at its conjunctions; a piece without a target joins the one before it, else the one after."""
    pieces = [_Chunk([], "")]
    for token in clause:
        if "joint" in token.roles:
            pieces.append(_Chunk([], token.roles["joint"][0]))
        pieces[-1].tokens.append(token)
    chunks: list[_Chunk] = []
    lead: list[Token] = []
    for piece in pieces:
        if any(token.start in targets for token in piece.tokens):
            chunks.append(_Chunk(lead + piece.tokens, piece.joint))
            lead = []
        elif chunks:
            if not any(map(_is_normal, piece.tokens)):  # "..., left lung clear" speaks of something else
                chunks[-1].tokens.extend(piece.tokens)
        else:
            lead += [token for token in piece.tokens if "silence" not in token.roles.get("before", ())]
    closing = "comma"
    for chunk in reversed(chunks):
        if chunk.joint != "comma":
            closing = chunk.joint if chunk.joint in _LIST else "comma"
        chunk.listed = closing if chunk.joint in _LIST else chunk.joint
    return chunks


def _is_plain(chunk: _Chunk, targets: set[int]) -> bool:
    """Whether the chunk names its finding outright, with nothing of its own said before it."""
    first = next(token for token in chunk.tokens if token.start in targets)
    own = ("size", "change", "before", "either")
    ahead = [token for token in chunk.tokens if token.start < first.start and "joint" not in token.roles]
    described = any(not token.roles.keys().isdisjoint(own) for token in ahead)
    return _is_mention(first) and "structure" not in first.roles and not described


def _verdicts(chunks: Sequence[_Chunk], targets: set[int]) -> dict[int, _Verdict]:
    """What the cues of a clause say of each of its targets."""
    before: dict[int, Iterable[str]] = {}
    after: dict[int, set[str]] = {}
    reach: dict[str, None] = {}  # kinds of cues in force, in the order met
    for chunk in chunks:
        # "no effusion, mass" and "no effusion or small mass", but not "no effusion, small mass"
        reach = reach if chunk.listed == "or" or (chunk.listed in _LIST and _is_plain(chunk, targets)) else {}
        reach = _forward(chunk, targets, reach, before)
    carried: set[str] = set()
    following = _Chunk([], "")
    for chunk in reversed(chunks):
        if not (following.listed == "or" or (following.listed == "and" and _is_plain(chunk, targets))):
            carried = set()
        elif following.joint == "comma":  # "opacity, atelectasis or pneumonia possible" hedges no opacity
            carried = carried - {"hedge", "doubt"}
        carried = _backward(chunk, targets, carried, after)
        following = chunk
    return {start: _decide(before[start], after.get(start, ())) for start in before}


def _forward(
    chunk: _Chunk, targets: set[int], reach: dict[str, None], before: dict[int, Iterable[str]]
) -> dict[str, None]:
    """Notes the cues before each target of the chunk; returns those in force at its end."""
    last = _last(chunk, targets)
    for token in chunk.tokens:
        if token.start in targets:
            before[token.start] = tuple(reach)
        ahead = token.roles.get("either", ()) if token.start < last else ()
        reach = reach | dict.fromkeys((*token.roles.get("before", ()), *ahead))
    return reach


def _backward(chunk: _Chunk, targets: set[int], carried: set[str], after: dict[int, set[str]]) -> set[str]:
    """Notes the cues after each target of the chunk, each for the nearest.

    Returns those of its last target and those before its first ("versus"), for the chunk before it.
    """
    last = _last(chunk, targets)
    kinds = carried
    for token in reversed(chunk.tokens):
        if token.start in targets:
            after[token.start] = kinds
            kinds = set()
        behind = token.roles.get("either", ()) if token.start > last else ()
        kinds = kinds.union(token.roles.get("after", ()), behind)
    return after[last] | kinds


def _last(chunk: _Chunk, targets: set[int]) -> int:
    return max(token.start for token in chunk.tokens if token.start in targets)


def _decide(before: Iterable[str], after: Iterable[str]) -> _Verdict:
    """The verdict of the cues around a target; of negation and hedge before it, the outer one rules.

    "No opacity suspicious for pneumonia" denies the pneumonia, "probably no pneumonia" leaves it open.
    """
    around = {*before, *after}
    if "silence" in around:
        return _Verdict(None)
    if "doubt" in around:
        return _Verdict("uncertain")
    if "resolved" in around:
        return _Verdict("absent", resolved=True)
    outer = next((kind for kind in before if kind in ("negation", "hedge")), None)
    if "negation" in after or outer == "negation":
        return _Verdict("absent")
    return _Verdict("uncertain" if "hedge" in around else "present")


def _details(chunks: Sequence[_Chunk]) -> dict[int, dict[str, str]]:
    """Side, size and change of each mention of a clause."""
    details: dict[int, dict[str, str]] = {}
    for kind in ("side", "size", "change"):
        placed = [_nearest(chunk, kind) for chunk in chunks]
        if kind != "size":
            _share(chunks, placed)
        for start, place in (item for places in placed for item in places.items()):
            details.setdefault(start, {})
            if place:
                details[start][kind] = place.value
    return details


@dataclass(frozen=True)
class _Place:
    """A word that describes a mention, and whether it stands before it."""

    value: str
    leads: bool


def _nearest(chunk: _Chunk, kind: str) -> dict[int, _Place | None]:
    """For each mention of the chunk the value of `kind` nearest to it; left and right together are bilateral."""
    mentions = [token for token in chunk.tokens if _is_mention(token)]
    starts = [mention.start for mention in mentions]
    near: dict[int, list[tuple[int, _Place]]] = {start: [] for start in starts}
    for token in chunk.tokens:
        if kind not in token.roles:
            continue
        at = bisect_right(starts, token.start)
        sides = [(token.start - m.end, m) for m in mentions[max(at - 1, 0) : at]] + [
            (m.start - token.end, m) for m in mentions[at : at + 1]
        ]
        gap, mention = min(sides, key=lambda side: side[0])
        if kind == "change" and "structure" in mention.roles and _is_firm(token):
            continue  # an increased heart is a large one
        near[mention.start].append((gap, _Place(token.roles[kind][0], token.start < mention.start)))
    settled = {start: _settle(places) for start, places in near.items()}
    if kind == "side":  # "left opacity representing pneumonia": one place
        for here, there in pairwise(starts):
            given = settled[here]
            settled[there] = settled[there] or (given and replace(given, leads=True))
    return settled


def _settle(places: list[tuple[int, _Place]]) -> _Place | None:
    if not places:
        return None
    _, nearest = min(places, key=lambda item: item[0])
    values = {place.value for _, place in places}
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
    return any(_DEVICE in token.roles.get("finding", ()) for token in chunk.tokens)
