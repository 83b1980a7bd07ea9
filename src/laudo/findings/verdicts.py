"""Whether what a mention names is present, absent or uncertain, by the cues around it.

Cues reach along the chunks of a clause: a denial over a whole list, a doubt over what it stands beside, and a few
(`rest`: "the differential includes") over all that follows.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from laudo.findings.clauses import LIST, Chunk, chunks
from laudo.findings.lexicon import Token

Status = Literal["present", "absent", "uncertain"]
Span = tuple[int, int]
Cues = dict[str, Token]  # the kinds of cues in force, in the order met, each with the word that gives it


@dataclass(frozen=True)
class Verdict:
    """What the cues around a token say of it; `status` None where the text states nothing.

    `cues` are the words that made it absent or uncertain.
    """

    status: Status | None
    resolved: bool = False
    cues: tuple[Span, ...] = ()


def verdicts(clauses: Iterable[Sequence[Token]], targets: set[int], *, or_doubts: bool) -> dict[int, Verdict]:
    """What the cues say of each target; with `or_doubts`, "a or b" leaves both uncertain."""
    return {
        start: said
        for clause in clauses
        for start, said in _verdicts(chunks(clause, targets), or_doubts=or_doubts).items()
    }


def _verdicts(chunks: Sequence[Chunk], *, or_doubts: bool) -> dict[int, Verdict]:
    before, after = _ahead(chunks), _behind(chunks)
    either = _alternatives(chunks) if or_doubts else {}
    return {
        start: _decide(before=before[start], after=after[start] | either.get(start, {})) for start in before
    }


def _ahead(chunks: Sequence[Chunk]) -> dict[int, Cues]:
    """The cues before each target."""
    before: dict[int, Cues] = {}
    reach: Cues = {}
    last = Chunk([], "")
    for chunk in chunks:
        if not _goes_on(last, chunk):
            reach = {kind: cue for kind, cue in reach.items() if cue.does("rest")}
        reach = _forward(chunk, reach, before)
        last = chunk
    return before


def _behind(chunks: Sequence[Chunk]) -> dict[int, Cues]:
    """The cues after each target."""
    after: dict[int, Cues] = {}
    carried: Cues = {}
    following = Chunk([], "")
    for chunk in reversed(chunks):
        if not (following.listed == "or" or (following.listed == "and" and chunk.is_plain)):
            carried = {}
        elif following.joint == "comma":  # "opacity, atelectasis or pneumonia possible" hedges no opacity
            carried = _less(carried, "hedge", "doubt")
        carried = _backward(chunk, carried, after)
        following = chunk
        if chunk.is_of_part and chunk.has_device:  # a tip that is not seen is no tube that is not there
            after |= {start: _less(after[start], "negation") for start in chunk.targets}
    return after


def _less(cues: Cues, *kinds: str) -> Cues:
    return {kind: cue for kind, cue in cues.items() if kind not in kinds}


def _goes_on(last: Chunk, chunk: Chunk) -> bool:
    """Whether a list goes on, and with it what was said before its first item.

    "No effusion, mass" and "no effusion or small mass", but not "no effusion, small mass", "no effusion, mass at the
    left base" or "no effusion, tube in place".
    """
    if chunk.listed == "or":
        return True
    if chunk.listed not in LIST or not chunk.is_plain:
        return False
    return not (
        chunk.joint == "comma"
        and (last.has_device != chunk.has_device or (chunk.listed == "comma" and chunk.is_placed))
    )


def _alternatives(chunks: Sequence[Chunk]) -> dict[int, Cues]:
    """The targets joined by "or"."""
    found: dict[int, Cues] = {}
    for before, chunk in pairwise(chunks):
        if chunk.joint == "or":
            found[before.last] = found[chunk.first.start] = {"or": chunk.tokens[0]}
    return found


def _forward(chunk: Chunk, reach: Cues, before: dict[int, Cues]) -> Cues:
    """Notes the cues before each target of the chunk; returns those in force at its end."""
    for token in chunk.tokens:
        if token.start in chunk.targets:
            before[token.start] = reach
        ahead = token.says("either") if token.start < chunk.last else ()
        reach = reach | {
            kind: token
            for kind in (*token.says("before"), *token.says("rest"), *ahead)
            if kind not in reach or token.does("rest")
        }
    return reach


def _backward(chunk: Chunk, carried: Cues, after: dict[int, Cues]) -> Cues:
    """Notes the cues after each target of the chunk, each for the nearest.

    Returns those of its last target and those before its first ("versus"), for the chunk before it.
    """
    kinds = carried
    for token in reversed(chunk.tokens):
        if token.start in chunk.targets:
            after[token.start] = kinds
            kinds = {}
        behind = token.says("either") if token.start > chunk.last else ()
        kinds = kinds | dict.fromkeys((*token.says("after"), *behind), token)
    return after[chunk.last] | kinds


def _decide(*, before: Mapping[str, Token], after: Mapping[str, Token]) -> Verdict:
    """The verdict of the cues around a target; of negation and hedge before it, the outer one rules.

    "No opacity suspicious for pneumonia" denies the pneumonia, "probably no pneumonia" leaves it open.
    """
    around = {**after, **before}
    if "silence" in around:
        return Verdict(None)
    if "doubt" in around:
        return _said("uncertain", around["doubt"])
    if "resolved" in around:
        return _said("absent", around["resolved"], resolved=True)
    outer = next((kind for kind in before if kind in ("negation", "hedge")), None)
    if "negation" in after or outer == "negation":
        return _said("absent", around["negation"])
    unsure = around.get("hedge") or around.get("or")
    return _said("uncertain", unsure) if unsure else Verdict("present")


def _said(status: Status, cue: Token, *, resolved: bool = False) -> Verdict:
    return Verdict(status, resolved, ((cue.start, cue.end),))
