"""Every word and number format that a reader of the page meets, in the page's language.

`words/pt.toml` and `words/en.toml` have the same keys. A text may have placeholders, and takes as many lines
as it needs. A table with just `one` and `many` is one text: `count` chooses. The tables under `word` name
what the tables of a run hold: the members of each enumeration of `laudo.vocabulary`, and labels, splits,
arms, curves and counts as they are spelt there.
"""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Iterator, Mapping
from enum import StrEnum
from functools import cache
from importlib.resources import files
from typing import Any

from markupsafe import Markup

from laudo.vocabulary import Language

_LINE_BREAK = re.compile(r"[ \t]*\n[ \t]*")


class Catalogue:
    """The words of one language: `text("method.title")`, `word(Verdict.ACCEPTED)`, `number(0.5)`.

    Raises:
        KeyError: from any method, where the catalogue has no such word, or a placeholder is without a value.
    """

    def __init__(self, language: Language) -> None:
        self.language: Language = language
        self.entries = entries(language)

    # words

    def text(self, key: str, **values: Any) -> str:
        """Returns a text without markup; numbers among the values are written as `whole` and `tick` do."""
        return self._entry(key, values).format(**self._formatted(values))

    def html(self, key: str, **values: Any) -> Markup:
        """Returns a text whose own markup is kept; its values are escaped."""
        return Markup(self._entry(key, values)).format(**self._formatted(values))

    def word(self, member: StrEnum) -> str:
        """Returns the word for a member of an enumeration of `laudo.vocabulary`."""
        return self.entries[f"word.{type(member).__name__}.{member.name}"]

    def label(self, label: str) -> str:
        """Returns the word for a CheXpert label."""
        return self.entries[f"word.label.{label}"]

    def split(self, split: str) -> str:
        """Returns the word for a split."""
        return self.entries[f"word.split.{split}"]

    def count(self, count: str) -> str:
        """Returns the word for something that `laudo.mimic.release` counts."""
        return self.entries[f"word.count.{count}"]

    def curve(self, curve: str) -> str:
        """Returns the word for a curve of the training."""
        return self.entries[f"word.curve.{curve}"]

    def arm(self, arm: str, *, is_control: bool = False) -> str:
        """Returns the name of an arm; one that the catalogue does not have is called as in the experiment."""
        if f"word.arm.{arm}" in self.entries:
            return self.entries[f"word.arm.{arm}"]
        name = arm.replace("_", " ")
        return self.text("arms.control_of", arm=name) if is_control else name

    def _entry(self, key: str, values: Mapping[str, Any]) -> str:
        if key in self.entries:
            return self.entries[key]
        return self.entries[f"{key}.one" if self._is_singular(values["count"]) else f"{key}.many"]

    def _is_singular(self, count: float) -> bool:
        """In Portuguese the plural begins at 2, so 1.5 is singular; in English all but 1 is plural."""
        return 1 <= count < 2 if self.language == "pt" else count == 1

    def _formatted(self, values: Mapping[str, Any]) -> dict[str, Any]:
        return {name: self._shown(value) for name, value in values.items()}

    def _shown(self, value: Any) -> Any:
        if isinstance(value, int):
            return self.whole(value)
        return self.tick(value) if isinstance(value, float) else value

    # numbers

    def number(self, value: float | None, digits: int = 3) -> str:
        """Returns a number with the language's decimal mark and a true minus sign; a dash for None."""
        if value is None:
            return "–"
        text = f"{value:.{digits}f}"
        is_zero = not text.strip("-0.")
        return self._localised(text.lstrip("-") if is_zero else text)

    def signed(self, value: float | None) -> str:
        """Returns a difference with its sign: `+0,120`."""
        text = self.number(value)
        return f"+{text}" if value is not None and round(value, 3) > 0 else text

    def interval(self, low: float | None, high: float | None) -> str:
        """Returns an interval, `[0,587; 0,640]`; a dash where a limit is None."""
        if low is None or high is None:
            return "–"
        return self.text("number.interval", low=self.number(low), high=self.number(high))

    def p_value(self, p: float | None, floor: float = 0.0) -> str:
        """Returns a p-value with three digits: `0,250`, `< 0,001`, `≤ 0,003`.

        Args:
            floor: the least p that the test could give. A p that is no more is shown as `≤`, and rounded up.
        """
        if p is None:
            return self.number(p)
        if p <= floor * (1 + 1e-9):
            return self.text("number.at_most", p=self.number(math.ceil(p * 1000 - 1e-9) / 1000))
        if p < 0.001:
            return f"< {self.number(0.001)}"
        return self.number(p)

    def whole(self, count: float) -> str:
        """Returns a whole number with the language's mark between thousands."""
        return f"{count:,.0f}".replace(",", self.entries["number.thousands"])

    def day(self, iso: str) -> str:
        """Returns a day, `2026-11-26`, as the language writes it."""
        year, month, day = iso.split("-")
        return self.text("number.day", year=year, month=month, day=day)

    def tick(self, value: float) -> str:
        """Returns a number on an axis, with no more digits than it needs."""
        return self._localised(f"{value:.6g}")

    def _localised(self, text: str) -> str:
        return text.replace("-", "−").replace(".", self.entries["number.decimal"])


@cache
def entries(language: Language) -> Mapping[str, str]:
    """Returns the texts of a catalogue by their keys: `method.title`, `word.split.train`, `page.lead.one`."""
    source = files(__package__).joinpath("words", f"{language}.toml").read_text("utf-8")
    return dict(_flattened(tomllib.loads(source)))


def _flattened(table: Mapping[str, Any], place: str = "") -> Iterator[tuple[str, str]]:
    for name, value in table.items():
        if isinstance(value, str):
            yield f"{place}{name}", _LINE_BREAK.sub(" ", value).strip("\n")
        else:
            yield from _flattened(value, f"{place}{name}.")
