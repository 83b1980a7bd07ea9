"""The sentences of a report, and which of them say something that its images do not show.

The patterns are data: `sentences.toml`.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any, NamedTuple

from laudo.hashing import digest_of_files

ITEM_NUMBER = re.compile(r"\d{1,2}[.)][ \t]+")
"""The number of an item at the start of a sentence: `1. ` or `2) `."""

_LONE_NUMBER = re.compile(r"\d{1,2}[.)]")

# A full stop that does not end a sentence.
_ABBREVIATIONS = ("Dr.", "Mr.", "Ms.", "Mrs.", "vs.", "St.", "Fig.", "approx.")
_NOT_AFTER_ABBREVIATION = "".join(rf"(?<!\b{re.escape(each)})" for each in _ABBREVIATIONS)
_NOT_AFTER_INITIAL = r"(?<!\b[A-Z]\.)"
_BEFORE_CAPITAL = r"(?<=[.!?])[ \t]+(?=[A-Z0-9_(])"
_BEFORE_SMALL_LETTER = r"(?<=[a-z]{3}[.!?])[ \t]+(?=[a-z])"
_BETWEEN_SENTENCES = re.compile(
    rf"{_NOT_AFTER_ABBREVIATION}{_NOT_AFTER_INITIAL}(?:{_BEFORE_CAPITAL}|{_BEFORE_SMALL_LETTER})"
)


_FILE = "sentences.toml"


def data_folder() -> Traversable:
    """Returns the folder that holds `sentences.toml`."""
    return files(__package__)


def patterns_digest() -> str:
    """Returns a digest of `sentences.toml` (`hashing.digest_of_files`)."""
    return digest_of_files({_FILE: data_folder() / _FILE})


def split_line(line: str) -> Iterator[str]:
    """Yields the sentences of a line; the number of an item stays with its sentence."""
    number = ""
    for piece in _BETWEEN_SENTENCES.split(line):
        if _LONE_NUMBER.fullmatch(piece):
            number = f"{piece} "
        else:
            yield number + piece
            number = ""


def as_sentence(text: str) -> str:
    """Returns a piece of a sentence as a sentence: capital first, full stop last; "" if nothing is left."""
    words = text.strip(" \t,;:")
    if not words:
        return ""
    return capitalised(words) if words.endswith((".", "!", "?")) else capitalised(words) + "."


def capitalised(text: str) -> str:
    """Returns the text with a capital first; nothing else changes."""
    return text[:1].upper() + text[1:]


def find(policy: str, sentence: str) -> int | None:
    """Returns where a sentence begins to say what the policy removes; None if it does not say it.

    Args:
        policy: `communication` or `priors`.
    """
    patterns = _patterns(policy)
    lower = sentence.lower()  # three times as fast as an expression that ignores case
    if not patterns.removed.search(lower):
        return None
    match = patterns.removed.search(patterns.harmless.sub(_blanks, lower))
    return match.start() if match else None


def _blanks(match: re.Match[str]) -> str:
    return " " * len(match[0])


class _Patterns(NamedTuple):
    removed: re.Pattern[str]
    harmless: re.Pattern[str]


@cache
def _patterns(policy: str) -> _Patterns:
    data = tomllib.loads(data_folder().joinpath(_FILE).read_text("utf-8"))[policy]
    return _Patterns(_one_of(data["patterns"], data), _one_of(data["harmless"], data))


def _one_of(patterns: list[str], data: dict[str, Any]) -> re.Pattern[str]:
    """Returns an expression that finds any of the patterns between word boundaries."""

    def words(name: re.Match[str]) -> str:
        return f"(?:{'|'.join(data['words'][name[1]])})"

    complete = [re.sub(r"<(\w+)>", words, pattern) for pattern in patterns]
    return re.compile(rf"(?<!\w)(?:{'|'.join(complete)})(?!\w)")
