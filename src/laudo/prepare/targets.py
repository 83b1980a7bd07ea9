"""What of a report is translated, trained on and scored: its sections, less what its images do not show.

The patterns are data, `sentences.toml`. Sentences are whole or gone, with two exceptions: a finding that is told with
a message stays without the message, and a phrase which only dates something (`compared to ___,`) is taken out of a
sentence that says more.
"""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache
from importlib.resources import files
from typing import NamedTuple

from laudo import sections
from laudo.config import Prepare
from laudo.findings import read

POLICIES = ("communication", "priors", "identifiers", "marks")
"""What `removed` counts: sentences on who was told; on an earlier study; with a mark `___` that the sentence
needs; and marks taken out of sentences that stay."""


class Target(NamedTuple):
    """The text by section, and how much each policy took from it (`POLICIES`, none at 0)."""

    sections: dict[str, str]
    removed: dict[str, int]


def target(report: sections.Report, settings: Prepare) -> Target:
    """The target of an unwrapped report under the experiment's policies; no section where nothing is left."""
    chosen = sections.target(report) if settings.target == "both" else _only(report, settings.target)
    removed: Counter[str] = Counter()
    kept = {name: _filtered(body, settings, removed) for name, body in chosen.items()}
    return Target(
        {name: body for name, body in kept.items() if body}, {p: n for p, n in removed.items() if n}
    )


def _only(report: sections.Report, name: str) -> dict[str, str]:
    body = report.last(name)
    return {name: body} if body else {}


# --- sentences --------------------------------------------------------------------------------------


@cache
def tells(policy: str) -> Callable[[str], int | None]:
    """Where a sentence begins to say what `communication` or `priors` removes, None where it does not."""
    data = tomllib.loads(files(__package__).joinpath("sentences.toml").read_text("utf-8"))[policy]
    found, harmless = _any(data["patterns"]), _any(data["except"])

    def told(sentence: str) -> int | None:
        lower = sentence.lower()  # three times as fast as an expression that ignores case
        if not found.search(lower):
            return None
        match = found.search(harmless.sub(lambda m: " " * len(m[0]), lower))
        return match.start() if match else None

    return told


def _any(patterns: list[str]) -> re.Pattern[str]:
    return re.compile(rf"(?<!\w)(?:{'|'.join(patterns) or '(?!)'})(?!\w)")


def _filtered(text: str, settings: Prepare, removed: Counter[str]) -> str:
    """The text without the sentences that the policies remove; the items that are left are numbered anew."""
    wrong = [policy for policy in ("communication", "priors") if getattr(settings, policy) == "remove"]
    marks = settings.identifiers == "remove" and "__" in text
    if not marks and all(tells(policy)(text) is None for policy in wrong):
        return text
    lines = [_line(line, wrong, marks, removed) if line else "" for line in text.split("\n")]
    # A line that is gone takes its line break along, and a paragraph its blank line.
    left = "\n".join(
        after for before, after in zip(text.split("\n"), lines, strict=True) if after or not before
    )
    return _renumbered(text, re.sub(r"\n{3,}", "\n\n", left).strip())


def _line(line: str, wrong: list[str], marks: bool, removed: Counter[str]) -> str:
    left = " ".join(
        kept for sentence in _sentences(line) if (kept := _sentence(sentence, wrong, marks, removed))
    )
    return left if re.search(r"\w", _NUMBER.sub("", left)) else ""


def _sentence(sentence: str, wrong: list[str], marks: bool, removed: Counter[str]) -> str:
    """What the policies leave of a sentence, its item's number kept in front of it."""
    number = _NUMBER.match(sentence)
    head, body = (number[0], sentence[number.end() :]) if number else ("", sentence)
    for policy in wrong:
        at = tells(policy)(body)
        if at is not None:
            removed[policy] += 1
            body = _finding(body, at) if policy == "communication" else ""
    if marks and "__" in body:
        body, count = _without_marks(body)
        removed["marks" if body else "identifiers"] += count if body else 1
    return head + body if body else ""


def _finding(sentence: str, at: int) -> str:
    """The finding that a sentence on a message states before the message, or after a colon; else nothing."""
    before = _untailed(sentence[:at])
    clauses = re.split(r"(?<=[,;])[ \t]+", before)
    while clauses and not read(clauses[-1], lang="en"):
        clauses.pop()
    told = "" if _SUBJECT.match(before) else " ".join(clauses)
    after = sentence[at:].partition(": ")[2]
    if not told and read(after, lang="en") and tells("communication")(after) is None:
        told = after
    return _ended(_untailed(told))


def _untailed(text: str) -> str:
    """The text without what leads to the message; no more than its end is looked at, or a long text takes hours."""
    return text[:-200] + _TAIL.sub("", text[-200:])


# What leads to the message: ", which was", ", and the team was".
_TAIL = re.compile(
    r"[ ,;:(-]*(?:\b(?:which|and|this|that|as|it|was|were|is|are|has|have|been|being)\b[ ,]*)*$"
)
_SUBJECT = re.compile(
    r"(?:(?:the|these|this|above|all|its) )*(?:findings?|results?|impression|report|case|images?)\b",
    re.IGNORECASE,
)


def _ended(text: str) -> str:
    """A sentence of its own: a capital first, a stop last."""
    bare = text.strip(" \t,;:")
    return bare[:1].upper() + bare[1:] + ("" if bare.endswith((".", "!", "?")) else ".") if bare else ""


_NUMBER = re.compile(r"\d{1,2}[.)][ \t]+")
# A sentence ends at a stop before a capital, a figure or a mark, or after a word before a small letter; not after
# a title, an abbreviation or an initial.
_BETWEEN = re.compile(
    r"(?<!\bDr\.)(?<!\bMr\.)(?<!\bMs\.)(?<!\bMrs\.)(?<!\bvs\.)(?<!\bSt\.)(?<!\bFig\.)(?<!\bapprox\.)(?<!\b[A-Z]\.)"
    r"(?:(?<=[.!?])[ \t]+(?=[A-Z0-9_(])|(?<=[a-z]{3}[.!?])[ \t]+(?=[a-z]))"
)


def _sentences(text: str) -> Iterator[str]:
    """The sentences of a line; the number of an item stays with its sentence."""
    number = ""
    for piece in _BETWEEN.split(text):
        if re.fullmatch(r"\d{1,2}[.)]", piece):
            number = f"{piece} "
        else:
            yield number + piece
            number = ""


# --- marks of de-identification ---------------------------------------------------------------------

_WORDS = (
    r"(?:(?:the|a|an|prior|previous|earlier|most|recent|study|studies|exam\w*|radiographs?|films?|CT|chest|x-?rays?|scan|"
    r"portable|same|day|and|dated|performed|obtained|of|from|on)[ \t]+)"
)
_MARKS = (
    r"_{2,}(?:[ \t]*(?:,|-|&|and|through|to|at)?[ \t]*(?:_{2,}|\d{1,2}:\d{2}(?:[ \t]*[ap]\.?m\b\.?)?))*+"
    r"(?:[ \t]+(?:study|film|radiograph|exam\w*|CT|x-?ray|scan)\b)?"
)
_STOP = r"[ \t]*(?:[,;:.)]|$)"
_DATING = re.compile(
    # A comparison or a time may stand anywhere; what follows shows that the mark was no measure or part of a name.
    rf"(?<![ \t])[ \t]*+,?[ \t]*+\b(?:(?:as|when|in)[ \t]+)?(?:compar(?:ed|ison)[ \t]+(?:to|with)|relative[ \t]+to|since|from|dated)[ \t]+"
    rf"{_WORDS}{{0,8}}+{_MARKS}(?={_STOP}|[ \t]+(?:and|but|with|there|is|are|has|have|now|the|which)\b),?"
    # A day after what it dates; at the beginning it would date a sentence on another film.
    rf"|(?<=\w),?[ \t]+(?:(?:placed|seen|performed|obtained|done|inserted|noted)[ \t]+)?(?:(?:than|as)[ \t]+)?(?:on|in)[ \t]+"
    rf"{_WORDS}{{0,8}}+{_MARKS}(?={_STOP})"
    rf"|(?<=\w)[ \t]+(?:of|to|with)[ \t]+{_WORDS}{{1,8}}+{_MARKS}(?={_STOP})"
    rf"|(?<=\w)[ \t]+by[ \t]+(?:Dr\.?[ \t]+)?_{{2,}}(?![\w])",
    re.IGNORECASE,
)
_ASIDE = re.compile(r"[ \t]?\([^()]{0,60}_{2,}[^()]{0,60}\)")
# "Comparison is made to ___." without its mark, and what ends in the middle.
_HOLLOW = re.compile(
    r"(?:comparison|compared)\b(?:\W+\w+){0,3}\W*|.*\b(?:than|on|in|at|of|to|with|from|since|the|and|or|by)\W*",
    re.IGNORECASE | re.DOTALL,
)


def _without_marks(sentence: str) -> tuple[str, int]:
    """The sentence without phrases that only date something, and how many there were; empty where it needs a mark."""
    bare, asides = _ASIDE.subn("", sentence)
    bare, phrases = _DATING.subn("", bare)
    bare = bare.lstrip(" \t,;:").rstrip()
    if "__" in bare or not re.search(r"\w{2}", bare) or _HOLLOW.fullmatch(bare):
        return "", 0
    ends = sentence.rstrip().endswith((".", "!", "?"))
    return _ended(bare) if ends else bare[:1].upper() + bare[1:], asides + phrases


# --- numbers of items -------------------------------------------------------------------------------

_PLACED = re.compile(r"(?:^|(?<=\n)|(?<=[.!?:] ))(\d{1,2})(?=[.)][ \t]+\S)")


def _renumbered(before: str, after: str) -> str:
    """Items counted from 1 again, where they were and one is gone; a single one that is left needs no number."""
    were, are = ([int(n) for n in _PLACED.findall(text)] for text in (before, after))
    if were == are or were != [*range(1, len(were) + 1)]:
        return after
    if len(are) == 1 and _NUMBER.match(after):
        return _NUMBER.sub("", after, count=1)
    numbers = iter(range(1, len(are) + 1))
    return _PLACED.sub(lambda _: str(next(numbers)), after)
