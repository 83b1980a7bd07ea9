"""The facts a chest X-ray report states, in English or Brazilian Portuguese, and CheXpert's 14 labels from them.

One engine reads both languages; what differs is data (`laudo/lexicon/*.toml`). A text is cut into sentences;
`scope` tells what the words of a sentence say of each of its mentions, and this module makes facts of it. Labels
follow CheXpert (Irvin et al. 2019, arXiv 1901.07031) except where `labels` says otherwise.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Literal

from laudo import scope
from laudo.lexicon import Lang, Lexicon, Token, fold, load, unmark
from laudo.scope import DEVICE, Status, Verdict

Side = Literal["left", "right", "bilateral"]
Size = Literal["small", "moderate", "large"]
Change = Literal["new", "increased", "decreased", "unchanged", "resolved"]

LABELS: tuple[str, ...] = (
    "Atelectasis", "Cardiomegaly", "Consolidation", "Edema", "Enlarged Cardiomediastinum", "Fracture",
    "Lung Lesion", "Lung Opacity", "No Finding", "Pleural Effusion", "Pleural Other", "Pneumonia",
    "Pneumothorax", "Support Devices",
)  # fmt: skip
_UNSIDED = {"cardiomegaly", "enlarged_cardiomediastinum"}


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
    found = any(finding != DEVICE and statuses != {"absent"} for finding, statuses in stated.items())
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


def _sentence_facts(tokens: Sequence[Token]) -> list[Fact]:
    mentions = [token for token in tokens if token.is_mention]
    if not mentions:
        return []
    predicates = _predicates(tokens)
    named = {mention.start for mention in mentions}
    targets = named | {predicate.start for predicate in predicates.values()}
    clauses = list(scope.clauses(tokens, targets))
    verdicts, details = scope.verdicts(clauses, targets), scope.details(clauses, named)
    facts = [
        (finding in mention.says("finding"), fact)
        for mention in mentions
        for finding, verdict in _stated(mention, verdicts, predicates)
        for fact in _fact(mention, finding, verdict, details[mention.start])
    ]
    return list(_without_signs(facts))


def _without_signs(facts: Sequence[tuple[bool, Fact]]) -> Iterator[Fact]:
    """The facts less those that only suggest what the sentence also states outright (the True ones).

    "The right costophrenic angle is blunted by an effusion" is one effusion, not a suspected one as well.
    """
    told = {(fact.finding, fact.side) for outright, fact in facts if outright and fact.status != "absent"}
    for outright, fact in facts:
        if outright or fact.status != "uncertain" or (fact.finding, fact.side) not in told:
            yield fact


def _fact(mention: Token, finding: str, verdict: Verdict, detail: Mapping[str, Any]) -> Iterator[Fact]:
    if verdict.status is None:
        return
    yield Fact(
        finding=finding,
        status=verdict.status,
        side=None if finding in _UNSIDED else detail.get("side"),
        size=None if finding == DEVICE else detail.get("size"),
        change="resolved" if verdict.resolved else detail.get("change"),
        start=mention.start,
        end=mention.end,
    )


def _stated(
    mention: Token, verdicts: Mapping[int, Verdict], predicates: Mapping[int, Token]
) -> Iterator[tuple[str, Verdict]]:
    """The findings a mention speaks of, each with what is said of it."""
    own = verdicts[mention.start]
    for finding in mention.says("finding"):
        yield finding, own
    for finding in mention.says("weak"):
        yield finding, _weakened(own)
    predicate = predicates.get(mention.start)
    if predicate and own.status:
        said = verdicts[predicate.start]
        if predicate.start < mention.start and said.status == "present":
            said = own  # "an enlarged heart cannot be excluded"
        for finding in mention.says("structure"):
            yield finding, _of_structure(finding, predicate, said)


def _weakened(verdict: Verdict) -> Verdict:
    return replace(verdict, status="uncertain") if verdict.status == "present" else verdict


def _of_structure(finding: str, predicate: Token, verdict: Verdict) -> Verdict:
    """What a predicate makes of a structure: "heart is not enlarged" is no cardiomegaly, "stable" says little."""
    if finding in predicate.says("abnormal"):
        return verdict
    if finding in predicate.says("suspect"):
        return _weakened(verdict)
    if predicate.is_normal:
        return Verdict("absent")
    return Verdict("uncertain" if "doubtful" in predicate.says("predicate") else None)


def _predicates(tokens: Sequence[Token]) -> dict[int, Token]:
    """For each structure the predicate that describes it.

    The one right before it ("normal heart size"); else the first that follows, a firm one before a doubtful
    one, be it past other structures ("heart and mediastinum are normal"); else the last before it.
    """
    leading = ((a, b) for a, b in pairwise(tokens) if a.is_predicate and b.start - a.end <= len(" of the "))
    adjacent = {structure.start: predicate for predicate, structure in leading if structure.does("structure")}
    taken = {token.start for token in adjacent.values()}
    chosen: dict[int, Token] = {}
    later: Token | None = None
    since: list[Token] = []
    for token in reversed(tokens):
        if token.does("structure"):
            later = _firmest(token, since) or later
            since = []
            if later:
                chosen[token.start] = later
        elif token.is_predicate and token.start not in taken:
            since.append(token)
    earlier: Token | None = None
    for token in tokens:
        if token.does("structure") and earlier:
            chosen.setdefault(token.start, earlier)
        elif token.is_predicate:
            earlier = token
    return chosen | adjacent


def _firmest(structure: Token, predicates: Sequence[Token]) -> Token | None:
    """The first in the text of the predicates (given last first) that decide, else the first that only doubts."""
    own = set(structure.roles["structure"])
    fitting = [(p, {*p.says("abnormal"), *p.says("suspect")}) for p in predicates]
    decides = [p for p, findings in fitting if p.is_normal or own & findings]
    doubts = [p for p in predicates if "doubtful" in p.says("predicate")]
    return next(reversed(decides or doubts), None)
