"""Phrases of the lexicon: how they are written, and how they are found in a text.

A text is followed word by word. A state holds the phrases that the last words may begin; it is made when a
text first needs it and is then remembered, so that a word costs one look-up. A phrase may contain the
beginning of a word (`consolida*`), so several phrases may fit the same words.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

from laudo.findings.text import fold

Roles = Mapping[str, tuple[str, ...]]
"""What a phrase does, and its values in each role: `{"side": ("left",)}`."""

_CHOICE = re.compile(r"\(([^)]*)\)")
_WORD = re.compile(r"\w+\*?|[^\w\s-]")
_REMEMBERED_WORDS = 1 << 16


def expand(phrase: str) -> Iterator[str]:
    """Yields the phrases that a phrase with choices stands for: `"(no|sem) x"` gives `"no x"` and `"sem x"`.

    They are folded, and their words are joined by single blanks. Choices do not nest.
    """
    head, *choices_and_texts = _CHOICE.split(fold(phrase))
    forms = [head]
    for choice, text in zip(choices_and_texts[::2], choices_and_texts[1::2], strict=True):
        options = choice.split("|")
        forms = [form + option + text for form in forms for option in options]
    for form in forms:
        yield " ".join(_WORD.findall(form))


class _State:
    """The phrases that begin alike: what those do that end here, and how the others go on.

    `rests` are the words that follow, with what the phrase does.
    """

    def __init__(self, rests: Iterable[tuple[str, Roles]]) -> None:
        self._next: dict[str, list[tuple[str, Roles]]] = defaultdict(list)
        self._remembered: dict[str, _State | None] = {}
        ending = []
        for rest, roles in rests:
            word, _, further = rest.partition(" ")
            if word:
                self._next[word].append((further, roles))
            else:
                ending.append(roles)
        self.roles = _united(ending)
        self._beginnings = sorted({len(word) - 1 for word in self._next if word[-1] == "*"}, reverse=True)

    def after(self, word: str) -> "_State | None":
        """Returns the state that a further word reaches; None if no phrase goes on with it."""
        try:
            return self._remembered[word]
        except KeyError:
            if len(self._remembered) >= _REMEMBERED_WORDS:
                self._remembered.clear()
            rests = list(self._rests_after(word))
            state = self._remembered[word] = _State(rests) if rests else None
            return state

    def _rests_after(self, word: str) -> Iterator[tuple[str, Roles]]:
        """Yields what follows the word as it stands, and then what follows a beginning of it."""
        yield from self._next.get(word, ())
        for length in self._beginnings:
            if length <= len(word):
                yield from self._next.get(word[:length] + "*", ())


class Phrases:
    """Expanded phrases and what each of them does (`roles`)."""

    def __init__(self, roles: Mapping[str, Roles]) -> None:
        self.roles = roles
        self._start = _State(roles.items())

    def longest(self, words: Sequence[str], start: int) -> tuple[int, Roles] | None:
        """Returns where the longest phrase that begins at a word ends, and what it does; None without one.

        Several phrases may fit the same words; the words then do what any of them does.
        """
        state = self._start.after(words[start])
        found = None
        position = start + 1
        while state:
            if state.roles is not None:
                found = position, state.roles
            if position == len(words):
                break
            state = state.after(words[position])
            position += 1
        return found


def _united(several: Sequence[Roles]) -> Roles | None:
    """Returns all values of each role, each value once, in the order in which they come.

    An `unless` phrase only keeps its words from other phrases, so it does nothing else.
    """
    if len(several) < 2 or "unless" in several[0]:
        return several[0] if several else None
    united: dict[str, tuple[str, ...]] = defaultdict(tuple)
    for roles in several:
        for role, values in roles.items():
            united[role] = tuple(dict.fromkeys((*united[role], *values)))
    return dict(united)
