"""Structures that say nothing until something is said of them: "the heart is enlarged", "mediastino normal"."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from laudo.findings.lexicon import Token
from laudo.findings.verdicts import Verdict


def predicates(tokens: Sequence[Token]) -> dict[int, Token]:
    """For each structure, by where it starts, the predicate that describes it.

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
    own = set(structure.says("structure"))
    fitting = [(p, {*p.says("abnormal"), *p.says("suspect")}) for p in predicates]
    decides = [p for p, findings in fitting if p.is_normal or own & findings]
    doubts = [p for p in predicates if "doubtful" in p.says("predicate")]
    return next(reversed(decides or doubts), None)


def weakened(verdict: Verdict, by: Token) -> Verdict:
    """The verdict where the words at most suggest the finding."""
    if verdict.status != "present":
        return verdict
    return Verdict("uncertain", cues=((by.start, by.end),))


def verdict(finding: str, predicate: Token, said: Verdict, *, bare: bool) -> Verdict:
    """What a predicate makes of a structure: "heart is not enlarged" is no cardiomegaly, "stable" says little.

    Of a `bare` structure the little is a doubt, as in CheXpert; of another it is nothing.
    """
    if finding in predicate.says("abnormal"):
        return said
    if finding in predicate.says("suspect"):
        return weakened(said, predicate)
    if predicate.is_normal:
        return Verdict("absent", cues=((predicate.start, predicate.end),))
    if bare and "doubtful" in predicate.says("predicate"):
        return Verdict("uncertain", cues=((predicate.start, predicate.end),))
    return replace(said, status=None)
