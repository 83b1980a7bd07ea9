"""Structures: parts of the body that state nothing without a predicate.

A predicate says in what condition a structure is: "the heart is enlarged", "mediastino normal".
"""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from laudo.findings.assertions import Assertion, by_cue
from laudo.findings.lexicon import Token
from laudo.vocabulary import Status


def predicates(tokens: Sequence[Token]) -> dict[int, Token]:
    """Returns for each structure, by its start, the predicate that describes it.

    It is the predicate directly before it ("normal heart size"); else the first that follows, if need be
    behind other structures ("heart and mediastinum are normal"), where a definite one comes before a doubtful
    one; else the last that precedes it.
    """
    adjacent = _adjacent(tokens)
    used = {predicate.start for predicate in adjacent.values()}
    return _preceding(tokens) | _following(tokens, used) | adjacent


def _adjacent(tokens: Sequence[Token]) -> dict[int, Token]:
    return {
        structure.start: predicate
        for predicate, structure in pairwise(tokens)
        if predicate.is_predicate and structure.does("structure")
        if structure.start - predicate.end <= len(" of the ")
    }


def _following(tokens: Sequence[Token], used: set[int]) -> dict[int, Token]:
    """Returns the predicate after each structure, without those whose start is in `used`."""
    result: dict[int, Token] = {}
    predicate: Token | None = None
    candidates: list[Token] = []  # those up to the next structure, the last of the text first
    for token in reversed(tokens):
        if token.does("structure"):
            predicate = _most_definite(token, candidates) or predicate
            candidates = []
            if predicate:
                result[token.start] = predicate
        elif token.is_predicate and token.start not in used:
            candidates.append(token)
    return result


def _preceding(tokens: Sequence[Token]) -> dict[int, Token]:
    result: dict[int, Token] = {}
    predicate: Token | None = None
    for token in tokens:
        if token.does("structure") and predicate:
            result[token.start] = predicate
        elif token.is_predicate:
            predicate = token
    return result


def _most_definite(structure: Token, candidates: Sequence[Token]) -> Token | None:
    """Returns the first predicate in the text that decides, else the first doubtful one.

    The candidates are given in the reverse order of the text.
    """
    findings = set(structure.says("structure"))
    definite = [
        p
        for p in candidates
        if p.is_normal or not findings.isdisjoint((*p.says("abnormal"), *p.says("suspect")))
    ]
    doubtful = [p for p in candidates if "doubtful" in p.says("predicate")]
    return next(reversed(definite or doubtful), None)


def suggested(assertion: Assertion, by: Token) -> Assertion:
    """Returns the assertion if the words at most suggest the finding: what would be present is uncertain."""
    return by_cue(Status.UNCERTAIN, by) if assertion.status == Status.PRESENT else assertion


def of_structure(finding: str, predicate: Token, assertion: Assertion, *, counts_alone: bool) -> Assertion:
    """Returns what a predicate asserts about the finding of a structure; `assertion` is about the predicate.

    "The heart is not enlarged" is absent cardiomegaly. "Stable" is uncertain if the structure `counts_alone`,
    as in CheXpert; else it states nothing.
    """
    if finding in predicate.says("abnormal"):
        return assertion
    if finding in predicate.says("suspect"):
        return suggested(assertion, predicate)
    if predicate.is_normal:
        return by_cue(Status.ABSENT, predicate)
    if counts_alone and "doubtful" in predicate.says("predicate"):
        return by_cue(Status.UNCERTAIN, predicate)
    return replace(assertion, status=None)
