"""What of a report is translated, trained on and scored: its sections, less what its images do not show.

The patterns are data, `sentences.toml`. Sentences are whole or gone, save that a phrase which only dates
something (`compared to ___,`) is taken out of a sentence that says more.
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
def tells(policy: str) -> Callable[[str], bool]:
    """Whether a sentence is one that `communication` or `priors` removes."""
    data = tomllib.loads(files(__package__).joinpath("sentences.toml").read_text("utf-8"))[policy]
    found, harmless = _any(data["patterns"]), _any(data["except"])

    def told(sentence: str) -> bool:
        lower = sentence.lower()  # three times as fast as an expression that ignores case
        return bool(found.search(lower) and found.search(harmless.sub(" ", lower)))

    return told


def _any(patterns: list[str]) -> re.Pattern[str]:
    return re.compile(rf"(?<!\w)(?:{'|'.join(patterns) or '(?!)'})(?!\w)")


def _filtered(text: str, settings: Prepare, removed: Counter[str]) -> str:
    """The text without the sentences that the policies remove."""
    wrong = [policy for policy in ("communication", "priors") if getattr(settings, policy) == "remove"]
    without_marks = settings.identifiers == "remove"
    if not any(tells(policy)(text) for policy in wrong) and not (without_marks and "__" in text):
        return text
    paragraphs = (_paragraph(p, wrong, without_marks, removed) for p in text.split("\n\n"))
    return "\n\n".join(paragraph for paragraph in paragraphs if paragraph)


def _paragraph(text: str, wrong: list[str], without_marks: bool, removed: Counter[str]) -> str:
    lines = [_line(line, wrong, without_marks, removed) for line in text.split("\n")]
    left = [line for line in lines if line]
    return "\n".join(left if len(left) == len(lines) else _renumbered(left))


_ITEM = re.compile(r"\d{1,2}[.)][ \t]+")
# A sentence ends at a full stop before a capital, a figure or a mark; not after a title.
_BETWEEN = re.compile(
    r"(?<!\bDr\.)(?<!\bMr\.)(?<!\bMs\.)(?<!\bMrs\.)(?<!\bvs\.)(?<=[.!?])[ \t]+(?=[A-Z0-9_(])"
)


def _line(line: str, wrong: list[str], without_marks: bool, removed: Counter[str]) -> str:
    item = _ITEM.match(line)
    head, rest = (item[0], line[item.end() :]) if item else ("", line)
    kept = []
    for sentence in _sentences(rest):
        reason = next((policy for policy in wrong if tells(policy)(sentence)), None)
        if not reason and without_marks and "__" in sentence:
            sentence, count = _without_marks(sentence)
            reason = None if sentence else "identifiers"
            removed["marks"] += count if sentence else 0
        if reason:
            removed[reason] += 1
        else:
            kept.append(sentence)
    left = " ".join(kept)
    return head + left if re.search(r"\w", left) else ""


def _without_marks(sentence: str) -> tuple[str, int]:
    """The sentence without phrases that only date something, and how many there were; empty where it needs a mark."""
    bare, count = _MARK.subn("", sentence)
    bare = bare.lstrip(" \t,;").rstrip()
    if "__" in bare or not re.search(r"\w{2}", bare) or _HOLLOW.fullmatch(bare):
        return "", 0
    ended = "" if bare.endswith((".", "!", "?")) or not sentence.rstrip().endswith(".") else "."
    return bare[:1].upper() + bare[1:] + ended, count


# "Comparison is made to ___." without its mark.
_HOLLOW = re.compile(r"(?:comparison|compared)\b(?:\W+\w+){0,3}\W*", re.IGNORECASE)


def _sentences(text: str) -> Iterator[str]:
    """The sentences of a line; the number of an item that stands in running text stays with its sentence."""
    number = ""
    for piece in _BETWEEN.split(text):
        if re.fullmatch(r"\d{1,2}[.)]", piece):
            number = f"{piece} "
        else:
            yield number + piece
            number = ""


# `compared to ___,`, `since ___`, `dated ___ at 3:15 PM`: a preposition, words for an examination, the mark.
_MARK = re.compile(
    r"[,;]?[ \t]*\(?\b(?:(?:as|when|in)[ \t]+)?(?:compar(?:ed|ison)[ \t]+(?:to|with)|relative[ \t]+to|since|from|dated|of|on|in|to|with|at)[ \t]+"
    r"(?:(?:the|a|an|prior|previous|earlier|most|recent|study|studies|exam\w*|radiographs?|films?|CT|chest|x-?rays?|scan|"
    r"portable|same|day|and|dated|performed|obtained|of|from|on)[ \t]+){0,8}+"
    r"_{2,}(?:[ \t]*,?[ \t]*(?:at[ \t]+)?(?:_{2,}|\d{1,2}:\d{2}(?:[ \t]*[ap]\.?m\b\.?)?))*+\)?,?",
    re.IGNORECASE,
)


def _renumbered(lines: list[str]) -> list[str]:
    """Items numbered from 1, after one is gone; a single one that is left needs no number."""
    if not all(_ITEM.match(line) for line in lines):
        return lines
    bare = [_ITEM.sub("", line, count=1) for line in lines]
    return bare if len(bare) == 1 else [f"{n}. {line}" for n, line in enumerate(bare, 1)]
