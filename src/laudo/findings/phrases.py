"""Phrases of the lexicon: how they are written, and one expression that finds them all."""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import groupby
from operator import itemgetter

from laudo.findings.text import fold

Roles = Mapping[str, tuple[str, ...]]
"""What a phrase does, and its values in each role: `{"side": ("left",)}`."""

# Both are sorted after every letter: any ending, then the end of a phrase.
_ANY_ENDING, _END = "\U0010fffe", "\U0010ffff"
_EXPRESSIONS = {
    " ": r"[\s-]{1,6}",  # a blank also stands for a hyphen or a line break
    "*": r"\w*",
    _END: r"(?!\w)",
}
_CACHE_SIZE = 1 << 15


def expand(phrase: str) -> Iterator[str]:
    """Yields the phrases that a phrase with choices stands for: `"(no|sem) x"` gives `"no x"` and `"sem x"`.

    Choices do not nest.
    """
    head, bracket, rest = phrase.partition("(")
    if not bracket:
        yield " ".join(fold(phrase).replace("-", " ").split())
        return
    choice, _, tail = rest.partition(")")
    for option in choice.split("|"):
        yield from expand(head + option + tail)


class Phrases:
    """Expanded phrases and what each of them does.

    Attributes:
        roles: what each phrase does.
        expression: finds any of the phrases in folded text; the longer of two phrases that begin alike is
            found.
    """

    def __init__(self, roles: Mapping[str, Roles]) -> None:
        self.roles = roles
        ordered = sorted(roles, key=_sort_key)
        self._with_any_ending: dict[str, list[tuple[re.Pattern[str], Roles]]] = defaultdict(list)
        for phrase in (phrase for phrase in ordered if "*" in phrase):
            pattern = re.compile(r"\w*".join(map(re.escape, phrase.split("*"))))
            self._with_any_ending[phrase[:2]].append((pattern, roles[phrase]))
        self.expression = f"(?:{_trie([phrase + _END for phrase in ordered])})" if ordered else "(?!)"
        self.look_up = lru_cache(_CACHE_SIZE)(self._look_up)

    def _look_up(self, matched: str) -> Roles:
        """Returns what the words do that `expression` matched.

        Several phrases may fit: the words exactly, then those with `*`. The words do what any of them does.
        An `unless` phrase only keeps its words from other phrases, so it does nothing else.
        """
        words = " ".join(matched.replace("-", " ").split())
        fitting = [self.roles[words]] if words in self.roles else []
        fitting += [roles for pattern, roles in self._with_any_ending[words[:2]] if pattern.fullmatch(words)]
        return fitting[0] if "unless" in fitting[0] else _united(fitting)


def _united(several: Sequence[Roles]) -> Roles:
    """Returns all values of each role, each value once, in the order in which they come."""
    united: dict[str, tuple[str, ...]] = {}
    for roles in several:
        for role, values in roles.items():
            united[role] = tuple(dict.fromkeys((*united.get(role, ()), *values)))
    return united


def _sort_key(phrase: str) -> str:
    """Sorts a longer phrase before one that it begins with, and letters before `*`."""
    return phrase.replace("*", _ANY_ENDING) + _END


def _trie(phrases: Sequence[str]) -> str:
    """Returns an expression that follows all the sorted phrases at once, letter by letter."""
    if phrases == [""]:
        return ""
    options = [
        _EXPRESSIONS.get(letter, re.escape(letter)) + _trie([phrase[1:] for phrase in group])
        for letter, group in groupby(phrases, key=itemgetter(0))
    ]
    return options[0] if len(options) == 1 else f"(?:{'|'.join(options)})"
