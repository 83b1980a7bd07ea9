"""What a chatty model adds to a translation, taken out: markdown, a preface, a postface.

The words are in `repairs.toml`. The report's own words are never changed. What the English source has too
(bullets, a note) is part of the report, so it stays.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Any, NamedTuple

from laudo.fidelity import phrases
from laudo.fidelity.data import repair_data


def repair(*, source: str, raw: str) -> str:
    """Returns the translation without what a chatty model adds.

    Args:
        source: the English section.
        raw: the model's answer to it.
    """
    return without_frame(source=source, text=without_markdown(source=source, raw=raw))


def without_markdown(*, source: str, raw: str) -> str:
    """Returns the answer without the kinds of markdown that its source does not use."""
    text = raw
    for mark in _marks():
        if not mark.pattern.search(source):
            text = mark.pattern.sub(mark.replacement, text)
    return text.strip()


def without_frame(*, source: str, text: str) -> str:
    """Returns the text without preface and, unless the source has a note of its own, without postface."""
    body = _preface().sub("", text)
    if not _source_note().search(source):
        body = _postface().sub("", body)
    return body.strip()


class _Mark(NamedTuple):
    """One kind of markdown and what remains of it."""

    pattern: re.Pattern[str]
    replacement: str


@cache
def _marks() -> list[_Mark]:
    """The kinds of markdown, in the order in which they are taken out."""
    return [
        _Mark(re.compile(mark["pattern"], re.MULTILINE | re.VERBOSE), mark["replacement"])
        for mark in repair_data()["markdown"].values()
    ]


@cache
def _preface() -> re.Pattern[str]:
    """One or more of: an agreement, an announcement, a title; only at the start of the text."""
    preface = repair_data()["preface"]
    kinds = (
        _agreement(preface["agreement"]),
        _announcement(preface["announcement"]),
        _title(preface["title"]),
    )
    return re.compile(rf"\A(?:\W*(?:{'|'.join(kinds)}))+\s*", re.IGNORECASE)


def _agreement(data: Mapping[str, Any]) -> str:
    """`Claro!`"""
    return rf"{phrases.any_of(data['words'])}[ \t]*[,.!:]"


def _announcement(data: Mapping[str, Any]) -> str:
    """`Segue abaixo a tradução do relatório:`"""
    start = phrases.any_of(data["words"])
    more = rf"[^\n:.]{{0,{data['reach']}}}"
    name = phrases.any_of(data["names"])
    below = rf"(?: {phrases.any_of(data['below'])})?"
    end = r"(?:[:\n]|\.(?=\s)|\Z)"
    return rf"{start}(?:{more}?{name}{more})?{below}[ \t]*{end}"


def _title(data: Mapping[str, Any]) -> str:
    """`Tradução para o português:`"""
    return rf"{phrases.any_of(data['words'])}[^\n:.]{{0,{data['reach']}}}:"


@cache
def _postface() -> re.Pattern[str]:
    """A note or a closing phrase, on a line of its own or after a sentence, and all that follows it."""
    postface = repair_data()["postface"]
    start = r"(?:\n|(?<=[.!?:])[ \t])\s*[(\[]?"
    of_whom = r"d[eoa] \w+"  # "Nota do tradutor"
    attribute = rf"(?: (?:{of_whom}|{phrases.any_of(postface['note']['attributes'])}))?"
    note = rf"{phrases.any_of(postface['note']['words'])}{attribute}\.?[ \t]*:"
    closing = phrases.any_of(postface["closing"]["words"])
    return re.compile(rf"{start}(?:{note}|{closing}).*\Z", re.IGNORECASE | re.DOTALL)


@cache
def _source_note() -> re.Pattern[str]:
    words = repair_data()["postface"]["note"]["source_words"]
    return re.compile(rf"{phrases.any_of(words)}[ \t]*:", re.IGNORECASE)
