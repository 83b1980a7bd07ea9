"""What a sentence asserts about each mention: present, absent or uncertain, by the cues around the mention.

Cues reach along the chunks of a clause. A denial reaches over a whole list; a hedge over what is next to it;
a few cues (`rest`: "the differential includes") over everything that follows.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from laudo.findings.clauses import LIST, Chunk, chunks
from laudo.findings.facts import Span
from laudo.findings.lexicon import Token
from laudo.vocabulary import Status

Cues = dict[str, Token]
"""The kinds of the cues in force, in the order of the text, each with the word that gives it."""


@dataclass(frozen=True)
class Assertion:
    """What the text asserts about a target. `status` is None if the text states nothing.

    `cues` are the words that made it absent or uncertain.
    """

    status: Status | None
    resolved: bool = False
    cues: tuple[Span, ...] = ()


def by_cue(status: Status, cue: Token, *, resolved: bool = False) -> Assertion:
    """Returns an assertion with the word that is the reason for its status."""
    return Assertion(status, resolved, ((cue.start, cue.end),))


def assertions(
    clauses: Iterable[Sequence[Token]], targets: set[int], *, or_is_uncertain: bool
) -> dict[int, Assertion]:
    """Returns what is asserted about each target. With `or_is_uncertain`, "a or b" makes both uncertain."""
    result: dict[int, Assertion] = {}
    for clause in clauses:
        result |= _of_clause(chunks(clause, targets), or_is_uncertain=or_is_uncertain)
    return result


def _of_clause(chunks: Sequence[Chunk], *, or_is_uncertain: bool) -> dict[int, Assertion]:
    before, after = _cues_before(chunks), _cues_after(chunks)
    alternatives = _alternatives(chunks) if or_is_uncertain else {}
    return {
        start: _assertion(before=before[start], after=after[start] | alternatives.get(start, {}))
        for start in before
    }


def _assertion(*, before: Mapping[str, Token], after: Mapping[str, Token]) -> Assertion:
    """Returns what the cues before and after a target assert.

    If both a negation and a hedge precede it, the first of them decides: "no opacity suspicious for
    pneumonia" denies the pneumonia, "probably no pneumonia" leaves it uncertain.
    """
    around = {**after, **before}
    if "silence" in around:
        return Assertion(None)
    if "doubt" in around:
        return by_cue(Status.UNCERTAIN, around["doubt"])
    if "resolved" in around:
        return by_cue(Status.ABSENT, around["resolved"], resolved=True)
    first = next((kind for kind in before if kind in ("negation", "hedge")), None)
    if "negation" in after or first == "negation":
        return by_cue(Status.ABSENT, around["negation"])
    hedge = around.get("hedge") or around.get("or")
    return by_cue(Status.UNCERTAIN, hedge) if hedge else Assertion(Status.PRESENT)


# --- which cues reach a target ----------------------------------------------------------------------------


def _cues_before(chunks: Sequence[Chunk]) -> dict[int, Cues]:
    """Returns for each target the cues before it that reach it."""
    result: dict[int, Cues] = {}
    in_force: Cues = {}
    previous = Chunk([], "")
    for chunk in chunks:
        if not _continues_list(previous, chunk):
            in_force = {kind: cue for kind, cue in in_force.items() if cue.does("rest")}
        in_force = _read_forward(chunk, in_force, result)
        previous = chunk
    return result


def _read_forward(chunk: Chunk, in_force: Cues, result: dict[int, Cues]) -> Cues:
    """Adds to `result` the cues before each target of the chunk. Returns those in force at its end."""
    for token in chunk.tokens:
        if token.start in chunk.targets:
            result[token.start] = in_force
        either = token.says("either") if token.start < chunk.last_start else ()
        kinds = (*token.says("before"), *token.says("rest"), *either)
        in_force = in_force | {kind: token for kind in kinds if kind not in in_force or token.does("rest")}
    return in_force


def _cues_after(chunks: Sequence[Chunk]) -> dict[int, Cues]:
    """Returns for each target the cues after it that reach it."""
    result: dict[int, Cues] = {}
    in_force: Cues = {}
    following = Chunk([], "")
    for chunk in reversed(chunks):
        if not _shares_cues(chunk, following):
            in_force = {}
        elif (
            following.joint == "comma"
        ):  # in "opacity, atelectasis or pneumonia possible" the opacity is present
            in_force = _without(in_force, "hedge", "doubt")
        in_force = _read_backward(chunk, in_force, result)
        following = chunk
        if chunk.is_about_part and chunk.has_device:  # a tube whose tip is not seen is not absent
            result |= {start: _without(result[start], "negation") for start in chunk.targets}
    return result


def _read_backward(chunk: Chunk, in_force: Cues, result: dict[int, Cues]) -> Cues:
    """Adds to `result` the cues after each target of the chunk; a cue reaches only the nearest target.

    Returns the cues that reach the chunk before: those of the last target, and those before the first
    ("versus").
    """
    cues = in_force
    for token in reversed(chunk.tokens):
        if token.start in chunk.targets:
            result[token.start] = cues
            cues = {}
        either = token.says("either") if token.start > chunk.last_start else ()
        cues = cues | dict.fromkeys((*token.says("after"), *either), token)
    return result[chunk.last_start] | cues


def _without(cues: Cues, *kinds: str) -> Cues:
    return {kind: cue for kind, cue in cues.items() if kind not in kinds}


def _shares_cues(chunk: Chunk, following: Chunk) -> bool:
    """Returns whether cues after the following chunk also reach this one."""
    return following.list_joint == "or" or (following.list_joint == "and" and chunk.is_name_only)


def _continues_list(previous: Chunk, chunk: Chunk) -> bool:
    """Returns whether a chunk continues a list, so that the cues before the first item reach it.

    "No effusion, mass" and "no effusion or small mass" are lists, but not "no effusion, small mass", "no
    effusion, mass at the left base" and "no effusion, tube in place".
    """
    if chunk.list_joint == "or":
        return True
    if chunk.list_joint not in LIST or not chunk.is_name_only:
        return False
    if chunk.joint != "comma":
        return True
    if previous.has_device != chunk.has_device:
        return False
    return not (chunk.list_joint == "comma" and chunk.is_located)


def _alternatives(chunks: Sequence[Chunk]) -> dict[int, Cues]:
    """Returns the targets that "or" joins, each with the "or" as its cue."""
    result: dict[int, Cues] = {}
    for before, chunk in pairwise(chunks):
        if chunk.joint == "or":
            result[before.last_start] = result[chunk.first.start] = {"or": chunk.tokens[0]}
    return result
