"""Phrases as the lexicon writes them: found all at once, and known again by the words found."""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import groupby
from operator import itemgetter

from laudo.findings.text import fold

Roles = Mapping[str, tuple[str, ...]]
"""What a phrase does, and the values it has in it: `{"side": ("left",)}`."""

# Sorted after every letter: any ending, then the end of a phrase.
_WILD, _END = "\U0010fffe", "\U0010ffff"
_SIGNS = {" ": r"[\s-]{1,6}", "*": r"\w*", _END: r"(?!\w)"}
_LOOKED_UP = 1 << 15


def expand(phrase: str) -> Iterator[str]:
    """`"(no|sem) x"` -> `"no x"`, `"sem x"`; choices do not nest."""
    head, opened, rest = phrase.partition("(")
    if not opened:
        yield " ".join(fold(phrase).replace("-", " ").split())
        return
    choice, _, tail = rest.partition(")")
    for option in choice.split("|"):
        yield from expand(head + option + tail)


class Phrases:
    """Expanded phrases and what each does.

    Attributes:
        roles: what each does.
        expression: finds any of them in folded text, a longer one before what it begins with.
    """

    def __init__(self, roles: Mapping[str, Roles]) -> None:
        self.roles = roles
        ordered = sorted(roles, key=_definite)
        self._wild: dict[str, list[tuple[re.Pattern[str], Roles]]] = defaultdict(list)
        for phrase in (phrase for phrase in ordered if "*" in phrase):
            written = re.compile(r"\w*".join(map(re.escape, phrase.split("*"))))
            self._wild[phrase[:2]].append((written, roles[phrase]))
        self.expression = f"(?:{_trie([phrase + _END for phrase in ordered])})" if ordered else "(?!)"
        self.look_up = lru_cache(_LOOKED_UP)(self._look_up)

    def _look_up(self, found: str) -> Roles:
        """What the words do that `expression` found: all that the phrases do which they are, the most definite first.

        A phrase that only keeps its words from another (`unless`) does nothing else.
        """
        words = " ".join(found.replace("-", " ").split())
        fitting = [self.roles[words]] if words in self.roles else []
        fitting += [roles for written, roles in self._wild[words[:2]] if written.fullmatch(words)]
        if "unless" in fitting[0]:
            return fitting[0]
        joined: dict[str, tuple[str, ...]] = {}
        for roles in fitting:
            joined |= {
                role: tuple(dict.fromkeys((*joined.get(role, ()), *values))) for role, values in roles.items()
            }
        return joined


def _definite(phrase: str) -> str:
    """Sorts a longer phrase before what it begins with, and letters before any ending."""
    return phrase.replace("*", _WILD) + _END


def _trie(phrases: Sequence[str]) -> str:
    """An expression that walks sorted phrases letter by letter, all at once."""
    if phrases == [""]:
        return ""
    branches = groupby(phrases, key=itemgetter(0))
    options = [_SIGNS.get(sign, re.escape(sign)) + _trie([p[1:] for p in rest]) for sign, rest in branches]
    return options[0] if len(options) == 1 else f"(?:{'|'.join(options)})"
