"""What of a report is translated, trained on and scored: its target sections, less what no image shows.

A sentence stays or goes, with two exceptions: of a finding that is stated together with a message, only the
message goes; and a phrase that only dates something (`compared to ___,`) goes out of a sentence that says
more.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import Literal, NamedTuple, Protocol

from laudo import sections
from laudo.findings import read
from laudo.targets.marks import without_marks
from laudo.targets.sentences import ITEM_NUMBER, as_sentence, find, split_line
from laudo.vocabulary import Policy


class Policies(Protocol):
    """What to take of a report and what to remove from it, as `[prepare]` of an experiment has it."""

    @property
    def target(self) -> Literal["both", "findings", "impression"]: ...
    @property
    def communication(self) -> Literal["keep", "remove"]: ...
    @property
    def priors(self) -> Literal["keep", "remove", "supply"]: ...
    @property
    def identifiers(self) -> Literal["keep", "remove"]: ...


class Target(NamedTuple):
    """The text by section, and how much each `Policy` took from it; a policy that took nothing is absent."""

    sections: dict[str, str]
    removed: dict[str, int]


def target(report: sections.SectionedReport, policies: Policies) -> Target:
    """Returns the target of an unwrapped report under the policies; an empty section is absent."""
    target_filter = _Filter(policies)
    chosen = sections.target(report) if policies.target == "both" else _only(report, policies.target)
    texts = {name: target_filter.text(body) for name, body in chosen.items()}
    return Target({name: text for name, text in texts.items() if text}, dict(target_filter.removed))


def _only(report: sections.SectionedReport, name: str) -> dict[str, str]:
    body = report.last(name)
    return {name: body} if body else {}


class _Filter:
    """Removes what the policies remove, and counts it in `removed`."""

    def __init__(self, policies: Policies) -> None:
        self.removed: Counter[str] = Counter()
        self._policies = [
            policy
            for policy in (Policy.COMMUNICATION, Policy.PRIORS)
            if getattr(policies, policy) == "remove"
        ]
        self._removes_marks = policies.identifiers == "remove"

    def text(self, text: str) -> str:
        """Returns the text of a section; items of a list that are left are numbered anew."""
        if not self._may_remove(text):
            return text
        before = text.split("\n")
        after = [self._line(line) for line in before]
        # A line that becomes empty takes its line break along, and a paragraph its blank line.
        left = [new for old, new in zip(before, after, strict=True) if new or not old]
        return _renumbered(re.sub(r"\n{3,}", "\n\n", "\n".join(left)).strip(), before=text)

    def _may_remove(self, text: str) -> bool:
        has_mark = self._removes_marks and "__" in text
        return has_mark or any(find(policy, text) is not None for policy in self._policies)

    def _line(self, line: str) -> str:
        left = " ".join(filter(None, (self._sentence(sentence) for sentence in split_line(line))))
        has_words = re.search(r"\w", ITEM_NUMBER.sub("", left))
        return left if has_words else ""

    def _sentence(self, sentence: str) -> str:
        """Returns what the policies leave of a sentence, with the number of its item."""
        item = ITEM_NUMBER.match(sentence)
        number = item[0] if item else ""
        body = sentence[len(number) :]
        for policy in self._policies:
            start = find(policy, body)
            if start is not None:
                self.removed[policy] += 1
                body = _finding(body, start) if policy == Policy.COMMUNICATION else ""
        if self._removes_marks and "__" in body:
            body = self._without_marks(body)
        return number + body if body else ""

    def _without_marks(self, body: str) -> str:
        text, phrases = without_marks(body)
        if not text:
            self.removed[Policy.IDENTIFIERS] += 1
        elif phrases:
            self.removed[Policy.MARKS] += phrases
        return text


# --- findings beside a message ----------------------------------------------------------------------

# What leads to the message: ", which was", ", and the team was".
_LEADING_WORD = r"\b(?:which|and|this|that|as|it|was|were|is|are|has|have|been|being)\b"
_LEAD = re.compile(rf"[ ,;:(-]*(?:{_LEADING_WORD}[ ,]*)*$")
_ABOUT_REPORT = re.compile(
    r"""
    (?: (?:the|these|this|above|all|its)[ ] )*
    (?: findings?|results?|impression|report|case|images? )\b
    """,
    re.IGNORECASE | re.VERBOSE,
)


def _finding(sentence: str, start: int) -> str:
    """Returns the finding before the message, which begins at `start`, or after a colon; else ""."""
    before = _without_lead(sentence[:start])
    clauses = re.split(r"(?<=[,;])[ \t]+", before)
    while clauses and not read(clauses[-1], lang="en"):
        clauses.pop()
    finding = "" if _ABOUT_REPORT.match(before) else " ".join(clauses)
    _, _, after_colon = sentence[start:].partition(": ")
    if not finding and read(after_colon, lang="en") and find(Policy.COMMUNICATION, after_colon) is None:
        finding = after_colon
    return as_sentence(_without_lead(finding))


def _without_lead(text: str) -> str:
    """Returns the text without what leads to the message.

    Only its last 200 characters are examined, because a long text would take hours.
    """
    return text[:-200] + _LEAD.sub("", text[-200:])


# --- numbers of items -------------------------------------------------------------------------------

_PLACED_NUMBER = re.compile(
    r"""
    (?: ^ | (?<=\n) | (?<=[.!?:][ ]) )  # at the start of a line or sentence
    (\d{1,2})
    (?= [.)][ \t]+\S )
    """,
    re.VERBOSE,
)


def _renumbered(text: str, *, before: str) -> str:
    """Returns the text with its items counted from 1, if they were so before and one is gone.

    A single item that is left has no number.
    """
    old, new = _numbers(before), _numbers(text)
    counted_from_1 = list(range(1, len(old) + 1))
    if old == new or old != counted_from_1:
        return text
    if len(new) == 1 and ITEM_NUMBER.match(text):
        return ITEM_NUMBER.sub("", text, count=1)
    numbers = iter(range(1, len(new) + 1))
    return _PLACED_NUMBER.sub(lambda _: str(next(numbers)), text)


def _numbers(text: str) -> list[int]:
    return [int(number) for number in _PLACED_NUMBER.findall(text)]
